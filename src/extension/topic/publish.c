/*
 * publish.c
 *		twin.publish(): messages are collected in the transaction and delivered
 *		when it commits.
 *
 * All that may fail happens in publish(): the message is judged, encoded and
 * kept in the transaction's memory, and the ring is claimed.  After the commit
 * they are only copied, all of a transaction together.  Messages of a
 * subtransaction are those behind its first, since numbers of subtransactions
 * grow: rolled back, they are cut off the end.
 */
#include "topic/private.h"

#include "event/event.h"
#include "identity/identity.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_publish);

/* Messages of one transaction; the ring bounds their bytes. */
#define MESSAGES_MAX 100000
#define ROOM_LEFT 8192 /* by changes, so that it can be said that there were more */

typedef struct Pending
{
	SubTransactionId within;
	uint32 offset;
	uint32 length;
} Pending;

/* What this transaction published; in its memory. */
static struct
{
	TopicRing *ring;
	Pending *messages;
	int count;
	int room;
	uint8 *bytes;
	Size used; /* of bytes */
	Size size; /* of its memory */
	Size in_feed;
} pending;

/* ---- who may ---- */

static TSEC_NORETURN void
refuse(const char *topic, const char *detail)
{
	event_emit(&(SecurityEvent){.type = "permission_denied",
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = "publish",
								.resource = topic,
								.is_anybodys = true});
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
					errmsg("permission denied to publish to topic \"%s\"", topic), errdetail_internal("%s", detail)));
}

/* Whether an administrator of the database asks, and no user of the twin. */
static bool
is_administrator(void)
{
	Oid admin = get_role_oid("twin_admin", true);

	return superuser() || (OidIsValid(admin) && has_privs_of_role(GetUserId(), admin));
}

/*
 * Whether a function that belongs to somebody else publishes: that is its
 * owner's deed.  Who is a user of the twin is bound by his permissions in his
 * functions too, or would make one and call it in another role.
 */
static bool
in_anothers_name(void)
{
	return identity_in_anothers_name() && (is_administrator() || identity_role_of(GetUserId()) == NULL);
}

/* Raises unless whoever is asking may publish to a topic in his own name. */
static void
check_publisher(const Identity *identity, const TopicRule *rule, const char *topic)
{
	const char *role;

	if (in_anothers_name())
		return;
	if (identity != NULL)
		role = identity->role;
	else if (identity_is_token_only())
		refuse(topic, "This login is token-only, and nobody is authenticated.");
	else if (is_administrator() || (role = identity_role_of(GetUserId())) == NULL)
		return; /* or an application's own role, to which it was granted */
	if (rule->publish[0] == '\0')
		refuse(topic, "No user may publish to it, only functions of the database.");
	if (role == NULL || !identity_role_permits(role, rule->publish))
		refuse(topic, "The role does not hold the permission that the topic needs.");
}

/* Whose message it is: his who is asking; who has no tenant, or acts for an owner, names one. */
static void
take_tenant(FunctionCallInfo fcinfo, const Identity *identity, const char *topic, TopicMessage *message)
{
	bool has_own = identity != NULL && identity->has_tenant;
	bool is_named = !PG_ARGISNULL(2);

	if (is_named && has_own && PG_GETARG_INT64(2) != identity->tenant_id && !in_anothers_name())
		refuse(topic, "The authenticated user belongs to another tenant.");
	message->has_tenant = has_own || is_named;
	if (is_named)
		message->tenant = PG_GETARG_INT64(2);
	else if (has_own)
		message->tenant = identity->tenant_id;
}

/* ---- collecting ---- */

/* Begins to collect; memory of the transaction goes with it. */
static void
begin(void)
{
	TopicRing *ring = topic_ring_require();

	if (pending.ring != NULL)
		return;
	pending.count = pending.room = 0;
	pending.messages = NULL;
	pending.bytes = NULL;
	pending.used = pending.size = pending.in_feed = 0;
	pending.ring = ring;
}

/* Makes room for one more message. */
static void
make_room(Size length)
{
	if (pending.count == pending.room)
	{
		int room = Max(16, pending.room * 2);
		Size size = room * sizeof(Pending);

		pending.messages = pending.messages == NULL ? MemoryContextAlloc(TopTransactionContext, size)
													: repalloc(pending.messages, size);
		pending.room = room;
	}
	if (pending.used + length > pending.size)
	{
		Size size = Max(pending.size * 2, Max((Size) 1024, pending.used + length));

		pending.bytes = pending.bytes == NULL ? MemoryContextAllocHuge(TopTransactionContext, size)
											  : repalloc_huge(pending.bytes, size);
		pending.size = size;
	}
}

/* Bytes of the ring that one transaction may fill. */
static Size
most_bytes(void)
{
	return topic_ring_feed(pending.ring).size / 2;
}

/* Adds a message to those of the transaction, which leave so many bytes free; false when there are too many. */
static bool
collect(const TopicMessage *message, Size left)
{
	Size length = topic_message_size(message);

	if (pending.count >= MESSAGES_MAX || pending.in_feed + feed_room(length) + left > most_bytes())
		return false;
	make_room(length);
	topic_message_encode(message, pending.bytes + pending.used);
	pending.messages[pending.count++] =
		(Pending){GetCurrentSubTransactionId(), (uint32) pending.used, (uint32) length};
	pending.used += length;
	pending.in_feed += feed_room(length);
	return true;
}

/* The payload as text, bounded. */
static char *
payload_text(Jsonb *value)
{
	char *payload = NULL;
	size_t length;

	/* text is never that much shorter than the stored form, so what is far too long is not even written out */
	if (VARSIZE(value) > 16 * TOPIC_PAYLOAD_MAX)
		length = TOPIC_PAYLOAD_MAX + 1;
	else
	{
		payload = JsonbToCString(NULL, &value->root, VARSIZE(value));
		length = strlen(payload);
	}
	if (length > TOPIC_PAYLOAD_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the payload of a message is too long"),
						errdetail("As text it may have %d bytes.", TOPIC_PAYLOAD_MAX),
						errhint("Publish what changed and where it can be read, and not the data itself.")));
	/* whoever receives it reads it by recursion */
	if (topic_json_depth(bytes_of(payload, length)) > TOPIC_DEPTH_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the payload of a message is nested too deeply"),
				 errdetail("Arrays and objects may lie %d deep within one another.", TOPIC_DEPTH_MAX)));
	return payload;
}

/* publish(topic text, payload jsonb, tenant_id bigint) */
Datum
tsec_publish(PG_FUNCTION_ARGS)
{
	TopicMessage message = {0};
	const Identity *identity;
	TopicRule rule;
	char *topic;
	char *payload;

	PreventCommandDuringRecovery("twin.publish()");
	PreventCommandIfReadOnly("twin.publish()");
	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a message has a topic and a payload"),
						errhint("An empty payload is 'null'::jsonb.")));
	topic = topic_name_argument(PG_GETARG_TEXT_PP(0), false);
	begin();
	if (!topic_rule_find(topic, &rule))
		topic_throw_unknown(topic);
	identity = identity_current();
	check_publisher(identity, &rule, topic);
	take_tenant(fcinfo, identity, topic, &message);
	payload = payload_text(PG_GETARG_JSONB_P(1));
	message.is_bound = rule.is_bound;
	message.topic = bytes_of(topic, strlen(topic));
	message.payload = bytes_of(payload, strlen(payload));
	if (!collect(&message, 0))
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the transaction publishes too much"),
						errdetail("It may publish %d messages, in %zu kB of shared memory.", MESSAGES_MAX,
								  most_bytes() / 1024),
						errhint("Publish one message for many rows, or raise twin_security.topic_ring_size.")));
	pfree(payload);
	pfree(topic);
	PG_RETURN_VOID();
}

static bool
same(Bytes one, Bytes other)
{
	/* public: names of topics, and what changed */
	return one.length == other.length && memcmp(one.data, other.data, one.length) == 0;
}

/* Whether the transaction's last message is the same. */
static bool
repeats(const TopicMessage *message)
{
	const Pending *last = pending.count > 0 ? &pending.messages[pending.count - 1] : NULL;
	TopicMessage said;

	return last != NULL && last->within == GetCurrentSubTransactionId() &&
		   topic_message_decode(bytes_of(pending.bytes + last->offset, last->length), &said) && said.is_change &&
		   same(said.topic, message->topic) && same(said.payload, message->payload);
}

bool
topic_publish_change(const char *topic, const char *payload, bool for_lack_of_room)
{
	TopicMessage message = {
		.is_change = true, .topic = bytes_of(topic, strlen(topic)), .payload = bytes_of(payload, strlen(payload))};

	if (!base_is_preloaded() || RecoveryInProgress() || message.topic.length > TOPIC_NAME_MAX ||
		!topic_name_valid(message.topic) || message.payload.length > TOPIC_PAYLOAD_MAX)
		return false;
	begin();
	if (for_lack_of_room)
		return repeats(&message) || collect(&message, 0);
	return collect(&message, ROOM_LEFT);
}

bool
topic_publish_news(const char *topic, const char *payload)
{
	TopicMessage message = {
		.is_of_all = true, .topic = bytes_of(topic, strlen(topic)), .payload = bytes_of(payload, strlen(payload))};

	/* whoever listens has claimed the ring */
	if (!base_is_preloaded() || RecoveryInProgress() || topic_ring_find() == NULL)
		return false;
	begin();
	return collect(&message, ROOM_LEFT);
}

/* ---- the end of the transaction ---- */

/* Copies all into the ring; nothing here can fail. */
static void
deliver(void)
{
	Feed feed = topic_ring_feed(pending.ring);
	TimestampTz now = GetCurrentTransactionStopTimestamp();

	for (int i = 0; i < pending.count; i++)
		topic_message_stamp(pending.bytes + pending.messages[i].offset, now);
	LWLockAcquire(&pending.ring->lock, LW_EXCLUSIVE);
	for (int i = 0; i < pending.count; i++)
		(void) feed_append(feed, bytes_of(pending.bytes + pending.messages[i].offset, pending.messages[i].length));
	feed_publish(feed);
	LWLockRelease(&pending.ring->lock);
	pg_atomic_fetch_add_u64(&pending.ring->published, pending.count);
	topic_ring_wake(pending.ring);
}

void
topic_publish_end(XactEvent event)
{
	if (likely(pending.ring == NULL))
		return;
	if (event == XACT_EVENT_PRE_PREPARE && pending.count > 0)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("cannot PREPARE a transaction that has published messages"),
						errhint("Publish when it is known that the transaction commits.")));
	if (event == XACT_EVENT_COMMIT && pending.count > 0)
		deliver();
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		pending.ring = NULL;
}

void
topic_publish_end_sub(SubXactEvent event, SubTransactionId own)
{
	if (likely(pending.ring == NULL) || event != SUBXACT_EVENT_ABORT_SUB)
		return;
	while (pending.count > 0 && pending.messages[pending.count - 1].within >= own)
	{
		const Pending *last = &pending.messages[--pending.count];

		pending.used = last->offset;
		pending.in_feed -= feed_room(last->length);
	}
}
