/*
 * envelope.h
 *		The stored form of an encrypted value, and its printable armor.
 *
 *	 offset  bytes
 *		0		1	algorithm (AeadAlgorithm): 1 = AES-256-GCM, 2 = XAES-256-GCM
 *		1		1	flags: 1 = a blind tag follows, 2 = probe (tag alone)
 *		2		4	key id, big-endian
 *		6	   16	blind tag, where its flag is set
 *		+	   12	nonce, 24 bytes of XAES-256-GCM
 *		+		n	ciphertext, as long as the plaintext
 *		+	   16	authentication tag
 *
 * Everything before the ciphertext is authenticated with it.  A probe carries
 * no nonce, ciphertext or tag: it exists to be compared, with values of either
 * algorithm, and is never stored.  Its algorithm is 1, the only spelling.
 *
 * Armor is ARMOR_PREFIX and base64url of these bytes.  The layout reaches the
 * disk and every dump: it never changes, a new algorithm gets a new number.
 */
#ifndef TSEC_ENVELOPE_H
#define TSEC_ENVELOPE_H

#include "aead.h"
#include "bytes.h"
#include "status.h"

#include <stdbool.h>

#define ENVELOPE_HAS_BLIND_TAG 0x01
#define ENVELOPE_IS_PROBE 0x02

#define ENVELOPE_FIXED_SIZE 6
#define BLIND_TAG_SIZE 16

/* The most bytes before the ciphertext, and the most bytes around it. */
#define ENVELOPE_HEADER_MAX (ENVELOPE_FIXED_SIZE + BLIND_TAG_SIZE + AEAD_NONCE_MAX)
#define ENVELOPE_OVERHEAD_MAX (ENVELOPE_HEADER_MAX + AEAD_TAG_SIZE)

#define ARMOR_PREFIX "tsec1:"
#define ARMOR_PREFIX_SIZE 6

/* A parsed value; the pointers point into the bytes it was parsed from. */
typedef struct Envelope
{
	AeadAlgorithm algorithm;
	uint8_t flags;
	uint32_t key_id;
	const uint8_t *blind_tag; /* NULL where there is none */
	const uint8_t *nonce;     /* NULL in a probe */
	Bytes header;             /* what is authenticated: all bytes before the ciphertext */
	Bytes cipher;
	const uint8_t *tag; /* NULL in a probe */
} Envelope;

/* Bytes of the header that goes with an algorithm and flags. */
extern size_t envelope_header_size(AeadAlgorithm algorithm, uint8_t flags);

/* Bytes of the whole value that goes with an algorithm, flags and a length of plaintext. */
extern size_t envelope_size(AeadAlgorithm algorithm, uint8_t flags, size_t plain_length);

/* Writes the header (a probe's ends with the blind tag) and returns its size.  The nonce is of the algorithm's size. */
extern size_t envelope_write_header(uint8_t *to, AeadAlgorithm algorithm, uint8_t flags, uint32_t key_id,
									const uint8_t *blind_tag, const uint8_t *nonce);

/* Takes a value apart: TSEC_VALUE_TRUNCATED, TSEC_UNKNOWN_ALGORITHM or TSEC_UNKNOWN_FLAG otherwise. */
extern Status envelope_parse(Bytes value, Envelope *result);

/* Whether text begins with the armor prefix, and so must be armor. */
extern bool armor_looks_like(const char *text, size_t length);

/* Characters of armor for a value, without a final zero. */
extern size_t armor_size(size_t value_length);
extern void armor_write(Bytes value, char *text);

/* The most bytes that armor of a length can hold. */
extern size_t armor_value_bound(size_t length);

/* Decodes armor and checks the structure of what it holds; TSEC_ARMOR_INVALID or envelope_parse's refusals. */
extern Status armor_read(const char *text, size_t length, uint8_t *value, size_t *value_length);

#endif /* TSEC_ENVELOPE_H */
