/*
 * siphash_test.c
 *		SipHash-2-4: the vectors of its paper, and OpenSSL as a second opinion.
 */
#include "unit.h"

#include "common/siphash.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

/* Aumasson and Bernstein 2012, appendix A: key 00 to 0f, message 00 to 0e. */
static void
the_vector_of_the_paper(void)
{
	uint8_t key[SIPHASH_KEY_SIZE];
	uint8_t message[15];

	for (uint8_t i = 0; i < sizeof(key); i++)
		key[i] = i;
	for (uint8_t i = 0; i < sizeof(message); i++)
		message[i] = i;
	CHECK(siphash(key, message, sizeof(message)) == UINT64_C(0xa129ca6149be45e5));
	CHECK(siphash(key, NULL, 0) == UINT64_C(0x726fdb47dd0e0e31));
}

/* OpenSSL's answer, as a number. */
static bool
by_openssl(const uint8_t *key, const uint8_t *message, size_t length, uint64_t *hash)
{
	EVP_MAC *mac = EVP_MAC_fetch(NULL, "SIPHASH", NULL);
	EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
	size_t size = 8;
	size_t written = 0;
	uint8_t bytes[16];
	OSSL_PARAM parameters[] = {OSSL_PARAM_construct_size_t(OSSL_MAC_PARAM_SIZE, &size), OSSL_PARAM_construct_end()};
	bool done = EVP_MAC_init(context, key, SIPHASH_KEY_SIZE, parameters) == 1 &&
				EVP_MAC_update(context, message, length) == 1 &&
				EVP_MAC_final(context, bytes, &written, sizeof(bytes)) == 1 && written == 8;

	*hash = 0;
	for (int i = 7; done && i >= 0; i--)
		*hash = *hash << 8 | bytes[i];
	EVP_MAC_CTX_free(context);
	EVP_MAC_free(mac);
	return done;
}

static void
openssl_agrees(void)
{
	for (size_t length = 0; length < 200; length++)
	{
		uint8_t key[SIPHASH_KEY_SIZE];
		uint8_t *message = unit_memory(length);
		uint64_t wanted;

		unit_fill(key, sizeof(key), (uint32_t) length);
		unit_fill(message, length, (uint32_t) length + 1000);
		CHECK(by_openssl(key, message, length, &wanted));
		CHECK(siphash(key, message, length) == wanted, "%zu bytes", length);
		free(message);
	}
}

static const UnitCase cases[] = {
	{"the vector of the paper", the_vector_of_the_paper},
	{"OpenSSL agrees for 0 to 199 bytes", openssl_agrees},
};

UNIT_MAIN(cases)
