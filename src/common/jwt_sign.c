/*
 * jwt_sign.c
 *		The reverse of the door: a payload becomes a token.  The server uses it
 *		for what libjwt does not sign (EdDSA, PS256), the tests for everything.
 */
#include "jwt_key.h"

#include "encode.h"
#include "secret.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define HEADER_MAX 2048

/* Appends bytes in base64url; false when the token would be too long. */
static bool
append(char *token, size_t *length, const uint8_t *bytes, size_t count)
{
	size_t size = encode_base64url_size(count);

	if (size > JWT_LENGTH_MAX - *length)
		return false;
	encode_base64url(bytes, count, token + *length);
	*length += size;
	return true;
}

static bool
append_dot(char *token, size_t *length)
{
	if (*length == JWT_LENGTH_MAX)
		return false;
	token[(*length)++] = '.';
	return true;
}

/* Appends the header; the kid may hold characters that JSON escapes. */
static Status
append_header(const JwtKey *key, const char *kid, char *token, size_t *length)
{
	char text[HEADER_MAX];
	json_t *header = json_pack("{s:s, s:s*, s:s}", "alg", key->row->name, "kid", kid, "typ", "JWT");
	size_t size = header ? json_dumpb(header, text, sizeof(text), JSON_COMPACT | JSON_SORT_KEYS) : 0;

	json_decref(header);
	if (size == 0)
		return TSEC_NO_MEMORY;
	if (size > sizeof(text) || !append(token, length, (const uint8_t *) text, size) || !append_dot(token, length))
		return TSEC_TOKEN_TOO_LONG;
	return TSEC_OK;
}

/* Turns OpenSSL's DER into r and s side by side. */
static Status
pair_of(const uint8_t *der, size_t length, unsigned number_size, uint8_t *signature)
{
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &der, (long) length);
	Status status = TSEC_LIBRARY_FAILURE;

	if (pair != NULL && BN_bn2binpad(ECDSA_SIG_get0_r(pair), signature, (int) number_size) > 0 &&
		BN_bn2binpad(ECDSA_SIG_get0_s(pair), signature + number_size, (int) number_size) > 0)
		status = TSEC_OK;
	ECDSA_SIG_free(pair);
	return status;
}

static Status
sign_with_key(JwtKey *key, Bytes text, uint8_t signature[JWT_SIGNATURE_MAX])
{
	const JwtRow *row = key->row;
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	EVP_PKEY_CTX *options = NULL; /* belongs to the context */
	uint8_t made[JWT_SIGNATURE_MAX];
	size_t length = sizeof(made);
	Status status = TSEC_LIBRARY_FAILURE;

	if (context != NULL &&
		EVP_DigestSignInit(context, &options, row->kind == JWT_OKP ? NULL : jwt_digest(row), NULL, key->pkey) == 1 &&
		(!row->is_pss || (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) == 1 &&
						  EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_DIGEST) == 1)) &&
		EVP_DigestSign(context, made, &length, text.data, text.length) == 1)
		status = TSEC_OK;
	EVP_MD_CTX_free(context);
	if (status == TSEC_OK && row->kind == JWT_EC)
		status = pair_of(made, length, row->number_size, signature);
	else if (status == TSEC_OK && length == key->signature_size)
		memcpy(signature, made, length);
	else
		status = TSEC_LIBRARY_FAILURE;
	if (status != TSEC_OK)
		ERR_clear_error();
	return status;
}

Status
jwt_sign(JwtKey *key, const char *kid, Bytes payload, char token[JWT_LENGTH_MAX], size_t *length)
{
	uint8_t signature[JWT_SIGNATURE_MAX];
	Status status;

	*length = 0;
	status = append_header(key, kid, token, length);
	if (status != TSEC_OK)
		return status;
	if (!append(token, length, payload.data, payload.length))
		return TSEC_TOKEN_TOO_LONG;
	if (key->row->kind == JWT_OCT)
		status = hmac_compute(key->hmac, bytes_of(token, *length), signature);
	else
		status = sign_with_key(key, bytes_of(token, *length), signature);
	if (status == TSEC_OK && (!append_dot(token, length) || !append(token, length, signature, key->signature_size)))
		status = TSEC_TOKEN_TOO_LONG;
	return status;
}
