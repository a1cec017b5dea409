/*
 * functions.c
 *		What SQL calls to issue, verify and revoke.
 */
#include "token/private.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_issue_token);
PG_FUNCTION_INFO_V1(tsec_issue_token_of_type);
PG_FUNCTION_INFO_V1(tsec_verify_token);
PG_FUNCTION_INFO_V1(tsec_verify_refresh_token);
PG_FUNCTION_INFO_V1(tsec_revocation_of);
PG_FUNCTION_INFO_V1(tsec_environment_kid);

/* Seconds since 1970 as a timestamp. */
static TimestampTz
timestamp_of(int64 seconds)
{
	return (seconds - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY) * USECS_PER_SEC;
}

static Datum
make_row(FunctionCallInfo fcinfo, Datum *values, bool *nulls)
{
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* Whole seconds of an interval of fixed length; months have none. */
static int64
seconds_of(const Interval *interval)
{
	int64 seconds;

	if (interval->month != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a lifetime has no months or years"),
						errhint("Give it in days, hours, minutes or seconds.")));
	seconds = interval->time / USECS_PER_SEC + (int64) interval->day * SECS_PER_DAY;
	if (seconds < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a token cannot live that long, or not at all"),
				 errdetail("Its lifetime is at least one second.")));
	return seconds;
}

/* issue_token(claims jsonb, lifetime interval) -> text */
Datum
tsec_issue_token(PG_FUNCTION_ARGS)
{
	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("the claims of a token are a JSON object")));
	PG_RETURN_TEXT_P(cstring_to_text(
		token_issue(TOKEN_ACCESS, PG_GETARG_JSONB_P(0), PG_ARGISNULL(1) ? 0 : seconds_of(PG_GETARG_INTERVAL_P(1)))
			.token));
}

/* issue_token(claims jsonb, token_type text, lifetime_seconds bigint) -> (token, token_id, issued_at, expires_at) */
Datum
tsec_issue_token_of_type(PG_FUNCTION_ARGS)
{
	char *type = text_to_cstring(PG_GETARG_TEXT_PP(1));
	bool is_refresh = strcmp(type, "refresh") == 0;
	int64 lifetime = PG_GETARG_INT64(2);
	bool nulls[4] = {false, false, false, false};
	IssuedToken issued;
	Datum values[4];

	if (!is_refresh && strcmp(type, "access") != 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a token is of type access or refresh")));
	if (lifetime < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a token cannot live that long, or not at all"),
				 errdetail("Its lifetime is at least one second.")));
	issued = token_issue(is_refresh ? TOKEN_REFRESH : TOKEN_ACCESS, PG_GETARG_JSONB_P(0), lifetime);
	values[0] = CStringGetTextDatum(issued.token);
	values[1] = CStringGetTextDatum(issued.token_id);
	values[2] = TimestampTzGetDatum(timestamp_of(issued.issued_at));
	values[3] = TimestampTzGetDatum(timestamp_of(issued.expires_at));
	return make_row(fcinfo, values, nulls);
}

/* The claims of a token; the cache may be gone at the next call, so they are copied. */
static Datum
claims_datum(const VerifiedToken *found)
{
	Size size = VARSIZE(found->claims);
	Jsonb *copy = palloc(size);

	memcpy(copy, found->claims, size);
	return PointerGetDatum(copy);
}

/* verify_token(token text) -> jsonb */
Datum
tsec_verify_token(PG_FUNCTION_ARGS)
{
	text *token = PG_GETARG_TEXT_PP(0);
	const VerifiedToken *found;

	base_check(token_find(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &found));
	return claims_datum(found);
}

/* verify_refresh_token(token text) -> jsonb */
Datum
tsec_verify_refresh_token(PG_FUNCTION_ARGS)
{
	text *token = PG_GETARG_TEXT_PP(0);
	const VerifiedToken *found;

	base_check(token_find_refresh(VARDATA_ANY(token), VARSIZE_ANY_EXHDR(token), &found));
	return claims_datum(found);
}

/* Whether a text can be a token's id: 1 to 255 printable characters without blanks or dots. */
static bool
is_token_id(const char *text, size_t length)
{
	if (length == 0 || length > CLAIM_TEXT_MAX)
		return false;
	for (size_t i = 0; i < length; i++)
		if ((unsigned char) text[i] <= ' ' || text[i] == 0x7f || text[i] == '.')
			return false;
	return true;
}

/* Judges a whole token that is to be revoked, of either type. */
static Status
judge_any(const char *token, size_t length, JudgedToken *judged)
{
	Status status = token_judge(token, length, TOKEN_ACCESS, judged);

	if (status == TSEC_TOKEN_TYPE)
	{
		claims_free(&judged->claims);
		status = token_judge(token, length, TOKEN_REFRESH, judged);
	}
	return status;
}

/* revocation_of(token_or_jti text) -> (subject, expires_at, expired): what a revocation says; expires_at is null for a jti */
Datum
tsec_revocation_of(PG_FUNCTION_ARGS)
{
	text *given = PG_GETARG_TEXT_PP(0);
	const char *bytes = VARDATA_ANY(given);
	size_t length = VARSIZE_ANY_EXHDR(given);
	bool nulls[3] = {false, true, false};
	Datum values[3] = {0};
	JudgedToken judged;
	int64 expires_at;
	const char *name;
	Status status;

	if (length <= CLAIM_TEXT_MAX && memchr(bytes, '.', length) == NULL)
	{
		if (!is_token_id(bytes, length))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("neither a token nor the id of one"),
							errhint("Give a whole token, or the value of its claim jti.")));
		values[0] = PointerGetDatum(given);
		values[2] = BoolGetDatum(false);
		return make_row(fcinfo, values, nulls);
	}
	token_news_listen();
	status = judge_any(bytes, length, &judged);
	expires_at = judged.claims.expires_at;
	claims_free(&judged.claims);
	/* what is not valid yet, or lives for too long as things are, may be valid later */
	if (status != TSEC_OK && status != TSEC_TOKEN_EXPIRED && status != TSEC_TOKEN_EARLY &&
		status != TSEC_TOKEN_LIFETIME)
		base_throw(status);
	base_check(token_text_of(judged.name, &name));
	values[0] = CStringGetTextDatum(name);
	values[1] = TimestampTzGetDatum(timestamp_of(expires_at + CLAIM_LEEWAY_MAX));
	nulls[1] = expires_at == 0;
	values[2] = BoolGetDatum(status == TSEC_TOKEN_EXPIRED);
	return make_row(fcinfo, values, nulls);
}

/* environment_kid(previous boolean) -> text: null when there is no such secret */
Datum
tsec_environment_kid(PG_FUNCTION_ARGS)
{
	const char *kid = token_key_environment_kid(PG_GETARG_BOOL(0));

	if (kid == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(kid));
}
