/*
 * line.c
 *		The connection that listens.
 *
 * It waits in twin.receive() most of the time, a few seconds each, for a
 * statement that waits holds back the database's cleaning up.  A new order has another
 * session wake it, is carried out, and it waits again.  No command of it takes
 * part in a transaction, and no two are on their way at once.
 */
#include "gateway/feed/private.h"

#include "gateway/config/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char open_sql[] = "SELECT twin.open_listener()";
static const char subscribe_sql[] = "SELECT twin.subscribe($1::pg_catalog.text, $2::pg_catalog.text[])";
static const char unsubscribe_sql[] = "SELECT twin.unsubscribe($1::pg_catalog.int8)";
static const char wake_sql[] = "SELECT twin.wake_listener($1::pg_catalog.text)";
static const char receive_sql[] =
	"SELECT subscriptions, topic, payload, pg_catalog.to_char(published_at AT TIME ZONE 'UTC', "
	"'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), message_id, event FROM twin.receive('5 s'::pg_catalog.interval, 1000)";

static void go_on(Feed *feed);
static void hear(void *argument, int happened);

/* ---- the end, and the next beginning ---- */

static void
hang_up(Feed *feed)
{
	if (feed->watch != NULL)
		watch_remove(feed->watch);
	feed->watch = NULL;
	PQclear(feed->result);
	feed->result = NULL;
	PQfinish(feed->server);
	feed->server = NULL;
	free(feed->listener);
	feed->listener = NULL;
	if (feed->running != NULL)
		feed_free_order(feed->running);
	feed->running = NULL;
	feed->phase = LINE_DOWN;
}

static void
call_again(void *argument)
{
	Feed *feed = argument;

	feed->timer = NULL;
	if (feed->first != NULL)
		line_call(feed);
}

/* Orders of clients that are dismissed mean nothing any more. */
static void
lose(Feed *feed, const char *why)
{
	Order *order;

	log_event(LOG_ERROR, "feed_lost", "why", why, NULL);
	hang_up(feed);
	while ((order = feed_next_order(feed)) != NULL)
		feed_free_order(order);
	clients_dismiss(feed, SOCKET_RESTART, "come again");
	if (feed->timer == NULL)
		feed->timer = loop_after(feed->loop, db_rest(feed->tries++), call_again, feed);
}

/* ---- commands ---- */

static void
send(Feed *feed, LinePhase phase, const char *sql, int count, const char *const *values)
{
	feed->phase = phase;
	if (PQsendQueryParams(feed->server, sql, count, NULL, values, NULL, NULL, 0) != 1)
		lose(feed, PQerrorMessage(feed->server));
	else
		watch_want(feed->watch, PQflush(feed->server) > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

static void
send_order(Feed *feed, Order *order)
{
	Arena *arena = arena_new();
	const char *values[2];

	feed->running = order;
	if (order->is_subscription)
	{
		values[0] = order->client->token;
		values[1] = words_array(arena, (const char *const *) &order->topic, order->topic != NULL ? 1 : 0);
		send(feed, LINE_ORDERING, subscribe_sql, 2, values);
	}
	else
	{
		values[0] = arena_format(arena, "%lld", order->id);
		send(feed, LINE_ORDERING, unsubscribe_sql, 1, values);
	}
	arena_free(arena);
}

/* The next command: an order, else waiting for messages. */
static void
go_on(Feed *feed)
{
	Order *order;

	/* subscriptions of clients that have gone are not made */
	while ((order = feed_next_order(feed)) != NULL && order->is_subscription && order->client == NULL)
		feed_free_order(order);
	if (order != NULL)
		send_order(feed, order);
	else
		send(feed, LINE_RECEIVING, receive_sql, 0, NULL);
}

static void
take_result(Feed *feed)
{
	PGresult *result = feed->result;
	LinePhase phase = feed->phase;
	Order *order = feed->running;

	feed->result = NULL;
	feed->running = NULL;
	feed->phase = LINE_READY;
	if (phase == LINE_ORDERING)
		clients_take_answer(feed, order, result);
	else if (PQresultStatus(result) != PGRES_TUPLES_OK)
	{
		lose(feed, PQresultErrorMessage(result));
		PQclear(result);
		return;
	}
	else if (phase == LINE_OPENING)
	{
		feed->listener = feed_string(PQgetvalue(result, 0, 0));
		feed->tries = 0;
	}
	else
		clients_take_messages(feed, result);
	PQclear(result);
	if (feed->phase == LINE_READY)
		go_on(feed);
}

static void
hear(void *argument, int happened)
{
	Feed *feed = argument;
	PGresult *result;

	if (PQconsumeInput(feed->server) != 1 || PQflush(feed->server) < 0)
	{
		lose(feed, PQerrorMessage(feed->server));
		return;
	}
	while (!PQisBusy(feed->server))
	{
		result = PQgetResult(feed->server);
		if (result == NULL)
		{
			if (feed->result != NULL)
				take_result(feed);
			return;
		}
		PQclear(feed->result);
		feed->result = result;
	}
}

/* ---- the beginning ---- */

static void
dialled(void *argument, PGconn *made, const char *why)
{
	Feed *feed = argument;

	feed->dial = NULL;
	feed->server = made;
	if (made == NULL)
		lose(feed, why);
	else if ((feed->watch = loop_watch(feed->loop, PQsocket(made), LOOP_READ, hear, feed)) == NULL)
		lose(feed, "the connection cannot be watched");
	else
		send(feed, LINE_OPENING, open_sql, 0, NULL);
}

/* Nobody could wake it: that is not tried again at once. */
static void
rested(void *argument)
{
	Feed *feed = argument;

	feed->rest = NULL;
	if (feed->first != NULL)
		line_call(feed);
}

static void
woken(void *argument, const PoolAnswer *answer)
{
	Feed *feed = argument;

	feed->wake = NULL;
	free((char *) feed->wake_value);
	feed->wake_value = NULL;
	if (answer->outcome != POOL_DONE)
		feed->rest = loop_after(feed->loop, db_rest(0), rested, feed);
	/* what was ordered while it was on its way, and came too late for it */
	else if (feed->first != NULL)
		line_call(feed);
}

void
line_call(Feed *feed)
{
	if (feed->phase == LINE_DOWN && feed->timer == NULL)
	{
		feed->phase = LINE_DIALLING;
		feed->dial = dial_begin(feed->loop, feed->options.uri, dialled, feed);
	}
	else if (feed->phase == LINE_RECEIVING && feed->wake == NULL && feed->rest == NULL)
	{
		feed->wake_value = feed_string(feed->listener);
		feed->wake_statement =
			(PoolStatement){.sql = wake_sql, .prepare = true, .parameter_count = 1, .values = &feed->wake_value};
		feed->wake = pool_run(feed->pool, &(PoolRequest){.begin = "BEGIN",
														 .statements = &feed->wake_statement,
														 .count = 1,
														 .callback = woken,
														 .argument = feed});
	}
}

void
line_close(Feed *feed)
{
	if (feed->dial != NULL)
		dial_cancel(feed->dial);
	if (feed->timer != NULL)
		timer_cancel(feed->timer);
	if (feed->rest != NULL)
		timer_cancel(feed->rest);
	if (feed->wake != NULL)
		pool_cancel(feed->wake);
	free((char *) feed->wake_value);
	hang_up(feed);
}
