/*
 * visit.c
 *		After a start of the server every database is looked at once: rows that
 *		were committed before it, and that followers did not come to, are known to
 *		nobody in memory.
 *
 * A worker connects, looks whether the extension is there, and sets the time at
 * which followers are called.  One at a time, so that many databases take no
 * more than one place among the workers.
 */
#include "event/private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define LOOK_AGAIN_MS 200
#define NEVER_MS (60 * 60 * 1000)

extern PGDLLEXPORT void tsec_event_visitor(Datum argument);

static List *waiting = NIL;
static BackgroundWorkerHandle *visitor = NULL;

void
visit_plan(Oid database)
{
	MemoryContext context = MemoryContextSwitchTo(TopMemoryContext);

	waiting = lappend_oid(waiting, database);
	MemoryContextSwitchTo(context);
}

int64
visit_some(void)
{
	MemoryContext context;
	BackgroundWorker worker;
	pid_t pid;

	if (visitor != NULL && GetBackgroundWorkerPid(visitor, &pid) != BGWH_STOPPED)
		return LOOK_AGAIN_MS;
	if (visitor != NULL)
		pfree(visitor);
	visitor = NULL;
	if (waiting == NIL)
		return NEVER_MS;
	worker = base_worker("tsec_event_visitor", "twin_security event visitor", BGW_NEVER_RESTART);
	worker.bgw_main_arg = ObjectIdGetDatum(linitial_oid(waiting));
	worker.bgw_notify_pid = MyProcPid;
	context = MemoryContextSwitchTo(TopMemoryContext);
	if (RegisterDynamicBackgroundWorker(&worker, &visitor))
		waiting = list_delete_first(waiting);
	MemoryContextSwitchTo(context);
	return LOOK_AGAIN_MS;
}

void
tsec_event_visitor(Datum argument)
{
	EventRing *ring;
	bool here;

	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	worker_override_settings();
	StartTransactionCommand();
	here = rows_ready();
	CommitTransactionCommand();
	if (here && (ring = area_own()) != NULL)
		follow_wake(ring, GetCurrentTimestamp());
	proc_exit(0);
}
