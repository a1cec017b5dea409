/*
 * jwk_test.c
 *		Keys as JSON: what is taken, what is refused and why, thumbprints, and
 *		keys made here.
 */
#include "jose.h"

#define SECRET "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY" /* 32 bytes */
#define OKP "\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\""
#define EC                                                                                    \
	"\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\"," \
	"\"y\":\"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw\""
#define RSA_N                                                                                                \
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_"                \
	"BJECPebWKRXjBZCiFV4n3okn"                                                                               \
	"jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_"                                       \
	"FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"                                                        \
	"MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-" \
	"kEgU8awap"                                                                                              \
	"JzKnqDKgw"
#define RSA "\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\""

static Status
status_of(const char *text)
{
	size_t length = strlen(text);
	char *exact = unit_memory(length);
	Jwk *jwk = unit_memory(sizeof(Jwk));
	Status status;

	memcpy(exact, text, length);
	status = jwk_read(exact, length, jwk);
	if (status == TSEC_OK)
		jwk_free(jwk);
	CHECK(unit_is_filled((const uint8_t *) jwk, sizeof(Jwk), 0), "nothing is left of it");
	free(jwk);
	free(exact);
	return status;
}

static void
accepted_and_refused(void)
{
	static const struct
	{
		const char *text;
		Status status;
	} rows[] = {
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" SECRET "\"}", TSEC_OK},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"use\":\"sig\",\"key_ops\":[\"sign\",\"verify\"],\"ext\":true,\"k\":"
		 "\"" SECRET "\"}",
		 TSEC_OK},
		{"{" OKP "}", TSEC_OK},
		{"{" OKP ",\"alg\":\"EdDSA\",\"key_ops\":[\"verify\"]}", TSEC_OK},
		{"{" EC "}", TSEC_OK},
		{"{" EC ",\"alg\":\"ES256\"}", TSEC_OK},
		{"{" RSA ",\"alg\":\"RS256\"}", TSEC_OK},
		{"{" RSA ",\"alg\":\"PS512\"}", TSEC_OK},

		{"", TSEC_JWK_MALFORMED},
		{"[]", TSEC_JWK_MALFORMED},
		{"{", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		 TSEC_JWK_WEAK}, /* the neutral element */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA\"}",
		 TSEC_JWK_WEAK}, /* ... x negative */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		 TSEC_JWK_WEAK}, /* order 4 */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA\"}",
		 TSEC_JWK_WEAK}, /* order 4, x negative */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"7P_______________________________________38\"}",
		 TSEC_JWK_WEAK}, /* order 2 */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"7P________________________________________8\"}",
		 TSEC_JWK_WEAK}, /* order 2, x negative */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o\"}",
		 TSEC_JWK_WEAK}, /* order 8 */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA_o\"}",
		 TSEC_JWK_WEAK}, /* order 8, x negative */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU\"}",
		 TSEC_JWK_WEAK}, /* order 8, the other */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_IU\"}",
		 TSEC_JWK_WEAK}, /* order 8, the other, x negative */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"7f_______________________________________38\"}",
		 TSEC_JWK_WEAK}, /* p */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"7v_______________________________________38\"}",
		 TSEC_JWK_WEAK}, /* p + 1 */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"_________________________________________38\"}",
		 TSEC_JWK_WEAK}, /* 2^255 - 1 */
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"__________________________________________8\"}",
		 TSEC_JWK_WEAK}, /* 2^255 - 1, x negative */
		{"{" OKP "}x", TSEC_JWK_MALFORMED},
		{"{" OKP ",\"crv\":\"Ed25519\"}", TSEC_JWK_MALFORMED},
		{"{" OKP ",\"kid\":\"\"}", TSEC_JWK_MALFORMED},
		{"{" OKP ",\"kid\":7}", TSEC_JWK_MALFORMED},
		{"{" OKP ",\"kid\":\"a\\nb\"}", TSEC_JWK_MALFORMED},
		{"{" OKP ",\"kid\":\"\xc3\xa9\"}", TSEC_JWK_MALFORMED},
		{"{" OKP ",\"kid\":\"a b:c/d\"}", TSEC_OK},
		{"{" OKP ",\"n\":[[[[[[[[1]]]]]]]]}", TSEC_JWK_MALFORMED},

		{"{}", TSEC_JWK_KIND},
		{"{\"kty\":\"oct \"}", TSEC_JWK_KIND},
		{"{\"kty\":\"rsa\"}", TSEC_JWK_KIND},
		{"{\"kty\":7}", TSEC_JWK_KIND},
		{"{\"kty\":\"EC\"}", TSEC_JWK_KIND},
		{"{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"AA\",\"y\":\"AA\"}", TSEC_JWK_KIND},
		{"{\"kty\":\"EC\",\"crv\":\"Ed25519\",\"x\":\"AA\"}", TSEC_JWK_KIND},
		{"{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":\"AA\"}", TSEC_JWK_KIND},
		{"{\"kty\":\"OKP\",\"crv\":\"P-256\",\"x\":\"AA\"}", TSEC_JWK_KIND},

		{"{\"kty\":\"oct\",\"k\":\"" SECRET "\"}", TSEC_JWK_ALGORITHM},
		{"{\"kty\":\"oct\",\"alg\":\"none\",\"k\":\"" SECRET "\"}", TSEC_JWK_ALGORITHM},
		{"{\"kty\":\"oct\",\"alg\":\"A256GCM\",\"k\":\"" SECRET "\"}", TSEC_JWK_ALGORITHM},
		{"{\"kty\":\"oct\",\"alg\":\"RS256\",\"k\":\"" SECRET "\"}", TSEC_JWK_ALGORITHM},
		{"{\"kty\":\"oct\",\"alg\":[\"HS256\"],\"k\":\"" SECRET "\"}", TSEC_JWK_ALGORITHM},
		{"{" RSA "}", TSEC_JWK_ALGORITHM},
		{"{" RSA ",\"alg\":\"HS256\"}", TSEC_JWK_ALGORITHM},
		{"{" RSA ",\"alg\":\"RSA-OAEP\"}", TSEC_JWK_ALGORITHM},
		{"{" EC ",\"alg\":\"ES384\"}", TSEC_JWK_ALGORITHM},
		{"{" EC ",\"alg\":\"ECDH-ES\"}", TSEC_JWK_ALGORITHM},
		{"{" OKP ",\"alg\":null}", TSEC_JWK_ALGORITHM},

		{"{" OKP ",\"use\":\"enc\"}", TSEC_JWK_USE},
		{"{" OKP ",\"use\":\"SIG\"}", TSEC_JWK_USE},
		{"{" OKP ",\"use\":7}", TSEC_JWK_USE},
		{"{" OKP ",\"key_ops\":[]}", TSEC_JWK_USE},
		{"{" OKP ",\"key_ops\":\"verify\"}", TSEC_JWK_USE},
		{"{" OKP ",\"key_ops\":[\"sign\"]}", TSEC_JWK_USE},
		{"{" OKP ",\"key_ops\":[\"verify\",\"verify\"]}", TSEC_JWK_USE},
		{"{" OKP ",\"key_ops\":[\"verify\",\"encrypt\"]}", TSEC_JWK_USE},
		{"{" OKP ",\"key_ops\":[7]}", TSEC_JWK_USE},

		{"{" OKP ",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\"}", TSEC_JWK_PRIVATE},
		{"{" EC ",\"d\":\"AA\"}", TSEC_JWK_PRIVATE},
		{"{" RSA ",\"alg\":\"RS256\",\"d\":\"AA\"}", TSEC_JWK_PRIVATE},
		{"{" RSA ",\"alg\":\"RS256\",\"oth\":[]}", TSEC_JWK_PRIVATE},
		{"{" RSA ",\"alg\":\"RS256\",\"k\":\"AA\"}", TSEC_JWK_PRIVATE},

		{"{\"kty\":\"oct\",\"alg\":\"HS256\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":7}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" SECRET "=\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWZ\"}",
		 TSEC_JWK_MALFORMED},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZQ\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"oct\",\"alg\":\"HS384\",\"k\":\"" SECRET "\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"oct\",\"alg\":\"HS512\",\"k\":\"" SECRET "\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}", TSEC_JWK_WEAK},

		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"" RSA_N "\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"" RSA_N "\",\"e\":\"AAEAAQ\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AA" RSA_N "\",\"e\":\"AQAB\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"" RSA_N "\",\"e\":\"AQ\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"" RSA_N "\",\"e\":\"Aw\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"" RSA_N "\",\"e\":\"AQAC\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"" RSA_N "\",\"e\":\"AQAAAAE\"}", TSEC_JWK_WEAK},
		{"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", TSEC_JWK_WEAK},

		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\"}",
		 TSEC_JWK_MALFORMED},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AQ\",\"y\":\"AQ\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\","
		 "\"y\":\"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgnw\"}",
		 TSEC_JWK_WEAK},
		{"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\","
		 "\"y\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		 TSEC_JWK_WEAK},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAB\"}", TSEC_JWK_MALFORMED},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		 TSEC_JWK_WEAK},
		{"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAIA\"}",
		 TSEC_JWK_WEAK},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Status status = status_of(rows[i].text);

		CHECK(status == rows[i].status, "%s: %s", rows[i].text, status_info(status)->name);
	}
}

static void
lengths(void)
{
	char *text = unit_memory(JWK_TEXT_MAX + 100);

	(void) sprintf(text, "{" OKP ",\"y\":\"%*s\"}", JWK_TEXT_MAX, "");
	CHECK(status_of(text) == TSEC_JWK_MALFORMED);
	(void) sprintf(text, "{" OKP ",\"y\":\"%*s\"}", JWK_TEXT_MAX - 200, "");
	CHECK(status_of(text) == TSEC_OK);
	(void) sprintf(text, "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"%0*dA\"}", 1365, 0);
	CHECK(status_of(text) == TSEC_OK, "1024 bytes");
	(void) sprintf(text, "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"%0*d\"}", 1368, 0);
	CHECK(status_of(text) == TSEC_JWK_MALFORMED, "1026 bytes");
	free(text);
}

/* RFC 7638 section 3.1, and RFC 8037 appendix A.3. */
static void
thumbprints(void)
{
	static const struct
	{
		const char *text;
		const char *kid;
	} rows[] = {
		{"{" RSA ",\"alg\":\"RS256\"}", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"},
		{"{" OKP "}", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"},
		{"{" OKP ",\"kid\":\"my own\"}", "my own"},
	};
	static const char secret[] = "{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"" SECRET "\"}";
	Jwk jwk;
	char kid[JWK_SECRET_KID_SIZE];

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		CHECK(jwk_read(rows[i].text, strlen(rows[i].text), &jwk) == TSEC_OK);
		CHECK(strcmp(jwk.kid, rows[i].kid) == 0, "%s", jwk.kid);
		jwk_free(&jwk);
	}
	/* a secret is not named by its digest */
	CHECK(jwk_read(secret, strlen(secret), &jwk) == TSEC_OK);
	CHECK(jwk_secret_kid(bytes_of("0123456789abcdef0123456789abcdef", 32), kid) == TSEC_OK && strlen(kid) == 22);
	CHECK(strcmp(jwk.kid, kid) == 0, "%s", jwk.kid);
	CHECK(jwk.public_text[0] == '\0');
	jwk_free(&jwk);
}

/* What is made here can be published, read back, and verifies what its private half signed. */
static void
round_trips(void)
{
	for (int i = 0; i < JWT_ALGORITHM_COUNT; i++)
	{
		JwtAlgorithm algorithm = (JwtAlgorithm) i;
		const char *name = jwt_algorithm_name(algorithm);
		uint8_t bytes[JWK_PRIVATE_MAX];
		size_t size;
		JwtKey *key = jose_key(algorithm, bytes, &size);
		JwtKey *again = NULL;
		char text[JWK_PUBLIC_MAX];
		char kid[JWT_KID_MAX + 1];
		char token[JWT_LENGTH_MAX];
		size_t length;
		Jwk jwk;

		CHECK(jwt_sign(key, NULL, bytes_of("{}", 2), token, &length) == TSEC_OK, "%s", name);
		if (jwt_is_symmetric(algorithm))
		{
			CHECK(jwk_publish(key, text, kid) == TSEC_LIBRARY_FAILURE, "%s is never published", name);
			CHECK(jwk_of_private(algorithm, bytes_of(bytes, size - 1), &again) == TSEC_JWK_WEAK, "%s", name);
		}
		else
		{
			CHECK(jwk_publish(key, text, kid) == TSEC_OK && strstr(text, "\"d\"") == NULL, "%s", name);
			if (CHECK(jwk_read(text, strlen(text), &jwk) == TSEC_OK, "%s: %s", name, text))
			{
				CHECK(strcmp(jwk.kid, kid) == 0 && jwk.algorithm == algorithm && strcmp(jwk.public_text, text) == 0);
				CHECK(jose_verify(jwk.key, token, length) == TSEC_OK, "%s", name);
				jwk_free(&jwk);
			}
			CHECK(jwk_of_private(algorithm, bytes_of(bytes, size - 1), &again) == TSEC_JWK_MALFORMED, "%s", name);
			CHECK(jwk_of_private(algorithm == JWT_EDDSA ? JWT_ES256 : JWT_EDDSA, bytes_of(bytes, size), &again) ==
					  TSEC_JWK_MALFORMED,
				  "%s is of no other kind", name);
		}
		jwt_key_free(key);
	}
}

static const UnitCase cases[] = {
	{"keys that are taken, and refusals with their status", accepted_and_refused},
	{"lengths", lengths},
	{"thumbprints of RFC 7638 and RFC 8037", thumbprints},
	{"generated, published, read back", round_trips},
};

UNIT_MAIN(cases)
