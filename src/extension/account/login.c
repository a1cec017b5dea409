/*
 * login.c
 *		A password for a session: login, and the change of a password, which is
 *		a login too.
 *
 * Unknown user, wrong password, locked, disabled, inactive tenant: the same
 * answer after the same work (OWASP ASVS 5.0, 6.3.8).  Only a flood from one
 * address is answered at once, but for some tries a minute: those may be of a
 * break-glass account, which nobody's failures keep out.
 */
#include "account/private.h"

#include "identity/identity.h"
#include "password/password.h"

#include "common/secret.h"

#include "access/xact.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_login);
PG_FUNCTION_INFO_V1(tsec_change_password);
PG_FUNCTION_INFO_V1(tsec_hash_new_password);

static Datum
answer_flood(const Attempt *attempt)
{
	int64 wait = (attempt->at_address.locked_until - GetCurrentTimestamp() + USECS_PER_SEC - 1) / USECS_PER_SEC;

	return answer_refusal(429, REFUSED_FLOOD, "too many failed logins from this address", Max(wait, 1));
}

static Datum
refuse_flood(const Attempt *attempt, const char *action)
{
	attempt_refused(attempt, action);
	return answer_flood(attempt);
}

/* Why a try fails; NULL when it does not. */
static const char *
reason_of(const Attempt *attempt, bool matches)
{
	if (attempt->account == NULL)
		return "unknown_user";
	if (!attempt->at_account.counted)
		return "locked";
	if (!matches)
		return "wrong_password";
	return attempt->account->refused;
}

/* Counts and verifies one try; NULL when it succeeds, else why not. */
static const char *
try_password(Attempt *attempt, const Account *account, NullableDatum password)
{
	Typed *typed = typed_read(password);
	bool matches;
	bool outdated = false;

	attempt_account(attempt, account);
	matches = attempt_verify(attempt, typed);
	/* where an older snapshot hides a change of the account, its row cannot be written */
	if (matches && reason_of(attempt, true) == NULL && !IsolationUsesXactSnapshot())
		(void) password_is_outdated(account->hash, &outdated);
	if (outdated)
	{
		char hash[PASSWORD_HASH_SIZE];

		/* a login is not to fail because the next one would be slower to guess, or tell who exists by its time */
		if (password_hash(typed->bytes, typed->length, 0, hash) == TSEC_OK)
			store_rehash(account, hash);
	}
	typed_free(typed);
	return reason_of(attempt, matches);
}

/*
 * The account as it is now that its lock is held and nobody else can change it
 * any more; NULL when its password or what it may do was changed during the try.
 */
static Account *
settle(const Account *account)
{
	Account *settled = store_find_user(account->user_id);

	/* whatever ends sessions ends this try too; a mere rehash does not */
	if (settled == NULL || settled->refused != NULL || settled->sessions_since > account->sessions_since)
		return NULL;
	return settled;
}

static void
tell_login(const Account *account, const Address *address, const char *session_kind)
{
	char details[128] = "";
	char id[24];

	snprintf(id, sizeof(id), INT64_FORMAT, account->user_id);
	(void) event_json_add(details, sizeof(details), "tokens", session_kind);
	(void) event_emit(&(SecurityEvent){.type = "login_success",
									   .class = EVENT_AUDIT,
									   .severity = account->is_break_glass ? EVENT_HIGH : EVENT_INFO,
									   .action = "login",
									   .resource = "account",
									   .record_id = id,
									   .user_id = account->user_id,
									   .tenant_id = account->has_tenant ? account->tenant_id : 0,
									   .username = account->username,
									   .client_address = address->text[0] != '\0' ? address->text : NULL,
									   .details = details});
}

/* login(username text, password text, use_cookies boolean) -> jsonb */
Datum
tsec_login(PG_FUNCTION_ARGS)
{
	bool use_cookies = !PG_ARGISNULL(2) && PG_GETARG_BOOL(2);
	bool is_flood;
	Account *account;
	Account *settled;
	AccountName name = {.key = ""};
	bool named;
	Attempt attempt;
	const char *reason;
	Datum answer;

	base_require_preload("twin_api.login()");
	store_require_writable("twin_api.login()");
	token_require_signing();
	if (attempt_is_blocked("login"))
		return answer_blocked();
	is_flood = !attempt_begin(&attempt);
	if (is_flood && !attempt_in_need(&attempt))
		return refuse_flood(&attempt, "login");
	named = !PG_ARGISNULL(0) && name_read(PG_GETARG_DATUM(0), &name);
	account = named ? store_find_name(name.key) : NULL;
	/* now and then a locked address gets its try, for break-glass accounts: which those are nobody learns */
	if (is_flood && account != NULL && !account->is_break_glass)
		account = NULL;
	/* who is known needs none, but asks the same of the tables */
	attempt.stand_in = store_stand_in(named ? limit_hash(name.key, strlen(name.key)) : 0);
	reason = try_password(&attempt, account, fcinfo->args[1]);
	if (reason == NULL)
	{
		lock_share(account);
		settled = settle(account);
		if (settled != NULL)
		{
			attempt_succeeded(&attempt);
			answer = session_open(settled, &attempt.address, use_cookies);
			lock_return(account);
			store_note_attempt(account, true, &(FailureVerdict){.counted = true});
			tell_login(settled, &attempt.address, use_cookies ? "cookies" : "body");
			return answer;
		}
		lock_return(account);
		reason = "changed_meanwhile";
	}
	attempt_failed(&attempt, "login", reason);
	if (is_flood)
		return answer_flood(&attempt);
	return answer_refusal(401, REFUSED_LOGIN, "wrong username or password", 0);
}

/* Raises 22023 with the reasons when a password is not strong enough. */
static void
require_strength(const Typed *typed, const char *username, const char *email)
{
	PasswordStrength strength;
	StringInfoData reasons;
	ListCell *cell;

	strength = password_strength(typed->bytes, typed->length, username, email);
	if (strength.acceptable && typed->possible)
		return;
	initStringInfo(&reasons);
	foreach(cell, strength.reasons)
		appendStringInfo(&reasons, reasons.len > 0 ? " %s" : "%s", (const char *) lfirst(cell));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the password is not acceptable"),
			 typed->possible ? errdetail("%s", reasons.data)
							 : errdetail("It has more than 72 bytes, or is no text at all."),
			 errhint("twin.check_password_strength() tells how good one is; twin.generate_password() makes one.")));
}

/* Hashes a new password of an account, once it is strong enough; wipes it, and the address. */
static char *
hash_new(Typed *typed, const char *username, char *email)
{
	char *hash = palloc(PASSWORD_HASH_SIZE);
	Status status;

	require_strength(typed, username, email);
	if (email != NULL)
		secret_wipe(email, strlen(email));
	status = password_hash(typed->bytes, typed->length, 0, hash);
	typed_free(typed);
	base_check(status);
	return hash;
}

/* hash_new_password(password text, username text, email text, user_id bigint) -> text */
Datum
tsec_hash_new_password(PG_FUNCTION_ARGS)
{
	char *username = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	char *email = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an account needs a password")));
	if (!PG_ARGISNULL(3))
		email = email_of(PG_GETARG_INT64(3));
	PG_RETURN_TEXT_P(cstring_to_text(hash_new(typed_read(fcinfo->args[0]), username, email)));
}

/* Raises 22023 when a new password is the old one. */
static void
require_another(NullableDatum old_password, NullableDatum new_password)
{
	Typed *old = typed_read(old_password);
	Typed *new = typed_read(new_password);
	bool same = old->length == new->length &&secret_equal(old->bytes, new->bytes, old->length);

	typed_free(old);
	typed_free(new);
	if (same)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the new password is the old one")));
}

/* change_password(old_password text, new_password text) -> jsonb: all sessions end, and a new one begins */
Datum
tsec_change_password(PG_FUNCTION_ARGS)
{
	const Identity *identity = identity_current();
	char cookie[REQUEST_TEXT_MAX];
	Account *account;
	Attempt attempt;
	const char *reason;
	char *hash;
	Datum answer;

	base_require_preload("twin_api.change_password()");
	store_require_writable("twin_api.change_password()");
	token_require_signing();
	if (identity == NULL)
		base_throw(TSEC_ACCOUNT_NOBODY);
	account = identity->is_own && identity->has_user_id ? store_find_user(identity->user_id) : NULL;
	if (account == NULL)
		base_throw(TSEC_ACCOUNT_ELSEWHERE);
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("an account needs a password")));
	if (attempt_is_blocked("change_password"))
		return answer_blocked();
	if (!attempt_begin(&attempt))
		return refuse_flood(&attempt, "change_password");
	reason = try_password(&attempt, account, fcinfo->args[0]);
	if (reason != NULL)
	{
		attempt_failed(&attempt, "change_password", reason);
		return answer_refusal(401, REFUSED_LOGIN, "wrong password", 0);
	}
	attempt_succeeded(&attempt);
	require_another(fcinfo->args[0], fcinfo->args[1]);
	hash = hash_new(typed_read(fcinfo->args[1]), account->username, email_of(account->user_id));
	lock_alone(account);
	if (settle(account) == NULL)
		base_throw(TSEC_ACCOUNT_CHANGED);
	store_set_password(account->user_id, hash);
	account = store_find_user(account->user_id);
	answer = session_open(account, &attempt.address, request_cookie(ACCOUNT_COOKIE_ACCESS, cookie, sizeof(cookie)));
	secret_wipe(cookie, sizeof(cookie));
	return answer;
}
