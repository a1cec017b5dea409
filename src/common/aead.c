/*
 * aead.c
 *		AES-256-GCM and XAES-256-GCM over OpenSSL's EVP interface, and the nonce
 *		pool.
 */
#include "aead.h"

#include "secret.h"
#include "xaes.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

struct AeadKey
{
	EVP_CIPHER_CTX *sealing; /* NULL until first used */
	EVP_CIPHER_CTX *opening; /* NULL until first used */
	XaesKey *xaes;           /* derives a key for each message; NULL for AES-256-GCM */
	uint8_t key[AEAD_KEY_SIZE];
};

Status
aead_new_for(AeadAlgorithm algorithm, const uint8_t key[AEAD_KEY_SIZE], AeadKey **result)
{
	AeadKey *made;
	Status status = TSEC_OK;

	if (algorithm != AEAD_AES_256_GCM && algorithm != AEAD_XAES_256_GCM)
		return TSEC_UNKNOWN_ALGORITHM;
	made = calloc(1, sizeof(AeadKey));
	if (made == NULL)
		return TSEC_NO_MEMORY;
	if (algorithm == AEAD_XAES_256_GCM)
		status = xaes_new(key, &made->xaes);
	else
		memcpy(made->key, key, AEAD_KEY_SIZE);
	if (status == TSEC_OK)
		*result = made;
	else
		aead_free(made);
	return status;
}

Status
aead_new(const uint8_t key[AEAD_KEY_SIZE], AeadKey **result)
{
	return aead_new_for(AEAD_AES_256_GCM, key, result);
}

void
aead_free(AeadKey *key)
{
	if (key == NULL)
		return;
	EVP_CIPHER_CTX_free(key->sealing);
	EVP_CIPHER_CTX_free(key->opening);
	xaes_free(key->xaes);
	secret_wipe(key, sizeof(AeadKey));
	free(key);
}

/* Makes a context that holds the expanded key, or for XAES-256-GCM none yet. */
static Status
expand(const AeadKey *key, int encrypt, EVP_CIPHER_CTX **result)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();

	if (context == NULL)
		return TSEC_NO_MEMORY;
	if (EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key->xaes == NULL ? key->key : NULL, NULL, encrypt) != 1)
	{
		EVP_CIPHER_CTX_free(context);
		return TSEC_LIBRARY_FAILURE;
	}
	*result = context;
	return TSEC_OK;
}

/*
 * Begins a message.  For XAES-256-GCM the kept context gets key and nonce in
 * one call.  Setting the key is three quarters of what it costs more than
 * AES-256-GCM, a third of it OpenSSL 3.0 looking up the length of the key.
 */
static int
begin(const AeadKey *key, EVP_CIPHER_CTX *context, const uint8_t *nonce, int encrypt)
{
	uint8_t derived[AEAD_KEY_SIZE];
	int done;

	if (key->xaes == NULL)
		return EVP_CipherInit_ex(context, NULL, NULL, NULL, nonce, encrypt);
	done = xaes_derive(key->xaes, nonce, derived) &&
		   EVP_CipherInit_ex(context, NULL, NULL, derived, nonce + XAES_CONTEXT_SIZE, encrypt) == 1;
	secret_wipe(derived, sizeof(derived));
	return done;
}

/* The tag goes in and out as a parameter: EVP_CIPHER_CTX_ctrl would look the parameter's name up at every call. */
static int
get_tag(EVP_CIPHER_CTX *context, uint8_t *tag)
{
	OSSL_PARAM parameters[2] = {OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, tag, AEAD_TAG_SIZE),
								OSSL_PARAM_construct_end()};

	return EVP_CIPHER_CTX_get_params(context, parameters);
}

static int
set_tag(EVP_CIPHER_CTX *context, const uint8_t *tag)
{
	OSSL_PARAM parameters[2] = {
		OSSL_PARAM_construct_octet_string(OSSL_CIPHER_PARAM_AEAD_TAG, (void *) tag, AEAD_TAG_SIZE),
		OSSL_PARAM_construct_end()};

	return EVP_CIPHER_CTX_set_params(context, parameters);
}

Status
aead_seal(AeadKey *key, const uint8_t *nonce, Bytes associated, Bytes plain, uint8_t *cipher,
		  uint8_t tag[AEAD_TAG_SIZE])
{
	int written = 0;
	int rest = 0;

	if (plain.length > AEAD_MAX_LENGTH || associated.length > AEAD_MAX_LENGTH)
		return TSEC_TOO_LONG;
	if (key->sealing == NULL)
	{
		Status status = expand(key, 1, &key->sealing);

		if (status != TSEC_OK)
			return status;
	}
	if (begin(key, key->sealing, nonce, 1) != 1 ||
		(associated.length > 0 &&
		 EVP_EncryptUpdate(key->sealing, NULL, &written, associated.data, (int) associated.length) != 1) ||
		(plain.length > 0 &&
		 EVP_EncryptUpdate(key->sealing, cipher, &written, plain.data, (int) plain.length) != 1) ||
		EVP_EncryptFinal_ex(key->sealing, cipher + plain.length, &rest) != 1 || rest != 0 ||
		(plain.length > 0 && (size_t) written != plain.length) || !get_tag(key->sealing, tag))
		return TSEC_LIBRARY_FAILURE;
	return TSEC_OK;
}

Status
aead_open(AeadKey *key, const uint8_t *nonce, Bytes associated, Bytes cipher, const uint8_t tag[AEAD_TAG_SIZE],
		  uint8_t *plain)
{
	int written = 0;
	int rest = 0;

	if (cipher.length > AEAD_MAX_LENGTH || associated.length > AEAD_MAX_LENGTH)
		return TSEC_TOO_LONG;
	if (key->opening == NULL)
	{
		Status status = expand(key, 0, &key->opening);

		if (status != TSEC_OK)
			return status;
	}
	if (begin(key, key->opening, nonce, 0) != 1 ||
		(associated.length > 0 &&
		 EVP_DecryptUpdate(key->opening, NULL, &written, associated.data, (int) associated.length) != 1) ||
		(cipher.length > 0 &&
		 EVP_DecryptUpdate(key->opening, plain, &written, cipher.data, (int) cipher.length) != 1) ||
		!set_tag(key->opening, tag))
	{
		secret_wipe(plain, cipher.length);
		return TSEC_LIBRARY_FAILURE;
	}
	if (EVP_DecryptFinal_ex(key->opening, plain + cipher.length, &rest) != 1)
	{
		secret_wipe(plain, cipher.length);
		return TSEC_INTEGRITY;
	}
	return TSEC_OK;
}

Status
random_bytes(uint8_t *buffer, size_t length)
{
	if (length > AEAD_MAX_LENGTH || RAND_bytes(buffer, (int) length) != 1)
		return TSEC_NO_RANDOM;
	return TSEC_OK;
}

Status
random_secret(uint8_t *buffer, size_t length)
{
	if (length > AEAD_MAX_LENGTH || RAND_priv_bytes(buffer, (int) length) != 1)
		return TSEC_NO_RANDOM;
	return TSEC_OK;
}

/* Counts the forks between the first process and this one, so that no two share a pool. */
static unsigned fork_generation = 1;
static pthread_once_t fork_watch = PTHREAD_ONCE_INIT;

static void
note_fork(void)
{
	fork_generation++;
}

static void
watch_forks(void)
{
	(void) pthread_atfork(NULL, NULL, note_fork);
}

Status
nonce_take(NoncePool *pool, uint8_t nonce[AEAD_NONCE_SIZE])
{
	if (pool->left == 0 || pool->fork_generation != fork_generation)
	{
		Status status;

		(void) pthread_once(&fork_watch, watch_forks);
		pool->left = 0;
		status = random_bytes(pool->bytes, sizeof(pool->bytes));
		if (status != TSEC_OK)
			return status;
		pool->fork_generation = fork_generation;
		pool->left = NONCE_POOL_COUNT;
	}
	pool->left--;
	memcpy(nonce, pool->bytes + (size_t) pool->left * AEAD_NONCE_SIZE, AEAD_NONCE_SIZE);
	return TSEC_OK;
}
