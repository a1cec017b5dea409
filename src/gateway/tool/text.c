/*
 * text.c
 *		Texts that grow in an arena.
 */
#include "gateway/tool/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define FIRST_SIZE ((size_t) 256)

/* What stands in the place of bytes that are no UTF-8. */
#define REPLACEMENT "\xef\xbf\xbd"

void
text_begin(Text *text, Arena *arena)
{
	text->arena = arena;
	text->size = FIRST_SIZE;
	text->length = 0;
	text->data = arena_alloc(arena, text->size);
}

static void
make_room(Text *text, size_t length)
{
	size_t size = text->size;
	char *moved;

	if (length < text->size - text->length)
		return;
	while (size - text->length <= length)
		size *= 2;
	moved = arena_alloc(text->arena, size);
	memcpy(moved, text->data, text->length);
	text->data = moved;
	text->size = size;
}

void
text_add(Text *text, const char *data, size_t length)
{
	make_room(text, length);
	if (length > 0)
		memcpy(text->data + text->length, data, length);
	text->length += length;
	text->data[text->length] = '\0';
}

void
text_put(Text *text, const char *string)
{
	text_add(text, string, strlen(string));
}

void
text_char(Text *text, char character)
{
	text_add(text, &character, 1);
}

void
text_format(Text *text, const char *format, ...)
{
	va_list arguments;
	int length;

	va_start(arguments, format);
	length = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	if (length <= 0)
		return;
	make_room(text, (size_t) length);
	va_start(arguments, format);
	(void) vsnprintf(text->data + text->length, text->size - text->length, format, arguments);
	va_end(arguments);
	text->length += (size_t) length;
}

/* Bytes of the well-formed UTF-8 sequence at the start; 0 when there is none (Unicode 15, table 3-7). */
static size_t
sequence_length(const unsigned char *s, size_t length)
{
	unsigned char lowest = 0x80;
	unsigned char highest = 0xbf;
	size_t needed;

	if (s[0] < 0x80)
		return 1;
	if (s[0] < 0xc2 || s[0] > 0xf4)
		return 0;
	needed = s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : 4;
	if (length < needed)
		return 0;
	if (s[0] == 0xe0)
		lowest = 0xa0;
	else if (s[0] == 0xed)
		highest = 0x9f; /* no surrogates */
	else if (s[0] == 0xf0)
		lowest = 0x90;
	else if (s[0] == 0xf4)
		highest = 0x8f;
	if (s[1] < lowest || s[1] > highest)
		return 0;
	for (size_t i = 2; i < needed; i++)
	{
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	return needed;
}

bool
text_is_utf8(const char *data, size_t length)
{
	const unsigned char *s = (const unsigned char *) data;

	for (size_t at = 0; at < length;)
	{
		size_t taken = s[at] == '\0' ? 0 : sequence_length(s + at, length - at);

		if (taken == 0)
			return false;
		at += taken;
	}
	return true;
}

void
text_json(Text *text, const char *string)
{
	text_json_bytes(text, string, strlen(string));
}

/* Bytes at the start that a JSON string holds as they are. */
static size_t
plain_length(const unsigned char *s, const unsigned char *end)
{
	const unsigned char *at = s;

	while (at < end && *at >= 0x20 && *at != '"' && *at != '\\')
	{
		size_t length = sequence_length(at, (size_t) (end - at));

		if (length == 0)
			break;
		at += length;
	}
	return (size_t) (at - s);
}

void
text_json_bytes(Text *text, const char *data, size_t size)
{
	const unsigned char *s = (const unsigned char *) data;
	const unsigned char *end = s + size;

	text_char(text, '"');
	while (s < end)
	{
		size_t length = plain_length(s, end);

		text_add(text, (const char *) s, length);
		s += length;
		if (s == end)
			break;
		if (*s == '"' || *s == '\\')
			text_format(text, "\\%c", *s);
		else if (*s < 0x20)
			text_format(text, "\\u%04x", *s);
		else
			text_put(text, REPLACEMENT);
		s++;
	}
	text_char(text, '"');
}
