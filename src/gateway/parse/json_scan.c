/*
 * json_scan.c
 *		Checks JSON (RFC 8259) without building anything of it.
 */
#include "gateway/parse/json_scan.h"

#include <limits.h>
#include <string.h>

void
scan_blanks(JsonScan *scan)
{
	while (scan->s < scan->end && (*scan->s == ' ' || *scan->s == '\t' || *scan->s == '\n' || *scan->s == '\r'))
		scan->s++;
}

bool
scan_take(JsonScan *scan, char byte)
{
	if (scan->s == scan->end || *scan->s != byte)
		return false;
	scan->s++;
	return true;
}

/* Reads four hexadecimal digits. */
static bool
read_hex(JsonScan *scan, unsigned *value)
{
	*value = 0;
	if (scan->end - scan->s < 4)
		return false;
	for (int i = 0; i < 4; i++)
	{
		char digit = *scan->s++;

		*value <<= 4;
		if (digit >= '0' && digit <= '9')
			*value |= (unsigned) (digit - '0');
		else if (digit >= 'a' && digit <= 'f')
			*value |= (unsigned) (digit - 'a' + 10);
		else if (digit >= 'A' && digit <= 'F')
			*value |= (unsigned) (digit - 'A' + 10);
		else
			return false;
	}
	return true;
}

/* Adds a character in UTF-8. */
static void
add_character(Text *text, unsigned code)
{
	if (code < 0x80)
		text_char(text, (char) code);
	else if (code < 0x800)
	{
		text_char(text, (char) (0xc0 | code >> 6));
		text_char(text, (char) (0x80 | (code & 0x3f)));
	}
	else if (code < 0x10000)
	{
		text_char(text, (char) (0xe0 | code >> 12));
		text_char(text, (char) (0x80 | (code >> 6 & 0x3f)));
		text_char(text, (char) (0x80 | (code & 0x3f)));
	}
	else
	{
		text_char(text, (char) (0xf0 | code >> 18));
		text_char(text, (char) (0x80 | (code >> 12 & 0x3f)));
		text_char(text, (char) (0x80 | (code >> 6 & 0x3f)));
		text_char(text, (char) (0x80 | (code & 0x3f)));
	}
}

/* Reads what stands behind a backslash. */
static bool
read_escape(JsonScan *scan, Text *text)
{
	static const char names[] = "\"\\/bfnrt";
	static const char meanings[] = "\"\\/\b\f\n\r\t";
	const char *name;
	unsigned code;
	unsigned low;

	if (scan->s == scan->end)
		return false;
	if (*scan->s != 'u')
	{
		name = *scan->s != '\0' ? strchr(names, *scan->s) : NULL;
		if (name == NULL)
			return false;
		scan->s++;
		if (text != NULL)
			text_char(text, meanings[name - names]);
		return true;
	}
	scan->s++;
	if (!read_hex(scan, &code) || (code >= 0xdc00 && code <= 0xdfff))
		return false;
	if (code >= 0xd800 && code <= 0xdbff)
	{
		if (!scan_take(scan, '\\') || !scan_take(scan, 'u') || !read_hex(scan, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		code = 0x10000 + ((code & 0x3ff) << 10 | (low & 0x3ff));
	}
	scan->has_nul = scan->has_nul || code == 0;
	if (text != NULL)
		add_character(text, code);
	return true;
}

/* Reads a string; a key's text is given, others are only checked. */
static bool
read_string(JsonScan *scan, const char **key, size_t *length)
{
	const char *start;
	bool is_escaped = false;

	if (!scan_take(scan, '"'))
		return false;
	start = scan->s;
	scan->scratch.length = 0;
	while (scan->s < scan->end && *scan->s != '"')
	{
		if ((unsigned char) *scan->s < 0x20)
			return false;
		if (*scan->s != '\\')
		{
			scan->s++;
			continue;
		}
		if (key != NULL)
			text_add(&scan->scratch, start, (size_t) (scan->s - start));
		is_escaped = true;
		scan->s++;
		if (!read_escape(scan, key != NULL ? &scan->scratch : NULL))
			return false;
		start = scan->s;
	}
	if (key != NULL)
	{
		if (is_escaped)
			text_add(&scan->scratch, start, (size_t) (scan->s - start));
		*key = is_escaped ? scan->scratch.data : start;
		*length = is_escaped ? scan->scratch.length : (size_t) (scan->s - start);
	}
	return scan_take(scan, '"');
}

/* Takes digits. */
static bool
digits(JsonScan *scan)
{
	const char *start = scan->s;

	while (scan->s < scan->end && *scan->s >= '0' && *scan->s <= '9')
		scan->s++;
	return scan->s != start;
}

static bool
read_number(JsonScan *scan)
{
	(void) scan_take(scan, '-');
	if (!scan_take(scan, '0') && !digits(scan))
		return false;
	if (scan_take(scan, '.') && !digits(scan))
		return false;
	if (scan_take(scan, 'e') || scan_take(scan, 'E'))
	{
		if (!scan_take(scan, '+'))
			(void) scan_take(scan, '-');
		return digits(scan);
	}
	return true;
}

static bool
read_word(JsonScan *scan, const char *word)
{
	while (*word != '\0' && scan_take(scan, *word))
		word++;
	return *word == '\0';
}

bool
scan_enter(JsonScan *scan, char byte)
{
	return scan_take(scan, byte) && ++scan->depth <= JSON_DEPTH_MAX;
}

bool
scan_goes_on(JsonScan *scan, char last, bool *goes_on)
{
	scan_blanks(scan);
	*goes_on = scan_take(scan, ',');
	if (*goes_on)
	{
		scan_blanks(scan);
		return true;
	}
	scan->depth--;
	return scan_take(scan, last);
}

bool
scan_object(JsonScan *scan, JsonKeySeen seen, void *argument)
{
	bool more = true;
	const char *name = NULL;
	size_t length = 0;

	if (!scan_enter(scan, '{'))
		return false;
	scan_blanks(scan);
	if (scan_take(scan, '}'))
	{
		scan->depth--;
		return true;
	}
	for (int number = 0; more; number += number < INT_MAX)
	{
		if (!read_string(scan, seen != NULL ? &name : NULL, &length))
			return false;
		if (seen != NULL)
			seen(argument, name, length, number);
		scan_blanks(scan);
		if (!scan_take(scan, ':') || !scan_value(scan) || !scan_goes_on(scan, '}', &more))
			return false;
	}
	return true;
}

/* Reads an array. */
static bool
read_array(JsonScan *scan)
{
	bool more = true;

	if (!scan_enter(scan, '['))
		return false;
	scan_blanks(scan);
	if (scan_take(scan, ']'))
	{
		scan->depth--;
		return true;
	}
	while (more)
	{
		if (!scan_value(scan) || !scan_goes_on(scan, ']', &more))
			return false;
	}
	return true;
}

bool
scan_value(JsonScan *scan)
{
	scan_blanks(scan);
	if (scan->s == scan->end)
		return false;
	switch (*scan->s)
	{
		case '{':
			return scan_object(scan, NULL, NULL);
		case '[':
			return read_array(scan);
		case '"':
			return read_string(scan, NULL, NULL);
		case 't':
			return read_word(scan, "true");
		case 'f':
			return read_word(scan, "false");
		case 'n':
			return read_word(scan, "null");
		default:
			return read_number(scan);
	}
}
