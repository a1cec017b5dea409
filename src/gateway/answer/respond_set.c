/*
 * respond_set.c
 *		response.headers and response.status: what functions of the database say
 *		about the answer.
 */
#include "gateway/answer/respond.h"

#include "common/strictjson.h"

#include <ctype.h>
#include <string.h>

#define LENGTH_MAX 65536
#define VALUES_MAX 256

bool
respond_may_set(const char *name, const char *value)
{
	/* RFC 9110, 7.6.1, and what frames a message (RFC 9112, 6) */
	static const char *const refused[] = {"Connection", "Content-Length", "Keep-Alive",        "Proxy-Connection",
										  "TE",         "Trailer",        "Transfer-Encoding", "Upgrade"};

	if (!answer_is_name(name) || !answer_is_value(value) || strncasecmp(name, "Access-Control-", 15) == 0)
		return false;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
	{
		if (strcasecmp(name, refused[i]) == 0)
			return false;
	}
	return true;
}

static bool
refuse_headers(Problem *problem, const char *details)
{
	return problem_set(
		problem, 500, "PGRST111",
		"response.headers guc must be a JSON array composed of objects with a single key and a string value", details,
		NULL);
}

static bool
read_one(Arena *arena, json_t *object, Header headers[RESPOND_HEADERS_MAX], int *count, Problem *problem)
{
	void *member = json_is_object(object) && json_object_size(object) == 1 ? json_object_iter(object) : NULL;
	const char *name = member == NULL ? NULL : json_object_iter_key(member);
	const char *value = member == NULL ? NULL : json_string_value(json_object_iter_value(member));

	if (value == NULL)
		return refuse_headers(problem, NULL);
	if (!respond_may_set(name, value))
		return refuse_headers(problem,
							  "a header frames the message, concerns the connection or CORS, or has a name or "
							  "value that none can have");
	if (*count == RESPOND_HEADERS_MAX)
		return refuse_headers(problem, "there are too many headers");
	headers[(*count)++] = (Header){arena_string(arena, name), arena_string(arena, value)};
	return true;
}

bool
respond_read_headers(Arena *arena, const char *json, Header headers[RESPOND_HEADERS_MAX], int *count,
					 Problem *problem)
{
	size_t length = json == NULL ? 0 : strlen(json);
	json_t *array;
	bool is_good = true;

	*count = 0;
	if (length == 0)
		return true;
	if (length > LENGTH_MAX || !strictjson_fits(json, length, 2, VALUES_MAX))
		return refuse_headers(problem, NULL);
	array = json_loadb(json, length, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_array(array))
		is_good = refuse_headers(problem, NULL);
	for (size_t i = 0; is_good && i < json_array_size(array); i++)
		is_good = read_one(arena, json_array_get(array, i), headers, count, problem);
	json_decref(array);
	return is_good;
}

bool
respond_read_status(const char *text, int *status, Problem *problem)
{
	int read = 0;

	if (text == NULL || text[0] == '\0')
		return true;
	for (int i = 0; i < 3 && isdigit((unsigned char) text[i]); i++)
		read = read * 10 + (text[i] - '0');
	if (read < 200 || read > 599 || text[3] != '\0')
		return problem_set(problem, 500, "PGRST112", "response.status guc must be a valid status code", NULL, NULL);
	*status = read;
	return true;
}
