/*
 * body_csv.c
 *		CSV (RFC 4180) as an array of objects of strings.
 *
 * The JSON grows by the names of the columns in every row, so its size is
 * bounded and not only the body's.
 */
#include "gateway/parse/body_parts.h"

#include <string.h>

static const char no_csv[] = "parse error (the text is no CSV)";
static const char uneven[] = "All lines must have same number of fields";

typedef struct Csv
{
	const char *s;
	const char *end;
	Text scratch; /* a quoted field whose quotes were doubled */
} Csv;

typedef struct CsvField
{
	const char *data;
	size_t length;
	bool is_quoted;
	bool is_last; /* of its line */
} CsvField;

/* Takes the comma or line end behind a field. */
static bool
field_ends(Csv *csv, CsvField *field)
{
	field->is_last = true;
	if (csv->s == csv->end)
		return true;
	if (*csv->s == ',')
	{
		field->is_last = false;
		csv->s++;
		return true;
	}
	if (*csv->s != '\r' && *csv->s != '\n')
		return false;
	csv->s += *csv->s == '\r' && csv->s + 1 < csv->end && csv->s[1] == '\n' ? 2 : 1;
	return true;
}

/* Reads a field in quotes. */
static bool
quoted_field(Csv *csv, CsvField *field)
{
	const char *start = csv->s + 1;

	csv->scratch.length = 0;
	for (;;)
	{
		const char *quote = memchr(start, '"', (size_t) (csv->end - start));

		if (quote == NULL)
			return false;
		csv->s = quote + 1;
		if (csv->s == csv->end || *csv->s != '"')
		{
			if (csv->scratch.length == 0)
			{
				field->data = start;
				field->length = (size_t) (quote - start);
			}
			else
			{
				text_add(&csv->scratch, start, (size_t) (quote - start));
				field->data = csv->scratch.data;
				field->length = csv->scratch.length;
			}
			return true;
		}
		text_add(&csv->scratch, start, (size_t) (quote + 1 - start));
		start = quote + 2;
	}
}

/* Reads one field; the text is not at its end, or a comma was before it. */
static bool
read_field(Csv *csv, CsvField *field)
{
	field->is_quoted = csv->s < csv->end && *csv->s == '"';
	if (field->is_quoted)
		return quoted_field(csv, field) && field_ends(csv, field);
	field->data = csv->s;
	while (csv->s < csv->end && *csv->s != ',' && *csv->s != '\r' && *csv->s != '\n')
	{
		if (*csv->s == '"')
			return false;
		csv->s++;
	}
	field->length = (size_t) (csv->s - field->data);
	return field_ends(csv, field);
}

/* Whether a line has nothing in it. */
static bool
is_blank(const CsvField *first)
{
	return first->is_last && first->length == 0 && !first->is_quoted;
}

/* Reads the names of the columns; each is also made ready for the rows: "name":. */
static bool
read_names(Arena *arena, Csv *csv, Body *body, Text *names, size_t *ends, int *count)
{
	CsvField field = {.is_last = true}; /* an empty text is a blank line */

	*count = 0;
	while (csv->s < csv->end)
	{
		if (!read_field(csv, &field))
			return false;
		if (*count > 0 || !is_blank(&field))
			break;
	}
	if (is_blank(&field))
		return false;
	for (;;)
	{
		if (*count == BODY_KEYS_MAX)
			return false;
		body->keys[*count] = arena_copy(arena, field.data, field.length);
		text_json_bytes(names, field.data, field.length);
		text_char(names, ':');
		ends[(*count)++] = names->length;
		if (field.is_last)
			return true;
		if (!read_field(csv, &field))
			return false;
	}
}

/* Reads one line into one object; a blank line is none. */
static bool
read_row(Csv *csv, Text *json, const Text *names, const size_t *ends, int count, const char **why)
{
	size_t before = json->length;

	text_put(json, before > 1 ? ",{" : "{");
	for (int i = 0;; i++)
	{
		CsvField field;
		size_t from = i > 0 && i < count ? ends[i - 1] : 0;

		*why = no_csv;
		if (!read_field(csv, &field))
			return false;
		if (i == 0 && is_blank(&field))
		{
			json->length = before;
			json->data[before] = '\0';
			return true;
		}
		*why = uneven;
		if (i >= count || (field.is_last && i + 1 < count))
			return false;
		if (i > 0)
			text_char(json, ',');
		text_add(json, names->data + from, ends[i] - from);
		/* public: a word of CSV */
		if (!field.is_quoted && field.length == 4 && memcmp(field.data, "NULL", 4) == 0)
			text_put(json, "null");
		else
			text_json_bytes(json, field.data, field.length);
		*why = "the CSV becomes too large";
		if (json->length > BODY_CSV_JSON_MAX)
			return false;
		if (field.is_last)
			break;
	}
	text_char(json, '}');
	return true;
}

bool
body_read_csv(Arena *arena, const char *data, size_t length, Body *body, Problem *problem)
{
	Csv csv = {.s = data, .end = data + length};
	size_t *ends = arena_alloc(arena, sizeof(size_t) * BODY_KEYS_MAX);
	int count;
	const char *why;
	Text names;
	Text json;

	/* public: a byte order mark */
	if (length >= 3 && memcmp(data, "\xef\xbb\xbf", 3) == 0)
		csv.s += 3;
	text_begin(&csv.scratch, arena);
	text_begin(&names, arena);
	body->keys = arena_alloc(arena, sizeof(char *) * BODY_KEYS_MAX);
	if (!read_names(arena, &csv, body, &names, ends, &count))
		return body_refuse(problem, no_csv, NULL);
	text_begin(&json, arena);
	text_char(&json, '[');
	while (csv.s < csv.end)
	{
		if (!read_row(&csv, &json, &names, ends, count, &why))
			return body_refuse(problem, why, NULL);
	}
	body->is_empty_array = json.length == 1;
	text_char(&json, ']');
	body->kind = BODY_ARRAY;
	body->key_count = body_sort_keys(body->keys, count);
	body->json = json.data;
	body->json_length = json.length;
	return true;
}
