/*
 * flood.c
 *		Refusals that anybody can cause as often as he likes, at no cost: each
 *		process records so many, counts the rest, and says how many they were.
 *
 * Without that, one stranger's loop over a bad token would take the ring from
 * everybody else's events and fill the disk.  It is counted per process, so
 * that a flood hides no other session's refusals; and such events get half of
 * a ring only (area.c).
 */
#include "event/private.h"

#include "common/limit_math.h"

#include "storage/ipc.h"

#include <time.h>

/* A session that is refused by mistake is recorded whole, one that tries things out nearly so. */
static const RateLimit rate = {.requests = 5, .period = LIMIT_SECOND, .burst = 50};

static int64_t arrival = 0;
static uint64 withheld = 0;

static void
tell_withheld(void)
{
	char details[64] = "";
	char number[24];
	SecurityEvent event = {.type = "events_withheld",
						   .class = EVENT_ACCESS,
						   .severity = EVENT_MEDIUM,
						   .outcome = EVENT_DENIED,
						   .details = details};

	if (withheld == 0)
		return;
	snprintf(number, sizeof(number), UINT64_FORMAT, withheld);
	(void) event_json_add(details, sizeof(details), "withheld", number);
	withheld = 0;
	(void) event_emit(&event);
}

static void
tell_at_exit(int code, Datum argument)
{
	tell_withheld();
}

bool
flood_allows(void)
{
	static bool listening = false;
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	if (rate_take(&arrival, &rate, (int64_t) now.tv_sec * LIMIT_SECOND + now.tv_nsec).allowed)
	{
		tell_withheld();
		return true;
	}
	if (!listening)
		before_shmem_exit(tell_at_exit, (Datum) 0);
	listening = true;
	withheld++;
	return false;
}
