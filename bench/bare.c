/*
 * bare.c
 *		What the cipher itself costs: one AES-256-GCM call of 32 bytes, or as
 *		many as the argument says, on a context that is kept, nonce given, no
 *		associated data.  Prints nanoseconds per call, the median of a few
 *		rounds.  The benchmark runs it between its own rounds, so that both meet
 *		the same neighbours.
 */
#include "timing.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ROUNDS 3
#define CALLS 200000
#define LENGTH_MAX 4096

int
main(int argc, char **argv)
{
	unsigned char key[32] = {1};
	unsigned char nonce[12] = {2};
	unsigned char plain[LENGTH_MAX] = {3};
	unsigned char cipher[LENGTH_MAX];
	unsigned char tag[16];
	double seal[ROUNDS];
	double open[ROUNDS];
	EVP_CIPHER_CTX *sealing = EVP_CIPHER_CTX_new();
	EVP_CIPHER_CTX *opening = EVP_CIPHER_CTX_new();
	int size = argc > 1 ? atoi(argv[1]) : 32;
	int length;

	if (size < 1 || size > LENGTH_MAX)
		abort();
	EVP_EncryptInit_ex(sealing, EVP_aes_256_gcm(), NULL, key, nonce);
	EVP_DecryptInit_ex(opening, EVP_aes_256_gcm(), NULL, key, nonce);
	for (int round = 0; round < ROUNDS; round++)
	{
		double start = now();

		for (int i = 0; i < CALLS; i++)
			if (EVP_EncryptInit_ex(sealing, NULL, NULL, NULL, nonce) != 1 ||
				EVP_EncryptUpdate(sealing, cipher, &length, plain, size) != 1 ||
				EVP_EncryptFinal_ex(sealing, cipher + size, &length) != 1 ||
				EVP_CIPHER_CTX_ctrl(sealing, EVP_CTRL_AEAD_GET_TAG, 16, tag) != 1)
				abort();
		seal[round] = (now() - start) / CALLS;
		start = now();
		for (int i = 0; i < CALLS; i++)
			if (EVP_DecryptInit_ex(opening, NULL, NULL, NULL, nonce) != 1 ||
				EVP_DecryptUpdate(opening, plain, &length, cipher, size) != 1 ||
				EVP_CIPHER_CTX_ctrl(opening, EVP_CTRL_AEAD_SET_TAG, 16, tag) != 1 ||
				EVP_DecryptFinal_ex(opening, plain + size, &length) != 1)
				abort();
		open[round] = (now() - start) / CALLS;
	}
	qsort(seal, ROUNDS, sizeof(double), compare);
	qsort(open, ROUNDS, sizeof(double), compare);
	printf("%.1f %.1f\n", seal[ROUNDS / 2], open[ROUNDS / 2]);
	return 0;
}
