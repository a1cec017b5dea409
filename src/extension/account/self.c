/*
 * self.c
 *		What somebody who is logged in may ask about himself, and how he leaves.
 */
#include "account/private.h"

#include "identity/identity.h"

#include "common/secret.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsec_logout);
PG_FUNCTION_INFO_V1(tsec_logout_all);
PG_FUNCTION_INFO_V1(tsec_me);
PG_FUNCTION_INFO_V1(tsec_current_username);

/* Columns, in the order of tables.sql. */
enum
{
	USERS_USER_ID = 1,
	USERS_USERNAME
};

/* Who is asking; raises when nobody is. */
static const Identity *
require_identity(void)
{
	const Identity *identity = identity_current();

	if (identity == NULL)
		base_throw(TSEC_ACCOUNT_NOBODY);
	return identity;
}

/* The account of whoever is asking; NULL when his token was issued elsewhere, or for nobody's account. */
static Account *
own_account(const Identity *identity)
{
	return identity->is_own && identity->has_user_id ? store_find_user(identity->user_id) : NULL;
}

/* Has the browser forget the cookies, where the request came with them. */
static void
leave_cookies(void)
{
	char cookie[REQUEST_TEXT_MAX];

	if (request_cookie(ACCOUNT_COOKIE_ACCESS, cookie, sizeof(cookie)) ||
		request_cookie(ACCOUNT_COOKIE_REFRESH, cookie, sizeof(cookie)))
		answer_clear_cookies();
	secret_wipe(cookie, sizeof(cookie));
}

static void
tell_logout(const Account *account, const char *sessions)
{
	char details[64] = "";

	(void) event_json_add(details, sizeof(details), "sessions", sessions);
	event_emit_at_end(&(SecurityEvent){.type = "logout",
									   .class = EVENT_AUDIT,
									   .action = "logout",
									   .resource = "account",
									   .username = account != NULL ? account->username : NULL,
									   .details = details});
}

/* logout(): ends the session that the token belongs to, or refuses the token from now on */
Datum
tsec_logout(PG_FUNCTION_ARGS)
{
	const Identity *identity = require_identity();
	char *session = identity->is_own && identity->session != NULL ? pstrdup(identity->session) : NULL;
	char *token_id = identity->token_id != NULL ? pstrdup(identity->token_id) : NULL;
	Account *account = own_account(identity);

	store_require_writable("twin_api.logout()");
	tell_logout(account, "this");
	if (session != NULL)
		store_end_session(session, "logout");
	else if (token_id != NULL)
		store_revoke_token(token_id);
	else
		base_throw(TSEC_ACCOUNT_ELSEWHERE);
	leave_cookies();
	PG_RETURN_VOID();
}

/* logout_all(): ends all sessions of whoever is asking */
Datum
tsec_logout_all(PG_FUNCTION_ARGS)
{
	Account *account = own_account(require_identity());

	if (account == NULL)
		base_throw(TSEC_ACCOUNT_ELSEWHERE);
	store_require_writable("twin_api.logout_all()");
	tell_logout(account, "all");
	store_leave_sessions(account->user_id);
	leave_cookies();
	PG_RETURN_VOID();
}

/* me() -> jsonb */
Datum
tsec_me(PG_FUNCTION_ARGS)
{
	const Identity *identity = require_identity();
	Account named = {.user_id = identity->user_id,
					 .role = identity->role != NULL ? pstrdup(identity->role) : NULL,
					 .has_tenant = identity->has_tenant,
					 .tenant_id = identity->tenant_id};
	char *user = identity->user != NULL ? pstrdup(identity->user) : NULL;
	char *session = identity->is_own && identity->session != NULL ? pstrdup(identity->session) : NULL;
	Account *account = own_account(identity);
	StringInfoData json;

	initStringInfo(&json);
	if (account != NULL)
	{
		named.username = account->username;
		answer_user(&json, &named);
	}
	else
	{
		/* whoever an outside issuer names is not one of our users, even with a number like theirs */
		answer_text(&json, "user_id", user);
		answer_text(&json, "username", NULL);
		answer_text(&json, "role", named.role);
		answer_member(&json, "tenant_id", named.has_tenant ? psprintf(INT64_FORMAT, named.tenant_id) : NULL);
	}
	answer_member(&json, "permissions", named.role != NULL ? store_permissions(named.role) : "[]");
	answer_text(&json, "session_id", session);
	answer_member(&json, "session_expires_at",
				  session != NULL && session_is_uuid(session) ? store_session_end(session) : NULL);
	return answer_finish(&json);
}

char *
account_username(int64 user_id)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);
	Oid table = get_relname_relid("users", schema);
	Oid index = get_relname_relid("users_pkey", schema);
	Relation relation;
	SysScanDesc scan;
	ScanKeyData key;
	HeapTuple row;
	char *name = NULL;

	if (!OidIsValid(table) || !OidIsValid(index))
		return NULL;
	relation = table_open(table, AccessShareLock);
	ScanKeyInit(&key, USERS_USER_ID, BTEqualStrategyNumber, F_INT8EQ, Int64GetDatum(user_id));
	scan = systable_beginscan(relation, index, true, NULL, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
	{
		bool null;
		Datum value = heap_getattr(row, USERS_USERNAME, RelationGetDescr(relation), &null);

		name = null ? NULL : TextDatumGetCString(value);
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return name;
}

/* current_username() -> text: a user's of this database, else as the token names him */
Datum
tsec_current_username(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	char *name;

	if (identity == NULL)
		PG_RETURN_NULL();
	if (!identity->is_own || !identity->has_user_id)
	{
		if (identity->user == NULL)
			PG_RETURN_NULL();
		PG_RETURN_TEXT_P(cstring_to_text(identity->user));
	}
	name = account_username(identity->user_id);
	if (name == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(name));
}
