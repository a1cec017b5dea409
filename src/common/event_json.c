/*
 * event_json.c
 *		The little JSON that events need: strings, flat objects, and what becomes
 *		of details that are too long.
 *
 * Texts are in any encoding of the server, all of which write ASCII as itself
 * and nothing else with bytes below 0x80.
 */
#include "event_record.h"

#include <string.h>

#define CUT_BEGIN "{\"truncated\": true, \"beginning\": "
#define CUT_END "}"

/* Writes one byte of a string as JSON has it; returns how many bytes that takes, at most 6. */
static size_t
escape(uint8_t byte, char to[6])
{
	static const char digits[] = "0123456789abcdef";

	if (byte == '"' || byte == '\\')
	{
		to[0] = '\\';
		to[1] = (char) byte;
		return 2;
	}
	if (byte < 0x20 || byte == 0x7f)
	{
		/* jsonb has no zero byte */
		memcpy(to, "\\u00", 4);
		to[4] = digits[byte == 0 ? 1 : byte >> 4];
		to[5] = digits[byte == 0 ? 0xa : byte & 0xf];
		return 6;
	}
	to[0] = (char) byte;
	return 1;
}

size_t
event_json_quote(Bytes text, char *to, size_t room, size_t *taken)
{
	size_t written = 1;
	size_t whole_text = 0; /* up to where no character is cut */
	size_t whole_written = 1;
	char bytes[6];

	*taken = 0;
	if (room < 2)
		return 0;
	to[0] = '"';
	for (size_t i = 0; i < text.length; i++)
	{
		size_t size = escape(text.data[i], bytes);

		if (text.data[i] < 0x80)
		{
			whole_text = i;
			whole_written = written;
		}
		if (written + size + 1 > room)
		{
			to[whole_written] = '"';
			*taken = whole_text;
			return whole_written + 1;
		}
		memcpy(to + written, bytes, size);
		written += size;
	}
	to[written] = '"';
	*taken = text.length;
	return written + 1;
}

bool
event_json_add(char *object, size_t size, const char *name, const char *value)
{
	size_t length = strlen(object);
	size_t at = length > 0 ? length - 1 : 0; /* over the closing brace */
	size_t taken;

	if (at + 8 > size)
		return false;
	object[at] = length > 0 ? ',' : '{';
	at++;
	for (int i = 0; i < 2; i++)
	{
		const char *word = i == 0 ? name : value;
		size_t written = event_json_quote(bytes_of(word, strlen(word)), object + at, size - at, &taken);

		/* what follows takes 2 bytes */
		if (written == 0 || taken < strlen(word) || at + written + 2 > size)
		{
			if (length > 0)
				object[length - 1] = '}';
			object[length] = '\0';
			return false;
		}
		at += written;
		object[at++] = i == 0 ? ':' : '}';
	}
	object[at] = '\0';
	return true;
}

size_t
event_json_cut(Bytes json, char to[EVENT_DETAILS_MAX])
{
	size_t at = sizeof(CUT_BEGIN) - 1;
	size_t taken;

	memcpy(to, CUT_BEGIN, at);
	at += event_json_quote(json, to + at, EVENT_DETAILS_MAX - at - 1, &taken);
	memcpy(to + at, CUT_END, 1);
	return at + 1;
}
