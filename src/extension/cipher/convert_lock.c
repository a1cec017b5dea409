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
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/wait_event.h"

/* How often, and for how many milliseconds each time, an exclusive lock is waited for while others queue behind. */
#define LOCK_ATTEMPTS 30
#define LOCK_PATIENCE "1000"
#define LOCK_PAUSE 1000

/* Tries for exclusive locks on a table and its partitions, for a moment; others queue behind it only that long. */
static bool
try_lock(Oid relation)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool got = true;

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
		int code = geterrcode();

		MemoryContextSwitchTo(context);
		if (code != ERRCODE_LOCK_NOT_AVAILABLE && code != ERRCODE_T_R_DEADLOCK_DETECTED)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		got = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return got;
}

/* Takes the table for itself, patiently; commits between attempts. */
void
conversion_lock(Oid relation)
{
	for (int attempt = 0; attempt < LOCK_ATTEMPTS; attempt++)
	{
		(void) set_config_option("lock_timeout", LOCK_PATIENCE, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
		if (try_lock(relation))
			return;
		rewrite_commit();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_PAUSE, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("\"%s\" could not be locked for the moment the conversion needs it", get_rel_name(relation)),
			 errdetail("Some transaction uses it for longer than a second, again and again."),
			 errhint("CALL it again at a quieter time: it goes on where it is.")));
}
