/*
 * xaes_test.c
 *		XAES-256-GCM against the vectors of its specification
 *		(https://c2sp.org/XAES-256-GCM), one million accumulated messages, and a
 *		second implementation; and that whatever differs by one bit is refused.
 */
#define _GNU_SOURCE
#include "freed.h"
#include "unit.h"

#include "common/aead.h"
#include "common/xaes.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#define NOT_WIPED 0xa5

static AeadKey *
xaes_key(const uint8_t raw[AEAD_KEY_SIZE])
{
	AeadKey *key = NULL;

	CHECK(aead_new_for(AEAD_XAES_256_GCM, raw, &key) == TSEC_OK);
	return key;
}

/* ---- the specification's vectors ---- */

static void
specification_vectors(void)
{
	static const struct
	{
		uint8_t key;
		const char *associated;
		const char *derived;
		const char *sealed;
	} vectors[] = {
		{1, "", "c8612c9ed53fe43e8e005b828a1631a0bbcb6ab2f46514ec4f439fcfd0fa969b",
		 "ce546ef63c9cc60765923609b33a9a1974e96e52daf2fcf7075e2271"},
		{3, "c2sp.org/XAES-256-GCM", "e9c621d4cdd9b11b00a6427ad7e559aeedd66b3857646677748f8ca796cb3fd8",
		 "986ec1832593df5443a179437fd083bf3fdb41abd740a21f71eb769d"},
	};
	static const uint8_t nonce[] = "ABCDEFGHIJKLMNOPQRSTUVWX";
	static const char plain[] = "XAES-256-GCM";
	const size_t length = sizeof(plain) - 1;

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		Bytes associated = bytes_of(vectors[i].associated, strlen(vectors[i].associated));
		uint8_t raw[AEAD_KEY_SIZE];
		uint8_t derived[XAES_KEY_SIZE];
		uint8_t sealed[sizeof(plain) - 1 + AEAD_TAG_SIZE];
		uint8_t back[sizeof(plain) - 1];
		XaesKey *derivation = NULL;
		AeadKey *key;

		memset(raw, vectors[i].key, sizeof(raw));
		CHECK(xaes_new(raw, &derivation) == TSEC_OK && xaes_derive(derivation, nonce, derived));
		CHECK(unit_is_hex(derived, sizeof(derived), vectors[i].derived), "vector %zu", i);
		xaes_free(derivation);

		key = xaes_key(raw);
		CHECK(aead_seal(key, nonce, associated, bytes_of(plain, length), sealed, sealed + length) == TSEC_OK);
		CHECK(unit_is_hex(sealed, sizeof(sealed), vectors[i].sealed), "vector %zu", i);
		CHECK(aead_open(key, nonce, associated, bytes_of(sealed, length), sealed + length, back) == TSEC_OK);
		CHECK(memcmp(back, plain, length) == 0);
		aead_free(key);
	}
}

/* ---- the specification's accumulated test ---- */

/* The bytes that a count of messages takes from SHAKE-128 of nothing: 313 for each, give or take. */
#define STREAM_PER_MESSAGE 320

/* Takes the next bytes of the stream, which is long enough for the counts used here. */
static const uint8_t *
take(Bytes *stream, size_t length)
{
	const uint8_t *taken = stream->data;

	if (stream->length < length)
		abort();
	stream->data += length;
	stream->length -= length;
	return taken;
}

/* Seals and opens the next message of the stream under its own key; false when it does not come back. */
static bool
seal_next(Bytes *stream, EVP_MD_CTX *hash)
{
	const uint8_t *raw = take(stream, AEAD_KEY_SIZE);
	const uint8_t *nonce = take(stream, AEAD_NONCE_MAX);
	uint8_t length = *take(stream, 1);
	Bytes plain = bytes_of(take(stream, length), length);
	uint8_t associated_length = *take(stream, 1);
	Bytes associated = bytes_of(take(stream, associated_length), associated_length);
	uint8_t sealed[255 + AEAD_TAG_SIZE];
	uint8_t back[255];
	AeadKey *key = NULL;
	bool same = aead_new_for(AEAD_XAES_256_GCM, raw, &key) == TSEC_OK &&
				aead_seal(key, nonce, associated, plain, sealed, sealed + length) == TSEC_OK &&
				EVP_DigestUpdate(hash, sealed, (size_t) length + AEAD_TAG_SIZE) == 1 &&
				aead_open(key, nonce, associated, bytes_of(sealed, length), sealed + length, back) == TSEC_OK &&
				memcmp(back, plain.data, length) == 0;

	aead_free(key);
	return same;
}

/* Keys, nonces and messages come from one SHAKE-128; another absorbs what they are sealed to. */
static void
accumulate(size_t count, const char *expected)
{
	size_t size = count * STREAM_PER_MESSAGE;
	uint8_t *bytes = unit_memory(size);
	Bytes stream = bytes_of(bytes, size);
	EVP_MD_CTX *shake = EVP_MD_CTX_new();
	uint8_t digest[32];
	size_t good = 0;

	/* all at once: OpenSSL 3.0 cannot go on squeezing */
	CHECK(EVP_DigestInit_ex(shake, EVP_shake128(), NULL) == 1 && EVP_DigestFinalXOF(shake, bytes, size) == 1);
	CHECK(unit_is_hex(bytes, 16, "7f9c2ba4e88f827d616045507605853e"));
	CHECK(EVP_DigestInit_ex(shake, EVP_shake128(), NULL) == 1);
	for (size_t i = 0; i < count; i++)
		good += seal_next(&stream, shake);
	CHECK(good == count, "%zu of %zu", good, count);
	CHECK(EVP_DigestFinalXOF(shake, digest, sizeof(digest)) == 1);
	CHECK(unit_is_hex(digest, sizeof(digest), expected), "%zu messages", count);
	EVP_MD_CTX_free(shake);
	free(bytes);
}

static void
accumulated(void)
{
	accumulate(10000, "e6b9edf2df6cec60c8cbd864e2211b597fb69a529160cd040d56c0c210081939");
	accumulate(1000000, "2163ae1445985a30b60585ee67daa55674df06901b890593e824b8a7c885ab15");
}

/* ---- a second implementation, in the words of SP 800-108 and with nothing kept ---- */

static void
derive_plainly(const uint8_t raw[32], const uint8_t nonce[24], uint8_t derived[32])
{
	char cipher[] = "AES-256-CBC";
	OSSL_PARAM parameters[2] = {OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_CIPHER, cipher, 0),
								OSSL_PARAM_construct_end()};

	for (uint8_t counter = 1; counter <= 2; counter++)
	{
		uint8_t message[16] = {0, counter, 'X', 0};
		EVP_MAC *mac = EVP_MAC_fetch(NULL, "CMAC", NULL);
		EVP_MAC_CTX *context = EVP_MAC_CTX_new(mac);
		size_t length = 0;

		memcpy(message + 4, nonce, 12);
		CHECK(EVP_MAC_init(context, raw, 32, parameters) == 1 &&
			  EVP_MAC_update(context, message, sizeof(message)) == 1 &&
			  EVP_MAC_final(context, derived + 16 * (counter - 1), &length, 16) == 1 && length == 16);
		EVP_MAC_CTX_free(context);
		EVP_MAC_free(mac);
	}
}

static void
seal_plainly(const uint8_t raw[32], const uint8_t nonce[24], Bytes associated, Bytes plain, uint8_t *cipher,
			 uint8_t *tag)
{
	EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
	uint8_t derived[32];
	int length = 0;

	derive_plainly(raw, nonce, derived);
	CHECK(EVP_EncryptInit_ex(context, EVP_aes_256_gcm(), NULL, derived, nonce + 12) == 1 &&
		  EVP_EncryptUpdate(context, NULL, &length, associated.data, (int) associated.length) == 1 &&
		  EVP_EncryptUpdate(context, cipher, &length, plain.data, (int) plain.length) == 1 &&
		  EVP_EncryptFinal_ex(context, cipher + plain.length, &length) == 1 &&
		  EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, 16, tag) == 1);
	EVP_CIPHER_CTX_free(context);
}

static void
second_implementation_agrees(void)
{
	for (uint32_t turn = 0; turn < 500; turn++)
	{
		size_t length = turn * 3 % 1001 + 1;
		size_t associated_length = turn % 90 + 1;
		uint8_t raw[AEAD_KEY_SIZE];
		uint8_t associated[90];
		uint8_t *plain = unit_memory(length);
		uint8_t *ours = unit_memory(length + AEAD_TAG_SIZE);
		uint8_t *theirs = unit_memory(length + AEAD_TAG_SIZE);
		AeadKey *key;

		CHECK(random_bytes(raw, sizeof(raw)) == TSEC_OK && random_bytes(plain, length) == TSEC_OK &&
			  random_bytes(associated, sizeof(associated)) == TSEC_OK);
		key = xaes_key(raw);
		/* several messages through one key: nothing of one may reach the next */
		for (int message = 0; message < 3; message++)
		{
			uint8_t nonce[AEAD_NONCE_MAX];

			CHECK(random_bytes(nonce, sizeof(nonce)) == TSEC_OK);
			CHECK(aead_seal(key, nonce, bytes_of(associated, associated_length), bytes_of(plain, length), ours,
							ours + length) == TSEC_OK);
			seal_plainly(raw, nonce, bytes_of(associated, associated_length), bytes_of(plain, length), theirs,
						 theirs + length);
			CHECK(memcmp(ours, theirs, length + AEAD_TAG_SIZE) == 0, "turn %u, message %d", turn, message);
			CHECK(aead_open(key, nonce, bytes_of(associated, associated_length), bytes_of(theirs, length),
							theirs + length, ours) == TSEC_OK);
			CHECK(memcmp(ours, plain, length) == 0, "turn %u, message %d", turn, message);
		}
		aead_free(key);
		free(plain);
		free(ours);
		free(theirs);
	}
}

/* ---- what is altered ---- */

static void
every_flipped_bit_is_refused(void)
{
	static const size_t lengths[] = {0, 1, 16, 17, 100};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		size_t length = lengths[i];
		uint8_t *parts[4] = {unit_memory(AEAD_NONCE_MAX), unit_memory(52), unit_memory(length),
							 unit_memory(AEAD_TAG_SIZE)};
		size_t sizes[4] = {AEAD_NONCE_MAX, 52, length, AEAD_TAG_SIZE};
		uint8_t *plain = unit_memory(length);
		uint8_t *back = unit_memory(length);
		uint8_t raw[AEAD_KEY_SIZE];
		AeadKey *key;

		unit_fill(raw, sizeof(raw), 1);
		unit_fill(plain, length, 2);
		unit_fill(parts[0], sizes[0], 3);
		unit_fill(parts[1], sizes[1], 4);
		key = xaes_key(raw);
		CHECK(aead_seal(key, parts[0], bytes_of(parts[1], 52), bytes_of(plain, length), parts[2], parts[3]) ==
			  TSEC_OK);
		for (int part = 0; part < 4; part++)
		{
			for (size_t bit = 0; bit < sizes[part] * 8; bit++)
			{
				parts[part][bit / 8] ^= (uint8_t) (1 << bit % 8);
				memset(back, NOT_WIPED, length);
				CHECK(aead_open(key, parts[0], bytes_of(parts[1], 52), bytes_of(parts[2], length), parts[3], back) ==
						  TSEC_INTEGRITY,
					  "part %d, bit %zu", part, bit);
				CHECK(unit_is_filled(back, length, 0), "part %d, bit %zu", part, bit);
				parts[part][bit / 8] ^= (uint8_t) (1 << bit % 8);
			}
		}
		CHECK(aead_open(key, parts[0], bytes_of(parts[1], 52), bytes_of(parts[2], length), parts[3], back) ==
			  TSEC_OK);
		CHECK(memcmp(back, plain, length) == 0, "opens after all refusals");
		aead_free(key);
		for (int part = 0; part < 4; part++)
			free(parts[part]);
		free(plain);
		free(back);
	}
}

/* The same raw key under the two algorithms: what one sealed, the other does not open. */
static void
algorithms_do_not_mix(void)
{
	uint8_t raw[AEAD_KEY_SIZE] = {5};
	uint8_t nonce[AEAD_NONCE_MAX] = {6};
	uint8_t sealed[2][8 + AEAD_TAG_SIZE];
	uint8_t back[8];
	AeadKey *keys[2] = {NULL, xaes_key(raw)};
	AeadKey *none = NULL;

	CHECK(aead_new(raw, &keys[0]) == TSEC_OK);
	for (int i = 0; i < 2; i++)
		CHECK(aead_seal(keys[i], nonce, bytes_of(NULL, 0), bytes_of("eight by", 8), sealed[i], sealed[i] + 8) ==
			  TSEC_OK);
	for (int i = 0; i < 2; i++)
	{
		CHECK(aead_open(keys[i], nonce, bytes_of(NULL, 0), bytes_of(sealed[1 - i], 8), sealed[1 - i] + 8, back) ==
			  TSEC_INTEGRITY);
		CHECK(aead_open(keys[i], nonce, bytes_of(NULL, 0), bytes_of(sealed[i], 8), sealed[i] + 8, back) == TSEC_OK);
	}
	for (int number = -1; number < 300; number++)
	{
		if (number == AEAD_AES_256_GCM || number == AEAD_XAES_256_GCM)
			continue;
		CHECK(aead_new_for((AeadAlgorithm) number, raw, &none) == TSEC_UNKNOWN_ALGORITHM && none == NULL, "%d",
			  number);
	}
	aead_free(keys[0]);
	aead_free(keys[1]);
}

static void
too_long_is_refused(void)
{
	uint8_t raw[AEAD_KEY_SIZE] = {9};
	uint8_t nonce[AEAD_NONCE_MAX] = {0};
	uint8_t tag[AEAD_TAG_SIZE] = {0};
	uint8_t out = NOT_WIPED;
	AeadKey *key = xaes_key(raw);

	CHECK(aead_seal(key, nonce, bytes_of(NULL, 0), bytes_of(&out, AEAD_MAX_LENGTH + 1), &out, tag) == TSEC_TOO_LONG);
	CHECK(aead_open(key, nonce, bytes_of(NULL, 0), bytes_of(&out, SIZE_MAX), tag, &out) == TSEC_TOO_LONG);
	CHECK(out == NOT_WIPED);
	aead_free(key);
	xaes_free(NULL);
}

/* Neither the key nor the last message's is in what is freed. */
static void
freed_keys_are_wiped(void)
{
	for (int whose = 0; whose < 2; whose++)
	{
		uint8_t raw[AEAD_KEY_SIZE];
		uint8_t derived[XAES_KEY_SIZE];
		uint8_t nonce[AEAD_NONCE_MAX] = {0};
		uint8_t tag[AEAD_TAG_SIZE];
		uint8_t out;
		AeadKey *key;

		unit_fill(raw, sizeof(raw), 10);
		derive_plainly(raw, nonce, derived);
		key = xaes_key(raw);
		CHECK(aead_seal(key, nonce, bytes_of(NULL, 0), bytes_of("p", 1), &out, tag) == TSEC_OK);
		CHECK(aead_open(key, nonce, bytes_of(NULL, 0), bytes_of(&out, 1), tag, &out) == TSEC_OK && out == 'p');
		freed.found = 0;
		freed.secret = whose == 0 ? raw : derived;
		freed.length = AEAD_KEY_SIZE / 2;
		aead_free(key);
		freed.secret = NULL;
		CHECK(freed.found == 0, "the key of %s", whose == 0 ? "all messages" : "one message");
	}
}

/* ---- nonces ---- */

static int
compare_halves(const void *a, const void *b)
{
	return memcmp(a, b, AEAD_NONCE_SIZE);
}

/* Both halves are drawn, and none is drawn twice, also where nonces of both sizes come from one pool. */
static void
nonces_have_two_halves(void)
{
	enum
	{
		count = 3 * NONCE_POOL_COUNT
	};
	NoncePool pool = {0};
	uint8_t *halves = unit_memory((size_t) 3 * count * AEAD_NONCE_SIZE);
	size_t repeats = 0;

	CHECK(aead_nonce_size(AEAD_AES_256_GCM) == 12 && aead_nonce_size(AEAD_XAES_256_GCM) == 24);
	memset(halves, 0, (size_t) 3 * count * AEAD_NONCE_SIZE);
	for (size_t i = 0; i < count; i++)
	{
		uint8_t *at = halves + 3 * i * AEAD_NONCE_SIZE;

		CHECK(nonce_take_for(AEAD_XAES_256_GCM, &pool, at) == TSEC_OK);
		CHECK(nonce_take_for(AEAD_AES_256_GCM, &pool, at + 2 * AEAD_NONCE_SIZE) == TSEC_OK);
	}
	qsort(halves, (size_t) 3 * count, AEAD_NONCE_SIZE, compare_halves);
	for (size_t i = 1; i < (size_t) 3 * count; i++)
		repeats += compare_halves(halves + (i - 1) * AEAD_NONCE_SIZE, halves + i * AEAD_NONCE_SIZE) == 0;
	CHECK(repeats == 0 && !unit_is_filled(halves, AEAD_NONCE_SIZE, 0));
	free(halves);
}

static const UnitCase cases[] = {
	{"the two vectors of the specification", specification_vectors},
	{"10,000 and 1,000,000 messages accumulate to the specification's hashes", accumulated},
	{"a second implementation over EVP_MAC agrees", second_implementation_agrees},
	{"every flipped bit of nonce, associated data, ciphertext and tag is refused and wiped",
	 every_flipped_bit_is_refused},
	{"the algorithms do not open each other's values; there are two", algorithms_do_not_mix},
	{"too long a value is refused before it is touched", too_long_is_refused},
	{"freed keys are wiped, of all messages and of one", freed_keys_are_wiped},
	{"nonces have two halves, all different", nonces_have_two_halves},
};

UNIT_MAIN(cases)
