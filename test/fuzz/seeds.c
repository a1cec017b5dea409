/*
 * seeds.c
 *		Writes the inputs the fuzzers start from: valid values of every algorithm,
 *		flag and a few lengths, each as stored bytes, as armor and in both base64
 *		forms; texts that masks show something of; bcrypt hashes; tokens, what they are
 *		made of, and keys.
 *
 *		seeds FOLDER
 */
#include "common/encode.h"
#include "common/envelope.h"
#include "common/event_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder;

static void
write_seed(const char *kind, unsigned number, const void *data, size_t length)
{
	char path[4096];
	FILE *file;

	(void) snprintf(path, sizeof(path), "%s/%s-%u", folder, kind, number);
	file = fopen(path, "wb");
	if (file == NULL || fwrite(data, 1, length, file) != length || fclose(file) != 0)
	{
		perror(path);
		exit(1);
	}
}

static const char *const usernames[] = {"anna",
										"J\xc3\xbcrgen M\xc3\xbcller",
										"anna@example.org",
										"\xf0\x9f\x98\x80 \xe5\xbc\xa0",
										"a\xe2\x80\x8bz",
										" a",
										"\xed\xa0\x80",
										"\xf4\x90\x80\x80"};

static const char *const networks[] = {
	"192.0.2.1",
	"::ffff:10.0.0.1",
	"local, 10.0.0.0/8,2001:db8::/32",
	"6.6.6.6, 192.0.2.1, 10.1.1.1",
	"[2001:db8::1]:4711",
	"192.0.2.1:99",
	"unknown, 10.1.1.1",
};

static const char *const routes[] = {"/rpc/login", "//rpc/%6cogin/", "/%00%2f%", "/units"};

static const char *const masked[] = {
	"email\njohn@example.com",
	"card\n4111-1111-1111-1111",
	"phone\n+49 (30) 1234-567",
	"name\nJohn Doe",
	"name\n\xc3\x96zil O'Brien",
	"ip\n2001:db8:1::5",
	"number(5000)\n-43210.55",
	"date(month)\n1985-05-17 10:00:00+00",
	"partial(2,4)\nABCDEFG\xe6\x9d\x8e\xf0\x9f\x98\x80HIJKL",
	"\n{\"a\": [1, null, {\"b\\\"\": \"c\"}], \"d\": true}",
};

static const char *const hashes[] = {
	"$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	"$2b$12$......................E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
	"$2x$04$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
	"$2y$31$abcdefghijklmnopqrstuu5s2v8.iXieOjg/.AySBTTZIIVFJeBui",
};

static const char *const tokens[] = {
	"eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjE3MDAwMDAwNjB9.c1LROH7eNQwUT8KMVEO52VC3WZ9e_AnDWbZ7aMmowV8",
	"{\"alg\":\"HS256\",\"typ\":\"JWT\",\"kid\":\"k\"}",
	"{\"alg\":\"ES256\",\"crit\":[\"b64\"],\"b64\":false,\"x5t#S256\":\"a\"}",
	"{\"user_id\":\"7\",\"role\":\"viewer\",\"tenant_id\":3,\"iat\":1700000000,\"exp\":1700000060,\"jti\":\"j\","
	"\"iss\":\"us\",\"aud\":"
	"\"us\",\"typ\":\"access\",\"sid\":\"s\"}",
	"{\"who\":{\"id\":42},\"role\":[\"a\",\"operator\"],\"iat\":1700000000,\"exp\":1700000060,\"nbf\":1,\"aud\":["
	"\"a\"]}",
	"{\"user\":\"sub\",\"role\":[\"a\",\"b\"],\"tenant\":null,\"role_is\":\"database\",\"roles\":[\"r\"],\"require\":"
	"[\"exp\"],\"leeway\":5}",
};

static const char *const keys[] = {
	"{\"kty\":\"oct\",\"alg\":\"HS256\",\"kid\":\"k\",\"use\":\"sig\",\"key_ops\":[\"verify\"],\"k\":"
	"\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY\"}",
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}",
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"04N0xi21hshyvBp7I167sbE_bXqyqkAPfefdklMO7wY\",\"y\":"
	"\"UI8exy-C06a7DUnjIdENkxeFtHM4-l_41LqEw9nVgmw\"}",
	"{\"kty\":\"RSA\",\"alg\":\"RS256\",\"e\":\"AQAB\",\"n\":\""
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3okn"
	"jhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6q"
	"MQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awap"
	"JzKnqDKgw\"}",
};

int
main(int count, char **arguments)
{
	static const uint8_t flags[] = {0, ENVELOPE_HAS_BLIND_TAG, ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE};
	uint8_t tag[BLIND_TAG_SIZE];
	uint8_t nonce[AEAD_NONCE_MAX];
	unsigned number = 0;

	if (count != 2)
		return 2;
	folder = arguments[1];
	memset(tag, 'b', sizeof(tag));
	memset(nonce, 'n', sizeof(nonce));
	for (size_t i = 0; i < 2 * sizeof(flags); i++)
	{
		AeadAlgorithm algorithm = i < sizeof(flags) ? AEAD_AES_256_GCM : AEAD_XAES_256_GCM;
		uint8_t flag = flags[i % sizeof(flags)]; /* an XAES probe is not valid, and a seed all the same */

		for (size_t plain = 0; plain < 5; plain++)
		{
			uint8_t value[ENVELOPE_OVERHEAD_MAX + 5];
			char text[2 * sizeof(value)];
			size_t length = envelope_size(algorithm, flag, plain);

			memset(value, 'c', sizeof(value));
			(void) envelope_write_header(value, algorithm, flag, 0x80ff0142u, tag, nonce);
			armor_write(bytes_of(value, length), text);
			write_seed("armor", number, text, armor_size(length));
			write_seed("value", number, value, length);
			encode_base64(value, length, text);
			write_seed("base64", number, text, encode_base64_size(length));
			encode_base64url(value, length, text);
			write_seed("base64url", number, text, encode_base64url_size(length));
			number++;
		}
	}
	for (unsigned i = 0; i < sizeof(usernames) / sizeof(usernames[0]); i++)
		write_seed("user_name", i, usernames[i], strlen(usernames[i]));
	for (unsigned i = 0; i < sizeof(networks) / sizeof(networks[0]); i++)
		write_seed("network", i, networks[i], strlen(networks[i]));
	for (unsigned i = 0; i < sizeof(routes) / sizeof(routes[0]); i++)
		write_seed("route", i, routes[i], strlen(routes[i]));
	for (unsigned i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
		write_seed("mask", i, masked[i], strlen(masked[i]));
	for (number = 0; number < EVENT_TEXTS; number++)
	{
		EventRecord record = {.severity = EVENT_HIGH, .event_time = 7};
		uint8_t encoded[EVENT_RECORD_MAX];

		for (unsigned i = 0; i <= number; i++)
			record.text[i] = bytes_of("{\"a\": \"b\"}", i + 1);
		write_seed("event", number, encoded, event_record_encode(&record, encoded));
	}
	for (unsigned i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++)
		write_seed("bcrypt", i, hashes[i], strlen(hashes[i]));
	for (unsigned i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		write_seed("jwt", i, tokens[i], strlen(tokens[i]));
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		write_seed("jwk", i, keys[i], strlen(keys[i]));
	return 0;
}
