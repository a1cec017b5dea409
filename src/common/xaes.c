/*
 * xaes.c
 *		The key derivation of XAES-256-GCM on one kept AES-256 context.
 *
 * The messages that CMAC authenticates are one whole block each, so CMAC is
 * one encryption of the block combined with the subkey K1 (SP 800-38B section
 * 6.2): K1 is computed once, and both blocks go through the cipher in one call.
 */
#include "xaes.h"

#include "secret.h"

#include <openssl/evp.h>

#include <stdlib.h>
#include <string.h>

#define BLOCK_SIZE 16

struct XaesKey
{
	EVP_CIPHER_CTX *block;        /* AES-256 of whole blocks */
	uint8_t masks[XAES_KEY_SIZE]; /* K1 combined with what is constant in the two blocks */
};

/* Encrypts two blocks. */
static bool
encrypt_blocks(XaesKey *key, const uint8_t from[XAES_KEY_SIZE], uint8_t to[XAES_KEY_SIZE])
{
	int written = 0;

	return EVP_EncryptUpdate(key->block, to, &written, from, XAES_KEY_SIZE) == 1 && written == XAES_KEY_SIZE;
}

/* Computes K1, the encrypted zero block doubled in GF(2^128), and combines it with counter, label and separator. */
static bool
compute_masks(XaesKey *key)
{
	static const uint8_t zero[XAES_KEY_SIZE] = {0};
	uint8_t l[XAES_KEY_SIZE];
	bool done = encrypt_blocks(key, zero, l);
	uint8_t carry = 0;

	if (done)
	{
		for (int i = BLOCK_SIZE - 1; i >= 0; i--)
		{
			key->masks[i] = (uint8_t) (l[i] << 1 | carry);
			carry = l[i] >> 7;
		}
		key->masks[BLOCK_SIZE - 1] ^= (uint8_t) (0x87 & -carry); /* no branch on a bit of the key's image */
		memcpy(key->masks + BLOCK_SIZE, key->masks, BLOCK_SIZE);
		key->masks[1] ^= 1;
		key->masks[BLOCK_SIZE + 1] ^= 2;
		key->masks[2] ^= 'X';
		key->masks[BLOCK_SIZE + 2] ^= 'X';
	}
	secret_wipe(l, sizeof(l));
	return done;
}

Status
xaes_new(const uint8_t key[XAES_KEY_SIZE], XaesKey **result)
{
	XaesKey *made = calloc(1, sizeof(XaesKey));

	if (made != NULL)
		made->block = EVP_CIPHER_CTX_new();
	if (made == NULL || made->block == NULL)
	{
		xaes_free(made);
		return TSEC_NO_MEMORY;
	}
	if (EVP_EncryptInit_ex(made->block, EVP_aes_256_ecb(), NULL, key, NULL) != 1 ||
		EVP_CIPHER_CTX_set_padding(made->block, 0) != 1 || !compute_masks(made))
	{
		xaes_free(made);
		return TSEC_LIBRARY_FAILURE;
	}
	*result = made;
	return TSEC_OK;
}

void
xaes_free(XaesKey *key)
{
	if (key == NULL)
		return;
	EVP_CIPHER_CTX_free(key->block);
	secret_wipe(key, sizeof(XaesKey));
	free(key);
}

bool
xaes_derive(XaesKey *key, const uint8_t context[XAES_CONTEXT_SIZE], uint8_t derived[XAES_KEY_SIZE])
{
	uint64_t words[XAES_KEY_SIZE / 8];
	uint64_t block[BLOCK_SIZE / 8] = {0};

	/* in words, because a cipher that loads what was stored byte by byte has to wait for it */
	memcpy((uint8_t *) block + BLOCK_SIZE - XAES_CONTEXT_SIZE, context, XAES_CONTEXT_SIZE);
	memcpy(words, key->masks, sizeof(words));
	words[0] ^= block[0];
	words[1] ^= block[1];
	words[2] ^= block[0];
	words[3] ^= block[1];
	memcpy(derived, words, sizeof(words));
	return encrypt_blocks(key, derived, derived);
}
