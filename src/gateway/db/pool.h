/*
 * pool.h
 *		Connections to the database, used by one request at a time.
 *
 * A request is one pipeline: all its statements go out in one write and their
 * answers come back together.  Whoever cannot have a connection waits in line,
 * for so long; connections that break are made again with growing rests.
 */
#ifndef GATEWAY_POOL_H
#define GATEWAY_POOL_H

#include "gateway/http/loop.h"

#include <libpq-fe.h>

typedef struct Pool Pool;
typedef struct Job Job;

/* One statement of a pipeline. */
typedef struct PoolStatement
{
	const char *sql;
	bool prepare; /* keep it prepared on the connection */
	int parameter_count;
	const char *const *values; /* text; NULL is null */
} PoolStatement;

typedef enum PoolOutcome
{
	POOL_DONE,    /* every statement has its result */
	POOL_FAILED,  /* a statement raised: its result says what; the transaction is rolled back */
	POOL_TIMEOUT, /* no connection in time: 504 PGRST003 */
	POOL_DOWN,    /* no connection can be made: 503 PGRST000 or PGRST001 */
	POOL_LOST     /* the connection broke in the middle */
} PoolOutcome;

typedef struct PoolAnswer
{
	PoolOutcome outcome;
	PGresult **
		results; /* of the statements, as far as they came; the last one is the failure's.  Who puts NULL in place of one keeps it */
	int result_count;
	int failed;      /* which statement, or -1 */
	const char *why; /* for POOL_DOWN and POOL_LOST, for the log */
} PoolAnswer;

/*
 * The answer of a job, once its transaction has ended; results are cleared after it returns.
 */
typedef void (*PoolCallback)(void *argument, const PoolAnswer *answer);

/* Looks at the results before the end of a transaction and says whether it may commit. */
typedef bool (*PoolJudge)(void *argument, const PoolAnswer *answer);

typedef struct PoolOptions
{
	const char *uri;
	int size;
	int per_client;          /* of the connections, that one client may have at most; 0: all but a quarter */
	int acquisition_timeout; /* milliseconds */
	int max_idletime;
	int max_lifetime;
	bool prepared_statements;
	int statement_timeout; /* milliseconds, for roles and routines that have none of their own; 0 leaves it to the database */
	const char *channel; /* listened to on a connection of its own; NULL none */
	void (*notified)(void *argument, const char *payload);
	void (*connected)(void *argument); /* the listener is there, again: everything may have changed */
	void *argument;
} PoolOptions;

typedef struct PoolCounts
{
	int size;
	int open;
	int busy;
	int waiting;
	uint64_t timeouts;
	bool is_down;
	int retry_after; /* seconds until the next try, where is_down */
} PoolCounts;

/* Strings of the options are copied. */
extern Pool *pool_open(Loop *loop, const PoolOptions *options);
extern PoolCounts pool_counts(const Pool *pool);

/* What is to be run; statements and values must live until the callback. */
typedef struct PoolRequest
{
	const char *begin; /* the whole BEGIN statement */
	const PoolStatement *statements;
	int count;
	PoolJudge judge; /* NULL: it commits when nothing fails.  With one, COMMIT or ROLLBACK costs a second trip */
	PoolCallback callback;
	void *argument;
	uint64_t client; /* on whose behalf: clients take turns (turns.h); 0 is the gateway itself */
	bool is_slow;    /* keeps its connection long, as a login does whose password is hashed */
} PoolRequest;

/* Runs BEGIN, the statements and COMMIT as one pipeline. */
extern Job *pool_run(Pool *pool, const PoolRequest *request);

/* Nobody wants the answer any more: what still waits is forgotten, what runs is broken off unless it ends soon.  The callback is not called. */
extern void pool_cancel(Job *job);

extern void pool_close(Pool *pool);

#endif /* GATEWAY_POOL_H */
