/*
 * subscription.c
 *		What this session is subscribed to, and for whom.
 *
 * All of it is this session's own memory.  A subscription keeps its token, since
 * the token is what says who is asking, and is wiped where it is freed.
 * Subscribing is undone by a rollback (listener.c); leaving is not.
 */
#include "topic/private.h"

#include "event/event.h"
#include "identity/identity.h"

#include "common/secret.h"

#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog/pg_type.h"

PG_FUNCTION_INFO_V1(tsec_subscribe);
PG_FUNCTION_INFO_V1(tsec_unsubscribe);

static MemoryContext context = NULL; /* of everything below */
static HTAB *entries = NULL;         /* TopicEntry by topic */
static HTAB *by_id = NULL;
static int64 last_id = 0;

typedef struct IdEntry
{
	int64 id;
	Subscription *subscription;
} IdEntry;

/* ---- keeping ---- */

TopicEntry *
topic_entry(const char *topic)
{
	return entries == NULL ? NULL : hash_search(entries, topic, HASH_FIND, NULL);
}

/* Tells publishers whether there is anybody to wake for. */
static void
note_count(int change)
{
	topic_listener.count += change;
	pg_atomic_write_u32(&topic_listener.seat->subscriptions, (uint32) topic_listener.count);
}

/* Takes a subscription from its topics. */
static void
leave_topics(Subscription *subscription)
{
	for (int i = 0; i < subscription->topic_count; i++)
	{
		TopicMember *member = &subscription->members[i];

		dlist_delete(&member->node);
		if (dlist_is_empty(&member->entry->members))
			(void) hash_search(entries, member->entry->topic, HASH_REMOVE, NULL);
	}
	subscription->topic_count = 0;
}

MemoryContext
topic_subscription_context(void)
{
	return AllocSetContextCreate(context, "twin_security subscription", ALLOCSET_SMALL_SIZES);
}

void
topic_close(Subscription *subscription)
{
	Assert(!subscription->is_closed);
	leave_topics(subscription);
	(void) hash_search(by_id, &subscription->id, HASH_REMOVE, NULL);
	dlist_delete(&subscription->node);
	subscription->is_closed = true;
	dlist_push_tail(&topic_listener.closed, &subscription->node);
	secret_wipe(subscription->token, subscription->token_length);
	subscription->token_length = 0;
	note_count(-1);
}

/* Gives the memory of a subscription back that is in no list. */
static void
discard(Subscription *subscription)
{
	secret_wipe(subscription->token, subscription->token_length);
	if (subscription->context != NULL)
		MemoryContextDelete(subscription->context);
	if (subscription->kept != NULL)
		pfree(subscription->kept);
	pfree(subscription);
}

void
topic_bury(Subscription *subscription)
{
	dlist_delete(&subscription->node);
	discard(subscription);
}

void
topic_subscriptions_forget(void)
{
	entries = by_id = NULL;
	topic_judge_begin(NULL);
	if (context != NULL)
		MemoryContextDelete(context);
	context = NULL;
}

void
topic_subscriptions_begin(void)
{
	HASHCTL of_topics = {.keysize = TOPIC_NAME_MAX + 1, .entrysize = sizeof(TopicEntry)};
	HASHCTL of_ids = {.keysize = sizeof(int64), .entrysize = sizeof(IdEntry)};

	topic_subscriptions_forget();
	context = AllocSetContextCreate(TopMemoryContext, "twin_security subscriptions", ALLOCSET_DEFAULT_SIZES);
	of_topics.hcxt = of_ids.hcxt = context;
	entries =
		hash_create("twin_security topics subscribed to", 256, &of_topics, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	by_id = hash_create("twin_security subscriptions", 256, &of_ids, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	topic_judge_begin(context);
}

/* A subscription in one piece, in no list yet. */
static Subscription *
new_subscription(text *token, int topics)
{
	Size length = VARSIZE_ANY_EXHDR(token);
	Subscription *made =
		MemoryContextAllocZero(context, MAXALIGN(sizeof(Subscription)) + topics * sizeof(TopicMember) + length);

	made->members = (TopicMember *) ((char *) made + MAXALIGN(sizeof(Subscription)));
	made->token = (char *) (made->members + topics);
	made->token_length = length;
	memcpy(made->token, VARDATA_ANY(token), length);
	made->is_new = true;
	made->within = GetCurrentSubTransactionId();
	return made;
}

/* Adds a topic, once. */
static void
join_topic(Subscription *subscription, const char *topic)
{
	TopicMember *member = &subscription->members[subscription->topic_count];
	TopicEntry *entry;
	bool found;

	for (int i = 0; i < subscription->topic_count; i++)
		/* public: names of topics */
		if (strcmp(subscription->members[i].entry->topic, topic) == 0)
			return;
	entry = hash_search(entries, topic, HASH_ENTER, &found);
	if (!found)
		dlist_init(&entry->members);
	member->owner = subscription;
	member->entry = entry;
	dlist_push_tail(&entry->members, &member->node);
	subscription->topic_count++;
}

/* ---- functions ---- */

/* Records that a subscription was refused, and raises why. */
static TSEC_NORETURN void
refuse(const TopicVerdict *verdict)
{
	bool of_token = verdict->status != TSEC_OK;

	if (!of_token && verdict->permission[0] == '\0')
		topic_throw_unknown(verdict->topic);
	event_emit(&(SecurityEvent){.type = of_token ? "token_refused" : "permission_denied",
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = "subscribe",
								.resource = of_token ? status_info(verdict->status)->sqlstate : verdict->topic,
								.is_anybodys = true});
	if (of_token)
		base_throw(verdict->status);
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to subscribe to topic \"%s\"", verdict->topic),
					errdetail("The role of the token's user does not hold permission \"%s\".", verdict->permission)));
}

/* The topics of an argument, as texts. */
static int
topics_argument(ArrayType *array, Datum **topics)
{
	bool *nulls;
	int count;

	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, topics, &nulls, &count);
	if (count > TOPIC_TOPICS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("a subscription is to at most %d topics", TOPIC_TOPICS_MAX),
						errhint("\"units.*\" means all topics that begin with \"units.\".")));
	for (int i = 0; i < count; i++)
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a topic is null")));
	return count;
}

/* Where messages begin for a subscription that is made now. */
static uint64
begin_now(void)
{
	TopicListener *listener = &topic_listener;
	FeedCursor newest;

	LWLockAcquire(&listener->ring->lock, LW_SHARED);
	newest = feed_newest(topic_ring_feed(listener->ring));
	LWLockRelease(&listener->ring->lock);
	/* with nobody to read for, nothing was read */
	if (listener->count == 0)
	{
		listener->cursor = listener->confirmed = newest;
		pg_atomic_write_u64(&listener->seat->position, newest.position);
	}
	return newest.number;
}

/* Makes a subscription that holds, or none. */
static int64
subscribe(text *token, const Datum *topics, int count)
{
	TopicListener *listener = &topic_listener;
	Subscription *made = new_subscription(token, count);
	int64 now = base_seconds_now();
	bool found;

	/* whatever is raised from here on leaves it nowhere */
	PG_TRY();
	{
		for (int i = 0; i < count; i++)
			join_topic(made, topic_name_argument(DatumGetTextPP(topics[i]), true));
		topic_judge(made, now);
		if (made->verdict.reason != NULL)
			refuse(&made->verdict);
		made->id = last_id + 1;
		((IdEntry *) hash_search(by_id, &made->id, HASH_ENTER, &found))->subscription = made;
	}
	PG_CATCH();
	{
		leave_topics(made);
		discard(made);
		PG_RE_THROW();
	}
	PG_END_TRY();
	last_id = made->id;
	made->since = begin_now();
	dlist_push_tail(&listener->open, &made->node);
	listener->look_at = Min(listener->look_at, made->until);
	if (listener->count == 0)
	{
		listener->look_at = made->until;
		listener->looked = made->generation;
	}
	note_count(1);
	return made->id;
}

/* subscribe(token text, topics text[]) -> bigint */
Datum
tsec_subscribe(PG_FUNCTION_ARGS)
{
	Datum *topics;
	int count;

	topic_listener_require();
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a subscription needs a token and topics")));
	if (VARSIZE_ANY_EXHDR(PG_GETARG_TEXT_PP(0)) > SETTING_TOKEN_MAX)
		refuse(&(TopicVerdict){.status = TSEC_TOKEN_TOO_LONG});
	if (topic_listener.count >= setting_max_subscriptions)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("this session holds %d subscriptions already", topic_listener.count),
						errhint("Raise twin_security.max_subscriptions.")));
	count = topics_argument(PG_GETARG_ARRAYTYPE_P(1), &topics);
	PG_RETURN_INT64(subscribe(PG_GETARG_TEXT_PP(0), topics, count));
}

/* unsubscribe(subscription bigint): nothing when it is not open (any more) */
Datum
tsec_unsubscribe(PG_FUNCTION_ARGS)
{
	IdEntry *entry = NULL;

	topic_listener_require();
	if (!PG_ARGISNULL(0))
	{
		int64 id = PG_GETARG_INT64(0);

		entry = hash_search(by_id, &id, HASH_FIND, NULL);
	}
	if (entry != NULL)
	{
		Subscription *subscription = entry->subscription;

		topic_close(subscription);
		topic_bury(subscription);
	}
	PG_RETURN_VOID();
}
