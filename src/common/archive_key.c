/*
 * archive_key.c
 *		Writing and finding of archive_key.h's texts.
 */
#include "archive_key.h"

#include "encode.h"
#include "secret.h"

#include <string.h>

#define SIZE (ARCHIVE_IDENTITY_SIZE + AEAD_KEY_SIZE)

_Static_assert((SIZE + 2) / 3 * 4 == ARCHIVE_KEY_TEXT, "characters of a key");

void
archive_key_write(const uint8_t identity[ARCHIVE_IDENTITY_SIZE], const uint8_t key[AEAD_KEY_SIZE],
				  char text[ARCHIVE_KEY_TEXT])
{
	uint8_t both[SIZE];

	memcpy(both, identity, ARCHIVE_IDENTITY_SIZE);
	memcpy(both + ARCHIVE_IDENTITY_SIZE, key, AEAD_KEY_SIZE);
	encode_base64(both, SIZE, text);
	secret_wipe(both, sizeof(both));
}

/* The line at hand without what ends it, and moves on behind it. */
static Bytes
next_line(Bytes *rest)
{
	const uint8_t *end = memchr(rest->data, '\n', rest->length);
	size_t length = end != NULL ? (size_t) (end - rest->data) : rest->length;
	Bytes line = bytes_of(rest->data, length);

	*rest = bytes_of(rest->data + length + (end != NULL), rest->length - length - (end != NULL));
	while (line.length > 0 && (line.data[line.length - 1] == '\r' || line.data[line.length - 1] == ' '))
		line.length--;
	return line;
}

ArchiveKeyFound
archive_key_find(Bytes lines, const uint8_t identity[ARCHIVE_IDENTITY_SIZE], uint8_t key[AEAD_KEY_SIZE])
{
	uint8_t both[SIZE + 3]; /* as much as decoding may write */
	ArchiveKeyFound found = ARCHIVE_KEY_BAD;

	_Static_assert(ARCHIVE_KEY_TEXT / 4 * 3 + 3 == sizeof(both), "room for what is decoded");
	while (lines.length > 0 && found != ARCHIVE_KEY_FOUND)
	{
		Bytes line = next_line(&lines);
		size_t written;

		if (line.length == 0 || line.data[0] == '#')
			continue;
		if (line.length != ARCHIVE_KEY_TEXT ||
			decode_base64((const char *) line.data, line.length, both, &written) != TSEC_OK || written != SIZE)
		{
			found = ARCHIVE_KEY_BAD;
			break;
		}
		found = ARCHIVE_KEY_NONE;
		/* public: the identity stands in the archive's header */
		if (memcmp(both, identity, ARCHIVE_IDENTITY_SIZE) == 0)
		{
			memcpy(key, both + ARCHIVE_IDENTITY_SIZE, AEAD_KEY_SIZE);
			found = ARCHIVE_KEY_FOUND;
		}
	}
	secret_wipe(both, sizeof(both));
	return found;
}
