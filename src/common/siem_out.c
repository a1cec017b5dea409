/*
 * siem_out.c
 *		Writing JSON and lines into a buffer that may be too small.
 */
#include "siem_form.h"

#include "jsonscan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"

void
siem_put(SiemOut *out, const void *bytes, size_t length)
{
	if (out->length <= out->room && length <= out->room - out->length)
		memcpy(out->to + out->length, bytes, length);
	out->length += length;
}

void
siem_put_text(SiemOut *out, const char *text)
{
	siem_put(out, text, strlen(text));
}

void
siem_put_each(SiemOut *out, Bytes text, SiemCharacter put)
{
	for (size_t i = 0; i < text.length;)
	{
		size_t size = jsonscan_character(text.data + i, text.length - i);

		if (size == 0)
			put(out, (const uint8_t *) REPLACEMENT, sizeof(REPLACEMENT) - 1, true);
		else
			put(out, text.data + i, size, false);
		i += size > 0 ? size : 1;
	}
}

/* ---- JSON ---- */

/* Writes a character of more than one byte, as UTF-8 or by its number, that of a pair where it needs one. */
static void
put_wide(SiemOut *out, const uint8_t *at, size_t size)
{
	uint32_t number = size == 2 ? at[0] & 0x1f : size == 3 ? at[0] & 0x0f : at[0] & 0x07;
	char escaped[16];

	if (!out->is_ascii)
	{
		siem_put(out, at, size);
		return;
	}
	for (size_t i = 1; i < size; i++)
		number = (number << 6) | (at[i] & 0x3f);
	if (number >= 0x10000)
		snprintf(escaped, sizeof(escaped), "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 + ((number - 0x10000) >> 10),
				 0xdc00 + ((number - 0x10000) & 0x3ff));
	else
		snprintf(escaped, sizeof(escaped), "\\u%04" PRIx32, number);
	siem_put_text(out, escaped);
}

/* A character in a JSON string. */
static void
put_quoted(SiemOut *out, const uint8_t *at, size_t size, bool invalid)
{
	char escaped[8];

	(void) invalid;
	if (size > 1)
		put_wide(out, at, size);
	else if (*at == '"' || *at == '\\')
	{
		siem_put(out, "\\", 1);
		siem_put(out, at, 1);
	}
	else if (*at < 0x20 || *at == 0x7f)
	{
		snprintf(escaped, sizeof(escaped), "\\u%04x", *at);
		siem_put_text(out, escaped);
	}
	else
		siem_put(out, at, 1);
}

/* A character of JSON that is valid: only in strings there are any but ASCII, and line ends only between values. */
static void
put_plain(SiemOut *out, const uint8_t *at, size_t size, bool invalid)
{
	(void) invalid;
	if (size > 1)
		put_wide(out, at, size);
	else if (*at == 0x7f)
		siem_put_text(out, "\\u007f");
	else
		siem_put(out, *at < 0x20 ? (const uint8_t *) " " : at, 1);
}

static void
put_name(SiemOut *out, const char *name)
{
	if (out->comma)
		siem_put_text(out, ", ");
	out->comma = true;
	if (name == NULL)
		return;
	siem_put_text(out, "\"");
	siem_put_text(out, name);
	siem_put_text(out, "\": ");
}

void
siem_open(SiemOut *out, const char *name)
{
	put_name(out, name);
	siem_put_text(out, "{");
	out->comma = false;
}

void
siem_close(SiemOut *out)
{
	siem_put_text(out, "}");
	out->comma = true;
}

void
siem_text(SiemOut *out, const char *name, Bytes text)
{
	if (text.data == NULL)
		return;
	put_name(out, name);
	siem_put_text(out, "\"");
	siem_put_each(out, text, put_quoted);
	siem_put_text(out, "\"");
}

void
siem_texts(SiemOut *out, const char *name, Bytes text)
{
	put_name(out, name);
	siem_put_text(out, "[");
	out->comma = false;
	siem_text(out, NULL, text);
	siem_put_text(out, "]");
	out->comma = true;
}

void
siem_text_or_null(SiemOut *out, const char *name, Bytes text)
{
	if (text.data != NULL)
	{
		siem_text(out, name, text);
		return;
	}
	put_name(out, name);
	siem_put_text(out, "null");
}

void
siem_word(SiemOut *out, const char *name, const char *word)
{
	siem_text(out, name, bytes_of(word, strlen(word)));
}

void
siem_number(SiemOut *out, const char *name, int64_t number)
{
	char digits[24];

	put_name(out, name);
	snprintf(digits, sizeof(digits), "%" PRId64, number);
	siem_put_text(out, digits);
}

void
siem_number_text(SiemOut *out, const char *name, int64_t number)
{
	char digits[24];

	snprintf(digits, sizeof(digits), "%" PRId64, number);
	siem_word(out, name, digits);
}

void
siem_boolean(SiemOut *out, const char *name, bool value)
{
	put_name(out, name);
	siem_put_text(out, value ? "true" : "false");
}

void
siem_json(SiemOut *out, const char *name, Bytes json)
{
	if (json.data == NULL)
		return;
	if (!jsonscan_valid(json))
	{
		siem_text(out, name, json);
		return;
	}
	put_name(out, name);
	siem_put_each(out, json, put_plain);
}

void
siem_members(SiemOut *out, Bytes members)
{
	if (members.length == 0)
		return;
	if (out->comma)
		siem_put_text(out, ", ");
	siem_put_each(out, members, put_plain);
	out->comma = true;
}

void
siem_words(SiemOut *out, const char *name, const char *list)
{
	put_name(out, name);
	siem_put_text(out, "[");
	for (bool first = true; *list != '\0'; first = false)
	{
		size_t length = strcspn(list, " ");

		siem_put_text(out, first ? "\"" : ", \"");
		siem_put(out, list, length);
		siem_put_text(out, "\"");
		list += length + (list[length] == ' ');
	}
	siem_put_text(out, "]");
}
