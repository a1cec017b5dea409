/*
 * incident.c
 *		Numbers of incidents, which nobody waits for.
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
