/*
 * private.h
 *		What the files of db/ share.
 */
#ifndef GATEWAY_DB_PRIVATE_H
#define GATEWAY_DB_PRIVATE_H

#include "gateway/db/dial.h"
#include "gateway/db/pool.h"
#include "gateway/db/turns.h"

#include <stddef.h>

/* ---- prepared.c: names of the statements a connection keeps prepared ---- */

#define PREPARED_MAX 512

typedef struct Prepared
{
	struct Prepared *next; /* of its bucket */
	uint64_t hash;
	bool is_there; /* the server said so */
	char name[16];
	char sql[];
} Prepared;

typedef struct PreparedSet PreparedSet;

extern PreparedSet *prepared_new(void);
extern void prepared_free(PreparedSet *set);

/* The entry of a text, made when there is none; NULL when the set is full, or the text too long to be kept. */
extern Prepared *prepared_get(PreparedSet *set, const char *sql);
extern bool prepared_is_full(const PreparedSet *set);
extern void prepared_forget(PreparedSet *set);

/* ---- link.c: one connection and the pipeline it runs ---- */

typedef struct Link Link;

typedef enum LinkState
{
	LINK_MAKING,
	LINK_IDLE,
	LINK_BUSY,
	LINK_LOST
} LinkState;

/* Who is told; a callback may free the connection. */
typedef struct LinkEvents
{
	void (*idle)(void *owner, Link *link);                                      /* made, or done with a pipeline */
	void (*ended)(void *owner, Link *link, Job *job, const PoolAnswer *answer); /* once per job */
	void (*lost)(void *owner, Link *link, const char *why); /* it is of no use any more; its job has ended */
} LinkEvents;

struct Job
{
	Turn turn; /* first: a turn is its job */
	Pool *pool;
	Link *link;   /* NULL while it waits */
	Timer *timer; /* of waiting */
	PoolRequest request;
	bool is_forgotten; /* pool_cancel(): nobody wants the answer */
};

struct Link
{
	Link *next; /* of the pool */
	int64_t made_at;
	int64_t idle_since;
	LinkState state;
	Job *job;
};

/* Begins to connect; the outcome is told by events, never from within. */
extern Link *link_open(Loop *loop, const PoolOptions *options, const LinkEvents *events, void *owner);
extern void link_run(Link *link, Job *job);
extern void link_close(Link *link);

/* Nobody waits for its job any more: what does not end soon is broken off. */
extern void link_abandon(Link *link);

/* ---- listener.c ---- */

typedef struct Listener Listener;

extern Listener *listener_open(Loop *loop, const PoolOptions *options);
extern void listener_close(Listener *listener);

/* Memory; the program ends when there is none. */
extern void *db_alloc(size_t size);

#endif /* GATEWAY_DB_PRIVATE_H */
