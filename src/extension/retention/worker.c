/*
 * worker.c
 *		The background worker that applies the policies of one database: on
 *		schedule, or for somebody who asks and is told how it goes.
 *
 * What it has to say goes to who asked as messages of the protocol, through a
 * queue in shared memory.
 */
#include "retention/run.h"

#include "access/xact.h"
#include "libpq/pqmq.h"
#include "miscadmin.h"
#include "postmaster/bgworker.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "tcop/tcopprot.h"
#include "utils/guc.h"
#include "utils/memutils.h"

extern PGDLLEXPORT void tsec_retention_worker(Datum argument);

/* Whatever the database's own settings are. */
static const char *const settings[][2] = {
	{"search_path", "pg_catalog, pg_temp"},
	{"TimeZone", "UTC"},
	{"DateStyle", "ISO, YMD"},
	{"deadlock_timeout", "100ms"}, /* then an autovacuum makes way: before the shortest wait for a lock ends */
	{"statement_timeout", "0"},
	{"idle_in_transaction_session_timeout", "0"},
	{"transaction_timeout", "0"},
	{"default_transaction_isolation", "read committed"},
	{"default_transaction_read_only", "off"},
	{"default_transaction_deferrable", "off"},
	{"default_tablespace", ""},
	{"default_table_access_method", "heap"},
	{"restrict_nonsystem_relation_kind", ""},
	{"row_security", "on"},
	{"session_replication_role", "origin"},
};

BackgroundWorkerHandle *
retention_start_worker(dsm_handle errand)
{
	BackgroundWorker worker = base_worker("tsec_retention_worker", "twin_security retention", BGW_NEVER_RESTART);
	BackgroundWorkerHandle *handle;

	worker.bgw_main_arg = UInt32GetDatum(errand);
	worker.bgw_notify_pid = MyProcPid;
	memcpy(worker.bgw_extra, &MyDatabaseId, sizeof(Oid));
	return RegisterDynamicBackgroundWorker(&worker, &handle) ? handle : NULL;
}

/* Has what this process says sent to who asked; NULL when he is gone. */
static RetentionErrand *
take_errand(dsm_handle which)
{
	dsm_segment *segment = dsm_attach(which);
	RetentionErrand *errand;
	shm_mq *queue;

	if (segment == NULL)
		return NULL;
	dsm_pin_mapping(segment);
	errand = dsm_segment_address(segment);
	queue = retention_queue(errand);
	shm_mq_set_sender(queue, MyProc);
	pq_redirect_to_shm_mq(segment, shm_mq_attach(queue, segment, NULL));
	return errand;
}

void
tsec_retention_worker(Datum argument)
{
	dsm_handle which = DatumGetUInt32(argument);
	RetentionErrand *errand = NULL;
	Oid database;

	pqsignal(SIGTERM, die); /* the default ends the process in the middle of anything */
	BackgroundWorkerUnblockSignals();
	memcpy(&database, MyBgworkerEntry->bgw_extra, sizeof(Oid));
	CurrentResourceOwner = ResourceOwnerCreate(NULL, "twin_security retention");
	MemoryContextSwitchTo(TopMemoryContext);
	if (which != DSM_HANDLE_INVALID)
	{
		errand = take_errand(which);
		if (errand == NULL)
			proc_exit(0);
	}
	BackgroundWorkerInitializeConnectionByOid(database, InvalidOid, 0);
	for (int i = 0; i < (int) lengthof(settings); i++)
		base_override_setting(settings[i][0], settings[i][1]);
	retention_run(errand);
	proc_exit(0);
}
