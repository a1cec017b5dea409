/*
 * sign.h
 *		Between issuing a token and the two ways to sign it.
 */
#ifndef TSEC_TOKEN_SIGN_H
#define TSEC_TOKEN_SIGN_H

#include "token/private.h"

#include <jwt.h>

/* Signs a payload, JSON in UTF-8, with a key of ours: writes at most JWT_LENGTH_MAX characters and a final zero. */
extern Status token_sign(const TokenKey *key, const char *payload, char token[JWT_LENGTH_MAX + 1]);

/* What is used of libjwt. */
typedef struct LibJwt
{
	int (*new_token)(jwt_t **jwt);
	void (*free_token)(jwt_t *jwt);
	int (*add_grants_json)(jwt_t *jwt, const char *json);
	int (*add_header)(jwt_t *jwt, const char *header, const char *value);
	int (*set_algorithm)(jwt_t *jwt, jwt_alg_t algorithm, const unsigned char *key, int length);
	char *(*encode)(jwt_t *jwt);
} LibJwt;

/* Loads libjwt on first use; NULL where it cannot be used. */
extern const LibJwt *token_libjwt(void);

#endif /* TSEC_TOKEN_SIGN_H */
