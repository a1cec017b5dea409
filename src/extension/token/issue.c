/*
 * issue.c
 *		A token of ours: the caller's claims, and what only the database may say
 *		(iat, exp, jti, iss, aud, typ).
 *
 * What is issued is judged by the door before it is handed out, so a token
 * that verification would refuse is never given to anybody.
 */
#include "token/sign.h"

#include "common/secret.h"
#include "event/event.h"

#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

#define TOKEN_ID_BYTES 16

/* Three seconds in all, in microseconds each. */
#define WAIT_TRIES 60
#define WAIT_STEP 50000L

/* Refuses a claim that the database sets itself. */
static void
refuse_reserved(const JsonbValue *name)
{
	static const char *const reserved[] = {"iat", "exp", "nbf", "jti", "iss", "aud", "typ"};

	for (int i = 0; i < (int) lengthof(reserved); i++)
		if (name->val.string.len == (int) strlen(reserved[i]) &&
			memcmp(name->val.string.val, reserved[i], strlen(reserved[i])) == 0) /* public: names of claims */
			ereport(
				ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the claim \"%s\" is set by the database", reserved[i]),
				 errhint("Give user_id, role, tenant_id, sid and claims of your own; how long the token lives is an "
						 "argument of its own.")));
}

static bool
is_named(const JsonbValue *name, const char *wanted)
{
	return name->val.string.len == (int) strlen(wanted) &&
		   memcmp(name->val.string.val, wanted, strlen(wanted)) == 0; /* public: names of claims */
}

static void
push_text(JsonbParseState **state, const char *name, const char *text)
{
	JsonbValue value = {.type = jbvString};

	value.val.string.val = unconstify(char *, name);
	value.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &value);
	value.val.string.val = unconstify(char *, text);
	value.val.string.len = (int) strlen(text);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

static void
push_number(JsonbParseState **state, const char *name, int64 number)
{
	JsonbValue key = {.type = jbvString};
	JsonbValue value = {.type = jbvNumeric};

	key.val.string.val = unconstify(char *, name);
	key.val.string.len = (int) strlen(name);
	(void) pushJsonbValue(state, WJB_KEY, &key);
	value.val.numeric = int64_to_numeric(number);
	(void) pushJsonbValue(state, WJB_VALUE, &value);
}

/* The user id as text: a token holds it as a string whatever the caller gave. */
static char *
user_text(const JsonbValue *value)
{
	if (value->type == jbvString)
		return pnstrdup(value->val.string.val, value->val.string.len);
	if (value->type == jbvNumeric)
		return DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric)));
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the claim \"user_id\" is a string or a number")));
}

/*
 * Copies the caller's claims, and returns the user.  Members that are null and
 * have a meaning here are left out, as if they had not been given.
 */
static char *
push_claims(JsonbParseState **state, Jsonb *claims)
{
	static const char *const meaningful[] = {"user_id", "role", "tenant_id", "sid"};
	JsonbIterator *iterator = JsonbIteratorInit(&claims->root);
	JsonbIteratorToken token;
	JsonbValue name;
	JsonbValue value;
	char *user = NULL;

	(void) JsonbIteratorNext(&iterator, &name, true); /* the object begins */
	while ((token = JsonbIteratorNext(&iterator, &name, true)) == WJB_KEY)
	{
		bool left_out = false;

		(void) JsonbIteratorNext(&iterator, &value, true);
		refuse_reserved(&name);
		for (int i = 0; i < (int) lengthof(meaningful); i++)
			if (value.type == jbvNull && is_named(&name, meaningful[i]))
				left_out = true;
		if (left_out)
			continue;
		if (is_named(&name, "user_id"))
		{
			user = user_text(&value);
			value.type = jbvString;
			value.val.string.val = user;
			value.val.string.len = (int) strlen(user);
		}
		(void) pushJsonbValue(state, WJB_KEY, &name);
		(void) pushJsonbValue(state, WJB_VALUE, &value);
	}
	return user;
}

/* A random UUID, version 4 (RFC 9562 section 5.4). */
static char *
new_token_id(void)
{
	uint8 b[TOKEN_ID_BYTES];

	base_check(random_bytes(b, sizeof(b)));
	b[6] = (uint8) ((b[6] & 0x0f) | 0x40);
	b[8] = (uint8) ((b[8] & 0x3f) | 0x80);
	return psprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0], b[1], b[2], b[3],
					b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
}

/*
 * When a token is issued: now, or the second after the one up to which all of
 * the user's tokens were revoked, so that who logs in anew in that very second
 * is not refused.  Verification lets a token be one second ahead; after several
 * revocations within one second the clock has to catch up first.
 */
static int64
issue_time(const char *user)
{
	int64 now = base_seconds_now();
	int64 revoked = user ? token_catalog_user_revoked(user) : 0;

	for (int tries = 0; revoked > now && tries < WAIT_TRIES; tries++)
	{
		CHECK_FOR_INTERRUPTS();
		pg_usleep(WAIT_STEP);
		now = base_seconds_now();
	}
	/* a token that is void already is no token */
	if (revoked > now)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("a token issued now would be refused"),
				 errdetail("All tokens of this user are revoked up to a time that is still to come."),
				 errhint("The server's clock has been set back; it will be past that time.")));
	return revoked == now ? now + 1 : now;
}

/* What cannot be taken back is looked at first. */
static void
judge_issued(const char *token, TokenType type)
{
	JudgedToken judged;
	Status status = token_judge(token, strlen(token), type, &judged);

	claims_free(&judged.claims);
	if (status == TSEC_NO_MEMORY || status == TSEC_LIBRARY_FAILURE)
		base_throw(status);
	if (status != TSEC_OK)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a token with these claims would be refused"),
				 errdetail("It would be said that %s.", status_info(status)->message),
				 errhint("user_id, role and sid are texts (of 255, 63 and 255 bytes), tenant_id a positive number; "
						 "the whole token has at most %d bytes.",
						 JWT_LENGTH_MAX)));
}

IssuedToken
token_issue(TokenType type, Jsonb *claims, int64 lifetime)
{
	int64 most = type == TOKEN_ACCESS ? TOKEN_ACCESS_LIFETIME_MAX : TOKEN_REFRESH_LIFETIME_MAX;
	JsonbParseState *state = NULL;
	IssuedToken issued;
	TokenKey *key;
	char *payload;
	char *user;
	Status status;

	if (lifetime == 0)
		lifetime = token_default_lifetime();
	if (lifetime < 1 || lifetime > most)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a token cannot live that long, or not at all"),
				 errdetail("Its lifetime is from 1 to " INT64_FORMAT " seconds.", most)));
	if (!JB_ROOT_IS_OBJECT(claims))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the claims of a token are a JSON object")));

	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	user = push_claims(&state, claims);
	issued.token_id = new_token_id();
	issued.issued_at = issue_time(user);
	issued.expires_at = issued.issued_at + lifetime;
	push_number(&state, "iat", issued.issued_at);
	push_number(&state, "exp", issued.expires_at);
	push_text(&state, "jti", issued.token_id);
	push_text(&state, "iss", setting_token_issuer);
	push_text(&state, "aud", setting_token_audience);
	push_text(&state, "typ", type == TOKEN_ACCESS ? "access" : "refresh");
	payload = token_json_text(JsonbValueToJsonb(pushJsonbValue(&state, WJB_END_OBJECT, NULL)));

	issued.token = palloc(JWT_LENGTH_MAX + 1);
	key = token_key_signing();
	status = token_sign(key, payload, issued.token);
	if (status == TSEC_TOKEN_TOO_LONG)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a token with these claims would be longer than %d bytes", JWT_LENGTH_MAX)));
	base_check(status);
	judge_issued(issued.token, type);
	event_count_deed(type == TOKEN_ACCESS ? "access_token_issued" : "refresh_token_issued");
	return issued;
}

void
token_require_signing(void)
{
	TokenKey *key = token_key_signing();

	(void) token_default_lifetime();
	if (!key->is_secret_of_environment)
	{
		uint8 bytes[KEYRING_SECRET_MAX];
		size_t length;
		Status status = token_key_open_secret(key->row, bytes, &length);

		secret_wipe(bytes, sizeof(bytes));
		base_check(status);
	}
}
