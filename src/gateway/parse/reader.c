/*
 * reader.c
 *		The rules of Parsec, as far as errors show them.
 *
 * mergeError, labels and the wording follow parsec 3.1: of two errors the one
 * farther to the right wins, at one place they add up, and a position is a
 * line and a column of characters, with tabs to the next eighth.
 */
#include "gateway/parse/reader.h"

#include <string.h>

void
reader_begin(Reader *reader, Arena *arena, const char *text, int *budget)
{
	*reader = (Reader){.arena = arena, .text = text, .length = strlen(text), .budget = budget};
}

/* Adds what a later error knows to an earlier one. */
static void
merge(ReaderError *into, const ReaderError *from)
{
	if (!from->is_known || (into->is_known && into->at > from->at))
		return;
	if (!into->is_known || into->at < from->at)
	{
		*into = *from;
		return;
	}
	if (!into->has_found)
	{
		into->has_found = from->has_found;
		into->found = from->found;
	}
	if (!into->is_after)
	{
		into->is_after = from->is_after;
		into->after = from->after;
	}
	for (int i = 0; i < from->count && into->count < READER_EXPECTED_MAX; i++)
		into->expected[into->count++] = from->expected[i];
}

static void
forget(ReaderError *error)
{
	error->is_known = error->has_found = error->is_after = false;
	error->count = 0;
}

void
reader_mark(Reader *reader, ReaderMark *mark)
{
	mark->at = reader->at;
	mark->error = reader->error;
	forget(&reader->error);
}

/* Puts the errors before a mark and behind it together. */
static void
rejoin(Reader *reader, const ReaderMark *mark)
{
	ReaderError joined = mark->error;

	merge(&joined, &reader->error);
	reader->error = joined;
}

bool
reader_try(Reader *reader, const ReaderMark *mark, bool success)
{
	if (!success)
		reader->at = mark->at;
	if (reader->at == mark->at)
		rejoin(reader, mark);
	return success;
}

bool
reader_label(Reader *reader, const ReaderMark *mark, bool success, const char *label)
{
	ReaderError *error = &reader->error;

	if (reader->at != mark->at)
		return success;
	if (!success || error->is_known)
	{
		if (!error->is_known)
			error->at = reader->at;
		error->is_known = true;
		error->count = 1;
		error->expected[0] = label;
	}
	rejoin(reader, mark);
	return success;
}

bool
reader_unmoved(const Reader *reader, const ReaderMark *mark)
{
	return reader->at == mark->at;
}

bool
reader_expect(Reader *reader, const char *what)
{
	ReaderError error = {.at = reader->at, .is_known = true, .has_found = true, .found = reader->at};

	if (what != NULL)
		error.expected[error.count++] = what;
	merge(&reader->error, &error);
	return false;
}

bool
reader_reject(Reader *reader, size_t where, size_t at)
{
	ReaderError error = {.at = at, .is_known = true, .is_after = true, .after = where};

	merge(&reader->error, &error);
	return false;
}

void
reader_move(Reader *reader, size_t at)
{
	reader->at = at;
	forget(&reader->error);
}

/* Bytes a word shares with what follows. */
static size_t
shared(const Reader *reader, const char *word, size_t length)
{
	size_t same = 0;

	while (same < length && reader->at + same < reader->length && reader->text[reader->at + same] == word[same])
		same++;
	return same;
}

/* Notes that a word was expected here, of which a part stood there. */
static void
expect_word(Reader *reader, const char *shown, size_t same)
{
	ReaderError error = {.at = reader->at,
						 .is_known = true,
						 .has_found = true,
						 .found = reader->at + same,
						 .count = 1,
						 .expected = {shown}};

	merge(&reader->error, &error);
}

bool
reader_peek(Reader *reader, const char *shown)
{
	size_t length = strlen(shown) - 2;
	size_t same = shared(reader, shown + 1, length);

	if (same == length)
		return true;
	expect_word(reader, shown, same);
	return false;
}

bool
reader_word(Reader *reader, const char *shown)
{
	size_t length = strlen(shown) - 2;
	size_t same = shared(reader, shown + 1, length);

	if (same == length)
	{
		reader_move(reader, reader->at + length);
		return true;
	}
	if (same > 0)
		forget(&reader->error);
	expect_word(reader, shown, same);
	reader->at += same; /* it has moved, and the error stands where the word began */
	return false;
}

bool
reader_byte(Reader *reader, char byte, const char *label)
{
	if (reader->at < reader->length && reader->text[reader->at] == byte)
	{
		reader_move(reader, reader->at + 1);
		return true;
	}
	return reader_expect(reader, label);
}

bool
reader_end(Reader *reader)
{
	ReaderError error = {
		.at = reader->at, .is_known = true, .after = reader->at, .count = 1, .expected = {"end of input"}};

	error.is_after = reader->at < reader->length;
	error.has_found = !error.is_after;
	error.found = reader->at;
	merge(&reader->error, &error);
	return !error.is_after;
}

bool
reader_not(Reader *reader, char byte)
{
	if (reader->at < reader->length && reader->text[reader->at] == byte)
		return reader_reject(reader, reader->at, reader->at + 1);
	return true;
}

void
reader_blanks(Reader *reader)
{
	size_t at = reader->at;

	while (at < reader->length && (reader->text[at] == ' ' || reader->text[at] == '\t'))
		at++;
	if (at != reader->at)
		reader_move(reader, at);
	(void) reader_expect(reader, NULL);
}

bool
reader_count(Reader *reader)
{
	if (*reader->budget > 0)
	{
		(*reader->budget)--;
		return true;
	}
	return reader_refuse(reader, "PGRST100", "too many columns, conditions and values");
}

bool
reader_refuse(Reader *reader, const char *code, const char *why)
{
	if (reader->refusal == NULL)
	{
		reader->code = code;
		reader->refusal = why;
		forget(&reader->error);
		reader->error.at = reader->at;
	}
	return false;
}

/* Adds the character at a place as Haskell shows it, without quotes. */
static void
show(const Reader *reader, size_t at, char quote, Text *text)
{
	const unsigned char *s = (const unsigned char *) reader->text + at;

	if (*s == '\n')
		text_put(text, "\\n");
	else if (*s == '\t')
		text_put(text, "\\t");
	else if (*s == '\r')
		text_put(text, "\\r");
	else if (*s == '\\' || *s == quote)
		text_format(text, "\\%c", *s);
	else if (*s == 0x7f)
		text_put(text, "\\DEL");
	else if (*s >= 0x20 && *s < 0x7f)
		text_char(text, (char) *s);
	else if (*s < 0x80)
		text_format(text, "\\%d", *s);
	else if (*s < 0xe0)
		text_format(text, "\\%d", (s[0] & 0x1f) << 6 | (s[1] & 0x3f));
	else if (*s < 0xf0)
		text_format(text, "\\%d", (s[0] & 0x0f) << 12 | (s[1] & 0x3f) << 6 | (s[2] & 0x3f));
	else
		text_format(text, "\\%d", (s[0] & 0x07) << 18 | (s[1] & 0x3f) << 12 | (s[2] & 0x3f) << 6 | (s[3] & 0x3f));
}

/* Writes what was found and what was expected. */
static const char *
details(const Reader *reader)
{
	const ReaderError *error = &reader->error;
	const char *each[READER_EXPECTED_MAX];
	int count = 0;
	Text text;

	text_begin(&text, reader->arena);
	if (error->is_after || (error->has_found && error->found < reader->length))
	{
		char quote = error->is_after ? '\'' : '"';

		text_format(&text, "unexpected %c", quote);
		show(reader, error->is_after ? error->after : error->found, quote, &text);
		text_char(&text, quote);
	}
	else if (error->has_found)
		text_put(&text, "unexpected end of input");
	for (int i = 0; i < error->count; i++)
	{
		bool is_new = true;

		for (int j = 0; j < count && is_new; j++)
			is_new = strcmp(each[j], error->expected[i]) != 0;
		if (is_new)
			each[count++] = error->expected[i];
	}
	for (int i = 0; i < count; i++)
	{
		const char *joint = i + 1 == count ? " or " : ", ";

		if (i == 0)
			joint = text.length > 0 ? " expecting " : "expecting ";
		text_put(&text, joint);
		text_put(&text, each[i]);
	}
	if (text.length == 0)
		text_put(&text, "unknown parse error");
	return text.data;
}

bool
reader_problem(Reader *reader, const char *what, const char *text, Problem *problem)
{
	unsigned line = 1;
	unsigned column = 1;
	const char *place;

	for (size_t i = 0; i < reader->error.at && i < reader->length; i++)
	{
		unsigned char byte = (unsigned char) reader->text[i];

		if (byte == '\n')
		{
			line++;
			column = 1;
		}
		else if (byte == '\t')
			column += 8 - (column - 1) % 8;
		else if ((byte & 0xc0) != 0x80)
			column++;
	}
	place = arena_format(reader->arena, "\"failed to parse %s (%s)\" (line %u, column %u)", what, text, line, column);
	if (reader->refusal == NULL)
		return problem_set(problem, 400, "PGRST100", place, details(reader), NULL);
	/* public: a code of errors */
	if (strcmp(reader->code, "PGRST100") == 0)
		return problem_set(problem, 400, reader->code, place, reader->refusal, NULL);
	return problem_set(problem, 400, reader->code, reader->refusal, NULL, NULL);
}
