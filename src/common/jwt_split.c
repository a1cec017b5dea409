/*
 * jwt_split.c
 *		The outside of a token: its three segments and its header.
 */
#include "jwt.h"

#include "encode.h"
#include "strictjson.h"

#include <string.h>
#include <strings.h>

#define HEADER_DEPTH 4
#define HEADER_VALUES 32

Status
jwt_split(const char *token, size_t length, JwtParts *parts)
{
	const char *first;
	const char *second;

	if (length > JWT_LENGTH_MAX)
		return TSEC_TOKEN_TOO_LONG;
	first = memchr(token, '.', length);
	if (first == NULL || first == token)
		return TSEC_TOKEN_MALFORMED;
	second = memchr(first + 1, '.', length - (size_t) (first + 1 - token));
	if (second == NULL || memchr(second + 1, '.', length - (size_t) (second + 1 - token)) != NULL)
		return TSEC_TOKEN_MALFORMED;
	parts->header = bytes_of(token, (size_t) (first - token));
	parts->payload = bytes_of(first + 1, (size_t) (second - first - 1));
	parts->signature = bytes_of(second + 1, length - (size_t) (second + 1 - token));
	parts->signed_text = bytes_of(token, (size_t) (second - token));
	return TSEC_OK;
}

/* Whether the media type of the token is a JWT or says nothing (RFC 7515 section 4.1.9: letters of any case). */
static bool
type_is_ours(const json_t *type)
{
	static const char *const accepted[] = {"jwt", "application/jwt", "at+jwt", "application/at+jwt"};
	const char *text = json_string_value(type);

	if (type == NULL)
		return true;
	for (size_t i = 0; text != NULL && i < sizeof(accepted) / sizeof(accepted[0]); i++)
		if (strcasecmp(text, accepted[i]) == 0)
			return true;
	return false;
}

/* Whether a header names a key in itself, changes what the other parts mean, or asks for what nobody here understands. */
static bool
asks_for_more(json_t *root)
{
	static const char *const refused[] = {"crit", "jku", "jwk", "b64", "zip", "enc", "cty", "epk", "p2s", "p2c"};
	const char *name;
	json_t *value;

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++)
		if (json_object_get(root, refused[i]) != NULL)
			return true;
	json_object_foreach(root, name, value)
	{
		if (strncmp(name, "x5", 2) == 0)
			return true;
	}
	return false;
}

static Status
judge_header(json_t *root, JwtHeader *header)
{
	const char *algorithm = strictjson_text(root, "alg");
	const json_t *kid = json_object_get(root, "kid");

	if (algorithm == NULL)
		return TSEC_TOKEN_MALFORMED;
	if (asks_for_more(root) || !type_is_ours(json_object_get(root, "typ")))
		return TSEC_TOKEN_HEADER;
	/* "none" and every other spelling of anything is no algorithm */
	if (!jwt_algorithm_find(algorithm, &header->algorithm))
		return TSEC_TOKEN_ALGORITHM;
	header->kid[0] = '\0';
	if (kid != NULL)
	{
		size_t length = json_string_length(kid);

		if (!json_is_string(kid) || length == 0 || length > JWT_KID_MAX)
			return TSEC_TOKEN_KEY_UNKNOWN;
		memcpy(header->kid, json_string_value(kid), length + 1);
	}
	return TSEC_OK;
}

Status
jwt_read_header(Bytes segment, JwtHeader *header)
{
	uint8_t text[JWT_LENGTH_MAX];
	size_t length;
	json_t *root;
	Status status;

	if (segment.length > JWT_LENGTH_MAX)
		return TSEC_TOKEN_TOO_LONG;
	if (decode_base64url((const char *) segment.data, segment.length, text, &length) != TSEC_OK)
		return TSEC_TOKEN_MALFORMED;
	root = strictjson_object((const char *) text, length, HEADER_DEPTH, HEADER_VALUES);
	if (root == NULL)
		return strictjson_failure(TSEC_TOKEN_MALFORMED);
	status = judge_header(root, header);
	json_decref(root);
	return status;
}
