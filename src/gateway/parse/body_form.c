/*
 * body_form.c
 *		Forms: pairs, percent-encoded, as an object of strings.
 */
#include "gateway/parse/body_parts.h"
#include "gateway/parse/query_parts.h"

#include <string.h>

/* Whether a name comes again behind a pair. */
static bool
comes_again(const QueryPair *pairs, int count, int from)
{
	for (int i = from + 1; i < count; i++)
	{
		if (strcmp(pairs[i].name, pairs[from].name) == 0)
			return true;
	}
	return false;
}

bool
body_read_form(Arena *arena, const char *data, size_t length, Body *body, Problem *problem)
{
	QueryPair *pairs;
	int count;
	Parameter **tail = &body->fields;
	Text json;

	if (!query_split(arena, data, length, BODY_KEYS_MAX, &pairs, &count, problem))
		return body_refuse(problem, "the form cannot be decoded", problem->details);
	body->kind = BODY_OBJECT;
	body->keys = arena_alloc(arena, sizeof(char *) * ((size_t) count + 1));
	text_begin(&json, arena);
	text_char(&json, '{');
	for (int i = 0; i < count; i++)
	{
		const char *value = pairs[i].value != NULL ? pairs[i].value : "";

		*tail = arena_alloc(arena, sizeof(Parameter));
		(*tail)->name = pairs[i].name;
		(*tail)->value = value;
		tail = &(*tail)->next;
		body->keys[i] = pairs[i].name;
		if (comes_again(pairs, count, i))
			continue;
		if (json.length > 1)
			text_char(&json, ',');
		text_json(&json, pairs[i].name);
		text_char(&json, ':');
		text_json(&json, value);
	}
	text_char(&json, '}');
	body->key_count = body_sort_keys(body->keys, count);
	body->json = json.data;
	body->json_length = json.length;
	return true;
}
