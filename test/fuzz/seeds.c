/*
 * seeds.c
 *		Writes the inputs the fuzzers start from: valid values of every algorithm,
 *		flag and a few lengths, each as stored bytes, as armor and in both base64 forms.
 *
 *		seeds FOLDER
 */
#include "common/encode.h"
#include "common/envelope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;

static void
write_seed(const char *kind, unsigned number, const void *data, size_t length)
{
	char path[4096];
	FILE *file;

	(void) snprintf(path, sizeof(path), "%s/%s-%u", folder, kind, number);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(data, 1, length, file) != length || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

int
main(int count, char **arguments)
{
	static const uint8_t flags[] = {0, ENVELOPE_HAS_BLIND_TAG, ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE};
	uint8_t tag[BLIND_TAG_SIZE];
	uint8_t nonce[AEAD_NONCE_MAX];
	unsigned number = 0;

	if (count != 2)
		return 2;
	folder = arguments[1];
	memset(tag, 'b', sizeof(tag));
	memset(nonce, 'n', sizeof(nonce));
	for (size_t i = 0; i < 2 * sizeof(flags); i++)
	{
		AeadAlgorithm algorithm = i < sizeof(flags) ? AEAD_AES_256_GCM : AEAD_XAES_256_GCM;
		uint8_t flag = flags[i % sizeof(flags)]; /* an XAES probe is not valid, and a seed all the same */

		for (size_t plain = 0; plain < 5; plain++)
		{
			uint8_t value[ENVELOPE_OVERHEAD_MAX + 5];
			char text[2 * sizeof(value)];
			size_t length = envelope_size(algorithm, flag, plain);

			memset(value, 'c', sizeof(value));
			(void) envelope_write_header(value, algorithm, flag, 0x80ff0142u, tag, nonce);
			armor_write(bytes_of(value, length), text);
			write_seed("armor", number, text, armor_size(length));
			write_seed("value", number, value, length);
			encode_base64(value, length, text);
			write_seed("base64", number, text, encode_base64_size(length));
			encode_base64url(value, length, text);
			write_seed("base64url", number, text, encode_base64url_size(length));
			number++;
		}
	}
	return 0;
}
