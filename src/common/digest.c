/*
 * digest.c
 *		Digests over OpenSSL's EVP interface.
 */
#include "digest.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include <openssl/params.h>

#include <stdlib.h>
#include <string.h>

#define HMAC_KEY_MAX ((size_t) 1 << 20)
#define HKDF_OUTPUT_MAX ((size_t) 255 * DIGEST_SIZE)

struct HmacKey
{
	EVP_MAC_CTX *context;
};

Status
digest_sha256(Bytes input, uint8_t digest[DIGEST_SIZE])
{
	unsigned length = 0;

	if (EVP_Digest(input.data, input.length, digest, &length, EVP_sha256(), NULL) != 1 || length != DIGEST_SIZE)
		return TSEC_LIBRARY_FAILURE;
	return TSEC_OK;
}

Status
hmac_new(Bytes key, HmacKey **result)
{
	static const uint8_t none[1] = {0};
	char name[] = "SHA256";
	OSSL_PARAM parameters[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
								OSSL_PARAM_construct_end()};
	HmacKey *made;
	EVP_MAC *mac;

	if (key.length > HMAC_KEY_MAX)
		return TSEC_TOO_LONG;
	made = calloc(1, sizeof(HmacKey));
	if (made == NULL)
		return TSEC_NO_MEMORY;
	mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
	made->context = mac ? EVP_MAC_CTX_new(mac) : NULL;
	EVP_MAC_free(mac);
	if (made->context == NULL)
	{
		free(made);
		return TSEC_NO_MEMORY;
	}
	/* a null key means "the one before" to the library, so an empty key needs an address */
	if (EVP_MAC_init(made->context, key.length > 0 ? key.data : none, key.length, parameters) != 1)
	{
		hmac_free(made);
		return TSEC_LIBRARY_FAILURE;
	}
	*result = made;
	return TSEC_OK;
}

void
hmac_free(HmacKey *key)
{
	if (key == NULL)
		return;
	EVP_MAC_CTX_free(key->context);
	free(key);
}

Status
hmac_sha256(HmacKey *key, Bytes input, uint8_t digest[DIGEST_SIZE])
{
	size_t length = 0;

	if (EVP_MAC_init(key->context, NULL, 0, NULL) != 1 ||
		EVP_MAC_update(key->context, input.data, input.length) != 1 ||
		EVP_MAC_final(key->context, digest, &length, DIGEST_SIZE) != 1 || length != DIGEST_SIZE)
		return TSEC_LIBRARY_FAILURE;
	return TSEC_OK;
}

Status
hkdf_sha256(Bytes secret, Bytes salt, const char *purpose, uint8_t *output, size_t length)
{
	static const uint8_t none[1] = {0};
	char name[] = "SHA256";
	OSSL_PARAM parameters[5] = {
		OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, name, 0),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *) (secret.length > 0 ? secret.data : none),
										  secret.length),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *) (salt.length > 0 ? salt.data : none),
										  salt.length),
		OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *) purpose, strlen(purpose)),
		OSSL_PARAM_construct_end()};
	EVP_KDF *kdf;
	EVP_KDF_CTX *context;
	int done;

	if (length > HKDF_OUTPUT_MAX)
		return TSEC_TOO_LONG;
	kdf = EVP_KDF_fetch(NULL, OSSL_KDF_NAME_HKDF, NULL);
	context = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
	EVP_KDF_free(kdf);
	if (context == NULL)
		return TSEC_NO_MEMORY;
	done = EVP_KDF_derive(context, output, length, parameters);
	EVP_KDF_CTX_free(context);
	return done == 1 ? TSEC_OK : TSEC_LIBRARY_FAILURE;
}
