/*
 * identity.h
 *		Who is asking.
 *
 * The answer is whatever verifying the transaction's token (base/token_setting.c)
 * yields, here and now; nothing else a session can set has any say in it.
 */
#ifndef TSEC_IDENTITY_H
#define TSEC_IDENTITY_H

#include "base/base.h"
#include "token/token.h"

#include "utils/jsonb.h"

/* Everything in it is good until the next call of a function of this header. */
typedef struct Identity
{
	const char *user; /* as the token names him; NULL when it names none */
	bool has_user_id; /* ... and that is a number */
	int64 user_id;
	bool has_tenant;
	int64 tenant_id;
	const char *name;    /* of his account here, when the token was verified; NULL of an outside issuer's */
	const char *role;    /* of the twin; NULL when none */
	Oid database_role;   /* the token names one of these instead */
	const char *session; /* NULL when none */
	const char *token_id;
	bool is_own; /* the token was issued here */
} Identity;

extern void identity_init(void);

/* Who is asking; NULL when there is no token.  Raises when there is one that does not hold. */
extern const Identity *identity_current(void);

/* The same, with NULL also for a token that does not hold. */
extern const Identity *identity_if_verified(void);

/* The name of an account, in the caller's memory; NULL when there is none. */
typedef char *(*IdentityNamer)(int64 user_id);

/* Says who knows names: asked once for each token that verifies, so that events can name whoever is asking.  From the init function of a part above. */
extern void identity_set_namer(IdentityNamer namer);

/*
 * From here to the end of the transaction a token says who is asking.  Returns
 * why it does not hold, and then the refusal is recorded; the caller raises.
 * Of a token-only login the role is not sealed yet, so that the caller can take
 * on the one below: the next question after that, or identity_seal_role(), seals.
 */
extern Status identity_authenticate(const char *token, size_t length);

/*
 * The database role that whoever is asking acts in: the one his token names, or
 * the one his role of the twin, or the nearest it inherits from, stands for.
 * InvalidOid for nobody and where there is none.  Whether this login may take it
 * on is the caller's to look at.  Seals nothing.
 */
extern Oid identity_database_role(void);

/* A number that changes whenever any answer of this header may have. */
extern uint64 identity_generation(void);

/* Whether his role is another, or stands above it; whether it holds a permission.  False for nobody. */
extern bool identity_has_role(const char *role);
extern bool identity_has_permission(const char *permission);

/*
 * What a verified token, not of this transaction, says about who is asking: its
 * strings are the token's, and as short-lived.  TSEC_OK, or why it does not count here.
 */
extern Status identity_of_token(const VerifiedToken *token, Identity *identity);

/* Whether a role of the twin, or one it inherits from, holds a permission. */
extern bool identity_role_permits(const char *role, const char *permission);

/* The role of the twin whose rights a database role has, in the caller's memory; NULL when none. */
extern char *identity_role_of(Oid database_role);

/* The database role that was set, or the session's own: whoever is somebody else runs a SECURITY DEFINER function. */
extern Oid identity_acting_role(void);

/*
 * Whether a SECURITY DEFINER function runs that somebody else answers for: its
 * owner is not the acting role, nor one that a token-only login may be by itself.
 */
extern bool identity_in_anothers_name(void);

/* Raises 42501 unless it holds the permission. */
extern void identity_require_permission(const char *permission);

/*
 * Lets identities that carry a tenant call a function of schema twin that is
 * not for everybody; any other is refused to them.  It must keep to the tenant
 * by itself.  Once for each, from the init function of a part above; the name stays.
 */
extern void identity_let_tenants_call(const char *function);

/*
 * Lets token-only logins, in their own name and while nobody is authenticated,
 * call a function of schema twin that is granted to them and needs no token, or
 * takes one by itself.  Once for each, from the init function of a part above; the name stays.
 */
extern void identity_let_logins_call(const char *function);

/* Whether this session's login may use what needs an identity only while a token verifies. */
extern bool identity_is_token_only(void);

/*
 * Whether this session may act in its role: any login may, but for a
 * token-only one acting as another role, which needs a verified token whose role
 * is that one or inherits from it.
 */
extern bool identity_has_warrant(void);

/*
 * From here to the end of the transaction the session's role is what it is
 * now: every way to set another is refused, and where it was reset all
 * statements are.
 */
extern void identity_seal_role(void);
extern bool identity_role_is_sealed(void);

/* Raises when the sealed role is no longer in force. */
extern void identity_check_seal(void);

#endif /* TSEC_IDENTITY_H */
