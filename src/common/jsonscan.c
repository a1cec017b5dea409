/*
 * jsonscan.c
 *		A scanner for JSON: one pass, one bit per open array or object.
 */
#include "jsonscan.h"

#include <string.h>

typedef struct Scan
{
	const uint8_t *at;
	const uint8_t *end;
	int depth;
	uint8_t is_object[JSONSCAN_DEPTH_MAX / 8];
} Scan;

size_t
jsonscan_character(const uint8_t *at, size_t left)
{
	uint8_t first = at[0];
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;

	if (size == 0 || size > left)
		return 0;
	/* no second spelling, no surrogates, nothing beyond U+10FFFF */
	if (first == 0xe0)
		low = 0xa0;
	else if (first == 0xed)
		high = 0x9f;
	else if (first == 0xf0)
		low = 0x90;
	else if (first == 0xf4)
		high = 0x8f;
	for (size_t i = 1; i < size; i++)
	{
		if (at[i] < (i == 1 ? low : 0x80) || at[i] > (i == 1 ? high : 0xbf))
			return 0;
	}
	return size;
}

static void
skip_space(Scan *scan)
{
	while (scan->at < scan->end && (*scan->at == ' ' || *scan->at == '\t' || *scan->at == '\n' || *scan->at == '\r'))
		scan->at++;
}

static bool
take(Scan *scan, char wanted)
{
	if (scan->at == scan->end || *scan->at != (uint8_t) wanted)
		return false;
	scan->at++;
	return true;
}

static bool
is_hex(uint8_t byte)
{
	return (byte >= '0' && byte <= '9') || (byte >= 'a' && byte <= 'f') || (byte >= 'A' && byte <= 'F');
}

static bool
take_escape(Scan *scan)
{
	if (scan->at == scan->end || *scan->at == '\0' || strchr("\"\\/bfnrtu", *scan->at) == NULL)
		return false;
	if (*scan->at++ != 'u')
		return true;
	for (int i = 0; i < 4; i++, scan->at++)
		if (scan->at == scan->end || !is_hex(*scan->at))
			return false;
	return true;
}

static bool
take_string(Scan *scan)
{
	if (!take(scan, '"'))
		return false;
	while (scan->at < scan->end)
	{
		size_t size = jsonscan_character(scan->at, (size_t) (scan->end - scan->at));
		uint8_t first = *scan->at;

		if (size == 0 || first < ' ')
			return false;
		scan->at += size;
		if (first == '"')
			return true;
		if (first == '\\' && !take_escape(scan))
			return false;
	}
	return false;
}

static bool
take_digits(Scan *scan)
{
	const uint8_t *begin = scan->at;

	while (scan->at < scan->end && *scan->at >= '0' && *scan->at <= '9')
		scan->at++;
	return scan->at > begin;
}

static bool
take_number(Scan *scan)
{
	(void) take(scan, '-');
	if (!take(scan, '0') && !take_digits(scan))
		return false;
	if (take(scan, '.') && !take_digits(scan))
		return false;
	if (take(scan, 'e') || take(scan, 'E'))
	{
		if (!take(scan, '-'))
			(void) take(scan, '+');
		return take_digits(scan);
	}
	return true;
}

static bool
take_word(Scan *scan, const char *word)
{
	size_t length = strlen(word);

	if ((size_t) (scan->end - scan->at) < length || memcmp(scan->at, word, length) != 0) /* public: a word */
		return false;
	scan->at += length;
	return true;
}

static bool
take_scalar(Scan *scan)
{
	if (scan->at == scan->end)
		return false;
	switch (*scan->at)
	{
		case '"':
			return take_string(scan);
		case 't':
			return take_word(scan, "true");
		case 'f':
			return take_word(scan, "false");
		case 'n':
			return take_word(scan, "null");
		default:
			return take_number(scan);
	}
}

static bool
in_object(const Scan *scan)
{
	return (scan->is_object[(scan->depth - 1) / 8] >> (scan->depth - 1) % 8 & 1) != 0;
}

/* Takes the name of a member with its colon. */
static bool
take_name(Scan *scan)
{
	skip_space(scan);
	if (!take_string(scan))
		return false;
	skip_space(scan);
	return take(scan, ':');
}

/* Opens an array or object; *is_empty says that it was closed at once. */
static bool
open_level(Scan *scan, bool *is_empty)
{
	bool is_object = *scan->at == '{';
	uint8_t bit = (uint8_t) (1 << scan->depth % 8);

	if (scan->depth == JSONSCAN_DEPTH_MAX)
		return false;
	scan->is_object[scan->depth / 8] =
		(uint8_t) (is_object ? scan->is_object[scan->depth / 8] | bit : scan->is_object[scan->depth / 8] & ~bit);
	scan->at++;
	skip_space(scan);
	*is_empty = take(scan, is_object ? '}' : ']');
	if (*is_empty)
		return true;
	scan->depth++;
	return !is_object || take_name(scan);
}

bool
jsonscan_valid(Bytes text)
{
	Scan scan = {.at = text.data, .end = text.data + text.length};

	for (;;)
	{
		bool is_whole = true;

		skip_space(&scan);
		if (scan.at < scan.end && (*scan.at == '{' || *scan.at == '['))
		{
			if (!open_level(&scan, &is_whole))
				return false;
		}
		else if (!take_scalar(&scan))
			return false;
		if (!is_whole)
			continue;
		/* a value is whole: close what it ends */
		skip_space(&scan);
		while (scan.depth > 0 && take(&scan, in_object(&scan) ? '}' : ']'))
		{
			scan.depth--;
			skip_space(&scan);
		}
		if (scan.depth == 0)
			return scan.at == scan.end;
		if (!take(&scan, ',') || (in_object(&scan) && !take_name(&scan)))
			return false;
	}
}
