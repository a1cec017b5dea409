/*
 * pair.h
 *		The socket pairs whose other ends libmicrohttpd has, as writer.c makes them
 *		and answer.c uses them.
 */
#ifndef GATEWAY_PAIR_H
#define GATEWAY_PAIR_H

#include "gateway/http/door.h"

#include <microhttpd.h>

#define SPARE_PAIRS_MAX 64

/* Of an answer's head, in bytes: what is longer has a pair of its own. */
#define SMALL_HEAD_MAX 4096

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

/* ---- writer.c ---- */

/* A pair for an answer; NULL when there are no descriptors left. */
extern Pair *pair_take(Answers *answers, Size size);

/* Closes our end; libmicrohttpd closes its own when it sees that. */
extern void pair_close(Pair *pair);

/* Keeps it for another answer, when it may serve again and few are kept. */
extern bool pair_keep(Pair *pair);

/* ---- answer.c ---- */

/* Puts libmicrohttpd's work off until every socket of this turn was looked at, so it is called once for all. */
extern void answers_call(Answers *answers);

#endif /* GATEWAY_PAIR_H */
