/*
 * body.c
 *		Which kind of body is read how.
 */
#include "gateway/parse/body_parts.h"

#include <stdlib.h>
#include <string.h>

bool
body_refuse(Problem *problem, const char *message, const char *details)
{
	return problem_set(problem, 400, "PGRST102", message, details, NULL);
}

static int
compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *) left, *(const char *const *) right);
}

int
body_sort_keys(const char **keys, int count)
{
	int kept = 0;

	qsort(keys, (size_t) count, sizeof(char *), compare_names);
	for (int i = 0; i < count; i++)
	{
		if (i == 0 || strcmp(keys[kept - 1], keys[i]) != 0) /* public: names of columns */
			keys[kept++] = keys[i];
	}
	return kept;
}

/* Keeps a body as it is. */
static bool
keep_raw(const char *data, size_t length, bool is_text, Body *body, Problem *problem)
{
	if (is_text && !text_is_utf8(data, length))
		return problem_set(problem, 400, "22021", "invalid byte sequence for encoding \"UTF8\"", NULL, NULL);
	body->kind = BODY_RAW;
	body->raw = data;
	body->raw_length = length;
	return true;
}

bool
body_read(Arena *arena, MediaChoice type, const char *data, size_t length, Body *body, Problem *problem)
{
	bool (*read)(Arena *, const char *, size_t, Body *, Problem *) = NULL;
	const char *complaint = "Empty or invalid json";

	*body = (Body){.kind = BODY_NONE, .type = type};
	switch (type.media)
	{
		case MEDIA_JSON:
			read = body_read_json;
			break;
		case MEDIA_CSV:
			read = body_read_csv;
			complaint = "parse error (the text is no UTF-8)";
			break;
		case MEDIA_FORM:
			read = body_read_form;
			complaint = "the form is no UTF-8";
			break;
		case MEDIA_TEXT:
		case MEDIA_XML:
		case MEDIA_OCTETS:
			break;
		default:
			return body_refuse(problem, arena_format(arena, "Content-Type not acceptable: %s", type.name), NULL);
	}
	if (length == 0)
		return true;
	if (read == NULL)
		return keep_raw(data, length, type.media != MEDIA_OCTETS, body, problem);
	if (!text_is_utf8(data, length))
		return body_refuse(problem, complaint, NULL);
	return read(arena, data, length, body, problem);
}
