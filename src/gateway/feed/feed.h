/*
 * feed.h
 *		From twin.publish() to WebSockets.
 *
 * One connection of the database listens for everybody.  Which messages a
 * client gets is decided there, for each of its subscriptions, by the token
 * the client brought: the gateway only carries them.  When that connection
 * breaks, so do the subscriptions, and clients are told to come again (1012).
 */
#ifndef GATEWAY_FEED_H
#define GATEWAY_FEED_H

#include "gateway/db/pool.h"
#include "gateway/feed/socket.h"

typedef struct Feed Feed;

typedef struct FeedOptions
{
	const char *uri; /* libpq's */
	int max_clients;
	SocketLimits limits;
} FeedOptions;

/* Connects with the first client. */
extern Feed *feed_open(Loop *loop, Pool *pool, const FeedOptions *options);

/* Whether one more client may join. */
extern bool feed_has_room(const Feed *feed);

/* Takes over a client's descriptor, after the handshake; greets it with a text when its token was verified once more. */
extern void feed_join(Feed *feed, int fd, const char *token, const char *welcome);
extern int feed_clients(const Feed *feed);

/* Says goodbye to every client (1001); they end from the loop. */
extern void feed_dismiss(Feed *feed);
extern void feed_close(Feed *feed);

#endif /* GATEWAY_FEED_H */
