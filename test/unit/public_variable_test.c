/*
 * public_variable_test.c
 *		Which variables of the environment may be shown: names, lists, values.
 */
#include "unit.h"

#include "common/encode.h"
#include "common/public_variable.h"

/* A copy of exactly its size, so that the sanitizer sees the first byte beyond it. */
static Bytes
copy_of(const char *text)
{
	size_t length = strlen(text);
	uint8_t *copy = unit_memory(length);

	if (length > 0)
		memcpy(copy, text, length);
	return bytes_of(copy, length);
}

static PublicVariable
judge_name(const char *name)
{
	Bytes copy = copy_of(name);
	PublicVariable answer = public_variable_name(copy);

	free((void *) copy.data);
	return answer;
}

static void
test_names(void)
{
	static const char *const good[] = {
		"A", "_", "CORS_ALLOWED_ORIGINS", "JWT_ACCESS_TOKEN_EXPIRES", "LOG_LEVEL", "site_name2", "LC_ALL", "TZ"};
	static const char *const malformed[] = {"",    "1A",  "A B",      "A=B", "A-B",   "A.B", " A",  "A ",
											"A,B", "A\n", "\xc3\x84", "$A",  "A\x01", "'A'", "A;B", "../A"};
	char name[PUBLIC_VARIABLE_NAME_MAX + 2] = {0};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(judge_name(good[i]) == PUBLIC_VARIABLE_GOOD, "%s", good[i]);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		CHECK(judge_name(malformed[i]) == PUBLIC_VARIABLE_MALFORMED, "%s", malformed[i]);
	memset(name, 'A', PUBLIC_VARIABLE_NAME_MAX);
	CHECK(judge_name(name) == PUBLIC_VARIABLE_GOOD);
	name[PUBLIC_VARIABLE_NAME_MAX] = 'A';
	CHECK(judge_name(name) == PUBLIC_VARIABLE_MALFORMED);
}

/* Every variable that a key comes by, here and in what stands around a server. */
static void
test_secret_names(void)
{
	static const char *const secret[] = {"ENCRYPTION_KEY",
										 "ENCRYPTION_KEY_PREVIOUS",
										 "JWT_SECRET_KEY",
										 "JWT_SECRET_KEY_PREVIOUS",
										 "JWT_SECRET",
										 "PGPASSWORD",
										 "PGPASSFILE",
										 "PGSSLKEY",
										 "POSTGRES_PASSWORD",
										 "AWS_SECRET_ACCESS_KEY",
										 "AWS_SESSION_TOKEN",
										 "VAULT_TOKEN",
										 "API_KEY",
										 "apikey",
										 "A_P_I_K_E_Y",
										 "Api_Pass_word",
										 "GOOGLE_APPLICATION_CREDENTIALS",
										 "SMTP_PWD",
										 "BASIC_AUTH",
										 "PRIVATE_PEM",
										 "HASH_SALT",
										 "RANDOM_SEED",
										 "JWK_SET",
										 "JWT_ACCESS_TOKEN_EXPIRES_",
										 "XJWT_ACCESS_TOKEN_EXPIRES",
										 "jwt_access_token_expires"};

	for (size_t i = 0; i < sizeof(secret) / sizeof(secret[0]); i++)
		CHECK(judge_name(secret[i]) == PUBLIC_VARIABLE_SECRET, "%s", secret[i]);
}

/* Judges a list; what is to blame is copied. */
static PublicVariable
judge_list(const char *list, char *culprit)
{
	Bytes copy = copy_of(list);
	Bytes blamed = {NULL, 0};
	PublicVariable answer = public_variable_list(copy, &blamed);

	if (answer != PUBLIC_VARIABLE_GOOD)
		(void) snprintf(culprit, 128, "%.*s", (int) blamed.length, (const char *) blamed.data);
	free((void *) copy.data);
	return answer;
}

static bool
is_listed(const char *list, const char *name)
{
	Bytes copy = copy_of(list);
	Bytes wanted = copy_of(name);
	bool answer = public_variable_listed(copy, wanted);

	free((void *) copy.data);
	free((void *) wanted.data);
	return answer;
}

static void
test_lists(void)
{
	static const char *const good[] = {"", " ", "A", "A,B", " A , B\t,C ", "A,A"};
	static const char *const malformed[] = {",", "A,", ",A", "A,,B", "A B", "A;B", "*", "A,1B"};
	char culprit[128];
	char many[2 * (PUBLIC_VARIABLE_NAMES_MAX + 1) + 1];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(judge_list(good[i], culprit) == PUBLIC_VARIABLE_GOOD, "\"%s\"", good[i]);
	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		CHECK(judge_list(malformed[i], culprit) == PUBLIC_VARIABLE_MALFORMED, "\"%s\"", malformed[i]);
	CHECK(judge_list("TZ, ENCRYPTION_KEY ,SITE", culprit) == PUBLIC_VARIABLE_SECRET &&
			  strcmp(culprit, "ENCRYPTION_KEY") == 0,
		  "%s", culprit); /* public: a name */
	for (size_t i = 0; i < sizeof(many) - 1; i++)
		many[i] = i % 2 == 0 ? 'A' : ',';
	many[2 * PUBLIC_VARIABLE_NAMES_MAX - 1] = '\0';
	CHECK(judge_list(many, culprit) == PUBLIC_VARIABLE_GOOD);
	many[2 * PUBLIC_VARIABLE_NAMES_MAX - 1] = ',';
	many[2 * PUBLIC_VARIABLE_NAMES_MAX + 1] = '\0';
	CHECK(judge_list(many, culprit) == PUBLIC_VARIABLE_MALFORMED);
}

static void
test_listed(void)
{
	CHECK(is_listed("A", "A"));
	CHECK(is_listed("A, B ,C", "B"));
	CHECK(is_listed("A,B", "B"));
	CHECK(!is_listed("A,B", "a"));
	CHECK(!is_listed("AB", "A"));
	CHECK(!is_listed("A", "AB"));
	CHECK(!is_listed("A B", "A"));
	CHECK(!is_listed("", ""));
	CHECK(!is_listed(",,", ""));
	CHECK(!is_listed("", "A"));
}

static bool
looks_secret(const char *value)
{
	Bytes copy = copy_of(value);
	bool answer = public_variable_looks_secret(copy);

	free((void *) copy.data);
	return answer;
}

static void
test_values(void)
{
	static const char *const plain[] = {"",
										"3600",
										"https://twin.example, https://console.twin.example:8443",
										"/var/lib/postgresql/15/main/Archive2026/Exports/Monthly",
										"en_US.UTF-8",
										"6ba7b810-9dad-11d1-80b4-00c04fd430c8",
										"postgresql://reader@db.example:5432/twin",
										"The quick brown fox jumps over the lazy dog 1 2 3",
										"this-is-a-name-with-dashes-and-a-Number-1-in-it-and-more",
										"0000000000000000000000000000000"};

	for (size_t i = 0; i < sizeof(plain) / sizeof(plain[0]); i++)
		CHECK(!looks_secret(plain[i]), "%s", plain[i]);
}

/* Made here: the tree holds none. */
static void
test_secret_values(void)
{
	uint8_t key[32];
	char text[256];
	char base64[64];

	for (unsigned round = 0; round < 200; round++)
	{
		uint32_t state = round * 2654435761u + 1;

		for (size_t i = 0; i < sizeof(key); i++)
		{
			state = state * 1664525u + 1013904223u;
			key[i] = (uint8_t) (state >> 24);
		}
		encode_base64(key, sizeof(key), base64);
		base64[44] = '\0';
		CHECK(looks_secret(base64), "%s", base64);
		(void) snprintf(text, sizeof(text), "site=one;k=%s.", base64);
		CHECK(looks_secret(text), "%s", text);
		for (size_t i = 0; i < sizeof(key); i++)
			(void) snprintf(text + 2 * i, 3, round % 2 == 0 ? "%02x" : "%02X", key[i]);
		CHECK(looks_secret(text), "%s", text);
		text[32] = '\0';
		CHECK(looks_secret(text), "%s", text);
	}
	CHECK(looks_secret("postgresql://reader:"
					   "hunter@db.example/twin"));
	CHECK(looks_secret("eyJhbGciOiJIUzI1NiJ9."
					   "eyJzdWIiOiJhIn0.c2lnbmF0dXJl"));
	CHECK(looks_secret("$2b$12$"
					   "........................................................"));
	CHECK(looks_secret("-----BEGIN "
					   "PRIVATE KEY-----\nMC4CAQAw\n-----END PRIVATE KEY-----"));
}

static const UnitCase cases[] = {
	{"names", test_names},
	{"names that speak of a secret", test_secret_names},
	{"lists of names", test_lists},
	{"what stands in a list", test_listed},
	{"values that are none", test_values},
	{"values that look like a secret", test_secret_values},
};

UNIT_MAIN(cases)
