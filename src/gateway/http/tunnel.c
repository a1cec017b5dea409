/*
 * tunnel.c
 *		Bytes both ways between a client and whoever took its connection over.
 *
 * A direction is read only when what was read before has gone on, so neither
 * side can make the door keep more than one buffer.
 */
#include "gateway/http/door.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUNNEL_PIECE 16384

static ssize_t
outcome(ssize_t count)
{
	if (count >= 0)
		return count;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? DOOR_AGAIN : DOOR_ERROR;
}

/* What came from the client, to the tunnel; DOOR_ERROR when the client is over. */
static ssize_t
carry_in(Connection *connection)
{
	Buffer *in = &connection->in;
	char *piece = connection->server->scratch;
	ssize_t count;

	if (in->end > in->begin)
	{
		count = outcome(send(connection->tunnel, in->data + in->begin, in->end - in->begin, MSG_NOSIGNAL));
		if (count == DOOR_AGAIN)
			return count;
		/* nobody reads any more, but what was said before still goes out */
		in->begin = count == DOOR_ERROR ? in->end : in->begin + (size_t) count;
		return 1;
	}
	buffer_free(in);
	count = door_read(connection, piece, TUNNEL_PIECE);
	if (count == 0)
		return DOOR_ERROR;
	if (count > 0)
		buffer_add(in, piece, (size_t) count);
	return count;
}

/* What the tunnel says, to the client; 0 when it has said all. */
static ssize_t
carry_out(Connection *connection)
{
	char *piece = connection->server->scratch;
	ssize_t count = door_flush(connection);

	if (count != 1)
		return count;
	count = outcome(recv(connection->tunnel, piece, TUNNEL_PIECE, 0));
	if (count > 0)
		buffer_add(&connection->out, piece, (size_t) count);
	return count;
}

static void
tunnel_ready(void *argument, int happened)
{
	(void) happened;
	door_pump(argument);
}

bool
tunnel_pump(Connection *connection, bool *lost)
{
	ssize_t in;
	ssize_t out;
	int wanted;

	*lost = false;
	do
	{
		out = carry_out(connection);
		if (out == 0)
			return false;
		in = carry_in(connection);
		if (in == DOOR_ERROR || out == DOOR_ERROR)
		{
			*lost = true;
			return false;
		}
	} while (in > 0 || out > 0);
	wanted = (connection->out.data == NULL ? LOOP_READ : 0) | (connection->in.data != NULL ? LOOP_WRITE : 0);
	if (connection->tunnel_watch == NULL)
		connection->tunnel_watch =
			loop_watch(connection->server->loop, connection->tunnel, wanted, tunnel_ready, connection);
	else
		watch_want(connection->tunnel_watch, wanted);
	*lost = connection->tunnel_watch == NULL;
	return !*lost;
}

void
tunnel_close(Connection *connection)
{
	if (connection->tunnel_watch != NULL)
		watch_remove(connection->tunnel_watch);
	connection->tunnel_watch = NULL;
	if (connection->tunnel >= 0)
		(void) close(connection->tunnel);
	connection->tunnel = -1;
}
