/*
 * block_reader.c
 *		On a standby, where nobody commits, a process per database reads what is
 *		blocked whenever the replayed changes say that it has changed.
 *
 * One process looks which databases there are and starts the others; all of them
 * end when recovery does, and on a primary at once.
 */
#include "monitor/block.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "tcop/tcopprot.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define NAME "twin_security block reader"
#define RESTART_SECONDS 5
#define LOOK_MS 500
#define DATABASES_MS 5000
#define TRY_AGAIN_MS 60000

extern PGDLLEXPORT void tsec_block_reader(Datum argument);
extern PGDLLEXPORT void tsec_block_reader_of(Datum argument);

/* ---- one database's ---- */

static bool is_stale = true;

static void
note_relation_change(Datum argument, Oid relation)
{
	is_stale = is_stale || block_is_table(relation);
}

static void
nap(long milliseconds)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, milliseconds, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

/* Reads the tables when there is news of them; false when they are not there. */
static bool
read_news(void)
{
	bool are_there = true;

	StartTransactionCommand(); /* which takes in the news */
	if (is_stale)
	{
		is_stale = false; /* before, for what comes in meanwhile */
		are_there = block_read_replayed();
	}
	CommitTransactionCommand();
	return are_there;
}

void
tsec_block_reader_of(Datum argument)
{
	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, BGWORKER_BYPASS_ALLOWCONN);
	while (RecoveryInProgress())
	{
		/* without the extension nothing is blocked, and another look is another process's */
		if (!read_news())
			break;
		nap(LOOK_MS);
	}
	proc_exit(0);
}

/* ---- which databases there are ---- */

typedef struct Reader
{
	Oid database; /* the key */
	BackgroundWorkerHandle *handle;
	TimestampTz again_at; /* not started before */
} Reader;

/* All databases that can have the extension, in the caller's memory. */
static List *
read_databases(void)
{
	MemoryContext context = CurrentMemoryContext;
	List *databases = NIL;
	Relation relation;
	TableScanDesc scan;
	HeapTuple tuple;

	StartTransactionCommand();
	(void) GetTransactionSnapshot();
	block_forget_dropped();
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext inner;

		if (row->datistemplate)
			continue;
		inner = MemoryContextSwitchTo(context);
		databases = lappend_oid(databases, row->oid);
		MemoryContextSwitchTo(inner);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

/* Starts a database's reader, unless it runs or has just been tried. */
static void
start_reader(Reader *reader)
{
	static bool has_complained = false;
	TimestampTz now = GetCurrentTimestamp();
	MemoryContext outer;
	BackgroundWorker worker;
	pid_t pid;

	if (reader->handle != NULL && GetBackgroundWorkerPid(reader->handle, &pid) != BGWH_STOPPED)
		return;
	if (!base_has_come(reader->again_at, TRY_AGAIN_MS))
		return;
	if (reader->handle != NULL)
		pfree(reader->handle);
	reader->handle = NULL;
	reader->again_at = TimestampTzPlusMilliseconds(now, TRY_AGAIN_MS);
	worker = base_worker("tsec_block_reader_of", NAME, BGW_NEVER_RESTART);
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	worker.bgw_main_arg = ObjectIdGetDatum(reader->database);
	worker.bgw_notify_pid = MyProcPid;
	outer = MemoryContextSwitchTo(TopMemoryContext);
	if (!RegisterDynamicBackgroundWorker(&worker, &reader->handle))
	{
		reader->handle = NULL;
		reader->again_at = 0;
		if (!has_complained)
			ereport(LOG, (errmsg("no background worker is free to read which addresses are blocked"),
						  errhint("Raise max_worker_processes.")));
		has_complained = true;
	}
	MemoryContextSwitchTo(outer);
}

void
tsec_block_reader(Datum argument)
{
	MemoryContext turn;
	HTAB *readers;
	HASHCTL shape = {.keysize = sizeof(Oid), .entrysize = sizeof(Reader)};

	pqsignal(SIGTERM, die);
	BackgroundWorkerUnblockSignals();
	if (!RecoveryInProgress())
		proc_exit(0);
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	turn = AllocSetContextCreate(TopMemoryContext, NAME, ALLOCSET_DEFAULT_SIZES);
	readers = hash_create(NAME, 16, &shape, HASH_ELEM | HASH_BLOBS);
	while (RecoveryInProgress())
	{
		ListCell *cell;

		MemoryContextSwitchTo(turn);
		foreach(cell, read_databases())
		{
			Oid database = lfirst_oid(cell);
			bool is_known;
			Reader *reader = hash_search(readers, &database, HASH_ENTER, &is_known);

			if (!is_known)
				*reader = (Reader){.database = database};
			start_reader(reader);
		}
		MemoryContextReset(turn);
		nap(DATABASES_MS);
	}
	proc_exit(0);
}

void
block_reader_init(void)
{
	BackgroundWorker worker;

	base_watch_relations(note_relation_change);
	if (!base_is_preloaded() || IsBinaryUpgrade)
		return;
	worker = base_worker("tsec_block_reader", NAME, RESTART_SECONDS);
	worker.bgw_start_time = BgWorkerStart_ConsistentState;
	RegisterBackgroundWorker(&worker);
}
