/*
 * socket.c
 *		One WebSocket connection: wslay between a descriptor and whoever listens.
 *
 * wslay refuses frames without a mask, reserved bits, bad UTF-8 and messages
 * above the bound with the codes of RFC 6455.  Whatever ends the connection,
 * closed() is called from the loop and once.
 */
#include "gateway/feed/socket.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <wslay/wslay.h>

#define GOODBYE_TIMEOUT 5000 /* milliseconds */
#define REASON_MAX 120       /* bytes; a control frame holds 125, two of them the code */

struct Socket
{
	Loop *loop;
	int fd;
	Watch *watch;
	Timer *timer; /* the next ping, or the end of a goodbye */
	SocketLimits limits;
	SocketEvents events;
	void *argument;
	wslay_event_context_ptr frames;
	int unanswered;  /* pings */
	bool is_reading; /* wslay calls back: nothing is sent meanwhile */
	bool is_ending;
	bool is_dead; /* closed() is on its way */
};

/* ---- the end ---- */

static void
bury(void *argument)
{
	Socket *connection = argument;

	connection->events.closed(connection->argument);
	wslay_event_context_free(connection->frames);
	(void) close(connection->fd);
	free(connection);
}

static void
die(Socket *connection)
{
	if (connection->is_dead)
		return;
	connection->is_dead = true;
	watch_remove(connection->watch);
	if (connection->timer != NULL)
		timer_cancel(connection->timer);
	connection->timer = NULL;
	loop_soon(connection->loop, bury, connection);
}

static void
give_up(void *argument)
{
	Socket *connection = argument;

	connection->timer = NULL;
	die(connection);
}

/* ---- wslay's callbacks ---- */

static ssize_t
receive(wslay_event_context_ptr frames, uint8_t *data, size_t length, int flags, void *argument)
{
	Socket *connection = argument;
	ssize_t got;

	do
		got = recv(connection->fd, data, length, 0);
	while (got < 0 && errno == EINTR);
	if (got > 0)
		return got;
	wslay_event_set_error(frames, got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? WSLAY_ERR_WOULDBLOCK
																					   : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static ssize_t
transmit(wslay_event_context_ptr frames, const uint8_t *data, size_t length, int flags, void *argument)
{
	Socket *connection = argument;
	ssize_t sent;

	do
		sent = send(connection->fd, data, length, MSG_NOSIGNAL);
	while (sent < 0 && errno == EINTR);
	if (sent >= 0)
		return sent;
	wslay_event_set_error(frames, errno == EAGAIN || errno == EWOULDBLOCK ? WSLAY_ERR_WOULDBLOCK
																		  : WSLAY_ERR_CALLBACK_FAILURE);
	return -1;
}

static void
take_message(wslay_event_context_ptr frames, const struct wslay_event_on_msg_recv_arg *message, void *argument)
{
	Socket *connection = argument;

	connection->unanswered = 0;
	if (connection->is_ending || connection->is_dead)
		return;
	if (message->opcode == WSLAY_TEXT_FRAME)
		connection->events.text(connection->argument, (const char *) message->msg, message->msg_length);
	else if (message->opcode == WSLAY_BINARY_FRAME)
		socket_end(connection, SOCKET_UNSUPPORTED, "messages are text");
}

/* ---- the loop's ---- */

/* Sends what can be sent, and says what is waited for; ends the connection when nothing is left to do. */
static void
move_on(Socket *connection)
{
	int wanted = 0;

	if (connection->is_dead || connection->is_reading)
		return;
	if (wslay_event_want_write(connection->frames) && wslay_event_send(connection->frames) != 0)
	{
		die(connection);
		return;
	}
	if (wslay_event_want_read(connection->frames))
		wanted |= LOOP_READ;
	if (wslay_event_want_write(connection->frames))
		wanted |= LOOP_WRITE;
	if (wanted == 0)
		die(connection);
	else
		watch_want(connection->watch, wanted);
}

static void
serve(void *argument, int happened)
{
	Socket *connection = argument;
	bool failed = false;

	if ((happened & (LOOP_READ | LOOP_BROKEN)) != 0)
	{
		connection->is_reading = true;
		failed = wslay_event_recv(connection->frames) != 0;
		connection->is_reading = false;
	}
	if (failed)
		die(connection);
	else
		move_on(connection);
}

static void
ping(void *argument)
{
	static const struct wslay_event_msg message = {.opcode = WSLAY_PING};
	Socket *connection = argument;

	connection->timer = NULL;
	if (connection->unanswered >= 2)
	{
		die(connection);
		return;
	}
	connection->unanswered++;
	connection->timer = loop_after(connection->loop, connection->limits.ping_interval, ping, connection);
	if (wslay_event_queue_msg(connection->frames, &message) != 0)
		die(connection);
	else
		move_on(connection);
}

/* ---- what others call ---- */

void
socket_send(Socket *connection, const char *text, size_t length)
{
	const struct wslay_event_msg message = {
		.opcode = WSLAY_TEXT_FRAME, .msg = (const uint8_t *) text, .msg_length = length};

	if (connection->is_dead || connection->is_ending)
		return;
	if (wslay_event_get_queued_msg_length(connection->frames) + length > connection->limits.max_queue ||
		wslay_event_queue_msg(connection->frames, &message) != 0)
		die(connection);
	else
		move_on(connection);
}

void
socket_end(Socket *connection, int code, const char *reason)
{
	size_t length = strnlen(reason, REASON_MAX);

	if (connection->is_dead || connection->is_ending)
		return;
	connection->is_ending = true;
	if (connection->timer != NULL)
		timer_cancel(connection->timer);
	connection->timer = loop_after(connection->loop, GOODBYE_TIMEOUT, give_up, connection);
	if (wslay_event_queue_close(connection->frames, (uint16_t) code, (const uint8_t *) reason, length) != 0)
		die(connection);
	else
		move_on(connection);
}

Socket *
socket_open(Loop *loop, int fd, const SocketLimits *limits, const SocketEvents *events, void *argument)
{
	static const struct wslay_event_callbacks callbacks = {
		.recv_callback = receive, .send_callback = transmit, .on_msg_recv_callback = take_message};
	Socket *connection = calloc(1, sizeof(Socket));

	if (connection == NULL || wslay_event_context_server_init(&connection->frames, &callbacks, connection) != 0)
	{
		(void) fputs("twin_gateway: out of memory\n", stderr);
		abort();
	}
	connection->loop = loop;
	connection->fd = fd;
	connection->limits = *limits;
	connection->events = *events;
	connection->argument = argument;
	wslay_event_config_set_max_recv_msg_length(connection->frames, limits->max_message);
	connection->watch = loop_watch(loop, fd, LOOP_READ, serve, connection);
	if (connection->watch == NULL)
	{
		wslay_event_context_free(connection->frames);
		free(connection);
		(void) close(fd);
		return NULL;
	}
	connection->timer = loop_after(loop, limits->ping_interval, ping, connection);
	return connection;
}
