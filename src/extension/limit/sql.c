/*
 * sql.c
 *		The limits as SQL functions, for the parts above that are written in SQL.
 *		Nobody may call them by himself: who could would lock others out.
 */
#include "limit/private.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_note_failure);
PG_FUNCTION_INFO_V1(tsec_failures_of);
PG_FUNCTION_INFO_V1(tsec_take_back_failure);
PG_FUNCTION_INFO_V1(tsec_forget_failures);
PG_FUNCTION_INFO_V1(tsec_seed_failures);
PG_FUNCTION_INFO_V1(tsec_take_rate);
PG_FUNCTION_INFO_V1(tsec_stat_limits);
PG_FUNCTION_INFO_V1(tsec_forget_limits);

static const char *const kind_names[LIMIT_KINDS] = {
	[LIMIT_ACCOUNT] = "account",
	[LIMIT_ADDRESS] = "address",
	[LIMIT_RATE_ADDRESS] = "rate address",
	[LIMIT_RATE_USER] = "rate user",
};

/* The kind of a name; raises 22023 for any other, and for one that does not count what is asked for. */
static LimitKind
read_kind(text *name, bool of_failures)
{
	char *given = text_to_cstring(name);

	for (int kind = 0; kind < LIMIT_KINDS; kind++)
	{
		if (strcmp(given, kind_names[kind]) == 0 && limit_is_of_failures(kind) == of_failures)
			return kind;
	}
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown kind of limit \"%s\"", given)));
}

/* A row (counted, failures, locked_until). */
static Datum
row_of(FunctionCallInfo fcinfo, FailureVerdict verdict)
{
	TupleDesc description;
	Datum values[3] = {BoolGetDatum(verdict.counted), Int64GetDatum(verdict.failures),
					   TimestampTzGetDatum(verdict.locked_until)};
	bool nulls[3] = {false, false, !verdict.is_locked};

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: a limit's function must return a row");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
}

/* note_failure(kind text, subject text) -> (counted, failures, locked_until) */
Datum
tsec_note_failure(PG_FUNCTION_ARGS)
{
	LimitKind kind = read_kind(PG_GETARG_TEXT_PP(0), true);
	text *subject = PG_GETARG_TEXT_PP(1);
	FailurePolicy policy = limit_login_policy();

	PG_RETURN_DATUM(
		row_of(fcinfo, limit_note_failure(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject), &policy)));
}

/* failures_of(kind text, subject text) -> (counted, failures, locked_until) */
Datum
tsec_failures_of(PG_FUNCTION_ARGS)
{
	LimitKind kind = read_kind(PG_GETARG_TEXT_PP(0), true);
	text *subject = PG_GETARG_TEXT_PP(1);
	FailurePolicy policy = limit_login_policy();

	PG_RETURN_DATUM(
		row_of(fcinfo, limit_failures_of(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject), &policy)));
}

/* take_back_failure(kind text, subject text) -> void */
Datum
tsec_take_back_failure(PG_FUNCTION_ARGS)
{
	LimitKind kind = read_kind(PG_GETARG_TEXT_PP(0), true);
	text *subject = PG_GETARG_TEXT_PP(1);

	limit_take_back(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject));
	PG_RETURN_VOID();
}

/* forget_failures(kind text, subject text) -> void */
Datum
tsec_forget_failures(PG_FUNCTION_ARGS)
{
	LimitKind kind = read_kind(PG_GETARG_TEXT_PP(0), true);
	text *subject = PG_GETARG_TEXT_PP(1);

	limit_forget(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject));
	PG_RETURN_VOID();
}

/* seed_failures(kind text, subject text, failures integer, locked_until timestamptz) -> void */
Datum
tsec_seed_failures(PG_FUNCTION_ARGS)
{
	LimitKind kind;
	text *subject;
	int failures;
	TimestampTz locked_until = 0;
	FailurePolicy policy = limit_login_policy();

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("kind and subject must not be null")));
	kind = read_kind(PG_GETARG_TEXT_PP(0), true);
	subject = PG_GETARG_TEXT_PP(1);
	failures = PG_ARGISNULL(2) ? 0 : Max(PG_GETARG_INT32(2), 0);
	if (!PG_ARGISNULL(3))
	{
		locked_until = PG_GETARG_TIMESTAMPTZ(3);
		/* the infinities do not subtract; a lock ends after max_lockout anyway */
		locked_until = Min(Max(locked_until, MIN_TIMESTAMP), END_TIMESTAMP - 1);
	}
	limit_seed(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject), (uint32) failures, locked_until, &policy);
	PG_RETURN_VOID();
}

/* take_rate(kind text, subject text, requests integer, period interval, burst integer) -> (allowed, remaining, retry_after) */
Datum
tsec_take_rate(PG_FUNCTION_ARGS)
{
	LimitKind kind = read_kind(PG_GETARG_TEXT_PP(0), false);
	text *subject = PG_GETARG_TEXT_PP(1);
	int requests = PG_GETARG_INT32(2);
	Interval *period = PG_GETARG_INTERVAL_P(3);
	int burst = PG_GETARG_INT32(4);
	double nanoseconds =
		1e3 * period->time + 1e9 * SECS_PER_DAY * (period->day + (double) DAYS_PER_MONTH * period->month);
	RateLimit rate = {.requests = (uint32) requests, .burst = (uint32) burst};
	RateVerdict verdict;
	TupleDesc description;
	Interval *wait;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	if (requests < 1 || burst < 1 || nanoseconds < 1000 || nanoseconds > (double) LIMIT_TIME_MAX)
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg(
				 "a rate needs at least one request and a burst of one, in a period of 1 microsecond to 36 years")));
	rate.period = (int64) nanoseconds;
	verdict = limit_take(kind, VARDATA_ANY(subject), VARSIZE_ANY_EXHDR(subject), &rate);

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: a limit's function must return a row");
	wait = palloc0(sizeof(Interval));
	wait->time = (verdict.retry_after + 999) / 1000; /* rounded up: after it, one will be allowed */
	values[0] = BoolGetDatum(verdict.allowed);
	values[1] = Int64GetDatum(verdict.remaining);
	values[2] = IntervalPGetDatum(wait);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls)));
}

/* stat_limits() -> (kind, entries, locked, evicted) */
Datum
tsec_stat_limits(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	FailurePolicy policy = limit_login_policy();

	base_require_preload("twin.stat_limits");
	InitMaterializedSRF(fcinfo, 0);
	for (int kind = 0; kind < LIMIT_KINDS; kind++)
	{
		LimitStatistics statistics = limit_statistics(kind, limit_is_of_failures(kind) ? &policy : NULL);
		Datum values[4] = {CStringGetTextDatum(kind_names[kind]), Int64GetDatum(statistics.entries),
						   Int64GetDatum(statistics.locked), Int64GetDatum(statistics.evicted)};
		bool nulls[4] = {false, false, !limit_is_of_failures(kind), false};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}

/* forget_limits() -> void */
Datum
tsec_forget_limits(PG_FUNCTION_ARGS)
{
	if (base_is_preloaded())
		limit_forget_database();
	PG_RETURN_VOID();
}
