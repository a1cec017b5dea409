/*
 * feed.c
 *		Clients that come, and orders that wait for the database.
 */
#include "gateway/feed/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *
feed_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
	{
		(void) fputs("twin_gateway: out of memory\n", stderr);
		abort();
	}
	return memory;
}

char *
feed_string(const char *string)
{
	size_t length;
	char *copy;

	if (string == NULL)
		return NULL;
	length = strlen(string);
	copy = feed_alloc(length + 1);
	memcpy(copy, string, length);
	return copy;
}

/* ---- orders ---- */

void
feed_order(Feed *feed, Client *client, bool is_subscription, const char *topic, const char *ref, long long id)
{
	Order *order = feed_alloc(sizeof(Order));

	order->is_subscription = is_subscription;
	order->client = client;
	order->topic = feed_string(topic);
	order->ref = feed_string(ref);
	order->id = id;
	if (feed->last != NULL)
		feed->last->next = order;
	else
		feed->first = order;
	feed->last = order;
	line_call(feed);
}

Order *
feed_next_order(Feed *feed)
{
	Order *order = feed->first;

	if (order == NULL)
		return NULL;
	feed->first = order->next;
	if (feed->first == NULL)
		feed->last = NULL;
	order->next = NULL;
	return order;
}

void
feed_free_order(Order *order)
{
	free(order->topic);
	free(order->ref);
	free(order);
}

/* ---- what others call ---- */

Feed *
feed_open(Loop *loop, Pool *pool, const FeedOptions *options)
{
	Feed *feed = feed_alloc(sizeof(Feed));

	feed->loop = loop;
	feed->pool = pool;
	feed->options = *options;
	feed->options.uri = feed_string(options->uri);
	return feed;
}

bool
feed_has_room(const Feed *feed)
{
	return feed->client_count < feed->options.max_clients;
}

int
feed_clients(const Feed *feed)
{
	return feed->client_count;
}

void
feed_dismiss(Feed *feed)
{
	clients_dismiss(feed, SOCKET_GOING_AWAY, "the gateway stops");
}

void
feed_close(Feed *feed)
{
	Order *order;

	line_close(feed);
	while ((order = feed_next_order(feed)) != NULL)
		feed_free_order(order);
	free((char *) feed->options.uri);
	free(feed);
}
