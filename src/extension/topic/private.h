/*
 * private.h
 *		What the files of the topic part share among themselves.
 */
#ifndef TSEC_TOPIC_PRIVATE_H
#define TSEC_TOPIC_PRIVATE_H

#include "token/token.h"
#include "topic/topic.h"

#include "common/feed.h"
#include "common/topic_message.h"

#include "access/xact.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "lib/ilist.h"
#include "port/atomics.h"
#include "storage/lwlock.h"

/* ---- ring.c: shared memory ---- */

#define TOPIC_LISTENERS_MAX 32 /* sessions that listen in one database */
#define TOPIC_SECRET_SIZE 16

/* A session that listens.  It alone writes, but for "woken"; claimed under its ring's lock. */
typedef struct TopicSeat
{
	pg_atomic_uint32 pid;           /* 0: free */
	pg_atomic_uint32 woken;         /* somebody asks receive() to return */
	pg_atomic_uint32 subscriptions; /* without any, publishers leave it alone */
	pg_atomic_uint64 latch;         /* 0 while free */
	pg_atomic_uint64 position;      /* what it has handed over */
	uint8 secret[TOPIC_SECRET_SIZE];
} TopicSeat;

/* One database's ring. */
typedef struct TopicRing
{
	LWLock lock;               /* writers of the feed; held for a copy */
	pg_atomic_uint32 database; /* 0 while nobody's */
	pg_atomic_uint64 published;
	pg_atomic_uint64 delivered;
	pg_atomic_uint64 lost;
	TopicSeat seats[TOPIC_LISTENERS_MAX];
} TopicRing;

extern void topic_ring_init(void);

/* This database's ring, claimed when there is none yet; in a transaction.  Raises 55000 without preloading, 53400 when none is left. */
extern TopicRing *topic_ring_require(void);
extern TopicRing *topic_ring_find(void); /* claims none, raises nothing */
extern Feed topic_ring_feed(TopicRing *ring);

/* Wakes who listens and has subscriptions. */
extern void topic_ring_wake(TopicRing *ring);

/* Takes a seat for this process; NULL when all are taken. */
extern TopicSeat *topic_seat_take(TopicRing *ring);
extern void topic_seat_leave(TopicSeat *seat);

/* ---- rule.c: twin.topics, kept until it changes ---- */

#define TOPIC_PERMISSION_MAX 63

typedef struct TopicRule
{
	char name[TOPIC_NAME_MAX + 1]; /* or pattern */
	char subscribe[TOPIC_PERMISSION_MAX + 1];
	char publish[TOPIC_PERMISSION_MAX + 1]; /* "": no user */
	bool is_bound;
	bool is_enabled;
} TopicRule;

extern void topic_rule_init(void);

/* Finds the most specific rule of a topic or pattern, a copy; false when there is none, or it is not enabled. */
extern bool topic_rule_find(const char *topic, TopicRule *rule);
extern uint64 topic_rule_generation(void);

/* A topic of an argument, checked; raises 22023. */
extern char *topic_name_argument(text *value, bool may_be_pattern);

/* Raises 42704 for a topic without a rule. */
extern TSEC_NORETURN void topic_throw_unknown(const char *topic);

/* ---- publish.c ---- */

extern void topic_publish_end(XactEvent event);
extern void topic_publish_end_sub(SubXactEvent event, SubTransactionId own);

/* ---- subscription.c: what this session listens to ---- */

#define TOPIC_TOPICS_MAX 64 /* of one subscription */

typedef struct Subscription Subscription;

/* A topic, or pattern, that somebody subscribed to. */
typedef struct TopicEntry
{
	char topic[TOPIC_NAME_MAX + 1];
	dlist_head members;
} TopicEntry;

typedef struct TopicMember
{
	dlist_node node;
	Subscription *owner;
	TopicEntry *entry;
} TopicMember;

/* Why a subscription cannot be, or go on. */
typedef struct TopicVerdict
{
	Status status;      /* of its token */
	const char *reason; /* NULL: it holds */
	char topic[TOPIC_NAME_MAX + 1];
	char permission[TOPIC_PERMISSION_MAX + 1];
} TopicVerdict;

struct Subscription
{
	dlist_node node; /* in "open" or "closed" */
	int64 id;
	const char *role;
	bool has_tenant;
	int64 tenant;
	int64 until;       /* seconds since 1970: then it is looked at again */
	uint64 generation; /* of what it was last judged by */
	uint64 since;      /* number of the first message it gets */
	uint64 delivery;   /* that last found it */
	bool is_closed;
	bool is_told;            /* that it is closed, in this transaction */
	bool is_new;             /* of this transaction */
	SubTransactionId within; /* ... and of this subtransaction */
	TopicVerdict verdict;    /* why it is closed */
	int topic_count;
	TopicMember *members;
	MemoryContext context; /* of what it was told of tables; NULL when nothing was */
	void *memory;          /* ... the part's that tells */
	VerifiedToken *kept;   /* what the token says; NULL before it was verified */
	size_t token_length;
	char *token;
};

/* This session's listener. */
typedef struct TopicListener
{
	TopicRing *ring; /* NULL: none is open */
	TopicSeat *seat;
	FeedCursor cursor;    /* what receive() has returned, */
	FeedCursor confirmed; /* and what of that was committed */
	uint64 delivered;     /* not committed yet */
	uint64 lost;          /* the same */
	dlist_head open;
	dlist_head closed;
	int count;      /* of those that are open */
	int64 look_at;  /* seconds since 1970: when the next is to be looked at */
	uint64 looked;  /* the generation that all were looked at for */
	int64 swept_at; /* milliseconds of a clock: when that last began */
	bool is_held;   /* a row is being read for a subscriber, by functions of others: nothing of this may change */
} TopicListener;

extern TopicListener topic_listener;

/* Makes the memory of subscriptions; gives it back. */
extern void topic_subscriptions_begin(void);
extern void topic_subscriptions_forget(void);

/* Memory for one subscription, which goes with all of them at the latest. */
extern MemoryContext topic_subscription_context(void);

/* Takes a subscription out of the open ones; receive() tells.  Then forgets it. */
extern void topic_close(Subscription *subscription);
extern void topic_bury(Subscription *subscription);

/* Entry of a topic, or pattern; NULL when nobody subscribed to it. */
extern TopicEntry *topic_entry(const char *topic);

/* ---- judge.c ---- */

/* Begins with no roles, in a memory that is the subscriptions'. */
extern void topic_judge_begin(MemoryContext memory);

/* Listens for news; a number that changes whenever a judgement may. */
extern uint64 topic_generation(void);

/* Looks at the token now, and asks for each topic whether its role may. */
extern void topic_judge(Subscription *subscription, int64 now);

/* The same as of now and of a topic_generation(), where something may have changed; false when it cannot go on. */
extern bool topic_still_holds(Subscription *subscription, int64 now, uint64 generation);

/* ---- deliver.c: the rows that receive() answers ---- */

/* One call's answer. */
typedef struct TopicAnswer
{
	ReturnSetInfo *result;
	MemoryContext scratch; /* of one row */
	int rows;
	int messages;
	int messages_max;
	Size bytes;
} TopicAnswer;

/* Hands a message over to whom it is for, if there is anybody. */
extern void topic_hand_over(TopicAnswer *answer, const TopicMessage *message, uint64 number);

/* Tells that messages were overwritten before this session read them. */
extern void topic_put_lost(TopicAnswer *answer, uint64 lost);

/* Tells who is no longer subscribed, and why. */
extern void topic_put_closed(TopicAnswer *answer);

/* ---- listener.c ---- */

/* Raises 55000 when no listener is open, or it is held. */
extern void topic_listener_require(void);

extern void topic_listener_end(XactEvent event);
extern void topic_listener_end_sub(SubXactEvent event, SubTransactionId own);

#endif /* TSEC_TOPIC_PRIVATE_H */
