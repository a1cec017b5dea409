/*
 * digest_test.c
 *		SHA-256, HMAC-SHA256 and HKDF against FIPS 180-4, RFC 4231 and RFC 5869.
 */
#include "unit.h"

#include "common/digest.h"

static Bytes
bytes_of_text(const char *text)
{
	return bytes_of(text, strlen(text));
}

static void
sha256_vectors(void)
{
	static const char *const vectors[][2] = {
		{"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
		 "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
		{"abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnop"
		 "qrstu",
		 "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1"},
	};
	uint8_t digest[DIGEST_SIZE];
	uint8_t *million = unit_memory(1000000);

	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++)
	{
		CHECK(digest_sha256(bytes_of_text(vectors[i][0]), digest) == TSEC_OK);
		CHECK(unit_is_hex(digest, sizeof(digest), vectors[i][1]), "\"%s\"", vectors[i][0]);
	}
	memset(million, 'a', 1000000);
	CHECK(digest_sha256(bytes_of(million, 1000000), digest) == TSEC_OK);
	CHECK(unit_is_hex(digest, sizeof(digest), "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"));
	free(million);
	CHECK(digest_sha256(bytes_of(NULL, 0), digest) == TSEC_OK);
	CHECK(unit_is_hex(digest, sizeof(digest), vectors[0][1]));
}

/* Key, message and the tag or, in case 5, its first 128 bits. */
static const char *const rfc_4231[][3] = {
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	 "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
	{"4a656665", "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	 "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd",
	 "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"},
	{"0102030405060708090a0b0c0d0e0f10111213141516171819",
	 "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
	 "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"},
	{"0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", "546573742057697468205472756e636174696f6e",
	 "a3b6167473100ee06e0c796c2955552b"},
	{NULL,
	 "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a65204b6579202d2048617368204b6579204669727374",
	 "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"},
	{NULL,
	 "5468697320697320612074657374207573696e672061206c6172676572207468616e20626c6f636b2d73697a65206b657920616e642061"
	 "206c6172676572207468616e20626c6f636b2d73697a6520646174612e20546865206b6579206e6565647320746f2062652068617368656"
	 "4"
	 "206265666f7265206265696e6720757365642062792074686520484d414320616c676f726974686d2e",
	 "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"},
};

/* Keys 6 and 7 are 131 bytes of 0xaa. */
#define LONG_KEY_SIZE 131

static void
hmac_vectors(void)
{
	for (size_t i = 0; i < sizeof(rfc_4231) / sizeof(rfc_4231[0]); i++)
	{
		uint8_t digest[DIGEST_SIZE];
		size_t key_length = LONG_KEY_SIZE;
		size_t length;
		uint8_t *key = rfc_4231[i][0] ? unit_hex(rfc_4231[i][0], &key_length) : unit_memory(LONG_KEY_SIZE);
		uint8_t *message = unit_hex(rfc_4231[i][1], &length);
		HmacKey *made = NULL;

		if (rfc_4231[i][0] == NULL)
			memset(key, 0xaa, LONG_KEY_SIZE);
		CHECK(hmac_new(bytes_of(key, key_length), &made) == TSEC_OK);
		memset(key, 0, key_length); /* the raw key may be wiped at once */
		for (int turn = 0; turn < 3; turn++)
		{
			CHECK(hmac_sha256(made, bytes_of(message, length), digest) == TSEC_OK);
			CHECK(unit_is_hex(digest, strlen(rfc_4231[i][2]) / 2, rfc_4231[i][2]), "case %zu, turn %d", i + 1, turn);
		}
		hmac_free(made);
		free(key);
		free(message);
	}
}

/* Two keys used in turn, with messages of every length, do not disturb each other. */
static void
hmac_keys_are_kept_apart(void)
{
	uint8_t message[200];
	uint8_t first[2][sizeof(message)][DIGEST_SIZE];
	uint8_t digest[DIGEST_SIZE];
	HmacKey *keys[2];

	unit_fill(message, sizeof(message), 2);
	for (int k = 0; k < 2; k++)
	{
		CHECK(hmac_new(bytes_of_text(k == 0 ? "one" : "two"), &keys[k]) == TSEC_OK);
		for (size_t length = 0; length < sizeof(message); length++)
			CHECK(hmac_sha256(keys[k], bytes_of(message, length), first[k][length]) == TSEC_OK);
	}
	for (size_t length = sizeof(message); length-- > 0;)
	{
		for (int k = 0; k < 2; k++)
		{
			CHECK(hmac_sha256(keys[k], bytes_of(message, length), digest) == TSEC_OK);
			CHECK(memcmp(digest, first[k][length], DIGEST_SIZE) == 0, "key %d, length %zu", k, length);
		}
		CHECK(memcmp(first[0][length], first[1][length], DIGEST_SIZE) != 0, "length %zu", length);
	}
	hmac_free(keys[0]);
	hmac_free(keys[1]);
}

static void
hmac_edges(void)
{
	uint8_t digest[DIGEST_SIZE];
	uint8_t *large = unit_memory(((size_t) 1 << 20) + 1);
	HmacKey *key = NULL;

	CHECK(hmac_new(bytes_of(NULL, 0), &key) == TSEC_OK, "an empty key");
	for (int turn = 0; turn < 2; turn++)
	{
		CHECK(hmac_sha256(key, bytes_of(NULL, 0), digest) == TSEC_OK);
		CHECK(
			unit_is_hex(digest, sizeof(digest), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad"));
	}
	hmac_free(key);
	key = NULL;

	memset(large, 'k', ((size_t) 1 << 20) + 1);
	CHECK(hmac_new(bytes_of(large, (size_t) 1 << 20), &key) == TSEC_OK);
	hmac_free(key);
	key = NULL;
	CHECK(hmac_new(bytes_of(large, ((size_t) 1 << 20) + 1), &key) == TSEC_TOO_LONG && key == NULL);
	hmac_free(NULL);
	free(large);
}

/* Secret, salt, purpose and what comes out.  No purpose holds a zero byte, so a C string can carry it. */
static const char *const rfc_5869[][4] = {
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
	 "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"},
	{"000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f"
	 "303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f",
	 "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f808182838485868788898a8b8c8d8e8f"
	 "909192939495969798999a9b9c9d9e9fa0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
	 "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecfd0d1d2d3d4d5d6d7d8d9dadbdcdddedf"
	 "e0e1e2e3e4e5e6e7e8e9eaebecedeeeff0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	 "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09"
	 "da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87"},
	{"0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
	 "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"},
};

static void
hkdf_vectors(void)
{
	for (size_t i = 0; i < sizeof(rfc_5869) / sizeof(rfc_5869[0]); i++)
	{
		size_t lengths[3];
		uint8_t *parts[3];
		char purpose[128] = "";
		size_t wanted = strlen(rfc_5869[i][3]) / 2;
		uint8_t *output = unit_memory(wanted);

		for (int part = 0; part < 3; part++)
			parts[part] = unit_hex(rfc_5869[i][part], &lengths[part]);
		memcpy(purpose, parts[2], lengths[2]);
		CHECK(hkdf_sha256(bytes_of(parts[0], lengths[0]), bytes_of(parts[1], lengths[1]), purpose, output, wanted) ==
			  TSEC_OK);
		CHECK(unit_is_hex(output, wanted, rfc_5869[i][3]), "case %zu", i + 1);
		for (int part = 0; part < 3; part++)
			free(parts[part]);
		free(output);
	}
}

static void
hkdf_edges(void)
{
	const size_t most = (size_t) 255 * DIGEST_SIZE;
	Bytes secret = bytes_of_text("thirty-two bytes of some secret.");
	Bytes none = bytes_of("", 0);
	uint8_t *longest = unit_memory(most);
	uint8_t one[DIGEST_SIZE];
	uint8_t other[DIGEST_SIZE];

	CHECK(hkdf_sha256(secret, none, "purpose", longest, most) == TSEC_OK);
	CHECK(hkdf_sha256(secret, none, "purpose", longest, most + 1) == TSEC_TOO_LONG);

	/* a shorter output is the beginning of a longer one */
	for (size_t length = 1; length <= DIGEST_SIZE; length++)
	{
		CHECK(hkdf_sha256(secret, none, "purpose", one, length) == TSEC_OK);
		CHECK(memcmp(one, longest, length) == 0, "length %zu", length);
	}
	/* every input counts */
	CHECK(hkdf_sha256(secret, none, "purposf", other, DIGEST_SIZE) == TSEC_OK);
	CHECK(memcmp(one, other, DIGEST_SIZE) != 0);
	CHECK(hkdf_sha256(secret, bytes_of("s", 1), "purpose", other, DIGEST_SIZE) == TSEC_OK);
	CHECK(memcmp(one, other, DIGEST_SIZE) != 0);
	CHECK(hkdf_sha256(bytes_of_text("thirty-two bytes of some secret,"), none, "purpose", other, DIGEST_SIZE) ==
		  TSEC_OK);
	CHECK(memcmp(one, other, DIGEST_SIZE) != 0);
	free(longest);
}

/* RFC 5869: a salt that is not provided is as good as an empty one; it need not have an address. */
static void
hkdf_without_salt(void)
{
	uint8_t empty[DIGEST_SIZE];
	uint8_t absent[DIGEST_SIZE] = {0};

	CHECK(hkdf_sha256(bytes_of_text("secret"), bytes_of("", 0), "purpose", empty, DIGEST_SIZE) == TSEC_OK);
	CHECK(hkdf_sha256(bytes_of_text("secret"), bytes_of(NULL, 0), "purpose", absent, DIGEST_SIZE) == TSEC_OK);
	CHECK(memcmp(empty, absent, DIGEST_SIZE) == 0);
}

static const UnitCase cases[] = {
	{"SHA-256: FIPS 180-4 examples", sha256_vectors},
	{"HMAC-SHA256: RFC 4231, each message three times under the kept key", hmac_vectors},
	{"HMAC-SHA256: two kept keys used in turn", hmac_keys_are_kept_apart},
	{"HMAC-SHA256: empty, largest and too large keys", hmac_edges},
	{"HKDF-SHA256: RFC 5869 cases 1 to 3", hkdf_vectors},
	{"HKDF-SHA256: limits, and every input counts", hkdf_edges},
	{"HKDF-SHA256: without a salt", hkdf_without_salt},
};

UNIT_MAIN(cases)
