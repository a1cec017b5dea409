/*
 * answer.c
 *		libmicrohttpd, asked to write answers.
 *
 * It runs in the program's only thread on connections that are socket pairs.
 * What it reads there is a request of a few fixed words that the door wrote
 * itself, so of what strangers send nothing reaches it; what it writes is the
 * answer.  A pair serves one answer after the other, whosever they are, and as
 * many exist as answers are on their way.
 */
#include "gateway/http/door.h"

#include <errno.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define SPARE_PAIRS_MAX 64
/*
 * libmicrohttpd clears all of a connection's memory after each answer, so most answers use little of it; those with large
 * heads, which may have two headers that carry a target (Location, Content-Location), have pairs of their own.
 */
#define SMALL_MEMORY 8192
#define SMALL_HEAD_MAX 4096
#define LARGE_HEAD_REST 12288  /* beside the targets */
#define LARGE_MEMORY_REST 8192 /* what libmicrohttpd keeps beside the headers of an answer */

typedef enum Size
{
	SMALL,
	LARGE
} Size;

struct Pair
{
	Pair *next;
	Answers *answers;
	Size size;
	int fd;                        /* our end; -1 when closed */
	struct MHD_Connection *theirs; /* NULL when closed */
	Connection *connection;        /* NULL when it has gone, or the pair is spare */
	Exchange *exchange;            /* being answered */
	Watch *watch;                  /* for answers that do not fit a socket's buffer */
	bool is_asked;                 /* libmicrohttpd has had its turn */
	bool is_written;               /* libmicrohttpd has written all of it */
	bool is_drained;               /* nothing was left when it was read last */
	bool is_named;                 /* the status line has its own reason already */
	bool is_unclaimed;             /* the head says nothing about a length that is not known any more */
	bool stays;                    /* may serve again */
};

struct Answers
{
	Server *server;
	struct MHD_Daemon *daemons[2];
	Watch *watches[2];
	int pairs[2]; /* that exist */
	Pair *adding; /* while MHD_add_connection() is called */
	Pair *spare;
	int spare_count;
	Connection **begun; /* in this turn of the loop */
	size_t begun_count;
	size_t begun_size;
	size_t max_head;
	bool is_called; /* run() is put off until the end of the turn */
	bool is_closed;
};

static void run(void *argument);

/* Puts libmicrohttpd's work off until every socket of this turn was looked at, so it is called once for all. */
static void
call(Answers *answers)
{
	if (!answers->is_called)
		loop_soon(answers->server->loop, run, answers);
	answers->is_called = true;
}

static void
free_when_closed(Pair *pair)
{
	if (pair->fd >= 0 || pair->theirs != NULL)
		return;
	pair->answers->pairs[pair->size]--;
	free(pair);
}

/* Closes our end; libmicrohttpd closes its own when it sees that. */
static void
pair_close(Pair *pair)
{
	if (pair->watch != NULL)
		watch_remove(pair->watch);
	pair->watch = NULL;
	if (pair->fd >= 0)
		(void) close(pair->fd);
	pair->fd = -1;
	free_when_closed(pair);
}

/* libmicrohttpd took or closed a connection. */
static void
connection_changed(void *argument, struct MHD_Connection *theirs, void **context,
				   enum MHD_ConnectionNotificationCode code)
{
	Answers *answers = argument;
	Pair *pair;

	if (code == MHD_CONNECTION_NOTIFY_STARTED)
	{
		*context = answers->adding;
		answers->adding->theirs = theirs;
		return;
	}
	pair = *context;
	pair->theirs = NULL;
	pair->stays = false;
	if (pair->connection == NULL)
	{
		exchange_free(pair->exchange);
		pair->exchange = NULL;
	}
	free_when_closed(pair);
}

static Pair *
pair_of(struct MHD_Connection *theirs)
{
	const union MHD_ConnectionInfo *info = MHD_get_connection_info(theirs, MHD_CONNECTION_INFO_SOCKET_CONTEXT);

	return info->socket_context;
}

static void
request_completed(void *argument, struct MHD_Connection *theirs, void **context, enum MHD_RequestTerminationCode code)
{
	Pair *pair = pair_of(theirs);

	(void) argument;
	(void) context;
	pair->is_written = true;
	if (code != MHD_REQUEST_TERMINATED_COMPLETED_OK)
		pair->stays = false;
	if (pair->connection == NULL)
	{
		exchange_free(pair->exchange);
		pair->exchange = NULL;
	}
}

/* HEAD of an answer whose length is known and whose body nobody made is never read. */
static ssize_t
no_body(void *argument, uint64_t position, char *buffer, size_t size)
{
	(void) argument;
	(void) position;
	(void) buffer;
	(void) size;
	return MHD_CONTENT_READER_END_WITH_ERROR;
}

static enum MHD_Result
write_answer(void *argument, struct MHD_Connection *theirs, const char *url, const char *method, const char *version,
			 const char *upload, size_t *upload_length, void **context)
{
	static char seen;
	const Exchange *exchange = pair_of(theirs)->exchange;
	size_t length = exchange->answer_length != EXCHANGE_LENGTH_UNKNOWN ? exchange->answer_length : 0;
	struct MHD_Response *response;
	enum MHD_Result result;

	(void) argument;
	(void) url;
	(void) method;
	(void) version;
	(void) upload;
	(void) upload_length;
	if (*context == NULL)
	{
		/* an answer at the first call would end the connection */
		*context = &seen;
		return MHD_YES;
	}
	if (exchange->answer == NULL && length > 0)
		response = MHD_create_response_from_callback(length, 1, no_body, NULL, NULL);
	else
		response =
			MHD_create_response_from_buffer(length, (void *) (uintptr_t) exchange->answer, MHD_RESPMEM_PERSISTENT);
	if (response == NULL)
		return MHD_NO;
	for (int i = 0; i < exchange->header_count; i++)
	{
		if (exchange->headers[i].name != NULL)
			(void) MHD_add_response_header(response, exchange->headers[i].name, exchange->headers[i].value);
	}
	result = MHD_queue_response(theirs, (unsigned) exchange->status, response);
	MHD_destroy_response(response);
	return result;
}

static void
readable(void *argument, int happened)
{
	(void) happened;
	call(argument);
}

static bool
start(Answers *answers, Size size)
{
	const union MHD_DaemonInfo *info;

	answers->daemons[size] =
		MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET, 0, NULL, NULL, write_answer, answers,
						 MHD_OPTION_CONNECTION_MEMORY_LIMIT,
						 size == SMALL ? (size_t) SMALL_MEMORY : answers->max_head + LARGE_MEMORY_REST,
						 MHD_OPTION_NOTIFY_CONNECTION, connection_changed, answers, MHD_OPTION_NOTIFY_COMPLETED,
						 request_completed, answers, MHD_OPTION_CONNECTION_LIMIT, 1000000u, MHD_OPTION_END);
	if (answers->daemons[size] == NULL)
		return false;
	info = MHD_get_daemon_info(answers->daemons[size], MHD_DAEMON_INFO_EPOLL_FD);
	if (info != NULL)
		answers->watches[size] = loop_watch(answers->server->loop, info->epoll_fd, LOOP_READ, readable, answers);
	return answers->watches[size] != NULL;
}

Answers *
answers_open(Server *server, const char **why)
{
	Answers *answers = calloc(1, sizeof(Answers));

	*why = "libmicrohttpd cannot be started";
	if (answers == NULL)
		return NULL;
	answers->server = server;
	answers->max_head = 2 * server->options.max_target + LARGE_HEAD_REST;
	if (start(answers, SMALL) && start(answers, LARGE))
		return answers;
	answers_close(answers);
	return NULL;
}

size_t
answers_max_head(const Answers *answers)
{
	return answers->max_head;
}

/* Every connection has ended before; what libmicrohttpd has left are spare pairs and those given up. */
void
answers_close(Answers *answers)
{
	if (answers == NULL)
		return;
	for (Size size = SMALL; size <= LARGE; size++)
	{
		if (answers->watches[size] != NULL)
			watch_remove(answers->watches[size]);
		if (answers->daemons[size] != NULL)
			MHD_stop_daemon(answers->daemons[size]);
	}
	while (answers->spare != NULL)
	{
		Pair *pair = answers->spare;

		answers->spare = pair->next;
		pair_close(pair);
	}
	free(answers->begun);
	if (answers->is_called)
		answers->is_closed = true; /* run() frees it */
	else
		free(answers);
}

/* ---- pairs ---- */

static Pair *
pair_new(Answers *answers, Size size)
{
	static const struct sockaddr nobody = {.sa_family = AF_UNIX};
	int ends[2];
	Pair *pair;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
		return NULL;
	pair = calloc(1, sizeof(Pair));
	if (pair == NULL)
	{
		(void) close(ends[0]);
		(void) close(ends[1]);
		return NULL;
	}
	pair->answers = answers;
	pair->size = size;
	answers->pairs[size]++;
	pair->fd = ends[0];
	answers->adding = pair;
	/* it closes its end itself when it fails */
	if (MHD_add_connection(answers->daemons[size], ends[1], &nobody, sizeof(nobody)) != MHD_YES)
	{
		pair_close(pair);
		return NULL;
	}
	return pair;
}

/* The spare pair used last, whose memory is warm, or a new one. */
static Pair *
pair_take(Answers *answers, Size size)
{
	while (size == SMALL && answers->spare != NULL)
	{
		Pair *pair = answers->spare;

		answers->spare = pair->next;
		answers->spare_count--;
		if (pair->theirs != NULL)
			return pair;
		pair_close(pair);
	}
	return pair_new(answers, size);
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
	call(answers);
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
			call(answers);
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
	Answers *answers = pair->answers;

	connection->pair = NULL;
	connection->exchange = NULL;
	pair->connection = NULL;
	if (pair->is_written || pair->theirs == NULL)
	{
		exchange_free(pair->exchange);
		pair->exchange = NULL;
	}
	if (!pair->is_written || is_lost)
		forget_begun(answers, connection);
	if (pair->size == SMALL && pair->is_written && pair->stays && pair->theirs != NULL &&
		answers->spare_count < SPARE_PAIRS_MAX)
	{
		if (pair->watch != NULL)
			watch_remove(pair->watch);
		pair->watch = NULL;
		pair->next = answers->spare;
		answers->spare = pair;
		answers->spare_count++;
		return;
	}
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
