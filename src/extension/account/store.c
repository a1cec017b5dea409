/*
 * store.c
 *		What the rest of the part asks of the tables: accounts, what logins leave
 *		behind, sessions.
 *
 * Answers lie in the caller's memory.
 */
#include "account/private.h"

#include "executor/spi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* ---- accounts ---- */

static Account *
read_account(StatementName name, Datum argument)
{
	Account *account = NULL;

	SPI_connect();
	statement_run(name, &argument, NULL);
	if (SPI_processed > 0)
	{
		account = SPI_palloc(sizeof(Account));
		account->user_id = statement_number(1);
		account->username = statement_text(2);
		account->hash = statement_text(3);
		account->role = statement_text(4);
		account->has_tenant = !statement_is_null(5);
		account->tenant_id = statement_number(5);
		account->refused = statement_text(6);
		account->is_break_glass = statement_bool(7);
		account->sessions_since = statement_number(8);
		account->failures = (uint32) Max(statement_integer(9), 0);
		account->locked_until = statement_number(10);
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

bool
store_knows_address(const Account *account, const Address *address)
{
	/* of IPv6 the network counts, as in make_subject() */
	const char *network = psprintf(strchr(address->text, ':') != NULL ? "%s/64" : "%s", address->text);
	Datum arguments[] = {Int64GetDatum(account != NULL ? account->user_id : 0), CStringGetTextDatum(network)};
	bool knows;

	SPI_connect();
	statement_run(KNOWS_ADDRESS, arguments, NULL);
	knows = statement_bool(1);
	SPI_finish();
	return knows;
}

List *
store_addresses(int64 user_id)
{
	MemoryContext caller = CurrentMemoryContext;
	Datum argument = Int64GetDatum(user_id);
	List *addresses = NIL;

	SPI_connect();
	statement_run(ADDRESSES, &argument, NULL);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char *text = SPI_getvalue(SPI_tuptable->vals[i], SPI_tuptable->tupdesc, 1);
		MemoryContext old = MemoryContextSwitchTo(caller);

		addresses = lappend(addresses, pstrdup(text));
		MemoryContextSwitchTo(old);
	}
	SPI_finish();
	return addresses;
}

void
store_note_attempt(const Account *account, bool succeeded, const FailureVerdict *verdict)
{
	static const FailureVerdict none = {.counted = true};
	const FailureVerdict *noted = verdict != NULL ? verdict : &none;
	Datum arguments[] = {Int64GetDatum(account != NULL ? account->user_id : 0), BoolGetDatum(succeeded),
						 Int32GetDatum((int32) Min(noted->failures, PG_INT32_MAX)),
						 TimestampTzGetDatum(noted->locked_until)};
	char nulls[] = {account != NULL ? ' ' : 'n', ' ', verdict != NULL ? ' ' : 'n', noted->is_locked ? ' ' : 'n'};
	FailurePolicy policy = limit_login_policy();
	Datum old = TimestampTzGetDatum(GetCurrentTimestamp() -
									(policy.forget_after + (int64) policy.max_lockout) * USECS_PER_SEC);
	Datum user = arguments[0];

	SPI_connect();
	/* where old rows are seen changed, this transaction would fail: others will delete them */
	if (!IsolationUsesXactSnapshot())
	{
		statement_run(PURGE_FAILURES, &old, NULL);
		if (succeeded)
			statement_run(PURGE_SUCCESSES, &user, NULL);
	}
	statement_run(NOTE_ATTEMPT, arguments, nulls);
	SPI_finish();
}

void
store_rehash(const Account *account, const char *hash)
{
	Datum arguments[] = {Int64GetDatum(account->user_id), CStringGetTextDatum(account->hash),
						 CStringGetTextDatum(hash)};

	statement_run_alone(REHASH, arguments, NULL);
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
	session->id = statement_text(1);
	session->user_id = statement_number(2);
	session->created_at = statement_number(3);
	session->last_used_at = statement_number(4);
	session->expires_at = statement_number(5);
	session->rotation = statement_integer(6);
	session->rotated_at = statement_number(7);
	session->is_revoked = statement_bool(8);
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
	statement_run(OPEN_SESSION, arguments, nulls);
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
	statement_run(LOCK_SESSION, &argument, NULL);
	session = session_row();
	SPI_finish();
	return session;
}

void
store_rotate_session(Session *session)
{
	Datum argument = CStringGetTextDatum(session->id);

	statement_run_alone(ROTATE_SESSION, &argument, NULL);
	session->rotation++;
}

void
store_touch_session(const Session *session)
{
	Datum argument = CStringGetTextDatum(session->id);

	statement_run_alone(TOUCH_SESSION, &argument, NULL);
}

void
store_end_session(const char *id, const char *reason)
{
	Datum arguments[] = {CStringGetTextDatum(id), CStringGetTextDatum(reason)};

	statement_run_alone(END_SESSION, arguments, NULL);
}

void
store_end_sessions(int64 user_id)
{
	Datum argument = Int64GetDatum(user_id);

	statement_run_alone(END_SESSIONS, &argument, NULL);
}

void
store_set_password(int64 user_id, const char *hash)
{
	Datum arguments[] = {Int64GetDatum(user_id), CStringGetTextDatum(hash)};

	statement_run_alone(SET_PASSWORD, arguments, NULL);
}

void
store_revoke_token(const char *token_id)
{
	Datum argument = CStringGetTextDatum(token_id);

	statement_run_alone(REVOKE_TOKEN, &argument, NULL);
}

char *
store_permissions(const char *role)
{
	Datum argument = CStringGetTextDatum(role);
	char *permissions;

	SPI_connect();
	statement_run(PERMISSIONS, &argument, NULL);
	permissions = statement_text(1);
	SPI_finish();
	return permissions;
}

char *
store_session_end(const char *id)
{
	Datum argument = CStringGetTextDatum(id);
	char *end = NULL;

	SPI_connect();
	statement_run(SESSION_END, &argument, NULL);
	if (SPI_processed > 0)
		end = statement_text(1);
	SPI_finish();
	return end;
}
