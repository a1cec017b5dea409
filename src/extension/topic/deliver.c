/*
 * deliver.c
 *		Rows of receive(): who gets a message, who is no longer subscribed, what was
 *		lost.
 *
 * Before a message is handed over, news is listened for that was sent before it
 * was published, and whoever is to get it is judged again if there was any: so
 * nothing follows a revocation, an expiry or a permission that was taken away.
 */
#include "topic/private.h"

#include "identity/identity.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define VERDICTS_MAX 16 /* roles remembered for one message; they are few */

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
put_row(TopicAnswer *answer, Datum *values, bool *nulls, const char *event)
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

void
topic_put_lost(TopicAnswer *answer, uint64 lost)
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

void
topic_put_closed(TopicAnswer *answer)
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
	if (message->is_of_all && subscription->has_tenant)
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
put_message(TopicAnswer *answer, const TopicMessage *message, uint64 number, Datum *ids, int count,
			const char *payload)
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

/* Has a changed row read as a subscriber. */
static char *
read_as_subscriber(const TopicReader *reader, const TopicMessage *message)
{
	char *payload;

	topic_listener.is_held = true;
	PG_TRY();
	{
		payload = topic_reread(reader, pnstrdup((const char *) message->payload.data, message->payload.length));
	}
	PG_FINALLY();
	{
		topic_listener.is_held = false;
	}
	PG_END_TRY();
	return payload;
}

/* Tells a subscriber of a table's change what he may see of it. */
static void
put_change(TopicAnswer *answer, const TopicMessage *message, uint64 number, Subscription *subscription)
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
	payload = read_as_subscriber(&reader, message);
	if (payload != NULL)
		put_message(answer, message, number, &id, 1, payload);
}

void
topic_hand_over(TopicAnswer *answer, const TopicMessage *message, uint64 number)
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
