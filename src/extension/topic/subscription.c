/*
 * subscription.c
 *		What this session listens to, for whom, and whether that still holds.
 *
 * Everything is this session's own memory; only the seat, which publishers wake,
 * is shared.  A subscription keeps its token, since the token is what says who
 * is asking: it is verified again whenever keys, revocations, roles or topics
 * changed and when it expires, before the next message is handed over.  Tokens
 * are wiped where they are freed.
 *
 * Subscribing is undone by a rollback, like what receive() returned; leaving is not.
 */
#include "topic/private.h"

#include "event/event.h"
#include "identity/identity.h"
#include "token/token.h"

#include "common/secret.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#include "catalog/pg_type.h"

PG_FUNCTION_INFO_V1(tsec_open_listener);
PG_FUNCTION_INFO_V1(tsec_close_listener);
PG_FUNCTION_INFO_V1(tsec_wake_listener);
PG_FUNCTION_INFO_V1(tsec_subscribe);
PG_FUNCTION_INFO_V1(tsec_unsubscribe);

TopicListener topic_listener;

static MemoryContext context = NULL;
static HTAB *entries = NULL; /* TopicEntry by topic */
static HTAB *by_id = NULL;
static List *role_names =
	NIL; /* each once, so that subscriptions compare pointers; they are few, for each held a permission */
static int64 last_id = 0;

typedef struct IdEntry
{
	int64 id;
	Subscription *subscription;
} IdEntry;

/* ---- judging ---- */

uint64
topic_generation(void)
{
	token_listen();
	return token_generation() + identity_generation() + topic_rule_generation();
}

static const char *
keep_role(const char *role)
{
	ListCell *cell;
	MemoryContext outer;
	char *copy;

	foreach(cell, role_names)
		/* public: a role's name */
		if (strcmp(lfirst(cell), role) == 0)
			return lfirst(cell);
	outer = MemoryContextSwitchTo(context);
	copy = pstrdup(role);
	role_names = lappend(role_names, copy);
	MemoryContextSwitchTo(outer);
	return copy;
}

/* Why a token's status closes a subscription. */
static const char *
reason_of(Status status)
{
	switch (status)
	{
		case TSEC_TOKEN_EXPIRED:
			return "token_expired";
		case TSEC_TOKEN_REVOKED:
			return "token_revoked";
		default:
			return "token_refused";
	}
}

/* Verifies the token now, and asks for each topic whether its role may. */
static void
judge(Subscription *subscription, int64 now)
{
	TopicVerdict *verdict = &subscription->verdict;
	const VerifiedToken *token;
	Identity identity;

	/* the number first: news that arrives meanwhile makes this stale */
	subscription->generation = topic_generation();
	verdict->reason = NULL;
	verdict->status = token_find(subscription->token, subscription->token_length, &token);
	if (verdict->status == TSEC_OK)
		verdict->status = identity_of_token(token, &identity);
	if (verdict->status != TSEC_OK)
	{
		verdict->reason = reason_of(verdict->status);
		return;
	}
	subscription->has_tenant = identity.has_tenant;
	subscription->tenant = identity.tenant_id;
	/* past its expiry a leeway keeps it: looked at every second */
	subscription->until = token->expires_at > 0 ? Max(token->expires_at, now + 1) : PG_INT64_MAX;
	for (int i = 0; i < subscription->topic_count; i++)
	{
		TopicRule rule;
		bool exists = topic_rule_find(subscription->members[i].entry->topic, &rule);

		if (exists && identity.role != NULL && identity_role_permits(identity.role, rule.subscribe))
			continue;
		verdict->reason = exists ? "permission_denied" : "topic_gone";
		strlcpy(verdict->topic, subscription->members[i].entry->topic, sizeof(verdict->topic));
		strlcpy(verdict->permission, exists ? rule.subscribe : "", sizeof(verdict->permission));
		return;
	}
	subscription->role = keep_role(identity.role);
}

bool
topic_still_holds(Subscription *subscription, int64 now, uint64 generation)
{
	if (likely(now < subscription->until && subscription->generation == generation))
		return true;
	judge(subscription, now);
	return subscription->verdict.reason == NULL;
}

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

/* Forgets a closed subscription. */
static void
bury(Subscription *subscription)
{
	dlist_delete(&subscription->node);
	pfree(subscription);
}

/* Forgets everything; at exit the memory goes by itself. */
static void
leave(bool at_exit)
{
	dlist_iter iter;

	if (topic_listener.ring == NULL)
		return;
	topic_seat_leave(topic_listener.seat);
	dlist_foreach(iter, &topic_listener.open)
	{
		Subscription *subscription = dlist_container(Subscription, node, iter.cur);

		secret_wipe(subscription->token, subscription->token_length);
	}
	topic_listener.ring = NULL;
	if (at_exit)
		return;
	entries = by_id = NULL;
	role_names = NIL;
	MemoryContextDelete(context);
	context = NULL;
}

static void
leave_at_exit(int code, Datum argument)
{
	leave(true);
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

void
topic_listener_require(void)
{
	if (topic_listener.ring == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("this session has no listener"),
						errhint("Call twin.open_listener() first.")));
}

/* Makes what this session remembers. */
static void
make_memory(void)
{
	HASHCTL of_topics = {.keysize = TOPIC_NAME_MAX + 1, .entrysize = sizeof(TopicEntry)};
	HASHCTL of_ids = {.keysize = sizeof(int64), .entrysize = sizeof(IdEntry)};

	if (context != NULL)
		MemoryContextDelete(context);
	context = AllocSetContextCreate(TopMemoryContext, "twin_security subscriptions", ALLOCSET_DEFAULT_SIZES);
	of_topics.hcxt = of_ids.hcxt = context;
	entries =
		hash_create("twin_security topics subscribed to", 256, &of_topics, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	by_id = hash_create("twin_security subscriptions", 256, &of_ids, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	role_names = NIL;
}

/* open_listener() -> text: the name by which other sessions wake this one */
Datum
tsec_open_listener(PG_FUNCTION_ARGS)
{
	static bool registered = false;
	char name[2 * TOPIC_SECRET_SIZE + 1];
	TopicRing *ring;
	TopicSeat *seat;

	if (RecoveryInProgress())
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("nothing is published on a standby"),
			 errhint("Messages are delivered by the server on which they are published: listen on the primary.")));
	if (topic_listener.ring == NULL)
	{
		ring = topic_ring_require();
		make_memory();
		if (!registered)
			before_shmem_exit(leave_at_exit, (Datum) 0);
		registered = true;
		seat = topic_seat_take(ring);
		if (seat == NULL)
			ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
							errmsg("%d sessions listen in this database already", TOPIC_LISTENERS_MAX),
							errhint("One listener serves many subscriptions.")));
		topic_listener = (TopicListener){.ring = ring, .seat = seat};
		dlist_init(&topic_listener.open);
		dlist_init(&topic_listener.closed);
	}
	hex_encode((const char *) topic_listener.seat->secret, TOPIC_SECRET_SIZE, name);
	name[2 * TOPIC_SECRET_SIZE] = '\0';
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* close_listener(): ends all subscriptions of this session */
Datum
tsec_close_listener(PG_FUNCTION_ARGS)
{
	leave(false);
	PG_RETURN_VOID();
}

/* wake_listener(listener text) -> boolean: has receive() return there, now or when it is next called */
Datum
tsec_wake_listener(PG_FUNCTION_ARGS)
{
	char *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TopicRing *ring = topic_ring_find();
	bool found = false;

	for (int i = 0; ring != NULL && strlen(given) == 2 * TOPIC_SECRET_SIZE && i < TOPIC_LISTENERS_MAX; i++)
	{
		TopicSeat *seat = &ring->seats[i];
		char name[2 * TOPIC_SECRET_SIZE];
		Latch *latch = (Latch *) (uintptr_t) pg_atomic_read_u64(&seat->latch);

		hex_encode((const char *) seat->secret, TOPIC_SECRET_SIZE, name);
		if (latch == NULL || !secret_equal(name, given, sizeof(name)))
			continue;
		pg_atomic_write_u32(&seat->woken, 1);
		SetLatch(latch);
		found = true;
	}
	PG_RETURN_BOOL(found);
}

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
	/* without topics it tells when the token holds no longer, and nothing else */
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
		judge(made, now);
		if (made->verdict.reason != NULL)
			refuse(&made->verdict);
		made->id = last_id + 1;
		((IdEntry *) hash_search(by_id, &made->id, HASH_ENTER, &found))->subscription = made;
	}
	PG_CATCH();
	{
		leave_topics(made);
		secret_wipe(made->token, made->token_length);
		pfree(made);
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
		bury(subscription);
	}
	PG_RETURN_VOID();
}

/* ---- the end of the transaction ---- */

/* What was returned arrived. */
static void
confirm(void)
{
	TopicListener *listener = &topic_listener;
	dlist_mutable_iter iter;
	dlist_iter newest;

	listener->confirmed = listener->cursor;
	pg_atomic_write_u64(&listener->seat->position, listener->confirmed.position);
	pg_atomic_fetch_add_u64(&listener->ring->delivered, (int64) listener->delivered);
	pg_atomic_fetch_add_u64(&listener->ring->lost, (int64) listener->lost);
	dlist_foreach_modify(iter, &listener->closed)
	{
		Subscription *subscription = dlist_container(Subscription, node, iter.cur);

		if (subscription->is_told)
			bury(subscription);
	}
	/* the newest stand at the end */
	dlist_reverse_foreach(newest, &listener->open)
	{
		Subscription *subscription = dlist_container(Subscription, node, newest.cur);

		if (!subscription->is_new)
			break;
		subscription->is_new = false;
	}
}

/* What was returned did not: it is told again.  What was subscribed to from a subtransaction on is not. */
static void
take_back(SubTransactionId from)
{
	TopicListener *listener = &topic_listener;
	dlist_iter told;

	listener->cursor = listener->confirmed;
	dlist_foreach(told, &listener->closed)
	{
		Subscription *subscription = dlist_container(Subscription, node, told.cur);

		subscription->is_told = false;
	}
	while (!dlist_is_empty(&listener->open))
	{
		Subscription *newest = dlist_tail_element(Subscription, node, &listener->open);

		if (!newest->is_new || newest->within < from)
			break;
		topic_close(newest);
		bury(newest);
	}
}

void
topic_listener_end(XactEvent event)
{
	if (likely(topic_listener.ring == NULL))
		return;
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		confirm();
	else if (event == XACT_EVENT_ABORT)
		take_back(InvalidSubTransactionId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT)
		topic_listener.delivered = topic_listener.lost = 0;
}

void
topic_listener_end_sub(SubXactEvent event, SubTransactionId own)
{
	if (unlikely(topic_listener.ring != NULL) && event == SUBXACT_EVENT_ABORT_SUB)
	{
		take_back(own);
		topic_listener.delivered = topic_listener.lost = 0;
	}
}
