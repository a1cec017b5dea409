/*
 * claims_test.c
 *		What a token may say: every check of the claims, each with the refusal of
 *		its own, under the rules of our own keys and of an outside issuer's.
 */
#include "jose.h"

#include "common/claims.h"

#include <jansson.h>

#define NOW 1700000000

static Status
check(const ClaimRules *rules, const char *payload, Claims *claims)
{
	size_t length = strlen(payload);
	char *segment = unit_memory(2 * length + 10);
	Status status;

	segment[0] = '\0';
	jose_append(segment, payload, length);
	status = claims_read(bytes_of(segment, strlen(segment)), claims);
	free(segment);
	return status == TSEC_OK ? claims_check(rules, NOW, claims) : status;
}

/* A payload of good claims with one member put in the place of another; NULL takes it away. */
static char *
with(const char *base, const char *name, const char *value)
{
	json_t *root = json_loads(base, 0, NULL);
	char *text;
	char *result;

	(void) json_object_del(root, name);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	result = unit_memory(strlen(text) + strlen(name) + (value ? strlen(value) : 0) + 10);
	if (value == NULL)
		strcpy(result, text);
	else
		(void) sprintf(result, "{\"%s\":%s%s%s", name, value, text[1] == '}' ? "" : ",", text + 1);
	free(text);
	return result;
}

typedef struct Row
{
	const char *name;
	const char *value; /* NULL: absent */
	Status status;
} Row;

static void
check_rows(const ClaimRules *rules, const char *base, const Row *rows, size_t count)
{
	Claims claims;

	CHECK(check(rules, base, &claims) == TSEC_OK, "%s", base);
	claims_free(&claims);
	for (size_t i = 0; i < count; i++)
	{
		char *payload = with(base, rows[i].name, rows[i].value);
		Status status = check(rules, payload, &claims);

		CHECK(status == rows[i].status, "%s: %s", payload, status_info(status)->name);
		claims_free(&claims);
		free(payload);
	}
}

static ClaimMap *
map_of(const char *text)
{
	ClaimMap *map = NULL;

	if (claim_map_read(text, strlen(text), &map) != TSEC_OK)
		abort();
	return map;
}

/* Rows that hold for any rules. */
#define TIMES                                                                                                        \
	{"exp", "null", TSEC_TOKEN_CLAIM_TYPE}, {"exp", "\"1700000060\"", TSEC_TOKEN_CLAIM_TYPE},                        \
		{"exp", "1700000060.0", TSEC_TOKEN_CLAIM_TYPE}, {"exp", "1.70000006e9", TSEC_TOKEN_CLAIM_TYPE},              \
		{"exp", "-0", TSEC_TOKEN_CLAIM_TYPE}, {"exp", "0", TSEC_TOKEN_CLAIM_TYPE},                                   \
		{"exp", "-1", TSEC_TOKEN_CLAIM_TYPE}, {"exp", "true", TSEC_TOKEN_CLAIM_TYPE},                                \
		{"exp", "[1700000060]", TSEC_TOKEN_CLAIM_TYPE}, {"exp", "253402300800", TSEC_TOKEN_CLAIM_TYPE},              \
		{"exp", "9223372036854775807", TSEC_TOKEN_CLAIM_TYPE}, {"exp", "9223372036854775808", TSEC_TOKEN_MALFORMED}, \
		{"exp", "1e999", TSEC_TOKEN_MALFORMED}, {"exp", "017", TSEC_TOKEN_MALFORMED},                                \
		{"exp", "0x10", TSEC_TOKEN_MALFORMED}, {"exp", "1700000000", TSEC_TOKEN_EXPIRED},                            \
		{"exp", "1700000001", TSEC_OK}, {"exp", "1", TSEC_TOKEN_EXPIRED}, {"iat", "\"1\"", TSEC_TOKEN_CLAIM_TYPE},   \
		{"iat", "1.5", TSEC_TOKEN_CLAIM_TYPE}, {"iat", "null", TSEC_TOKEN_CLAIM_TYPE},                               \
		{"iat", "1700000001", TSEC_OK}, {"iat", "1700000002", TSEC_TOKEN_EARLY}, {"nbf", "1700000000", TSEC_OK},     \
		{"nbf", "1700000001", TSEC_TOKEN_EARLY}, {"nbf", "\"x\"", TSEC_TOKEN_CLAIM_TYPE},                            \
		{"nbf", "1.5", TSEC_TOKEN_CLAIM_TYPE}, {"jti", "7", TSEC_TOKEN_CLAIM_TYPE},                                  \
		{"jti", "\"\"", TSEC_TOKEN_CLAIM_TYPE}, {"jti", "null", TSEC_TOKEN_CLAIM_TYPE},                              \
		{"sid", "7", TSEC_TOKEN_CLAIM_TYPE}, {"sid", "\"\"", TSEC_TOKEN_CLAIM_TYPE},                                 \
		{"sid", "[]", TSEC_TOKEN_CLAIM_TYPE}, {"iss", "7", TSEC_TOKEN_CLAIM_TYPE},                                   \
		{"iss", "[\"us\"]", TSEC_TOKEN_CLAIM_TYPE}, {"iss", "null", TSEC_TOKEN_CLAIM_TYPE},                          \
		{"aud", "7", TSEC_TOKEN_CLAIM_TYPE}, {"aud", "null", TSEC_TOKEN_CLAIM_TYPE},                                 \
		{"aud", "[\"us\",7]", TSEC_TOKEN_CLAIM_TYPE}, {"aud", "{\"us\":1}", TSEC_TOKEN_CLAIM_TYPE},                  \
	{                                                                                                                \
		"aud", "[[\"us\"]]", TSEC_TOKEN_CLAIM_TYPE                                                                   \
	}

static void
own_tokens(void)
{
	static const char base[] =
		"{\"user_id\":\"7\",\"role\":\"viewer\",\"tenant_id\":3,\"iat\":1700000000,\"exp\":1700000060,"
		"\"jti\":\"j\",\"iss\":\"us\",\"aud\":\"us\",\"typ\":\"access\",\"sid\":\"s\"}";
	static const Row rows[] = {
		TIMES,
		{"exp", NULL, TSEC_TOKEN_CLAIM_MISSING},
		{"iat", NULL, TSEC_TOKEN_CLAIM_MISSING},
		{"jti", NULL, TSEC_TOKEN_CLAIM_MISSING},
		{"iss", NULL, TSEC_TOKEN_ISSUER},
		{"aud", NULL, TSEC_TOKEN_AUDIENCE},
		{"typ", NULL, TSEC_TOKEN_TYPE},
		{"sid", NULL, TSEC_OK},
		{"role", NULL, TSEC_OK},
		{"user_id", NULL, TSEC_OK},
		{"tenant_id", NULL, TSEC_OK},
		{"iss", "\"them\"", TSEC_TOKEN_ISSUER},
		{"iss", "\"u\"", TSEC_TOKEN_ISSUER},
		{"iss", "\"us \"", TSEC_TOKEN_ISSUER},
		{"aud", "\"them\"", TSEC_TOKEN_AUDIENCE},
		{"aud", "[]", TSEC_TOKEN_AUDIENCE},
		{"aud", "[\"them\",\"us\"]", TSEC_OK},
		{"typ", "\"refresh\"", TSEC_TOKEN_TYPE},
		{"typ", "\"Access\"", TSEC_TOKEN_TYPE},
		{"typ", "\"Bearer\"", TSEC_TOKEN_TYPE},
		{"typ", "[\"access\"]", TSEC_TOKEN_TYPE},
		{"exp", "1700003601", TSEC_TOKEN_LIFETIME},
		{"exp", "1700003600", TSEC_OK},
		{"iat", "1", TSEC_TOKEN_LIFETIME},
		{"role", "7", TSEC_TOKEN_CLAIM_TYPE},
		{"role", "\"\"", TSEC_TOKEN_CLAIM_TYPE},
		{"role", "null", TSEC_TOKEN_CLAIM_TYPE},
		{"role", "[\"viewer\"]", TSEC_TOKEN_CLAIM_TYPE},
		{"role", "\"0123456789012345678901234567890123456789012345678901234567890123\"", TSEC_TOKEN_CLAIM_TYPE},
		{"user_id", "true", TSEC_TOKEN_CLAIM_TYPE},
		{"user_id", "{}", TSEC_TOKEN_CLAIM_TYPE},
		{"user_id", "1.5", TSEC_TOKEN_CLAIM_TYPE},
		{"user_id", "\"\"", TSEC_TOKEN_CLAIM_TYPE},
		{"user_id", "null", TSEC_TOKEN_CLAIM_TYPE},
		{"tenant_id", "\"3\"", TSEC_OK},
		{"tenant_id", "null", TSEC_OK},
		{"tenant_id", "0", TSEC_TOKEN_CLAIM_TYPE},
		{"tenant_id", "-3", TSEC_TOKEN_CLAIM_TYPE},
		{"tenant_id", "3.0", TSEC_TOKEN_CLAIM_TYPE},
		{"tenant_id", "\"03\"", TSEC_TOKEN_CLAIM_TYPE},
		{"tenant_id", "\"9223372036854775808\"", TSEC_TOKEN_CLAIM_TYPE},
		{"tenant_id", "[3]", TSEC_TOKEN_CLAIM_TYPE},
	};
	ClaimMap *map = map_of("{\"user\":\"user_id\"}");
	ClaimRules rules = {map, "us", "us", 3600, 0, CLAIM_TYPE_ACCESS, true};
	Claims claims;

	check_rows(&rules, base, rows, sizeof(rows) / sizeof(rows[0]));
	CHECK(check(&rules, base, &claims) == TSEC_OK);
	CHECK(strcmp(claims.user, "7") == 0 && claims.has_user_id && claims.user_id == 7 &&
		  strcmp(claims.role, "viewer") == 0 && claims.has_tenant && claims.tenant_id == 3 &&
		  strcmp(claims.session, "s") == 0 && strcmp(claims.token_id, "j") == 0 && claims.issued_at == NOW &&
		  claims.expires_at == NOW + 60);
	claims_free(&claims);
	claims_free(&claims);
	rules.type = CLAIM_TYPE_REFRESH;
	CHECK(check(&rules, base, &claims) == TSEC_TOKEN_TYPE);
	claims_free(&claims);
	claim_map_free(map);
}

static void
outside_tokens(void)
{
	static const char base[] =
		"{\"sub\":\"abc\",\"realm\":{\"roles\":[\"offline\",\"viewer\",\"operator\"]},\"https://us/t\":\"5\","
		"\"iat\":1700000000,\"exp\":1700000060}";
	static const Row rows[] = {
		TIMES,
		{"exp", NULL, TSEC_TOKEN_CLAIM_MISSING},
		{"iat", NULL, TSEC_OK},
		{"jti", NULL, TSEC_OK},
		{"iss", "\"anybody\"", TSEC_OK},
		{"aud", "\"anybody\"", TSEC_OK},
		{"aud", "[]", TSEC_OK},
		{"typ", "\"Bearer\"", TSEC_OK},
		{"typ", "\"access\"", TSEC_OK},
		{"typ", "\"at+jwt\"", TSEC_OK},
		{"typ", "\"refresh\"", TSEC_TOKEN_TYPE},
		{"typ", "\"Refresh\"", TSEC_TOKEN_TYPE},
		{"typ", "\"Offline\"", TSEC_TOKEN_TYPE},
		{"typ", "\"ID\"", TSEC_TOKEN_TYPE},
		{"typ", "null", TSEC_TOKEN_TYPE},
		{"typ", "7", TSEC_TOKEN_TYPE},
		{"sub", NULL, TSEC_TOKEN_CLAIM_MISSING},
		{"sub", "null", TSEC_TOKEN_CLAIM_TYPE},
		{"sub", "42", TSEC_OK},
		{"realm", "{\"roles\":[\"admin\"]}", TSEC_TOKEN_ROLE},
		{"realm", "{\"roles\":[]}", TSEC_TOKEN_ROLE},
		{"realm", "{\"roles\":\"viewer\"}", TSEC_OK},
		{"realm", "{\"roles\":\"admin\"}", TSEC_TOKEN_ROLE},
		{"realm", "{\"roles\":\"Viewer\"}", TSEC_TOKEN_ROLE},
		{"realm", "{\"roles\":[\"viewer\",7]}", TSEC_TOKEN_CLAIM_TYPE},
		{"realm", "{\"roles\":[[\"viewer\"]]}", TSEC_TOKEN_CLAIM_TYPE},
		{"realm", "{\"roles\":null}", TSEC_TOKEN_CLAIM_TYPE},
		{"realm", "[\"roles\"]", TSEC_OK},
		{"realm", NULL, TSEC_OK},
		{"exp", "1700003601", TSEC_TOKEN_LIFETIME},
	};
	ClaimMap *map =
		map_of("{\"role\":[\"realm\",\"roles\"],\"tenant\":\"https://us/t\",\"roles\":[\"operator\",\"viewer\"],"
			   "\"require\":[\"exp\",\"sub\"]}");
	ClaimRules rules = {map, NULL, NULL, 3600, 0, CLAIM_TYPE_OUTSIDE, false};
	char *long_lived = with("{\"sub\":\"a\"}", "exp", "1700003601");
	Claims claims;

	check_rows(&rules, base, rows, sizeof(rows) / sizeof(rows[0]));
	CHECK(check(&rules, base, &claims) == TSEC_OK);
	CHECK(strcmp(claims.role, "operator") == 0, "the first of the key's list, not of the token");
	CHECK(!claims.has_user_id && strcmp(claims.user, "abc") == 0 && claims.tenant_id == 5);
	claims_free(&claims);
	/* without iat the time from now on counts */
	CHECK(check(&rules, long_lived, &claims) == TSEC_TOKEN_LIFETIME);
	claims_free(&claims);
	free(long_lived);
	rules.leeway = 10;
	CHECK(check(&rules, "{\"sub\":\"a\",\"exp\":1699999991}", &claims) == TSEC_OK);
	claims_free(&claims);
	CHECK(check(&rules, "{\"sub\":\"a\",\"exp\":1699999990}", &claims) == TSEC_TOKEN_EXPIRED);
	claims_free(&claims);
	CHECK(check(&rules, "{\"sub\":\"a\",\"exp\":1700000100,\"nbf\":1700000010}", &claims) == TSEC_OK);
	claims_free(&claims);
	CHECK(check(&rules, "{\"sub\":\"a\",\"exp\":1700000100,\"nbf\":1700000011}", &claims) == TSEC_TOKEN_EARLY);
	claims_free(&claims);
	CHECK(check(&rules, "{\"sub\":\"a\",\"exp\":1700000100,\"iat\":1700000012}", &claims) == TSEC_TOKEN_EARLY);
	claims_free(&claims);
	claim_map_free(map);
}

/* Expiry is judged last: a token that is expired and also wrong is said to be wrong. */
static void
order(void)
{
	ClaimMap *map = map_of("{\"roles\":[\"viewer\"]}");
	ClaimRules rules = {map, "us", "us", 3600, 0, CLAIM_TYPE_OUTSIDE, false};
	Claims claims;

	CHECK(check(&rules, "{\"exp\":1,\"iss\":\"them\",\"aud\":\"us\"}", &claims) == TSEC_TOKEN_ISSUER);
	claims_free(&claims);
	CHECK(check(&rules, "{\"exp\":1,\"iss\":\"us\",\"aud\":\"us\",\"role\":\"admin\"}", &claims) == TSEC_TOKEN_ROLE);
	claims_free(&claims);
	CHECK(check(&rules, "{\"exp\":1,\"iss\":\"us\",\"aud\":\"us\",\"jti\":\"j\"}", &claims) == TSEC_TOKEN_EXPIRED);
	CHECK(claims.token_id != NULL && claims.expires_at == 1, "all is known of an expired one");
	claims_free(&claims);
	claim_map_free(map);
}

static void
maps(void)
{
	static const char *const refused[] = {
		"",
		"[]",
		"null",
		"{",
		"{\"usr\":\"a\"}",
		"{\"\":\"a\"}",
		"{\"user\":\"a\",\"user\":\"a\"}",
		"{\"user\":\"\"}",
		"{\"user\":7}",
		"{\"user\":{}}",
		"{\"user\":[]}",
		"{\"user\":[\"\"]}",
		"{\"user\":[7]}",
		"{\"user\":[[\"a\"]]}",
		"{\"user\":[\"a\",\"b\",\"c\",\"d\",\"e\"]}",
		"{\"user\":\"a\\u0000b\"}",
		"{\"role_is\":\"Twin\"}",
		"{\"role_is\":null}",
		"{\"roles\":null}",
		"{\"roles\":\"a\"}",
		"{\"roles\":[\"\"]}",
		"{\"roles\":[null]}",
		"{\"roles\":[\"0123456789012345678901234567890123456789012345678901234567890123\"]}",
		"{\"require\":null}",
		"{\"require\":{\"exp\":true}}",
		"{\"require\":[\"1\",\"2\",\"3\",\"4\",\"5\",\"6\",\"7\",\"8\",\"9\",\"10\",\"11\",\"12\",\"13\",\"14\","
		"\"15\",\"16\",\"17\"]}",
		"{\"leeway\":-1}",
		"{\"leeway\":301}",
		"{\"leeway\":4294967297}",
		"{\"leeway\":1.0}",
		"{\"leeway\":\"1\"}",
		"{\"leeway\":null}",
	};
	ClaimMap *map = NULL;
	char *many = unit_memory(2000);

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		CHECK(claim_map_read(refused[i], strlen(refused[i]), &map) == TSEC_CLAIM_MAP && map == NULL, "%s",
			  refused[i]);

	for (int count = CLAIM_ROLES_MAX; count <= CLAIM_ROLES_MAX + 1; count++)
	{
		strcpy(many, "{\"roles\":[");
		for (int i = 0; i < count; i++)
			(void) sprintf(many + strlen(many), "%s\"r%d\"", i ? "," : "", i);
		strcat(many, "]}");
		CHECK(claim_map_read(many, strlen(many), &map) == (count <= CLAIM_ROLES_MAX ? TSEC_OK : TSEC_CLAIM_MAP));
	}
	CHECK(map != NULL && map->role_count == CLAIM_ROLES_MAX);
	claim_map_free(map);
	free(many);

	map = map_of("{}");
	CHECK(map->user.count == 1 && strcmp(map->user.names[0], "sub") == 0 && strcmp(map->role.names[0], "role") == 0 &&
		  strcmp(map->tenant.names[0], "tenant_id") == 0 && map->needs_expiry && !map->role_is_database &&
		  !map->lists_roles && map->leeway == -1);
	claim_map_free(map);
	map = map_of("{\"role_is\":\"database\",\"require\":[\"sub\"],\"user\":null,\"leeway\":0,\"roles\":[]}");
	CHECK(map->user.count == 0 && !map->needs_expiry && map->role_is_database && map->lists_roles &&
		  map->leeway == 0);
	claim_map_free(map);
	claim_map_free(NULL);
}

static void
ids(void)
{
	static const struct
	{
		const char *text;
		int64_t id; /* 0: none */
	} rows[] = {
		{"1", 1},   {"42", 42},      {"9223372036854775807", INT64_MAX},
		{"0", 0},   {"", 0},         {"9223372036854775808", 0},
		{"01", 0},  {"-1", 0},       {"+1", 0},
		{" 1", 0},  {"1 ", 0},       {"1.0", 0},
		{"1e3", 0}, {"a", 0},        {"99999999999999999999", 0},
		{"0x1", 0}, {"\xd9\xa1", 0},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		int64_t id = 0;

		CHECK(claims_read_id(rows[i].text, strlen(rows[i].text), &id) == (rows[i].id != 0) && id == rows[i].id, "%s",
			  rows[i].text);
	}
}

static void
payloads(void)
{
	static const char *const malformed[] = {"",
											"[]",
											"null",
											"7",
											"\"a\"",
											"{",
											"{}{}",
											"{\"a\":1,\"a\":1}",
											"{\"a\":{\"b\":1,\"b\":1}}",
											"{\"a\":\"\\u0000\"}",
											"{\"a\":\"\xff\"}",
											"{\"a\":\"\\ud800\"}",
											"{a:1}",
											"{\"a\":NaN}",
											"{\"a\":1}\\n"};
	char nested[5001];
	char segment[8000];
	Claims claims;

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
	{
		segment[0] = '\0';
		jose_append(segment, malformed[i], strlen(malformed[i]));
		CHECK(claims_read(bytes_of(segment, strlen(segment)), &claims) == TSEC_TOKEN_MALFORMED && claims.root == NULL,
			  "%s", malformed[i]);
	}
	for (int depth = 15; depth <= 2000; depth = depth == 15 ? 16 : depth + 496)
	{
		memset(nested, '[', (size_t) depth);
		memset(nested + depth, ']', (size_t) depth);
		nested[2 * depth] = '\0';
		memmove(nested + 5, nested, strlen(nested) + 1);
		memcpy(nested, "{\"a\":", 5);
		strcat(nested, "}");
		segment[0] = '\0';
		jose_append(segment, nested, strlen(nested));
		CHECK(claims_read(bytes_of(segment, strlen(segment)), &claims) ==
				  (depth == 15 ? TSEC_OK : TSEC_TOKEN_MALFORMED),
			  "%d", depth);
		claims_free(&claims);
	}
	CHECK(claims_read(bytes_of("e30=", 4), &claims) == TSEC_TOKEN_MALFORMED);
	CHECK(claims_read(bytes_of("e31", 3), &claims) == TSEC_TOKEN_MALFORMED, "spare bits");
}

static const UnitCase cases[] = {
	{"our own tokens: every claim", own_tokens},
	{"an outside issuer's tokens: what its map demands", outside_tokens},
	{"expiry is judged last", order},
	{"claim maps", maps},
	{"ids have one spelling", ids},
	{"payloads", payloads},
};

UNIT_MAIN(cases)
