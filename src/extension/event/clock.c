/*
 * clock.c
 *		Notices that the wall clock was set: it is held against one that nobody sets,
 *		whenever rows of the log are written and whenever the launcher looks around.
 *
 * How far it was set waits for the sealer, which tells it in its database's log,
 * and so does the earliest time that rows may bear although they are newer than
 * what is sealed: for verifying the log that is no proof of a forgery.  A server
 * that starts may do so under a clock that is behind the one before.
 *
 * Small steps add up until they are worth telling.
 */
#include "event/private.h"

#include "utils/timestamp.h"

#include <time.h>

/* Who is stopped between two looks at clocks for as long knows nothing. */
#define LOOK_US 100000

/* The wall clock less the one that nobody sets, in microseconds; false when that cannot be told now. */
static bool
measure(int64 *ahead)
{
	struct timespec before;
	struct timespec after;
	TimestampTz wall;

	clock_gettime(CLOCK_BOOTTIME, &before);
	wall = GetCurrentTimestamp();
	clock_gettime(CLOCK_BOOTTIME, &after);
	*ahead = wall - ((int64) after.tv_sec * USECS_PER_SEC + after.tv_nsec / 1000);
	return (after.tv_sec - before.tv_sec) * USECS_PER_SEC + (after.tv_nsec - before.tv_nsec) / 1000 < LOOK_US;
}

/* Also what it is in new memory. */
void
clock_begin(EventRing *ring)
{
	int64 ahead;

	(void) measure(&ahead);
	pg_atomic_init_u64(&ring->clock_ahead, (uint64) ahead);
	pg_atomic_init_u64(&ring->clock_step, 0);
	pg_atomic_init_u64(&ring->clock_low, (uint64) GetCurrentTimestamp());
}

static void
note_low(EventRing *ring, TimestampTz now)
{
	uint64 low = pg_atomic_read_u64(&ring->clock_low);

	while ((TimestampTz) low > now)
		if (pg_atomic_compare_exchange_u64(&ring->clock_low, &low, (uint64) now))
			return;
}

void
clock_look(EventRing *ring)
{
	uint64 known = pg_atomic_read_u64(&ring->clock_ahead);
	int64 ahead;
	int64 step;
	TimestampTz now;

	if (!measure(&ahead))
		return;
	step = ahead - (int64) known;
	if (likely(llabs(step) < EVENT_CLOCK_STEP_MS * INT64CONST(1000)))
		return;
	now = GetCurrentTimestamp();
	if (step < 0)
		note_low(ring, now); /* before anybody else can take it for known */
	if (!pg_atomic_compare_exchange_u64(&ring->clock_ahead, &known, (uint64) ahead))
		return;
	pg_atomic_fetch_add_u64(&ring->clock_step, step);
	/* nobody waits until a time that was meant by another clock */
	pg_atomic_write_u64(&ring->retry_at, 0);
	pg_atomic_write_u64(&ring->maintain_at, 0);
	follow_hurry(ring, now);
	area_wake_launcher();
}

bool
event_clock_was_set(EventClock *clock)
{
	EventRing *ring = area_exists() ? area_own() : NULL;

	*clock = (EventClock){.low = DT_NOEND};
	if (ring == NULL)
		return false;
	clock_look(ring);
	clock->low = (TimestampTz) pg_atomic_read_u64(&ring->clock_low);
	clock->step = (int64) pg_atomic_read_u64(&ring->clock_step);
	return clock->low != DT_NOEND || clock->step != 0;
}

void
event_clock_begin(void)
{
	EventRing *ring = area_exists() ? area_own() : NULL;
	uint64 low;

	if (ring == NULL)
		return;
	low = pg_atomic_read_u64(&ring->clock_low);
	/* one that comes meanwhile is of a clock that is set back now */
	(void) pg_atomic_compare_exchange_u64(&ring->clock_low, &low, (uint64) DT_NOEND);
}

void
event_clock_settle(const EventClock *clock)
{
	EventRing *ring = area_exists() ? area_own() : NULL;
	uint64 low = (uint64) clock->low;

	if (ring == NULL)
		return;
	/* one that is lower came meanwhile: it is settled next time */
	(void) pg_atomic_compare_exchange_u64(&ring->clock_low, &low, (uint64) DT_NOEND);
	pg_atomic_fetch_sub_u64(&ring->clock_step, clock->step);
}
