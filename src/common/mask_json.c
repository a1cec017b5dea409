/*
 * mask_json.c
 *		JSON text whose leaves are hidden.
 */
#include "mask.h"

#include <string.h>

static const char hidden[] = "\"" MASK_FULL_TEXT "\"";

static bool
is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* Finds the end of a string that begins at a quote: the place behind its last one, 0 when there is none. */
static size_t
string_end(Bytes json, size_t start)
{
	for (size_t at = start + 1; at < json.length; at++)
	{
		if (json.data[at] == '\\')
			at++;
		else if (json.data[at] == '"')
			return at + 1;
	}
	return 0;
}

/* Finds the end of a number or word. */
static size_t
word_end(Bytes json, size_t start)
{
	size_t at = start;

	while (at < json.length && !is_space(json.data[at]) && strchr("{}[],:\"", json.data[at]) == NULL)
		at++;
	return at;
}

/* Whether a string that ends here is a key: a colon follows. */
static bool
is_key(Bytes json, size_t end)
{
	while (end < json.length && is_space(json.data[end]))
		end++;
	return end < json.length && json.data[end] == ':';
}

size_t
mask_json(Bytes json, char *masked)
{
	size_t written = 0;
	size_t end;

	for (size_t at = 0; at < json.length; at = end)
	{
		const void *shown = json.data + at;
		size_t length;

		if (json.data[at] == '"')
		{
			end = string_end(json, at);
			if (end == 0)
				return 0;
			length = is_key(json, end) ? end - at : 0;
		}
		else if (json.data[at] == '\0')
			return 0;
		else if (is_space(json.data[at]) || strchr("{}[],:", json.data[at]) != NULL)
		{
			end = at + 1;
			length = 1;
		}
		else
		{
			end = word_end(json, at);
			length = end - at == 4 && memcmp(shown, "null", 4) == 0 ? 4 : 0; /* public: null is shown */
		}
		if (length == 0)
		{
			shown = hidden;
			length = sizeof(hidden) - 1;
		}
		if (masked != NULL)
			memcpy(masked + written, shown, length);
		written += length;
	}
	return written;
}
