/*
 * encode.h
 *		Base64 (RFC 4648 section 4, padded) and base64url (section 5, unpadded).
 *
 * Decoding is strict: only the alphabet, the exact padding, and zero in the
 * spare bits, so that one byte string has exactly one spelling.
 */
#ifndef TSEC_ENCODE_H
#define TSEC_ENCODE_H

#include "status.h"

#include <stddef.h>
#include <stdint.h>

/* Characters that encode_base64 writes for a number of bytes, without a final zero. */
static inline size_t
encode_base64_size(size_t bytes)
{
	return (bytes + 2) / 3 * 4;
}

/* Characters that encode_base64url writes for a number of bytes, without a final zero. */
static inline size_t
encode_base64url_size(size_t bytes)
{
	return bytes / 3 * 4 + (bytes % 3 ? bytes % 3 + 1 : 0);
}

/* The most bytes that a number of characters of either kind can decode to. */
static inline size_t
decode_base64_bound(size_t characters)
{
	return characters / 4 * 3 + 3;
}

/* Each writes exactly the number of characters stated above. */
extern void encode_base64(const uint8_t *bytes, size_t length, char *text);
extern void encode_base64url(const uint8_t *bytes, size_t length, char *text);

/* Each writes at most decode_base64_bound(length) bytes and answers TSEC_BAD_BASE64 for any other spelling. */
extern Status decode_base64(const char *text, size_t length, uint8_t *bytes, size_t *written);
extern Status decode_base64url(const char *text, size_t length, uint8_t *bytes, size_t *written);

#endif /* TSEC_ENCODE_H */
