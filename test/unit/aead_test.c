/*
 * aead_test.c
 *		AES-256-GCM: the specification's cases, every length to 1000, and that
 *		whatever differs by one bit is refused with the output wiped.
 */
#define _GNU_SOURCE
#include "freed.h"
#include "unit.h"

#include "common/aead.h"

#define NOT_WIPED 0xa5

/* One sealed message and everything needed to open it, each in memory of exactly its size. */
typedef struct Sealed
{
	AeadKey *key;
	uint8_t *nonce;
	uint8_t *associated;
	uint8_t *cipher;
	uint8_t *tag;
	uint8_t *plain;
	size_t associated_length;
	size_t length;
} Sealed;

static AeadKey *
key_of_seed(uint32_t seed)
{
	uint8_t raw[AEAD_KEY_SIZE];
	AeadKey *key = NULL;

	unit_fill(raw, sizeof(raw), seed);
	CHECK(aead_new(raw, &key) == TSEC_OK);
	memset(raw, 0, sizeof(raw)); /* the raw key may be wiped at once */
	return key;
}

static Sealed
seal_some(size_t associated_length, size_t length)
{
	Sealed made = {.associated_length = associated_length, .length = length};

	made.key = key_of_seed(3);
	made.nonce = unit_memory(AEAD_NONCE_SIZE);
	made.associated = unit_memory(associated_length);
	made.cipher = unit_memory(length);
	made.tag = unit_memory(AEAD_TAG_SIZE);
	made.plain = unit_memory(length);
	unit_fill(made.nonce, AEAD_NONCE_SIZE, 4);
	unit_fill(made.associated, associated_length, 5);
	unit_fill(made.plain, length, 6);
	CHECK(aead_seal(made.key, made.nonce, bytes_of(made.associated, associated_length), bytes_of(made.plain, length),
					made.cipher, made.tag) == TSEC_OK);
	return made;
}

static void
release(Sealed *sealed)
{
	aead_free(sealed->key);
	free(sealed->nonce);
	free(sealed->associated);
	free(sealed->cipher);
	free(sealed->tag);
	free(sealed->plain);
}

/* Whether the message opens to its plaintext; if it does not, it must be refused as altered and leave zeroes. */
static bool
opens(const Sealed *sealed, AeadKey *key)
{
	uint8_t *plain = unit_memory(sealed->length);
	Status status;
	bool same;

	memset(plain, NOT_WIPED, sealed->length);
	status = aead_open(key, sealed->nonce, bytes_of(sealed->associated, sealed->associated_length),
					   bytes_of(sealed->cipher, sealed->length), sealed->tag, plain);
	same = memcmp(plain, sealed->plain, sealed->length) == 0;
	CHECK(status == TSEC_OK || status == TSEC_INTEGRITY, "status %d", (int) status);
	CHECK(status == TSEC_OK ? same : unit_is_filled(plain, sealed->length, 0), "status %d", (int) status);
	free(plain);
	return status == TSEC_OK;
}

/* Cases 13 to 16 of McGrew and Viega's specification: key, nonce, associated, plain, cipher, tag. */
static void
specification_vectors(void)
{
	static const char zero_key[] = "0000000000000000000000000000000000000000000000000000000000000000";
	static const char key[] = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
	static const char *const vectors[][6] = {
		{zero_key, "000000000000000000000000", "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
		{zero_key, "000000000000000000000000", "", "00000000000000000000000000000000",
		 "cea7403d4d606b6e074ec5d3baf39d18", "d0d1c8a799996bf0265b98b5d48ab919"},
		{key, "cafebabefacedbaddecaf888", "",
		 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255",
		 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad",
		 "b094dac5d93471bdec1a502270e3cc6c"},
		{key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
		 "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
		 "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
		 "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
		 "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662",
		 "76fc6ece0f4e1768cddf8853bb2d551b"},
	};

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		uint8_t *parts[6];
		size_t lengths[6];
		AeadKey *made = NULL;
		uint8_t tag[AEAD_TAG_SIZE];
		uint8_t *cipher;

		for (int part = 0; part < 6; part++)
			parts[part] = unit_hex(vectors[i][part], &lengths[part]);
		cipher = unit_memory(lengths[3]);
		CHECK(aead_new(parts[0], &made) == TSEC_OK);
		CHECK(aead_seal(made, parts[1], bytes_of(parts[2], lengths[2]), bytes_of(parts[3], lengths[3]), cipher,
						tag) == TSEC_OK);
		CHECK(lengths[3] == lengths[4] && memcmp(cipher, parts[4], lengths[4]) == 0, "case %zu", i + 13);
		CHECK(memcmp(tag, parts[5], AEAD_TAG_SIZE) == 0, "case %zu", i + 13);
		aead_free(made);
		for (int part = 0; part < 6; part++)
			free(parts[part]);
		free(cipher);
	}
}

static void
every_length_comes_back(void)
{
	AeadKey *other = key_of_seed(3);

	for (size_t length = 0; length <= 1000; length++)
	{
		Sealed sealed = seal_some(length % 41, length);

		CHECK(opens(&sealed, sealed.key), "length %zu", length);
		CHECK(opens(&sealed, other), "length %zu, a second object made of the same key", length);
		CHECK(length < 8 || memcmp(sealed.cipher, sealed.plain, length) != 0, "length %zu", length);
		release(&sealed);
	}
	aead_free(other);
}

/* Flips each bit of one part in turn. */
static void
flip_every_bit(const Sealed *sealed, uint8_t *part, size_t part_length, const char *name)
{
	for (size_t bit = 0; bit < part_length * 8; bit++)
	{
		part[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK(!opens(sealed, sealed->key), "%s, bit %zu of %zu bytes", name, bit, part_length);
		part[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	CHECK(opens(sealed, sealed->key), "%s: the unaltered message opens after all refusals", name);
}

static void
every_flipped_bit_is_refused(void)
{
	static const size_t lengths[] = {0, 1, 15, 16, 17, 100};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		Sealed sealed = seal_some(38, lengths[i]);

		flip_every_bit(&sealed, sealed.nonce, AEAD_NONCE_SIZE, "nonce");
		flip_every_bit(&sealed, sealed.associated, sealed.associated_length, "associated data");
		flip_every_bit(&sealed, sealed.cipher, sealed.length, "ciphertext");
		flip_every_bit(&sealed, sealed.tag, AEAD_TAG_SIZE, "tag");
		release(&sealed);
	}
}

static void
other_lengths_and_keys_are_refused(void)
{
	Sealed sealed = seal_some(20, 40);
	AeadKey *other = key_of_seed(7);

	CHECK(!opens(&sealed, other), "another key");
	for (size_t shorter = 0; shorter < 40; shorter++)
	{
		sealed.length = shorter;
		CHECK(!opens(&sealed, sealed.key), "ciphertext cut to %zu", shorter);
	}
	sealed.length = 40;
	for (size_t shorter = 0; shorter < 20; shorter++)
	{
		sealed.associated_length = shorter;
		CHECK(!opens(&sealed, sealed.key), "associated data cut to %zu", shorter);
	}
	sealed.associated_length = 20;
	CHECK(opens(&sealed, sealed.key));
	aead_free(other);
	release(&sealed);
}

/* Many messages through one key, sealed and opened in turn with failures between. */
static void
one_key_serves_many_messages(void)
{
	AeadKey *key = key_of_seed(8);
	uint8_t plain[64];
	uint8_t cipher[64];
	uint8_t back[64];
	uint8_t nonce[AEAD_NONCE_SIZE];
	uint8_t tag[AEAD_TAG_SIZE];

	for (uint32_t turn = 0; turn < 500; turn++)
	{
		size_t length = turn % (sizeof(plain) + 1);
		Bytes associated = bytes_of(&turn, turn % 2 ? sizeof(turn) : 0);

		unit_fill(plain, sizeof(plain), turn);
		unit_fill(nonce, sizeof(nonce), turn + 1000);
		CHECK(aead_seal(key, nonce, associated, bytes_of(plain, length), cipher, tag) == TSEC_OK, "turn %u", turn);
		tag[turn % AEAD_TAG_SIZE] ^= 1;
		CHECK(aead_open(key, nonce, associated, bytes_of(cipher, length), tag, back) == TSEC_INTEGRITY, "turn %u",
			  turn);
		tag[turn % AEAD_TAG_SIZE] ^= 1;
		CHECK(aead_open(key, nonce, associated, bytes_of(cipher, length), tag, back) == TSEC_OK, "turn %u", turn);
		CHECK(memcmp(back, plain, length) == 0, "turn %u", turn);
	}
	aead_free(key);
}

/* No byte behind these spans exists: the length alone must refuse them. */
static void
too_long_is_refused(void)
{
	AeadKey *key = key_of_seed(9);
	uint8_t byte = NOT_WIPED;
	uint8_t nonce[AEAD_NONCE_SIZE] = {0};
	uint8_t tag[AEAD_TAG_SIZE] = {0};
	Bytes small = bytes_of(&byte, 1);
	Bytes large = bytes_of(&byte, AEAD_MAX_LENGTH + 1);
	Bytes largest = bytes_of(&byte, SIZE_MAX);
	uint8_t out = NOT_WIPED;

	CHECK(aead_seal(key, nonce, small, large, &out, tag) == TSEC_TOO_LONG);
	CHECK(aead_seal(key, nonce, large, small, &out, tag) == TSEC_TOO_LONG);
	CHECK(aead_seal(key, nonce, small, largest, &out, tag) == TSEC_TOO_LONG);
	CHECK(aead_open(key, nonce, small, large, tag, &out) == TSEC_TOO_LONG);
	CHECK(aead_open(key, nonce, large, small, tag, &out) == TSEC_TOO_LONG);
	CHECK(aead_open(key, nonce, largest, small, tag, &out) == TSEC_TOO_LONG);
	CHECK(out == NOT_WIPED);
	CHECK(random_bytes(&out, AEAD_MAX_LENGTH + 1) == TSEC_NO_RANDOM && out == NOT_WIPED);
	aead_free(key);
	aead_free(NULL);
}

static void
freed_key_is_wiped(void)
{
	uint8_t raw[AEAD_KEY_SIZE];
	uint8_t nonce[AEAD_NONCE_SIZE] = {0};
	uint8_t tag[AEAD_TAG_SIZE];
	uint8_t out;
	AeadKey *key = NULL;

	unit_fill(raw, sizeof(raw), 10);
	CHECK(aead_new(raw, &key) == TSEC_OK);
	CHECK(aead_seal(key, nonce, bytes_of(NULL, 0), bytes_of("p", 1), &out, tag) == TSEC_OK);
	CHECK(aead_open(key, nonce, bytes_of(NULL, 0), bytes_of(&out, 1), tag, &out) == TSEC_OK && out == 'p');
	freed.secret = raw;
	freed.length = sizeof(raw) / 2;
	aead_free(key);
	freed.secret = NULL;
	CHECK(freed.found == 0);
}

static void
random_bytes_fill_the_buffer(void)
{
	uint8_t byte = NOT_WIPED;

	CHECK(random_bytes(&byte, 0) == TSEC_OK && byte == NOT_WIPED);
	for (size_t length = 16; length <= 4096; length *= 2)
	{
		uint8_t *one = unit_memory(length);
		uint8_t *other = unit_memory(length);

		memset(one, 0, length);
		memset(other, 0, length);
		CHECK(random_bytes(one, length) == TSEC_OK && random_bytes(other, length) == TSEC_OK);
		CHECK(memcmp(one, other, length) != 0, "length %zu", length);
		/* sixteen random bytes at either end are zero once in 2^128 runs */
		CHECK(!unit_is_filled(one, 16, 0) && !unit_is_filled(one + length - 16, 16, 0), "length %zu", length);
		free(one);
		free(other);
	}
}

static const UnitCase cases[] = {
	{"AES-256-GCM: cases 13 to 16 of the specification", specification_vectors},
	{"every length from 0 to 1000 comes back", every_length_comes_back},
	{"every flipped bit of nonce, associated data, ciphertext and tag is refused and wiped",
	 every_flipped_bit_is_refused},
	{"other lengths and keys are refused and wiped", other_lengths_and_keys_are_refused},
	{"one key serves many messages, failures between", one_key_serves_many_messages},
	{"too long a value is refused before it is touched", too_long_is_refused},
	{"a freed key is wiped", freed_key_is_wiped},
	{"random bytes fill the whole buffer", random_bytes_fill_the_buffer},
};

UNIT_MAIN(cases)
