/*
 * jwt_fuzz.c
 *		The strict door, from both sides.
 *
 * As a token: the parts lie inside it and make it up; a signature that
 * somebody invents never verifies.  As JSON: whatever is encoded as a header or
 * a payload ends in one of the statuses of tokens, and what is accepted keeps
 * its promises.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/claims.h"
#include "common/encode.h"
#include "common/jwk.h"
#include "common/jwt.h"

#define NOW 1700000000
#define MAP "{\"roles\":[\"viewer\",\"operator\"],\"user\":[\"who\",\"id\"],\"require\":[\"exp\",\"iat\"]}"

static JwtKey *key;
static ClaimMap *outside;
static ClaimMap *own;

static void
make_keys(void)
{
	if (key != NULL)
		return;
	MUST(jwk_of_secret(JWT_HS256, bytes_of("0123456789abcdef0123456789abcdef", 32), &key) == TSEC_OK);
	MUST(claim_map_read(MAP, strlen(MAP), &outside) == TSEC_OK);
	MUST(claim_map_read("{}", 2, &own) == TSEC_OK);
}

static void
check_token(const char *token, size_t length)
{
	JwtParts parts;
	JwtHeader header;

	if (jwt_split(token, length, &parts) != TSEC_OK)
		return;
	MUST(parts.header.length + parts.payload.length + parts.signature.length + 2 == length);
	MUST((const char *) parts.header.data == token &&
		 parts.signed_text.length == length - parts.signature.length - 1);
	MUST(memchr(parts.payload.data, '.', parts.payload.length) == NULL);
	(void) jwt_read_header(parts.header, &header);
	MUST(jwt_verify(key, &parts) != TSEC_OK);
}

static void
check_claims(const ClaimMap *map, bool is_own, Bytes segment)
{
	ClaimRules rules = {
		map,   is_own ? "us" : NULL, is_own ? "us" : NULL, 86400, 10, is_own ? CLAIM_TYPE_ACCESS : CLAIM_TYPE_OUTSIDE,
		is_own};
	Claims claims;
	Status status = claims_read(segment, &claims);

	MUST(status == TSEC_OK || status == TSEC_TOKEN_MALFORMED);
	if (status == TSEC_OK)
	{
		status = claims_check(&rules, NOW, &claims);
		MUST(status == TSEC_OK || (status >= TSEC_TOKEN_MALFORMED && status <= TSEC_TOKEN_ROLE));
	}
	if (status == TSEC_OK)
	{
		MUST(claims.expires_at > NOW - 10 && claims.expires_at <= claims.issued_at + 86400);
		MUST(claims.issued_at <= NOW + 11);
		MUST(claims.user == NULL || (strlen(claims.user) > 0 && strlen(claims.user) <= CLAIM_TEXT_MAX));
		MUST(claims.role == NULL || (strlen(claims.role) > 0 && strlen(claims.role) <= CLAIM_ROLE_MAX));
		MUST(!claims.has_user_id || (claims.user != NULL && claims.user_id > 0));
		MUST(!claims.has_tenant || claims.tenant_id > 0);
		MUST(!is_own || claims.token_id != NULL);
	}
	claims_free(&claims);
}

static void
check_json(const uint8_t *data, size_t size)
{
	size_t length = encode_base64url_size(size);
	char *text = fuzz_memory(length);
	JwtHeader header;
	ClaimMap *map = NULL;
	Status status;

	encode_base64url(data, size, text);
	status = jwt_read_header(bytes_of(text, length), &header);
	MUST(status == TSEC_OK || (status >= TSEC_TOKEN_MALFORMED && status <= TSEC_TOKEN_KEY_UNKNOWN));
	if (status == TSEC_OK)
		MUST(strlen(header.kid) <= JWT_KID_MAX && (unsigned) header.algorithm < JWT_ALGORITHM_COUNT);
	check_claims(outside, false, bytes_of(text, length));
	check_claims(own, true, bytes_of(text, length));
	status = claim_map_read((const char *) data, size, &map);
	MUST((status == TSEC_OK) == (map != NULL) && (status == TSEC_OK || status == TSEC_CLAIM_MAP));
	claim_map_free(map);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *input = fuzz_copy(data, size);

	make_keys();
	check_token((const char *) input, size);
	check_json(input, size);
	free(input);
	return 0;
}
