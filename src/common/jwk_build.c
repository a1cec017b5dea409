/*
 * jwk_build.c
 *		OpenSSL's keys of a JWK's numbers, and which of them are too weak.
 */
#include "jwk_key.h"

#include "encode.h"
#include "library.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>

#include <string.h>

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

/* FIPS 186-5 section 5.1: odd and above 2^16; larger than 32 bits only costs time. */
#define RSA_EXPONENT_MIN 65537
#define RSA_EXPONENT_SIZE 4

Status
jwk_member(const json_t *root, const char *name, uint8_t *bytes, size_t size, size_t *length)
{
	const json_t *member = json_object_get(root, name);
	uint8_t decoded[JWK_MEMBER_MAX + 3];
	size_t characters = json_string_length(member);

	*length = 0;
	if (characters == 0 || size > JWK_MEMBER_MAX || characters > encode_base64url_size(size) ||
		decode_base64url(json_string_value(member), characters, decoded, length) != TSEC_OK || *length > size)
		return TSEC_JWK_MALFORMED;
	memcpy(bytes, decoded, *length);
	OPENSSL_cleanse(decoded, sizeof(decoded));
	return TSEC_OK;
}

/* Builds a public key of parameters; the status says for what a failure counts. */
static Status
build(const char *type, OSSL_PARAM *parameters, EVP_PKEY **pkey)
{
	EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY_CTX *checker = NULL;
	Status status = TSEC_NO_MEMORY;

	*pkey = NULL;
	if (context != NULL && parameters != NULL && EVP_PKEY_fromdata_init(context) == 1)
	{
		status = TSEC_JWK_WEAK;
		if (EVP_PKEY_fromdata(context, pkey, EVP_PKEY_PUBLIC_KEY, parameters) == 1)
		{
			/* for a curve: the point is on it and not at infinity (SP 800-56A section 5.6.2.3.3) */
			checker = EVP_PKEY_CTX_new(*pkey, NULL);
			if (checker != NULL && EVP_PKEY_public_check(checker) == 1)
				status = TSEC_OK;
		}
	}
	EVP_PKEY_CTX_free(checker);
	EVP_PKEY_CTX_free(context);
	if (status != TSEC_OK)
	{
		EVP_PKEY_free(*pkey);
		*pkey = NULL;
		status = library_failure(status);
	}
	return status;
}

/*
 * Whether a modulus has the fingerprint of the flawed generator known as ROCA
 * (CVE-2017-15361): modulo each of these primes it is a power of 65537.  A
 * sound modulus is by chance in all these groups with a probability below 2^-27.
 */
static bool
has_roca_fingerprint(const BIGNUM *modulus)
{
	static const unsigned char primes[] = {11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157};

	for (size_t i = 0; i < sizeof(primes); i++)
	{
		unsigned prime = primes[i];
		unsigned wanted = (unsigned) BN_mod_word(modulus, prime);
		unsigned power = 1;
		bool found = false;

		do
		{
			found = found || power == wanted;
			power = power * 65537u % prime;
		} while (power != 1);
		if (!found)
			return false;
	}
	return true;
}

Status
jwk_rsa_of(Bytes modulus, Bytes exponent, EVP_PKEY **pkey)
{
	OSSL_PARAM_BLD *builder = NULL;
	OSSL_PARAM *parameters = NULL;
	BIGNUM *n;
	BIGNUM *e;
	uint32_t small = 0;
	Status status;

	/* Base64urlUInt (RFC 7518 section 2): the fewest octets */
	if (modulus.data[0] == 0 || exponent.data[0] == 0)
		return TSEC_JWK_MALFORMED;
	if (exponent.length > RSA_EXPONENT_SIZE)
		return TSEC_JWK_WEAK;
	for (size_t i = 0; i < exponent.length; i++)
		small = small << 8 | exponent.data[i];
	n = BN_bin2bn(modulus.data, (int) modulus.length, NULL);
	e = BN_bin2bn(exponent.data, (int) exponent.length, NULL);
	if (n == NULL || e == NULL)
		status = TSEC_NO_MEMORY;
	else if (BN_num_bits(n) < RSA_BITS_MIN || BN_num_bits(n) > RSA_BITS_MAX || !BN_is_odd(n) ||
			 small < RSA_EXPONENT_MIN || (small & 1) == 0 || has_roca_fingerprint(n))
		status = TSEC_JWK_WEAK;
	else
	{
		builder = OSSL_PARAM_BLD_new();
		if (builder != NULL && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
			OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
			parameters = OSSL_PARAM_BLD_to_param(builder);
		status = build("RSA", parameters, pkey);
	}
	OSSL_PARAM_free(parameters);
	OSSL_PARAM_BLD_free(builder);
	BN_free(n);
	BN_free(e);
	return status;
}

Status
jwk_build_rsa(const json_t *root, EVP_PKEY **pkey)
{
	uint8_t modulus[RSA_BITS_MAX / 8];
	uint8_t exponent[64];
	size_t modulus_length;
	size_t exponent_length;
	Status status = jwk_member(root, "n", modulus, sizeof(modulus), &modulus_length);

	if (status == TSEC_OK)
		status = jwk_member(root, "e", exponent, sizeof(exponent), &exponent_length);
	if (status == TSEC_OK)
		status = jwk_rsa_of(bytes_of(modulus, modulus_length), bytes_of(exponent, exponent_length), pkey);
	return status;
}

Status
jwk_build_ec(const json_t *root, const JwtRow *row, EVP_PKEY **pkey)
{
	uint8_t point[1 + 2 * 66] = {4}; /* uncompressed */
	size_t size = row->number_size;
	size_t x_length;
	size_t y_length;
	OSSL_PARAM parameters[3] = {OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *) row->group, 0),
								OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size),
								OSSL_PARAM_construct_end()};
	Status status = jwk_member(root, "x", point + 1, size, &x_length);

	if (status == TSEC_OK)
		status = jwk_member(root, "y", point + 1 + size, size, &y_length);
	/* RFC 7518 section 6.2.1.2: a coordinate has its full size */
	if (status == TSEC_OK && (x_length != size || y_length != size))
		status = TSEC_JWK_MALFORMED;
	return status == TSEC_OK ? build("EC", parameters, pkey) : status;
}

/*
 * Whether anybody can sign for a point of edwards25519: one of small order, by its y (0 and 1 of order 4 and 1, p - 1 of 2,
 * the two of order 8), whatever the sign of x.  A y of p or more (RFC 8032 section 5.1.3) is no encoding of anything.
 */
static bool
is_weak_edwards(const uint8_t point[32])
{
	static const uint8_t order8[2][32] = {
		{0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
		 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a},
		{0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
		 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}};
	uint8_t y[32];
	uint8_t zeros = 0;
	uint8_t ones = 0xff;

	memcpy(y, point, sizeof(y));
	y[31] &= 0x7f;
	for (int i = 1; i < 31; i++)
	{
		zeros |= y[i];
		ones &= y[i];
	}
	if (zeros == 0 && y[31] == 0 && y[0] <= 1)
		return true;
	/* p is 2^255 - 19, least byte 0xed */
	if (ones == 0xff && y[31] == 0x7f && y[0] >= 0xec)
		return true;
	/* public: keys that are published */
	return memcmp(y, order8[0], sizeof(y)) == 0 || memcmp(y, order8[1], sizeof(y)) == 0;
}

Status
jwk_build_okp(const json_t *root, EVP_PKEY **pkey)
{
	uint8_t point[32];
	size_t length;
	Status status = jwk_member(root, "x", point, sizeof(point), &length);

	if (status != TSEC_OK)
		return status;
	if (length != sizeof(point))
		return TSEC_JWK_MALFORMED;
	if (is_weak_edwards(point))
		return TSEC_JWK_WEAK;
	*pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, sizeof(point));
	return *pkey != NULL ? TSEC_OK : library_failure(TSEC_JWK_WEAK);
}
