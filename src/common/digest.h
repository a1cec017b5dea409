/*
 * digest.h
 *		SHA-256 (FIPS 180-4), HMAC (RFC 2104) with a kept key, HKDF (RFC 5869).
 */
#ifndef TSEC_DIGEST_H
#define TSEC_DIGEST_H

#include "bytes.h"
#include "status.h"

#define DIGEST_SIZE 32
#define DIGEST_SIZE_MAX 64

extern Status digest_sha256(Bytes input, uint8_t digest[DIGEST_SIZE]);

typedef struct HmacKey HmacKey;

/* The digests an HMAC may be made with; the numbers are the bits of the result. */
typedef enum HmacDigest
{
	HMAC_SHA256 = 256,
	HMAC_SHA384 = 384,
	HMAC_SHA512 = 512
} HmacDigest;

/* Prepares a key of at most 1 MB for HMAC-SHA256; the raw bytes may be wiped afterwards. */
extern Status hmac_new(Bytes key, HmacKey **result);

/* The same for a stated digest. */
extern Status hmac_new_for(HmacDigest digest, Bytes key, HmacKey **result);

/* Wipes and frees; NULL is allowed. */
extern void hmac_free(HmacKey *key);

/* For a key of hmac_new(). */
extern Status hmac_sha256(HmacKey *key, Bytes input, uint8_t digest[DIGEST_SIZE]);

/* For a key of any digest: writes as many bytes as the digest has, at most DIGEST_SIZE_MAX. */
extern Status hmac_compute(HmacKey *key, Bytes input, uint8_t *digest);

/* Derives bytes (1 to 255 * 32) from a secret for one stated purpose; an absent salt equals an empty one. */
extern Status hkdf_sha256(Bytes secret, Bytes salt, const char *purpose, uint8_t *output, size_t length);

#endif /* TSEC_DIGEST_H */
