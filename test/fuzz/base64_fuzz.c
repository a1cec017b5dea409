/*
 * base64_fuzz.c
 *		Both decoders of encode.c.
 *
 * A text that decodes encodes back to the same text; a text that is refused
 * is not what the encoder writes for any bytes; any bytes come back.
 */
#include "fuzz.h"

#include "common/encode.h"

typedef struct Codec
{
	const char *alphabet;
	size_t (*size)(size_t bytes);
	void (*encode)(const uint8_t *bytes, size_t length, char *text);
	Status (*decode)(const char *text, size_t length, uint8_t *bytes, size_t *written);
} Codec;

static const Codec codecs[] = {
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", encode_base64_size, encode_base64,
	 decode_base64},
	{"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", encode_base64url_size, encode_base64url,
	 decode_base64url},
};

/* Decodes as a careless reader would: takes what is in the alphabet and drops spare bits. */
static size_t
decode_carelessly(const Codec *codec, const char *text, size_t length, uint8_t *bytes)
{
	uint32_t bits = 0;
	unsigned count = 0;
	size_t written = 0;

	for (size_t i = 0; i < length; i++)
	{
		const char *digit = text[i] != '\0' ? strchr(codec->alphabet, text[i]) : NULL;

		if (digit == NULL)
			continue;
		bits = (bits << 6 | (uint32_t) (digit - codec->alphabet)) & 0xffffff;
		count += 6;
		if (count >= 8)
		{
			count -= 8;
			bytes[written++] = (uint8_t) (bits >> count);
		}
	}
	return written;
}

/* Whether the encoder writes exactly this text for these bytes. */
static int
is_spelled(const Codec *codec, const uint8_t *bytes, size_t count, const char *text, size_t length)
{
	char *spelled = fuzz_memory(codec->size(count));
	int same;

	codec->encode(bytes, count, spelled);
	same = codec->size(count) == length && memcmp(spelled, text, length) == 0;
	free(spelled);
	return same;
}

static void
check_text(const Codec *codec, const char *text, size_t length)
{
	uint8_t *bytes = fuzz_memory(decode_base64_bound(length));
	size_t written = 0;
	Status status = codec->decode(text, length, bytes, &written);

	MUST(status == TSEC_OK || status == TSEC_BAD_BASE64);
	if (status == TSEC_OK)
		MUST(is_spelled(codec, bytes, written, text, length));
	else
	{
		written = decode_carelessly(codec, text, length, bytes);
		MUST(!is_spelled(codec, bytes, written, text, length));
	}
	free(bytes);
}

static void
check_bytes(const Codec *codec, const uint8_t *bytes, size_t count)
{
	size_t length = codec->size(count);
	char *text = fuzz_memory(length);
	uint8_t *back = fuzz_memory(decode_base64_bound(length));
	size_t written = 0;

	codec->encode(bytes, count, text);
	MUST(codec->decode(text, length, back, &written) == TSEC_OK);
	MUST(written == count && memcmp(back, bytes, count) == 0);
	free(text);
	free(back);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *input = fuzz_copy(data, size);

	for (size_t i = 0; i < sizeof(codecs) / sizeof(codecs[0]); i++)
	{
		check_text(&codecs[i], (const char *) input, size);
		check_bytes(&codecs[i], input, size);
	}
	free(input);
	return 0;
}
