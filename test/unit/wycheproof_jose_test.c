/*
 * wycheproof_jose_test.c
 *		The published Wycheproof cases for JSON Web Signatures and Keys.  The
 *		files are not part of the project: TWIN_SHARED_DATA names their folder;
 *		without them the cases are skipped.
 *
 * Each case we judge otherwise than the file is in the list below with its
 * reason, and the test fails when one of them is judged as the file does.
 */
#include "jose.h"

#include "common/jwt_key.h"

#include <jansson.h>
#include <unistd.h>

#define KEYS_MAX 4

typedef struct Difference
{
	long long number; /* tcId */
	const char *reason;
} Difference;

static const Difference signature_differences[] = {
	{346, "a key for PS256, a token of PS384: the key pins the algorithm"},
	{347, "alg ES521 is no algorithm of RFC 7518"},
	{350, "a key for PS256, a token of PS384: the key pins the algorithm"},
	{351, "alg ES521 is no algorithm of RFC 7518"},
	{367, "its text is that of case 357, which is valid"},
	{370, "its text is that of case 357, which is valid"},
	{372, "the header holds a character that is not base64url"},
	{373, "the payload holds a character that is not base64url"},
};

static const Difference key_differences[] = {
	{1, "a secret and a public key may stand side by side: each pins its algorithm, and the token names its key"},
};

typedef struct Tally
{
	long long all;
	long long valid;
	long long differs;
	long long keys_refused;
} Tally;

typedef struct KeySet
{
	Jwk keys[KEYS_MAX];
	int count;
	bool refused; /* one of them, or two have one name */
} KeySet;

static const char *
data_folder(void)
{
	const char *folder = getenv("TWIN_SHARED_DATA");

	return folder && *folder ? folder : "../shared/data";
}

/* The group about base64 uses a secret of zeroes, which is refused; its cases run on a key made without that check. */
static bool
make_zero_key(const json_t *jwk, Jwk *made)
{
	static const uint8_t zeroes[32];
	const char *secret = json_string_value(json_object_get(jwk, "k"));

	if (secret == NULL || strspn(secret, "A") != 43 || strlen(secret) != 43)
		return false;
	memset(made, 0, sizeof(*made));
	strcpy(made->kid, json_string_value(json_object_get(jwk, "kid")));
	made->algorithm = JWT_HS256;
	return CHECK(jwt_key_of_secret(JWT_HS256, bytes_of(zeroes, sizeof(zeroes)), &made->key) == TSEC_OK);
}

static void
add_key(KeySet *set, const json_t *jwk)
{
	char *text = json_dumps(jwk, JSON_COMPACT);
	Jwk *made = &set->keys[set->count];

	if (set->count == KEYS_MAX || (jwk_read(text, strlen(text), made) != TSEC_OK && !make_zero_key(jwk, made)))
		set->refused = true;
	else
		set->count++;
	for (int i = 0; i + 1 < set->count; i++)
		if (strcmp(set->keys[i].kid, set->keys[set->count - 1].kid) == 0)
			set->refused = true;
	free(text);
}

/* The keys of a group as an administrator would give them: the public ones, or the secrets. */
static void
read_keys(const json_t *group, KeySet *set)
{
	const json_t *given = json_object_get(group, "public");
	const json_t *list;
	const json_t *key;
	size_t i;

	memset(set, 0, sizeof(*set));
	if (given == NULL)
		given = json_object_get(group, "private");
	list = json_object_get(given, "keys");
	if (list == NULL)
		add_key(set, given);
	json_array_foreach((json_t *) list, i, key) add_key(set, key);
}

static bool
accepts(KeySet *set, const char *token)
{
	JwtParts parts;
	JwtHeader header;
	uint8_t payload[JWT_LENGTH_MAX];
	size_t length;
	bool accepted = false;

	if (set->refused || jwt_split(token, strlen(token), &parts) != TSEC_OK ||
		jwt_read_header(parts.header, &header) != TSEC_OK)
		return false;
	for (int i = 0; i < set->count; i++)
		if (strcmp(set->keys[i].kid, header.kid) == 0 && set->keys[i].algorithm == header.algorithm)
			accepted = jwt_verify(set->keys[i].key, &parts) == TSEC_OK &&
					   /* as claims_read() does, which wants JSON then */
					   decode_base64url((const char *) parts.payload.data, parts.payload.length, payload, &length) ==
						   TSEC_OK;
	return accepted;
}

static const char *
difference(long long number, const Difference *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (list[i].number == number)
			return list[i].reason;
	return NULL;
}

static void
run_file(const char *file, const Difference *list, size_t count, Tally *tally)
{
	char path[4096];
	json_error_t error;
	json_t *root;
	json_t *group;
	json_t *test;
	size_t g;
	size_t t;

	(void) snprintf(path, sizeof(path), "%s/wycheproof/%s", data_folder(), file);
	root = json_load_file(path, JSON_REJECT_DUPLICATES, &error);
	if (!CHECK(root != NULL, "%s:%d: %s", path, error.line, error.text))
		return;
	json_array_foreach(json_object_get(root, "testGroups"), g, group)
	{
		KeySet set;

		read_keys(group, &set);
		json_array_foreach(json_object_get(group, "tests"), t, test)
		{
			long long number = json_integer_value(json_object_get(test, "tcId"));
			const char *token = json_string_value(json_object_get(test, "jws"));
			bool valid = strcmp(json_string_value(json_object_get(test, "result")), "valid") == 0;
			bool accepted = accepts(&set, token);
			const char *reason = difference(number, list, count);

			tally->all++;
			tally->valid += accepted;
			tally->differs += accepted != valid;
			tally->keys_refused += set.refused;
			CHECK((accepted == valid) == (reason == NULL), "case %lld: %s, the file says %s; %s", number,
				  accepted ? "accepted" : "refused", valid ? "valid" : "invalid",
				  reason ? reason : "no reason known");
		}
		for (int i = 0; i < set.count; i++)
			jwk_free(&set.keys[i]);
	}
	CHECK(tally->all == json_integer_value(json_object_get(root, "numberOfTests")), "%lld", tally->all);
	json_decref(root);
}

static void
signatures(void)
{
	Tally tally = {0};

	run_file("json_web_signature_test.json", signature_differences,
			 sizeof(signature_differences) / sizeof(signature_differences[0]), &tally);
	printf("# %lld cases: %lld accepted, %lld judged otherwise, %lld refused because of the key\n", tally.all,
		   tally.valid, tally.differs, tally.keys_refused);
	CHECK(tally.all == 401 && tally.differs == 8, "%lld, %lld", tally.all, tally.differs);
}

static void
keys(void)
{
	Tally tally = {0};

	run_file("json_web_key_test.json", key_differences, sizeof(key_differences) / sizeof(key_differences[0]), &tally);
	printf("# %lld cases: %lld accepted, %lld judged otherwise, %lld refused because of the key\n", tally.all,
		   tally.valid, tally.differs, tally.keys_refused);
	CHECK(tally.all == 26 && tally.differs == 1, "%lld, %lld", tally.all, tally.differs);
}

static const UnitCase cases[] = {
	{"Wycheproof JSON Web Signature: 401 cases, 8 judged otherwise with a reason", signatures},
	{"Wycheproof JSON Web Key: 26 cases, 1 judged otherwise with a reason", keys},
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
