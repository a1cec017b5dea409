/*
 * token.c
 *		What others take for a token: libjwt's own decode, and one bare OpenSSL
 *		verification with a kept key.  Reads tokens from standard input, one a
 *		line, and prints its first argument and nanoseconds per token, the median
 *		of a few rounds, in CPU time: other programs may be busy.
 *
 *		token libjwt SECRET < tokens		libjwt's jwt_decode() of HS256
 *		token RS256 | ES256				EVP_PKEY_verify() of a digest made of a text of 300 bytes
 */
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <jwt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define ROUNDS 5
#define TOKENS_MAX 20000
#define LINE_MAX_LENGTH 8300
#define CALLS 500
#define RSA_BITS 3072 /* as create_signing_key() makes them */
#define TEXT_LENGTH 300

/* Nanoseconds of CPU time of this program. */
static double
cpu(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double) t.tv_sec * 1e9 + (double) t.tv_nsec;
}

static char *tokens[TOKENS_MAX];
static int count = 0;

static void
read_tokens(void)
{
	char line[LINE_MAX_LENGTH];

	while (count < TOKENS_MAX && fgets(line, sizeof(line), stdin) != NULL)
	{
		line[strcspn(line, "\n")] = '\0';
		tokens[count++] = strdup(line);
	}
	if (count == 0)
		abort();
}

static double
decode_round(const char *secret)
{
	double start = cpu();

	for (int i = 0; i < count; i++)
	{
		jwt_t *jwt = NULL;

		if (jwt_decode(&jwt, tokens[i], (const unsigned char *) secret, (int) strlen(secret)) != 0)
			abort();
		jwt_free(jwt);
	}
	return (cpu() - start) / count;
}

static double
verify_round(EVP_PKEY_CTX *context, const unsigned char *signature, size_t length, const unsigned char *text)
{
	unsigned char digest[32];
	double start = cpu();

	for (int i = 0; i < CALLS; i++)
		if (EVP_Digest(text, TEXT_LENGTH, digest, NULL, EVP_sha256(), NULL) != 1 ||
			EVP_PKEY_verify(context, signature, length, digest, sizeof(digest)) != 1)
			abort();
	return (cpu() - start) / CALLS;
}

/* Times verifications with one kept key, each with the digest it needs. */
static void
bare(const char *algorithm, double times[ROUNDS])
{
	EVP_PKEY *key = strcmp(algorithm, "RS256") == 0 ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
	unsigned char text[TEXT_LENGTH] = {1};
	unsigned char digest[32];
	unsigned char signature[512];
	size_t length = sizeof(signature);

	if (EVP_Digest(text, TEXT_LENGTH, digest, NULL, EVP_sha256(), NULL) != 1 || EVP_PKEY_sign_init(context) != 1 ||
		EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1 ||
		EVP_PKEY_sign(context, signature, &length, digest, sizeof(digest)) != 1 ||
		EVP_PKEY_verify_init(context) != 1 || EVP_PKEY_CTX_set_signature_md(context, EVP_sha256()) != 1)
		abort();
	for (int round = 0; round < ROUNDS; round++)
		times[round] = verify_round(context, signature, length, text);
}

/* For qsort(): smaller times first. */
static int
compare(const void *a, const void *b)
{
	double left = *(const double *) a;
	double right = *(const double *) b;

	return left < right ? -1 : left > right;
}

int
main(int argc, char **argv)
{
	double times[ROUNDS];

	if (argc == 3 && strcmp(argv[1], "libjwt") == 0)
	{
		read_tokens();
		for (int round = 0; round < ROUNDS; round++)
			times[round] = decode_round(argv[2]);
	}
	else if (argc == 2)
		bare(argv[1], times);
	else
		return 2;
	qsort(times, ROUNDS, sizeof(double), compare);
	printf("%s %.1f\n", argv[1], times[ROUNDS / 2]);
	return 0;
}
