/*
 * clients.c
 *		What clients say, what the database answers, and who gets which message.
 */
#include "gateway/feed/private.h"

#include "common/secret.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Columns of twin.receive() as line.c asks for them. */
enum
{
	RECEIVED_SUBSCRIPTIONS,
	RECEIVED_TOPIC,
	RECEIVED_PAYLOAD,
	RECEIVED_TIME,
	RECEIVED_ID,
	RECEIVED_EVENT
};

/* ---- subscriptions ---- */

static Subscription **
bucket_of(Feed *feed, long long id)
{
	return &feed->buckets[(unsigned long long) id % FEED_BUCKETS];
}

static Subscription *
find(Feed *feed, long long id)
{
	Subscription *entry = *bucket_of(feed, id);

	while (entry != NULL && entry->id != id)
		entry = entry->next;
	return entry;
}

static void
add(Feed *feed, Client *client, long long id, const char *topic)
{
	Subscription *entry = feed_alloc(sizeof(Subscription));
	Subscription **bucket = bucket_of(feed, id);

	entry->id = id;
	entry->client = client;
	entry->topic = feed_string(topic);
	entry->next = *bucket;
	*bucket = entry;
	entry->next_of_same = client->subscriptions;
	client->subscriptions = entry;
}

static void
drop(Feed *feed, Subscription *entry)
{
	Subscription **at = bucket_of(feed, entry->id);
	Subscription **of_same = &entry->client->subscriptions;

	while (*at != entry)
		at = &(*at)->next;
	*at = entry->next;
	while (*of_same != entry)
		of_same = &(*of_same)->next_of_same;
	*of_same = entry->next_of_same;
	if (entry->topic != NULL)
		entry->client->topic_count--;
	free(entry->topic);
	free(entry);
}

/* ---- saying ---- */

static void
say(Client *client, const char *text)
{
	if (client->socket != NULL)
		socket_send(client->socket, text, strlen(text));
}

static void
say_done(Client *client, const char *type, const char *topic, const char *ref)
{
	Arena *arena = arena_new();
	Words words = {.topics = &topic, .topic_count = 1, .ref = ref};

	say(client, words_done(arena, type, &words));
	arena_free(arena);
}

static void
say_refused(Client *client, const char *code, const char *message, const char *topic, const char *ref)
{
	Arena *arena = arena_new();

	say(client, words_refused(arena, code, message, topic, ref));
	arena_free(arena);
}

/* ---- what clients say ---- */

static Subscription *
find_topic(const Client *client, const char *topic)
{
	Subscription *entry = client->subscriptions;

	while (entry != NULL && (entry->topic == NULL || strcmp(entry->topic, topic) != 0))
		entry = entry->next_of_same;
	return entry;
}

static void
subscribe(Client *client, const char *topic, const char *ref)
{
	if (find_topic(client, topic) != NULL)
		say_done(client, "subscribed", topic, ref);
	else if (client->topic_count >= FEED_TOPICS_MAX)
		say_refused(client, "54000", "too many topics", topic, ref);
	else
	{
		client->topic_count++;
		feed_order(client->feed, client, true, topic, ref, 0);
	}
}

/* Subscriptions to a topic that were asked for and not made yet are not made. */
static void
take_back(Feed *feed, Client *client, const char *topic)
{
	Order **at = &feed->first;
	Order *kept = NULL;

	while (*at != NULL)
	{
		Order *order = *at;

		if (order->client == client && order->topic != NULL && strcmp(order->topic, topic) == 0)
		{
			*at = order->next;
			feed_free_order(order);
			client->topic_count--;
			continue;
		}
		kept = order;
		at = &order->next;
	}
	feed->last = kept;
	if (feed->running != NULL && feed->running->client == client && feed->running->topic != NULL &&
		strcmp(feed->running->topic, topic) == 0)
	{
		feed->running->client = NULL;
		client->topic_count--;
	}
}

static void
unsubscribe(Client *client, const char *topic, const char *ref)
{
	Subscription *entry = find_topic(client, topic);

	take_back(client->feed, client, topic);
	if (entry != NULL)
	{
		feed_order(client->feed, NULL, false, NULL, NULL, entry->id);
		drop(client->feed, entry);
	}
	say_done(client, "unsubscribed", topic, ref);
}

static void
take_text(void *argument, const char *text, size_t length)
{
	Client *client = argument;
	Arena *arena = arena_new();
	const char *why = NULL;
	Words words;

	if (!words_read(arena, text, length, &words, &why))
		say_refused(client, "22023", why, NULL, NULL);
	else
		for (int i = 0; i < words.topic_count; i++)
			if (words.kind == WORDS_SUBSCRIBE)
				subscribe(client, words.topics[i], words.ref);
			else
				unsubscribe(client, words.topics[i], words.ref);
	arena_free(arena);
}

static void
leave(void *argument)
{
	Client *client = argument;
	Feed *feed = client->feed;

	for (Order *order = feed->first; order != NULL; order = order->next)
		if (order->client == client)
			order->client = NULL;
	if (feed->running != NULL && feed->running->client == client)
		feed->running->client = NULL;
	while (client->subscriptions != NULL)
	{
		feed_order(feed, NULL, false, NULL, NULL, client->subscriptions->id);
		drop(feed, client->subscriptions);
	}
	if (client->previous != NULL)
		client->previous->next = client->next;
	else
		feed->clients = client->next;
	if (client->next != NULL)
		client->next->previous = client->previous;
	feed->client_count--;
	secret_wipe(client->token, strlen(client->token));
	free(client->token);
	free(client->welcome);
	free(client);
}

void
feed_join(Feed *feed, int fd, const char *token, const char *welcome)
{
	static const SocketEvents events = {take_text, leave};
	Client *client;

	if (fd < 0)
		return;
	if (!feed_has_room(feed))
	{
		/* there was some when its handshake began */
		(void) close(fd);
		return;
	}
	client = feed_alloc(sizeof(Client));
	client->feed = feed;
	client->token = feed_string(token);
	client->welcome = feed_string(welcome);
	client->next = feed->clients;
	if (client->next != NULL)
		client->next->previous = client;
	feed->clients = client;
	feed->client_count++;
	client->socket = socket_open(feed->loop, fd, &feed->options.limits, &events, client);
	if (client->socket == NULL)
		leave(client);
	else
		feed_order(feed, client, true, NULL, NULL, 0);
}

/* ---- what the database says ---- */

static const char *
field_or(const PGresult *result, int field, const char *otherwise)
{
	const char *value = PQresultErrorField(result, field);

	return value != NULL ? value : otherwise;
}

/* A subscription that was asked for; without topic it is the client's session. */
static void
take_subscription(Feed *feed, Order *order, const PGresult *result)
{
	Client *client = order->client;
	bool good = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1;
	long long id = good ? strtoll(PQgetvalue(result, 0, 0), NULL, 10) : 0;

	if (client == NULL)
	{
		if (good)
			feed_order(feed, NULL, false, NULL, NULL, id);
		return;
	}
	if (good)
		add(feed, client, id, order->topic);
	if (order->topic == NULL)
	{
		if (good)
			say(client, client->welcome);
		else
			socket_end(client->socket, SOCKET_POLICY, "the token is not accepted");
	}
	else if (good)
		say_done(client, "subscribed", order->topic, order->ref);
	else
	{
		client->topic_count--;
		say_refused(client, field_or(result, PG_DIAG_SQLSTATE, "XX000"),
					field_or(result, PG_DIAG_MESSAGE_PRIMARY, "the database did not answer"), order->topic,
					order->ref);
	}
}

void
clients_take_answer(Feed *feed, Order *order, const PGresult *result)
{
	if (order->is_subscription)
		take_subscription(feed, order, result);
	feed_free_order(order);
}

static const char *
value_of(const PGresult *result, int row, int column)
{
	return PQgetisnull(result, row, column) ? "null" : PQgetvalue(result, row, column);
}

/* A subscription that ended by itself: the token, or what it permits, is no longer what it was. */
static void
take_closed(Feed *feed, Subscription *entry, const char *payload)
{
	Client *client = entry->client;
	bool is_session = entry->topic == NULL;
	Arena *arena = arena_new();

	if (!is_session)
		say(client, arena_format(arena, "{\"type\":\"closed\",\"topic\":%s,\"details\":%s}",
								 words_quoted(arena, entry->topic), payload));
	drop(feed, entry);
	if (is_session)
		socket_end(client->socket, SOCKET_POLICY, "the token holds no longer");
	arena_free(arena);
}

/* Calls for each number of an array's text: {1,2,3}. */
static void
each_subscription(Feed *feed, const char *list, const PGresult *result, int row, const char *text)
{
	const char *event = value_of(result, row, RECEIVED_EVENT);
	long long message = strtoll(value_of(result, row, RECEIVED_ID), NULL, 10);
	const char *at = list + (*list == '{');

	while (*at >= '0' && *at <= '9')
	{
		char *end;
		Subscription *entry = find(feed, strtoll(at, &end, 10));

		at = *end == ',' ? end + 1 : end;
		if (entry == NULL)
			continue;
		if (strcmp(event, "closed") == 0)
			take_closed(feed, entry, value_of(result, row, RECEIVED_PAYLOAD));
		else if (entry->client->last_message != message)
		{
			/* a topic and a pattern may both have found it */
			entry->client->last_message = message;
			say(entry->client, text);
		}
	}
}

void
clients_take_messages(Feed *feed, const PGresult *result)
{
	for (int row = 0; row < PQntuples(result); row++)
	{
		Arena *arena = arena_new();
		const char *text;

		if (strcmp(value_of(result, row, RECEIVED_EVENT), "lost") == 0)
		{
			text = arena_format(arena, "{\"type\":\"lost\",\"details\":%s}", value_of(result, row, RECEIVED_PAYLOAD));
			for (Client *client = feed->clients; client != NULL; client = client->next)
				say(client, text);
		}
		else
		{
			text = arena_format(
				arena, "{\"type\":\"message\",\"topic\":%s,\"payload\":%s,\"published_at\":%s,\"id\":%s}",
				words_quoted(arena, value_of(result, row, RECEIVED_TOPIC)), value_of(result, row, RECEIVED_PAYLOAD),
				words_quoted(arena, value_of(result, row, RECEIVED_TIME)), value_of(result, row, RECEIVED_ID));
			each_subscription(feed, value_of(result, row, RECEIVED_SUBSCRIPTIONS), result, row, text);
		}
		arena_free(arena);
	}
}

void
clients_dismiss(Feed *feed, int code, const char *reason)
{
	for (Client *client = feed->clients; client != NULL; client = client->next)
	{
		while (client->subscriptions != NULL)
			drop(feed, client->subscriptions);
		socket_end(client->socket, code, reason);
	}
}
