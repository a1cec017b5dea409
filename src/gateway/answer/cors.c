/*
 * cors.c
 *		Origins that may call.
 */
#include "gateway/answer/cors.h"

#include <stdio.h>
#include <string.h>

#define WANTED_MAX 1024 /* bytes of Access-Control-Request-Headers that are looked at */
#define METHODS "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"
#define EXPOSED                                                                                           \
	"Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "           \
	"Transfer-Encoding, Range-Unit, Preference-Applied, Content-Profile, Retry-After, WWW-Authenticate, " \
	"Proxy-Status, Server-Timing"

bool
cors_allows(const char *const *allowed, const char *origin)
{
	for (int i = 0; origin != NULL && allowed != NULL && allowed[i] != NULL; i++)
	{
		if (strcmp(allowed[i], origin) == 0)
			return true;
	}
	return false;
}

bool
cors_is_preflight(const char *method, const char *origin, const char *wanted_method)
{
	return strcmp(method, "OPTIONS") == 0 && origin != NULL && wanted_method != NULL;
}

void
cors_add(Answer *answer, const char *const *allowed, const char *origin)
{
	/* an answer to a preflight has them already, and twice they mean nothing (Fetch Standard, 4.9) */
	if (!cors_allows(allowed, origin) || answer_header(answer, "Access-Control-Allow-Origin") != NULL)
		return;
	(void) answer_add(answer, "Access-Control-Allow-Origin", origin);
	(void) answer_add(answer, "Access-Control-Allow-Credentials", "true");
	(void) answer_add(answer, "Access-Control-Expose-Headers", EXPOSED);
}

/* Authorization and every name that was asked for and can be one. */
static const char *
headers_allowed(Arena *arena, const char *wanted)
{
	Text text;

	text_begin(&text, arena);
	text_put(&text, "Authorization");
	if (wanted != NULL && strlen(wanted) > WANTED_MAX)
		wanted = NULL;
	while (wanted != NULL && *wanted != '\0')
	{
		size_t length = strcspn(wanted, ",");
		size_t blanks = strspn(wanted, " \t");
		size_t end = length;
		const char *name;

		while (end > blanks && (wanted[end - 1] == ' ' || wanted[end - 1] == '\t'))
			end--;
		name = arena_copy(arena, wanted + (blanks < end ? blanks : end), blanks < end ? end - blanks : 0);
		if (answer_is_name(name) && strcasecmp(name, "Authorization") != 0)
			text_format(&text, ", %s", name);
		wanted += length + (wanted[length] == ',');
	}
	text_put(&text, ", Accept, Accept-Language, Content-Language");
	return text.data;
}

Answer *
cors_preflight(Arena *arena, const char *const *allowed, const char *origin, const char *wanted_headers,
			   const AnswerSide *side)
{
	Answer *answer = answer_new(arena, 200);

	if (cors_allows(allowed, origin))
	{
		(void) answer_add(answer, "Access-Control-Allow-Origin", origin);
		(void) answer_add(answer, "Access-Control-Allow-Credentials", "true");
		(void) answer_add(answer, "Access-Control-Allow-Methods", METHODS);
		(void) answer_add(answer, "Access-Control-Allow-Headers", headers_allowed(arena, wanted_headers));
		(void) answer_add(answer, "Access-Control-Max-Age", "86400");
	}
	(void) answer_add(answer, "Vary", "Origin, Access-Control-Request-Method, Access-Control-Request-Headers");
	answer_finish(answer, side);
	return answer;
}

/* The server's own origin as a browser would name it: the port of its scheme is left out. */
static bool
is_own(const char *origin, const char *host, bool is_tls)
{
	const char *scheme = is_tls ? "https://" : "http://";
	const char *port = is_tls ? ":443" : ":80";
	size_t length = strlen(host);
	size_t port_length = strlen(port);

	if (strncmp(origin, scheme, strlen(scheme)) != 0)
		return false;
	if (length > port_length && strcmp(host + length - port_length, port) == 0)
		length -= port_length;
	origin += strlen(scheme);
	return length > 0 && strlen(origin) == length && strncasecmp(origin, host, length) == 0;
}

bool
cors_is_trusted(const char *const *allowed, const char *origin, const char *host, bool is_tls, bool must_be_there)
{
	if (origin == NULL)
		return !must_be_there;
	return cors_allows(allowed, origin) || (host != NULL && is_own(origin, host, is_tls));
}
