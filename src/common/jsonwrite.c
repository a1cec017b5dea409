/*
 * jsonwrite.c
 *		Strings, numbers and objects of jsonwrite.h.
 */
#include "jsonwrite.h"

#include "encode.h"
#include "jsonscan.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define GROUP 64 /* of 3 bytes at a time */

void
jsonwrite_bytes(JsonWriter *writer, const char *bytes, size_t length)
{
	if (writer->length <= writer->room && length <= writer->room - writer->length && length > 0)
		memcpy(writer->to + writer->length, bytes, length);
	writer->length += length;
}

void
jsonwrite_text(JsonWriter *writer, const char *text)
{
	jsonwrite_bytes(writer, text, strlen(text));
}

void
jsonwrite_begin(JsonWriter *writer)
{
	jsonwrite_text(writer, "{");
	writer->in_first = true;
}

void
jsonwrite_end(JsonWriter *writer)
{
	jsonwrite_text(writer, "}");
	writer->in_first = false;
}

void
jsonwrite_name(JsonWriter *writer, Bytes name)
{
	if (!writer->in_first)
		jsonwrite_text(writer, ",");
	writer->in_first = false;
	jsonwrite_string(writer, name);
	jsonwrite_text(writer, ":");
}

void
jsonwrite_string(JsonWriter *writer, Bytes text)
{
	jsonwrite_text(writer, "\"");
	for (size_t i = 0; i < text.length;)
	{
		size_t size = jsonscan_character(text.data + i, text.length - i);
		uint8_t byte = text.data[i];
		char escaped[8];

		if (size == 0)
		{
			jsonwrite_text(writer, REPLACEMENT);
			i++;
			continue;
		}
		if (byte == '"' || byte == '\\')
			jsonwrite_text(writer, "\\");
		if (byte < ' ' || byte == 0x7f)
		{
			(void) snprintf(escaped, sizeof(escaped), "\\u%04x", byte);
			jsonwrite_text(writer, escaped);
		}
		else
			jsonwrite_bytes(writer, (const char *) text.data + i, size);
		i += size;
	}
	jsonwrite_text(writer, "\"");
}

void
jsonwrite_base64(JsonWriter *writer, Bytes bytes)
{
	char group[4 * GROUP];

	jsonwrite_text(writer, "\"");
	while (bytes.length > 0)
	{
		size_t some = bytes.length < 3 * GROUP ? bytes.length : 3 * GROUP;

		encode_base64(bytes.data, some, group);
		jsonwrite_bytes(writer, group, encode_base64_size(some));
		bytes = bytes_of(bytes.data + some, bytes.length - some);
	}
	jsonwrite_text(writer, "\"");
}

void
jsonwrite_hex(JsonWriter *writer, const char *prefix, Bytes bytes)
{
	static const char digits[] = "0123456789abcdef";

	jsonwrite_text(writer, "\"");
	jsonwrite_text(writer, prefix);
	for (size_t i = 0; i < bytes.length; i++)
	{
		jsonwrite_bytes(writer, &digits[bytes.data[i] >> 4], 1);
		jsonwrite_bytes(writer, &digits[bytes.data[i] & 15], 1);
	}
	jsonwrite_text(writer, "\"");
}

void
jsonwrite_signed(JsonWriter *writer, int64_t number)
{
	char text[24];

	(void) snprintf(text, sizeof(text), "%" PRId64, number);
	jsonwrite_text(writer, text);
}

void
jsonwrite_unsigned(JsonWriter *writer, uint64_t number)
{
	char text[24];

	(void) snprintf(text, sizeof(text), "%" PRIu64, number);
	jsonwrite_text(writer, text);
}

void
jsonwrite_json(JsonWriter *writer, Bytes json)
{
	/* in one line, too: what jsonb prints has no line ends */
	if (jsonscan_valid(json) && memchr(json.data, '\n', json.length) == NULL &&
		memchr(json.data, '\r', json.length) == NULL)
		jsonwrite_bytes(writer, (const char *) json.data, json.length);
	else
		jsonwrite_string(writer, json);
}
