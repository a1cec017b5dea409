/*
 * jwt.h
 *		The strict door for signed tokens: JWS compact serialisation (RFC 7515)
 *		with the algorithms of RFC 7518 and 8037, as RFC 8725 advises.
 *
 * A token is judged in this order: length, shape, header, key, signature,
 * claims.  Nothing of the payload is looked at before the signature holds.
 * The algorithm is a property of the key; the token's own word is only
 * compared with it.  Every spelling but the canonical one is refused, so that
 * one token has exactly one text (but for what ECDSA leaves open).
 */
#ifndef TSEC_JWT_H
#define TSEC_JWT_H

#include "bytes.h"
#include "status.h"

#include <stdbool.h>

#define JWT_LENGTH_MAX 8192
#define JWT_KID_MAX 255

/* Bytes of the longest signature: RSA with 8192 bits. */
#define JWT_SIGNATURE_MAX 1024

typedef enum JwtAlgorithm
{
	JWT_HS256,
	JWT_HS384,
	JWT_HS512,
	JWT_RS256,
	JWT_RS384,
	JWT_RS512,
	JWT_PS256,
	JWT_PS384,
	JWT_PS512,
	JWT_ES256,
	JWT_ES384,
	JWT_ES512,
	JWT_EDDSA,
	JWT_ALGORITHM_COUNT
} JwtAlgorithm;

/* A key that is parsed once and kept, with the contexts to verify with.  Belongs to one thread. */
typedef struct JwtKey JwtKey;

/* The name of an algorithm as RFC 7518 spells it, and the reverse: false for any other spelling. */
extern const char *jwt_algorithm_name(JwtAlgorithm algorithm);
extern bool jwt_algorithm_find(const char *name, JwtAlgorithm *algorithm);

/* Whether one secret both signs and verifies. */
extern bool jwt_is_symmetric(JwtAlgorithm algorithm);

/* The three segments of a token, still encoded; they point into it. */
typedef struct JwtParts
{
	Bytes header;
	Bytes payload;
	Bytes signature;
	Bytes signed_text; /* header, dot, payload */
} JwtParts;

/* Takes a token apart: at most JWT_LENGTH_MAX bytes, exactly two dots.  Decodes nothing. */
extern Status jwt_split(const char *token, size_t length, JwtParts *parts);

/* What the header says. */
typedef struct JwtHeader
{
	JwtAlgorithm algorithm;
	char kid[JWT_KID_MAX + 1]; /* empty when it names none */
} JwtHeader;

extern Status jwt_read_header(Bytes segment, JwtHeader *header);

extern JwtAlgorithm jwt_key_algorithm(const JwtKey *key);

/* Wipes and frees; NULL is allowed. */
extern void jwt_key_free(JwtKey *key);

/* TSEC_OK when the key made the signature, TSEC_TOKEN_SIGNATURE when not. */
extern Status jwt_verify(JwtKey *key, const JwtParts *parts);

/*
 * Signs a payload with a secret or a private key: writes a whole token (without
 * a final zero) and its length.  TSEC_TOKEN_TOO_LONG when it exceeds JWT_LENGTH_MAX.
 */
extern Status jwt_sign(JwtKey *key, const char *kid, Bytes payload, char token[JWT_LENGTH_MAX], size_t *length);

#endif /* TSEC_JWT_H */
