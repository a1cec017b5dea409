/*
 * dial.c
 *		Making a connection without waiting for it.
 *
 * libpq may change the socket between two polls, so each poll gets a watch of
 * its own.  Looking up a host's name is the one thing that blocks: a numeric
 * address, or a socket, avoids it.
 */
#include "gateway/db/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIAL_TIMEOUT 10000 /* milliseconds */

struct Dial
{
	Loop *loop;
	PGconn *connection;
	Watch *watch;
	Timer *timer;
	DialCallback callback;
	void *argument;
};

void *
db_alloc(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
	{
		(void) fputs("twin_gateway: out of memory\n", stderr);
		abort();
	}
	return memory;
}

int64_t
db_rest(int tries)
{
	return (int64_t) 1000 << (tries < 5 ? tries : 5);
}

static void
forget(Dial *dial)
{
	if (dial->watch != NULL)
		watch_remove(dial->watch);
	if (dial->timer != NULL)
		timer_cancel(dial->timer);
	free(dial);
}

static void
fail(Dial *dial, const char *why)
{
	DialCallback callback = dial->callback;
	void *argument = dial->argument;
	PGconn *connection = dial->connection;

	forget(dial);
	callback(argument, NULL, why);
	PQfinish(connection);
}

/* Notices are for people who type; what they say may be data. */
static void
ignore_notice(void *argument, const char *message)
{
}

static void poll_again(void *argument, int happened);

/* Does what libpq asks for next. */
static void
step(Dial *dial, PostgresPollingStatusType wanted)
{
	DialCallback callback = dial->callback;
	void *argument = dial->argument;
	PGconn *connection = dial->connection;

	if (dial->watch != NULL)
		watch_remove(dial->watch);
	dial->watch = NULL;
	switch (wanted)
	{
		case PGRES_POLLING_OK:
			if (PQsetnonblocking(connection, 1) != 0)
			{
				fail(dial, PQerrorMessage(connection));
				return;
			}
			forget(dial);
			callback(argument, connection, NULL);
			return;
		case PGRES_POLLING_READING:
		case PGRES_POLLING_WRITING:
			dial->watch = loop_watch(dial->loop, PQsocket(connection),
									 wanted == PGRES_POLLING_READING ? LOOP_READ : LOOP_WRITE, poll_again, dial);
			if (dial->watch == NULL)
				fail(dial, "the connection cannot be watched");
			return;
		default:
			fail(dial, PQerrorMessage(connection));
	}
}

static void
poll_again(void *argument, int happened)
{
	Dial *dial = argument;

	step(dial, PQconnectPoll(dial->connection));
}

static void
time_out(void *argument)
{
	Dial *dial = argument;

	dial->timer = NULL;
	fail(dial, "the database did not answer in time");
}

static void
begin(void *argument)
{
	Dial *dial = argument;

	dial->timer = NULL;
	if (PQstatus(dial->connection) == CONNECTION_BAD)
	{
		fail(dial, PQerrorMessage(dial->connection));
		return;
	}
	dial->timer = loop_after(dial->loop, DIAL_TIMEOUT, time_out, dial);
	step(dial, PGRES_POLLING_WRITING);
}

Dial *
dial_begin(Loop *loop, const char *uri, DialCallback callback, void *argument)
{
	/* the later ones win over what the URI says, but for the fallback */
	static const char *const names[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	const char *values[] = {uri, "twin_gateway", "UTF8", NULL};
	Dial *dial = db_alloc(sizeof(Dial));

	dial->loop = loop;
	dial->callback = callback;
	dial->argument = argument;
	dial->connection = PQconnectStartParams(names, values, 1);
	if (dial->connection == NULL)
		abort(); /* out of memory */
	(void) PQsetNoticeProcessor(dial->connection, ignore_notice, NULL);
	dial->timer = loop_after(loop, 0, begin, dial);
	return dial;
}

void
dial_cancel(Dial *dial)
{
	PQfinish(dial->connection);
	forget(dial);
}
