/*
 * decode.c
 *		From HTTP to what is asked for: path, profile, query, preferences, media
 *		types, range, body, and the plan they make.
 */
#include "gateway/serve/call.h"

#include "gateway/parse/url.h"

#include <string.h>

static const struct
{
	const char *name;
	Method method;
} methods[] = {{"GET", METHOD_GET},     {"HEAD", METHOD_HEAD}, {"POST", METHOD_POST},
			   {"PATCH", METHOD_PATCH}, {"PUT", METHOD_PUT},   {"DELETE", METHOD_DELETE}};

static bool
decode_method(Call *call)
{
	for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
		if (strcmp(call->http->method, methods[i].name) == 0)
		{
			call->api.method = methods[i].method;
			return true;
		}
	return problem_set(&call->problem, 405, "PGRST117",
					   arena_format(call->arena, "Unsupported HTTP method: %s", call->http->method), NULL, NULL);
}

static bool
reads(const Call *call)
{
	return call->api.method == METHOD_GET || call->api.method == METHOD_HEAD;
}

/* The schema is the profile's, where there is one, else the first. */
static bool
decode_profile(Call *call)
{
	const char *wanted = request_header(call->http, reads(call) ? "accept-profile" : "content-profile");
	const char **schemas = call->config->db_schemas;
	Text list;

	call->api.schema = schemas[0];
	if (schemas[1] != NULL)
		call->side.profile = schemas[0];
	if (wanted == NULL)
		return true;
	text_begin(&list, call->arena);
	for (int i = 0; schemas[i] != NULL; i++)
	{
		if (strcmp(schemas[i], wanted) == 0)
		{
			call->api.schema = schemas[i];
			if (schemas[1] != NULL)
				call->side.profile = schemas[i];
			return true;
		}
		text_format(&list, "%s%s", i > 0 ? ", " : "", schemas[i]);
	}
	return problem_set(&call->problem, 406, "PGRST106", arena_format(call->arena, "Invalid schema: %s", wanted), NULL,
					   arena_format(call->arena, "Only the following schemas are exposed: %s", list.data));
}

/* What follows a prefix that ends at a slash; NULL when the path has another. */
static const char *
behind(const char *path, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(path, prefix, length) == 0 && path[length] == '/' ? path + length + 1 : NULL;
}

/* Routes of sessions stand for functions of twin_api, whatever is exposed. */
static bool
decode_session(Call *call)
{
	static const char *const functions[] = {"login", "refresh", "logout", "logout_all", "change_password", "me"};
	const char *prefix = call->config->server_auth_prefix;
	const char *name = behind(call->http->path, prefix);

	if (name == NULL && strcmp(prefix, "/api/auth") == 0)
		name = behind(call->http->path, "/api/v1/auth");
	for (size_t i = 0; name != NULL && i < sizeof(functions) / sizeof(functions[0]); i++)
		if (strcmp(name, functions[i]) == 0)
		{
			call->is_session = true;
			call->api.target = TARGET_ROUTINE;
			call->api.schema = "twin_api";
			call->api.name = functions[i];
			call->side.profile = NULL;
			/* under whatever prefix: limits are by one name */
			call->limited_as = arena_format(call->arena, "/rpc/%s", functions[i]);
			return true;
		}
	return false;
}

/* Routes of the console stand for functions of twin_console, whatever is exposed. */
static bool
decode_console(Call *call)
{
	const char *name = console_routine(call);

	if (name == NULL)
		return false;
	call->is_console = true;
	call->api.target = TARGET_ROUTINE;
	call->api.schema = "twin_console";
	call->api.name = name;
	call->side.profile = NULL;
	return true;
}

static bool
decode_path(Call *call)
{
	UrlPath path;

	if (!url_path_read(call->arena, call->http->path, strlen(call->http->path), &path, &call->problem))
		return false;
	switch (path.kind)
	{
		case URL_ROOT:
			call->api.target = TARGET_ROOT;
			break;
		case URL_RELATION:
			call->api.target = TARGET_RELATION;
			break;
		case URL_ROUTINE:
			call->api.target = TARGET_ROUTINE;
			break;
	}
	call->api.name = path.name;
	return true;
}

/* A password or refresh token in a query would stay in the logs of whoever stands before us: sessions go by POST, "me" reads. */
static bool
decode_session_method(Call *call)
{
	if (!call->is_session || call->api.method == METHOD_POST || (reads(call) && strcmp(call->api.name, "me") == 0))
		return true;
	return problem_set(&call->problem, 405, "PGRST101",
					   arena_format(call->arena, "Cannot use the %s method on %s", call->http->method, call->route),
					   NULL, NULL);
}

/* The root is a function's where the configuration names one, else the OpenAPI document. */
static bool
decode_root(Call *call)
{
	if (call->api.target != TARGET_ROOT)
		return true;
	if (call->config->db_root_spec != NULL)
	{
		call->api.target = TARGET_ROUTINE;
		call->api.name = call->config->db_root_spec;
		return true;
	}
	if (!reads(call))
		return problem_set(&call->problem, 405, "PGRST117",
						   arena_format(call->arena, "Unsupported HTTP method: %s", call->http->method), NULL, NULL);
	if (strcmp(call->config->openapi_mode, "disabled") == 0)
		return problem_set(&call->problem, 404, "PGRST126", "Root endpoint metadata is disabled", NULL, NULL);
	call->is_document = true;
	return true;
}

/* A time zone that the database does not know is as any other preference that is not understood. */
static bool
decode_timezone(Call *call)
{
	const char *name = call->prefer.timezone;

	if (name == NULL || cache_knows_timezone(call->gateway, name))
		return true;
	call->prefer.timezone = NULL;
	if (call->prefer.handling != HANDLING_STRICT)
		return true;
	return problem_set(&call->problem, 400, "PGRST122", "Invalid preferences given with handling=strict",
					   arena_format(call->arena, "Invalid preferences: timezone=%s", name), NULL);
}

static bool
decode_preferences(Call *call)
{
	const char **values = arena_alloc(call->arena, (size_t) (call->http->header_count + 1) * sizeof(char *));
	int count = 0;

	for (int i = 0; i < call->http->header_count; i++)
		if (strcmp(call->http->headers[i].name, "prefer") == 0)
			values[count++] = call->http->headers[i].value;
	return prefer_read(call->arena, values, count, &call->prefer, &call->problem) && decode_timezone(call);
}

static bool
decode_range(Call *call)
{
	const char *value = request_header(call->http, "range");
	const char *unit = request_header(call->http, "range-unit");

	call->range = (RowRange){0};
	/* of GET only, and of rows only */
	if (value == NULL || call->api.method != METHOD_GET || (unit != NULL && strcmp(unit, "items") != 0))
		return true;
	return range_read(value, &call->range, &call->problem);
}

static bool
decode_body(Call *call)
{
	const char *type = request_header(call->http, "content-type");

	call->body = (Body){0};
	if (reads(call) || call->api.method == METHOD_DELETE)
		return true;
	return body_read(call->arena, content_type_read(call->arena, type), call->http->body, call->http->body_length,
					 &call->body, &call->problem);
}

static bool
decode_plan(Call *call)
{
	const PlanLimits limits = {.max_rows = call->config->db_max_rows,
							   .aggregates = call->config->db_aggregates_enabled,
							   .plans = call->config->db_plan_enabled,
							   .unfiltered = call->config->db_unfiltered_writes};
	const char *accept = request_header(call->http, "accept");

	call->api.query = &call->query;
	call->api.prefer = &call->prefer;
	call->api.range = &call->range;
	call->api.body = &call->body;
	call->api.path = call->http->path;
	call->api.accepts = accept_read(call->arena, accept != NULL ? accept : "*/*", &call->api.accept_count);
	return plan_request(call->arena, call->schema, &limits, &call->api, &call->plan, &call->problem);
}

bool
call_decode(Call *call)
{
	int64_t began = call_clock();
	bool good = decode_method(call) && decode_profile(call) &&
				(decode_session(call) || decode_console(call) || decode_path(call)) && decode_session_method(call) &&
				decode_root(call) &&
				query_read(call->arena, call->http->query, strlen(call->http->query),
						   call->api.target == TARGET_ROUTINE && reads(call), &call->query, &call->problem) &&
				decode_preferences(call) && decode_range(call) && decode_body(call);

	call->timings.parse = call_clock() - began;
	began = call_clock();
	good = good && decode_plan(call);
	call->timings.plan = call_clock() - began;
	return good;
}

const char *
call_allow(Call *call)
{
	call->api.method = METHOD_GET;
	if (!decode_profile(call))
		return NULL;
	if (decode_session(call))
		return strcmp(call->api.name, "me") == 0 ? "OPTIONS,GET,HEAD,POST" : "OPTIONS,POST";
	if (!decode_console(call) && !decode_path(call))
		return NULL;
	if (call->api.target == TARGET_ROOT)
		return "OPTIONS,GET,HEAD";
	return plan_allow(call->arena, call->schema, &call->api, &call->problem);
}
