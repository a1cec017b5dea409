/*
 * listener.c
 *		The connection that hears of notifications: reload this, something changed.
 *
 * What was notified while it was away is lost, so whoever asks is told each
 * time it is there again.
 */
#include "gateway/db/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct Listener
{
	Loop *loop;
	const PoolOptions *options;
	Dial *dial;
	Timer *timer;
	PGconn *server;
	Watch *watch;
	bool is_listening;
	int tries;
};

static void dial(void *argument);

static void
hang_up(Listener *listener)
{
	if (listener->watch != NULL)
		watch_remove(listener->watch);
	listener->watch = NULL;
	PQfinish(listener->server);
	listener->server = NULL;
	listener->is_listening = false;
}

static void
try_later(Listener *listener)
{
	hang_up(listener);
	listener->timer = loop_after(listener->loop, db_rest(listener->tries++), dial, listener);
}

/* The answer to LISTEN; false when it was refused. */
static bool
take_answer(Listener *listener)
{
	PGresult *result;
	bool good = true;

	while (!PQisBusy(listener->server) && (result = PQgetResult(listener->server)) != NULL)
	{
		good = good && PQresultStatus(result) == PGRES_COMMAND_OK;
		PQclear(result);
	}
	if (good && !listener->is_listening && !PQisBusy(listener->server))
	{
		listener->is_listening = true;
		listener->tries = 0;
		listener->options->connected(listener->options->argument);
	}
	return good;
}

static void
hear(void *argument, int happened)
{
	Listener *listener = argument;
	PGnotify *news;

	if (PQconsumeInput(listener->server) != 1 || !take_answer(listener))
	{
		try_later(listener);
		return;
	}
	while ((news = PQnotifies(listener->server)) != NULL)
	{
		listener->options->notified(listener->options->argument, news->extra);
		PQfreemem(news);
	}
	watch_want(listener->watch, PQflush(listener->server) > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
}

/* LISTEN takes a name, not a parameter; libpq quotes it. */
static bool
send_listen(Listener *listener)
{
	char *name = PQescapeIdentifier(listener->server, listener->options->channel, strlen(listener->options->channel));
	char *command = NULL;
	bool sent;

	if (name == NULL || asprintf(&command, "LISTEN %s", name) < 0)
		command = NULL;
	sent = command != NULL && PQsendQuery(listener->server, command) == 1;
	PQfreemem(name);
	free(command);
	return sent;
}

static void
dialled(void *argument, PGconn *made, const char *why)
{
	Listener *listener = argument;

	listener->dial = NULL;
	listener->server = made;
	if (made == NULL ||
		(listener->watch = loop_watch(listener->loop, PQsocket(made), LOOP_READ | LOOP_WRITE, hear, listener)) ==
			NULL ||
		!send_listen(listener))
		try_later(listener);
}

static void
dial(void *argument)
{
	Listener *listener = argument;

	listener->timer = NULL;
	listener->dial = dial_begin(listener->loop, listener->options->uri, dialled, listener);
}

Listener *
listener_open(Loop *loop, const PoolOptions *options)
{
	Listener *listener = db_alloc(sizeof(Listener));

	listener->loop = loop;
	listener->options = options;
	dial(listener);
	return listener;
}

void
listener_close(Listener *listener)
{
	if (listener->dial != NULL)
		dial_cancel(listener->dial);
	if (listener->timer != NULL)
		timer_cancel(listener->timer);
	hang_up(listener);
	free(listener);
}
