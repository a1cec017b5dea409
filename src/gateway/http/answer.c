/*
 * answer.c
 *		An answer on its way: asked of libmicrohttpd (writer.c), read from it, its
 *		head put right.
 */
#include "gateway/http/pair.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static void run(void *argument);

void
answers_call(Answers *answers)
{
	if (!answers->is_called)
		loop_soon(answers->server->loop, run, answers);
	answers->is_called = true;
}

static void
note_begun(Answers *answers, Connection *connection)
{
	if (answers->begun_count == answers->begun_size)
	{
		answers->begun_size = answers->begun_size > 0 ? answers->begun_size * 2 : 64;
		answers->begun = realloc(answers->begun, answers->begun_size * sizeof(Connection *));
		if (answers->begun == NULL)
			abort();
	}
	answers->begun[answers->begun_count++] = connection;
}

/* The request in whose name libmicrohttpd answers: all it needs to know of the client's. */
static const char *
stand_in(const Connection *connection)
{
	const bool is_head = connection->exchange->is_head;

	if (connection->is_last)
		return is_head ? "HEAD / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
					   : "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
	if (gate_head(connection->gate)->is_old)
		return is_head ? "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
					   : "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n";
	return is_head ? "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n" : "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
}

bool
answer_begin(Connection *connection)
{
	Answers *answers = connection->server->answers;
	Pair *pair = pair_take(answers, connection->exchange->head_size <= SMALL_HEAD_MAX ? SMALL : LARGE);
	const char *request = stand_in(connection);

	if (pair == NULL)
		return false;
	pair->connection = connection;
	pair->exchange = connection->exchange;
	pair->is_asked = pair->is_written = pair->is_drained = pair->is_named = false;
	pair->is_unclaimed = pair->exchange->answer_length != EXCHANGE_LENGTH_UNKNOWN;
	pair->stays = !connection->is_last;
	connection->pair = pair;
	if (send(pair->fd, request, strlen(request), MSG_NOSIGNAL) != (ssize_t) strlen(request))
	{
		connection->pair = NULL;
		pair->connection = NULL;
		pair->exchange = NULL;
		pair_close(pair);
		return false;
	}
	note_begun(answers, connection);
	answers_call(answers);
	return true;
}

/* Lets libmicrohttpd work, then carries on the connections whose answers began. */
static void
run(void *argument)
{
	Answers *answers = argument;
	MHD_UNSIGNED_LONG_LONG timeout;
	size_t count = answers->begun_count;

	if (answers->is_closed)
	{
		free(answers);
		return;
	}
	answers->is_called = false;
	for (Size size = SMALL; size <= LARGE; size++)
	{
		if (answers->pairs[size] > 0)
			(void) MHD_run(answers->daemons[size]);
	}
	for (size_t i = 0; i < count; i++)
	{
		Connection *connection = answers->begun[i];

		if (connection == NULL)
			continue;
		connection->pair->is_asked = true;
		door_pump(connection);
	}
	memmove(answers->begun, answers->begun + count, (answers->begun_count - count) * sizeof(Connection *));
	answers->begun_count -= count;
	for (Size size = SMALL; size <= LARGE; size++)
	{
		if (answers->pairs[size] > 0 && MHD_get_timeout(answers->daemons[size], &timeout) == MHD_YES && timeout == 0)
			answers_call(answers);
	}
}

/* A connection with an answer that began in this turn is carried on no more. */
static void
forget_begun(Answers *answers, const Connection *connection)
{
	for (size_t i = 0; i < answers->begun_count; i++)
	{
		if (answers->begun[i] == connection)
			answers->begun[i] = NULL;
	}
}

void
answer_end(Connection *connection, bool is_lost)
{
	Pair *pair = connection->pair;

	connection->pair = NULL;
	connection->exchange = NULL;
	pair->connection = NULL;
	if (pair->is_written || pair->theirs == NULL)
	{
		exchange_free(pair->exchange);
		pair->exchange = NULL;
	}
	if (!pair->is_written || is_lost)
		forget_begun(pair->answers, connection);
	if (!pair_keep(pair))
		pair_close(pair);
}

/* ---- reading what was written ---- */

static void
pair_readable(void *argument, int happened)
{
	Pair *pair = argument;

	(void) happened;
	door_pump(pair->connection);
}

/* Puts the exchange's own reason into the status line, "HTTP/1.1 200 OK\r\n", at the beginning of an answer. */
static ssize_t
name_reason(Pair *pair, char *data, ssize_t length, size_t size)
{
	const char *reason = pair->exchange->reason;
	size_t reason_length = reason != NULL ? strlen(reason) : 0;
	const char *end = memchr(data, '\r', (size_t) length);
	size_t rest;

	if (pair->is_named || reason == NULL)
		return length;
	pair->is_named = true;
	if (end == NULL || end - data < 13)
		return DOOR_ERROR;
	rest = (size_t) (data + length - end);
	if (13 + reason_length + rest > size)
		return DOOR_ERROR;
	memmove(data + 13 + reason_length, end, rest);
	memcpy(data + 13, reason, reason_length);
	return (ssize_t) (13 + reason_length + rest);
}

/*
 * Takes Content-Length out of the head of an answer whose length is not known.  Asked to send one without,
 * libmicrohttpd 0.9.75 sends HEAD the last chunk of a body.
 */
static ssize_t
unclaim_length(Pair *pair, char *data, ssize_t length)
{
	static const char claim[] = "Content-Length: 0\r\n";
	const size_t size = sizeof(claim) - 1;
	char *line = data;
	char *end = data + length;

	if (pair->is_unclaimed || length < 0)
		return length;
	pair->is_unclaimed = true;
	/* public: a header's line */
	while (line != NULL && ((size_t) (end - line) < size || memcmp(line, claim, size) != 0))
	{
		line = memchr(line, '\n', (size_t) (end - line));
		line = line != NULL ? line + 1 : NULL;
	}
	if (line == NULL)
		return DOOR_ERROR;
	memmove(line, line + size, (size_t) (end - line) - size);
	return length - (ssize_t) size;
}

ssize_t
answer_read(Connection *connection, char *data, size_t size)
{
	Pair *pair = connection->pair;
	bool is_written = pair->is_written;
	size_t reason;
	ssize_t count;

	if (!pair->is_asked)
		return DOOR_AGAIN;
	if (is_written && pair->is_drained)
		return 0;
	reason = pair->exchange->reason != NULL && !pair->is_named ? strlen(pair->exchange->reason) : 0;
	count = recv(pair->fd, data, size - reason, 0);
	pair->is_drained = is_written && count >= 0 && (size_t) count < size - reason;
	if (count > 0)
		return unclaim_length(pair, data, name_reason(pair, data, count, size));
	if (is_written)
		return 0;
	if (count == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR))
		return DOOR_ERROR;
	if (pair->watch == NULL)
		pair->watch = loop_watch(connection->server->loop, pair->fd, LOOP_READ, pair_readable, pair);
	return pair->watch != NULL ? DOOR_AGAIN : DOOR_ERROR;
}

void
answer_want(Connection *connection, bool wanted)
{
	if (connection->pair->watch != NULL)
		watch_want(connection->pair->watch, wanted ? LOOP_READ : 0);
}
