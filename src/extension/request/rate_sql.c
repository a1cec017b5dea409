/*
 * rate_sql.c
 *		twin.check_rate_limit(): the limits of twin.rate_limits for what an
 *		application does by itself.
 *
 * It counts in the same buckets as requests do, so only who is trusted with
 * everybody's limits may call it.
 */
#include "request/private.h"

#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_check_rate_limit);

/* A row (allowed, remaining, retry_after); without a limit nothing remains to be said. */
static Datum
row_of(FunctionCallInfo fcinfo, RateAnswer answer)
{
	Interval *wait = palloc0(sizeof(Interval));
	TupleDesc description;
	Datum values[3];
	bool nulls[3] = {false, !answer.limited, false};

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	wait->time = (answer.retry_after + 999) / 1000; /* rounded up: after it, one will be allowed */
	values[0] = BoolGetDatum(answer.allowed);
	values[1] = Int32GetDatum((int32) Min(answer.remaining, PG_INT32_MAX));
	values[2] = IntervalPGetDatum(wait);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
}

/* check_rate_limit(route text, subject text) -> (allowed, remaining, retry_after) */
Datum
tsec_check_rate_limit(PG_FUNCTION_ARGS)
{
	text *path = PG_GETARG_TEXT_PP(0);
	text *given = PG_GETARG_TEXT_PP(1);
	char *subject = text_to_cstring(given);
	char route[ROUTE_MAX];
	size_t length = route_read(VARDATA_ANY(path), VARSIZE_ANY_EXHDR(path), route);
	NetAddress address;
	RateAnswer answer;

	base_require_preload("twin.check_rate_limit()");
	if (!network_address(subject, strlen(subject), &address))
		PG_RETURN_DATUM(row_of(fcinfo, rates_take_user(route, length, subject)));
	answer = rates_take_address(route, length, &address);
	rates_forget_taken(); /* the request's own, if it runs in one, is another's now */
	PG_RETURN_DATUM(row_of(fcinfo, answer));
}
