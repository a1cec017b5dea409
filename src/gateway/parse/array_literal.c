/*
 * array_literal.c
 *		Arrays as the database writes them: {a,"b c",NULL}.
 *
 * The rules are array_in()'s: blanks around elements go, a backslash takes the
 * next character as it is, NULL without quotes is null.  Of an array of arrays
 * all elements count, as they do for ANY and ALL.
 */
#include "gateway/parse/query_parts.h"

#include <string.h>
#include <strings.h>

#define DIMENSIONS_MAX 6

/* Blanks as array_in() sees them. */
static const char *
skip_blanks(const char *s)
{
	return s + strspn(s, " \t\n\v\f\r");
}

/* What is being read: the elements are written one after another into memory of the literal's own size. */
typedef struct Literal
{
	const char *s;
	char *made;
	const char **values;
	int count;
} Literal;

/* Reads an element in quotes. */
static bool
quoted(Literal *literal)
{
	const char *s = literal->s + 1;

	for (; *s != '"'; s++)
	{
		if (*s == '\\')
			s++;
		if (*s == '\0')
			return false;
		*literal->made++ = *s;
	}
	*literal->made++ = '\0';
	literal->s = skip_blanks(s + 1);
	return *literal->s == ',' || *literal->s == '}';
}

/* Reads an element without quotes. */
static bool
bare(Literal *literal)
{
	const char *s = literal->s;
	char *start = literal->made;
	char *end = start; /* blanks at the end do not count */
	bool is_escaped = false;

	for (; *s != ',' && *s != '}'; s++)
	{
		bool is_blank = skip_blanks(s) != s;

		if (*s == '\\')
		{
			is_escaped = true;
			is_blank = false;
			s++;
		}
		else if (*s == '"' || *s == '{')
			return false;
		if (*s == '\0')
			return false;
		*literal->made++ = *s;
		if (!is_blank)
			end = literal->made;
	}
	literal->s = s;
	literal->made = end;
	*literal->made++ = '\0';
	if (!is_escaped && strcasecmp(start, "null") == 0)
		literal->values[literal->count] = NULL;
	return end != start;
}

/* Reads one element. */
static bool
element(Reader *reader, Literal *literal)
{
	if (!reader_count(reader))
		return false;
	literal->values[literal->count] = literal->made;
	if (!(*literal->s == '"' ? quoted(literal) : bare(literal)))
		return false;
	literal->count++;
	return true;
}

/* Reads braces and what is in them; false when the literal is malformed. */
static bool
elements(Reader *reader, Literal *literal)
{
	int depth = 0;
	bool is_item_next = true; /* an element or an array, and no comma or brace */

	literal->s = skip_blanks(literal->s);
	if (*literal->s != '{')
		return false;
	do
	{
		if (*literal->s == '{' && is_item_next)
		{
			if (++depth > DIMENSIONS_MAX)
				return false;
			literal->s = skip_blanks(literal->s + 1);
			is_item_next = *literal->s != '}';
		}
		else if (*literal->s == '}' && !is_item_next)
		{
			depth--;
			literal->s = skip_blanks(literal->s + 1);
		}
		else if (*literal->s == ',' && !is_item_next)
		{
			literal->s = skip_blanks(literal->s + 1);
			is_item_next = true;
		}
		else if (is_item_next && element(reader, literal))
			is_item_next = false;
		else
			return false;
	} while (depth > 0);
	return *literal->s == '\0';
}

bool
query_array(Reader *reader, const char *literal, const char ***values, int *count)
{
	size_t maximum = 1;
	Literal read = {.s = literal};

	for (const char *s = literal; *s != '\0'; s++)
		maximum += *s == ',' || *s == '{';
	read.made = arena_alloc(reader->arena, strlen(literal) + maximum);
	read.values = arena_alloc(reader->arena, sizeof(char *) * maximum);
	if (!elements(reader, &read))
		return reader_refuse(reader, "22P02",
							 arena_format(reader->arena, "malformed array literal: \"%s\"", literal));
	*values = read.values;
	*count = read.count;
	return true;
}
