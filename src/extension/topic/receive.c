/*
 * receive.c
 *		twin.receive(): waits for messages and hands them over, with whom each is for.
 *
 * Those whom no message reaches meanwhile are looked at all together, at most
 * twice a second.  What a transaction received that then fails is received again.
 */
#include "topic/private.h"

#include "identity/identity.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

PG_FUNCTION_INFO_V1(tsec_receive);

#define WAIT_MAX (60 * USECS_PER_SEC)
#define MESSAGES_MAX 10000
#define BYTES_MAX (4 * 1024 * 1024) /* of payloads, in one answer */
#define TICK_MS 500                 /* nothing wakes who waits when a token is revoked */
#define OVERTAKEN_MAX 3             /* times that publishers get ahead of one answer */
#define SWEEP_CHUNK 256             /* judged in one turn, so that messages do not wait for all */

/* Goes on behind what was overwritten. */
static void
catch_up(TopicAnswer *answer)
{
	TopicListener *listener = &topic_listener;
	uint64 before = listener->cursor.number;

	LWLockAcquire(&listener->ring->lock, LW_SHARED);
	listener->cursor = feed_oldest(topic_ring_feed(listener->ring));
	/* what is there and could not be read is damaged: nothing of it is waited for */
	if (listener->cursor.number <= before)
		listener->cursor = feed_newest(topic_ring_feed(listener->ring));
	LWLockRelease(&listener->ring->lock);
	listener->lost += listener->cursor.number - before;
	topic_put_lost(answer, listener->cursor.number - before);
}

/* Reads what there is, as much as the answer takes. */
static void
read_feed(TopicAnswer *answer)
{
	static uint8 *buffer = NULL;
	TopicListener *listener = &topic_listener;
	Feed feed = topic_ring_feed(listener->ring);
	int overtaken = 0;

	if (buffer == NULL)
		buffer = MemoryContextAlloc(TopMemoryContext, TOPIC_MESSAGE_MAX);
	while (listener->count > 0 && answer->messages < answer->messages_max && answer->bytes < BYTES_MAX)
	{
		FeedCursor cursor = listener->cursor;
		TopicMessage message;
		MemoryContext outer;
		size_t length;

		switch (feed_read(feed, &cursor, buffer, TOPIC_MESSAGE_MAX, &length))
		{
			case FEED_EMPTY:
				return;
			case FEED_OVERTAKEN:
				catch_up(answer);
				if (++overtaken == OVERTAKEN_MAX)
					return;
				continue;
			case FEED_ENTRY:
				break;
		}
		if (topic_message_decode(bytes_of(buffer, length), &message))
		{
			outer = MemoryContextSwitchTo(answer->scratch);
			topic_hand_over(answer, &message, listener->cursor.number);
			MemoryContextSwitchTo(outer);
			MemoryContextReset(answer->scratch);
		}
		listener->cursor = cursor;
		CHECK_FOR_INTERRUPTS();
	}
}

/* ---- those whom no message reaches ---- */

static int64
milliseconds_now(void)
{
	return GetCurrentTimestamp() / 1000;
}

/* Whether somebody is to be looked at, and the last look was long enough ago. */
static bool
sweep_is_due(void)
{
	TopicListener *listener = &topic_listener;
	int64 passed = milliseconds_now() - listener->swept_at;

	return listener->count > 0 && (passed >= TICK_MS || passed < 0) &&
		   (base_seconds_now() >= listener->look_at || listener->looked != topic_generation());
}

/* Looks at the open subscriptions; false when some are left for the next turn. */
static bool
sweep(void)
{
	TopicListener *listener = &topic_listener;
	uint64 generation = topic_generation();
	int64 now = base_seconds_now();
	int64 look_at = PG_INT64_MAX;
	int judged = 0;
	dlist_mutable_iter iter;

	dlist_foreach_modify(iter, &listener->open)
	{
		Subscription *subscription = dlist_container(Subscription, node, iter.cur);

		if (now >= subscription->until || subscription->generation != generation)
		{
			if (++judged > SWEEP_CHUNK)
				return false;
			if (!topic_still_holds(subscription, now, generation))
			{
				topic_close(subscription);
				continue;
			}
		}
		look_at = Min(look_at, subscription->until);
	}
	listener->look_at = look_at;
	listener->looked = generation;
	listener->swept_at = milliseconds_now();
	return true;
}

/* ---- the function ---- */

/* The argument "wait" in microseconds. */
static int64
wait_argument(const Interval *wait)
{
	if (wait->month != 0 || wait->day != 0 || wait->time < 0 || wait->time > WAIT_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("receive() waits 0 to 60 seconds")));
	return wait->time;
}

/* Whether another session asked this one to return. */
static bool
is_woken(void)
{
	return pg_atomic_read_u32(&topic_listener.seat->woken) != 0 &&
		   pg_atomic_exchange_u32(&topic_listener.seat->woken, 0) != 0;
}

/* Gathers rows until there are some, the time has passed, or somebody asks for the return. */
static void
gather(TopicAnswer *answer, TimestampTz deadline)
{
	for (;;)
	{
		bool swept = true;
		bool woken;
		long left;

		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
		woken = is_woken();
		read_feed(answer);
		if (sweep_is_due())
			swept = sweep();
		topic_put_closed(answer);
		left = TimestampDifferenceMilliseconds(GetCurrentTimestamp(), deadline);
		if (woken || answer->rows > 0 || left <= 0)
			return;
		if (swept)
			(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, Min(left, TICK_MS),
							 PG_WAIT_EXTENSION);
	}
}

/* receive(wait interval, max_messages integer) */
Datum
tsec_receive(PG_FUNCTION_ARGS)
{
	TopicAnswer answer = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
	int64 wait;

	topic_listener_require();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("receive() needs a time and a number")));
	wait = wait_argument(PG_GETARG_INTERVAL_P(0));
	answer.messages_max = PG_GETARG_INT32(1);
	if (answer.messages_max < 1 || answer.messages_max > MESSAGES_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("receive() returns 1 to %d messages", MESSAGES_MAX)));
	InitMaterializedSRF(fcinfo, 0);
	answer.scratch = AllocSetContextCreate(CurrentMemoryContext, "twin_security message", ALLOCSET_DEFAULT_SIZES);
	gather(&answer, GetCurrentTimestamp() + wait);
	MemoryContextDelete(answer.scratch);
	PG_RETURN_NULL();
}
