/*
 * launcher.c
 *		The background worker that starts a writer for every database that has
 *		events, and gives the rings of dropped databases to others.
 *
 * It is connected to no database and sleeps until somebody emits into a ring
 * without a reader.  A ring whose writers fail waits longer and longer.  It
 * starts when recovery has finished: on a standby events stay in the ring.
 */
#include "event/private.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_database.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "postmaster/interrupt.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/varlena.h"

#define RESTART_SECONDS 5
#define IDLE_MS 15000
#define BUSY_MS 1000
#define NO_SLOT_MS 200
#define NO_SLOT_COMPLAINT_MS 2000
#define DELAY_FIRST_MS 500
#define DELAY_LAST_MS 60000
#define FAILURES_TOLD 3

extern PGDLLEXPORT void tsec_event_launcher(Datum argument);

/* A database of the cluster. */
typedef struct Database
{
	Oid oid;
	NameData name;
	bool may_be_visited;
} Database;

void
launcher_init(void)
{
	BackgroundWorker worker;

	/* pg_upgrade has read the old cluster's next transaction id, and makes the new one go on from there: nobody takes one */
	if (!base_is_preloaded() || IsBinaryUpgrade)
		return;
	worker = base_worker("tsec_event_launcher", "twin_security event launcher", RESTART_SECONDS);
	RegisterBackgroundWorker(&worker);
}

int64
launcher_delay_ms(uint32 failures)
{
	return failures > 7 ? DELAY_LAST_MS : Min((int64) DELAY_FIRST_MS << failures, DELAY_LAST_MS);
}

/* All databases, in the memory context of the caller. */
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
	relation = table_open(DatabaseRelationId, AccessShareLock);
	scan = table_beginscan_catalog(relation, 0, NULL);
	while (HeapTupleIsValid(tuple = heap_getnext(scan, ForwardScanDirection)))
	{
		Form_pg_database row = (Form_pg_database) GETSTRUCT(tuple);
		MemoryContext inner = MemoryContextSwitchTo(context);
		Database *database = palloc(sizeof(Database));

		database->oid = row->oid;
		database->name = row->datname;
		database->may_be_visited = !row->datistemplate;
		databases = lappend(databases, database);
		MemoryContextSwitchTo(inner);
	}
	table_endscan(scan);
	table_close(relation, AccessShareLock);
	CommitTransactionCommand();
	MemoryContextSwitchTo(context);
	return databases;
}

static const Database *
database_of(List *databases, Oid oid)
{
	ListCell *cell;

	foreach(cell, databases)
	{
		const Database *database = lfirst(cell);

		if (database->oid == oid)
			return database;
	}
	return NULL;
}

/* Whether the administrator wants a database's events recorded.  A list that cannot be read is taken as all. */
static bool
is_wanted(const Database *database)
{
	List *names;
	ListCell *cell;

	if (!SplitIdentifierString(pstrdup(setting_databases), ',', &names))
	{
		ereport(LOG, (errmsg("invalid list of names in parameter \"%s\"", "twin_security.databases"),
					  errdetail("Events of every database are recorded.")));
		return true;
	}
	foreach(cell, names)
		if (strcmp(lfirst(cell), NameStr(database->name)) == 0)
			return true;
	return names == NIL;
}

/* The ring that the writer in reserve was called to last; it goes round. */
static int last_called = -1;
static int to_be_called = -1;

/* Notes a ring that no worker is free for: the next in turn is called. */
static void
note_for_reserve(int index)
{
	int count = area_count();

	if (to_be_called < 0 ||
		(index - last_called - 1 + 2 * count) % count < (to_be_called - last_called - 1 + 2 * count) % count)
		to_be_called = index;
}

static void
call_reserve(void)
{
	if (to_be_called >= 0 && area_call_reserve(to_be_called))
		last_called = to_be_called;
	to_be_called = -1;
}

/* Starts a writer for a ring; says once in the log when for a while there has been no slot for one. */
static bool
start_writer(int index)
{
	static int64 failing_since = 0;
	static bool complained = false;
	int64 now = base_uptime_ms();
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;

	worker = base_worker("tsec_event_writer", "twin_security event writer", BGW_NEVER_RESTART);
	worker.bgw_main_arg = Int32GetDatum(index);
	worker.bgw_notify_pid = MyProcPid;
	if (RegisterDynamicBackgroundWorker(&worker, &handle))
	{
		failing_since = 0;
		complained = false;
		pfree(handle);
		return true;
	}
	/* a writer that is just going holds its slot for a moment longer than its ring */
	if (failing_since == 0)
		failing_since = now;
	if (complained || now - failing_since < NO_SLOT_COMPLAINT_MS)
		return false;
	ereport(LOG, (errmsg("no background worker is free to write security events"),
				  errdetail("The one in reserve writes them, for one database after the other."),
				  errhint("Raise max_worker_processes.")));
	complained = true;
	return false;
}

TimestampTz
launcher_note_start(EventRing *ring)
{
	uint32 failures = pg_atomic_fetch_add_u32(&ring->failures, 1);
	TimestampTz retry_at = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), launcher_delay_ms(failures));

	pg_atomic_write_u64(&ring->retry_at, (uint64) retry_at);
	return retry_at;
}

/* Says, as often as a writer is started, what the errors of those before it do not: whose they are, and that it goes on. */
static void
complain(EventRing *ring, const Database *database)
{
	uint32 failures = pg_atomic_read_u32(&ring->failures);

	/* (where the extension is not there, nothing fails) */
	if (failures < FAILURES_TOLD || pg_atomic_read_u64(&ring->absent_since) != 0)
		return;
	ereport(LOG, (errmsg("security events of database \"%s\" are not being written: %u writers in a row have failed",
						 NameStr(database->name), failures),
				  errdetail("They wait in shared memory. Another writer is started now, and the next in %d seconds.",
							(int) (launcher_delay_ms(failures) / 1000)),
				  errhint("The errors of processes of type \"twin_security event writer\" tell why. "
						  "twin.stat_workers counts them.")));
}

/* Starts a ring's writer if it needs one and may have it; returns how many milliseconds from now to look again. */
static int64
serve_ring(int index, const Database *database)
{
	EventRing *ring = area_ring(index);
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz retry_at = (TimestampTz) pg_atomic_read_u64(&ring->retry_at);

	if (!is_wanted(database))
	{
		if (area_become_reader(ring))
		{
			area_discard(ring);
			pg_atomic_write_u64(&ring->follow_at, 0);
			area_end_reading(ring);
		}
		pg_atomic_write_u64(&ring->retry_at, (uint64) TimestampTzPlusMilliseconds(now, BUSY_MS));
		return IDLE_MS;
	}
	if (!base_has_come(retry_at, DELAY_LAST_MS))
		return TimestampDifferenceMilliseconds(now, retry_at) + 1;
	if (!start_writer(index))
	{
		note_for_reserve(index);
		pg_atomic_write_u64(&ring->retry_at, (uint64) TimestampTzPlusMilliseconds(now, NO_SLOT_MS));
		return NO_SLOT_MS + 1;
	}
	complain(ring, database);
	return TimestampDifferenceMilliseconds(now, launcher_note_start(ring)) + 1;
}

/*
 * Tells where it can be told that events were dropped because there are fewer rings than databases.  False when there is
 * nothing to tell, so that nothing more need be expected soon.
 */
static bool
report_homeless(void)
{
	uint64 homeless = area_homeless();
	char number[32];
	char details[128] = "";
	SecurityEvent event = {
		.type = "events_dropped", .severity = EVENT_HIGH, .outcome = EVENT_FAULT, .details = details};

	if (homeless == 0)
		return false;
	if (area_ring_of(area_cluster_database()) == NULL)
		return true;
	snprintf(number, sizeof(number), UINT64_FORMAT, homeless);
	(void) event_json_add(details, sizeof(details), "dropped", number);
	(void) event_json_add(details, sizeof(details), "reason", "twin_security.max_databases is too low");
	if (!event_emit(&event))
		return true;
	ereport(LOG, (errmsg("%s security events were dropped because their databases have no share of memory", number),
				  errhint("Raise twin_security.max_databases.")));
	area_note_homeless(homeless);
	return true;
}

/* Whether there is something to write: events, or how many were lost where somebody can be told. */
static bool
needs_writer(EventRing *ring)
{
	return ring_fill(area_queue(ring)) > 0 ||
		   (pg_atomic_read_u64(&ring->dropped) > pg_atomic_read_u64(&ring->reported) &&
			pg_atomic_read_u64(&ring->absent_since) == 0);
}

/* Has every database looked at once after the server's start: what was committed before that is nobody's event any more. */
static void
plan_visits(List *databases)
{
	static bool planned = false;
	ListCell *cell;

	if (!planned)
		foreach(cell, databases)
		{
			const Database *database = lfirst(cell);

			if (database->may_be_visited && is_wanted(database))
				visit_plan(database->oid);
		}
	planned = true;
}

/* Looks at all rings once; returns how many milliseconds to sleep at most. */
static int64
serve_rings(void)
{
	Oid *owners = palloc(area_count() * sizeof(Oid));
	int64 wait = IDLE_MS;
	Oid cluster = InvalidOid;
	List *databases;
	ListCell *cell;

	/* first the owners, then what exists: a database that is being made must not look like one that is gone */
	for (int i = 0; i < area_count(); i++)
		owners[i] = pg_atomic_read_u32(&area_ring(i)->database);
	databases = read_databases();
	foreach(cell, databases)
	{
		const Database *database = lfirst(cell);

		if (strcmp(NameStr(database->name), setting_cluster_database) == 0)
			cluster = database->oid;
	}
	area_set_cluster_database(cluster);
	plan_visits(databases);
	for (int i = 0; i < area_count(); i++)
	{
		EventRing *ring = area_ring(i);
		const Database *database = database_of(databases, owners[i]);

		if (!OidIsValid(owners[i]))
			continue;
		clock_look(ring);
		if (pg_atomic_read_u32(&ring->reader) != 0)
			continue;
		if (database == NULL)
		{
			if (area_become_reader(ring))
			{
				area_release(ring);
				area_end_reading(ring);
			}
		}
		else
		{
			TimestampTz now = GetCurrentTimestamp();
			TimestampTz follow_at = follow_time(ring);
			int64 again = TimestampDifferenceMilliseconds(now, follow_at);

			if (needs_writer(ring) || follow_at <= now)
				again = serve_ring(i, database);
			wait = Min(wait, Max(again, 1));
		}
	}
	call_reserve();
	wait = Min(wait, visit_some());
	return report_homeless() ? Min(wait, BUSY_MS) : wait;
}

void
tsec_event_launcher(Datum argument)
{
	MemoryContext turn;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnection(NULL, NULL, 0);
	worker_override_settings();
	area_note_round();
	area_set_launcher(true);
	turn = AllocSetContextCreate(TopMemoryContext, "twin_security event launcher", ALLOCSET_DEFAULT_SIZES);
	while (!ShutdownRequestPending)
	{
		int64 wait;

		worker_begin_turn();
		MemoryContextSwitchTo(turn);
		wait = serve_rings();
		area_note_round();
		MemoryContextReset(turn);
		(void) pgstat_report_stat(false);
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) wait, PG_WAIT_EXTENSION);
	}
	proc_exit(1); /* after 0 it would not be started again */
}
