/*
 * writer.c
 *		libmicrohttpd, which writes answers, and the socket pairs that lead to it.
 *
 * It runs in the program's only thread on connections that are socket pairs.
 * What it reads there is a request of a few fixed words that the door wrote
 * itself, so of what strangers send nothing reaches it; what it writes is the
 * answer.  A pair serves one answer after the other, whosever they are, and as
 * many exist as answers are on their way.
 */
#include "gateway/http/pair.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/*
 * libmicrohttpd clears all of a connection's memory after each answer, so most answers use little of it; those with large
 * heads, which may have two headers that carry a target (Location, Content-Location), have pairs of their own.
 */
#define SMALL_MEMORY 8192
#define LARGE_HEAD_REST 12288  /* beside the targets */
#define LARGE_MEMORY_REST 8192 /* what libmicrohttpd keeps beside the headers of an answer */

static void
free_when_closed(Pair *pair)
{
	if (pair->fd >= 0 || pair->theirs != NULL)
		return;
	pair->answers->pairs[pair->size]--;
	free(pair);
}

void
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
	answers_call(argument);
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
Pair *
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

bool
pair_keep(Pair *pair)
{
	Answers *answers = pair->answers;

	if (pair->size != SMALL || !pair->is_written || !pair->stays || pair->theirs == NULL ||
		answers->spare_count >= SPARE_PAIRS_MAX)
		return false;
	if (pair->watch != NULL)
		watch_remove(pair->watch);
	pair->watch = NULL;
	pair->next = answers->spare;
	answers->spare = pair;
	answers->spare_count++;
	return true;
}
