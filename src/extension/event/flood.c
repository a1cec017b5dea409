/*
 * flood.c
 *		Refusals that anybody can cause as often as he likes, at no cost: each
 *		process records so many of a type and a user, counts the rest, and says
 *		how many they were.
 *
 * Without that, one stranger's loop over a bad token would take the ring from
 * everybody else's events and fill the disk.  It is counted per process, so
 * that a flood hides no other session's refusals, and by type and user, because
 * a pooled connection brings the requests of many.
 */
#include "event/private.h"

#include "common/limit_math.h"

#include "common/hashfn.h"
#include "storage/ipc.h"

#include <time.h>

/* A session that is refused by mistake is recorded whole, one that tries things out nearly so. */
static const RateLimit rate = {.requests = 5, .period = LIMIT_SECOND, .burst = 50};

#define FLOODS 16
#define TYPE_SIZE 64

/* How long withheld events wait to be told while others like them go on being withheld. */
#define TELL_AFTER (60 * LIMIT_SECOND)

typedef struct Flood
{
	uint64 hash; /* of type and user; 0 while nobody's */
	int64_t arrival;
	int64_t used;
	int64_t withheld_since;
	uint64 withheld;
	int64 user_id;
	char type[TYPE_SIZE];
} Flood;

static Flood floods[FLOODS];

static int64_t
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * LIMIT_SECOND + now.tv_nsec;
}

static void
tell_withheld(Flood *flood)
{
	char details[256] = "";
	char number[24];
	SecurityEvent event = {.type = "events_withheld",
						   .class = EVENT_ACCESS,
						   .severity = EVENT_MEDIUM,
						   .outcome = EVENT_DENIED,
						   .user_id = flood->user_id,
						   .details = details};

	if (flood->withheld == 0)
		return;
	snprintf(number, sizeof(number), UINT64_FORMAT, flood->withheld);
	(void) event_json_add(details, sizeof(details), "event_type", flood->type);
	(void) event_json_add(details, sizeof(details), "withheld", number);
	flood->withheld = 0;
	(void) event_emit(&event);
}

static void
tell_at_exit(int code, Datum argument)
{
	for (int i = 0; i < FLOODS; i++)
		tell_withheld(&floods[i]);
}

/* The flood of a type and a user, in place of the one that was not looked at for longest. */
static Flood *
find_flood(const char *type, int64 user_id)
{
	uint64 hash = hash_bytes_extended((const unsigned char *) type, (int) strlen(type), (uint64) user_id) | 1;
	Flood *oldest = &floods[0];

	for (int i = 0; i < FLOODS; i++)
	{
		if (floods[i].hash == hash)
			return &floods[i];
		if (floods[i].used < oldest->used)
			oldest = &floods[i];
	}
	tell_withheld(oldest);
	memset(oldest, 0, sizeof(Flood));
	oldest->hash = hash;
	oldest->user_id = user_id;
	strlcpy(oldest->type, type, sizeof(oldest->type));
	return oldest;
}

bool
flood_allows(const char *type, int64 user_id)
{
	static bool listening = false;
	int64_t now = clock_now();
	Flood *flood = find_flood(type, user_id);
	bool allowed = rate_take(&flood->arrival, &rate, now).allowed;

	flood->used = now;
	if (!allowed)
	{
		if (!listening)
			before_shmem_exit(tell_at_exit, (Datum) 0);
		listening = true;
		if (flood->withheld++ == 0)
			flood->withheld_since = now;
	}
	if (allowed || now - flood->withheld_since > TELL_AFTER)
		tell_withheld(flood);
	return allowed;
}
