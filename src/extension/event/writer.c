/*
 * writer.c
 *		The background worker that writes one database's events: there while
 *		there are events and about a second longer, so that nobody waits for it
 *		to drop or copy the database.
 *
 * Whatever fails is tried again, by this writer or by the next that the launcher
 * starts.
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
#define FOLLOWED_LINGER_MS 500 /* when only followers worked: it may be a database that somebody wants to drop */
#define DEAD_PUSHER_MS 5000
#define ABSENT_MS 10000
#define MAINTAIN_AGAIN_MS (10 * 60 * 1000)
#define MAINTAIN_AHEAD_MS (2 * 60 * 60 * 1000) /* see maintain_event_partitions() */

/* The writer in reserve serves a database so long while others wait, and is away for so long after each. */
#define RESERVE_TURN_MS 2000
#define RESERVE_RESTART_SECONDS 1

extern PGDLLEXPORT void tsec_event_writer(Datum argument);
extern PGDLLEXPORT void tsec_event_reserve(Datum argument);

/* Since a moment of base_uptime_ms(). */
static bool
elapsed(int64 since, int milliseconds)
{
	return base_uptime_ms() - since >= milliseconds;
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
			return writer_has_drops(writer);
		case RING_UNREADY:
			break;
	}
	if (writer->stalled_since == 0 || writer->stalled_at != begin)
	{
		writer->stalled_at = begin;
		writer->stalled_limit = ring_end(writer->queue);
		writer->stalled_since = base_uptime_ms();
	}
	else if (elapsed(writer->stalled_since, DEAD_PUSHER_MS))
	{
		uint64 lost = ring_skip(writer->queue, &cursor, writer->stalled_limit);

		ring_consume(writer->queue, cursor);
		pg_atomic_fetch_add_u64(&writer->ring->dropped, (int64) lost);
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

	if (!base_has_come((TimestampTz) pg_atomic_read_u64(&ring->maintain_at), MAINTAIN_AHEAD_MS))
		return;
	pg_atomic_write_u64(&ring->maintain_at, (uint64) TimestampTzPlusMilliseconds(now, MAINTAIN_AGAIN_MS));
	PG_TRY();
	{
		TimestampTz next;

		writer_begin("making partitions of security events");
		rows_begin();
		next = rows_maintain();
		rows_end();
		writer_end();
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
 * Whether the extension is here.  Without it events wait for as long as a CREATE
 * EXTENSION has not ended, and a while longer in case one is about to begin; they
 * are dropped then.
 */
static bool
extension_is_here(EventRing *ring)
{
	int64 since;
	bool here;
	bool is_coming;

	writer_begin("looking for the extension");
	here = rows_ready();
	is_coming = !here && rows_announced();
	writer_end();
	if (here)
		return true;
	since = (int64) pg_atomic_read_u64(&ring->absent_since);
	if (since == 0 || is_coming)
		pg_atomic_write_u64(&ring->absent_since, (uint64) base_uptime_ms());
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
	int64 began = base_uptime_ms();
	int64 idle_since = began;

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
		if (writer->is_reserve && area_reserve_is_asked() && elapsed(began, RESERVE_TURN_MS) &&
			!ShutdownRequestPending)
			return;
		if (has_work(writer))
		{
			(void) pgstat_report_stat(false); /* a writer that is always busy never ends; autovacuum goes by it */
			if (!extension_is_here(writer->ring))
				return;
			maintain(writer);
			writer_write_some(writer);
			idle_since = base_uptime_ms();
			follow_wake(writer->ring, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), EVENT_FOLLOW_MS));
			if (!ShutdownRequestPending)
				(void) follow_run(writer->ring);
			continue;
		}
		if (ShutdownRequestPending)
			return;
		if (writer->is_moving)
		{
			maintain(writer);
			idle_since = base_uptime_ms();
			continue;
		}
		if (follow_run(writer->ring))
		{
			/* a database that is written to all the time says so within moments, and is served by one process */
			idle_since = Max(idle_since, base_uptime_ms() - (LINGER_MS - FOLLOWED_LINGER_MS));
			continue;
		}
		if (elapsed(idle_since, LINGER_MS) && ring_fill(writer->queue) == 0 && !follows_soon(writer->ring))
			return;
		(void) pgstat_report_stat(false); /* autovacuum goes by it */
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LINGER_MS / 4, PG_WAIT_EXTENSION);
	}
}

/* Becomes the writer of a ring's database, for this process's life; false when there is another. */
static bool
write_for(int index, bool is_reserve)
{
	EventRing *ring = area_ring(index);
	Writer *writer;

	if (ring == NULL || !area_become_reader(ring))
		return false;
	before_shmem_exit(stop_reading, PointerGetDatum(ring));
	if (!OidIsValid(pg_atomic_read_u32(&ring->database)))
		return false; /* released while this process came up; from here on it cannot be */
	if (is_reserve)
		(void) launcher_note_start(ring);
	BackgroundWorkerInitializeConnectionByOid(pg_atomic_read_u32(&ring->database), InvalidOid,
											  BGWORKER_BYPASS_ALLOWCONN);
	worker_override_settings();
	writer = MemoryContextAllocZero(TopMemoryContext, sizeof(Writer));
	writer->ring = ring;
	writer->queue = area_queue(ring);
	writer->is_reserve = is_reserve;
	serve(writer);
	return true;
}

void
tsec_event_writer(Datum argument)
{
	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	(void) write_for(DatumGetInt32(argument), false);
	proc_exit(0);
}

/*
 * The writer in reserve: its place among the server's workers is taken when the server starts and kept, so that nobody
 * who takes all others keeps events from being written.  It belongs to no database until the launcher finds no other
 * worker, and begins anew when that one is served.
 */
void
tsec_event_reserve(Datum argument)
{
	int index = -1;

	pqsignal(SIGHUP, SignalHandlerForConfigReload);
	pqsignal(SIGTERM, SignalHandlerForShutdownRequest);
	BackgroundWorkerUnblockSignals();
	area_offer_reserve();
	while (!ShutdownRequestPending && index < 0)
	{
		ResetLatch(MyLatch);
		index = area_reserve_ring();
		if (index < 0)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_EXIT_ON_PM_DEATH, -1, PG_WAIT_EXTENSION);
	}
	if (index >= 0)
		(void) write_for(index, true);
	proc_exit(1); /* after 0 it would not be started again */
}

void
writer_init(void)
{
	BackgroundWorker worker;

	if (!base_is_preloaded())
		return;
	worker = base_worker("tsec_event_reserve", "twin_security event writer in reserve", RESERVE_RESTART_SECONDS);
	strlcpy(worker.bgw_type, "twin_security event writer", BGW_MAXLEN);
	RegisterBackgroundWorker(&worker);
}
