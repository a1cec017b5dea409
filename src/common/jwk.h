/*
 * jwk.h
 *		Keys as JSON (RFC 7517, 7518, 8037), and keys made here.
 *
 * Reading is strict: known kinds and curves, an algorithm that is stated or
 * follows from the kind, canonical base64url, public keys without a private
 * member, nothing weak.  Members nobody here knows are ignored, as RFC 7517
 * section 4 wants, and are not kept.
 */
#ifndef TSEC_JWK_H
#define TSEC_JWK_H

#include "bytes.h"
#include "jwt.h"
#include "status.h"

#define JWK_TEXT_MAX 16384
#define JWK_SECRET_MAX 1024

/* Bytes of a private key at rest: a secret, an Ed25519 seed, or PKCS #8 (an RSA key of 4096 bits has 2.4 kB). */
#define JWK_PRIVATE_MAX 8192

/* Characters that any public key fits in as JSON, with the longest kid. */
#define JWK_PUBLIC_MAX 4096

typedef struct Jwk
{
	JwtKey *key;
	JwtAlgorithm algorithm;
	char kid[JWT_KID_MAX + 1];        /* as given, else the thumbprint (a secret: jwk_secret_kid) */
	char public_text[JWK_PUBLIC_MAX]; /* canonical JSON of the public key; empty for a secret */
	uint8_t secret[JWK_SECRET_MAX];   /* kty oct alone */
	size_t secret_length;
} Jwk;

/* Reads a key to verify with.  Free it with jwk_free() when the status is TSEC_OK; else nothing is left in it. */
extern Status jwk_read(const char *text, size_t length, Jwk *jwk);

/* Frees the key and wipes the whole. */
extern void jwk_free(Jwk *jwk);

/* A secret's name: derived by HKDF, because a plain digest of it (RFC 7638) would invite guessing.  Zero-terminated. */
#define JWK_SECRET_KID_SIZE 23
extern Status jwk_secret_kid(Bytes secret, char kid[JWK_SECRET_KID_SIZE]);

/* Makes a key of secret bytes that have at least the size of the algorithm's digest (RFC 7518 section 3.2). */
extern Status jwk_of_secret(JwtAlgorithm algorithm, Bytes secret, JwtKey **key);

/* Makes a key to sign with, as the bytes that jwk_of_private() takes.  RSA has 3072 bits. */
extern Status jwk_generate(JwtAlgorithm algorithm, uint8_t bytes[JWK_PRIVATE_MAX], size_t *length);

/* The key that jwk_generate() made. */
extern Status jwk_of_private(JwtAlgorithm algorithm, Bytes bytes, JwtKey **key);

/* Writes the public half as JSON; its kid is the thumbprint (RFC 7638) and goes to kid as well. */
extern Status jwk_publish(const JwtKey *key, char text[JWK_PUBLIC_MAX], char kid[JWT_KID_MAX + 1]);

#endif /* TSEC_JWK_H */
