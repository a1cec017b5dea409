/*
 * statement.c
 *		The statements by which the tables of accounts are read and written:
 *		they never change, and take parameters only.
 *
 * They run as the extension's owner, for who called us is a SECURITY DEFINER
 * function with a pinned search_path.  Accounts are read in their newest
 * committed state: a transaction that began before somebody was disabled still
 * learns of it.  Plans are generic: one made for values would hold a hash as
 * a constant, which auto_explain can log.
 */
#include "account/private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

#define ARGUMENTS_MAX 5

#define ACCOUNT_COLUMNS                                                                                        \
	"SELECT u.user_id, u.username, u.password_hash, u.role_name, u.tenant_id, "                                \
	"CASE WHEN NOT u.is_active THEN 'disabled' WHEN u.tenant_id IS NOT NULL AND t.is_active IS NOT TRUE THEN " \
	"'tenant_inactive' "                                                                                       \
	"WHEN r.role_name IS NULL THEN 'no_role' END, coalesce(r.is_break_glass, false), "                         \
	"greatest(u.sessions_since, t.sessions_since, (SELECT max(e.ended_at) FROM twin_internal.session_ends e "  \
	"WHERE e.user_id = u.user_id)), a.failures, a.locked_until "                                               \
	"FROM twin_internal.users u LEFT JOIN twin_internal.tenants t ON t.tenant_id = u.tenant_id "               \
	"LEFT JOIN twin_internal.roles r ON r.role_name = u.role_name "                                            \
	"LEFT JOIN LATERAL twin_internal.recorded_failures(u.user_id, u.unlocked_at) a ON true "

typedef struct Statement
{
	bool reads; /* the newest committed state */
	int count;
	Oid types[ARGUMENTS_MAX];
	const char *text;
} Statement;

static const Statement statements[STATEMENT_COUNT] = {
	[FIND_NAME] = {true, 1, {TEXTOID}, ACCOUNT_COLUMNS "WHERE u.username_key = $1"},
	[FIND_USER] = {true, 1, {INT8OID}, ACCOUNT_COLUMNS "WHERE u.user_id = $1"},
	[KNOWS_ADDRESS] =
		{true,
		 2,
		 {INT8OID, TEXTOID},
		 "SELECT EXISTS (SELECT FROM twin_internal.sessions s JOIN twin_internal.users u ON u.user_id = s.user_id "
		 "WHERE s.user_id = $1 AND s.created_at > u.password_changed_at AND s.client_address <<= $2::inet)"},
	[ADDRESSES] = {true,
				   1,
				   {INT8OID},
				   "SELECT DISTINCT pg_catalog.host(s.client_address) FROM twin_internal.sessions s "
				   "WHERE s.user_id = $1 AND s.client_address IS NOT NULL"},
	[LAST_USER] = {true, 0, {0}, "SELECT max(u.user_id) FROM twin_internal.users u"},
	[STAND_IN] =
		{true,
		 1,
		 {INT8OID},
		 "SELECT u.password_hash FROM twin_internal.users u WHERE u.user_id >= $1 ORDER BY u.user_id LIMIT 1"},
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
		 5,
		 {INT8OID, INT4OID, TEXTOID, TEXTOID, BYTEAOID},
		 "INSERT INTO twin_internal.sessions (user_id, expires_at, client_address, user_agent, current_digest) "
		 "VALUES ($1, pg_catalog.clock_timestamp() + pg_catalog.make_interval(secs => $2), $3::inet, $4, $5) "
		 "RETURNING session_id::text, user_id, created_at, last_used_at, expires_at, rotated_at, false, "
		 "current_digest, "
		 "previous_digest, mixed_in"},
	[LOCK_SESSION] =
		{false,
		 1,
		 {TEXTOID},
		 "SELECT s.session_id::text, s.user_id, s.created_at, s.last_used_at, s.expires_at, s.rotated_at, "
		 "s.revoked_at IS NOT NULL, s.current_digest, s.previous_digest, s.mixed_in FROM twin_internal.sessions s "
		 "WHERE s.session_id = $1::uuid FOR UPDATE"},
	[ROTATE_SESSION] =
		{false,
		 3,
		 {TEXTOID, BYTEAOID, BYTEAOID},
		 "UPDATE twin_internal.sessions SET previous_digest = current_digest, current_digest = $2, mixed_in = $3, "
		 "rotated_at = pg_catalog.clock_timestamp(), last_used_at = pg_catalog.clock_timestamp() WHERE session_id = "
		 "$1::uuid"},
	[TOUCH_SESSION] =
		{false,
		 1,
		 {TEXTOID},
		 "UPDATE twin_internal.sessions SET last_used_at = pg_catalog.clock_timestamp() WHERE session_id = $1::uuid"},
	[END_SESSION] = {false, 2, {TEXTOID, TEXTOID}, "SELECT twin_internal.end_session($1, $2)"},
	[LEAVE_SESSIONS] = {false, 1, {INT8OID}, "SELECT twin_internal.leave_sessions($1)"},
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
	/* one who belongs to a tenant does not take the place of one who belongs to none */
	[TAKES_LAST_ADMIN] =
		{true,
		 2,
		 {INT8OID, INT8OID},
		 "WITH admins AS (SELECT u.tenant_id, (u.user_id = $1 OR u.tenant_id = $2) IS TRUE AS leaves "
		 "FROM twin_internal.users u LEFT JOIN twin_internal.tenants t ON t.tenant_id = u.tenant_id "
		 "WHERE u.is_active AND (u.tenant_id IS NULL OR t.is_active) "
		 "AND u.role_name IN (SELECT twin_internal.roles_including('admin'))) "
		 "SELECT EXISTS (SELECT FROM admins l WHERE l.leaves) AND NOT EXISTS (SELECT FROM admins r WHERE NOT "
		 "r.leaves "
		 "AND (r.tenant_id IS NULL OR NOT EXISTS (SELECT FROM admins w WHERE w.leaves AND w.tenant_id IS NULL)))"},
	[EMAIL] = {true, 1, {INT8OID}, "SELECT u.email FROM twin_internal.users u WHERE u.user_id = $1"},
	[SESSION_END] =
		{true,
		 1,
		 {TEXTOID},
		 "SELECT pg_catalog.to_json(s.expires_at)::text FROM twin_internal.sessions s WHERE s.session_id = $1::uuid"},
};

/* Of this session. */
static SPIPlanPtr plans[STATEMENT_COUNT];

void
statement_run(StatementName name, Datum *arguments, const char *nulls)
{
	const Statement *statement = &statements[name];
	int result;

	if (plans[name] == NULL)
	{
		SPIPlanPtr plan = SPI_prepare_cursor(statement->text, statement->count,
											 unconstify(Oid *, &statement->types[0]), CURSOR_OPT_GENERIC_PLAN);

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

void
statement_run_alone(StatementName name, Datum *arguments, const char *nulls)
{
	SPI_connect();
	statement_run(name, arguments, nulls);
	SPI_finish();
}

/* A column of the first row of the last statement. */
static Datum
column(int number, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, number, null);
}

char *
statement_text(int number)
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

bool
statement_bytes(int number, uint8 *to, size_t size)
{
	bool null;
	Datum value = column(number, &null);
	bytea *stored;

	if (null)
		return false;
	stored = DatumGetByteaPP(value);
	if (VARSIZE_ANY_EXHDR(stored) != size)
		elog(ERROR, "twin_security: a value of the tables of accounts has another length");
	memcpy(to, VARDATA_ANY(stored), size);
	return true;
}

int64
statement_number(int number)
{
	bool null;
	Datum value = column(number, &null);

	return null ? 0 : DatumGetInt64(value);
}

int32
statement_integer(int number)
{
	bool null;
	Datum value = column(number, &null);

	return null ? 0 : DatumGetInt32(value);
}

bool
statement_bool(int number)
{
	bool null;
	Datum value = column(number, &null);

	return !null && DatumGetBool(value);
}

struct varlena *
statement_stored(int number)
{
	bool null;
	Datum value = column(number, &null);
	struct varlena *stored;
	struct varlena *copy;

	if (null)
		return NULL;
	stored = pg_detoast_datum_packed((struct varlena *) DatumGetPointer(value));
	copy = SPI_palloc(VARSIZE_ANY(stored));
	memcpy(copy, stored, VARSIZE_ANY(stored));
	return copy;
}

bool
statement_is_null(int number)
{
	bool null;

	(void) column(number, &null);
	return null;
}
