/*
 * algorithms.c
 *		What XAES-256-GCM costs beside AES-256-GCM: one short value sealed and
 *		opened through src/common as the extension does it, nonce drawn and 52
 *		bytes of associated data included.  Short rounds of the two alternate, so
 *		that both meet the same neighbours; prints the medians in nanoseconds and
 *		their ratios.
 *
 *		cc -O2 -Isrc -o algorithms bench/algorithms.c src/common/[a-z]*.c -lcrypto
 */
#include "timing.h"

#include "common/aead.h"

#include <stdio.h>
#include <stdlib.h>

#define ROUNDS 501
#define CALLS 1000
#define LENGTH 32
#define ASSOCIATED 52

static const AeadAlgorithm algorithms[] = {AEAD_AES_256_GCM, AEAD_XAES_256_GCM};

int
main(void)
{
	static NoncePool pool;
	static double times[2][2][ROUNDS]; /* by algorithm, and whether it opens */
	uint8_t raw[AEAD_KEY_SIZE] = {1};
	uint8_t associated[ASSOCIATED] = {2};
	uint8_t plain[LENGTH] = {3};
	uint8_t cipher[LENGTH];
	uint8_t nonce[AEAD_NONCE_MAX];
	uint8_t tag[AEAD_TAG_SIZE];
	AeadKey *keys[2];

	for (int a = 0; a < 2; a++)
		if (aead_new_for(algorithms[a], raw, &keys[a]) != TSEC_OK)
			abort();
	for (int round = 0; round < ROUNDS; round++)
	{
		for (int a = 0; a < 2; a++)
		{
			double start = now();

			for (int i = 0; i < CALLS; i++)
				if (nonce_take_for(algorithms[a], &pool, nonce) != TSEC_OK ||
					aead_seal(keys[a], nonce, bytes_of(associated, ASSOCIATED), bytes_of(plain, LENGTH), cipher,
							  tag) != TSEC_OK)
					abort();
			times[a][0][round] = (now() - start) / CALLS;
			start = now();
			for (int i = 0; i < CALLS; i++)
				if (aead_open(keys[a], nonce, bytes_of(associated, ASSOCIATED), bytes_of(cipher, LENGTH), tag,
							  plain) != TSEC_OK)
					abort();
			times[a][1][round] = (now() - start) / CALLS;
		}
	}
	for (int opens = 0; opens < 2; opens++)
	{
		for (int a = 0; a < 2; a++)
			qsort(times[a][opens], ROUNDS, sizeof(double), compare);
		printf("%s: AES-256-GCM %.0f ns, XAES-256-GCM %.0f ns, ratio %.2f\n", opens ? "open" : "seal",
			   times[0][opens][ROUNDS / 2], times[1][opens][ROUNDS / 2],
			   times[1][opens][ROUNDS / 2] / times[0][opens][ROUNDS / 2]);
	}
	for (int a = 0; a < 2; a++)
		aead_free(keys[a]);
	return 0;
}
