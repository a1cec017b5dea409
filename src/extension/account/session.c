/*
 * session.c
 *		A session's tokens: made at login, made anew at every refresh, and ended
 *		where a refresh token comes a second time.
 *
 * Each refresh token carries a value of its own under its signature, of which
 * the session's row keeps a digest.  The session's current one rotates.  The
 * one before is served again within a short grace, with tokens of the current
 * value: the client lost the answer, or asked twice at once, and every answer
 * it got works.  Any other means that a token was copied, and ends the session
 * (RFC 9700, 4.14.2).
 *
 * The caller may roll all of this back, so nothing he gets in a transaction may
 * be of use after it:
 *	- A value is made of the last one and of random bytes that are drawn for
 *	  each rotation.  Tokens of a rotation that was undone therefore never
 *	  become current: to present one is to present a copy.  (A number, or an
 *	  HMAC of one, would come again.)
 *	- The grace needs the current value again.  The row does not hold it, but
 *	  the random bytes; with the last value, which is in the token that is
 *	  presented, they make it again.
 *	- That a token was copied is noted in shared memory, too.  The next refresh
 *	  of the session, whoever asks, ends it in a transaction of his own.
 * What remains: the access token that an undone refresh handed out holds until
 * it expires, unless its session ends before.
 */
#include "account/private.h"

#include "common/aead.h"
#include "common/digest.h"
#include "common/encode.h"
#include "common/secret.h"

#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_refresh);

#define CSRF_BYTES 32
#define CSRF_CHARACTERS 43 /* of 32 bytes, and of their digest */
#define USER_AGENT_MAX 256

/* No client needs more; each refresh is a row that changes and an event. */
static const RateLimit refresh_rate = {.requests = 60, .period = 60 * LIMIT_SECOND, .burst = 30};

#define CLAIM_CSRF "csrf"
#define CLAIM_ROTATION "rot"

/* How far the clock may be behind the last use, in microseconds. */
#define CLOCK_IDLE_TOLERANCE USECS_PER_MINUTE

/* ---- CSRF ---- */

/* Writes the digest of a CSRF token as its session's tokens carry it, with a final zero. */
static void
digest_csrf(const char *csrf, char digest[CSRF_CHARACTERS + 1])
{
	uint8 bytes[DIGEST_SIZE];

	base_check(digest_sha256(bytes_of(csrf, CSRF_CHARACTERS), bytes));
	encode_base64url(bytes, sizeof(bytes), digest);
	digest[CSRF_CHARACTERS] = '\0';
}

static char *
new_csrf(void)
{
	uint8 bytes[CSRF_BYTES];
	char *csrf = palloc0(CSRF_CHARACTERS + 1);

	base_check(random_bytes(bytes, sizeof(bytes)));
	encode_base64url(bytes, sizeof(bytes), csrf);
	return csrf;
}

bool
account_csrf_matches(Jsonb *claims, const char *given, Size length)
{
	JsonbValue value;
	char digest[CSRF_CHARACTERS + 1];

	if (length != CSRF_CHARACTERS ||
		getKeyJsonValueFromContainer(&claims->root, CLAIM_CSRF, strlen(CLAIM_CSRF), &value) == NULL ||
		value.type != jbvString || value.val.string.len != CSRF_CHARACTERS)
		return false;
	digest_csrf(given, digest);
	return secret_equal(digest, value.val.string.val, CSRF_CHARACTERS);
}

/* ---- issuing ---- */

/* The claims of a token of a session; rotation is NULL for an access token. */
static Jsonb *
make_claims(const Account *account, const Session *session, const char *csrf, const Rotation *rotation)
{
	StringInfoData json;
	char digest[CSRF_CHARACTERS + 1];

	initStringInfo(&json);
	answer_text(&json, "user_id", psprintf(INT64_FORMAT, account->user_id));
	answer_text(&json, "role", account->role);
	if (account->has_tenant)
		answer_member(&json, "tenant_id", psprintf(INT64_FORMAT, account->tenant_id));
	answer_text(&json, "sid", session->id);
	if (csrf != NULL)
	{
		digest_csrf(csrf, digest);
		answer_text(&json, CLAIM_CSRF, digest);
	}
	if (rotation != NULL)
		answer_text(&json, CLAIM_ROTATION, rotation->value);
	return DatumGetJsonbP(answer_finish(&json));
}

/* Issues both tokens of a session; neither outlives it. */
static TokenPair
issue_pair(const Account *account, const Session *session, const Rotation *rotation, const char *csrf)
{
	int64 left = (session->expires_at - GetCurrentTimestamp()) / USECS_PER_SEC;
	TokenPair pair = {.csrf = csrf != NULL ? pstrdup(csrf) : NULL};

	left = Max(left, 1);
	pair.access =
		token_issue(TOKEN_ACCESS, make_claims(account, session, csrf, NULL), Min(left, token_default_lifetime()));
	pair.refresh = token_issue(TOKEN_REFRESH, make_claims(account, session, csrf, rotation),
							   Min(left, setting_refresh_token_lifetime));
	return pair;
}

/* What the client calls itself, shown to administrators: printable ASCII, cut; NULL when it says nothing. */
static char *
user_agent(void)
{
	char said[REQUEST_TEXT_MAX];

	if (!request_header("user-agent", said, sizeof(said)) || said[0] == '\0')
		return NULL;
	said[USER_AGENT_MAX] = '\0';
	for (char *at = said; *at != '\0'; at++)
		if (*at < ' ' || *at > '~')
			*at = '?';
	return pstrdup(said);
}

Datum
session_open(const Account *account, const Address *address, bool use_cookies)
{
	Rotation rotation = rotation_first();
	uint8 digest[DIGEST_SIZE];
	Session *session;
	TokenPair pair;

	rotation_digest(&rotation, digest);
	session = store_open_session(account->user_id, address, user_agent(), digest);
	pair = issue_pair(account, session, &rotation, use_cookies ? new_csrf() : NULL);
	return answer_tokens(account, &pair);
}

/* ---- refreshing ---- */

/* What a refresh token says, kept while other tokens are looked at. */
typedef struct Presented
{
	char *session;
	int64 user_id;
	char *role;
	Rotation rotation;
	Jsonb *claims;
	bool by_cookie;
	char csrf[CSRF_CHARACTERS + 1];
} Presented;

static void
tell(const char *type, EventSeverity severity, EventOutcome outcome, const char *reason, const Account *account,
	 const Presented *presented)
{
	Address address = address_of_client();
	char details[256] = "";
	char id[24];

	if (reason != NULL)
		(void) event_json_add(details, sizeof(details), "reason", reason);
	if (presented->session != NULL)
		(void) event_json_add(details, sizeof(details), "session", presented->session);
	snprintf(id, sizeof(id), INT64_FORMAT, presented->user_id);
	(void) event_emit(&(SecurityEvent){.type = type,
									   .class = EVENT_AUDIT,
									   .severity = severity,
									   .outcome = outcome,
									   .action = "refresh",
									   .resource = "account",
									   .record_id = presented->user_id != 0 ? id : NULL,
									   .user_id = account != NULL ? account->user_id : 0,
									   .tenant_id = account != NULL && account->has_tenant ? account->tenant_id : 0,
									   .username = account != NULL ? account->username : NULL,
									   .client_address = address.text[0] != '\0' ? address.text : NULL,
									   .details = details[0] != '\0' ? details : NULL,
									   .is_anybodys = outcome == EVENT_FAILURE});
}

static Datum
refuse(const char *reason, const Account *account, const Presented *presented)
{
	tell("token_refresh", EVENT_LOW, EVENT_FAILURE, reason, account, presented);
	if (presented->by_cookie)
		answer_clear_cookies();
	return answer_refusal(401, REFUSED_TOKEN, "the refresh token is not accepted", 0);
}

bool
session_is_uuid(const char *text)
{
	if (strlen(text) != 36)
		return false;
	for (int i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-' : strchr("0123456789abcdef", text[i]) == NULL)
			return false;
	return true;
}

/* Takes what is needed out of a token of ours; false when login did not make it. */
static bool
take_claims(const VerifiedToken *verified, Presented *presented)
{
	JsonbValue value;
	Size size = VARSIZE(verified->claims);

	if (!verified->is_own || !verified->has_user_id || verified->role == NULL || verified->session == NULL ||
		!session_is_uuid(verified->session) ||
		getKeyJsonValueFromContainer(&verified->claims->root, CLAIM_ROTATION, strlen(CLAIM_ROTATION), &value) ==
			NULL ||
		value.type != jbvString || value.val.string.len != ROTATION_CHARACTERS)
		return false;
	presented->user_id = verified->user_id;
	presented->session = pstrdup(verified->session);
	presented->role = pstrdup(verified->role);
	memcpy(presented->rotation.value, value.val.string.val, ROTATION_CHARACTERS);
	presented->rotation.value[ROTATION_CHARACTERS] = '\0';
	presented->claims = palloc(size);
	memcpy(presented->claims, verified->claims, size);
	return true;
}

/* Verifies the token that was given, or the cookie's; NULL when it may be used, else why not. */
static const char *
present(FunctionCallInfo fcinfo, Presented *presented)
{
	char token[REQUEST_TEXT_MAX + 1];
	const VerifiedToken *verified;
	size_t length;
	Status status;

	if (PG_ARGISNULL(0))
	{
		presented->by_cookie = request_cookie(ACCOUNT_COOKIE_REFRESH, token, sizeof(token));
		if (!presented->by_cookie)
			return "no_token";
		length = strlen(token);
		status = token_find_refresh(token, length, &verified);
		secret_wipe(token, sizeof(token));
	}
	else
	{
		text *given = PG_GETARG_TEXT_PP(0);

		length = VARSIZE_ANY_EXHDR(given);
		status = token_find_refresh(VARDATA_ANY(given), length, &verified);
	}
	if (status != TSEC_OK)
		return status_info(status)->sqlstate;
	if (!take_claims(verified, presented))
		return "not_of_a_session";
	if (presented->by_cookie && (!request_header(ACCOUNT_HEADER_CSRF, presented->csrf, sizeof(presented->csrf)) ||
								 !account_csrf_matches(presented->claims, presented->csrf, strlen(presented->csrf))))
		return "csrf";
	return NULL;
}

/* Why a session is over for its holder; NULL while it is not. */
static const char *
over(const Session *session, const Account *account, const Presented *presented)
{
	TimestampTz now = GetCurrentTimestamp();
	int64 idle = now - session->last_used_at;

	if (session->is_revoked || session->user_id != presented->user_id)
		return "revoked";
	if (account == NULL)
		return "unknown_user";
	if (account->refused != NULL)
		return account->refused;
	/* public: names of roles */
	if (strcmp(account->role, presented->role) != 0)
		return "role_changed";
	if (session->created_at < account->sessions_since)
		return "revoked";
	if (now >= session->expires_at)
		return "session_expired";
	/* used in the future: the clock was set back, and nobody knows how long it has been idle */
	if (idle > (int64) setting_session_idle_timeout * USECS_PER_SEC || idle < -CLOCK_IDLE_TOLERANCE)
		return "session_idle";
	return NULL;
}

/* refresh(refresh_token text) -> jsonb */
Datum
tsec_refresh(PG_FUNCTION_ARGS)
{
	Presented presented = {.session = NULL};
	const char *reason;
	Session *session;
	Account *account;
	Account *known;
	Rotation rotation;
	RateVerdict rate;
	TokenPair pair;

	base_require_preload("twin_api.refresh()");
	store_require_writable("twin_api.refresh()");
	token_require_signing();
	if (attempt_is_blocked("refresh"))
		return answer_blocked();
	reason = present(fcinfo, &presented);
	if (reason != NULL)
		return refuse(reason, NULL, &presented);
	rate = limit_take(LIMIT_RATE_USER, presented.session, strlen(presented.session), &refresh_rate);
	if (!rate.allowed)
		return answer_refusal(429, REFUSED_FLOOD, "too many refreshes of this session",
							  rate.retry_after / LIMIT_SECOND + 1);
	session = store_lock_session(presented.session);
	known = session != NULL ? store_find_user(session->user_id) : NULL;
	if (known == NULL)
		return refuse(session == NULL ? "unknown_session" : "unknown_user", NULL, &presented);
	lock_share(known);
	account = store_find_user(known->user_id);
	reason = over(session, account, &presented);
	if (reason == NULL)
		reason = rotation_advance(session, &presented.rotation, &rotation) ? NULL : "token_reuse";
	if (reason == NULL)
		pair = issue_pair(account, session, &rotation, presented.by_cookie ? presented.csrf : NULL);
	lock_return(known);
	if (reason == NULL)
	{
		tell("token_refresh", EVENT_INFO, EVENT_SUCCESS, NULL, account, &presented);
		return answer_tokens(account, &pair);
	}
	if (!session->is_revoked)
		store_end_session(session->id, reason);
	/* public: a word of ours */
	if (strcmp(reason, "token_reuse") == 0)
		tell("token_reuse", EVENT_HIGH, EVENT_DENIED, reason, account, &presented);
	return refuse(reason, account, &presented);
}
