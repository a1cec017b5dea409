/*
 * receive.c
 *		twin.receive(): waits for messages and hands them over, with whom each is for.
 *
 * Before a message is handed over, news is listened for that was sent before it
 * was published, and whoever is to get it is judged again if there was any: so
 * nothing follows a revocation, an expiry or a permission that was taken away.
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
#define VERDICTS_MAX 16             /* roles remembered for one message; they are few */

/* Columns of the answer. */
enum
{
	RECEIVED_SUBSCRIPTIONS,
	RECEIVED_TOPIC,
	RECEIVED_PAYLOAD,
	RECEIVED_PUBLISHED_AT,
	RECEIVED_MESSAGE_ID,
	RECEIVED_EVENT,
	RECEIVED_COLUMNS
};

/* One call's answer. */
typedef struct Answer
{
	ReturnSetInfo *result;
	MemoryContext scratch; /* of one row */
	int rows;
	int messages;
	int messages_max;
	Size bytes;
} Answer;

static TopicReread topic_reread = NULL;

void
topic_set_reread(TopicReread reread)
{
	if (topic_reread != NULL)
		elog(ERROR, "twin_security: two tell of changes");
	topic_reread = reread;
}

/* ---- rows ---- */

static void
put_row(Answer *answer, Datum *values, bool *nulls, const char *event)
{
	values[RECEIVED_EVENT] = CStringGetTextDatum(event);
	tuplestore_putvalues(answer->result->setResult, answer->result->setDesc, values, nulls);
	answer->rows++;
}

static Datum
json_of(const char *text)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum(text));
}

static Datum
array_of(Datum *ids, int count)
{
	return PointerGetDatum(construct_array(ids, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

/* Tells that messages were overwritten before this session read them. */
static void
put_lost(Answer *answer, uint64 lost)
{
	Datum values[RECEIVED_COLUMNS] = {0};
	bool nulls[RECEIVED_COLUMNS] = {true, true, false, false, true, false};
	MemoryContext outer = MemoryContextSwitchTo(answer->scratch);

	values[RECEIVED_PAYLOAD] = json_of(psprintf("{\"lost\": " UINT64_FORMAT "}", lost));
	values[RECEIVED_PUBLISHED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
	put_row(answer, values, nulls, "lost");
	MemoryContextSwitchTo(outer);
	MemoryContextReset(answer->scratch);
}

/* Tells who is no longer subscribed, and why. */
static void
put_closed(Answer *answer)
{
	dlist_iter iter;

	dlist_foreach(iter, &topic_listener.closed)
	{
		Subscription *subscription = dlist_container(Subscription, node, iter.cur);
		const TopicVerdict *verdict = &subscription->verdict;
		bool of_token = verdict->status != TSEC_OK;
		Datum values[RECEIVED_COLUMNS] = {0};
		bool nulls[RECEIVED_COLUMNS] = {false, of_token, false, false, true, false};
		Datum id = Int64GetDatum(subscription->id);
		MemoryContext outer;

		if (subscription->is_told)
			continue;
		outer = MemoryContextSwitchTo(answer->scratch);
		values[RECEIVED_SUBSCRIPTIONS] = array_of(&id, 1);
		values[RECEIVED_TOPIC] = CStringGetTextDatum(verdict->topic);
		values[RECEIVED_PAYLOAD] = json_of(psprintf("{\"reason\": \"%s\", \"code\": \"%s\"}", verdict->reason,
													of_token ? status_info(verdict->status)->sqlstate
															 : (verdict->permission[0] != '\0' ? "42501" : "42704")));
		values[RECEIVED_PUBLISHED_AT] = TimestampTzGetDatum(GetCurrentTimestamp());
		put_row(answer, values, nulls, "closed");
		subscription->is_told = true;
		MemoryContextSwitchTo(outer);
		MemoryContextReset(answer->scratch);
	}
}

/* ---- messages ---- */

/* What a message needs, and which roles have it. */
typedef struct Need
{
	int64 now;
	uint64 generation;
	TopicRule rule;
	const char *roles[VERDICTS_MAX];
	bool permits[VERDICTS_MAX];
	int known;
} Need;

/* Whether a role holds what a message needs; its name is kept once, so pointers tell roles apart. */
static bool
role_permits(Need *need, const char *role)
{
	bool permits;

	for (int i = 0; i < need->known; i++)
		if (need->roles[i] == role)
			return need->permits[i];
	permits = identity_role_permits(role, need->rule.subscribe);
	if (need->known < VERDICTS_MAX)
	{
		need->roles[need->known] = role;
		need->permits[need->known++] = permits;
	}
	return permits;
}

/* Whether a message is for a subscription that holds. */
static bool
is_for(const TopicMessage *message, Need *need, const Subscription *subscription)
{
	if ((message->is_bound || need->rule.is_bound) && message->has_tenant &&
		!(subscription->has_tenant && subscription->tenant == message->tenant))
		return false;
	/* a pattern may cover topics that need more than the pattern itself */
	return role_permits(need, subscription->role);
}

/* Collects whom a message is for among those who subscribed to one topic or pattern; closes those who must not go on. */
static void
collect(TopicEntry *entry, const TopicMessage *message, uint64 number, Need *need, List **found)
{
	static uint64 delivery = 0;
	List *refused = NIL;
	ListCell *cell;
	dlist_iter iter;

	/* one that has several patterns gets it once; what is received again after a failure is another delivery */
	if (*found == NIL)
		delivery++;
	dlist_foreach(iter, &entry->members)
	{
		Subscription *subscription = dlist_container(TopicMember, node, iter.cur)->owner;

		if (number < subscription->since || subscription->delivery == delivery)
			continue;
		if (!topic_still_holds(subscription, need->now, need->generation))
			refused = lappend(refused, subscription);
		else if (is_for(message, need, subscription))
		{
			subscription->delivery = delivery;
			*found = lappend(*found, subscription);
		}
	}
	foreach(cell, refused)
		topic_close(lfirst(cell));
}

/* A row of a message, to those it is for. */
static void
put_message(Answer *answer, const TopicMessage *message, uint64 number, Datum *ids, int count, const char *payload)
{
	Datum values[RECEIVED_COLUMNS] = {0};
	bool nulls[RECEIVED_COLUMNS] = {0};

	values[RECEIVED_SUBSCRIPTIONS] = array_of(ids, count);
	values[RECEIVED_TOPIC] =
		PointerGetDatum(cstring_to_text_with_len((const char *) message->topic.data, (int) message->topic.length));
	values[RECEIVED_PAYLOAD] = json_of(payload);
	values[RECEIVED_PUBLISHED_AT] = TimestampTzGetDatum(message->published_at);
	values[RECEIVED_MESSAGE_ID] = Int64GetDatum((int64) number);
	put_row(answer, values, nulls, "message");
	answer->messages++;
	answer->bytes += strlen(payload) + count * sizeof(int64);
	topic_listener.delivered += count;
}

/* Tells a subscriber of a table's change what he may see of it. */
static void
put_change(Answer *answer, const TopicMessage *message, uint64 number, Subscription *subscription)
{
	TopicReader reader = {
		.token = subscription->token, .token_length = subscription->token_length, .memory = &subscription->memory};
	Datum id = Int64GetDatum(subscription->id);
	char *payload;

	if (topic_reread == NULL)
		return;
	if (subscription->context == NULL)
		subscription->context = topic_subscription_context();
	reader.context = subscription->context;
	payload = topic_reread(&reader, pnstrdup((const char *) message->payload.data, message->payload.length));
	if (payload != NULL)
		put_message(answer, message, number, &id, 1, payload);
}

/* Hands a message over to whom it is for, if there is anybody. */
static void
hand_over(Answer *answer, const TopicMessage *message, uint64 number)
{
	char key[TOPIC_NAME_MAX + 1];
	List *found = NIL;
	/* the message was read before news is listened for: what was revoked before it was published is heard of */
	Need need = {.now = base_seconds_now(), .generation = topic_generation()};
	ListCell *cell;
	Datum *ids;
	int count = 0;

	memcpy(key, message->topic.data, message->topic.length);
	key[message->topic.length] = '\0';
	/* it may have been taken away since it was published */
	if (!topic_rule_find(key, &need.rule))
		return;
	do
	{
		TopicEntry *entry = topic_entry(key);

		if (entry != NULL)
			collect(entry, message, number, &need, &found);
	} while (topic_wider(bytes_of(key, strlen(key)), key) > 0);
	if (found == NIL)
		return;
	if (message->is_change)
	{
		foreach(cell, found)
			put_change(answer, message, number, lfirst(cell));
		return;
	}
	ids = palloc(list_length(found) * sizeof(Datum));
	foreach(cell, found)
		ids[count++] = Int64GetDatum(((Subscription *) lfirst(cell))->id);
	put_message(answer, message, number, ids, count,
				pnstrdup((const char *) message->payload.data, message->payload.length));
}

/* Goes on behind what was overwritten. */
static void
catch_up(Answer *answer)
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
	put_lost(answer, listener->cursor.number - before);
}

/* Reads what there is, as much as the answer takes. */
static void
read_feed(Answer *answer)
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
			hand_over(answer, &message, listener->cursor.number);
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
gather(Answer *answer, TimestampTz deadline)
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
		put_closed(answer);
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
	Answer answer = {.result = (ReturnSetInfo *) fcinfo->resultinfo};
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
