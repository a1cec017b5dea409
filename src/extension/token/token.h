/*
 * token.h
 *		Signed tokens: issued, verified behind the strict door of common/jwt.h,
 *		revoked.
 *
 * A VerifiedToken is good until the next call of token_find() or
 * token_find_refresh(): ask, use, forget.  Strings are in the database's
 * encoding.  Nothing here looks at privileges.
 */
#ifndef TSEC_TOKEN_H
#define TSEC_TOKEN_H

#include "keyring/keyring.h"

#include "utils/jsonb.h"

/* Longest lifetime of an access and of a refresh token of ours, in seconds. */
#define TOKEN_ACCESS_LIFETIME_MAX (INT64CONST(30) * 86400)
#define TOKEN_REFRESH_LIFETIME_MAX (INT64CONST(366) * 86400)

typedef struct VerifiedToken
{
	const char *user; /* mapped user claim as text; NULL when the token names none */
	bool has_user_id; /* ... and it is a canonical decimal bigint */
	int64 user_id;
	const char *role;      /* NULL when none */
	bool role_is_database; /* role names a database role, not one of the twin */
	bool has_tenant;
	int64 tenant_id;
	const char *session;   /* sid; NULL when none */
	const char *token_id;  /* jti; NULL when none */
	int64 issued_at;       /* seconds since 1970; 0 when absent */
	int64 expires_at;      /* the same */
	int leeway;            /* seconds that it is accepted past that */
	const char *name;      /* what a revocation of it is called: its jti, or a digest */
	bool is_own;           /* signed by one of our own keys */
	uint64 key_generation; /* of the keys it was verified with */
	const char *kid;
	Jsonb *claims;
} VerifiedToken;

typedef enum TokenType
{
	TOKEN_ACCESS,
	TOKEN_REFRESH
} TokenType;

extern void token_init(void);

/*
 * Finds what an access token says, from the session's cache or by verifying
 * it; expiry and revocation are looked at every time.  Raises nothing about
 * the token itself: the status says.
 */
extern Status token_find(const char *token, size_t length, const VerifiedToken **found);

/* The same for a refresh token of ours, which is never kept in the cache. */
extern Status token_find_refresh(const char *token, size_t length, const VerifiedToken **found);

/*
 * What token_find() answered, kept: for who holds thousands of tokens and must
 * know of each whether it still holds.  Everything but kid and claims is copied,
 * into one piece of memory that the caller frees.
 */
extern VerifiedToken *token_keep(const VerifiedToken *token, MemoryContext context);

/*
 * Looks at the clock and the revocations again: what token_find() would say,
 * without verifying the signature.  False when that must be done, since keys
 * changed.
 */
extern bool token_look_again(const VerifiedToken *kept, Status *status);

/* Hears of changes of keys and revocations that other sessions committed. */
extern void token_listen(void);

/* Number that changes whenever what token_find() answered may have changed, as far as heard of (but by the passing of time). */
extern uint64 token_generation(void);

/* How long access tokens live when nobody says otherwise, in seconds.  Raises 55000 when the environment's value is no number. */
extern int64 token_default_lifetime(void);

/* What was issued. */
typedef struct IssuedToken
{
	char *token;
	char *token_id; /* jti */
	int64 issued_at;
	int64 expires_at;
} IssuedToken;

/*
 * Issues a token of ours in the current memory context.  claims is an object
 * with user_id, role, tenant_id, sid and whatever else the caller likes;
 * lifetime is in seconds, 0 the default.  Raises 22023 for claims that the
 * database sets itself or that verification would refuse, 55000 when there is
 * nothing to sign with.
 */
extern IssuedToken token_issue(TokenType type, Jsonb *claims, int64 lifetime);

/* Raises what token_issue() would where there is nothing to sign with: for who must know before he does what stays. */
extern void token_require_signing(void);

/* ---- strength.c, libjwt.c: for whoever judges how tokens are signed ---- */

typedef struct TokenSecretStrength
{
	size_t length; /* bytes */
	double bits;   /* no more than this many bits have to be guessed */
} TokenSecretStrength;

/* Judges JWT_SECRET_KEY, or JWT_SECRET_KEY_PREVIOUS; false where it was not given or cannot be used. */
extern bool token_secret_strength(bool previous, TokenSecretStrength *strength);

/* The file that libjwt was loaded from; NULL where it is not used. */
extern const char *token_libjwt_path(void);

#endif /* TSEC_TOKEN_H */
