/*
 * incident.c
 *		Numbers of incidents, which nobody waits for; and, in the writer's process,
 *		what becomes due for incidents by itself.
 *
 * A number is an advisory lock to the transaction's end, of a kind that SQL cannot
 * take; so is a user or address that incidents act on, and there one does wait.
 */
#include "monitor/private.h"

#include "common/hashfn.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_hold_incident_number);
PG_FUNCTION_INFO_V1(tsec_lock_incident_target);

/* Advisory locks of SQL have 1 and 2 in their fourth field, those of accounts 71 and 72. */
#define LOCK_INCIDENTS 73
#define LOCK_TARGETS 74

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

/* lock_incident_target(target text): waits for other transactions that act on the same */
Datum
tsec_lock_incident_target(PG_FUNCTION_ARGS)
{
	text *target = PG_GETARG_TEXT_PP(0);
	uint64 hash =
		hash_bytes_extended((const unsigned char *) VARDATA_ANY(target), (int) VARSIZE_ANY_EXHDR(target), 0);
	LOCKTAG tag;

	SET_LOCKTAG_ADVISORY(tag, MyDatabaseId, (uint32) (hash >> 32), (uint32) hash, LOCK_TARGETS);
	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	PG_RETURN_VOID();
}

/* What follow_incidents() says. */
static TimestampTz
run_due(void)
{
	static SPIPlanPtr plan = NULL;
	Datum due;
	bool null;

	if (plan == NULL)
	{
		SPIPlanPtr made = SPI_prepare("SELECT twin_internal.follow_incidents()", 0, NULL);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "twin_security: incidents cannot be followed");
		plan = made;
	}
	if (SPI_execute_plan(plan, NULL, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "twin_security: incidents cannot be followed");
	due = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	return null ? DT_NOEND : DatumGetTimestampTz(due);
}

/* Does what is due; when something will be again. */
static TimestampTz
follow(void)
{
	TimestampTz due;

	event_begin_work("following incidents");
	SPI_connect();
	due = run_due();
	SPI_finish();
	event_end_work();
	return Max(due, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), AGAIN_MS));
}

void
incident_init(void)
{
	event_add_follower(follow);
}
