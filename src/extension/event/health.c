/*
 * health.c
 *		Whether the processes that write events do their work.
 *
 * The launcher is there as long as the server is; it looks around every 15 seconds at least.  A writer comes and goes with
 * its work: what is wrong is one that does not come, or that comes again and again and gets nothing done.  On a standby there
 * is nothing for either to do.
 */
#include "event/private.h"

#include "access/xlog.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_stat_workers);

/* So long may work wait for a writer to come. */
#define OVERDUE_MS 10000

static void
put_worker(ReturnSetInfo *result, const char *worker, bool is_up, TimestampTz last_round, uint32 failures)
{
	Datum values[4] = {CStringGetTextDatum(worker), BoolGetDatum(is_up), TimestampTzGetDatum(last_round),
					   Int64GetDatum((int64) failures)};
	bool nulls[4] = {false, false, last_round == 0, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static bool
is_overdue(TimestampTz since, TimestampTz now)
{
	return since != 0 && since < now && TimestampDifferenceExceeds(since, now, OVERDUE_MS);
}

/* Whether a ring's writer is at work, or has no reason to be. */
static bool
is_served(EventRing *ring)
{
	TimestampTz now = GetCurrentTimestamp();

	return pg_atomic_read_u32(&ring->reader) != 0 || RecoveryInProgress() ||
		   !(is_overdue(area_waiting_since(ring), now) ||
			 is_overdue((TimestampTz) pg_atomic_read_u64(&ring->follow_at), now));
}

/* stat_workers() -> setof (worker, is_up, last_round, failures) */
Datum
tsec_stat_workers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EventRing *ring;
	TimestampTz round;

	base_require_preload("twin.stat_workers");
	InitMaterializedSRF(fcinfo, 0);
	if (!area_exists())
		return (Datum) 0;
	round = area_launcher_round();
	put_worker(result, "event launcher", round != 0 || RecoveryInProgress(), round, 0);
	ring = area_find(MyDatabaseId);
	if (ring == NULL)
		put_worker(result, "event writer", true, 0, 0);
	else
		put_worker(result, "event writer", is_served(ring), (TimestampTz) pg_atomic_read_u64(&ring->served_at),
				   pg_atomic_read_u32(&ring->failures) + follow_stumbles(ring));
	return (Datum) 0;
}
