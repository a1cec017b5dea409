/*
 * aead.h
 *		AES-256-GCM (NIST SP 800-38D) with a key that is expanded once.
 *
 * An AeadKey keeps one context per direction, made on first use: setting a
 * fresh context up costs about as much again as sealing a short value.
 * Nonces are 96 random bits from a pool, because a draw of twelve bytes costs
 * three times the cipher; 2^32 messages under one key is the limit (SP
 * 800-38D section 8.3), and counting them is the caller's duty.
 */
#ifndef TSEC_AEAD_H
#define TSEC_AEAD_H

#include "bytes.h"
#include "status.h"

#define AEAD_KEY_SIZE 32
#define AEAD_NONCE_SIZE 12
#define AEAD_TAG_SIZE 16
#define AEAD_MAX_LENGTH ((size_t) 1 << 30)

typedef struct AeadKey AeadKey;

/* Expands a key.  The raw bytes may be wiped afterwards. */
extern Status aead_new(const uint8_t key[AEAD_KEY_SIZE], AeadKey **result);

/* Wipes and frees; NULL is allowed. */
extern void aead_free(AeadKey *key);

/*
 * Seals: writes plain.length bytes of ciphertext and the tag.  The nonce must
 * never have been used with this key; take it from nonce_take().
 */
extern Status aead_seal(AeadKey *key, const uint8_t nonce[AEAD_NONCE_SIZE], Bytes associated, Bytes plain,
						uint8_t *cipher, uint8_t tag[AEAD_TAG_SIZE]);

/*
 * Opens: writes cipher.length bytes of plaintext.  TSEC_INTEGRITY when
 * anything differs from what was sealed; the output is wiped then.
 */
extern Status aead_open(AeadKey *key, const uint8_t nonce[AEAD_NONCE_SIZE], Bytes associated, Bytes cipher,
						const uint8_t tag[AEAD_TAG_SIZE], uint8_t *plain);

/* Fills a buffer from the system's random generator. */
extern Status random_bytes(uint8_t *buffer, size_t length);

/* The same for bytes that stay secret, from a generator whose output nobody ever sees. */
extern Status random_secret(uint8_t *buffer, size_t length);

#define NONCE_POOL_COUNT 128

/* Nonces drawn ahead.  Start with zeroes; belongs to one thread. */
typedef struct NoncePool
{
	unsigned fork_generation;
	unsigned left;
	uint8_t bytes[NONCE_POOL_COUNT * AEAD_NONCE_SIZE];
} NoncePool;

/* Takes the next nonce; a pool inherited through fork is dropped first. */
extern Status nonce_take(NoncePool *pool, uint8_t nonce[AEAD_NONCE_SIZE]);

#endif /* TSEC_AEAD_H */
