/*
 * jwk_fuzz.c
 *		jwk_read: what is taken reads back as the same key from its public text,
 *		and what is refused leaves nothing behind.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/jwk.h"

static bool
is_zero(const void *memory, size_t length)
{
	const uint8_t *bytes = memory;

	for (size_t i = 0; i < length; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = fuzz_copy(data, size);
	Jwk *jwk = fuzz_memory(sizeof(Jwk));
	Jwk *again = fuzz_memory(sizeof(Jwk));
	Status status = jwk_read(input, size, jwk);

	if (status != TSEC_OK)
	{
		MUST(status >= TSEC_JWK_MALFORMED && status <= TSEC_JWK_WEAK);
		MUST(is_zero(jwk, sizeof(*jwk)));
	}
	else
	{
		MUST(jwk->key != NULL && jwt_key_algorithm(jwk->key) == jwk->algorithm);
		MUST(strlen(jwk->kid) > 0 && strlen(jwk->kid) <= JWT_KID_MAX);
		MUST(jwt_is_symmetric(jwk->algorithm) == (jwk->public_text[0] == '\0'));
		MUST(jwt_is_symmetric(jwk->algorithm) == (jwk->secret_length >= 32));
		if (jwk->public_text[0] != '\0')
		{
			status = jwk_read(jwk->public_text, strlen(jwk->public_text), again);
			/* OpenSSL judges a modulus that is no product of two primes by bases drawn at random: not always alike */
			if (status == TSEC_JWK_WEAK && jwt_key_algorithm(jwk->key) <= JWT_PS512)
				goto done;
			MUST(status == TSEC_OK);
			MUST(again->algorithm == jwk->algorithm && strcmp(again->public_text, jwk->public_text) == 0);
			jwk_free(again);
		}
	done:
		jwk_free(jwk);
	}
	free(again);
	free(jwk);
	free(input);
	return 0;
}
