/*
 * jose.h
 *		What the tests of tokens share: keys of every algorithm, and tokens of
 *		any header and payload.
 */
#ifndef TSEC_JOSE_H
#define TSEC_JOSE_H

#include "unit.h"

#include "common/digest.h"
#include "common/encode.h"
#include "common/jwk.h"
#include "common/jwt.h"

/* A fresh key of an algorithm, to sign and to verify with; its private bytes are given where asked for. */
static inline JwtKey *
jose_key(JwtAlgorithm algorithm, uint8_t *bytes, size_t *length)
{
	uint8_t own[JWK_PRIVATE_MAX];
	size_t own_length;
	JwtKey *key = NULL;

	if (bytes == NULL)
	{
		bytes = own;
		length = &own_length;
	}
	if (jwk_generate(algorithm, bytes, length) != TSEC_OK ||
		jwk_of_private(algorithm, bytes_of(bytes, *length), &key) != TSEC_OK)
		abort();
	return key;
}

/* Appends base64url of a text, zero-terminated. */
static inline void
jose_append(char *token, const void *bytes, size_t length)
{
	size_t at = strlen(token);

	encode_base64url(bytes, length, token + at);
	token[at + encode_base64url_size(length)] = '\0';
}

/* Signs a payload under a header written by the test, so that the header may say anything. */
static inline char *
jose_token(HmacKey *key, const char *header, const char *payload)
{
	char *token = unit_memory(2 * (strlen(header) + strlen(payload)) + 200);
	uint8_t digest[DIGEST_SIZE_MAX];

	token[0] = '\0';
	jose_append(token, header, strlen(header));
	strcat(token, ".");
	jose_append(token, payload, strlen(payload));
	if (hmac_compute(key, bytes_of(token, strlen(token)), digest) != TSEC_OK)
		abort();
	strcat(token, ".");
	jose_append(token, digest, DIGEST_SIZE);
	return token;
}

/* Everything the door does before the claims: shape, header, the key's algorithm, signature. */
static inline Status
jose_verify(JwtKey *key, const char *token, size_t length)
{
	char *exact = unit_memory(length);
	JwtParts parts;
	JwtHeader header;
	Status status;

	memcpy(exact, token, length);
	status = jwt_split(exact, length, &parts);
	if (status == TSEC_OK)
		status = jwt_read_header(parts.header, &header);
	if (status == TSEC_OK && header.algorithm != jwt_key_algorithm(key))
		status = TSEC_TOKEN_ALGORITHM;
	if (status == TSEC_OK)
		status = jwt_verify(key, &parts);
	free(exact);
	return status;
}

#endif /* TSEC_JOSE_H */
