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
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_hold_incident_number);
PG_FUNCTION_INFO_V1(tsec_lock_incident_target);

/* hold_incident_number(day integer, number integer) -> boolean: whether nobody else has it */
Datum
tsec_hold_incident_number(PG_FUNCTION_ARGS)
{
	uint64 day = (uint32) PG_GETARG_INT32(0);
	LOCKTAG tag = lock_tag_of(LOCK_OF_INCIDENT, day << 32 | (uint32) PG_GETARG_INT32(1));

	PG_RETURN_BOOL(LockAcquire(&tag, ExclusiveLock, false, true) != LOCKACQUIRE_NOT_AVAIL);
}

/* lock_incident_target(target text): waits for other transactions that act on the same */
Datum
tsec_lock_incident_target(PG_FUNCTION_ARGS)
{
	text *target = PG_GETARG_TEXT_PP(0);
	uint64 hash =
		hash_bytes_extended((const unsigned char *) VARDATA_ANY(target), (int) VARSIZE_ANY_EXHDR(target), 0);
	LOCKTAG tag = lock_tag_of(LOCK_OF_TARGET, hash);

	(void) LockAcquire(&tag, ExclusiveLock, false, false);
	PG_RETURN_VOID();
}
