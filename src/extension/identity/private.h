/*
 * private.h
 *		What the files of identity share among themselves.
 */
#ifndef TSEC_IDENTITY_PRIVATE_H
#define TSEC_IDENTITY_PRIVATE_H

#include "identity/identity.h"

#include "nodes/plannodes.h"

/* ---- tables.c: roles, permissions and token-only logins, kept until they change ---- */

extern void tables_init(void);
extern uint64 tables_generation(void);

/* Whether a role is, or inherits from, another. */
extern bool tables_role_includes(const char *role, const char *wanted);

/* Whether a role, or one it inherits from, holds a permission. */
extern bool tables_role_permits(const char *role, const char *permission);

/* The role of the twin whose rights a database role has, in the caller's memory, for news may come at any time; NULL when none. */
extern char *tables_role_of(Oid database_role);

/* Whether a role of the twin, or one it inherits from, is what a database role stands for. */
extern bool tables_role_stands_for(const char *role, Oid database_role);

/* The database role that a role of the twin, or the nearest it inherits from, stands for; InvalidOid when none. */
extern Oid tables_database_role(const char *role);

/* Whether a role holds a permission that another lacks; NULL holds none. */
extern bool tables_role_exceeds(const char *role, const char *other);

/* Whether accounts of a role are never locked out. */
extern bool tables_role_is_break_glass(const char *role);

/* Whether a login inherits a database role that a role of the twin (NULL: none) does not stand for. */
extern bool tables_login_exceeds(Oid login, const char *role);

/* Whether a login, or a role it belongs to, is on the list of token-only logins. */
extern bool tables_login_is_token_only(Oid login);

/* ---- current.c ---- */

/* Who was asking when it was last looked at, if the setting is still the same; looks at nothing else and cannot fail. */
extern const Identity *identity_last_known(void);

/* Whether the token would be there after the transaction, where the administrator does not allow that. */
extern bool identity_token_outlasts(void);

/* ---- seal.c ---- */

extern void seal_init(void);

/* ---- warrant.c ---- */

extern void warrant_init(void);

/* Raises where a statement touches what a token-only login may only with a token's warrant, or a tenant's administrator not at all. */
extern void warrant_check_statement(const PlannedStmt *statement);

/* The same for what no executor runs; and where a token-only login would change a role. */
extern void warrant_check_utility(Node *statement);

/* ---- reach.c ---- */

/* Raises 42501 where the identity carries a tenant; what is named in the error and the event. */
extern void reach_require_whole(const char *what);

/* The same for a function, or a relation, of schema twin, unless it answers for a tenant. */
extern void reach_check_function(Oid function);

/* Whether a token-only login may call a function without a token's warrant. */
extern bool reach_logins_may_call(Oid function);
extern void reach_check_relation(Oid relation);

/* ---- plaintext.c ---- */

extern void plaintext_init(void);

/* ---- actor.c ---- */

extern void actor_init(void);

#endif /* TSEC_IDENTITY_PRIVATE_H */
