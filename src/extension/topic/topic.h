/*
 * topic.h
 *		Topics: what transactions publish reaches subscribers after commit.
 *
 * Messages travel through shared memory and take no lock of NOTIFY's kind; a
 * listener that is too slow loses the oldest, and is told.  Who may publish and
 * subscribe is decided here, in the database, for each subscription by its token.
 */
#ifndef TSEC_TOPIC_H
#define TSEC_TOPIC_H

#include "base/base.h"

extern void topic_init(void);

/*
 * Publishes that something happened when the transaction commits, to those who may subscribe to the topic and belong to no
 * tenant, for it concerns all of them: payload is JSON that any such subscriber may see.  False where nobody listens, or there is no room.  May raise out of memory.
 */
extern bool topic_publish_news(const char *topic, const char *payload);

/* ---- changes of tables, published by a part above, seen by each subscriber with his own eyes ---- */

/*
 * Publishes a change when the transaction commits; payload is JSON for the TopicReread alone.  Whoever may write the table
 * may do this.  False when there is no room for it, or the library was not preloaded.  What is short and said for lack of
 * room may use what others leave; said twice in a row it is said once.  May raise out of memory.
 */
extern bool topic_publish_change(const char *topic, const char *payload, bool for_lack_of_room);

/* A subscriber to whom a change is told. */
typedef struct TopicReader
{
	const char *token; /* which holds */
	size_t token_length;
	void **memory;         /* of what it was told, NULL at first; in context, and goes with it */
	MemoryContext context; /* ... which is the subscription's */
} TopicReader;

/* What a subscriber is told of a change: JSON text, or NULL for nothing.  Leaves transaction and role as they were, and raises only where the server itself fails. */
typedef char *(*TopicReread)(const TopicReader *reader, const char *payload);

/* Sets it, at most one; from the init function of a part above. */
extern void topic_set_reread(TopicReread reread);

#endif /* TSEC_TOPIC_H */
