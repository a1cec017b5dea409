/*
 * encode.c
 *		One loop for both alphabets.
 */
#include "encode.h"

static const char alphabet_standard[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char alphabet_url[65] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#define BAD 0xff

/* Values of the characters; 62 and 63 differ between the alphabets. */
/* clang-format off */
#define DIGITS_AND_LETTERS \
	['A'] = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, \
	['a'] = 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, \
	['0'] = 52, 53, 54, 55, 56, 57, 58, 59, 60, 61
#define OTHERS_ARE_BAD(p62, p63) \
	[0 ... '*'] = BAD, ['+'] = (p62) == '+' ? 62 : BAD, [','] = BAD, ['-'] = (p62) == '-' ? 62 : BAD, ['.'] = BAD, \
	['/'] = (p63) == '/' ? 63 : BAD, [':' ... '@'] = BAD, ['[' ... '^'] = BAD, ['_'] = (p63) == '_' ? 63 : BAD, \
	['`'] = BAD, ['{' ... 255] = BAD
/* clang-format on */

static const uint8_t value_standard[256] = {DIGITS_AND_LETTERS, OTHERS_ARE_BAD('+', '/')};
static const uint8_t value_url[256] = {DIGITS_AND_LETTERS, OTHERS_ARE_BAD('-', '_')};

static char *
encode_groups(const uint8_t *bytes, size_t length, const char *alphabet, char *text)
{
	size_t i;

	for (i = 0; i + 3 <= length; i += 3)
	{
		uint32_t group = ((uint32_t) bytes[i] << 16) | ((uint32_t) bytes[i + 1] << 8) | bytes[i + 2];

		text[0] = alphabet[group >> 18];
		text[1] = alphabet[(group >> 12) & 63];
		text[2] = alphabet[(group >> 6) & 63];
		text[3] = alphabet[group & 63];
		text += 4;
	}
	if (length - i == 1)
	{
		*text++ = alphabet[bytes[i] >> 2];
		*text++ = alphabet[(bytes[i] & 3) << 4];
	}
	else if (length - i == 2)
	{
		*text++ = alphabet[bytes[i] >> 2];
		*text++ = alphabet[((bytes[i] & 3) << 4) | (bytes[i + 1] >> 4)];
		*text++ = alphabet[(bytes[i + 1] & 15) << 2];
	}
	return text;
}

void
encode_base64(const uint8_t *bytes, size_t length, char *text)
{
	char *end = encode_groups(bytes, length, alphabet_standard, text);

	while (end < text + encode_base64_size(length))
		*end++ = '=';
}

void
encode_base64url(const uint8_t *bytes, size_t length, char *text)
{
	(void) encode_groups(bytes, length, alphabet_url, text);
}

/* Decodes characters without padding. */
static Status
decode_groups(const char *text, size_t length, const uint8_t *value, uint8_t *bytes, size_t *written)
{
	const uint8_t *in = (const uint8_t *) text;
	uint8_t *out = bytes;
	uint8_t seen = 0; /* valid values stay below 64, so one bad character shows in the top bits */
	size_t i;

	for (i = 0; i + 4 <= length; i += 4)
	{
		uint8_t a = value[in[i]];
		uint8_t b = value[in[i + 1]];
		uint8_t c = value[in[i + 2]];
		uint8_t d = value[in[i + 3]];

		seen |= a | b | c | d;
		out[0] = (uint8_t) ((a << 2) | (b >> 4));
		out[1] = (uint8_t) ((b << 4) | (c >> 2));
		out[2] = (uint8_t) ((c << 6) | d);
		out += 3;
	}
	switch (length - i)
	{
		case 0:
			break;
		case 2:
		{
			uint8_t a = value[in[i]];
			uint8_t b = value[in[i + 1]];

			seen |= a | b;
			if (b & 15)
				return TSEC_BAD_BASE64;
			*out++ = (uint8_t) ((a << 2) | (b >> 4));
			break;
		}
		case 3:
		{
			uint8_t a = value[in[i]];
			uint8_t b = value[in[i + 1]];
			uint8_t c = value[in[i + 2]];

			seen |= a | b | c;
			if (c & 3)
				return TSEC_BAD_BASE64;
			*out++ = (uint8_t) ((a << 2) | (b >> 4));
			*out++ = (uint8_t) ((b << 4) | (c >> 2));
			break;
		}
		default:
			return TSEC_BAD_BASE64;
	}
	if (seen & 0xc0)
		return TSEC_BAD_BASE64;
	*written = (size_t) (out - bytes);
	return TSEC_OK;
}

Status
decode_base64(const char *text, size_t length, uint8_t *bytes, size_t *written)
{
	if (length % 4 != 0)
		return TSEC_BAD_BASE64;
	if (length > 0 && text[length - 1] == '=')
		length -= text[length - 2] == '=' ? 2 : 1;
	return decode_groups(text, length, value_standard, bytes, written);
}

Status
decode_base64url(const char *text, size_t length, uint8_t *bytes, size_t *written)
{
	return decode_groups(text, length, value_url, bytes, written);
}
