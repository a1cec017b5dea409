/*
 * spooler.c
 *		The process that keeps a standby's events in files, until the primary's log
 *		or, after promotion, this server's takes them in.
 *
 * It is the reader of every ring as long as recovery lasts, and connected to no
 * database.  On a primary it looks once whether files wait, and ends.
 */
#include "event/spool.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define NAME "twin_security standby spooler"
#define RESTART_SECONDS 5
#define LOOK_MS 1000
#define ASK_MS 5000

extern PGDLLEXPORT void tsec_standby_spooler(Datum argument);

static void
stop_reading(int code, Datum argument)
{
	for (int i = 0; i < area_count(); i++)
		area_end_reading(area_ring(i));
}

static void
serve(void)
{
	MemoryContext turn = AllocSetContextCreate(TopMemoryContext, NAME, ALLOCSET_DEFAULT_SIZES);

	before_shmem_exit(stop_reading, (Datum) 0);
	area_offer_spooler();
	while (RecoveryInProgress() && !ShutdownRequestPending)
	{
		uint64 asked = area_spooler_asked();
		bool done;

		worker_begin_turn();
		MemoryContextSwitchTo(turn);
		MemoryContextReset(turn);
		done = spool_write_down();
		if (asked > area_spooler_done())
		{
			spool_finish_files();
			area_note_spooled(asked);
		}
		/* where there is no room, each event would only wake it in vain */
		(void) WaitLatch(done ? MyLatch : NULL, (done ? WL_LATCH_SET : 0) | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOOK_MS,
						 PG_WAIT_EXTENSION);
	}
	(void) spool_write_down();
	spool_finish_files();
}

/* What an earlier process left open will not be gone on with. */
static void
adopt(void)
{
	ListCell *cell;

	foreach(cell, spool_list())
	{
		SpoolName *name = lfirst(cell);

		if (name->state == SPOOL_OPEN)
			(void) spool_set_state(name, SPOOL_FINISHED);
	}
}

/* Has the writers of databases look for files. */
static void
wake_writers(void)
{
	ListCell *cell;

	foreach(cell, spool_list())
	{
		const SpoolName *name = lfirst(cell);
		EventRing *ring = name->state == SPOOL_FINISHED ? area_ring_of(name->database) : NULL;

		if (ring != NULL)
			follow_wake(ring, GetCurrentTimestamp());
	}
}

void
tsec_standby_spooler(Datum argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	adopt();
	if (RecoveryInProgress() && setting_standby_spool_size > 0)
	{
		if (spool_writing_key() != NULL)
			serve();
		else
			ereport(LOG, (errmsg("security events of this standby wait in memory until it is promoted"),
						  errdetail("Without ENCRYPTION_KEY they cannot be signed, and so not be kept in files.")));
	}
	if (!RecoveryInProgress())
		wake_writers();
	proc_exit(ShutdownRequestPending ? 1 : 0); /* after 0 it is not started again */
}

bool
spool_finish_all(void)
{
	uint64 asked = area_ask_spooler();
	int64 began = base_uptime_ms();

	while (asked != 0 && area_spooler_done() < asked)
	{
		if (base_uptime_ms() - began > ASK_MS)
			return false;
		CHECK_FOR_INTERRUPTS();
		pg_usleep(10000);
	}
	return asked != 0;
}

void
spool_init(void)
{
	BackgroundWorker worker;

	if (!base_is_preloaded() || IsBinaryUpgrade)
		return;
	worker = base_worker("tsec_standby_spooler", NAME, RESTART_SECONDS);
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	RegisterBackgroundWorker(&worker);
}
