/*
 * run.h
 *		What the files that apply policies share among themselves.
 */
#ifndef TSEC_RETENTION_RUN_H
#define TSEC_RETENTION_RUN_H

#include "retention/retention.h"

#include "storage/dsm.h"

/* ---- start.c: who asks for a run, and follows it ---- */

/* How a run ended. */
typedef enum RetentionOutcome
{
	RETENTION_CUT_SHORT, /* so far; the server's log tells why */
	RETENTION_BUSY,      /* another one is going on */
	RETENTION_STOPPED,   /* it was asked to */
	RETENTION_DONE
} RetentionOutcome;

/* What who asks shares with the worker; a queue for what it has to say stands behind it. */
typedef struct RetentionErrand
{
	NameData asked_by;
	int lock_timeout;          /* for how many ms who asks waits for a lock; 0: as long as it takes */
	volatile bool is_unwanted; /* who asked went away: end after this step */
	RetentionOutcome outcome;
	int failures;
} RetentionErrand;

#define RETENTION_QUEUE_SIZE 16384

/* Where the queue is. */
static inline void *
retention_queue(RetentionErrand *errand)
{
	return (char *) errand + MAXALIGN(sizeof(RetentionErrand));
}

/* ---- run.c ---- */

/* Applies the policies once, in transactions of its own; errand may be NULL. */
extern void retention_run(RetentionErrand *errand);

/* Raises 55006 when policies are being applied; else none are until the end of the transaction. */
extern void retention_require_idle(void);
extern TSEC_NORETURN void retention_refuse_busy(void);

/* ---- follow.c ---- */

extern void retention_follow_init(void);

/* ---- worker.c ---- */

/* Starts the worker in this database; NULL where none is free. */
extern BackgroundWorkerHandle *retention_start_worker(dsm_handle errand);

#endif /* TSEC_RETENTION_RUN_H */
