/*
 * jwk_make.c
 *		Keys made here: generated, read back from their bytes at rest, published.
 */
#include "jwk_key.h"

#include "aead.h"
#include "encode.h"
#include "secret.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/x509.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RSA_BITS 3072
#define ED25519_SIZE 32

static EVP_PKEY *
generate(const JwtRow *row)
{
	switch (row->kind)
	{
		case JWT_RSA:
			return EVP_RSA_gen(RSA_BITS);
		case JWT_EC:
			return EVP_EC_gen(row->group);
		case JWT_OKP:
			return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
		default:
			return NULL;
	}
}

Status
jwk_generate(JwtAlgorithm algorithm, uint8_t bytes[JWK_PRIVATE_MAX], size_t *length)
{
	const JwtRow *row = jwt_row(algorithm);
	PKCS8_PRIV_KEY_INFO *info = NULL;
	EVP_PKEY *pkey;
	uint8_t *at = bytes;
	int size = 0;

	if (row->kind == JWT_OCT)
	{
		*length = (size_t) row->digest / 8;
		return random_secret(bytes, *length);
	}
	pkey = generate(row);
	if (pkey != NULL)
		info = EVP_PKEY2PKCS8(pkey);
	if (info != NULL)
		size = i2d_PKCS8_PRIV_KEY_INFO(info, NULL);
	if (size > 0 && size <= JWK_PRIVATE_MAX)
		size = i2d_PKCS8_PRIV_KEY_INFO(info, &at);
	else
		size = 0;
	PKCS8_PRIV_KEY_INFO_free(info);
	EVP_PKEY_free(pkey);
	if (size <= 0)
	{
		ERR_clear_error();
		return TSEC_LIBRARY_FAILURE;
	}
	*length = (size_t) size;
	return TSEC_OK;
}

/* Whether a key is of the kind, and for curves on the curve, of an algorithm. */
static bool
fits(const EVP_PKEY *pkey, const JwtRow *row)
{
	char group[32];
	size_t length;

	switch (row->kind)
	{
		case JWT_RSA:
			return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_RSA;
		case JWT_EC:
			return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_EC &&
				   EVP_PKEY_get_group_name((EVP_PKEY *) pkey, group, sizeof(group), &length) == 1 &&
				   EVP_PKEY_get_bits(pkey) == (row->number_size == 66 ? 521 : (int) row->number_size * 8);
		case JWT_OKP:
			return EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519;
		default:
			return false;
	}
}

Status
jwk_of_private(JwtAlgorithm algorithm, Bytes bytes, JwtKey **key)
{
	const JwtRow *row = jwt_row(algorithm);
	const uint8_t *at = bytes.data;
	PKCS8_PRIV_KEY_INFO *info;
	EVP_PKEY *pkey = NULL;

	if (row->kind == JWT_OCT)
		return jwk_of_secret(algorithm, bytes, key);
	info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, (long) bytes.length);
	if (info != NULL && at == bytes.data + bytes.length)
		pkey = EVP_PKCS82PKEY(info);
	PKCS8_PRIV_KEY_INFO_free(info);
	if (pkey == NULL || !fits(pkey, row))
	{
		EVP_PKEY_free(pkey);
		ERR_clear_error();
		return TSEC_JWK_MALFORMED;
	}
	return jwt_key_of(algorithm, pkey, key);
}

/* A number of a key in base64url: with its full size where size is given, else in the fewest octets. */
static json_t *
number_of(const EVP_PKEY *pkey, const char *parameter, size_t size)
{
	uint8_t bytes[JWK_MEMBER_MAX];
	char text[2 * JWK_MEMBER_MAX];
	BIGNUM *number = NULL;
	json_t *made = NULL;
	int length;

	if (EVP_PKEY_get_bn_param(pkey, parameter, &number) != 1)
		return NULL;
	length = size > 0 ? (int) size : BN_num_bytes(number);
	if (length <= (int) sizeof(bytes) && BN_bn2binpad(number, bytes, length) == length)
	{
		encode_base64url(bytes, (size_t) length, text);
		made = json_stringn(text, encode_base64url_size((size_t) length));
	}
	BN_free(number);
	return made;
}

/* The members that make the key (RFC 7638 section 3.2); NULL on failure. */
static json_t *
required_members(const JwtKey *key)
{
	uint8_t point[ED25519_SIZE];
	size_t length = sizeof(point);
	char text[2 * ED25519_SIZE];

	switch (key->row->kind)
	{
		case JWT_RSA:
			return json_pack("{s:s, s:o, s:o}", "kty", "RSA", "n", number_of(key->pkey, OSSL_PKEY_PARAM_RSA_N, 0),
							 "e", number_of(key->pkey, OSSL_PKEY_PARAM_RSA_E, 0));
		case JWT_EC:
			return json_pack("{s:s, s:s, s:o, s:o}", "kty", "EC", "crv", key->row->curve, "x",
							 number_of(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, key->row->number_size), "y",
							 number_of(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, key->row->number_size));
		case JWT_OKP:
			if (EVP_PKEY_get_raw_public_key(key->pkey, point, &length) != 1 || length != sizeof(point))
				return NULL;
			encode_base64url(point, sizeof(point), text);
			text[encode_base64url_size(sizeof(point))] = '\0';
			return json_pack("{s:s, s:s, s:s}", "kty", "OKP", "crv", "Ed25519", "x", text);
		default:
			return NULL;
	}
}

/* Writes JSON with sorted names and no blanks, zero-terminated; 0 on failure. */
static size_t
write_canonical(const json_t *object, char text[JWK_PUBLIC_MAX])
{
	size_t size = json_dumpb(object, text, JWK_PUBLIC_MAX - 1, JSON_COMPACT | JSON_SORT_KEYS);

	if (size == 0 || size > JWK_PUBLIC_MAX - 1)
		return 0;
	text[size] = '\0';
	return size;
}

Status
jwk_publish(const JwtKey *key, char text[JWK_PUBLIC_MAX], char kid[JWT_KID_MAX + 1])
{
	json_t *object = required_members(key);
	uint8_t digest[DIGEST_SIZE];
	size_t size = object ? write_canonical(object, text) : 0;
	Status status = size > 0 ? digest_sha256(bytes_of(text, size), digest) : TSEC_LIBRARY_FAILURE;

	if (status == TSEC_OK)
	{
		encode_base64url(digest, sizeof(digest), kid);
		kid[encode_base64url_size(sizeof(digest))] = '\0';
		if (json_object_set_new(object, "alg", json_string(key->row->name)) != 0 ||
			json_object_set_new(object, "use", json_string("sig")) != 0 || write_canonical(object, text) == 0)
			status = TSEC_NO_MEMORY;
	}
	json_decref(object);
	ERR_clear_error();
	return status;
}
