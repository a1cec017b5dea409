/*
 * slow.c
 *		Who makes events in a loop, each of which is recorded, waits for the writer
 *		now and then, so that none is dropped.
 *
 * The wait is short, bounded, and taken where a statement or subtransaction
 * begins, or by who calls record_event(), never where the database itself emits.  When the writer does not come
 * forward (a lock, a full disk), nobody goes on waiting for it: events are
 * dropped and counted then.
 */
#include "event/private.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "miscadmin.h"

#include <time.h>

/* Fewer events than this a process emits without being looked at. */
#define FREE_EVENTS 64
#define WAIT_MS 1000

static uint64 seen = 0;       /* events of this process when it was last looked at */
static bool given_up = false; /* the writer did not come forward */

static int64
milliseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
event_slow_down(void)
{
	int64 began;

	if (likely(area_pushed() - seen < FREE_EVENTS) || IsParallelWorker())
		return;
	/* on a standby nobody writes, and there is nothing to wait for */
	if (!area_is_crowded() || RecoveryInProgress())
	{
		seen = area_pushed();
		given_up = false;
		return;
	}
	if (given_up)
		return;
	began = milliseconds();
	while (area_is_crowded())
	{
		if (InterruptPending)
			return;
		if (milliseconds() - began > WAIT_MS)
		{
			given_up = true;
			return;
		}
		pg_usleep(1000);
	}
}

void
slow_wait_for_room(void)
{
	uint64 at = 0;
	uint64 before = 0;
	int64 moved = milliseconds();

	while (!area_has_room(&at))
	{
		if (given_up || IsParallelWorker() || RecoveryInProgress())
			return;
		CHECK_FOR_INTERRUPTS();
		if (at != before)
		{
			before = at;
			moved = milliseconds();
		}
		else if (milliseconds() - moved > WAIT_MS)
		{
			given_up = true;
			return;
		}
		pg_usleep(1000);
	}
	given_up = false;
}

bool
slow_wait(Ring queue, uint64 position, int64 *patience_ms)
{
	int64 began = milliseconds();
	int64 moved = began;
	uint64 at = ring_begin(queue);

	while (at < position)
	{
		int64 now;

		pg_usleep(1000);
		now = milliseconds();
		if (ring_begin(queue) != at)
		{
			at = ring_begin(queue);
			moved = now;
		}
		if (now - began > *patience_ms || now - moved > WAIT_MS || QueryCancelPending || ProcDiePending)
		{
			*patience_ms = 0;
			return false;
		}
	}
	*patience_ms -= milliseconds() - began;
	return true;
}

/* An error that was caught leaves a subtransaction; who goes on begins the next. */
static void
at_subtransaction(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_START_SUB)
		event_slow_down();
}

void
slow_init(void)
{
	RegisterSubXactCallback(at_subtransaction, NULL);
}
