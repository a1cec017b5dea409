/*
 * admission.c
 *		How a request presents itself to the database: twin.begin_request().
 *
 * Everything the client said goes along as it is; token, CSRF, limits, role
 * and settings are decided there.  The statement is the same for every request.
 */
#include "gateway/serve/call.h"

#include "gateway/parse/headers.h"

#include <string.h>

static const char begin_request[] =
	"SELECT role_name, user_id, request_id FROM twin.begin_request($1::pg_catalog.text, "
	"$2::pg_catalog.text, $3::pg_catalog.jsonb, $4::pg_catalog.jsonb, "
	"$5::pg_catalog.inet, $6::pg_catalog.text, "
	"anonymous_role => $7::pg_catalog.name, extra_search_path => $8::pg_catalog.text[], "
	"settings => $9::pg_catalog.text[], route => $10::pg_catalog.text)";

#define ARGUMENTS 10

enum
{
	ANSWER_ROLE,
	ANSWER_USER,
	ANSWER_REQUEST
};

/* Adds the value of a header; of several, as one list (RFC 9110, 5.3). */
static void
add_values(Text *text, const Request *http, int first)
{
	const char *name = http->headers[first].name;
	Text joined;

	text_begin(&joined, text->arena);
	for (int i = first; i < http->header_count; i++)
	{
		if (strcmp(http->headers[i].name, name) != 0)
			continue;
		if (i > first)
			text_put(&joined, ", ");
		text_put(&joined, http->headers[i].value);
	}
	text_json(text, joined.data);
}

static bool
came_before(const Request *http, int index)
{
	for (int i = 0; i < index; i++)
		if (strcmp(http->headers[i].name, http->headers[index].name) == 0)
			return true;
	return false;
}

/* Cookies go by themselves; a WebSocket's protocols may hold the token, which is Authorization's then. */
static bool
is_left_out(const Call *call, const char *name)
{
	return strcmp(name, "cookie") == 0 || strcmp(name, "sec-websocket-protocol") == 0 ||
		   (call->bearer != NULL && strcmp(name, "authorization") == 0);
}

/* All headers but cookies as a JSON object. */
static const char *
headers_json(const Call *call)
{
	const Request *http = call->http;
	Text text;

	text_begin(&text, call->arena);
	text_char(&text, '{');
	for (int i = 0; i < http->header_count; i++)
	{
		if (is_left_out(call, http->headers[i].name) || came_before(http, i))
			continue;
		if (text.length > 1)
			text_char(&text, ',');
		text_json(&text, http->headers[i].name);
		text_char(&text, ':');
		add_values(&text, http, i);
	}
	if (call->bearer != NULL)
	{
		text_put(&text, text.length > 1 ? ",\"authorization\":" : "\"authorization\":");
		text_json(&text, arena_format(call->arena, "Bearer %s", call->bearer));
	}
	text_char(&text, '}');
	return text.data;
}

/* The first cookie of each name, as a JSON object. */
static const char *
cookies_json(const Call *call)
{
	const char *header = request_header(call->http, "cookie");
	Cookie *cookies = header != NULL ? cookies_read(call->arena, header) : NULL;
	Text text;

	text_begin(&text, call->arena);
	text_char(&text, '{');
	for (const Cookie *cookie = cookies; cookie != NULL; cookie = cookie->next)
	{
		const Cookie *earlier = cookies;

		while (earlier != cookie && strcmp(earlier->name, cookie->name) != 0)
			earlier = earlier->next;
		if (earlier != cookie)
			continue;
		if (text.length > 1)
			text_char(&text, ',');
		text_json(&text, cookie->name);
		text_char(&text, ':');
		text_json(&text, cookie->value);
	}
	text_char(&text, '}');
	return text.data;
}

/* A list of names as the text of an array. */
static const char *
array_text(Arena *arena, const char *const *names)
{
	Text text;

	text_begin(&text, arena);
	text_char(&text, '{');
	for (int i = 0; names != NULL && names[i] != NULL; i++)
	{
		text_put(&text, i > 0 ? ",\"" : "\"");
		for (const char *c = names[i]; *c != '\0'; c++)
		{
			if (*c == '"' || *c == '\\')
				text_char(&text, '\\');
			text_char(&text, *c);
		}
		text_char(&text, '"');
	}
	text_char(&text, '}');
	return text.data;
}

/* Names and values in turn: the administrator's app.settings, the client's time zone, what a routine wants for the statement around it. */
static const char *
settings_text(const Call *call)
{
	const char **settings = call->has_problem || call->is_document ? NULL : call->plan.settings;
	const char **list;
	int count = 0;
	int given = 0;

	for (const ConfigPair *pair = call->config->app_settings; pair != NULL; pair = pair->next)
		count += 2;
	while (settings != NULL && settings[given] != NULL)
		given++;
	list = arena_alloc(call->arena, (size_t) (count + given + 3) * sizeof(char *));
	count = 0;
	for (const ConfigPair *pair = call->config->app_settings; pair != NULL; pair = pair->next)
	{
		list[count++] = arena_format(call->arena, "app.settings.%s", pair->name);
		list[count++] = pair->value;
	}
	if (call->prefer.timezone != NULL)
	{
		list[count++] = "timezone";
		list[count++] = call->prefer.timezone;
	}
	for (int i = 0; i < given; i++)
		list[count++] = settings[i];
	return array_text(call->arena, list);
}

void
admission_add(Call *call)
{
	const char **values = arena_alloc(call->arena, ARGUMENTS * sizeof(char *));

	values[0] = call->http->method;
	values[1] = call->http->path;
	values[2] = headers_json(call);
	values[3] = cookies_json(call);
	values[4] = call->http->client_address;
	values[5] = call->api.schema != NULL ? call->api.schema : call->config->db_schemas[0];
	values[6] = call->config->db_anon_role;
	values[7] = array_text(call->arena, call->config->db_extra_search_path);
	values[8] = settings_text(call);
	values[9] = call->limited_as;
	call->admission = call->statement_count;
	call->statements[call->statement_count++] =
		(PoolStatement){.sql = begin_request, .prepare = true, .parameter_count = ARGUMENTS, .values = values};
}

static const char *
text_of(const Call *call, const PGresult *result, int column)
{
	return PQgetisnull(result, 0, column) ? NULL : arena_string(call->arena, PQgetvalue(result, 0, column));
}

void
admission_take(Call *call, const PGresult *result)
{
	if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
		return;
	call->role = text_of(call, result, ANSWER_ROLE);
	call->user_id = text_of(call, result, ANSWER_USER);
	call->database_request_id = text_of(call, result, ANSWER_REQUEST);
	call->side.is_authenticated = call->role != NULL && (call->config->db_anon_role == NULL ||
														 strcmp(call->role, call->config->db_anon_role) != 0);
}
