/*
 * claims.c
 *		The inside of a token: types first, then who may say what, time last.
 */
#include "claims.h"

#include "encode.h"
#include "jwt.h"
#include "strictjson.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define PAYLOAD_DEPTH 16
#define PAYLOAD_VALUES 1024

/* The last second of the year 9999. */
#define TIME_MAX INT64_C(253402300799)

/* Issuers and we count whole seconds, so a clock may be ahead by the fraction that was cut off. */
#define ROUNDING 1

/* An arena that waits for the next token: one thread at a time is here, as with the keys that verify. */
static JsonArena *spare = NULL;

static JsonArena *
take_arena(void)
{
	JsonArena *arena = spare != NULL ? spare : strictjson_arena_new();

	spare = NULL;
	return arena;
}

Status
claims_read(Bytes segment, Claims *claims)
{
	uint8_t text[JWT_LENGTH_MAX];
	size_t length;

	memset(claims, 0, sizeof(*claims));
	if (segment.length > JWT_LENGTH_MAX)
		return TSEC_TOKEN_TOO_LONG;
	if (decode_base64url((const char *) segment.data, segment.length, text, &length) != TSEC_OK)
		return TSEC_TOKEN_MALFORMED;
	claims->arena = take_arena();
	if (claims->arena == NULL)
		return TSEC_NO_MEMORY;
	claims->root = strictjson_object_in(claims->arena, (const char *) text, length, PAYLOAD_DEPTH, PAYLOAD_VALUES);
	if (claims->root != NULL)
		return TSEC_OK;
	claims_free(claims);
	return strictjson_failure(TSEC_TOKEN_MALFORMED);
}

void
claims_free(Claims *claims)
{
	if (claims->arena != NULL)
	{
		strictjson_arena_empty(claims->arena);
		strictjson_arena_free(spare);
		spare = claims->arena;
	}
	claims->arena = NULL;
	claims->root = NULL;
}

bool
claims_read_id(const char *text, size_t length, int64_t *id)
{
	uint64_t number = 0;

	if (length == 0 || length > 19 || text[0] < '1' || text[0] > '9')
		return false;
	for (size_t i = 0; i < length; i++)
	{
		if (text[i] < '0' || text[i] > '9')
			return false;
		number = number * 10 + (uint64_t) (text[i] - '0');
	}
	if (number > INT64_MAX)
		return false;
	*id = (int64_t) number;
	return true;
}

/* Follows a path; NULL when it leads nowhere. */
static const json_t *
at_path(const json_t *root, const ClaimPath *path)
{
	const json_t *value = path->count > 0 ? root : NULL;

	for (int i = 0; i < path->count && value != NULL; i++)
		value = json_object_get(value, path->names[i]);
	return value;
}

/* The claims of RFC 7519 section 4.1 and ours beside them that every key judges; NULL where absent. */
typedef struct Registered
{
	const json_t *exp;
	const json_t *iat;
	const json_t *nbf;
	const json_t *jti;
	const json_t *sid;
	const json_t *typ;
	const json_t *iss;
	const json_t *aud;
} Registered;

/* Finds them in one pass: jansson hashes a name at each look-up, which adds up to a tenth of a verification. */
static Registered
find_registered(json_t *root)
{
	Registered found = {0};
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		const json_t **place = NULL;

		if (name[0] == '\0' || name[1] == '\0' || name[2] == '\0' || name[3] != '\0')
			continue; /* they all have three letters */
		switch (name[0])
		{
			case 'e':
				place = name[1] == 'x' && name[2] == 'p' ? &found.exp : NULL;
				break;
			case 'i':
				place = name[1] == 'a' && name[2] == 't'   ? &found.iat
						: name[1] == 's' && name[2] == 's' ? &found.iss
														   : NULL;
				break;
			case 'n':
				place = name[1] == 'b' && name[2] == 'f' ? &found.nbf : NULL;
				break;
			case 'j':
				place = name[1] == 't' && name[2] == 'i' ? &found.jti : NULL;
				break;
			case 's':
				place = name[1] == 'i' && name[2] == 'd' ? &found.sid : NULL;
				break;
			case 't':
				place = name[1] == 'y' && name[2] == 'p' ? &found.typ : NULL;
				break;
			case 'a':
				place = name[1] == 'u' && name[2] == 'd' ? &found.aud : NULL;
				break;
			default:
				break;
		}
		if (place != NULL)
			*place = value;
	}
	return found;
}

/* Reads a time; absent is 0. */
static Status
read_time(const json_t *value, int64_t *time)
{
	*time = 0;
	if (value == NULL)
		return TSEC_OK;
	if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > TIME_MAX)
		return TSEC_TOKEN_CLAIM_TYPE;
	*time = json_integer_value(value);
	return TSEC_OK;
}

/* Reads a string of 1 to 255 bytes; absent is NULL. */
static Status
read_text(const json_t *value, const char **text)
{
	*text = NULL;
	if (value == NULL)
		return TSEC_OK;
	if (!json_is_string(value) || json_string_length(value) == 0 || json_string_length(value) > CLAIM_TEXT_MAX)
		return TSEC_TOKEN_CLAIM_TYPE;
	*text = json_string_value(value);
	return TSEC_OK;
}

static Status
read_user(const ClaimMap *map, Claims *claims)
{
	const json_t *value = at_path(claims->root, &map->user);
	size_t length = json_string_length(value);

	if (value == NULL)
		return TSEC_OK;
	if (json_is_integer(value))
	{
		(void) snprintf(claims->user_text, sizeof(claims->user_text), "%" JSON_INTEGER_FORMAT,
						json_integer_value(value));
		claims->user = claims->user_text;
		length = strlen(claims->user);
	}
	else if (json_is_string(value) && length > 0 && length <= CLAIM_TEXT_MAX)
		claims->user = json_string_value(value);
	else
		return TSEC_TOKEN_CLAIM_TYPE;
	claims->has_user_id = claims_read_id(claims->user, length, &claims->user_id);
	return TSEC_OK;
}

static Status
read_tenant(const ClaimMap *map, Claims *claims)
{
	const json_t *value = at_path(claims->root, &map->tenant);

	/* a user of no tenant: our own tokens say so by null */
	if (value == NULL || json_is_null(value))
		return TSEC_OK;
	if (json_is_integer(value) && json_integer_value(value) > 0)
		claims->tenant_id = json_integer_value(value);
	else if (!json_is_string(value) ||
			 !claims_read_id(json_string_value(value), json_string_length(value), &claims->tenant_id))
		return TSEC_TOKEN_CLAIM_TYPE;
	claims->has_tenant = true;
	return TSEC_OK;
}

static bool
is_role(const json_t *value)
{
	return json_is_string(value) && json_string_length(value) > 0 && json_string_length(value) <= CLAIM_ROLE_MAX;
}

/* The token's own copy of a role that it holds, alone or in an array; NULL when it does not. */
static const char *
find_role(const json_t *value, const char *wanted)
{
	size_t count = json_is_array(value) ? json_array_size(value) : 1;

	for (size_t i = 0; i < count; i++)
	{
		const json_t *role = json_is_array(value) ? json_array_get(value, i) : value;

		if (strcmp(json_string_value(role), wanted) == 0)
			return json_string_value(role);
	}
	return NULL;
}

/* Takes the role: one string, or, where the key lists roles, of several the first of that list. */
static Status
read_role(const ClaimMap *map, Claims *claims)
{
	const json_t *value = at_path(claims->root, &map->role);

	if (value == NULL)
		return TSEC_OK;
	if (!is_role(value) && !(json_is_array(value) && map->lists_roles))
		return TSEC_TOKEN_CLAIM_TYPE;
	for (size_t i = 0; i < json_array_size(value); i++)
		if (!is_role(json_array_get(value, i)))
			return TSEC_TOKEN_CLAIM_TYPE;
	if (!map->lists_roles)
		claims->role = json_string_value(value);
	for (int i = 0; i < map->role_count && claims->role == NULL; i++)
		claims->role = find_role(value, map->roles[i]);
	return claims->role != NULL ? TSEC_OK : TSEC_TOKEN_ROLE;
}

/* The type of a token: our own must say it, others may use the words in use for access tokens. */
static Status
check_type(const ClaimRules *rules, const json_t *value)
{
	static const char *const outside[] = {"access", "bearer", "jwt", "at+jwt"};
	const char *type = json_string_value(value);

	if (rules->type == CLAIM_TYPE_OUTSIDE)
	{
		if (value == NULL)
			return TSEC_OK;
		for (size_t i = 0; type != NULL && i < sizeof(outside) / sizeof(outside[0]); i++)
			if (strcasecmp(type, outside[i]) == 0)
				return TSEC_OK;
		return TSEC_TOKEN_TYPE;
	}
	return type != NULL && strcmp(type, rules->type == CLAIM_TYPE_ACCESS ? "access" : "refresh") == 0
			   ? TSEC_OK
			   : TSEC_TOKEN_TYPE;
}

static Status
check_issuer(const ClaimRules *rules, const json_t *value)
{
	const char *issuer;
	Status status = read_text(value, &issuer);

	if (status == TSEC_OK && rules->issuer != NULL && (issuer == NULL || strcmp(issuer, rules->issuer) != 0))
		status = TSEC_TOKEN_ISSUER;
	return status;
}

/* RFC 7519 section 4.1.3: a string, or an array of strings of which one is ours. */
static Status
check_audience(const ClaimRules *rules, const json_t *value)
{
	size_t count = json_is_array(value) ? json_array_size(value) : value != NULL;
	bool found = rules->audience == NULL;

	for (size_t i = 0; i < count; i++)
	{
		const json_t *one = json_is_array(value) ? json_array_get(value, i) : value;

		if (!json_is_string(one) || json_string_length(one) > CLAIM_TEXT_MAX)
			return TSEC_TOKEN_CLAIM_TYPE;
		found = found || strcmp(json_string_value(one), rules->audience) == 0;
	}
	return found ? TSEC_OK : TSEC_TOKEN_AUDIENCE;
}

static Status
check_required(const ClaimRules *rules, const Claims *claims)
{
	const ClaimMap *map = rules->map;

	for (int i = 0; i < map->required_count; i++)
	{
		const json_t *value = json_object_get(claims->root, map->required[i]);

		if (value == NULL || json_is_null(value))
			return TSEC_TOKEN_CLAIM_MISSING;
	}
	if (map->needs_expiry && claims->expires_at == 0)
		return TSEC_TOKEN_CLAIM_MISSING;
	if (rules->is_own && (claims->issued_at == 0 || claims->expires_at == 0 || claims->token_id == NULL))
		return TSEC_TOKEN_CLAIM_MISSING;
	return TSEC_OK;
}

static Status
check_times(const ClaimRules *rules, int64_t now, int64_t not_before, const Claims *claims)
{
	int64_t begins = claims->issued_at > 0 ? claims->issued_at : now;

	/* a time ahead of ours by more than leeway and rounding */
	if (not_before > now + rules->leeway || claims->issued_at > now + rules->leeway + ROUNDING)
		return TSEC_TOKEN_EARLY;
	if (claims->expires_at == 0)
		return TSEC_OK;
	if (claims->expires_at - begins > rules->max_lifetime)
		return TSEC_TOKEN_LIFETIME;
	/* RFC 7519 section 4.1.4: on or after this time it must not be accepted */
	return now >= claims->expires_at + rules->leeway ? TSEC_TOKEN_EXPIRED : TSEC_OK;
}

Status
claims_check(const ClaimRules *rules, int64_t now, Claims *claims)
{
	Registered found = find_registered(claims->root);
	int64_t not_before = 0;
	Status status = read_time(found.exp, &claims->expires_at);

	if (status == TSEC_OK)
		status = read_time(found.iat, &claims->issued_at);
	if (status == TSEC_OK)
		status = read_time(found.nbf, &not_before);
	if (status == TSEC_OK)
		status = read_text(found.jti, &claims->token_id);
	if (status == TSEC_OK)
		status = read_text(found.sid, &claims->session);
	if (status == TSEC_OK)
		status = check_type(rules, found.typ);
	if (status == TSEC_OK)
		status = check_issuer(rules, found.iss);
	if (status == TSEC_OK)
		status = check_audience(rules, found.aud);
	if (status == TSEC_OK)
		status = read_user(rules->map, claims);
	if (status == TSEC_OK)
		status = read_tenant(rules->map, claims);
	if (status == TSEC_OK)
		status = check_required(rules, claims);
	if (status == TSEC_OK)
		status = read_role(rules->map, claims);
	if (status == TSEC_OK)
		status = check_times(rules, now, not_before, claims);
	return status;
}
