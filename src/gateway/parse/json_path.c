/*
 * json_path.c
 *		Names, quoted or not, and the ways into JSON behind them.
 *
 * What a name may hold unquoted is PostgREST's alphabet; of characters beyond
 * ASCII all count as letters, since the tables of Unicode are not worth their
 * weight here and the database knows which names exist.
 */
#include "gateway/parse/query_parts.h"

#include <stdlib.h>
#include <string.h>

#define NAME_LABEL "field name (* or [a..z0..9_$])"
#define KEY_LABEL "any non reserved character different from: .,>()"

/* Whether a byte belongs to a class of characters. */
typedef bool (*Belongs)(unsigned char byte);

static bool
is_digit(unsigned char byte)
{
	return byte >= '0' && byte <= '9';
}

static bool
is_of_identifier(unsigned char byte)
{
	return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || is_digit(byte) || byte == '_' ||
		   byte == ' ' || byte == '$' || byte >= 0x80;
}

static bool
is_of_key(unsigned char byte)
{
	return byte != '\0' && strchr("(-:.,>)", byte) == NULL;
}

static bool
is_blank(unsigned char byte)
{
	return byte == ' ' || (byte >= '\t' && byte <= '\r');
}

/* Where the run of a class ends. */
static size_t
end_of_run(const Reader *reader, Belongs belongs)
{
	size_t at = reader->at;

	while (at < reader->length && belongs((unsigned char) reader->text[at]))
		at++;
	return at;
}

/* Notes what would make an identifier go on. */
static bool
expect_identifier(Reader *reader)
{
	(void) reader_expect(reader, "letter");
	return reader_expect(reader, "digit");
}

/* Takes a run, without the blanks around. */
static bool
run(Reader *reader, Belongs belongs, size_t *start, size_t *length)
{
	size_t end = end_of_run(reader, belongs);
	size_t from = reader->at;
	bool success = end > from;

	*start = from;
	*length = end - from;
	if (success)
		reader_move(reader, end);
	while (*length > 0 && is_blank((unsigned char) reader->text[*start]))
	{
		(*start)++;
		(*length)--;
	}
	while (*length > 0 && is_blank((unsigned char) reader->text[*start + *length - 1]))
		(*length)--;
	if (belongs == is_of_identifier)
		(void) expect_identifier(reader);
	else
		(void) reader_expect(reader, NULL);
	return success;
}

bool
query_identifier(Reader *reader, const char **identifier)
{
	size_t start;
	size_t length;

	if (!run(reader, is_of_identifier, &start, &length))
		return false;
	*identifier = arena_copy(reader->arena, reader->text + start, length);
	return true;
}

/* Takes a dash that does not begin an arrow. */
static bool
dash(Reader *reader)
{
	ReaderMark mark;

	reader_mark(reader, &mark);
	return reader_try(reader, &mark, reader_byte(reader, '-', "\"-\"") && reader_not(reader, '>'));
}

/* Takes runs with dashes between. */
static bool
dashed(Reader *reader, Belongs belongs, const char **name)
{
	size_t start;
	size_t length;
	Text joined = {0};

	if (!run(reader, belongs, &start, &length))
		return false;
	while (dash(reader))
	{
		if (joined.arena == NULL)
		{
			text_begin(&joined, reader->arena);
			text_add(&joined, reader->text + start, length);
		}
		if (!run(reader, belongs, &start, &length))
			return false;
		text_char(&joined, '-');
		text_add(&joined, reader->text + start, length);
	}
	*name = joined.arena != NULL ? joined.data : arena_copy(reader->arena, reader->text + start, length);
	return true;
}

bool
query_quoted(Reader *reader, const char **text)
{
	size_t from;
	size_t at;
	char *copy;
	size_t length = 0;

	if (!reader_byte(reader, '"', "\"\\\"\""))
		return false;
	from = reader->at;
	for (at = from; at < reader->length && reader->text[at] != '"'; at++)
	{
		if (reader->text[at] == '\\' && at + 1 < reader->length)
			at++;
	}
	if (at >= reader->length)
	{
		reader_move(reader, reader->length);
		(void) reader_expect(reader, "\"\\\\\"");
		return reader_expect(reader, "\"\\\"\"");
	}
	copy = arena_alloc(reader->arena, at - from + 1);
	for (size_t i = from; i < at; i++)
	{
		if (reader->text[i] == '\\')
			i++;
		copy[length++] = reader->text[i];
	}
	reader_move(reader, at + 1);
	*text = copy;
	return true;
}

/* Takes what is quoted or a run of a class with dashes. */
static bool
name_of(Reader *reader, Belongs belongs, const char *label, const char **name)
{
	ReaderMark mark;
	bool success;

	reader_mark(reader, &mark);
	success = query_quoted(reader, name);
	if (!success && reader_unmoved(reader, &mark))
		success = dashed(reader, belongs, name);
	return reader_label(reader, &mark, success, label);
}

bool
query_name(Reader *reader, const char **name)
{
	return name_of(reader, is_of_identifier, NAME_LABEL, name);
}

bool
query_dot(Reader *reader)
{
	return reader_byte(reader, '.', "delimiter (.)");
}

/* Takes a whole number with something behind it that ends a step. */
static bool
index_step(Reader *reader, const char **key)
{
	static const char *const ends[] = {"\"->\"", "\"::\"", "\".\"", "\",\""};
	size_t start = reader->at;
	size_t end;

	(void) reader_byte(reader, '-', "\"-\"");
	end = end_of_run(reader, is_digit);
	if (end == reader->at)
		return reader_expect(reader, "digit");
	reader_move(reader, end);
	(void) reader_expect(reader, "digit");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
	{
		if (reader_peek(reader, ends[i]))
			goto found;
	}
	if (!reader_end(reader))
		return false;
found:
	*key = arena_copy(reader->arena, reader->text + start, end - start);
	return true;
}

/* Takes -> or ->>. */
static bool
arrow(Reader *reader, bool *as_text)
{
	ReaderMark mark;

	reader_mark(reader, &mark);
	*as_text = reader_try(reader, &mark, reader_word(reader, "\"->>\""));
	if (*as_text)
		return true;
	reader_mark(reader, &mark);
	return reader_try(reader, &mark, reader_word(reader, "\"->\""));
}

/* Takes steps as long as there are arrows. */
static bool
json_path(Reader *reader, JsonStep **steps)
{
	JsonStep **tail = steps;
	bool as_text;

	*steps = NULL;
	while (arrow(reader, &as_text))
	{
		JsonStep *step = arena_alloc(reader->arena, sizeof(JsonStep));
		ReaderMark mark;

		if (!reader_count(reader))
			return false;
		step->as_text = as_text;
		reader_mark(reader, &mark);
		step->is_index = reader_try(reader, &mark, index_step(reader, &step->key));
		if (!step->is_index)
		{
			reader_mark(reader, &mark);
			if (!reader_try(reader, &mark, name_of(reader, is_of_key, KEY_LABEL, &step->key)))
				return false;
		}
		*tail = step;
		tail = &step->next;
	}
	return true;
}

bool
query_field(Reader *reader, Field *field)
{
	reader_blanks(reader);
	if (!query_name(reader, &field->name) || !json_path(reader, &field->steps))
		return false;
	reader_blanks(reader);
	return true;
}

bool
query_tree_path(Reader *reader, const char ***path, int *depth, Field *field)
{
	const char **names = arena_alloc(reader->arena, sizeof(char *) * QUERY_DEPTH_MAX);

	*depth = 0;
	if (!query_name(reader, &field->name))
		return false;
	while (query_dot(reader))
	{
		if (*depth == QUERY_DEPTH_MAX)
			return reader_refuse(reader, "PGRST100", "too many names in one path");
		names[(*depth)++] = field->name;
		if (!query_name(reader, &field->name))
			return false;
	}
	*path = *depth > 0 ? names : NULL;
	return json_path(reader, &field->steps);
}

static int
compare_names(const void *left, const void *right)
{
	return strcmp(*(const char *const *) left, *(const char *const *) right);
}

bool
query_columns(Reader *reader, const char ***columns, int *count)
{
	size_t commas = 0;
	const char **names;
	int kept = 0;

	for (const char *s = reader->text; *s != '\0'; s++)
		commas += *s == ',';
	names = arena_alloc(reader->arena, sizeof(char *) * (commas + 1));
	*count = 0;
	for (;;)
	{
		size_t at;

		if (!reader_count(reader) || !query_name(reader, &names[*count]))
			return false;
		(*count)++;
		at = reader->at;
		reader_blanks(reader);
		if (!reader_byte(reader, ',', "\",\""))
		{
			if (reader->at != at)
				return false;
			break;
		}
		reader_blanks(reader);
	}
	qsort(names, (size_t) *count, sizeof(char *), compare_names);
	for (int i = 0; i < *count; i++)
	{
		if (i == 0 || strcmp(names[kept - 1], names[i]) != 0)
			names[kept++] = names[i];
	}
	*columns = names;
	*count = kept;
	return true;
}
