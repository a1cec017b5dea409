/*
 * attempt.c
 *		One try of a password: counted before it is verified, the same work and
 *		the same writes whoever it is for.
 *
 * Failures are counted in shared memory, where no rollback, cancel or lost
 * client undoes them, and recorded in a table, which survives a restart.  A
 * locked account's password is verified all the same, for a quick answer would
 * tell that it is locked, and hence that it exists.
 */
#include "account/private.h"

#include "password/password.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_locked_until);
PG_FUNCTION_INFO_V1(tsec_forget_failures_of);

static void (*success_notice)(void) = NULL;

void
account_set_success_notice(void (*notice)(void))
{
	success_notice = notice;
}

/* The policy of addresses: as for accounts, but with a number of failures of their own. */
static FailurePolicy
address_policy(void)
{
	FailurePolicy policy = limit_login_policy();

	policy.max_failures = setting_login_max_failures_per_address;
	return policy;
}

static bool
limits_address(const Attempt *attempt)
{
	return attempt->address.is_limited && setting_login_max_failures_per_address > 0;
}

/* Emits an event about the try; username only where there is such a user, for people type passwords there. */
static void
tell(const Attempt *attempt, const char *type, EventSeverity severity, const char *action, const char *reason)
{
	const Account *account = attempt->account;
	char details[256] = "";
	char id[24];

	if (account != NULL)
		snprintf(id, sizeof(id), INT64_FORMAT, account->user_id);
	if (reason != NULL)
		(void) event_json_add(details, sizeof(details), "reason", reason);
	(void) event_emit(
		&(SecurityEvent){.type = type,
						 .class = EVENT_AUDIT,
						 .severity = severity,
						 .outcome = reason != NULL ? EVENT_FAILURE : EVENT_SUCCESS,
						 .action = action,
						 .resource = "account",
						 .record_id = account != NULL ? id : NULL,
						 .user_id = account != NULL ? account->user_id : 0,
						 .tenant_id = account != NULL && account->has_tenant ? account->tenant_id : 0,
						 .username = account != NULL ? account->username : NULL,
						 .client_address = attempt->address.text[0] != '\0' ? attempt->address.text : NULL,
						 .details = reason != NULL ? details : NULL,
						 .is_anybodys = !attempt->at_address.counted});
}

bool
attempt_is_blocked(const char *action)
{
	Address address = address_of_client();
	NetAddress read;

	if (!network_address(address.text, strlen(address.text), &read) || !limit_is_blocked(&read))
		return false;
	(void) event_emit(&(SecurityEvent){.type = "address_refused",
									   .class = EVENT_ACCESS,
									   .severity = EVENT_MEDIUM,
									   .outcome = EVENT_DENIED,
									   .action = action,
									   .resource = "account",
									   .client_address = address.text,
									   .is_anybodys = true});
	return true;
}

bool
attempt_begin(Attempt *attempt)
{
	FailurePolicy policy = address_policy();

	attempt->account = NULL;
	attempt->counts = false;
	attempt->is_unusable = false;
	attempt->stand_in = NULL;
	attempt->at_account = (FailureVerdict){.counted = true};
	attempt->at_address = (FailureVerdict){.counted = true};
	attempt->address = address_of_client();
	if (limits_address(attempt))
		attempt->at_address =
			limit_note_failure(LIMIT_ADDRESS, attempt->address.subject, attempt->address.length, &policy);
	return attempt->at_address.counted;
}

/*
 * As what an account's failures count: from an address where its user has logged in before by themselves, so that the
 * failures of strangers do not lock him out there; from all others together, so that many addresses are one attacker.
 */
static Size
make_subject(int64 user_id, const Address *known, uint8 subject[sizeof(int64) + ADDRESS_SUBJECT_MAX])
{
	memcpy(subject, &user_id, sizeof(user_id));
	if (known == NULL)
		return sizeof(user_id);
	memcpy(subject + sizeof(user_id), known->subject, known->length);
	return sizeof(user_id) + known->length;
}

bool
attempt_in_need(const Attempt *attempt)
{
	static const RateLimit rate = {.requests = 6, .burst = 3, .period = 60 * LIMIT_SECOND};

	return limit_take(LIMIT_RATE_ADDRESS, attempt->address.subject, attempt->address.length, &rate).allowed;
}

void
attempt_account(Attempt *attempt, const Account *account)
{
	FailurePolicy policy = limit_login_policy();

	attempt->account = account;
	attempt->counts = account != NULL && !account->is_break_glass;
	/* asked for strangers as well */
	attempt->is_known = attempt->address.is_limited && store_knows_address(account, &attempt->address);
	if (!attempt->counts)
		return;
	attempt->subject_length =
		make_subject(account->user_id, attempt->is_known ? &attempt->address : NULL, attempt->subject);
	if (!attempt->is_known && (account->failures > 0 || account->locked_until != 0))
		limit_seed(LIMIT_ACCOUNT, attempt->subject, attempt->subject_length, account->failures, account->locked_until,
				   &policy);
	attempt->at_account = limit_note_failure(LIMIT_ACCOUNT, attempt->subject, attempt->subject_length, &policy);
}

static void
take_back(const Attempt *attempt)
{
	if (limits_address(attempt) && attempt->at_address.counted)
		limit_take_back(LIMIT_ADDRESS, attempt->address.subject, attempt->address.length);
}

bool
attempt_verify(Attempt *attempt, const Typed *typed)
{
	const char *hash = attempt->account != NULL && typed->possible ? attempt->account->hash : NULL;
	bool matches = false;
	const char *like = attempt->account != NULL ? attempt->account->hash : attempt->stand_in;
	Status status = password_verify_login(typed->bytes, typed->length, hash, like, &matches);

	/* said to auditors: a caller who is told so learns that there is such a user */
	attempt->is_unusable = status == TSEC_HASH_MALFORMED || status == TSEC_HASH_KIND || status == TSEC_HASH_COST;
	if (status == TSEC_OK || attempt->is_unusable)
		return matches;
	/* the cluster was too busy: nobody guessed anything */
	take_back(attempt);
	if (attempt->counts && attempt->at_account.counted)
		limit_take_back(LIMIT_ACCOUNT, attempt->subject, attempt->subject_length);
	base_throw(status);
}

void
attempt_succeeded(const Attempt *attempt)
{
	take_back(attempt);
	if (success_notice != NULL)
		success_notice();
	if (attempt->counts)
		limit_forget(LIMIT_ACCOUNT, attempt->subject, attempt->subject_length);
}

void
attempt_refused(const Attempt *attempt, const char *action)
{
	tell(attempt, "login_failure", EVENT_LOW, action, "address_locked");
}

void
attempt_failed(const Attempt *attempt, const char *action, const char *reason)
{
	bool is_break_glass = attempt->account != NULL && attempt->account->is_break_glass;

	store_note_attempt(attempt->account, false, attempt->is_known ? NULL : &attempt->at_account);
	tell(attempt, "login_failure", is_break_glass ? EVENT_HIGH : EVENT_LOW, action, reason);
	if (attempt->is_unusable && attempt->at_account.counted)
		tell(attempt, "password_hash_unusable", EVENT_HIGH, action, "damaged_or_too_costly");
	if (attempt->at_account.counted && attempt->at_account.is_locked)
		tell(attempt, "user_locked", EVENT_MEDIUM, action, "too_many_failures");
	if (attempt->at_address.counted && attempt->at_address.is_locked)
		tell(attempt, "address_locked", EVENT_MEDIUM, action, "too_many_failures");
}

/* locked_until(user_id bigint) -> timestamptz: the lock in force in shared memory; null for none */
Datum
tsec_locked_until(PG_FUNCTION_ARGS)
{
	int64 user_id = PG_GETARG_INT64(0);
	FailurePolicy policy = limit_login_policy();
	FailureVerdict verdict;

	if (!base_is_preloaded())
		PG_RETURN_NULL();
	verdict = limit_failures_of(LIMIT_ACCOUNT, &user_id, sizeof(user_id), &policy);
	if (!verdict.is_locked)
		PG_RETURN_NULL();
	PG_RETURN_TIMESTAMPTZ(verdict.locked_until);
}

/* forget_failures_of(user_id bigint): at once, whatever becomes of the transaction */
Datum
tsec_forget_failures_of(PG_FUNCTION_ARGS)
{
	int64 user_id = PG_GETARG_INT64(0);
	uint8 subject[sizeof(int64) + ADDRESS_SUBJECT_MAX];
	ListCell *cell;

	if (!base_is_preloaded())
		PG_RETURN_VOID();
	limit_forget(LIMIT_ACCOUNT, subject, make_subject(user_id, NULL, subject));
	foreach(cell, store_addresses(user_id))
	{
		Address address = address_read(lfirst(cell));

		limit_forget(LIMIT_ACCOUNT, subject, make_subject(user_id, &address, subject));
	}
	PG_RETURN_VOID();
}
