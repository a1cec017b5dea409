/*
 * index_worker.c
 *		Running one statement at the top level from inside a procedure.
 *
 * CREATE INDEX CONCURRENTLY commits in its own way and refuses to run in a
 * procedure.  A background worker that takes on the caller's role runs it; the
 * statement goes there and the error comes back in a piece of dynamic
 * shared memory.  The caller holds no lock and no snapshot meanwhile, so the
 * build does not wait for him.
 */
#include "cipher/convert.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/dsm.h"
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

extern PGDLLEXPORT void tsec_statement_worker(Datum argument);

#define MESSAGE_SIZE 1024

/* What caller and worker share. */
typedef struct Errand
{
	Oid database;
	Oid role;
	int maintenance_work_mem; /* the caller's, kB */
	bool done;
	int sqlstate; /* 0: no error so far */
	char message[MESSAGE_SIZE];
	char statement[FLEXIBLE_ARRAY_MEMBER];
} Errand;

/* Starts the worker. */
static BackgroundWorkerHandle *
start_worker(dsm_segment *segment)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	worker = base_worker("tsec_statement_worker", "twin_security index build", BGW_NEVER_RESTART);
	worker.bgw_main_arg = UInt32GetDatum(dsm_segment_handle(segment));
	worker.bgw_notify_pid = MyProcPid;
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		dsm_detach(segment);
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("no background worker is free to build an index"),
				 errhint("Raise max_worker_processes, or CALL it again later: it goes on where it is.")));
	}
	return handle;
}

/* An errand under way, for whoever has to end it early. */
typedef struct Running
{
	BackgroundWorkerHandle *handle;
	dsm_segment *segment;
} Running;

/* The caller was cancelled or terminated: the worker goes with him. */
static void
end_early(int code, Datum argument)
{
	Running *running = (Running *) DatumGetPointer(argument);

	TerminateBackgroundWorker(running->handle);
	dsm_detach(running->segment);
}

void
worker_run_statement(const char *statement, const char *hint)
{
	Size size = offsetof(Errand, statement) + strlen(statement) + 1;
	Running running = {.segment = dsm_create(size, 0)};
	Errand *errand = dsm_segment_address(running.segment);
	Errand outcome;

	memset(errand, 0, size);
	errand->database = MyDatabaseId;
	errand->role = GetUserId();
	errand->maintenance_work_mem = maintenance_work_mem;
	strlcpy(errand->statement, statement, strlen(statement) + 1);
	dsm_pin_mapping(running.segment);
	running.handle = start_worker(running.segment);
	PG_ENSURE_ERROR_CLEANUP(end_early, PointerGetDatum(&running));
	{
		/* nothing of ours may keep the build waiting */
		rewrite_commit();
		InvalidateCatalogSnapshot();
		if (WaitForBackgroundWorkerShutdown(running.handle) == BGWH_POSTMASTER_DIED)
			ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the postmaster is gone")));
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_early, PointerGetDatum(&running));
	memcpy(&outcome, errand, offsetof(Errand, statement));
	dsm_detach(running.segment);
	pfree(running.handle);
	if (outcome.done)
		return;
	if (outcome.sqlstate == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the worker that was to build an index ended early"),
						errdetail("The server's log tells why."), errhint("%s", hint)));
	ereport(ERROR, (errcode(outcome.sqlstate), errmsg("%s", outcome.message),
					errcontext("background build of an index"), errhint("%s", hint)));
}

/*
 * Connects as nobody in particular and becomes the caller's role: one that may
 * not log in, or has no connection left, owns tables as well.
 */
static void
become_caller(const Errand *errand)
{
	char memory[32];

	BackgroundWorkerInitializeConnectionByOid(errand->database, InvalidOid, 0);
	StartTransactionCommand();
	SetSessionAuthorization(errand->role, superuser_arg(errand->role));
	CommitTransactionCommand();
	snprintf(memory, sizeof(memory), "%d", errand->maintenance_work_mem);
	base_override_setting("maintenance_work_mem", memory);
	base_override_setting("search_path", "pg_catalog, pg_temp");
	base_override_setting("default_tablespace", "");
	base_override_setting("lock_timeout", "0");
	base_override_setting("transaction_timeout", "0");
	base_override_setting("default_transaction_read_only", "off");
	base_override_setting("default_transaction_isolation", "read committed");
}

void
tsec_statement_worker(Datum argument)
{
	dsm_segment *segment;
	Errand *errand;

	pqsignal(SIGTERM, die); /* the default ends the process in the middle of anything */
	BackgroundWorkerUnblockSignals();
	segment = dsm_attach(DatumGetUInt32(argument));
	if (segment == NULL)
		proc_exit(0); /* the caller is gone */
	dsm_pin_mapping(segment);
	errand = dsm_segment_address(segment);
	PG_TRY();
	{
		become_caller(errand);
		MemoryContextSwitchTo(TopMemoryContext); /* the worker ends with its statement */
		base_run_at_top_level(errand->statement);
		errand->done = true;
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(TopMemoryContext);
		error = CopyErrorData();
		strlcpy(errand->message, error->message ? error->message : "", MESSAGE_SIZE);
		errand->sqlstate = error->sqlerrcode;
		PG_RE_THROW();
	}
	PG_END_TRY();
}
