/*
 * jwt_verify.c
 *		Signatures, over keys and contexts that are set up once.
 *
 * Setting a context up costs as much as several HMACs, and parsing a PEM many
 * times an RSA verification (measured: 483 us against 27), so a key keeps what
 * it verifies with.
 */
#include "jwt_key.h"

#include "encode.h"
#include "library.h"
#include "secret.h"

#include <openssl/bn.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <stdlib.h>
#include <string.h>

/* DER of two numbers of at most 66 bytes, with some room. */
#define DER_MAX 160

static const JwtRow rows[JWT_ALGORITHM_COUNT] = {
	[JWT_HS256] = {"HS256", JWT_OCT, HMAC_SHA256, false, NULL, NULL, 0},
	[JWT_HS384] = {"HS384", JWT_OCT, HMAC_SHA384, false, NULL, NULL, 0},
	[JWT_HS512] = {"HS512", JWT_OCT, HMAC_SHA512, false, NULL, NULL, 0},
	[JWT_RS256] = {"RS256", JWT_RSA, HMAC_SHA256, false, NULL, NULL, 0},
	[JWT_RS384] = {"RS384", JWT_RSA, HMAC_SHA384, false, NULL, NULL, 0},
	[JWT_RS512] = {"RS512", JWT_RSA, HMAC_SHA512, false, NULL, NULL, 0},
	[JWT_PS256] = {"PS256", JWT_RSA, HMAC_SHA256, true, NULL, NULL, 0},
	[JWT_PS384] = {"PS384", JWT_RSA, HMAC_SHA384, true, NULL, NULL, 0},
	[JWT_PS512] = {"PS512", JWT_RSA, HMAC_SHA512, true, NULL, NULL, 0},
	[JWT_ES256] = {"ES256", JWT_EC, HMAC_SHA256, false, "P-256", "P-256", 32},
	[JWT_ES384] = {"ES384", JWT_EC, HMAC_SHA384, false, "P-384", "P-384", 48},
	[JWT_ES512] = {"ES512", JWT_EC, HMAC_SHA512, false, "P-521", "P-521", 66},
	[JWT_EDDSA] = {"EdDSA", JWT_OKP, HMAC_SHA512, false, "Ed25519", NULL, 32},
};

const JwtRow *
jwt_row(JwtAlgorithm algorithm)
{
	return &rows[algorithm];
}

const EVP_MD *
jwt_digest(const JwtRow *row)
{
	return row->digest == HMAC_SHA256 ? EVP_sha256() : row->digest == HMAC_SHA384 ? EVP_sha384() : EVP_sha512();
}

const char *
jwt_algorithm_name(JwtAlgorithm algorithm)
{
	return rows[algorithm].name;
}

bool
jwt_algorithm_find(const char *name, JwtAlgorithm *algorithm)
{
	for (int i = 0; i < JWT_ALGORITHM_COUNT; i++)
		if (strcmp(rows[i].name, name) == 0)
		{
			*algorithm = (JwtAlgorithm) i;
			return true;
		}
	return false;
}

bool
jwt_is_symmetric(JwtAlgorithm algorithm)
{
	return rows[algorithm].kind == JWT_OCT;
}

JwtAlgorithm
jwt_key_algorithm(const JwtKey *key)
{
	return key->algorithm;
}

Status
jwt_key_of(JwtAlgorithm algorithm, EVP_PKEY *pkey, JwtKey **key)
{
	const JwtRow *row = &rows[algorithm];
	JwtKey *made = calloc(1, sizeof(JwtKey));

	if (made == NULL)
	{
		EVP_PKEY_free(pkey);
		return TSEC_NO_MEMORY;
	}
	made->algorithm = algorithm;
	made->row = row;
	made->pkey = pkey;
	made->signature_size = row->kind == JWT_RSA ? (size_t) EVP_PKEY_get_size(pkey) : (size_t) 2 * row->number_size;
	*key = made;
	return TSEC_OK;
}

Status
jwt_key_of_secret(JwtAlgorithm algorithm, Bytes secret, JwtKey **key)
{
	JwtKey *made = calloc(1, sizeof(JwtKey));
	Status status;

	if (made == NULL)
		return TSEC_NO_MEMORY;
	made->algorithm = algorithm;
	made->row = &rows[algorithm];
	made->signature_size = (size_t) made->row->digest / 8;
	status = hmac_new_for(made->row->digest, secret, &made->hmac);
	if (status != TSEC_OK)
	{
		free(made);
		return status;
	}
	*key = made;
	return TSEC_OK;
}

void
jwt_key_free(JwtKey *key)
{
	if (key == NULL)
		return;
	hmac_free(key->hmac);
	EVP_PKEY_CTX_free(key->verifier);
	EVP_MD_CTX_free(key->digest);
	EVP_PKEY_free(key->pkey);
	free(key);
}

/* Sets the padding and digest of RSA (RFC 7518 sections 3.3 and 3.5: the salt is as long as the digest). */
static bool
set_padding(EVP_PKEY_CTX *context, const JwtRow *row)
{
	const EVP_MD *digest = jwt_digest(row);

	if (EVP_PKEY_CTX_set_signature_md(context, digest) != 1)
		return false;
	if (row->kind != JWT_RSA)
		return true;
	if (!row->is_pss)
		return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PADDING) == 1;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
		   EVP_PKEY_CTX_set_rsa_mgf1_md(context, digest) == 1 &&
		   EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) == 1;
}

/* Writes r and s, side by side in a token, as the DER that OpenSSL reads; 0 on failure. */
static size_t
der_of(const uint8_t *signature, unsigned number_size, uint8_t der[DER_MAX])
{
	ECDSA_SIG *pair = ECDSA_SIG_new();
	BIGNUM *r = BN_bin2bn(signature, (int) number_size, NULL);
	BIGNUM *s = BN_bin2bn(signature + number_size, (int) number_size, NULL);
	uint8_t *at = der;
	int length = 0;

	if (pair != NULL && r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1)
	{
		r = s = NULL;
		length = i2d_ECDSA_SIG(pair, NULL);
		length = length > 0 && length <= DER_MAX ? i2d_ECDSA_SIG(pair, &at) : 0;
	}
	BN_free(r);
	BN_free(s);
	ECDSA_SIG_free(pair);
	return length > 0 ? (size_t) length : 0;
}

static Status
verify_digest(JwtKey *key, Bytes text, const uint8_t *signature, size_t length)
{
	const JwtRow *row = key->row;
	uint8_t digest[DIGEST_SIZE_MAX];
	uint8_t der[DER_MAX];
	unsigned digest_length;

	if (key->verifier == NULL)
	{
		EVP_PKEY_CTX *made = EVP_PKEY_CTX_new(key->pkey, NULL);

		if (made == NULL || EVP_PKEY_verify_init(made) != 1 || !set_padding(made, row))
		{
			EVP_PKEY_CTX_free(made);
			return TSEC_LIBRARY_FAILURE;
		}
		key->verifier = made;
	}
	if (EVP_Digest(text.data, text.length, digest, &digest_length, jwt_digest(row), NULL) != 1)
		return TSEC_LIBRARY_FAILURE;
	if (row->kind == JWT_EC)
	{
		length = der_of(signature, row->number_size, der);
		if (length == 0)
			return TSEC_LIBRARY_FAILURE;
		signature = der;
	}
	return EVP_PKEY_verify(key->verifier, signature, length, digest, digest_length) == 1 ? TSEC_OK
																						 : TSEC_TOKEN_SIGNATURE;
}

static Status
verify_ed25519(JwtKey *key, Bytes text, const uint8_t *signature, size_t length)
{
	if (key->digest == NULL)
		key->digest = EVP_MD_CTX_new();
	if (key->digest == NULL || EVP_DigestVerifyInit(key->digest, NULL, NULL, NULL, key->pkey) != 1)
		return TSEC_LIBRARY_FAILURE;
	return EVP_DigestVerify(key->digest, signature, length, text.data, text.length) == 1 ? TSEC_OK
																						 : TSEC_TOKEN_SIGNATURE;
}

static Status
verify_hmac(JwtKey *key, Bytes text, const uint8_t *signature, size_t length)
{
	uint8_t expected[DIGEST_SIZE_MAX];
	Status status = hmac_compute(key->hmac, text, expected);

	if (status == TSEC_OK && !secret_equal(expected, signature, length))
		status = TSEC_TOKEN_SIGNATURE;
	secret_wipe(expected, sizeof(expected));
	return status;
}

Status
jwt_verify(JwtKey *key, const JwtParts *parts)
{
	uint8_t signature[JWT_SIGNATURE_MAX + 3];
	size_t length;
	Status status;

	if (parts->signature.length > encode_base64url_size(JWT_SIGNATURE_MAX))
		return TSEC_TOKEN_SIGNATURE;
	if (decode_base64url((const char *) parts->signature.data, parts->signature.length, signature, &length) !=
		TSEC_OK)
		return TSEC_TOKEN_MALFORMED;
	if (length != key->signature_size)
		return TSEC_TOKEN_SIGNATURE;
	switch (key->row->kind)
	{
		case JWT_OCT:
			return verify_hmac(key, parts->signed_text, signature, length);
		case JWT_OKP:
			status = verify_ed25519(key, parts->signed_text, signature, length);
			break;
		default:
			status = verify_digest(key, parts->signed_text, signature, length);
	}
	/* a refusal is no news for whoever reads the library's queue next */
	return status == TSEC_OK ? TSEC_OK : library_failure(status);
}
