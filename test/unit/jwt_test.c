/*
 * jwt_test.c
 *		The outside of a token: shape, header, signature.  Every refusal of the
 *		strict door has a case here.
 */
#include "jose.h"

#include "common/strictjson.h"

#define SECRET "a secret of at least thirty-two bytes"

static HmacKey *signer;
static JwtKey *verifier;

static void
make_keys(void)
{
	if (signer == NULL && (hmac_new(bytes_of(SECRET, strlen(SECRET)), &signer) != TSEC_OK ||
						   jwk_of_secret(JWT_HS256, bytes_of(SECRET, strlen(SECRET)), &verifier) != TSEC_OK))
		abort();
}

static Status
status_of(const char *header, const char *payload)
{
	char *token;
	Status status;

	make_keys();
	token = jose_token(signer, header, payload);
	status = jose_verify(verifier, token, strlen(token));
	free(token);
	return status;
}

/* Every algorithm: what it signs it verifies; one flipped bit anywhere, another key, a shorter signature do not. */
static void
algorithms(void)
{
	for (int i = 0; i < JWT_ALGORITHM_COUNT; i++)
	{
		const char *name = jwt_algorithm_name((JwtAlgorithm) i);
		JwtKey *key = jose_key((JwtAlgorithm) i, NULL, NULL);
		JwtKey *other = jose_key((JwtAlgorithm) i, NULL, NULL);
		char token[JWT_LENGTH_MAX];
		size_t length;
		size_t refused = 0;

		if (!CHECK(jwt_sign(key, "k\"1", bytes_of("{\"a\":1}", 7), token, &length) == TSEC_OK, "%s", name))
			continue;
		CHECK(jose_verify(key, token, length) == TSEC_OK, "%s", name);
		CHECK(jose_verify(key, token, length) == TSEC_OK, "%s again", name);
		CHECK(jose_verify(other, token, length) == TSEC_TOKEN_SIGNATURE, "%s", name);
		for (size_t at = 0; at < length; at++)
		{
			char kept = token[at];

			token[at] = kept == 'A' ? 'B' : 'A';
			refused += jose_verify(key, token, length) != TSEC_OK;
			token[at] = kept;
		}
		CHECK(refused == length, "%s: %zu of %zu", name, refused, length);
		for (size_t cut = 1; cut < 8; cut++)
			CHECK(jose_verify(key, token, length - cut) != TSEC_OK, "%s cut by %zu", name, cut);
		CHECK(jose_verify(key, token, length) == TSEC_OK, "%s at last", name);
		jwt_key_free(key);
		jwt_key_free(other);
	}
}

static void
names(void)
{
	static const char *const none[] = {"none", "None", "NONE",   "nOnE",  "",       "hs256",  "HS256 ",
									   "HS1",  "RS1",  "ES256K", "Eddsa", "HS256,", "RSA1_5", "dir"};
	JwtAlgorithm algorithm;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CHECK(!jwt_algorithm_find(none[i], &algorithm), "%s", none[i]);
	for (int i = 0; i < JWT_ALGORITHM_COUNT; i++)
		CHECK(jwt_algorithm_find(jwt_algorithm_name((JwtAlgorithm) i), &algorithm) && (int) algorithm == i);
}

static void
shape(void)
{
	static const char *const malformed[] = {"",       ".",       "..",       "...",       "a",
											"a.b",    ".b.c",    "a.b.c.",   "a.b.c.d",   "a..b.c",
											".a.b.c", "a b.c.d", "{}.{}.{}", "e30=.e30.x"};
	char *long_one = unit_memory(9000001);
	JwtParts parts;

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
	{
		make_keys();
		CHECK(jose_verify(verifier, malformed[i], strlen(malformed[i])) == TSEC_TOKEN_MALFORMED, "\"%s\"",
			  malformed[i]);
	}
	memset(long_one, 'a', 9000001);
	long_one[10] = long_one[20] = '.';
	CHECK(jwt_split(long_one, JWT_LENGTH_MAX, &parts) == TSEC_OK);
	CHECK(jwt_split(long_one, JWT_LENGTH_MAX + 1, &parts) == TSEC_TOKEN_TOO_LONG);
	CHECK(jwt_split(long_one, 9000001, &parts) == TSEC_TOKEN_TOO_LONG);
	free(long_one);
	CHECK(jwt_split("ab.cde.f", 8, &parts) == TSEC_OK && parts.header.length == 2 && parts.payload.length == 3 &&
		  parts.signature.length == 1 && parts.signed_text.length == 6);
	/* a NUL is a byte like any other, and not of the alphabet */
	CHECK(jose_verify(verifier, "e30\0.e30.", 9) == TSEC_TOKEN_MALFORMED);
}

static void
headers(void)
{
	static const struct
	{
		const char *header;
		Status status;
	} rows[] = {
		{"{\"alg\":\"HS256\"}", TSEC_OK},
		{" { \"alg\" : \"HS256\" , \"typ\" : \"JWT\" } ", TSEC_OK},
		{"{\"alg\":\"HS256\",\"typ\":\"jwt\"}", TSEC_OK},
		{"{\"alg\":\"HS256\",\"typ\":\"application/at+JWT\"}", TSEC_OK},
		{"{\"alg\":\"HS256\",\"kid\":\"k\",\"unknown\":{\"a\":[1]}}", TSEC_OK},
		{"{\"alg\":\"none\"}", TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"nonE\"}", TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"hs256\"}", TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"HS384\"}", TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"RS256\"}", TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"\"}", TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":null}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":256}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":[\"HS256\"]}", TSEC_TOKEN_MALFORMED},
		{"{}", TSEC_TOKEN_MALFORMED},
		{"[]", TSEC_TOKEN_MALFORMED},
		{"null", TSEC_TOKEN_MALFORMED},
		{"\"HS256\"", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\"", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\"}}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\"}{}", TSEC_TOKEN_MALFORMED},
		{"\xef\xbb\xbf{\"alg\":\"HS256\"}", TSEC_TOKEN_MALFORMED},
		{"{'alg':'HS256'}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"none\",\"alg\":\"HS256\"}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"\\u0061lg\":\"HS256\"}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":{\"a\":1,\"a\":2}}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":\"\\u0000\"}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":\"\xff\"}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":[[[[1]]]]}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"x\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
		 TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\",\"crit\":[\"b64\"]}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"crit\":[]}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"crit\":null}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"b64\":false}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"jku\":\"https://a\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\"}}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"x5u\":\"https://a\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"x5c\":[\"a\"]}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"x5t\":\"a\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"x5t#S256\":\"a\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"zip\":\"DEF\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"enc\":\"A128GCM\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"cty\":\"JWT\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"typ\":\"JWE\"}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"typ\":7}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"none\",\"crit\":[\"a\"]}", TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"kid\":7}", TSEC_TOKEN_KEY_UNKNOWN},
		{"{\"alg\":\"HS256\",\"kid\":\"\"}", TSEC_TOKEN_KEY_UNKNOWN},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Status status = status_of(rows[i].header, "{}");

		CHECK(status == rows[i].status, "%s: %s", rows[i].header, status_info(status)->name);
	}
}

static void
kids(void)
{
	char header[JWT_KID_MAX + 100];
	char kid[JWT_KID_MAX + 2];
	char segment[1000] = "";
	JwtHeader read;

	for (int length = JWT_KID_MAX - 1; length <= JWT_KID_MAX + 1; length++)
	{
		memset(kid, 'k', sizeof(kid));
		kid[length] = '\0';
		(void) snprintf(header, sizeof(header), "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kid);
		segment[0] = '\0';
		jose_append(segment, header, strlen(header));
		CHECK(jwt_read_header(bytes_of(segment, strlen(segment)), &read) ==
				  (length <= JWT_KID_MAX ? TSEC_OK : TSEC_TOKEN_KEY_UNKNOWN),
			  "%d", length);
		if (length <= JWT_KID_MAX)
			CHECK(strcmp(read.kid, kid) == 0);
	}
}

/* The signature's spelling: only the canonical one. */
static void
spelling(void)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	char *token;
	size_t length;
	int accepted = 0;

	make_keys();
	token = jose_token(signer, "{\"alg\":\"HS256\"}", "{}");
	length = strlen(token);
	/* 32 bytes leave two spare bits in the last character: four characters decode to the same bytes, one is right */
	for (int i = 0; i < 64; i++)
	{
		char kept = token[length - 1];

		token[length - 1] = alphabet[i];
		accepted += jose_verify(verifier, token, length) == TSEC_OK;
		token[length - 1] = kept;
	}
	CHECK(accepted == 1, "%d", accepted);
	token = realloc(token, length + 3);
	strcat(token, "=");
	CHECK(jose_verify(verifier, token, length + 1) == TSEC_TOKEN_MALFORMED);
	token[length] = ' ';
	CHECK(jose_verify(verifier, token, length + 1) == TSEC_TOKEN_MALFORMED);
	token[length] = '\n';
	CHECK(jose_verify(verifier, token, length + 1) == TSEC_TOKEN_MALFORMED);
	free(token);
}

/* HS256 keyed with the text of a public key, in every form an attacker has it. */
static void
confusion(void)
{
	JwtKey *rsa = jose_key(JWT_RS256, NULL, NULL);
	char text[JWK_PUBLIC_MAX];
	char kid[JWT_KID_MAX + 1];
	HmacKey *forger = NULL;
	char *token;

	CHECK(jwk_publish(rsa, text, kid) == TSEC_OK);
	CHECK(hmac_new(bytes_of(text, strlen(text)), &forger) == TSEC_OK);
	token = jose_token(forger, "{\"alg\":\"HS256\"}", "{}");
	CHECK(jose_verify(rsa, token, strlen(token)) == TSEC_TOKEN_ALGORITHM);
	free(token);
	token = jose_token(forger, "{\"alg\":\"RS256\"}", "{}");
	CHECK(jose_verify(rsa, token, strlen(token)) == TSEC_TOKEN_SIGNATURE);
	free(token);
	hmac_free(forger);
	jwt_key_free(rsa);
}

/* ECDSA: r and s of zero, of the order, in DER, and of the wrong width. */
static void
ecdsa(void)
{
	static const char order[] = "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551";
	JwtKey *key = jose_key(JWT_ES256, NULL, NULL);
	char token[JWT_LENGTH_MAX];
	uint8_t pair[64] = {0};
	size_t length;
	size_t size;
	uint8_t *n = unit_hex(order, &size);
	char *dot;

	CHECK(jwt_sign(key, NULL, bytes_of("{}", 2), token, &length) == TSEC_OK);
	token[length] = '\0';
	dot = strrchr(token, '.') + 1;
	for (int i = 0; i < 4; i++)
	{
		memset(pair, 0, sizeof(pair));
		if (i & 1)
			memcpy(pair, n, 32);
		if (i & 2)
			memcpy(pair + 32, n, 32);
		*dot = '\0';
		jose_append(token, pair, sizeof(pair));
		CHECK(jose_verify(key, token, strlen(token)) == TSEC_TOKEN_SIGNATURE, "%d", i);
	}
	for (size_t width = 0; width <= 72; width += 8)
	{
		uint8_t wide[72] = {0x30, 0x06, 0x02, 0x01, 0x01, 0x02, 0x01, 0x01};

		*dot = '\0';
		jose_append(token, wide, width);
		CHECK(jose_verify(key, token, strlen(token)) != TSEC_OK, "%zu", width);
	}
	free(n);
	jwt_key_free(key);
}

static void
signing(void)
{
	JwtKey *key = jose_key(JWT_HS256, NULL, NULL);
	char *payload = unit_memory(JWT_LENGTH_MAX);
	char *token = unit_memory(JWT_LENGTH_MAX);
	size_t length;
	size_t fits = 0;

	memset(payload, 'x', JWT_LENGTH_MAX);
	for (size_t size = 6000; size < 6200; size++)
	{
		Status status = jwt_sign(key, "k", bytes_of(payload, size), token, &length);

		if (!CHECK(status == TSEC_OK || status == TSEC_TOKEN_TOO_LONG))
			break;
		if (status == TSEC_OK)
		{
			fits = size;
			CHECK(length <= JWT_LENGTH_MAX && jose_verify(key, token, length) == TSEC_OK, "%zu", size);
		}
	}
	CHECK(fits > 6000 && fits < 6199, "%zu", fits);
	free(payload);
	free(token);
	jwt_key_free(key);
}

static void
bounds(void)
{
	CHECK(strictjson_fits("{\"a\":[1,2]}", 11, 2, 4));
	CHECK(!strictjson_fits("{\"a\":[1,2]}", 11, 1, 4), "too deep");
	CHECK(!strictjson_fits("{\"a\":[1,2]}", 11, 2, 3), "too many");
	CHECK(strictjson_fits("{\"[[[[,,,,\\\"[[[\":1}", 19, 1, 2), "strings do not count");
	CHECK(strictjson_fits("\"\\", 2, 1, 1), "an escape at the very end");
	CHECK(!strictjson_fits("]", 1, 1, 1));
	CHECK(strictjson_object("{\"a\":9\0}", 8, 1, 2) == NULL, "a NUL behind a number");
	CHECK(strictjson_object("{}\0", 3, 1, 2) == NULL, "a NUL behind all");
}

static const UnitCase cases[] = {
	{"every algorithm verifies what it signed and nothing else", algorithms},
	{"algorithms have one spelling", names},
	{"shape and length of a token", shape},
	{"headers, each refusal with its status", headers},
	{"names of keys", kids},
	{"one spelling of a signature", spelling},
	{"a public key is no secret", confusion},
	{"ECDSA signatures at the edges", ecdsa},
	{"signed tokens fit the limit or are refused", signing},
	{"bounds of JSON", bounds},
};

UNIT_MAIN(cases)
