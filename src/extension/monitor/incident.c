/*
 * incident.c
 *		Numbers of incidents, which nobody waits for; and, in the writer's process,
 *		the end of what incidents began for a time.
 *
 * A number is an advisory lock to the transaction's end, of a kind that SQL cannot
 * take.
 */
#include "monitor/private.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_hold_incident_number);

/* Advisory locks of SQL have 1 and 2 in their fourth field, those of accounts 71 and 72. */
#define LOCK_INCIDENTS 73

/* What was locked for a while is looked at again. */
#define AGAIN_MS 1000

/* hold_incident_number(day integer, number integer) -> boolean: whether nobody else has it */
Datum
tsec_hold_incident_number(PG_FUNCTION_ARGS)
{
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) PG_GETARG_INT32(0), (uint32) PG_GETARG_INT32(1), LOCK_INCIDENTS);
	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

/* Ends what is due; when the next will be. */
static TimestampTz
end_due(void)
{
	TimestampTz next = DT_NOEND;
	bool null;

	event_begin_work("ending enhanced monitoring");
	SPI_connect();
	if (SPI_execute("SELECT twin_internal.end_enhanced_monitoring()", false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: enhanced monitoring cannot be ended");
	{
		Datum due = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);

		if (!null)
			next = Max(DatumGetTimestampTz(due), TimestampTzPlusMilliseconds(GetCurrentTimestamp(), AGAIN_MS));
	}
	SPI_finish();
	event_end_work();
	return next;
}

void
incident_init(void)
{
	event_add_follower(end_due);
}
