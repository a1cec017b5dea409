/*
 * current.c
 *		The identity of the transaction: what verifying its token yields.
 *
 * It is kept as long as nothing it came from has changed: the setting, the key
 * set and its revocations, roles and memberships; and the clock is looked at
 * every time.  So savepoints, COMMIT in procedures, DISCARD and pools behave as
 * they do with any setting, and a parallel worker, which gets the setting,
 * verifies for itself.
 */
#include "identity/private.h"

#include "event/event.h"
#include "keyring/keyring.h"
#include "token/token.h"

#include "common/secret.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/memutils.h"

#include <time.h>

/* A clock of some milliseconds' grain costs a fifth of the exact one, and tokens end at whole seconds. */
#ifdef CLOCK_REALTIME_COARSE
#define EXPIRY_CLOCK CLOCK_REALTIME_COARSE
#else
#define EXPIRY_CLOCK CLOCK_REALTIME
#endif

/* What is known, and from what. */
static struct
{
	bool known;
	uint64 setting;
	uint64 tokens;
	uint64 tables;
	Oid login;
	int64 until;   /* seconds since 1970: then it is looked at again */
	Status status; /* why there is no identity although there is a token */
	bool nobody;
	bool keeps_role; /* a token-only login's role stays from the first use on */
	Identity identity;
} current;

static IdentityNamer namer = NULL;
static MemoryContext context = NULL;
static uint64 generation = 1;

void
identity_set_namer(IdentityNamer says)
{
	namer = says;
}

/*
 * The time of a row; when it has moved on, or another statement has begun, news
 * is listened for.  A policy without a subquery asks for every row, and
 * listening each time was a third of what that costs.
 */
static int64
listen_and_tell_time(void)
{
	static struct timespec listened_at;
	static TimestampTz listened_in;
	TimestampTz statement = GetCurrentStatementStartTimestamp();
	struct timespec now;

	/* without a clock, the end of time: everything is looked at again */
	if (unlikely(clock_gettime(EXPIRY_CLOCK, &now) != 0))
		now = (struct timespec){.tv_sec = PG_INT64_MAX};
	if (unlikely(now.tv_nsec != listened_at.tv_nsec || now.tv_sec != listened_at.tv_sec || statement != listened_in))
	{
		token_listen();
		listened_at = now;
		listened_in = statement;
	}
	return (int64) now.tv_sec;
}

/* Copies who a token says it is to where it stays. */
static void
keep(const Identity *identity)
{
	MemoryContext old;

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "twin_security identity", ALLOCSET_SMALL_SIZES);
	MemoryContextReset(context);
	old = MemoryContextSwitchTo(context);
	current.identity = *identity;
	current.identity.user = identity->user != NULL ? pstrdup(identity->user) : NULL;
	current.identity.name = identity->name != NULL ? pstrdup(identity->name) : NULL;
	current.identity.role = identity->role != NULL ? pstrdup(identity->role) : NULL;
	current.identity.session = identity->session != NULL ? pstrdup(identity->session) : NULL;
	current.identity.token_id = identity->token_id != NULL ? pstrdup(identity->token_id) : NULL;
	MemoryContextSwitchTo(old);
}

/* A database role counts only where the login may take it on by itself. */
static Status
take_database_role(const VerifiedToken *token, Identity *identity)
{
	Oid role;

	if (token->role == NULL || !token->role_is_database)
		return TSEC_OK;
	role = get_role_oid(token->role, true);
	if (!OidIsValid(role) || !compat_may_become(GetSessionUserId(), role))
		return TSEC_IDENTITY_ROLE;
	identity->database_role = role;
	identity->role = tables_role_of(role);
	return TSEC_OK;
}

Status
identity_of_token(const VerifiedToken *token, Identity *identity)
{
	*identity = (Identity){
		.user = token->user,
		.has_user_id = token->has_user_id,
		.user_id = token->user_id,
		.has_tenant = token->has_tenant,
		.tenant_id = token->tenant_id,
		.role = token->role_is_database ? NULL : token->role,
		.session = token->session,
		.token_id = token->token_id,
		.is_own = token->is_own,
	};
	return take_database_role(token, identity);
}

bool
identity_token_outlasts(void)
{
	return !token_setting_is_local() && !setting_allow_session_identity;
}

/* Verifies the token of the setting. */
static Status
verify(const char *text)
{
	const VerifiedToken *token;
	Identity identity;
	Status status;

	if (identity_token_outlasts())
		return TSEC_IDENTITY_SESSION;
	status = token_find(text, strlen(text), &token);
	if (status != TSEC_OK)
		return status;
	status = identity_of_token(token, &identity);
	current.until = token->expires_at > 0 ? token->expires_at : PG_INT64_MAX;
	if (status == TSEC_OK && identity.is_own && identity.has_user_id && namer != NULL)
		identity.name = namer(identity.user_id);
	keep(&identity);
	return status;
}

/* Whether what is known still holds. */
static inline bool
is_current(void)
{
	if (!current.known || current.setting != token_setting_changes())
		return false;
	if (current.nobody)
		return true;
	return listen_and_tell_time() < current.until && current.tokens == token_generation() &&
		   current.tables == tables_generation() && current.login == GetSessionUserId();
}

/* Brings what is known up to date. */
static void
refresh(void)
{
	const char *text;

	if (likely(is_current()))
		return;
	text = token_setting_value();
	if (!current.known || !current.nobody || text != NULL)
		generation++;
	current.known = false; /* whatever is raised below */
	current.nobody = text == NULL;
	current.until = 0;
	current.setting = token_setting_changes();
	(void) listen_and_tell_time();
	current.tables = tables_generation();
	current.tokens = token_generation();
	current.login = GetSessionUserId();
	current.status = text != NULL ? verify(text) : TSEC_OK;
	current.keeps_role = text != NULL && !IsParallelWorker() && identity_is_token_only();
	current.known = true;
	if (text != NULL && current.status == TSEC_OK)
		keyring_note_new_asker();
}

/* However the token came, a token-only login keeps its role from the first use of it on. */
static inline void
seal_token_only(void)
{
	if (unlikely(current.keeps_role && !identity_role_is_sealed()))
		identity_seal_role();
}

const Identity *
identity_if_verified(void)
{
	refresh();
	if (current.nobody || current.status != TSEC_OK)
		return NULL;
	seal_token_only();
	return &current.identity;
}

const Identity *
identity_current(void)
{
	refresh();
	if (current.status != TSEC_OK)
		base_throw(current.status);
	if (current.nobody)
		return NULL;
	seal_token_only();
	return &current.identity;
}

/* Records that a token was refused. */
static void
tell_refused(Status status)
{
	event_emit(&(SecurityEvent){.type = "token_refused",
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = "authenticate",
								.resource = status_info(status)->sqlstate,
								.is_anybodys = true});
}

Status
identity_authenticate(const char *token, size_t length)
{
	const VerifiedToken *verified;
	Status status = length > SETTING_TOKEN_MAX ? TSEC_TOKEN_TOO_LONG : token_find(token, length, &verified);

	if (status == TSEC_OK)
	{
		char *copy = pnstrdup(token, length);

		token_setting_set(copy);
		secret_wipe(copy, length);
		pfree(copy);
		refresh();
		status = current.status;
	}
	if (status != TSEC_OK)
		tell_refused(status);
	return status;
}

Oid
identity_database_role(void)
{
	refresh();
	if (current.status != TSEC_OK)
		base_throw(current.status);
	if (current.nobody)
		return InvalidOid;
	if (OidIsValid(current.identity.database_role))
		return current.identity.database_role;
	return current.identity.role != NULL ? tables_database_role(current.identity.role) : InvalidOid;
}

const Identity *
identity_last_known(void)
{
	return current.known && !current.nobody && current.status == TSEC_OK && current.setting == token_setting_changes()
			   ? &current.identity
			   : NULL;
}

uint64
identity_generation(void)
{
	static Oid login = InvalidOid;

	identity_check_seal();
	refresh();
	if (unlikely(login != GetSessionUserId()))
	{
		login = GetSessionUserId();
		generation++;
	}
	return generation + tables_generation(); /* neither ever falls */
}

bool
identity_has_role(const char *role)
{
	const Identity *identity = identity_current();

	return identity != NULL && identity->role != NULL && tables_role_includes(identity->role, role);
}

bool
identity_has_permission(const char *permission)
{
	const Identity *identity = identity_current();

	return identity != NULL && identity->role != NULL && tables_role_permits(identity->role, permission);
}

bool
identity_role_permits(const char *role, const char *permission)
{
	return tables_role_permits(role, permission);
}

char *
identity_role_of(Oid database_role)
{
	return tables_role_of(database_role);
}

bool
identity_is_token_only(void)
{
	return tables_login_is_token_only(GetSessionUserId()) ||
		   (GetAuthenticatedUserId() != GetSessionUserId() && tables_login_is_token_only(GetAuthenticatedUserId()));
}
