/*
 * aead.h
 *		AES-256-GCM (NIST SP 800-38D) with a key that is expanded once, and
 *		XAES-256-GCM (C2SP), the same with a nonce of twice the size.
 *
 * An AeadKey keeps one context per direction, made on first use: setting a
 * fresh context up costs about as much again as sealing a short value.
 * Nonces are random bits from a pool, because a draw of twelve bytes costs
 * three times the cipher.  AES-256-GCM has 96 of them: 2^32 messages under one
 * key is the limit (SP 800-38D section 8.3), and counting them is the caller's
 * duty.  XAES-256-GCM has 192: 2^80 messages at the same risk.
 */
#ifndef TSEC_AEAD_H
#define TSEC_AEAD_H

#include "bytes.h"
#include "status.h"

#define AEAD_KEY_SIZE 32
#define AEAD_NONCE_SIZE 12 /* of AES-256-GCM */
#define AEAD_NONCE_MAX 24  /* of XAES-256-GCM */
#define AEAD_TAG_SIZE 16
#define AEAD_MAX_LENGTH ((size_t) 1 << 30)

/* The numbers stand in every stored value and in the keyring's table. */
typedef enum AeadAlgorithm
{
	AEAD_AES_256_GCM = 1,
	AEAD_XAES_256_GCM = 2
} AeadAlgorithm;

typedef struct AeadKey AeadKey;

/* Bytes of an algorithm's nonce. */
static inline size_t
aead_nonce_size(AeadAlgorithm algorithm)
{
	return algorithm == AEAD_XAES_256_GCM ? AEAD_NONCE_MAX : AEAD_NONCE_SIZE;
}

/* Expands a key for AES-256-GCM.  The raw bytes may be wiped afterwards. */
extern Status aead_new(const uint8_t key[AEAD_KEY_SIZE], AeadKey **result);

/* The same for a stated algorithm; TSEC_UNKNOWN_ALGORITHM for any other number. */
extern Status aead_new_for(AeadAlgorithm algorithm, const uint8_t key[AEAD_KEY_SIZE], AeadKey **result);

/* Wipes and frees; NULL is allowed. */
extern void aead_free(AeadKey *key);

/*
 * Seals: writes plain.length bytes of ciphertext and the tag.  The nonce has
 * the size of the key's algorithm and must never have been used with this key;
 * take it from nonce_take_for().
 */
extern Status aead_seal(AeadKey *key, const uint8_t *nonce, Bytes associated, Bytes plain, uint8_t *cipher,
						uint8_t tag[AEAD_TAG_SIZE]);

/*
 * Opens: writes cipher.length bytes of plaintext.  TSEC_INTEGRITY when
 * anything differs from what was sealed; the output is wiped then.
 */
extern Status aead_open(AeadKey *key, const uint8_t *nonce, Bytes associated, Bytes cipher,
						const uint8_t tag[AEAD_TAG_SIZE], uint8_t *plain);

/* Fills a buffer from the system's random generator. */
extern Status random_bytes(uint8_t *buffer, size_t length);

/* The same for bytes that stay secret, from a generator whose output nobody ever sees. */
extern Status random_secret(uint8_t *buffer, size_t length);

/* A draw of 6 kB costs about twice a draw of twelve bytes. */
#define NONCE_POOL_COUNT 512

/* Nonces drawn ahead.  Start with zeroes; belongs to one thread. */
typedef struct NoncePool
{
	unsigned fork_generation;
	unsigned left;
	uint8_t bytes[NONCE_POOL_COUNT * AEAD_NONCE_SIZE];
} NoncePool;

/* Takes the next nonce; a pool inherited through fork is dropped first. */
extern Status nonce_take(NoncePool *pool, uint8_t nonce[AEAD_NONCE_SIZE]);

/* The same of an algorithm's size: for XAES-256-GCM the next two places of the pool. */
static inline Status
nonce_take_for(AeadAlgorithm algorithm, NoncePool *pool, uint8_t *nonce)
{
	Status status = nonce_take(pool, nonce);

	if (status == TSEC_OK && algorithm == AEAD_XAES_256_GCM)
		status = nonce_take(pool, nonce + AEAD_NONCE_SIZE);
	return status;
}

#endif /* TSEC_AEAD_H */
