/*
 * keys.c
 *		The verifier keys that an auditor trusts.
 */
#include "verify/verify.h"

#include "verify/reader.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#define KEY_FILE_MAX ((size_t) 1 << 20)

static bool
add(VerifyKeys *keys, const VerifyKey *key)
{
	VerifyKey *larger;

	if (keys_hold(keys, key->public_key))
		return true;
	larger = realloc(keys->keys, (keys->count + 1) * sizeof(VerifyKey));
	if (larger == NULL)
		return false;
	keys->keys = larger;
	keys->keys[keys->count++] = *key;
	return true;
}

bool
keys_add(VerifyKeys *keys, const char *argument, const char **why)
{
	VerifyKey key;
	uint8_t sha256[DIGEST_SIZE];
	size_t length;
	uint8_t *text;
	bool good = true;
	bool is_empty = true;

	*why = "it is neither a verifier key nor a file that can be read";
	if (note_read_key(bytes_of(argument, strlen(argument)), key.name, key.public_key))
		return add(keys, &key);
	text = reader_whole(AT_FDCWD, argument, KEY_FILE_MAX, &length, sha256);
	if (text == NULL)
		return false;
	*why = "a line of the file is not a verifier key, as twin.audit_public_key() prints it";
	for (char *line = (char *) text, *end; good && *line != '\0'; line = end)
	{
		size_t size = strcspn(line, "\n");

		end = line + size + (line[size] == '\n' ? 1 : 0);
		while (size > 0 && (line[size - 1] == '\r' || line[size - 1] == ' '))
			size--;
		if (size == 0 || line[0] == '#')
			continue;
		is_empty = false;
		good = note_read_key(bytes_of(line, size), key.name, key.public_key) && add(keys, &key);
	}
	free(text);
	if (good && is_empty)
		*why = "the file holds no verifier key";
	return good && !is_empty;
}

bool
keys_hold(const VerifyKeys *keys, const uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	for (size_t i = 0; i < keys->count; i++)
		if (memcmp(keys->keys[i].public_key, public_key, NOTE_PUBLIC_SIZE) == 0) /* public: verifier keys */
			return true;
	return false;
}

void
keys_free(VerifyKeys *keys)
{
	free(keys->keys);
	*keys = (VerifyKeys){NULL, 0};
}
