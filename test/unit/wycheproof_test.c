/*
 * wycheproof_test.c
 *		The published Wycheproof cases through src/common.  The files are not
 *		part of the project: TWIN_SHARED_DATA names their folder, by default
 *		../shared/data from the root; without them the cases are skipped.
 */
#include "unit.h"

#include "common/aead.h"
#include "common/digest.h"
#include "common/secret.h"

#include <jansson.h>
#include <unistd.h>

#define NOT_WIPED 0xa5

/* One case of a file with its group. */
typedef struct Vector
{
	json_t *group;
	json_t *test;
	long long number; /* tcId */
	bool valid;
} Vector;

/* Counts of what was run and of what had to be refused. */
typedef struct Tally
{
	long long all;
	long long run;
	long long refused;
} Tally;

static uint8_t *
field(const Vector *vector, const char *name, size_t *length)
{
	const char *hex = json_string_value(json_object_get(vector->test, name));

	CHECK(hex != NULL, "case %lld has no %s", vector->number, name);
	return unit_hex(hex ? hex : "", length);
}

static long long
group_number(const Vector *vector, const char *name)
{
	return json_integer_value(json_object_get(vector->group, name));
}

static const char *
data_folder(void)
{
	const char *folder = getenv("TWIN_SHARED_DATA");

	return folder && *folder ? folder : "../shared/data";
}

/* Calls run for every case of a file. */
static void
each_vector(const char *file, bool (*run)(const Vector *vector), Tally *tally)
{
	char path[4096];
	size_t g;
	size_t t;
	json_error_t error;
	json_t *root;
	Vector vector;

	(void) snprintf(path, sizeof(path), "%s/wycheproof/%s", data_folder(), file);
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!CHECK(root != NULL, "%s:%d: %s", path, error.line, error.text))
		return;
	json_array_foreach(json_object_get(root, "testGroups"), g, vector.group)
	{
		json_array_foreach(json_object_get(vector.group, "tests"), t, vector.test)
		{
			const char *result = json_string_value(json_object_get(vector.test, "result"));

			vector.number = json_integer_value(json_object_get(vector.test, "tcId"));
			vector.valid = result != NULL && strcmp(result, "valid") == 0;
			CHECK(vector.valid || (result != NULL && strcmp(result, "invalid") == 0), "case %lld", vector.number);
			tally->all++;
			if (!run(&vector))
				continue;
			tally->run++;
			tally->refused += !vector.valid;
		}
	}
	CHECK(tally->all == json_integer_value(json_object_get(root, "numberOfTests")), "%lld", tally->all);
	json_decref(root);
}

/* Only what aead.h takes: 256-bit keys, 96-bit nonces, 128-bit tags. */
static bool
run_gcm(const Vector *vector)
{
	size_t key_length;
	size_t nonce_length;
	size_t associated_length;
	size_t plain_length;
	size_t cipher_length;
	size_t tag_length;
	uint8_t *key;
	uint8_t *nonce;
	uint8_t *associated;
	uint8_t *plain;
	uint8_t *cipher;
	uint8_t *tag;
	uint8_t *output;
	uint8_t made_tag[AEAD_TAG_SIZE];
	AeadKey *made = NULL;
	Status status;

	if (group_number(vector, "keySize") != AEAD_KEY_SIZE * 8 ||
		group_number(vector, "ivSize") != AEAD_NONCE_SIZE * 8 || group_number(vector, "tagSize") != AEAD_TAG_SIZE * 8)
		return false;
	key = field(vector, "key", &key_length);
	nonce = field(vector, "iv", &nonce_length);
	associated = field(vector, "aad", &associated_length);
	plain = field(vector, "msg", &plain_length);
	cipher = field(vector, "ct", &cipher_length);
	tag = field(vector, "tag", &tag_length);
	output = unit_memory(cipher_length);

	if (CHECK(key_length == AEAD_KEY_SIZE && nonce_length == AEAD_NONCE_SIZE && tag_length == AEAD_TAG_SIZE) &&
		CHECK(aead_new(key, &made) == TSEC_OK))
	{
		memset(output, NOT_WIPED, cipher_length);
		status = aead_open(made, nonce, bytes_of(associated, associated_length), bytes_of(cipher, cipher_length), tag,
						   output);
		CHECK(status == (vector->valid ? TSEC_OK : TSEC_INTEGRITY), "case %lld", vector->number);
		if (vector->valid)
		{
			CHECK(plain_length == cipher_length && memcmp(output, plain, plain_length) == 0, "case %lld",
				  vector->number);
			CHECK(aead_seal(made, nonce, bytes_of(associated, associated_length), bytes_of(plain, plain_length),
							output, made_tag) == TSEC_OK,
				  "case %lld", vector->number);
			CHECK(memcmp(output, cipher, cipher_length) == 0 && memcmp(made_tag, tag, AEAD_TAG_SIZE) == 0,
				  "case %lld", vector->number);
		}
		else
			CHECK(unit_is_filled(output, cipher_length, 0), "case %lld is not wiped", vector->number);
	}
	aead_free(made);
	free(key);
	free(nonce);
	free(associated);
	free(plain);
	free(cipher);
	free(tag);
	free(output);
	return true;
}

/* A shorter tag is compared with the beginning of ours. */
static bool
run_hmac(const Vector *vector)
{
	size_t key_length;
	size_t message_length;
	size_t tag_length;
	uint8_t *key = field(vector, "key", &key_length);
	uint8_t *message = field(vector, "msg", &message_length);
	uint8_t *tag = field(vector, "tag", &tag_length);
	uint8_t digest[DIGEST_SIZE];
	HmacKey *made = NULL;

	CHECK((long long) tag_length * 8 == group_number(vector, "tagSize") && tag_length <= DIGEST_SIZE, "case %lld",
		  vector->number);
	if (CHECK(hmac_new(bytes_of(key, key_length), &made) == TSEC_OK, "case %lld", vector->number))
	{
		CHECK(hmac_sha256(made, bytes_of(message, message_length), digest) == TSEC_OK, "case %lld", vector->number);
		CHECK(secret_equal(digest, tag, tag_length) == vector->valid, "case %lld", vector->number);
	}
	hmac_free(made);
	free(key);
	free(message);
	free(tag);
	return true;
}

static void
aes_gcm(void)
{
	Tally tally = {0};

	each_vector("aes_gcm_test.json", run_gcm, &tally);
	CHECK(tally.run == 66, "%lld", tally.run);
	CHECK(tally.refused == 27, "%lld", tally.refused);
}

static void
hmac_sha256_cases(void)
{
	Tally tally = {0};

	each_vector("hmac_sha256_test.json", run_hmac, &tally);
	CHECK(tally.run == 174, "%lld", tally.run);
	CHECK(tally.refused == 108, "%lld", tally.refused);
}

static const UnitCase cases[] = {
	{"Wycheproof AES-GCM: 66 cases, 27 of them refused", aes_gcm},
	{"Wycheproof HMAC-SHA256: 174 cases, 108 of them refused", hmac_sha256_cases},
};

int
main(void)
{
	char folder[4096];

	(void) snprintf(folder, sizeof(folder), "%s/wycheproof", data_folder());
	if (access(folder, X_OK) != 0)
	{
		printf("1..0 # SKIP no folder %s; set TWIN_SHARED_DATA to the one that holds wycheproof/\n", folder);
		return 0;
	}
	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
