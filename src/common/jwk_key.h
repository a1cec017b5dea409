/*
 * jwk_key.h
 *		What the files that read and write JWK share.
 */
#ifndef TSEC_JWK_KEY_H
#define TSEC_JWK_KEY_H

#include "jwk.h"
#include "jwt_key.h"

#include <jansson.h>

/* Bytes of the longest member: a modulus of 8192 bits. */
#define JWK_MEMBER_MAX 1024

/* Decodes a member of canonical base64url; TSEC_JWK_MALFORMED when it is absent, empty or longer than size. */
extern Status jwk_member(const json_t *root, const char *name, uint8_t *bytes, size_t size, size_t *length);

/* Each builds OpenSSL's key of a JWK's members and judges its strength. */
extern Status jwk_build_rsa(const json_t *root, EVP_PKEY **pkey);
extern Status jwk_build_ec(const json_t *root, const JwtRow *row, EVP_PKEY **pkey);
extern Status jwk_build_okp(const json_t *root, EVP_PKEY **pkey);

/* The same of raw numbers. */
extern Status jwk_rsa_of(Bytes modulus, Bytes exponent, EVP_PKEY **pkey);

#endif /* TSEC_JWK_KEY_H */
