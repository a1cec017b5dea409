/*
 * store.c
 *		The tables of accounts, by statements that never change and take
 *		parameters only.  They run as the extension's owner, who called us is a
 *		SECURITY DEFINER function with a pinned search_path.
 *
 * Accounts are read in their newest committed state: a transaction that began
 * before somebody was disabled still learns of it.
 */
#include "account/private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define ARGUMENTS_MAX 4

#define ACCOUNT_COLUMNS                                                                                        \
	"SELECT u.user_id, u.username, u.password_hash, u.role_name, u.tenant_id, "                                \
	"CASE WHEN NOT u.is_active THEN 'disabled' WHEN u.tenant_id IS NOT NULL AND t.is_active IS NOT TRUE THEN " \
	"'tenant_inactive' "                                                                                       \
	"WHEN r.role_name IS NULL THEN 'no_role' END, coalesce(r.is_break_glass, false), "                         \
	"greatest(u.sessions_since, t.sessions_since), a.failures, a.locked_until "                                \
	"FROM twin_internal.users u LEFT JOIN twin_internal.tenants t ON t.tenant_id = u.tenant_id "               \
	"LEFT JOIN twin_internal.roles r ON r.role_name = u.role_name "                                            \
	"LEFT JOIN LATERAL twin_internal.recorded_failures(u.user_id, u.unlocked_at) a ON true "

typedef enum StatementName
{
	FIND_NAME,
	FIND_USER,
	NOTE_ATTEMPT,
	PURGE_FAILURES,
	PURGE_SUCCESSES,
	REHASH,
	OPEN_SESSION,
	LOCK_SESSION,
	ROTATE_SESSION,
	TOUCH_SESSION,
	END_SESSION,
	END_SESSIONS,
	SET_PASSWORD,
	PERMISSIONS,
	REVOKE_TOKEN,
	SESSION_END,
	STATEMENT_COUNT
} StatementName;

typedef struct Statement
{
	bool reads; /* the newest committed state */
	int count;
	Oid types[ARGUMENTS_MAX];
	const char *text;
} Statement;

/* Kept as long as the session. */
static SPIPlanPtr plans[STATEMENT_COUNT];

static const Statement statements[STATEMENT_COUNT] = {
	[FIND_NAME] = {true, 1, {TEXTOID}, ACCOUNT_COLUMNS "WHERE u.username_key = $1"},
	[FIND_USER] = {true, 1, {INT8OID}, ACCOUNT_COLUMNS "WHERE u.user_id = $1"},
	[NOTE_ATTEMPT] = {false,
					  4,
					  {INT8OID, BOOLOID, INT4OID, TIMESTAMPTZOID},
					  "INSERT INTO twin_internal.login_attempts (user_id, succeeded, failures, locked_until) "
					  "VALUES ($1, $2, $3, $4)"},
	[PURGE_FAILURES] =
		{false,
		 1,
		 {TIMESTAMPTZOID},
		 "DELETE FROM twin_internal.login_attempts WHERE ctid = ANY (ARRAY("
		 "SELECT o.ctid FROM twin_internal.login_attempts o WHERE NOT o.succeeded AND o.attempted_at < $1 "
		 "ORDER BY o.attempted_at LIMIT 10 FOR UPDATE SKIP LOCKED))"},
	[PURGE_SUCCESSES] = {false,
						 1,
						 {INT8OID},
						 "DELETE FROM twin_internal.login_attempts WHERE ctid = ANY (ARRAY("
						 "SELECT o.ctid FROM twin_internal.login_attempts o WHERE o.user_id = $1 AND o.succeeded "
						 "LIMIT 10 FOR UPDATE SKIP LOCKED))"},
	[REHASH] =
		{false,
		 3,
		 {INT8OID, TEXTOID, TEXTOID},
		 "UPDATE twin_internal.users u SET password_hash = $3 WHERE u.password_hash = $2 AND u.user_id = ANY (ARRAY("
		 "SELECT o.user_id FROM twin_internal.users o WHERE o.user_id = $1 FOR NO KEY UPDATE SKIP LOCKED))"},
	[OPEN_SESSION] =
		{false,
		 4,
		 {INT8OID, INT4OID, TEXTOID, TEXTOID},
		 "INSERT INTO twin_internal.sessions (user_id, expires_at, client_address, user_agent) "
		 "VALUES ($1, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $2), $3::inet, $4) "
		 "RETURNING session_id::text, user_id, created_at, last_used_at, expires_at, rotation, rotated_at, false"},
	[LOCK_SESSION] =
		{false,
		 1,
		 {TEXTOID},
		 "SELECT s.session_id::text, s.user_id, s.created_at, s.last_used_at, s.expires_at, s.rotation, "
		 "s.rotated_at, "
		 "s.revoked_at IS NOT NULL FROM twin_internal.sessions s WHERE s.session_id = $1::uuid FOR UPDATE"},
	[ROTATE_SESSION] =
		{false,
		 1,
		 {TEXTOID},
		 "UPDATE twin_internal.sessions SET rotation = rotation + 1, rotated_at = pg_catalog.clock_timestamp(), "
		 "last_used_at = pg_catalog.clock_timestamp() WHERE session_id = $1::uuid"},
	[TOUCH_SESSION] =
		{false,
		 1,
		 {TEXTOID},
		 "UPDATE twin_internal.sessions SET last_used_at = pg_catalog.clock_timestamp() WHERE session_id = $1::uuid"},
	[END_SESSION] = {false, 2, {TEXTOID, TEXTOID}, "SELECT twin_internal.end_session($1, $2)"},
	[END_SESSIONS] = {false, 1, {INT8OID}, "SELECT twin_internal.end_sessions($1)"},
	[SET_PASSWORD] = {false, 2, {INT8OID, TEXTOID}, "SELECT twin_internal.set_password($1, $2)"},
	[PERMISSIONS] = {true,
					 1,
					 {TEXTOID},
					 "SELECT coalesce(pg_catalog.json_agg(DISTINCT p.permission_name), '[]')::text "
					 "FROM twin.role_permissions p WHERE p.role_name = $1"},
	[REVOKE_TOKEN] = {false,
					  1,
					  {TEXTOID},
					  "SELECT twin_internal.revoke('t:' || $1, NULL, twin_internal.last_expiry())"},
	[SESSION_END] =
		{true,
		 1,
		 {TEXTOID},
		 "SELECT pg_catalog.to_json(s.expires_at)::text FROM twin_internal.sessions s WHERE s.session_id = $1::uuid"},
};

/* Runs a statement; SPI is connected.  A null among the arguments is written n. */
static void
run(StatementName name, Datum *arguments, const char *nulls)
{
	const Statement *statement = &statements[name];
	int result;

	if (plans[name] == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(statement->text, statement->count, (Oid *) statement->types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "twin_security: statement %d of accounts cannot be prepared", name);
		plans[name] = plan;
	}
	if (statement->reads)
		PushActiveSnapshot(GetLatestSnapshot());
	result = SPI_execute_plan(plans[name], arguments, nulls, statement->reads, 0);
	if (result < 0)
		elog(ERROR, "twin_security: statement %d of accounts failed: %s", name, SPI_result_code_string(result));
	if (statement->reads)
		PopActiveSnapshot();
}

/* Runs a statement whose rows nobody looks at. */
static void
run_alone(StatementName name, Datum *arguments, const char *nulls)
{
	SPI_connect();
	run(name, arguments, nulls);
	SPI_finish();
}

/* ---- the first row of the last statement ---- */

static Datum
column(int number, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, null);
}

/* A text in the caller's memory; NULL when null. */
static char *
text_column(int number)
{
	bool null;
	Datum value = column(number, &null);
	text *stored;
	char *copy;

	if (null)
		return NULL;
	stored = DatumGetTextPP(value);
	copy = SPI_palloc(VARSIZE_ANY_EXHDR(stored) + 1);
	text_to_cstring_buffer(stored, copy, VARSIZE_ANY_EXHDR(stored) + 1);
	return copy;
}

static int64
number_column(int number)
{
	bool null;
	Datum value = column(number, &null);

	return null ? 0 : DatumGetInt64(value);
}

static int32
integer_column(int number)
{
	bool null;
	Datum value = column(number, &null);

	return null ? 0 : DatumGetInt32(value);
}

static bool
bool_column(int number)
{
	bool null;
	Datum value = column(number, &null);

	return !null && DatumGetBool(value);
}

/* ---- accounts ---- */

static Account *
read_account(StatementName name, Datum argument)
{
	Account *account = NULL;
	bool no_tenant;

	SPI_connect();
	run(name, &argument, NULL);
	if (SPI_processed > 0)
	{
		account = SPI_palloc(sizeof(Account));
		account->user_id = number_column(1);
		account->username = text_column(2);
		account->hash = text_column(3);
		account->role = text_column(4);
		(void) column(5, &no_tenant);
		account->has_tenant = !no_tenant;
		account->tenant_id = number_column(5);
		account->refused = text_column(6);
		account->is_break_glass = bool_column(7);
		account->sessions_since = number_column(8);
		account->failures = (uint32) Max(integer_column(9), 0);
		account->locked_until = number_column(10);
	}
	SPI_finish();
	return account;
}

Account *
store_find_name(const char *key)
{
	return read_account(FIND_NAME, CStringGetTextDatum(key));
}

Account *
store_find_user(int64 user_id)
{
	return read_account(FIND_USER, Int64GetDatum(user_id));
}

/* ---- what logins leave behind ---- */

void
store_note_attempt(const Account *account, bool succeeded, const FailureVerdict *verdict)
{
	Datum arguments[] = {Int64GetDatum(account != NULL ? account->user_id : 0), BoolGetDatum(succeeded),
						 Int32GetDatum((int32) Min(verdict->failures, PG_INT32_MAX)),
						 TimestampTzGetDatum(verdict->locked_until)};
	char nulls[] = {account != NULL ? ' ' : 'n', ' ', ' ', verdict->is_locked ? ' ' : 'n'};
	FailurePolicy policy = limit_login_policy();
	Datum old = TimestampTzGetDatum(GetCurrentTimestamp() -
									(policy.forget_after + (int64) policy.max_lockout) * USECS_PER_SEC);
	Datum user = arguments[0];

	SPI_connect();
	/* where old rows are seen changed, this transaction would fail: others will delete them */
	if (!IsolationUsesXactSnapshot())
	{
		run(PURGE_FAILURES, &old, NULL);
		if (succeeded)
			run(PURGE_SUCCESSES, &user, NULL);
	}
	run(NOTE_ATTEMPT, arguments, nulls);
	SPI_finish();
}

void
store_rehash(const Account *account, const char *hash)
{
	Datum arguments[] = {Int64GetDatum(account->user_id), CStringGetTextDatum(account->hash),
						 CStringGetTextDatum(hash)};

	run_alone(REHASH, arguments, NULL);
}

/* ---- sessions ---- */

/* The session in the first row; SPI is connected. */
static Session *
session_row(void)
{
	Session *session;

	if (SPI_processed == 0)
		return NULL;
	session = SPI_palloc(sizeof(Session));
	session->id = text_column(1);
	session->user_id = number_column(2);
	session->created_at = number_column(3);
	session->last_used_at = number_column(4);
	session->expires_at = number_column(5);
	session->rotation = integer_column(6);
	session->rotated_at = number_column(7);
	session->is_revoked = bool_column(8);
	return session;
}

Session *
store_open_session(int64 user_id, const Address *address, const char *user_agent)
{
	Datum arguments[] = {Int64GetDatum(user_id), Int32GetDatum(setting_session_max_lifetime),
						 CStringGetTextDatum(address->text),
						 CStringGetTextDatum(user_agent != NULL ? user_agent : "")};
	char nulls[] = {' ', ' ', address->text[0] != '\0' ? ' ' : 'n', user_agent != NULL ? ' ' : 'n'};
	Session *session;

	SPI_connect();
	run(OPEN_SESSION, arguments, nulls);
	session = session_row();
	SPI_finish();
	return session;
}

Session *
store_lock_session(const char *id)
{
	Datum argument = CStringGetTextDatum(id);
	Session *session;

	SPI_connect();
	run(LOCK_SESSION, &argument, NULL);
	session = session_row();
	SPI_finish();
	return session;
}

void
store_rotate_session(Session *session)
{
	Datum argument = CStringGetTextDatum(session->id);

	run_alone(ROTATE_SESSION, &argument, NULL);
	session->rotation++;
}

void
store_touch_session(const Session *session)
{
	Datum argument = CStringGetTextDatum(session->id);

	run_alone(TOUCH_SESSION, &argument, NULL);
}

void
store_end_session(const char *id, const char *reason)
{
	Datum arguments[] = {CStringGetTextDatum(id), CStringGetTextDatum(reason)};

	run_alone(END_SESSION, arguments, NULL);
}

void
store_end_sessions(int64 user_id)
{
	Datum argument = Int64GetDatum(user_id);

	run_alone(END_SESSIONS, &argument, NULL);
}

void
store_set_password(int64 user_id, const char *hash)
{
	Datum arguments[] = {Int64GetDatum(user_id), CStringGetTextDatum(hash)};

	run_alone(SET_PASSWORD, arguments, NULL);
}

void
store_revoke_token(const char *token_id)
{
	Datum argument = CStringGetTextDatum(token_id);

	run_alone(REVOKE_TOKEN, &argument, NULL);
}

char *
store_permissions(const char *role)
{
	Datum argument = CStringGetTextDatum(role);
	char *permissions;

	SPI_connect();
	run(PERMISSIONS, &argument, NULL);
	permissions = text_column(1);
	SPI_finish();
	return permissions;
}

char *
store_session_end(const char *id)
{
	Datum argument = CStringGetTextDatum(id);
	char *end = NULL;

	SPI_connect();
	run(SESSION_END, &argument, NULL);
	if (SPI_processed > 0)
		end = text_column(1);
	SPI_finish();
	return end;
}
