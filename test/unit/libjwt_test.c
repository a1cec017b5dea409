/*
 * libjwt_test.c
 *		libjwt as the second opinion: it agrees with the door on every good token
 *		of every algorithm it knows, in both directions, and on tokens that were
 *		altered.  Then the list of what it takes and the door must not: the
 *		reason for having a door.
 */
#include "jose.h"

#include "common/claims.h"

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/pem.h>

#define SECRET "a secret of at least thirty-two bytes"
#define PAYLOAD "{\"exp\":4000000000,\"sub\":\"somebody\"}"

static const struct
{
	JwtAlgorithm algorithm;
	jwt_alg_t libjwt;
} pairs[] = {
	{JWT_HS256, JWT_ALG_HS256}, {JWT_HS384, JWT_ALG_HS384}, {JWT_HS512, JWT_ALG_HS512},
	{JWT_RS256, JWT_ALG_RS256}, {JWT_RS384, JWT_ALG_RS384}, {JWT_RS512, JWT_ALG_RS512},
	{JWT_ES256, JWT_ALG_ES256}, {JWT_ES384, JWT_ALG_ES384}, {JWT_ES512, JWT_ALG_ES512},
};

/* A key as libjwt wants it: the secret itself, or PEM of the private or the public half. */
typedef struct Given
{
	unsigned char private_key[JWK_PRIVATE_MAX];
	size_t private_length;
	unsigned char public_key[JWK_PRIVATE_MAX];
	size_t public_length;
} Given;

static void
read_bio(BIO *bio, unsigned char *to, size_t *length)
{
	int read = BIO_read(bio, to, JWK_PRIVATE_MAX - 1);

	*length = read > 0 ? (size_t) read : 0;
	to[*length] = '\0';
	BIO_free(bio);
}

static void
give(JwtAlgorithm algorithm, const uint8_t *bytes, size_t size, Given *given)
{
	const unsigned char *at = bytes;
	BIO *private_pem = BIO_new(BIO_s_mem());
	BIO *public_pem = BIO_new(BIO_s_mem());
	EVP_PKEY *pkey;

	if (jwt_is_symmetric(algorithm))
	{
		memcpy(given->private_key, bytes, size);
		memcpy(given->public_key, bytes, size);
		given->private_length = given->public_length = size;
		BIO_free(private_pem);
		BIO_free(public_pem);
		return;
	}
	pkey = d2i_AutoPrivateKey(NULL, &at, (long) size);
	if (pkey == NULL || PEM_write_bio_PKCS8PrivateKey(private_pem, pkey, NULL, NULL, 0, NULL, NULL) != 1 ||
		PEM_write_bio_PUBKEY(public_pem, pkey) != 1)
		abort();
	EVP_PKEY_free(pkey);
	read_bio(private_pem, given->private_key, &given->private_length);
	read_bio(public_pem, given->public_key, &given->public_length);
}

static bool
libjwt_takes(const char *token, const unsigned char *key, size_t length)
{
	jwt_t *jwt = NULL;
	bool taken = jwt_decode(&jwt, token, key, (int) length) == 0 && (key == NULL || jwt_get_alg(jwt) != JWT_ALG_NONE);

	jwt_free(jwt);
	return taken;
}

static void
agreement(void)
{
	unsigned long compared = 0;

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		JwtAlgorithm algorithm = pairs[i].algorithm;
		const char *name = jwt_algorithm_name(algorithm);
		uint8_t bytes[JWK_PRIVATE_MAX];
		size_t size;
		JwtKey *key = jose_key(algorithm, bytes, &size);
		char token[JWT_LENGTH_MAX + 1];
		size_t length;
		Given given;
		jwt_t *jwt = NULL;
		char *made;

		give(algorithm, bytes, size, &given);
		/* ours, judged by libjwt */
		CHECK(jwt_sign(key, "kid", bytes_of(PAYLOAD, strlen(PAYLOAD)), token, &length) == TSEC_OK, "%s", name);
		token[length] = '\0';
		CHECK(libjwt_takes(token, given.public_key, given.public_length), "%s: libjwt takes ours", name);

		/* libjwt's, judged by us */
		if (jwt_new(&jwt) != 0 || jwt_add_grants_json(jwt, PAYLOAD) != 0 || jwt_add_header(jwt, "kid", "kid") != 0 ||
			jwt_set_alg(jwt, pairs[i].libjwt, given.private_key, (int) given.private_length) != 0)
			abort();
		made = jwt_encode_str(jwt);
		if (CHECK(made != NULL, "%s", name))
			CHECK(jose_verify(key, made, strlen(made)) == TSEC_OK, "%s: the door takes libjwt's", name);
		free(made);
		jwt_free(jwt);

		/* altered inside of the payload and the signature: both refuse */
		for (size_t at = 60; at + 2 < length; at += 7)
		{
			char kept = token[at];

			if (kept == '.')
				continue;
			token[at] = kept == 'x' ? 'y' : 'x';
			CHECK(jose_verify(key, token, length) != TSEC_OK &&
					  !libjwt_takes(token, given.public_key, given.public_length),
				  "%s at %zu", name, at);
			token[at] = kept;
			compared++;
		}
		jwt_key_free(key);
	}
	CHECK(compared > 300, "%lu", compared);
}

/* The whole door for a payload: signature and claims, under rules that ask for no more than exp. */
static Status
door(JwtKey *key, const char *token)
{
	ClaimMap *map = NULL;
	ClaimRules rules = {.max_lifetime = INT64_C(4000000000), .type = CLAIM_TYPE_OUTSIDE};
	JwtParts parts;
	Claims claims;
	Status status = jose_verify(key, token, strlen(token));

	if (status != TSEC_OK)
		return status;
	if (claim_map_read("{}", 2, &map) != TSEC_OK || jwt_split(token, strlen(token), &parts) != TSEC_OK)
		abort();
	rules.map = map;
	status = claims_read(parts.payload, &claims);
	if (status == TSEC_OK)
		status = claims_check(&rules, 1700000000, &claims);
	claims_free(&claims);
	claim_map_free(map);
	return status;
}

/* Tokens signed with the right secret that libjwt 1.10.2 takes. */
static void
traps(void)
{
	static const struct
	{
		const char *header;
		const char *payload;
		Status status;
	} rows[] = {
		{"{\"alg\":\"hs256\"}", PAYLOAD, TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"Hs256\"}", PAYLOAD, TSEC_TOKEN_ALGORITHM},
		{"{\"alg\":\"HS256\",\"crit\":[\"never-heard-of\"]}", PAYLOAD, TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"jku\":\"https://evil\"}", PAYLOAD, TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"jwk\":{\"kty\":\"oct\"}}", PAYLOAD, TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\",\"b64\":false}", PAYLOAD, TSEC_TOKEN_HEADER},
		{"{\"alg\":\"HS256\"}", "[]", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\"}", "{\"exp\":4000000000,\"role\":\"a\",\"role\":\"b\"}", TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"none\",\"alg\":\"HS256\"}", PAYLOAD, TSEC_TOKEN_MALFORMED},
		{"{\"alg\":\"HS256\"}", "{}", TSEC_TOKEN_CLAIM_MISSING},
		{"{\"alg\":\"HS256\"}", "{\"exp\":1}", TSEC_TOKEN_EXPIRED},
		{"{\"alg\":\"HS256\"}", "{\"exp\":\"4000000000\"}", TSEC_TOKEN_CLAIM_TYPE},
		{"{\"alg\":\"HS256\"}", "{\"exp\":4e9}", TSEC_TOKEN_CLAIM_TYPE},
		{"{\"alg\":\"HS256\"}", "{\"exp\":null}", TSEC_TOKEN_CLAIM_TYPE},
		{"{\"alg\":\"HS256\"}", "{\"exp\":4000000000,\"nbf\":3999999999}", TSEC_TOKEN_EARLY},
		{"{\"alg\":\"HS256\"}", "{\"exp\":4000000000,\"typ\":\"refresh\"}", TSEC_TOKEN_TYPE},
		{"{\"alg\":\"HS256\"}", "{\"exp\":4000000000,\"a\":[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]}",
		 TSEC_TOKEN_MALFORMED},
	};
	HmacKey *signer = NULL;
	JwtKey *verifier = NULL;
	int taken = 0;
	int count = (int) (sizeof(rows) / sizeof(rows[0]));

	if (hmac_new(bytes_of(SECRET, strlen(SECRET)), &signer) != TSEC_OK ||
		jwk_of_secret(JWT_HS256, bytes_of(SECRET, strlen(SECRET)), &verifier) != TSEC_OK)
		abort();
	for (int i = 0; i < count; i++)
	{
		char *token = jose_token(signer, rows[i].header, rows[i].payload);
		bool takes = libjwt_takes(token, (const unsigned char *) SECRET, strlen(SECRET));
		Status status = door(verifier, token);

		taken += takes;
		CHECK(status == rows[i].status, "%s %s: %s", rows[i].header, rows[i].payload, status_info(status)->name);
		if (!takes)
			printf("# this libjwt refuses %s %s\n", rows[i].header, rows[i].payload);
		free(token);
	}
	printf("# libjwt takes %d of the %d\n", taken, count);
	hmac_free(signer);
	jwt_key_free(verifier);
}

/* An empty key, and a public key's text as the secret: libjwt takes both, no key of ours can be made of them. */
static void
key_traps(void)
{
	uint8_t bytes[JWK_PRIVATE_MAX];
	size_t size;
	JwtKey *rsa = jose_key(JWT_RS256, bytes, &size);
	JwtKey *none = NULL;
	HmacKey *signer = NULL;
	Given given;
	char *token;

	CHECK(jwk_of_secret(JWT_HS256, bytes_of("", 0), &none) == TSEC_JWK_WEAK);
	CHECK(jwk_of_secret(JWT_HS256, bytes_of("0123456789012345678901234567890", 31), &none) == TSEC_JWK_WEAK);
	give(JWT_RS256, bytes, size, &given);
	if (hmac_new(bytes_of(given.public_key, given.public_length), &signer) != TSEC_OK)
		abort();
	token = jose_token(signer, "{\"alg\":\"HS256\"}", PAYLOAD);
	CHECK(libjwt_takes(token, given.public_key, given.public_length), "libjwt takes PEM text as a secret");
	CHECK(door(rsa, token) == TSEC_TOKEN_ALGORITHM);
	free(token);
	hmac_free(signer);
	jwt_key_free(rsa);
}

/* What kills libjwt's caller is tried on the door alone: it copies segments with alloca. */
static void
long_tokens(void)
{
	size_t length = 9 * 1000 * 1000;
	char *token = unit_memory(length + 1);
	JwtParts parts;

	memset(token, 'A', length);
	token[length] = '\0';
	token[100] = token[length - 100] = '.';
	CHECK(jwt_split(token, length, &parts) == TSEC_TOKEN_TOO_LONG);
	free(token);
}

static const UnitCase cases[] = {
	{"libjwt and the door agree on good tokens and on altered ones", agreement},
	{"what libjwt takes and the door refuses", traps},
	{"keys that libjwt takes", key_traps},
	{"a token of 9 MB", long_tokens},
};

UNIT_MAIN(cases)
