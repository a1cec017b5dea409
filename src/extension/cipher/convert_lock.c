/*
 * convert_lock.c
 *		Taking a live table for oneself for a moment.
 *
 * Whoever waits for an exclusive lock keeps all others waiting behind him, so
 * it is waited for only briefly, and again after a pause.
 */
#include "cipher/convert.h"

#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

/* How often, and for how many milliseconds each time, an exclusive lock is waited for while others queue behind. */
#define LOCK_ATTEMPTS 30
#define LOCK_PATIENCE 1000
#define LOCK_PAUSE 1000

/* Tries for exclusive locks on a table and its partitions, so many milliseconds; others queue behind it only that long. */
static bool
try_lock(Oid relation, int patience)
{
	char value[16];
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool got = true;

	snprintf(value, sizeof(value), "%d", patience);
	(void) set_config_option("lock_timeout", value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0, false);
	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		LockRelationOid(relation, AccessExclusiveLock);
		if (get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE)
			(void) find_all_inheritors(relation, AccessExclusiveLock, NULL);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		/* whatever it was: raised from within it, the session would stay in a failed transaction */
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		if (error->sqlerrcode != ERRCODE_LOCK_NOT_AVAILABLE && error->sqlerrcode != ERRCODE_T_R_DEADLOCK_DETECTED)
			ReThrowError(error);
		FreeErrorData(error);
		got = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return got;
}

/* Takes the table for itself, patiently, if no longer than the caller's lock_timeout says; commits between attempts. */
void
conversion_lock(Oid relation)
{
	int allowed = LockTimeout > 0 ? LockTimeout : INT_MAX;
	int64 began = base_uptime_ms();

	for (int attempt = 0; attempt < LOCK_ATTEMPTS; attempt++)
	{
		if (try_lock(relation, Min(allowed, LOCK_PATIENCE)))
			return;
		if (base_uptime_ms() - began >= allowed)
			break;
		rewrite_commit();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_PAUSE, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	ereport(
		ERROR,
		(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
		 errmsg("\"%s\" could not be locked for the moment the conversion needs it", get_rel_name(relation)),
		 errdetail(
			 "Some transaction uses it for longer than a second, again and again, or for longer than lock_timeout."),
		 errhint("CALL it again at a quieter time: it goes on where it is.")));
}
