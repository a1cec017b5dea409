/*
 * digest.h
 *		SHA-256 (FIPS 180-4), HMAC-SHA256 (RFC 2104) with a kept key, HKDF (RFC 5869).
 */
#ifndef TSEC_DIGEST_H
#define TSEC_DIGEST_H

#include "bytes.h"
#include "status.h"

#define DIGEST_SIZE 32

extern Status digest_sha256(Bytes input, uint8_t digest[DIGEST_SIZE]);

typedef struct HmacKey HmacKey;

/* Prepares a key of at most 1 MB; the raw bytes may be wiped afterwards. */
extern Status hmac_new(Bytes key, HmacKey **result);

/* Wipes and frees; NULL is allowed. */
extern void hmac_free(HmacKey *key);

extern Status hmac_sha256(HmacKey *key, Bytes input, uint8_t digest[DIGEST_SIZE]);

/* Derives bytes (1 to 255 * 32) from a secret for one stated purpose; an absent salt equals an empty one. */
extern Status hkdf_sha256(Bytes secret, Bytes salt, const char *purpose, uint8_t *output, size_t length);

#endif /* TSEC_DIGEST_H */
