/*
 * claims.h
 *		What a token says (RFC 7519), and what a key lets it say.
 *
 * A ClaimMap is the JSON that an administrator gives with a key: which claim
 * is the user, the role, the tenant; which roles the issuer may give; what
 * must be there.  ClaimRules add what stands beside it: issuer, audience,
 * lifetime.  Every check has a status of its own, and expiry is judged last,
 * so that TSEC_TOKEN_EXPIRED means that all else holds.
 *
 * Numbers: times are JSON integers from 1 to 253402300799 (the year 9999);
 * fractions, exponents and strings are refused, though RFC 7519 allows
 * fractions.  User and tenant ids are integers or strings of their canonical
 * decimal spelling.
 */
#ifndef TSEC_CLAIMS_H
#define TSEC_CLAIMS_H

#include "bytes.h"
#include "status.h"

#include <stdbool.h>

/* jansson's, which is not included here: the server has functions of the same names. */
typedef struct json_t json_t;
typedef struct JsonArena JsonArena;

#define CLAIM_TEXT_MAX 255
#define CLAIM_ROLE_MAX 63
#define CLAIM_ROLES_MAX 64
#define CLAIM_REQUIRED_MAX 16
#define CLAIM_PATH_MAX 4
#define CLAIM_MAP_TEXT_MAX 16384
#define CLAIM_LEEWAY_MAX 300

/* Where a claim is found: one name, or names from the outside in.  A count of 0 is nowhere. */
typedef struct ClaimPath
{
	const char *names[CLAIM_PATH_MAX];
	int count;
} ClaimPath;

typedef struct ClaimMap
{
	json_t *text; /* owns every string here */
	ClaimPath user;
	ClaimPath role;
	ClaimPath tenant;
	bool role_is_database;
	bool lists_roles;
	int role_count;
	const char *roles[CLAIM_ROLES_MAX]; /* the first that a token holds is taken */
	int required_count;
	const char *required[CLAIM_REQUIRED_MAX];
	bool needs_expiry;
	int leeway; /* seconds; -1 when the map does not say */
} ClaimMap;

/* Reads a map; TSEC_CLAIM_MAP for anything unknown or of the wrong type.  Free it with claim_map_free(). */
extern Status claim_map_read(const char *text, size_t length, ClaimMap **map);
extern void claim_map_free(ClaimMap *map);

typedef enum ClaimType
{
	CLAIM_TYPE_OUTSIDE, /* typ absent, or one of the words issuers use for access tokens */
	CLAIM_TYPE_ACCESS,
	CLAIM_TYPE_REFRESH
} ClaimType;

typedef struct ClaimRules
{
	const ClaimMap *map;
	const char *issuer;   /* NULL: any */
	const char *audience; /* NULL: any */
	int64_t max_lifetime; /* seconds */
	int leeway;           /* seconds */
	ClaimType type;
	bool is_own; /* iat, exp and jti must be there */
} ClaimRules;

/* What a token said; strings belong to root. */
typedef struct Claims
{
	json_t *root;
	JsonArena *arena; /* where root lives */
	const char *user;
	char user_text[24]; /* what user points to when the claim is a number */
	bool has_user_id;
	int64_t user_id;
	const char *role;
	bool has_tenant;
	int64_t tenant_id;
	const char *session;
	const char *token_id;
	int64_t issued_at; /* 0 when absent */
	int64_t expires_at;
} Claims;

/* Decodes and parses a payload; TSEC_TOKEN_MALFORMED unless it is one JSON object within bounds. */
extern Status claims_read(Bytes segment, Claims *claims);

/* Judges what claims_read() took in, at a time in seconds since 1970, and fills in the rest of claims. */
extern Status claims_check(const ClaimRules *rules, int64_t now, Claims *claims);

/* Frees what claims_read() took in; may be called again. */
extern void claims_free(Claims *claims);

/* Reads the canonical decimal spelling of a number from 1 to 2^63-1. */
extern bool claims_read_id(const char *text, size_t length, int64_t *id);

#endif /* TSEC_CLAIMS_H */
