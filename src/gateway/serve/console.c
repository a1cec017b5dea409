/*
 * console.c
 *		The security console: a page and its few files, out of the program itself.
 *
 *		/console			the page
 *		/console/NAME		its style, scripts; settings.json: what the page must know of this gateway
 *		/console/api/NAME	a function of twin_console: decode.c, a request like any other
 *
 * Names are looked up in a list and never become paths.  No token, no database:
 * what is served here anybody may read, and shows nothing of anybody.
 */
#include "gateway/serve/console.h"

#include "gateway/serve/call.h"

#include <string.h>

#define ROOT "/console"
#define SETTINGS "settings.json"

/* Nothing from elsewhere, no script or style within the page, no text that becomes markup. */
static const Header guards[] = {
	{"Content-Security-Policy",
	 "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri "
	 "'none'; "
	 "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=(), payment=(), usb=()"},
};

/* What stands behind the console's own path, "" for itself; NULL for any other. */
static const char *
name_in(const char *path)
{
	const size_t length = sizeof(ROOT) - 1;

	if (strncmp(path, ROOT, length) != 0)
		return NULL;
	if (path[length] == '\0')
		return "";
	return path[length] == '/' ? path + length + 1 : NULL;
}

const char *
console_routine(const Call *call)
{
	const char *name = call->config->server_console_enabled ? name_in(call->http->path) : NULL;

	/* public: a path */
	return name != NULL && strncmp(name, "api/", 4) == 0 && name[4] != '\0' ? name + 4 : NULL;
}

bool
console_is_file(const Call *call)
{
	return call->config->server_console_enabled && name_in(call->http->path) != NULL && console_routine(call) == NULL;
}

/* Whether the client has this version of a file: If-None-Match names it, or "*" (RFC 9110, 13.1.2). */
static bool
is_known(const Call *call, const char *etag)
{
	const char *list = request_header(call->http, "if-none-match");

	return list != NULL && (strcmp(list, "*") == 0 || strstr(list, etag) != NULL);
}

static const char *
settings_json(const Call *call)
{
	Text text;

	text_begin(&text, call->arena);
	text_put(&text, "{\"sessions\":");
	text_json(&text, call->config->server_auth_prefix);
	text_put(&text, ",\"websocket\":");
	text_json(&text, call->config->server_websocket_path);
	text_put(&text, ",\"version\":");
	text_json(&text, TWIN_VERSION);
	text_char(&text, '}');
	return text.data;
}

static void
add_guards(Answer *answer)
{
	for (size_t i = 0; i < sizeof(guards) / sizeof(guards[0]); i++)
		(void) answer_add(answer, guards[i].name, guards[i].value);
}

static Answer *
answer_file(const Call *call, const ConsoleFile *file)
{
	bool known = is_known(call, file->etag);
	Answer *answer = answer_new(call->arena, known ? 304 : 200);

	add_guards(answer);
	(void) answer_add(answer, "ETag", file->etag);
	/* it may be kept, and is asked for each time: another version of the program has another page */
	(void) answer_add(answer, "Cache-Control", "no-cache");
	(void) answer_add(answer, "Vary", "Accept-Encoding");
	if (!known)
	{
		(void) answer_add(answer, "Content-Type", file->type);
		answer->body = (const char *) file->data;
		answer->body_length = file->length;
	}
	return answer;
}

static Answer *
answer_settings(const Call *call)
{
	Answer *answer = answer_new(call->arena, 200);

	add_guards(answer);
	(void) answer_add(answer, "Content-Type", "application/json; charset=utf-8");
	(void) answer_add(answer, "Cache-Control", "no-store");
	answer->body = settings_json(call);
	answer->body_length = strlen(answer->body);
	return answer;
}

static Answer *
refusal(Call *call, int status, const char *code, const char *message)
{
	(void) problem_set(&call->problem, status, code, message, NULL, NULL);
	return error_from_problem(call->arena, &call->problem, &call->side);
}

static Answer *
make_answer(Call *call)
{
	const char *name = name_in(call->http->path);
	Answer *answer;

	if (strcmp(call->http->method, "GET") != 0 && strcmp(call->http->method, "HEAD") != 0)
	{
		answer = refusal(call, 405, "HTTP405", "Here are only pages to read");
		(void) answer_add(answer, "Allow", "GET, HEAD");
		return answer;
	}
	if (strcmp(name, SETTINGS) == 0)
		return answer_settings(call);
	for (int i = 0; i < console_file_count; i++)
		if (strcmp(console_files[i].name, name) == 0)
			return answer_file(call, &console_files[i]);
	return refusal(call, 404, "HTTP404", "The console has no such page");
}

void
console_answer(Call *call)
{
	Answer *answer = make_answer(call);

	answer_finish(answer, &call->side);
	call_answer(call, answer);
}
