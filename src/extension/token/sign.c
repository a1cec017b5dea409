/*
 * sign.c
 *		Tokens are built and signed by libjwt where it can (HS256, RS256, ES256),
 *		and by common/jwt_sign.c where it cannot (EdDSA, PS256).
 *
 * libjwt copies the key into its own heap and wipes that when it frees; a
 * private key it takes only as PEM text, which is made for the one call in
 * memory that is wiped.  Its objects are freed before anything can raise:
 * nothing that is called while they live does.
 */
#include "token/sign.h"

#include "common/secret.h"

#include <openssl/bio.h>
#include <openssl/buffer.h>
#include <openssl/err.h>
#include <openssl/pem.h>

/* Writes what libjwt made. */
static Status
copy_token(char *made, char token[JWT_LENGTH_MAX + 1])
{
	size_t length = made ? strlen(made) : 0;
	Status status = TSEC_OK;

	if (made == NULL)
		return TSEC_LIBRARY_FAILURE;
	if (length > JWT_LENGTH_MAX)
		status = TSEC_TOKEN_TOO_LONG;
	else
		memcpy(token, made, length + 1);
	free(made);
	return status;
}

/* Signs by libjwt; the key is a secret or PEM text. */
static Status
sign_by_libjwt(const LibJwt *library, jwt_alg_t algorithm, Bytes bytes, const char *kid, const char *payload,
			   char token[JWT_LENGTH_MAX + 1])
{
	jwt_t *jwt = NULL;
	Status status = TSEC_LIBRARY_FAILURE;

	if (library->new_token(&jwt) != 0)
		return TSEC_NO_MEMORY;
	if (library->add_grants_json(jwt, payload) == 0 && library->add_header(jwt, "kid", kid) == 0 &&
		library->set_algorithm(jwt, algorithm, bytes.data, (int) bytes.length) == 0)
		status = copy_token(library->encode(jwt), token);
	library->free_token(jwt);
	return status;
}

/* Turns PKCS #8 into PEM in memory that OpenSSL wipes when it frees it; NULL on failure. */
static BIO *
pem_of(Bytes bytes)
{
	BIO *pem = BIO_new(BIO_s_secmem());

	if (pem != NULL && PEM_write_bio(pem, PEM_STRING_PKCS8INF, "", bytes.data, (long) bytes.length) <= 0)
	{
		BIO_free(pem);
		pem = NULL;
	}
	return pem;
}

static Status
sign_by_libjwt_pem(const LibJwt *library, jwt_alg_t algorithm, Bytes bytes, const char *kid, const char *payload,
				   char token[JWT_LENGTH_MAX + 1])
{
	BIO *pem = pem_of(bytes);
	BUF_MEM *text;
	Status status = TSEC_NO_MEMORY;

	if (pem != NULL && BIO_get_mem_ptr(pem, &text) == 1)
		status = sign_by_libjwt(library, algorithm, bytes_of(text->data, text->length), kid, payload, token);
	BIO_free(pem);
	ERR_clear_error();
	return status;
}

static Status
sign_ourselves(JwtAlgorithm algorithm, Bytes bytes, const char *kid, const char *payload,
			   char token[JWT_LENGTH_MAX + 1])
{
	JwtKey *key;
	size_t length = 0;
	Status status = jwk_of_private(algorithm, bytes, &key);

	if (status != TSEC_OK)
		return status;
	status = jwt_sign(key, kid, bytes_of(payload, strlen(payload)), token, &length);
	token[length] = '\0';
	jwt_key_free(key);
	return status;
}

static Status
sign_with(JwtAlgorithm algorithm, Bytes bytes, const char *kid, const char *payload, char token[JWT_LENGTH_MAX + 1])
{
	const LibJwt *library = token_libjwt();

	if (library != NULL && algorithm == JWT_HS256)
		return sign_by_libjwt(library, JWT_ALG_HS256, bytes, kid, payload, token);
	if (library != NULL && algorithm == JWT_RS256)
		return sign_by_libjwt_pem(library, JWT_ALG_RS256, bytes, kid, payload, token);
	if (library != NULL && algorithm == JWT_ES256)
		return sign_by_libjwt_pem(library, JWT_ALG_ES256, bytes, kid, payload, token);
	return sign_ourselves(algorithm, bytes, kid, payload, token);
}

Status
token_sign(const TokenKey *key, const char *payload, char token[JWT_LENGTH_MAX + 1])
{
	uint8 bytes[KEYRING_SECRET_MAX];
	size_t length;
	Status status;

	if (key->is_secret_of_environment)
	{
		const TokenSecret *secret = token_secret_current();

		return sign_with(JWT_HS256, bytes_of(secret->bytes, secret->length), key->kid, payload, token);
	}
	status = token_key_open_secret(key->row, bytes, &length);
	if (status == TSEC_OK)
		status = sign_with(key->algorithm, bytes_of(bytes, length), key->kid, payload, token);
	secret_wipe(bytes, sizeof(bytes));
	return status;
}
