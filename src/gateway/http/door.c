/*
 * door.c
 *		One client: its bytes through the gate, its request to the handler, the
 *		answer back to it.
 *
 * Each state has one function that does what can be done now and says whether
 * to go on, to wait, or that the connection is no more.  A connection is freed
 * in door_lose() and nowhere else.
 */
#include "gateway/http/door.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

/* After a refusal: milliseconds for the client to read it, and what it may send meanwhile, as sockets on both sides hold. */
#define LINGER_TIME 2000
#define LINGER_BYTES ((size_t) 12 << 20)

typedef enum Step
{
	STEP_ON,
	STEP_WAIT,
	STEP_GONE /* freed */
} Step;

/* ---- deadlines ---- */

static void
deadline_passed(void *argument)
{
	Connection *connection = argument;
	int64_t now = loop_now(connection->server->loop);

	connection->timer = NULL;
	if (connection->deadline == 0)
		return;
	if (now < connection->deadline)
	{
		connection->timer =
			loop_after(connection->server->loop, connection->deadline - now, deadline_passed, connection);
		connection->timer_due = connection->deadline;
	}
	else if (connection->state == STATE_READING && connection->began)
	{
		door_refuse(connection, 408, "request took too long");
		door_pump(connection);
	}
	else
		door_lose(connection);
}

/*
 * Most deadlines are met, so the clock that runs is left alone while it rings early enough: it then sets itself again.
 * 0 is no deadline.
 */
void
door_set_deadline(Connection *connection, int milliseconds)
{
	Loop *loop = connection->server->loop;

	connection->deadline = milliseconds > 0 ? loop_now(loop) + milliseconds : 0;
	if (milliseconds <= 0 || (connection->timer != NULL && connection->timer_due <= connection->deadline))
		return;
	if (connection->timer != NULL)
		timer_cancel(connection->timer);
	connection->timer = loop_after(loop, milliseconds, deadline_passed, connection);
	connection->timer_due = connection->deadline;
}

/* ---- the end ---- */

void
door_lose(Connection *connection)
{
	Exchange *exchange = connection->exchange;

	if (connection->pair != NULL)
		answer_end(connection, true);
	else if (exchange != NULL && connection->state == STATE_WAITING)
	{
		/* the handler has it */
		exchange->connection = NULL;
		if (exchange->gone != NULL)
			exchange->gone(exchange->gone_argument);
	}
	else
		exchange_free(exchange);
	tunnel_close(connection);
	if (connection->timer != NULL)
		timer_cancel(connection->timer);
	if (connection->watch != NULL)
		watch_remove(connection->watch);
	tls_end(connection->tls);
	(void) close(connection->fd);
	buffer_free(&connection->in);
	buffer_free(&connection->out);
	server_forget(connection);
	free(connection);
}

static Step
lose(Connection *connection)
{
	door_lose(connection);
	return STEP_GONE;
}

/* All is said: half closes, and waits for the client to have read it. */
static Step
linger(Connection *connection)
{
	if (connection->ended)
		return lose(connection);
	buffer_free(&connection->in);
	if (connection->tls != NULL)
		tls_goodbye(connection->tls);
	if (shutdown(connection->fd, SHUT_WR) < 0)
		return lose(connection);
	connection->state = STATE_LINGERING;
	door_set_deadline(connection, LINGER_TIME);
	return STEP_ON;
}

static Step
discard(Connection *connection)
{
	ssize_t count =
		door_outcome(recv(connection->fd, connection->server->scratch, sizeof(connection->server->scratch), 0));

	if (count == DOOR_AGAIN)
		return STEP_WAIT;
	if (count > 0)
		connection->discarded += (size_t) count;
	return count > 0 && connection->discarded <= LINGER_BYTES ? STEP_ON : lose(connection);
}

/* ---- requests ---- */

static Step
request_refused(Connection *connection, int status, const char *why)
{
	door_refuse(connection, status, why);
	return STEP_ON;
}

/* The request is whole: hands it over, and it may be answered before this returns. */
static Step
request_complete(Connection *connection)
{
	const ServerOptions *options = &connection->server->options;

	connection->requests++;
	connection->is_last = !gate_head(connection->gate)->keeps_alive || connection->server->is_draining ||
						  (options->max_requests > 0 && connection->requests >= options->max_requests);
	connection->state = STATE_WAITING;
	door_set_deadline(connection, 0);
	connection->server->handler(connection->server->argument, connection->exchange);
	/* a plain socket says itself when there is more: nearly every look now would be for nothing */
	return connection->state == STATE_WAITING && connection->tls == NULL ? STEP_WAIT : STEP_ON;
}

/* A head has passed: makes a request of it. */
static void
head_passed(Connection *connection, const char *data, size_t length)
{
	connection->exchange = exchange_begin(connection, data, length);
	if (gate_between(connection->gate))
		return;
	door_set_deadline(connection, connection->server->options.body_timeout);
	/* a client that has begun its body does not wait */
	if (gate_head(connection->gate)->expects_continue && connection->in.end - connection->in.begin == length)
		buffer_add(&connection->out, "HTTP/1.1 100 Continue\r\n\r\n", 25);
}

/* Shows the gate what was read; STEP_WAIT when it needs more. */
static Step
feed(Connection *connection)
{
	Buffer *in = &connection->in;
	Gate *gate = connection->gate;
	char *data = in->data + in->begin;
	size_t used;
	size_t content;

	if (in->end == in->begin)
		return STEP_WAIT;
	if (!connection->began)
	{
		connection->began = true;
		connection->began_at = loop_now(connection->server->loop);
		door_set_deadline(connection, connection->server->options.head_timeout);
	}
	used = gate_feed(gate, data, in->end - in->begin);
	content = gate_content(gate);
	if (used > 0 && connection->exchange == NULL)
		head_passed(connection, data, used);
	else if (content > 0)
		exchange_add_body(connection->exchange, data + used - content, content);
	in->begin += used;
	if (gate_phase(gate) == GATE_REFUSED)
		return request_refused(connection, gate_status(gate), gate_why(gate));
	if (used == 0)
		return STEP_WAIT;
	return gate_between(gate) ? request_complete(connection) : STEP_ON;
}

static Step
read_request(Connection *connection)
{
	Step step;
	ssize_t count;

	if (connection->out.data != NULL && door_flush(connection) == DOOR_ERROR)
		return lose(connection);
	step = feed(connection);
	if (step != STEP_WAIT || connection->state != STATE_READING)
		return step;
	if (connection->ended || (!connection->began && connection->server->is_draining))
		return lose(connection);
	count = door_fill(connection);
	if (count == DOOR_AGAIN)
		return STEP_WAIT;
	if (count <= 0)
		return lose(connection);
	return STEP_ON;
}

/* While the handler works, what the client sends ahead is read, up to a bound: so that its leaving is seen. */
static Step
await_answer(Connection *connection)
{
	ssize_t count;

	if (connection->ended)
		return STEP_WAIT;
	count = door_fill(connection);
	if (count == DOOR_AGAIN)
		return STEP_WAIT;
	if (count > 0)
		return STEP_ON;
	if (count == DOOR_ERROR || connection->in.end == connection->in.begin)
		return lose(connection);
	connection->ended = true;
	return STEP_WAIT;
}

/* ---- answers ---- */

static Step
answer_done(Connection *connection)
{
	if (connection->pair != NULL)
		answer_end(connection, false);
	if (connection->is_last)
		return linger(connection);
	connection->state = STATE_READING;
	connection->began = false;
	door_set_deadline(connection, connection->server->options.idle_timeout);
	/* a plain socket says itself when there is more; a TLS session may have it already */
	if (connection->in.begin == connection->in.end && connection->tls == NULL && !connection->ended &&
		!connection->server->is_draining)
		return STEP_WAIT;
	return STEP_ON;
}

static Step
pass_answer(Connection *connection)
{
	char *piece = connection->server->scratch;
	ssize_t count = connection->out.data != NULL ? door_flush(connection) : 1;
	ssize_t written;

	if (count == DOOR_AGAIN)
		return STEP_WAIT;
	if (count == DOOR_ERROR)
		return lose(connection);
	count = connection->pair != NULL ? answer_read(connection, piece, DOOR_BUFFER_SIZE) : 0;
	if (count == DOOR_AGAIN)
		return STEP_WAIT;
	if (count == DOOR_ERROR)
		return lose(connection);
	if (count == 0)
		return answer_done(connection);
	written = door_write(connection, piece, (size_t) count);
	if (written == DOOR_ERROR)
		return lose(connection);
	if (written < count)
	{
		written = written > 0 ? written : 0;
		buffer_add(&connection->out, piece + written, (size_t) (count - written));
	}
	return STEP_ON;
}

static Step
pass_tunnel(Connection *connection)
{
	bool lost;

	if (tunnel_pump(connection, &lost))
		return STEP_WAIT;
	if (lost)
		return lose(connection);
	tunnel_close(connection);
	return linger(connection);
}

/* ---- the pump ---- */

/* Asks the loop for what the connection waits for; not lazily: for nothing else. */
static void
settle(Connection *connection, bool is_lazy)
{
	bool has_out = connection->out.data != NULL;
	bool reads = connection->state == STATE_READING || connection->state == STATE_LINGERING ||
				 (connection->state == STATE_WAITING && !connection->ended &&
				  connection->in.end - connection->in.begin < door_most_in(connection)) ||
				 (connection->state == STATE_TUNNEL && connection->in.data == NULL);
	bool is_tls = connection->tls != NULL && connection->state != STATE_LINGERING;
	int wanted = 0;

	if (reads)
		wanted |= is_tls ? tls_read_wants(connection->tls) : LOOP_READ;
	if (has_out)
		wanted |= is_tls ? tls_write_wants(connection->tls) : LOOP_WRITE;
	/* most answers are gone before the client says another word, so its socket stays watched and two calls are spared */
	if (wanted != 0 || connection->state != STATE_ANSWERING || !is_lazy)
		watch_want(connection->watch, wanted);
	if (connection->pair != NULL)
		answer_want(connection, !has_out);
	if (connection->in.data != NULL && connection->in.begin == connection->in.end && !connection->began)
		buffer_free(&connection->in);
}

void
door_pump(Connection *connection)
{
	Step step = STEP_ON;

	connection->is_pumping = true;
	while (step == STEP_ON)
	{
		switch (connection->state)
		{
			case STATE_READING:
				step = read_request(connection);
				break;
			case STATE_WAITING:
				step = await_answer(connection);
				break;
			case STATE_ANSWERING:
				step = pass_answer(connection);
				break;
			case STATE_TUNNEL:
				step = pass_tunnel(connection);
				break;
			case STATE_LINGERING:
				step = discard(connection);
				break;
		}
	}
	if (step == STEP_GONE)
		return;
	connection->is_pumping = false;
	settle(connection, true);
}

static void
client_ready(void *argument, int happened)
{
	Connection *connection = argument;

	/* where nothing is read any more, nobody else would see that the client has gone */
	if ((happened & LOOP_BROKEN) && connection->state != STATE_READING && connection->state != STATE_LINGERING)
		door_lose(connection);
	else if (connection->state == STATE_ANSWERING && !(happened & LOOP_WRITE) && connection->out.data == NULL)
		settle(connection, false);
	else
		door_pump(connection);
}

void
door_open(Server *server, int fd, const struct sockaddr *peer, bool is_counted)
{
	Connection *connection = calloc(1, sizeof(Connection) + gate_size());

	if (connection == NULL)
		abort(); /* as arena.c does */
	connection->server = server;
	connection->fd = fd;
	connection->tunnel = -1;
	connection->gate = (Gate *) (connection + 1);
	gate_begin(connection->gate, &server->limits);
	connection->has_address = address_of(peer, &connection->address);
	connection->is_trusted = networks_hold(server->trusted, connection->has_address ? &connection->address : NULL);
	connection->is_counted = is_counted;
	connection->next = server->connections;
	if (connection->next != NULL)
		connection->next->previous = connection;
	server->connections = connection;
	server->connection_count++;
	connection->watch = loop_watch(server->loop, fd, LOOP_READ, client_ready, connection);
	if (server->tls != NULL)
		connection->tls = tls_accept(server->tls, fd);
	if (connection->watch == NULL || (server->tls != NULL && connection->tls == NULL))
		door_lose(connection);
	else
		door_set_deadline(connection,
						  server->tls != NULL ? server->options.head_timeout : server->options.idle_timeout);
}
