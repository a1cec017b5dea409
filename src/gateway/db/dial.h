/*
 * dial.h
 *		Making a connection to the database without waiting for it.
 */
#ifndef GATEWAY_DIAL_H
#define GATEWAY_DIAL_H

#include "gateway/http/loop.h"

#include <libpq-fe.h>

typedef struct Dial Dial;

/* Called once: with a connection, or NULL and why.  From the loop, never from dial_begin(). */
typedef void (*DialCallback)(void *argument, PGconn *made, const char *why);

extern Dial *dial_begin(Loop *loop, const char *uri, DialCallback callback, void *argument);
extern void dial_cancel(Dial *dial);

/* Milliseconds to rest before try number n (from 0): 1, 2, 4 ... 32 seconds, as PostgREST does. */
extern int64_t db_rest(int tries);

#endif /* GATEWAY_DIAL_H */
