/*
 * private.h
 *		What the files of feed/ share: clients, what they subscribed to, and what
 *		the database has yet to be asked.
 */
#ifndef GATEWAY_FEED_PRIVATE_H
#define GATEWAY_FEED_PRIVATE_H

#include "gateway/db/dial.h"
#include "gateway/feed/feed.h"
#include "gateway/feed/words.h"

#define FEED_TOPICS_MAX 100 /* of one client */
#define FEED_BUCKETS 1024

typedef struct Client Client;

/* One subscription of the database: a topic of a client, or (topic NULL) the session that all the others end with. */
typedef struct Subscription
{
	struct Subscription *next;         /* of its bucket */
	struct Subscription *next_of_same; /* of its client */
	long long id;
	Client *client;
	char *topic;
} Subscription;

/* Something the database is to be asked. */
typedef struct Order
{
	struct Order *next;
	bool is_subscription; /* else its end */
	Client *client;       /* NULL when it has gone meanwhile */
	char *topic;
	char *ref;
	long long id;
} Order;

struct Client
{
	Client *next;
	Client *previous;
	Feed *feed;
	Socket *socket;
	char *token; /* wiped when it goes */
	char *welcome;
	Subscription *subscriptions;
	int topic_count; /* asked for and held */
	long long last_message;
};

typedef enum LinePhase
{
	LINE_DOWN,
	LINE_DIALLING,
	LINE_OPENING, /* open_listener() is on its way */
	LINE_READY,
	LINE_RECEIVING,
	LINE_ORDERING
} LinePhase;

struct Feed
{
	Loop *loop;
	Pool *pool;
	FeedOptions options;
	Client *clients;
	int client_count;
	Subscription *buckets[FEED_BUCKETS];
	Order *first;
	Order *last;
	Order *running;
	/* the line to the database: line.c */
	LinePhase phase;
	Dial *dial;
	PGconn *server;
	Watch *watch;
	Timer *timer;
	PGresult *result; /* of the running command, the last that came */
	char *listener;   /* the secret name by which other sessions wake this one */
	Job *wake;
	Timer *rest; /* before it is woken again, where that failed */
	const char *wake_value;
	PoolStatement wake_statement;
	int tries;
};

/* ---- line.c: the connection that listens ---- */

/* Has orders carried out: connects, or wakes the session that waits for messages. */
extern void line_call(Feed *feed);
extern void line_close(Feed *feed);

/* ---- clients.c ---- */

extern void clients_take_messages(Feed *feed, const PGresult *result);

/* The answer to an order, which is freed. */
extern void clients_take_answer(Feed *feed, Order *order, const PGresult *result);

/* All subscriptions are gone: clients are to come again. */
extern void clients_dismiss(Feed *feed, int code, const char *reason);

/* ---- feed.c ---- */

extern Order *feed_next_order(Feed *feed);
extern void feed_free_order(Order *order);
extern void feed_order(Feed *feed, Client *client, bool is_subscription, const char *topic, const char *ref,
					   long long id);
extern void *feed_alloc(size_t size);
extern char *feed_string(const char *string);

#endif /* GATEWAY_FEED_PRIVATE_H */
