/*
 * sealed_fuzz.c
 *		What is sealed opens, and with one bit of anything changed it does not: nothing
 *		of the plaintext is left then.  A byte for the algorithm, four for the bit, one
 *		for how much is associated, and what is sealed.
 */
#include "fuzz.h"

#include "common/aead.h"

#define HEAD 6

static AeadKey *
key_for(AeadAlgorithm algorithm)
{
	static AeadKey *keys[3];
	static const uint8_t key[AEAD_KEY_SIZE] = "01234567890123456789012345678901";

	if (keys[algorithm] == NULL)
		MUST(aead_new_for(algorithm, key, &keys[algorithm]) == TSEC_OK);
	return keys[algorithm];
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AeadAlgorithm algorithm;
	AeadKey *key;
	AeadKey *none = NULL;
	size_t more;
	size_t length;
	size_t bit;
	uint8_t *whole; /* what travels: nonce, associated, ciphertext, tag */
	uint8_t *associated;
	uint8_t *cipher;
	uint8_t *plain;

	if (size < HEAD)
		return 0;
	algorithm = data[0] % 2 ? AEAD_XAES_256_GCM : AEAD_AES_256_GCM;
	MUST(aead_new_for((AeadAlgorithm) (3 + data[0]), data, &none) == TSEC_UNKNOWN_ALGORITHM && none == NULL);
	more = data[5] < size - HEAD ? data[5] : size - HEAD;
	length = size - HEAD - more;
	whole = fuzz_memory(aead_nonce_size(algorithm) + more + length + AEAD_TAG_SIZE);
	memset(whole, data[1], aead_nonce_size(algorithm));
	associated = whole + aead_nonce_size(algorithm);
	memcpy(associated, data + HEAD, more);
	cipher = associated + more;
	plain = fuzz_copy(data + HEAD + more, length);
	key = key_for(algorithm);
	MUST(aead_seal(key, whole, bytes_of(associated, more), bytes_of(plain, length), cipher, cipher + length) ==
		 TSEC_OK);
	memset(plain, 0, length);
	MUST(aead_open(key, whole, bytes_of(associated, more), bytes_of(cipher, length), cipher + length, plain) ==
		 TSEC_OK);
	MUST(memcmp(plain, data + HEAD + more, length) == 0);

	bit = ((size_t) data[1] | (size_t) data[2] << 8 | (size_t) data[3] << 16) %
		  (8 * (size_t) (cipher + length + AEAD_TAG_SIZE - whole));
	whole[bit / 8] ^= (uint8_t) (1 << bit % 8);
	MUST(aead_open(key, whole, bytes_of(associated, more), bytes_of(cipher, length), cipher + length, plain) ==
		 TSEC_INTEGRITY);
	for (size_t i = 0; i < length; i++)
		MUST(plain[i] == 0);
	free(plain);
	free(whole);
	return 0;
}
