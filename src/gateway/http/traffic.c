/*
 * traffic.c
 *		The bytes of one client: read from its socket, or its TLS session, written to
 *		it, kept meanwhile.
 */
#include "gateway/http/door.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define FIRST_IN ((size_t) 4096)
#define BODY_IN ((size_t) 65536)

/* ---- buffers ---- */

void
buffer_free(Buffer *buffer)
{
	free(buffer->data);
	*buffer = (Buffer){0};
}

/* Makes room for so many bytes behind the end. */
static void
buffer_reserve(Buffer *buffer, size_t room)
{
	size_t held = buffer->end - buffer->begin;

	if (buffer->size - buffer->end >= room)
		return;
	if (buffer->begin > 0)
	{
		memmove(buffer->data, buffer->data + buffer->begin, held);
		buffer->begin = 0;
		buffer->end = held;
	}
	if (buffer->size - held >= room)
		return;
	buffer->data = realloc(buffer->data, held + room);
	if (buffer->data == NULL)
		abort(); /* as arena.c does */
	buffer->size = held + room;
}

void
buffer_add(Buffer *buffer, const char *data, size_t length)
{
	buffer_reserve(buffer, length);
	memcpy(buffer->data + buffer->end, data, length);
	buffer->end += length;
}

/* ---- the client's socket ---- */

ssize_t
door_outcome(ssize_t count)
{
	if (count >= 0)
		return count;
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR ? DOOR_AGAIN : DOOR_ERROR;
}

ssize_t
door_read(Connection *connection, char *data, size_t size)
{
	if (connection->tls != NULL)
		return tls_read(connection->tls, data, size);
	return door_outcome(recv(connection->fd, data, size, 0));
}

ssize_t
door_write(Connection *connection, const char *data, size_t length)
{
	if (connection->tls != NULL)
		return tls_write(connection->tls, data, length);
	return door_outcome(send(connection->fd, data, length, MSG_NOSIGNAL));
}

ssize_t
door_flush(Connection *connection)
{
	Buffer *out = &connection->out;

	while (out->end > out->begin)
	{
		ssize_t count = door_write(connection, out->data + out->begin, out->end - out->begin);

		if (count < 0)
			return count;
		out->begin += (size_t) count;
	}
	buffer_free(out);
	return 1;
}

size_t
door_most_in(const Connection *connection)
{
	size_t head = connection->server->limits.max_head + 1;

	return head > BODY_IN ? head : BODY_IN;
}

ssize_t
door_fill(Connection *connection)
{
	Buffer *in = &connection->in;
	size_t held = in->end - in->begin;
	size_t room = gate_phase(connection->gate) == GATE_BODY && gate_head(connection->gate)->content_length > FIRST_IN
					  ? BODY_IN
					  : FIRST_IN;
	ssize_t count;

	if (held == 0)
		in->begin = in->end = 0;
	if (in->size - in->end == 0 || in->data == NULL)
	{
		size_t most = door_most_in(connection);

		if (held >= most)
			return DOOR_AGAIN;
		buffer_reserve(in, held + room > most ? most - held : room);
	}
	count = door_read(connection, in->data + in->end, in->size - in->end);
	if (count > 0)
		in->end += (size_t) count;
	return count;
}
