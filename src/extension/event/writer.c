/*
 * writer.c
 *		The background worker that writes one database's events: there while
 *		there are events and about a second longer, so that nobody waits for it
 *		to drop or copy the database.
 *
 * Events are given back to the ring only when the transaction that wrote them
 * has committed; whatever fails is tried again, by this writer or by the next
 * that the launcher starts.  An event that the server refuses as such is
 * written bare, and dropped (counted) if even that fails: it must not keep the
 * others waiting.
 */
#include "event/private.h"

#include "access/xact.h"
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

#define LINGER_MS 1000
#define BATCH_MAX 1000
#define DEAD_PUSHER_MS 5000
#define ABSENT_MS 10000
#define MAINTAIN_AGAIN_MS (10 * 60 * 1000)

extern PGDLLEXPORT void tsec_event_writer(Datum argument);

/* How far a writer is, beyond what the ring itself says. */
typedef struct Writer
{
	EventRing *ring;
	Ring queue;
	uint64 careful_until; /* up to here events are written one by one */
	uint64 stalled_at;    /* a position that somebody reserved and did not publish */
	uint64 stalled_limit; /* the ring's end when that was seen */
	TimestampTz stalled_since;
	bool is_moving; /* rows of the overflow, and there are more */
	uint8 entry[RING_ENTRY_MAX];
} Writer;

/* What one transaction took out of the ring. */
typedef struct Batch
{
	uint64 cursor;
	uint64 written;
	uint64 dropped;
	uint64 reported; /* drops told, 0 when none were */
} Batch;

static bool
elapsed(TimestampTz since, int milliseconds)
{
	return TimestampDifferenceExceeds(since, GetCurrentTimestamp(), milliseconds);
}

static void
begin_transaction(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
end_transaction(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Writes an event that says how many were dropped since the last time, if any were. */
static uint64
report_drops(EventRing *ring, RowForm form)
{
	uint64 dropped = pg_atomic_read_u64(&ring->dropped);
	uint64 told = pg_atomic_read_u64(&ring->reported);
	char number[32];
	char details[64] = "";
	uint8 encoded[EVENT_RECORD_MAX];
	EventRecord record;
	SecurityEvent event = {
		.type = "events_dropped", .severity = EVENT_HIGH, .outcome = EVENT_FAULT, .details = details};

	if (dropped <= told)
		return 0;
	snprintf(number, sizeof(number), UINT64_FORMAT, dropped - told);
	(void) event_json_add(details, sizeof(details), "dropped", number);
	if (!event_record_decode(bytes_of(encoded, capture_event(&event, encoded)), &record))
		elog(ERROR, "twin_security: an event cannot be read back");
	rows_write(&record, form);
	return dropped;
}

/* Reads and writes up to limit events, or reports drops for a limit of 0, in the transaction that is open. */
static void
fill_batch(Writer *writer, Batch *batch, int limit, RowForm form)
{
	size_t length;

	if (limit == 0)
		batch->reported = report_drops(writer->ring, form);
	for (int i = 0; i < limit; i++)
	{
		RingAnswer answer = ring_read(writer->queue, &batch->cursor, writer->entry, &length);
		EventRecord record;

		if (answer == RING_EMPTY || answer == RING_UNREADY)
			return;
		if (answer == RING_ENTRY && event_record_decode(bytes_of(writer->entry, length), &record))
		{
			rows_write(&record, form);
			batch->written++;
		}
		else
			batch->dropped++;
	}
}

/* After the commit: the ring may have its slots back. */
static void
settle(EventRing *ring, Ring queue, const Batch *batch)
{
	ring_consume(queue, batch->cursor);
	if (batch->reported > 0)
	{
		pg_atomic_write_u64(&ring->reported, batch->reported);
		pg_atomic_fetch_add_u64(&ring->emitted, 1);
		pg_atomic_fetch_add_u64(&ring->written, 1);
	}
	pg_atomic_fetch_add_u64(&ring->written, (int64) batch->written);
	pg_atomic_fetch_add_u64(&ring->dropped, (int64) batch->dropped);
	pg_atomic_write_u32(&ring->failures, 0);
	pg_atomic_write_u64(&ring->retry_at, 0);
	pg_atomic_write_u64(&ring->absent_since, 0);
}

/*
 * Whether an error says that a row is not acceptable, rather than that nothing
 * can be written now: no resources, locks, shutdowns, disks, missing tables.
 */
static bool
blames_the_row(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		   category == ERRCODE_PROGRAM_LIMIT_EXCEEDED || category == ERRCODE_TO_CATEGORY(ERRCODE_RAISE_EXCEPTION) ||
		   category == ERRCODE_TRIGGERED_ACTION_EXCEPTION;
}

/* Writes a batch in a transaction of its own.  False when the server refused a row of it; raises all else. */
static bool
write_batch(Writer *writer, int limit, RowForm form, Batch *batch)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool written = false;

	memset(batch, 0, sizeof(*batch));
	batch->cursor = ring_begin(writer->queue);
	PG_TRY();
	{
		begin_transaction("writing security events");
		rows_begin();
		fill_batch(writer, batch, limit, form);
		rows_end();
		HOLD_INTERRUPTS(); /* what is committed must not be written again */
		end_transaction();
		settle(writer->ring, writer->queue, batch);
		RESUME_INTERRUPTS();
		written = true;
	}
	PG_CATCH();
	{
		int sqlstate = geterrcode();

		if (!blames_the_row(sqlstate))
			PG_RE_THROW();
		/* the server's own message may quote what it refused */
		MemoryContextSwitchTo(context);
		FlushErrorState();
		AbortCurrentTransaction();
		ereport(LOG, (errmsg("a security event cannot be written as it is"),
					  errdetail("SQLSTATE %s.", unpack_sql_state(sqlstate))));
	}
	PG_END_TRY();
	return written;
}

/* Writes one event, or the report of drops for a limit of 0, in some form; false when the server takes none. */
static bool
write_somehow(Writer *writer, int limit)
{
	Batch batch;

	for (int form = ROW_AS_IT_IS; form <= ROW_BARE; form++)
		if (write_batch(writer, limit, (RowForm) form, &batch))
			return true;
	return false;
}

static bool
has_drops_to_report(const Writer *writer)
{
	return pg_atomic_read_u64(&writer->ring->dropped) > pg_atomic_read_u64(&writer->ring->reported);
}

/* Writes what there is; after a refusal one event at a time until the culprit is found. */
static void
write_some(Writer *writer)
{
	bool careful = ring_begin(writer->queue) < writer->careful_until;
	Batch batch;
	size_t length;

	if (has_drops_to_report(writer) && !write_somehow(writer, 0))
	{
		uint64 dropped = pg_atomic_read_u64(&writer->ring->dropped);

		/* trying again would not help: the log keeps the number */
		ereport(LOG,
				(errmsg("security events were dropped, and no event can say so"),
				 errdetail("Dropped: " UINT64_FORMAT ".", dropped - pg_atomic_read_u64(&writer->ring->reported))));
		pg_atomic_write_u64(&writer->ring->reported, dropped);
	}
	if (ring_fill(writer->queue) == 0)
		return;
	if (!careful)
	{
		if (!write_batch(writer, BATCH_MAX, ROW_AS_IT_IS, &batch))
			writer->careful_until = ring_end(writer->queue);
		return;
	}
	if (write_somehow(writer, 1))
		return;
	batch = (Batch){.cursor = ring_begin(writer->queue), .dropped = 1};
	(void) ring_read(writer->queue, &batch.cursor, writer->entry, &length);
	settle(writer->ring, writer->queue, &batch);
}

/* Whether the ring has something to write; passes over what dead processes left half done. */
static bool
has_work(Writer *writer)
{
	uint64 cursor = ring_begin(writer->queue);
	uint64 begin = cursor;
	size_t length;

	switch (ring_read(writer->queue, &cursor, writer->entry, &length))
	{
		case RING_ENTRY:
		case RING_DAMAGED:
			return true;
		case RING_EMPTY:
			return has_drops_to_report(writer);
		case RING_UNREADY:
			break;
	}
	if (writer->stalled_since == 0 || writer->stalled_at != begin)
	{
		writer->stalled_at = begin;
		writer->stalled_limit = ring_end(writer->queue);
		writer->stalled_since = GetCurrentTimestamp();
	}
	else if (elapsed(writer->stalled_since, DEAD_PUSHER_MS))
	{
		ring_skip(writer->queue, &cursor, writer->stalled_limit);
		ring_consume(writer->queue, cursor);
		pg_atomic_fetch_add_u64(&writer->ring->dropped, 1);
		writer->stalled_since = 0;
		return true;
	}
	return false;
}

/* Looks after the partitions when it is time.  What goes wrong there is logged, and events go on being written. */
static void
maintain(Writer *writer)
{
	EventRing *ring = writer->ring;
	MemoryContext context = CurrentMemoryContext;
	TimestampTz now = GetCurrentTimestamp();

	writer->is_moving = false;

	if ((TimestampTz) pg_atomic_read_u64(&ring->maintain_at) > now)
		return;
	pg_atomic_write_u64(&ring->maintain_at, (uint64) TimestampTzPlusMilliseconds(now, MAINTAIN_AGAIN_MS));
	PG_TRY();
	{
		TimestampTz next;

		begin_transaction("making partitions of security events");
		rows_begin();
		next = rows_maintain();
		rows_end();
		end_transaction();
		if (next > now || next == 0)
			pg_atomic_write_u64(&ring->maintain_at, (uint64) next);
		writer->is_moving = next == 0;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
	}
	PG_END_TRY();
}

/*
 * Whether the extension is here.  Without it events wait a while, in case a
 * CREATE EXTENSION is about to commit, and are dropped then.
 */
static bool
extension_is_here(EventRing *ring)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz since;
	bool here;

	begin_transaction("looking for the extension");
	here = rows_ready();
	end_transaction();
	if (here)
		return true;
	since = (TimestampTz) pg_atomic_read_u64(&ring->absent_since);
	if (since == 0)
		pg_atomic_write_u64(&ring->absent_since, (uint64) now);
	else if (elapsed(since, ABSENT_MS))
		area_discard(ring);
	return false;
}

static void
stop_reading(int code, Datum argument)
{
	area_end_reading((EventRing *) DatumGetPointer(argument));
}

/* Whether followers are due so soon that it is not worth leaving. */
static bool
follows_soon(EventRing *ring)
{
	return follow_time(ring) <= TimestampTzPlusMilliseconds(GetCurrentTimestamp(), LINGER_MS + LINGER_MS / 4);
}

/* Writes until there was nothing to write for a while, or the server stops: then what is there is still written. */
static void
serve(Writer *writer)
{
	MemoryContext turn = AllocSetContextCreate(TopMemoryContext, "twin_security events", ALLOCSET_DEFAULT_SIZES);
	TimestampTz idle_since = GetCurrentTimestamp();

	for (;;)
	{
		ResetLatch(MyLatch);
		MemoryContextSwitchTo(turn); /* the end of a transaction leaves another one behind */
		MemoryContextReset(turn);
		CHECK_FOR_INTERRUPTS();
		if (ConfigReloadPending)
		{
			ConfigReloadPending = false;
			ProcessConfigFile(PGC_SIGHUP);
		}
		if (has_work(writer))
		{
			if (!extension_is_here(writer->ring))
				return;
			maintain(writer);
			write_some(writer);
			idle_since = GetCurrentTimestamp();
			follow_wake(writer->ring, TimestampTzPlusMilliseconds(idle_since, EVENT_FOLLOW_MS));
			if (!ShutdownRequestPending)
				(void) follow_run(writer->ring);
			continue;
		}
		if (ShutdownRequestPending)
			return;
		if (writer->is_moving)
		{
			maintain(writer);
			idle_since = GetCurrentTimestamp();
			continue;
		}
		if (follow_run(writer->ring))
			continue;
		if (elapsed(idle_since, LINGER_MS) && ring_fill(writer->queue) == 0 && !follows_soon(writer->ring))
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LINGER_MS / 4, PG_WAIT_EXTENSION);
	}
}

void
tsec_event_writer(Datum argument)
{
	EventRing *ring = area_ring(DatumGetInt32(argument));
	Writer *writer;

	if (ring == NULL || !area_become_reader(ring))
		proc_exit(0); /* another one is at it */
	before_shmem_exit(stop_reading, PointerGetDatum(ring));
	if (!OidIsValid(pg_atomic_read_u32(&ring->database)))
		proc_exit(0); /* released while this process came up; from here on it cannot be */
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(pg_atomic_read_u32(&ring->database), InvalidOid, 0);
	worker_override_settings();

	writer = MemoryContextAllocZero(TopMemoryContext, sizeof(Writer));
	writer->ring = ring;
	writer->queue = area_queue(ring);
	serve(writer);
	proc_exit(0);
}
