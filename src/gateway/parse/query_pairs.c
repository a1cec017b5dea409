/*
 * query_pairs.c
 *		A query string or a form as names and values, and its canonical form.
 *
 * Both & and ; stand between pairs, as in PostgREST's HTTP library; of names
 * that repeat, the canonical form joins the values with a comma, as there.
 */
#include "gateway/parse/query_parts.h"
#include "gateway/parse/url.h"

#include <stdlib.h>
#include <string.h>

/* Where the next pair ends. */
static size_t
pair_length(const char *raw, size_t length)
{
	size_t at = 0;

	while (at < length && raw[at] != '&' && raw[at] != ';')
		at++;
	return at;
}

bool
query_split(Arena *arena, const char *raw, size_t length, int maximum, QueryPair **pairs, int *count,
			Problem *problem)
{
	size_t room = 1;

	for (size_t i = 0; i < length && room < (size_t) maximum; i++)
		room += raw[i] == '&' || raw[i] == ';';
	*pairs = arena_alloc(arena, room * sizeof(QueryPair));
	*count = 0;
	while (length > 0)
	{
		size_t taken = pair_length(raw, length);
		const char *equals = taken > 0 ? memchr(raw, '=', taken) : NULL;

		if (taken > 0)
		{
			QueryPair *pair = &(*pairs)[*count];

			if (*count == maximum)
				return problem_set(problem, 400, "PGRST100", "failed to parse the query string",
								   "too many parameters", NULL);
			pair->name = url_decode(arena, raw, equals != NULL ? (size_t) (equals - raw) : taken, true);
			if (equals != NULL)
				pair->value = url_decode(arena, equals + 1, (size_t) (raw + taken - equals - 1), true);
			if (pair->name == NULL || (equals != NULL && pair->value == NULL))
				return problem_set(problem, 400, "PGRST100", "failed to decode the query string",
								   "a percent sign without two hexadecimal digits, a NUL, or bytes that are no UTF-8",
								   NULL);
			(*count)++;
			raw += taken;
			length -= taken;
		}
		if (length > 0)
		{
			raw++;
			length--;
		}
	}
	return true;
}

/* By name, then as they came: both point into one array. */
static int
compare_pairs(const void *left, const void *right)
{
	const QueryPair *a = *(const QueryPair *const *) left;
	const QueryPair *b = *(const QueryPair *const *) right;
	int order = strcmp(a->name, b->name);

	return order != 0 ? order : (a > b) - (a < b);
}

const char *
query_canonical(Arena *arena, const QueryPair *pairs, int count)
{
	const QueryPair **sorted = arena_alloc(arena, ((size_t) count + 1) * sizeof(QueryPair *));
	Text text;

	for (int i = 0; i < count; i++)
		sorted[i] = &pairs[i];
	qsort(sorted, (size_t) count, sizeof(QueryPair *), compare_pairs);
	text_begin(&text, arena);
	for (int i = 0; i < count; i++)
	{
		if (i > 0 && strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
			text_char(&text, ',');
		else
		{
			if (i > 0)
				text_char(&text, '&');
			url_encode(&text, sorted[i]->name);
			text_char(&text, '=');
		}
		if (sorted[i]->value != NULL)
			url_encode(&text, sorted[i]->value);
	}
	return text.data;
}
