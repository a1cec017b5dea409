/*
 * xaes.h
 *		The key derivation of XAES-256-GCM (https://c2sp.org/XAES-256-GCM).
 *
 * A nonce has 24 bytes.  The first twelve and the key give, by the counter
 * mode of SP 800-108 over AES-CMAC, the key of one message; AES-256-GCM under
 * that key takes the other twelve as its nonce.  So random nonces are safe for
 * 2^80 messages under one key.
 */
#ifndef TSEC_XAES_H
#define TSEC_XAES_H

#include "status.h"

#include <stdbool.h>
#include <stdint.h>

#define XAES_KEY_SIZE 32
#define XAES_CONTEXT_SIZE 12 /* bytes of the nonce that the derivation takes */

typedef struct XaesKey XaesKey;

/* Expands a key.  The raw bytes may be wiped afterwards. */
extern Status xaes_new(const uint8_t key[XAES_KEY_SIZE], XaesKey **result);

/* Wipes and frees; NULL is allowed. */
extern void xaes_free(XaesKey *key);

/* Derives the key of one message, for the caller to wipe; false when the library failed. */
extern bool xaes_derive(XaesKey *key, const uint8_t context[XAES_CONTEXT_SIZE], uint8_t derived[XAES_KEY_SIZE]);

#endif /* TSEC_XAES_H */
