/*
 * follow.c
 *		What parts above do in the writer's process: when it is due, and that no
 *		failure of it keeps events from being written.
 *
 * A time in shared memory says when; committing sessions set it, each follower's
 * answer does, and the launcher starts a writer when it has come.  It is taken
 * before the followers are called, so who commits meanwhile sets it again.
 *
 * A follower that failed is left alone for a while, whoever else is called: what
 * it waits for in vain is time that events are not written in.
 */
#include "event/private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "replication/logicalworker.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* The longest pause of a follower that fails, as launcher_delay_ms() counts: eight seconds. */
#define STUMBLES_COUNTED 4

/* So many in a row are told of. */
#define STUMBLES_TOLD 3

static EventFollower followers[EVENT_FOLLOWERS];
static int follower_count = 0;

/* Whether this transaction wrote rows that somebody follows. */
static bool wakes = false;

void
event_add_follower(EventFollower follower)
{
	if (follower_count == EVENT_FOLLOWERS)
		elog(ERROR, "twin_security: too many follow the writer of events");
	followers[follower_count++] = follower;
}

void
follow_wake(EventRing *ring, TimestampTz at)
{
	uint64 old = pg_atomic_read_u64(&ring->follow_at);

	do
	{
		if (old != 0 && (TimestampTz) old <= at)
			return;
	} while (!pg_atomic_compare_exchange_u64(&ring->follow_at, &old, (uint64) at));
	/* a reader looks by itself */
	if (pg_atomic_read_u64(&ring->reader_latch) == 0)
		area_wake_launcher();
}

TimestampTz
follow_time(EventRing *ring)
{
	uint64 at = pg_atomic_read_u64(&ring->follow_at);

	return at == 0 || follower_count == 0 ? DT_NOEND : (TimestampTz) at;
}

/* Also what they are in new memory. */
void
follow_forget(EventRing *ring)
{
	for (int i = 0; i < EVENT_FOLLOWERS; i++)
	{
		pg_atomic_init_u32(&ring->stumbles[i], 0);
		pg_atomic_init_u64(&ring->again_at[i], 0);
	}
}

void
follow_hurry(EventRing *ring, TimestampTz now)
{
	for (int i = 0; i < follower_count; i++)
		pg_atomic_write_u64(&ring->again_at[i], 0);
	pg_atomic_write_u64(&ring->follow_at, (uint64) now);
}

uint32
follow_stumbles(EventRing *ring)
{
	uint32 sum = 0;

	for (int i = 0; i < follower_count; i++)
		sum += pg_atomic_read_u32(&ring->stumbles[i]);
	return sum;
}

/* ---- in a session ---- */

void
event_wake_writer_at_commit(void)
{
	wakes = true;
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	EventRing *ring;

	/* a subscription's worker commits what another prepared, and nobody is told of that */
	if ((!wakes && !IsLogicalWorker()) ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT && event != XACT_EVENT_PREPARE))
		return;
	wakes = false;
	if (event != XACT_EVENT_COMMIT || !area_exists() || (ring = area_own()) == NULL)
		return;
	if (pg_atomic_read_u64(&ring->follow_at) == 0 || follow_time(ring) > GetCurrentTimestamp())
		follow_wake(ring, TimestampTzPlusMilliseconds(GetCurrentTimestamp(), EVENT_FOLLOW_MS));
}

void
follow_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
}

/* ---- in the writer ---- */

void
event_begin_work(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
	rows_begin();
	event_open_log();
}

void
event_end_work(void)
{
	rows_end();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

int64
event_write(const SecurityEvent *event)
{
	SecurityEvent numbered = *event;
	uint8 encoded[EVENT_RECORD_MAX];
	EventRecord record;

	numbered.event_id = event_take_id();
	if (!event_record_decode(bytes_of(encoded, capture_event(&numbered, encoded)), &record))
		elog(ERROR, "twin_security: an event cannot be read back");
	rows_write(&record, ROW_AS_IT_IS);
	counted_record_at_end(&record);
	return numbered.event_id;
}

EventCounts
event_counts(void)
{
	EventRing *ring = area_exists() ? area_find(MyDatabaseId) : NULL;
	EventCounts counts = {0};

	if (ring != NULL)
	{
		counts.emitted = pg_atomic_read_u64(&ring->emitted);
		counts.written = pg_atomic_read_u64(&ring->written);
		counts.dropped = pg_atomic_read_u64(&ring->dropped);
	}
	return counts;
}

/* Whether the extension's tables are there. */
static bool
is_here(void)
{
	bool here;

	StartTransactionCommand();
	here = rows_ready();
	CommitTransactionCommand();
	return here;
}

/* Notes that a follower failed; when to call it again. */
static TimestampTz
stumble(EventRing *ring, int index)
{
	uint32 before = pg_atomic_fetch_add_u32(&ring->stumbles[index], 1);
	TimestampTz again =
		TimestampTzPlusMilliseconds(GetCurrentTimestamp(), launcher_delay_ms(Min(before, STUMBLES_COUNTED)));

	pg_atomic_write_u64(&ring->again_at[index], (uint64) again);
	if (before + 1 == STUMBLES_TOLD)
		ereport(LOG,
				(errmsg("a task of the writer of security events has failed %d times in a row", STUMBLES_TOLD),
				 errdetail("Events go on being written. The task is tried again, every eight seconds in the end."),
				 errhint("The errors of this process tell why. twin.stat_workers counts them.")));
	return again;
}

/* Calls one, unless it is left alone; when to call it again. */
static TimestampTz
run_one(EventRing *ring, int index)
{
	MemoryContext context = CurrentMemoryContext;
	volatile TimestampTz next = (TimestampTz) pg_atomic_read_u64(&ring->again_at[index]);

	if (!base_has_come(next, launcher_delay_ms(STUMBLES_COUNTED)))
		return next;
	PG_TRY();
	{
		next = followers[index]();
		pg_atomic_write_u64(&ring->again_at[index], 0);
		if (next != 0) /* else there is more of it, which may be what it failed at */
			pg_atomic_write_u32(&ring->stumbles[index], 0);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		pgstat_report_activity(STATE_IDLE, NULL);
		next = stumble(ring, index);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return next;
}

bool
follow_run(EventRing *ring)
{
	bool here;

	if (follow_time(ring) > GetCurrentTimestamp())
		return false;
	here = is_here(); /* what it raises leaves the time to the next writer */
	pg_atomic_write_u64(&ring->follow_at, 0);
	pg_atomic_write_u32(&ring->failures, 0); /* a writer did what it was started for */
	pg_atomic_write_u64(&ring->served_at, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u64(&ring->retry_at, 0);
	if (!here)
		return false;
	for (int i = 0; i < follower_count; i++)
	{
		TimestampTz next = run_one(ring, i);

		if (next == 0)
			next = GetCurrentTimestamp();
		if (next != DT_NOEND)
			follow_wake(ring, next);
	}
	return true;
}
