/*
 * encode_test.c
 *		Base64 and base64url: the published vectors, every small case, and the
 *		rule that one byte string has exactly one spelling.
 */
#include "unit.h"

#include "common/encode.h"

#include <openssl/evp.h>

/* The two codecs as rows, so that every case runs over both. */
typedef struct Codec
{
	const char *name;
	bool padded;
	const char *last_two; /* the characters for 62 and 63 */
	size_t (*size)(size_t bytes);
	void (*encode)(const uint8_t *bytes, size_t length, char *text);
	Status (*decode)(const char *text, size_t length, uint8_t *bytes, size_t *written);
} Codec;

static const Codec codecs[] = {
	{"base64", true, "+/", encode_base64_size, encode_base64, decode_base64},
	{"base64url", false, "-_", encode_base64url_size, encode_base64url, decode_base64url},
};

#define CODECS (sizeof(codecs) / sizeof(codecs[0]))

/* Decodes into memory of exactly the promised bound and checks that a success encodes back to the same text. */
static bool
accepts(const Codec *codec, const char *text, size_t length)
{
	uint8_t *bytes = unit_memory(decode_base64_bound(length));
	char *again = unit_memory(length);
	size_t written = 0;
	Status status = codec->decode(text, length, bytes, &written);

	CHECK(status == TSEC_OK || status == TSEC_BAD_BASE64, "%s: status %d", codec->name, (int) status);
	if (status == TSEC_OK && CHECK(codec->size(written) == length, "%s: %.*s", codec->name, (int) length, text))
	{
		codec->encode(bytes, written, again);
		CHECK(memcmp(again, text, length) == 0, "%s: %.*s", codec->name, (int) length, text);
	}
	free(bytes);
	free(again);
	return status == TSEC_OK;
}

/* Checks one pair of bytes and text in both directions. */
static void
check_pair(const Codec *codec, const uint8_t *bytes, size_t length, const char *text)
{
	char *made = unit_memory(codec->size(length));
	uint8_t *back = unit_memory(decode_base64_bound(strlen(text)));
	size_t written = 0;

	if (CHECK(codec->size(length) == strlen(text), "%s: %s", codec->name, text))
	{
		codec->encode(bytes, length, made);
		CHECK(memcmp(made, text, strlen(text)) == 0, "%s: %.*s, not %s", codec->name, (int) strlen(text), made, text);
	}
	CHECK(codec->decode(text, strlen(text), back, &written) == TSEC_OK, "%s: %s", codec->name, text);
	CHECK(written == length && memcmp(back, bytes, length) == 0, "%s: %s", codec->name, text);
	free(made);
	free(back);
}

static void
rfc_4648_vectors(void)
{
	static const char *const vectors[][3] = {
		{"", "", ""},
		{"f", "Zg==", "Zg"},
		{"fo", "Zm8=", "Zm8"},
		{"foo", "Zm9v", "Zm9v"},
		{"foob", "Zm9vYg==", "Zm9vYg"},
		{"fooba", "Zm9vYmE=", "Zm9vYmE"},
		{"foobar", "Zm9vYmFy", "Zm9vYmFy"},
		{"\x14\xfb\x9c\x03\xd9\x7e", "FPucA9l+", "FPucA9l-"},
		{"\xff\xef\xff", "/+//", "_-__"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		check_pair(&codecs[0], (const uint8_t *) vectors[i][0], strlen(vectors[i][0]), vectors[i][1]);
		check_pair(&codecs[1], (const uint8_t *) vectors[i][0], strlen(vectors[i][0]), vectors[i][2]);
	}
}

static void
every_one_and_two_bytes(void)
{
	for (size_t c = 0; c < CODECS; c++)
	{
		const Codec *codec = &codecs[c];

		for (unsigned value = 0; value < 65536; value++)
		{
			uint8_t bytes[2] = {(uint8_t) (value >> 8), (uint8_t) value};
			uint8_t back[6];
			char text[4];
			size_t written;

			for (size_t length = 1; length <= 2; length++)
			{
				codec->encode(bytes, length, text);
				CHECK(codec->decode(text, codec->size(length), back, &written) == TSEC_OK && written == length &&
						  memcmp(back, bytes, length) == 0,
					  "%s: %04x", codec->name, value);
			}
		}
	}
}

/* Against an independent encoder, and with output memory of exactly the stated size. */
static void
every_length_to_1000(void)
{
	uint8_t bytes[1000];
	unsigned char other[4 * 334 + 1];

	unit_fill(bytes, sizeof(bytes), 1);
	for (size_t length = 0; length <= sizeof(bytes); length++)
	{
		for (size_t c = 0; c < CODECS; c++)
		{
			char *text = unit_memory(codecs[c].size(length));

			codecs[c].encode(bytes, length, text);
			CHECK(accepts(&codecs[c], text, codecs[c].size(length)), "%s: %zu", codecs[c].name, length);
			if (codecs[c].padded)
			{
				CHECK((size_t) EVP_EncodeBlock(other, bytes, (int) length) == codecs[c].size(length));
				CHECK(memcmp(other, text, codecs[c].size(length)) == 0, "%zu", length);
			}
			free(text);
		}
	}
}

/*
 * One byte has 256 values, so of all two-character endings exactly 256 may
 * decode, and of all three-character endings 65536: spare bits must be zero.
 */
static void
every_short_ending(void)
{
	for (size_t c = 0; c < CODECS; c++)
	{
		const Codec *codec = &codecs[c];
		size_t two = 0;
		size_t three = 0;
		char text[4] = "====";

		for (unsigned a = 0; a < 256; a++)
		{
			for (unsigned b = 0; b < 256; b++)
			{
				text[0] = (char) a;
				text[1] = (char) b;
				text[2] = '=';
				two += accepts(codec, text, codec->padded ? 4 : 2);
			}
		}
		for (unsigned last = 0; last < 1u << 24; last++)
		{
			uint8_t bytes[6];
			size_t written;

			text[0] = (char) (last >> 16);
			text[1] = (char) (last >> 8);
			text[2] = (char) last;
			three += codec->decode(text, codec->padded ? 4 : 3, bytes, &written) == TSEC_OK;
		}
		CHECK(two == 256, "%s: %zu", codec->name, two);
		/* with padding the text "xy==" is among the three-character ones */
		CHECK(three == 65536 + (codec->padded ? 256 : 0), "%s: %zu", codec->name, three);
	}
}

static void
every_character_at_every_place(void)
{
	for (size_t c = 0; c < CODECS; c++)
	{
		const Codec *codec = &codecs[c];

		for (size_t place = 0; place < 8; place++)
		{
			for (unsigned value = 0; value < 256; value++)
			{
				char text[8] = {'Q', 'U', 'J', 'D', 'R', 'E', 'V', 'G'};
				bool in_alphabet =
					(value < 128 && value > 0 &&
					 strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", (int) value) != NULL) ||
					value == (unsigned char) codec->last_two[0] || value == (unsigned char) codec->last_two[1];
				/* "=" for the last character leaves "REV", whose spare bits are not zero */
				text[place] = (char) value;
				CHECK(accepts(codec, text, 8) == in_alphabet, "%s: place %zu, character %u", codec->name, place,
					  value);
			}
		}
	}
}

static void
other_spellings_are_refused(void)
{
	static const char *const refused[] = {
		"=",
		"==",
		"===",
		"====",
		"A",
		"A=",
		"A==",
		"A===",
		"AA=A",
		"AA=",
		"AAA==",
		"AAAA=",
		"AAAA==",
		"AAAA===",
		"AAAA====",
		"AA==AAAA",
		"AAA=AAA=",
		"AA==AA==",
		"=AAA",
		"==AA",
		"AAAAA",
		"AAAAA===",
		"AB==",
		"AP==",
		"AAB=",
		"AAD=",
		"AAAA\n",
		"AAAA\r\n",
		"\nAAA",
		" AAA",
		"AA A",
		"AAA ",
		"AA==\n",
		"AA\n==",
		"AAA\n",
		"AA.A",
		"AA*A",
		"AA,A",
		"AA:A",
		"\xef\xbb\xbf"
		"AAA",
		"\xc3\x84"
		"AA",
		"AAA\x80",
		"AAA\xff",
	};
	static const char *const padded_only[] = {"AA==", "AAA=", "AAAAAA==", "+/==", "AAA+", "AAA/"};
	static const char *const unpadded_only[] = {"AA", "AAA", "AAAAAA", "AAA-", "AAA_"};
	static const char with_zero[4] = {'A', 'A', 'A', '\0'};

	for (size_t c = 0; c < CODECS; c++)
	{
		for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
			CHECK(!accepts(&codecs[c], refused[i], strlen(refused[i])), "%s: %s", codecs[c].name, refused[i]);
		CHECK(!accepts(&codecs[c], with_zero, sizeof(with_zero)), "%s", codecs[c].name);
	}
	for (size_t i = 0; i < sizeof(padded_only) / sizeof(padded_only[0]); i++)
		CHECK(!accepts(&codecs[1], padded_only[i], strlen(padded_only[i])), "%s", padded_only[i]);
	for (size_t i = 0; i < sizeof(unpadded_only) / sizeof(unpadded_only[0]); i++)
		CHECK(!accepts(&codecs[0], unpadded_only[i], strlen(unpadded_only[i])), "%s", unpadded_only[i]);
}

static const UnitCase cases[] = {
	{"RFC 4648 section 10", rfc_4648_vectors},
	{"every value of one and two bytes comes back", every_one_and_two_bytes},
	{"every length from 0 to 1000 comes back and agrees with OpenSSL", every_length_to_1000},
	{"of all short endings only the canonical ones decode", every_short_ending},
	{"every character at every place of two groups", every_character_at_every_place},
	{"other spellings are refused", other_spellings_are_refused},
};

UNIT_MAIN(cases)
