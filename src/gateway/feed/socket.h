/*
 * socket.h
 *		One WebSocket connection (RFC 6455), after its handshake.
 *
 * Frames are wslay's business; here are the bounds: how large a message may
 * be, how much may wait for a client that reads slowly, how long a silent one
 * is kept.  Messages are text (UTF-8, checked); binary ones are refused.
 */
#ifndef GATEWAY_SOCKET_H
#define GATEWAY_SOCKET_H

#include "gateway/http/loop.h"

#include <stddef.h>

typedef struct Socket Socket;

/* Close codes of RFC 6455, 7.4.1, and of the registry it set up. */
#define SOCKET_GOING_AWAY 1001
#define SOCKET_UNSUPPORTED 1003
#define SOCKET_POLICY 1008
#define SOCKET_RESTART 1012

typedef struct SocketLimits
{
	size_t max_message;    /* bytes of one message of the client */
	size_t max_queue;      /* bytes that wait to be sent: more, and the client is dropped */
	int64_t ping_interval; /* milliseconds; two pings without a sign of life, and it is dropped */
} SocketLimits;

typedef struct SocketEvents
{
	void (*text)(void *argument, const char *text, size_t length);
	/* Once, last of all: the socket is gone when it returns. */
	void (*closed)(void *argument);
} SocketEvents;

/*
 * Takes over a descriptor.  Events come from the loop, never from within the
 * functions below.  NULL when it cannot be watched: the descriptor is closed then.
 */
extern Socket *socket_open(Loop *loop, int fd, const SocketLimits *limits, const SocketEvents *events,
						   void *argument);

/* Queues a message; a client that is too far behind is dropped instead. */
extern void socket_send(Socket *connection, const char *text, size_t length);

/* Says goodbye with a code and a reason of at most 120 bytes; the connection ends when it was answered, or soon. */
extern void socket_end(Socket *connection, int code, const char *reason);

#endif /* GATEWAY_SOCKET_H */
