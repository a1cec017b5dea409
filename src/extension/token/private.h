/*
 * private.h
 *		What the files of the token part share among themselves.
 */
#ifndef TSEC_TOKEN_PRIVATE_H
#define TSEC_TOKEN_PRIVATE_H

#include "common/claims.h"
#include "common/jwk.h"
#include "common/jwt.h"
#include "token/token.h"

#include "nodes/pg_list.h"

#define TOKEN_SECRET_MIN 32
#define TOKEN_SECRET_MAX 1024

/* The longest lifetime of an outside issuer's token when its key does not say, and the longest a key may say. */
#define TOKEN_OUTSIDE_LIFETIME_DEFAULT TOKEN_ACCESS_LIFETIME_MAX
#define TOKEN_OUTSIDE_LIFETIME_MAX (INT64CONST(3660) * 86400)

/* Purpose of the secrets that the keyring keeps for us. */
#define TOKEN_SECRET_PURPOSE "token key"

/* ---- environment.c ---- */

typedef struct TokenSecret
{
	Status status; /* TSEC_OK, or why there is none */
	size_t length;
	char kid[JWK_SECRET_KID_SIZE]; /* of the secret alone; see token_catalog_local_kid() */
	uint8 bytes[TOKEN_SECRET_MAX];
} TokenSecret;

extern void token_environment_init(void);
extern const TokenSecret *token_secret_current(void);  /* JWT_SECRET_KEY */
extern const TokenSecret *token_secret_previous(void); /* JWT_SECRET_KEY_PREVIOUS: verifies only */

/* ---- catalog.c: the rows, read without SQL and without privileges ---- */

typedef enum TokenKeyState
{
	TOKEN_KEY_PUBLISHED, /* verifies, and is in jwks(), before anything is signed with it */
	TOKEN_KEY_SIGNING,
	TOKEN_KEY_VERIFYING,
	TOKEN_KEY_RETIRED
} TokenKeyState;

typedef struct TokenKeyRow
{
	char *kid;
	bool is_own;
	JwtAlgorithm algorithm;
	TokenKeyState state;
	char *public_text; /* NULL for a secret */
	char *issuer;      /* NULL: any */
	char *audience;    /* NULL: any */
	char *claim_map;   /* JSON text */
	int64 max_lifetime;
} TokenKeyRow;

/* Relations by name; their OIDs are looked up once until something changes. */
typedef enum TokenObject
{
	TOKEN_OBJECT_KEYS,
	TOKEN_OBJECT_INSTALLATION,
	TOKEN_OBJECT_REVOCATIONS,
	TOKEN_OBJECT_REVOCATIONS_HASH,
	TOKEN_OBJECT_REVOCATIONS_PKEY,
	TOKEN_OBJECT_KEY_SIGNAL,
	TOKEN_OBJECT_REVOCATION_SIGNAL,
	TOKEN_OBJECT_COUNT
} TokenObject;

extern Oid token_catalog_require(TokenObject object); /* raises when it is not there */
extern List *token_catalog_keys(void);                /* of TokenKeyRow pointers, in the current context */

/* The name that a secret of the environment has in this database, in the current context. */
extern char *token_catalog_local_kid(const TokenSecret *secret);

/* Relations whose invalidation tells that keys, or revocations, changed; looked up, and compared without looking up. */
extern Oid token_catalog_key_signal(void);
extern Oid token_catalog_revocation_signal(void);
extern bool token_catalog_is_key_signal(Oid relation);
extern bool token_catalog_is_revocation_signal(Oid relation);
extern bool token_catalog_uses(Oid relation);
extern void token_catalog_forget(void);

/* Digest of all that a key's secret is bound to. */
extern void token_key_binding(const TokenKeyRow *row, uint8 binding[DIGEST_SIZE]);

/* ---- revoked.c ---- */

/* Whether the table of revocations refuses a token. */
extern bool token_catalog_is_revoked(const VerifiedToken *token, const char *name);

/* The last second whose tokens of a user are revoked; 0 for none. */
extern int64 token_catalog_user_revoked(const char *user);

/* ---- news.c: when what is cached became void ---- */

extern void token_news_init(void);

/* Listens, and tells the numbers that caches compare with theirs. */
extern void token_news_listen(void);
extern uint64 token_key_generation(void);
extern uint64 token_revocation_generation(void);

/* ---- keys.c: the key set of this session ---- */

typedef struct TokenKey
{
	const char *kid;
	bool is_own;
	bool is_secret_of_environment;
	bool is_previous; /* JWT_SECRET_KEY_PREVIOUS */
	TokenKeyState state;
	JwtAlgorithm algorithm;
	ClaimRules rules; /* for access tokens */
	TokenKeyRow *row; /* NULL for the environment's */
	JwtKey *key;      /* NULL until asked for */
	Status status;    /* why there is none */
	struct TokenKey *next;
} TokenKey;

/* Keys of one algorithm that a token without kid may be of. */
#define TOKEN_CANDIDATES_MAX 8

typedef struct TokenCandidates
{
	int count;
	TokenKey *keys[TOKEN_CANDIDATES_MAX];
} TokenCandidates;

/* The key that a token's header names, or, where it names none, those of its algorithm; not ready to verify with yet. */
extern Status token_key_find(Bytes header, TokenCandidates *found);

/* Makes a key ready to verify with. */
extern Status token_key_ready(TokenKey *key);

/* The key that signs our tokens: the one in state signing, else the environment's.  Raises when there is none. */
extern TokenKey *token_key_signing(void);

/* The environment's secret, the present or the previous one, as this database names it; NULL when there is none. */
extern const char *token_key_environment_kid(bool previous);

/* Opens the private half or the secret of a key into a buffer that the caller wipes. */
extern Status token_key_open_secret(const TokenKeyRow *row, uint8 bytes[KEYRING_SECRET_MAX], size_t *length);

/* A map for keys of our own: user_id, role, tenant_id. */
extern const ClaimMap *token_own_map(void);

/* ---- json.c ---- */

/* Makes Jsonb of what jansson parsed, in the current context; TSEC_TOKEN_CHARACTERS when the encoding lacks some. */
extern Status token_jsonb_of(const json_t *root, Jsonb **result);

/* A string of a token in the database's encoding, in the current context; NULL stays NULL. */
extern Status token_text_of(const char *utf8, const char **result);

/* Jsonb as JSON in UTF-8.  Raises 22023 for a number that JSON parsers would round. */
extern char *token_json_text(Jsonb *value);

/* ---- find.c ---- */

/* Judges a token without cache and without looking at revocation; for revoke_token() and what issues. */
typedef struct JudgedToken
{
	Claims claims;
	TokenKey *key;
	char name[CLAIM_TEXT_MAX + 1]; /* what a revocation of it is called: its jti, or a digest */
} JudgedToken;

/* claims are the caller's to free whatever the status is. */
extern Status token_judge(const char *token, size_t length, TokenType type, JudgedToken *judged);

#endif /* TSEC_TOKEN_PRIVATE_H */
