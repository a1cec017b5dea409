/*
 * config_file.c
 *		The form of PostgREST's configuration file, a line at a time:
 *
 *			name = "value"		# a comment
 *			name = 10
 *			name = true			or false, on, off
 *
 * Strings know the escapes \" \\ \n \r \t \uXXXX.  A name stands in a file
 * once.  Nothing is guessed: a line that is none of these is an error.
 */
#include "gateway/config/setting.h"

#include <ctype.h>
#include <string.h>

#define FILE_LINES_MAX 2000
#define COMPLAINTS_MAX 20

typedef struct Reader
{
	Arena *arena;
	const char *place;
	FILE *errors;
	int complaints;
	int line;
	const char *at; /* in the line */
	const char *end;
} Reader;

__attribute__((format(printf, 2, 3))) static bool
complain(Reader *reader, const char *format, ...)
{
	va_list arguments;

	if (++reader->complaints > COMPLAINTS_MAX)
		return false;
	fprintf(reader->errors, "%s:%d: ", reader->place, reader->line);
	va_start(arguments, format);
	vfprintf(reader->errors, format, arguments);
	va_end(arguments);
	fputc('\n', reader->errors);
	return false;
}

static void
skip_blanks(Reader *reader)
{
	while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\t'))
		reader->at++;
}

/* Adds a code point as UTF-8; surrogates are refused before. */
static void
put_character(Text *text, unsigned c)
{
	if (c < 0x80)
		text_char(text, (char) c);
	else if (c < 0x800)
	{
		text_char(text, (char) (0xc0 | c >> 6));
		text_char(text, (char) (0x80 | (c & 0x3f)));
	}
	else
	{
		text_char(text, (char) (0xe0 | c >> 12));
		text_char(text, (char) (0x80 | (c >> 6 & 0x3f)));
		text_char(text, (char) (0x80 | (c & 0x3f)));
	}
}

/* Four hexadecimal digits; 0 when they are not, which is refused as NUL is. */
static unsigned
read_hex(Reader *reader)
{
	unsigned c = 0;

	for (int i = 0; i < 4; i++)
	{
		unsigned char digit = reader->at < reader->end ? (unsigned char) *reader->at : 'x';

		if (!isxdigit(digit))
			return 0;
		c = c * 16 + (unsigned) (isdigit(digit) ? digit - '0' : tolower(digit) - 'a' + 10);
		reader->at++;
	}
	return c;
}

/* What stands behind an opening quote, up to the closing one. */
static bool
read_quoted(Reader *reader, Text *value)
{
	while (reader->at < reader->end)
	{
		char c = *reader->at++;
		unsigned character;

		if (c == '"')
			return true;
		if (c != '\\')
		{
			text_char(value, c);
			continue;
		}
		switch (reader->at < reader->end ? *reader->at++ : '\0')
		{
			case '"':
				text_char(value, '"');
				break;
			case '\\':
				text_char(value, '\\');
				break;
			case 'n':
				text_char(value, '\n');
				break;
			case 'r':
				text_char(value, '\r');
				break;
			case 't':
				text_char(value, '\t');
				break;
			case 'u':
				character = read_hex(reader);
				if (character == 0 || (character >= 0xd800 && character <= 0xdfff))
					return complain(reader, "\\u needs four hexadecimal digits that are a character");
				put_character(value, character);
				break;
			default:
				return complain(reader, "unknown escape; known are \\\" \\\\ \\n \\r \\t \\uXXXX");
		}
	}
	return complain(reader, "the quote is not closed in this line");
}

/* A number or a word: letters and digits. */
static bool
read_bare(Reader *reader, Text *value)
{
	while (reader->at < reader->end && (isalnum((unsigned char) *reader->at) || strchr("+-.", *reader->at) != NULL))
		text_char(value, *reader->at++);
	if (value->length == 0)
		return complain(reader, "a value must follow: a text in double quotes, a number, true or false");
	if (isdigit((unsigned char) value->data[0]) || value->data[0] == '-' || value->data[0] == '+')
	{
		if (strspn(value->data + 1, "0123456789") + 1 != value->length || value->data[0] == '+')
			return complain(reader, "not a whole number; a text needs double quotes");
		return true;
	}
	for (int i = 0; i < 4; i++)
	{
		if (strcmp(value->data, (const char *const[]){"true", "false", "on", "off"}[i]) == 0)
			return true;
	}
	return complain(reader, "a text needs double quotes");
}

static ConfigLine *
read_line(Reader *reader)
{
	ConfigLine *line = arena_alloc(reader->arena, sizeof(ConfigLine));
	const char *name;
	Text value;

	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at == '#')
		return NULL;
	name = reader->at;
	while (reader->at < reader->end && (isalnum((unsigned char) *reader->at) || strchr("._-$", *reader->at) != NULL))
		reader->at++;
	if (reader->at == name || !isalpha((unsigned char) *name) || reader->at - name > SETTING_NAME_MAX)
	{
		(void) complain(reader, "a name must stand here, as db-uri");
		return NULL;
	}
	line->number = reader->line;
	line->name = arena_copy(reader->arena, name, (size_t) (reader->at - name));
	skip_blanks(reader);
	if (reader->at == reader->end || *reader->at != '=')
	{
		(void) complain(reader, "\"=\" must follow the name");
		return NULL;
	}
	reader->at++;
	skip_blanks(reader);
	text_begin(&value, reader->arena);
	if (reader->at < reader->end && *reader->at == '"')
	{
		reader->at++;
		if (!read_quoted(reader, &value))
			return NULL;
	}
	else if (!read_bare(reader, &value))
		return NULL;
	skip_blanks(reader);
	if (reader->at < reader->end && *reader->at != '#')
	{
		(void) complain(reader, "nothing but a comment may follow the value");
		return NULL;
	}
	line->value = value.data;
	return line;
}

static const ConfigLine *
find_line(const ConfigLine *lines, const char *name)
{
	while (lines != NULL && strcmp(lines->name, name) != 0)
		lines = lines->next;
	return lines;
}

bool
config_file_parse(Arena *arena, const char *place, const char *data, size_t length, ConfigLine **lines, FILE *errors)
{
	Reader reader = {.arena = arena, .place = place, .errors = errors};
	const char *end = data + length;
	ConfigLine **next = lines;

	*lines = NULL;
	for (const char *start = data; start < end; start = reader.end + 1)
	{
		const char *line_end = memchr(start, '\n', (size_t) (end - start));
		const ConfigLine *before;
		ConfigLine *line;

		reader.line++;
		reader.at = start;
		reader.end = line_end == NULL ? end : line_end;
		if (reader.line > FILE_LINES_MAX)
		{
			(void) complain(&reader, "the file has too many lines");
			break;
		}
		if (memchr(start, '\0', (size_t) (reader.end - start)) != NULL)
		{
			(void) complain(&reader, "the line holds a zero byte");
			continue;
		}
		if (reader.end > start && reader.end[-1] == '\r')
		{
			const char *real_end = reader.end;

			reader.end--;
			line = read_line(&reader);
			reader.end = real_end;
		}
		else
			line = read_line(&reader);
		if (line == NULL)
			continue;
		before = find_line(*lines, line->name);
		if (before != NULL)
		{
			(void) complain(&reader, "%s was given in line %d already", line->name, before->number);
			continue;
		}
		*next = line;
		next = &line->next;
	}
	if (reader.complaints > COMPLAINTS_MAX)
		fprintf(errors, "%s: %d complaints more\n", place, reader.complaints - COMPLAINTS_MAX);
	return reader.complaints == 0;
}
