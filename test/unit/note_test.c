/*
 * note_test.c
 *		Notes against the published example of the form, RFC 8032's keys, and every
 *		altered byte.
 */
#include "unit.h"

#include "common/note.h"

#define MARK "\xe2\x80\x94 "

/* The example of the form's first implementation (Go's sumdb/note): key, seed and note are public there. */
static const char go_key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW";
static const char go_seed[] = "810a1402d5146c8d84f2443330f54080ebf98ee17d9c74f6252fc5d5c7283173";
static const char go_text[] = "If you think cryptography is the answer to your problem,\n"
							  "then you don't know what your problem is.\n";
static const char go_signature[] =
	MARK "PeterNeumann "
		 "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n";

/* RFC 8032, 7.1, tests 1 to 3: seed and public key. */
static const char *const rfc8032[][2] = {
	{"9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
	 "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},
	{"4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
	 "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c"},
	{"c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
	 "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"},
};

static Bytes
text_of(const char *text)
{
	return bytes_of(text, strlen(text));
}

static void
published(void)
{
	char name[NOTE_ORIGIN_MAX + 1];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	uint8_t own[NOTE_PUBLIC_SIZE];
	char text[NOTE_KEY_SIZE_MAX];
	size_t length;
	uint8_t *seed = unit_hex(go_seed, &length);
	char note[512];
	Bytes signed_text;
	Bytes signatures;

	CHECK(length == NOTE_SEED_SIZE);
	CHECK(note_read_key(text_of(go_key), name, public_key) && strcmp(name, "PeterNeumann") == 0);
	CHECK(note_public_key(seed, own) == TSEC_OK && memcmp(own, public_key, sizeof(own)) == 0);
	CHECK(note_write_key(name, public_key, text) == TSEC_OK && strcmp(text, go_key) == 0, "%s", text);
	CHECK(note_sign_text(text_of(go_text), name, seed, text) == TSEC_OK && strcmp(text, go_signature) == 0, "%s",
		  text);
	(void) snprintf(note, sizeof(note), "%s\n%s", go_text, go_signature);
	CHECK(note_split(text_of(note), &signed_text, &signatures) && signed_text.length == strlen(go_text));
	CHECK(note_signed_by(signed_text, signatures, "PeterNeumann", public_key));
	CHECK(!note_signed_by(signed_text, signatures, "PeterNeuman", public_key));
	CHECK(!note_signed_by(text_of("x\n"), signatures, "PeterNeumann", public_key));
	free(seed);
	for (size_t i = 0; i < sizeof(rfc8032) / sizeof(rfc8032[0]); i++)
	{
		seed = unit_hex(rfc8032[i][0], &length);
		CHECK(note_public_key(seed, own) == TSEC_OK && unit_is_hex(own, sizeof(own), rfc8032[i][1]));
		free(seed);
	}
}

static void
fill_checkpoint(Checkpoint *checkpoint, uint64_t size)
{
	strcpy(checkpoint->origin, "twin_security/audit/plant/5f0c");
	checkpoint->size = size;
	unit_fill(checkpoint->root.bytes, DIGEST_SIZE, (uint32_t) size);
}

static void
round_trip(void)
{
	static const uint64_t sizes[] = {0, 1, 9, 10, 1234567, MERKLE_SIZE_MAX - 1, MERKLE_SIZE_MAX};
	uint8_t seed[NOTE_SEED_SIZE];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	uint8_t other_seed[NOTE_SEED_SIZE];
	uint8_t other_key[NOTE_PUBLIC_SIZE];

	CHECK(note_make_key(seed, public_key) == TSEC_OK && note_make_key(other_seed, other_key) == TSEC_OK);
	CHECK(memcmp(seed, other_seed, sizeof(seed)) != 0);
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
	{
		Checkpoint checkpoint;
		Checkpoint again;
		char text[NOTE_SIZE_MAX];
		char both[2 * NOTE_SIZE_MAX];
		char line[NOTE_KEY_SIZE_MAX];

		fill_checkpoint(&checkpoint, sizes[i]);
		CHECK(note_sign(&checkpoint, seed, text) == TSEC_OK);
		CHECK(note_verify(text_of(text), public_key, &again), "%s", text);
		CHECK(strcmp(again.origin, checkpoint.origin) == 0 && again.size == sizes[i] &&
			  memcmp(&again.root, &checkpoint.root, sizeof(again.root)) == 0);
		CHECK(!note_verify(text_of(text), other_key, &again));
		CHECK(note_read(text_of(text), &again) && again.size == sizes[i]);
		/* a witness's signature before or behind ours is passed over */
		CHECK(note_sign_text(bytes_of(text, (size_t) (strstr(text, "\n\n") - text) + 1), "witness.example",
							 other_seed, line) == TSEC_OK);
		(void) snprintf(both, sizeof(both), "%s%s", text, line);
		CHECK(note_verify(text_of(both), public_key, &again));
		(void) snprintf(both, sizeof(both), "%.*s%s%s", (int) (strstr(text, "\n\n") - text) + 2, text, line,
						strstr(text, "\n\n") + 2);
		CHECK(note_verify(text_of(both), public_key, &again), "%s", both);
		CHECK(!note_verify(text_of(both), other_key, &again), "it signed in another name");
		/* no signature at all */
		*(strstr(text, "\n\n") + 1) = '\0';
		CHECK(note_read(text_of(text), &again) && !note_verify(text_of(text), public_key, &again));
	}
}

/* Whatever byte is changed, left out or added, the note does not verify. */
static void
alterations(void)
{
	uint8_t seed[NOTE_SEED_SIZE];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	Checkpoint checkpoint;
	char text[NOTE_SIZE_MAX];
	size_t length;

	CHECK(note_make_key(seed, public_key) == TSEC_OK);
	fill_checkpoint(&checkpoint, 77);
	CHECK(note_sign(&checkpoint, seed, text) == TSEC_OK);
	length = strlen(text);
	for (size_t at = 0; at < length; at++)
	{
		for (int bit = 0; bit < 8; bit++)
		{
			char *exact = unit_memory(length);

			memcpy(exact, text, length);
			exact[at] ^= (char) (1 << bit);
			CHECK(!note_verify(bytes_of(exact, length), public_key, &checkpoint), "byte %zu bit %d", at, bit);
			(void) note_read(bytes_of(exact, length), &checkpoint);
			free(exact);
		}
		{
			char *exact = unit_memory(at);

			memcpy(exact, text, at);
			CHECK(!note_verify(bytes_of(exact, at), public_key, &checkpoint), "cut at %zu", at);
			free(exact);
		}
		{
			char *exact = unit_memory(length + 1);

			memcpy(exact, text, at);
			exact[at] = '\n';
			memcpy(exact + at + 1, text + at, length - at);
			CHECK(!note_verify(bytes_of(exact, length + 1), public_key, &checkpoint), "line end at %zu", at);
			free(exact);
		}
	}
}

static void
malformed(void)
{
	static const char root[] = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
	static const char *const texts[] = {"",
										"\n",
										"\n\n",
										"a\n",
										"a\n1\n",
										"a\n1\n\n",
										"a\n1\nAAAA\n",
										"a\n01\n%s\n",
										"a\n-1\n%s\n",
										"a\n+1\n%s\n",
										"a\n1 \n%s\n",
										"a\n\n%s\n",
										"a\n9223372036854775808\n%s\n",
										"a\n99999999999999999999\n%s\n",
										"a\n18446744073709551617\n%s\n",
										"a b\n1\n%s\n",
										"a+b\n1\n%s\n",
										"\n1\n%s\n",
										"a\n1\n%s",
										"a\n1\n%sA\n",
										"a\n1\n%s\n\n",
										"a\r\n1\r\n%s\r\n",
										"a\n1\n%s\n\nx\n",
										"a\n1\n%s\n\n" MARK "a\n",
										"a\n1\n%s\n\n" MARK "a \n",
										"a\n1\n%s\n\n" MARK " AAAAAAAA\n",
										"a\n1\n%s\n\n" MARK "a AAAAAAAA",
										"a\n1\n%s\n\n" MARK "a AAAAAAAA b\n",
										"a\n1\n%s\n\n- a AAAAAAAA\n",
										"a\n1\n%s\n\n" MARK "a AAAAAAAA\n\n",
										"a\n1\n%s\x01\n",
										"\xc3\xa4\n1\n%s\n"};
	static const char *const keys[] = {"",
									   "+",
									   "++",
									   "a+",
									   "PeterNeumann",
									   "PeterNeumann+c74f20a3+",
									   "PeterNeumann+c74f20a4+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
									   "PeterNeumann+C74F20A3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
									   "PeterNeumanN+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
									   "Peter Neumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
									   "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10T=",
									   "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
									   "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW\n",
									   "+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"};
	Checkpoint checkpoint;
	char name[NOTE_ORIGIN_MAX + 1];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	char text[512];

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
	{
		char *exact;
		int length = snprintf(text, sizeof(text), texts[i], root);

		exact = unit_memory((size_t) length);
		memcpy(exact, text, (size_t) length);
		CHECK(!note_read(bytes_of(exact, (size_t) length), &checkpoint), "text %zu", i);
		free(exact);
	}
	(void) snprintf(text, sizeof(text), "a\n1\n%s\n", root);
	CHECK(note_read(text_of(text), &checkpoint) && checkpoint.size == 1);
	(void) snprintf(text, sizeof(text), "a\n1\n%s\nan extension\n\n" MARK "b AAAAAAAA\n", root);
	CHECK(note_read(text_of(text), &checkpoint) && checkpoint.size == 1);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		CHECK(!note_read_key(text_of(keys[i]), name, public_key), "key %zu", i);
}

static void
names(void)
{
	char name[NOTE_ORIGIN_MAX + 2];
	Checkpoint checkpoint = {.size = 1};
	uint8_t seed[NOTE_SEED_SIZE];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	char again[NOTE_ORIGIN_MAX + 1];
	char text[NOTE_SIZE_MAX];
	char key[NOTE_KEY_SIZE_MAX];

	CHECK(note_make_key(seed, public_key) == TSEC_OK);
	memset(name, '~', sizeof(name));
	name[NOTE_ORIGIN_MAX + 1] = '\0';
	CHECK(!note_name_valid(name) && note_write_key(name, public_key, key) == TSEC_ORIGIN_INVALID);
	name[NOTE_ORIGIN_MAX] = '\0';
	CHECK(note_name_valid(name) && note_write_key(name, public_key, key) == TSEC_OK);
	CHECK(note_read_key(text_of(key), again, public_key) && strcmp(again, name) == 0);
	strcpy(checkpoint.origin, name);
	checkpoint.size = MERKLE_SIZE_MAX;
	CHECK(note_sign(&checkpoint, seed, text) == TSEC_OK && strlen(text) < NOTE_SIZE_MAX - 1);
	CHECK(note_verify(text_of(text), public_key, &checkpoint));
	CHECK(!note_name_valid("") && !note_name_valid("a b") && !note_name_valid("a+b") && !note_name_valid("a\n"));
	CHECK(!note_name_valid("\xc3\xa4") && !note_name_valid("\x7f"));
	strcpy(checkpoint.origin, "a b");
	CHECK(note_sign(&checkpoint, seed, text) == TSEC_ORIGIN_INVALID);
	CHECK(note_sign_text(text_of("x\n"), "", seed, key) == TSEC_ORIGIN_INVALID);
}

/* A stranger's note cannot make reading slow or long. */
static void
bounds(void)
{
	static char note[NOTE_READ_MAX + 200];
	Checkpoint checkpoint;
	size_t length = (size_t) snprintf(note, sizeof(note), "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n");
	size_t begin = length;

	for (int i = 0; i < NOTE_SIGNATURES_MAX; i++)
		length += (size_t) snprintf(note + length, sizeof(note) - length, MARK "b AAAAAAAA\n");
	CHECK(note_read(bytes_of(note, length), &checkpoint));
	length += (size_t) snprintf(note + length, sizeof(note) - length, MARK "b AAAAAAAA\n");
	CHECK(!note_read(bytes_of(note, length), &checkpoint));
	memset(note + begin - 1, 'x', sizeof(note) - begin + 1);
	note[NOTE_READ_MAX - 1] = '\n';
	CHECK(note_read(bytes_of(note, NOTE_READ_MAX), &checkpoint));
	note[NOTE_READ_MAX] = '\n';
	CHECK(!note_read(bytes_of(note, NOTE_READ_MAX + 1), &checkpoint));
}

static const UnitCase cases[] = {
	{"the published example, and RFC 8032's keys", published},
	{"checkpoints come back, with and without others' signatures", round_trip},
	{"no altered note verifies", alterations},
	{"what is not well formed is refused", malformed},
	{"names", names},
	{"bounds", bounds},
};

UNIT_MAIN(cases)
