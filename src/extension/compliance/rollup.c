/*
 * rollup.c
 *		Has the log of events counted as it is sealed: a follower of the writer, which
 *		counts some hundred rows at a time, in a transaction each.
 */
#include "compliance/compliance.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "portability/instr_time.h"
#include "utils/timestamp.h"

/* Rows of a batch, as time allows. */
#define ROWS_MIN 512 /* fewer cost more each, and most so where the machine is busy and all is slow */
#define ROWS_FIRST 1024
#define ROWS_MAX 8192
#define QUICK_MS 20
#define SLOW_MS 60

/* While so many events wait to be written, one batch is counted a second: a report adds what is not counted. */
#define WAITING_EVENTS 4096
#define WAITING_MS 1000

PG_FUNCTION_INFO_V1(tsec_event_origin);

static int batch_rows = ROWS_FIRST;

/* Counts a batch; how many rows it had. */
static int
count_batch(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(batch_rows)};
	bool null;

	if (plan == NULL)
	{
		SPIPlanPtr made = SPI_prepare("SELECT twin_internal.count_events($1)", 1, types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "twin_security: events cannot be counted");
		plan = made;
	}
	if (SPI_execute_plan(plan, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "twin_security: events cannot be counted");
	return DatumGetInt32(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
}

/* Whether events wait for this process. */
static bool
events_wait(void)
{
	EventCounts counts = event_counts();

	return counts.emitted > counts.written + counts.dropped + WAITING_EVENTS;
}

/* The follower. */
static TimestampTz
follow(void)
{
	static TimestampTz again_at = 0;
	instr_time begin;
	instr_time now;
	int asked = batch_rows;
	int rows;

	if (!base_has_come(again_at, WAITING_MS))
		return again_at;
	INSTR_TIME_SET_CURRENT(begin);
	event_begin_work("counting security events");
	SPI_connect();
	rows = count_batch();
	SPI_finish();
	event_end_work();
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, begin);
	if (INSTR_TIME_GET_MILLISEC(now) > SLOW_MS)
		batch_rows = Max(batch_rows / 2, ROWS_MIN);
	else if (INSTR_TIME_GET_MILLISEC(now) < QUICK_MS && rows == asked)
		batch_rows = Min(batch_rows * 2, ROWS_MAX);
	if (rows < asked)
		return DT_NOEND;
	if (!events_wait())
		return 0;
	again_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), WAITING_MS);
	return again_at;
}

/* event_origin() -> integer */
Datum
tsec_event_origin(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(event_origin());
}

void
compliance_init(void)
{
	event_add_follower(follow);
}
