/*
 * jwk.c
 *		Reads a JWK: what it says about itself first, then the key.
 */
#include "jwk_key.h"

#include "encode.h"
#include "secret.h"
#include "strictjson.h"

#include <stdio.h>
#include <string.h>

#define DEPTH 8
#define VALUES 128

/* Whether a JWK may verify signatures (RFC 7517 sections 4.2 and 4.3). */
static bool
may_verify(const json_t *root)
{
	const json_t *use = json_object_get(root, "use");
	const json_t *operations = json_object_get(root, "key_ops");
	bool verifies = false;
	bool signs = false;

	if (use != NULL && (!json_is_string(use) || strcmp(json_string_value(use), "sig") != 0))
		return false;
	if (operations == NULL)
		return true;
	if (!json_is_array(operations))
		return false;
	for (size_t i = 0; i < json_array_size(operations); i++)
	{
		const char *operation = json_string_value(json_array_get(operations, i));
		bool *seen = operation == NULL                  ? NULL
					 : strcmp(operation, "verify") == 0 ? &verifies
					 : strcmp(operation, "sign") == 0   ? &signs
														: NULL;

		if (seen == NULL || *seen)
			return false;
		*seen = true;
	}
	return verifies;
}

static bool
kind_of(const json_t *root, JwtKind *kind)
{
	static const char *const names[] = {[JWT_OCT] = "oct", [JWT_RSA] = "RSA", [JWT_EC] = "EC", [JWT_OKP] = "OKP"};
	const char *name = strictjson_text(root, "kty");

	for (int i = 0; name != NULL && i < (int) (sizeof(names) / sizeof(names[0])); i++)
		if (strcmp(names[i], name) == 0)
		{
			*kind = (JwtKind) i;
			return true;
		}
	return false;
}

/* The one algorithm of a key: stated, or given by its curve. */
static Status
algorithm_of(const json_t *root, JwtKind kind, JwtAlgorithm *algorithm)
{
	const json_t *stated = json_object_get(root, "alg");
	const char *curve = strictjson_text(root, "crv");
	bool found = false;

	if (kind == JWT_EC || kind == JWT_OKP)
	{
		for (int i = 0; curve != NULL && !found && i < JWT_ALGORITHM_COUNT; i++)
		{
			const JwtRow *row = jwt_row((JwtAlgorithm) i);

			found = row->kind == kind && strcmp(row->curve, curve) == 0;
			*algorithm = (JwtAlgorithm) i;
		}
		if (!found)
			return TSEC_JWK_KIND;
		if (stated == NULL)
			return TSEC_OK;
		return json_is_string(stated) && strcmp(json_string_value(stated), jwt_algorithm_name(*algorithm)) == 0
				   ? TSEC_OK
				   : TSEC_JWK_ALGORITHM;
	}
	if (!json_is_string(stated) || !jwt_algorithm_find(json_string_value(stated), algorithm) ||
		jwt_row(*algorithm)->kind != kind)
		return TSEC_JWK_ALGORITHM;
	return TSEC_OK;
}

static bool
has_private_member(const json_t *root, JwtKind kind)
{
	static const char *const private_names[] = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"};

	for (size_t i = 0; kind != JWT_OCT && i < sizeof(private_names) / sizeof(private_names[0]); i++)
		if (json_object_get(root, private_names[i]) != NULL)
			return true;
	return false;
}

/* A kid as people write them: 1 to 255 printable ASCII characters, the same in every encoding of a database. */
static Status
read_kid(const json_t *root, char kid[JWT_KID_MAX + 1])
{
	const json_t *given = json_object_get(root, "kid");
	const char *text = json_string_value(given);
	size_t length = json_string_length(given);

	kid[0] = '\0';
	if (given == NULL)
		return TSEC_OK;
	if (text == NULL || length == 0 || length > JWT_KID_MAX)
		return TSEC_JWK_MALFORMED;
	for (size_t i = 0; i < length; i++)
		if (text[i] < ' ' || text[i] > '~')
			return TSEC_JWK_MALFORMED;
	memcpy(kid, text, length + 1);
	return TSEC_OK;
}

Status
jwk_of_secret(JwtAlgorithm algorithm, Bytes secret, JwtKey **key)
{
	uint8_t any = 0;

	if (secret.length < (size_t) jwt_row(algorithm)->digest / 8)
		return TSEC_JWK_WEAK;
	for (size_t i = 0; i < secret.length; i++)
		any |= secret.data[i];
	if (any == 0)
		return TSEC_JWK_WEAK;
	return jwt_key_of_secret(algorithm, secret, key);
}

Status
jwk_secret_kid(Bytes secret, char kid[JWK_SECRET_KID_SIZE])
{
	static const char salt[] = "twin_security";
	uint8_t id[16];
	Status status = hkdf_sha256(secret, bytes_of(salt, sizeof(salt) - 1), "key id, version 1", id, sizeof(id));

	if (status == TSEC_OK)
	{
		encode_base64url(id, sizeof(id), kid);
		kid[encode_base64url_size(sizeof(id))] = '\0';
	}
	return status;
}

static Status
read_secret(const json_t *root, Jwk *jwk)
{
	Status status = jwk_member(root, "k", jwk->secret, sizeof(jwk->secret), &jwk->secret_length);
	Bytes secret = bytes_of(jwk->secret, jwk->secret_length);
	char kid[JWK_SECRET_KID_SIZE];

	/* an empty one is a member like any other, and weak */
	if (status != TSEC_OK && json_is_string(json_object_get(root, "k")) &&
		json_string_length(json_object_get(root, "k")) == 0)
		return TSEC_JWK_WEAK;
	if (status == TSEC_OK)
		status = jwk_of_secret(jwk->algorithm, secret, &jwk->key);
	if (status == TSEC_OK && jwk->kid[0] == '\0')
	{
		status = jwk_secret_kid(secret, kid);
		if (status == TSEC_OK)
			memcpy(jwk->kid, kid, sizeof(kid));
	}
	return status;
}

static Status
read_public(const json_t *root, JwtKind kind, Jwk *jwk)
{
	char thumbprint[JWT_KID_MAX + 1];
	EVP_PKEY *pkey = NULL;
	Status status;

	if (kind == JWT_RSA)
		status = jwk_build_rsa(root, &pkey);
	else if (kind == JWT_EC)
		status = jwk_build_ec(root, jwt_row(jwk->algorithm), &pkey);
	else
		status = jwk_build_okp(root, &pkey);
	if (status == TSEC_OK)
		status = jwt_key_of(jwk->algorithm, pkey, &jwk->key);
	if (status == TSEC_OK)
	{
		memcpy(thumbprint, jwk->kid, sizeof(thumbprint));
		status = jwk_publish(jwk->key, jwk->public_text, jwk->kid);
		if (thumbprint[0] != '\0')
			memcpy(jwk->kid, thumbprint, sizeof(thumbprint)); /* the one that was given */
	}
	return status;
}

static Status
read_object(const json_t *root, Jwk *jwk)
{
	JwtKind kind;
	Status status;

	if (!kind_of(root, &kind))
		return TSEC_JWK_KIND;
	if (!may_verify(root))
		return TSEC_JWK_USE;
	if (has_private_member(root, kind))
		return TSEC_JWK_PRIVATE;
	status = algorithm_of(root, kind, &jwk->algorithm);
	if (status == TSEC_OK)
		status = read_kid(root, jwk->kid);
	if (status != TSEC_OK)
		return status;
	return kind == JWT_OCT ? read_secret(root, jwk) : read_public(root, kind, jwk);
}

/* Overwrites what jansson holds of a secret: it frees without wiping. */
static void
wipe_secret(const json_t *root)
{
	json_t *secret = json_object_get(root, "k");

	if (json_is_string(secret))
		secret_wipe((char *) json_string_value(secret), json_string_length(secret));
}

Status
jwk_read(const char *text, size_t length, Jwk *jwk)
{
	json_t *root;
	Status status;

	memset(jwk, 0, sizeof(*jwk));
	if (length > JWK_TEXT_MAX)
		return TSEC_JWK_MALFORMED;
	root = strictjson_object(text, length, DEPTH, VALUES);
	if (root == NULL)
		return strictjson_failure(TSEC_JWK_MALFORMED);
	status = read_object(root, jwk);
	wipe_secret(root);
	json_decref(root);
	if (status != TSEC_OK)
		jwk_free(jwk);
	return status;
}

void
jwk_free(Jwk *jwk)
{
	jwt_key_free(jwk->key);
	secret_wipe(jwk, sizeof(*jwk));
}
