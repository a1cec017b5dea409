/*
 * raised.c
 *		SQLSTATE PGRST: a function of the database decides the whole answer, in
 *		JSON.
 */
#include "gateway/answer/error.h"

#include "common/strictjson.h"
#include "gateway/answer/respond.h"

#include <string.h>

#define DEPTH_MAX 4
#define VALUES_MAX 200
#define LENGTH_MAX 65536

#define PARSE_MESSAGE "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"
#define MESSAGE_HINT \
	"MESSAGE must be a JSON object with obligatory keys: 'code', 'message' and optional keys: 'details', 'hint'."
#define DETAIL_HINT \
	"DETAIL must be a JSON object with obligatory keys: 'status', 'headers' and optional key: 'status_text'."

static bool
refuse(Arena *arena, Problem *problem, const char *what, const char *text)
{
	const char *hint = strcmp(what, "MESSAGE") == 0 ? MESSAGE_HINT : DETAIL_HINT;

	if (text == NULL)
		return problem_set(problem, 500, "PGRST121", PARSE_MESSAGE, "DETAIL is missing in the RAISE statement", hint);
	return problem_set(problem, 500, "PGRST121", PARSE_MESSAGE,
					   arena_format(arena, "Invalid JSON value for %s: '%.1000s'", what, text), hint);
}

static json_t *
object_of(const char *text)
{
	size_t length = strlen(text);

	return length > LENGTH_MAX ? NULL : strictjson_object(text, length, DEPTH_MAX, VALUES_MAX);
}

/* A member that is a string, null or absent; false when it is anything else. */
static bool
optional_text(Arena *arena, const json_t *object, const char *name, const char **text)
{
	const json_t *member = json_object_get(object, name);

	*text = NULL;
	if (member == NULL || json_is_null(member))
		return true;
	if (!json_is_string(member))
		return false;
	*text = arena_string(arena, json_string_value(member));
	return true;
}

static bool
read_message(Arena *arena, const char *message, RaisedAnswer *raised)
{
	json_t *object = object_of(message);
	bool is_good = object != NULL && optional_text(arena, object, "code", &raised->code) && raised->code != NULL &&
				   optional_text(arena, object, "message", &raised->message) && raised->message != NULL &&
				   optional_text(arena, object, "details", &raised->details) &&
				   optional_text(arena, object, "hint", &raised->hint);

	json_decref(object);
	return is_good;
}

static bool
read_headers(Arena *arena, json_t *headers, RaisedAnswer *raised)
{
	const char *name;
	json_t *value;

	if (!json_is_object(headers))
		return false;
	json_object_foreach(headers, name, value)
	{
		const char *text = json_string_value(value);

		if (text == NULL || !respond_may_set(name, text) ||
			raised->header_count == (int) (sizeof(raised->headers) / sizeof(raised->headers[0])))
			return false;
		raised->headers[raised->header_count++] = (Header){arena_string(arena, name), arena_string(arena, text)};
	}
	return true;
}

static bool
read_detail(Arena *arena, const char *detail, RaisedAnswer *raised)
{
	json_t *object = object_of(detail);
	json_t *status = json_object_get(object, "status");
	const char *text;
	bool is_good = object != NULL && json_is_integer(status) && json_integer_value(status) >= 200 &&
				   json_integer_value(status) <= 599 && optional_text(arena, object, "status_text", &text) &&
				   read_headers(arena, json_object_get(object, "headers"), raised);

	if (is_good)
	{
		raised->status = (int) json_integer_value(status);
		raised->status_text = text == NULL ? NULL : answer_reason(arena, text);
	}
	json_decref(object);
	return is_good;
}

bool
error_read_raised(Arena *arena, const char *message, const char *detail, RaisedAnswer *raised, Problem *problem)
{
	*raised = (RaisedAnswer){0};
	if (message == NULL || !read_message(arena, message, raised))
		return refuse(arena, problem, "MESSAGE", message == NULL ? "" : message);
	if (detail == NULL || !read_detail(arena, detail, raised))
		return refuse(arena, problem, "DETAIL", detail);
	return true;
}
