/*
 * jwt_key.h
 *		What the files of the strict door know about keys and algorithms.
 */
#ifndef TSEC_JWT_KEY_H
#define TSEC_JWT_KEY_H

#include "digest.h"
#include "jwt.h"

#include <openssl/evp.h>

typedef enum JwtKind
{
	JWT_OCT,
	JWT_RSA,
	JWT_EC,
	JWT_OKP
} JwtKind;

/* One row of the table of algorithms. */
typedef struct JwtRow
{
	const char *name;
	JwtKind kind;
	HmacDigest digest; /* for EdDSA unused */
	bool is_pss;
	const char *curve;    /* as a JWK names it */
	const char *group;    /* as OpenSSL does */
	unsigned number_size; /* EC: bytes of one coordinate, and of half a signature */
} JwtRow;

extern const JwtRow *jwt_row(JwtAlgorithm algorithm);
extern const EVP_MD *jwt_digest(const JwtRow *row);

struct JwtKey
{
	JwtAlgorithm algorithm;
	const JwtRow *row;
	size_t signature_size; /* of every signature the key makes */
	HmacKey *hmac;
	EVP_PKEY *pkey;
	EVP_PKEY_CTX *verifier; /* RSA and EC, set up on first use */
	EVP_MD_CTX *digest;     /* Ed25519 */
};

/* Makes a key of what OpenSSL parsed, which it owns from then on, also when it fails. */
extern Status jwt_key_of(JwtAlgorithm algorithm, EVP_PKEY *pkey, JwtKey **key);

/* Makes a key of a secret that was checked. */
extern Status jwt_key_of_secret(JwtAlgorithm algorithm, Bytes secret, JwtKey **key);

#endif /* TSEC_JWT_KEY_H */
