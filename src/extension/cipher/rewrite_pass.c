/*
 * rewrite_pass.c
 *		Passes over a table and its partitions, until nothing is left to do.
 *
 * A row that somebody else is writing is never waited for while the batch
 * holds other rows, so it takes part in no deadlock: it is skipped, and a
 * later pass finds it, or what became of it.  Where rows are still skipped
 * after some passes, the rest is done one row a transaction, waiting.
 */
#include "cipher/rewrite.h"

#include "access/relation.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "nodes/pg_list.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"
#include "utils/wait_event.h"

/* Passes that skip what others are writing, before rows are waited for. */
#define PASSES_SKIPPING 3

/* Sleeps for as long as the job is ahead of its rate. */
static void
keep_rate(const RewriteJob *job)
{
	double ahead;

	if (job->rows_per_second <= 0)
		return;
	for (;;)
	{
		ahead = 1000.0 * (double) job->changed / job->rows_per_second -
				(double) TimestampDifferenceMilliseconds(job->began, GetCurrentTimestamp());
		CHECK_FOR_INTERRUPTS();
		if (ahead < 1)
			return;
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, (long) Min(ahead, 1000),
						 PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
	}
}

/* Does one batch; false when the table has gone or the pass over it is over. */
static bool
next_batch(RewriteJob *job, Oid oid, bool first)
{
	Relation relation = try_relation_open(oid, RowExclusiveLock);

	if (relation == NULL)
		return false;
	if (first)
	{
		job->next_block = 0;
		/* rows that come later are written under the new rules by those who write them */
		job->end_block = RelationGetNumberOfBlocks(relation);
	}
	if (job->next_block < job->end_block)
		rewrite_batch(job, relation);
	relation_close(relation, NoLock);
	return job->next_block < job->end_block;
}

/* One pass over one table. */
static void
run_pass(RewriteJob *job, Oid oid)
{
	bool first = true;
	bool more;

	do
	{
		/* it may have been dropped, or given to somebody else, since the last commit */
		rewrite_require_owner(job->relation);
		more = next_batch(job, oid, first);
		first = false;
		rewrite_commit();
		keep_rate(job);
	} while (more);
}

/*
 * Whether nothing is left to do, in one transaction and under one snapshot: a
 * pass in batches can miss a row that somebody moves from before it to behind
 * it, by an update or by writing the table anew.
 */
static bool
is_done(RewriteJob *job)
{
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	bool done = true;
	ListCell *cell;

	job->left = 0;
	PushActiveSnapshot(snapshot); /* values are detoasted */
	foreach(cell, rewrite_tables(job->relation))
	{
		Relation relation = try_relation_open(lfirst_oid(cell), AccessShareLock);

		if (relation == NULL)
			continue;
		done = rewrite_is_done(job, relation, snapshot);
		relation_close(relation, NoLock);
		if (!done)
			break;
	}
	PopActiveSnapshot();
	UnregisterSnapshot(snapshot);
	return done;
}

void
rewrite_run(RewriteJob *job)
{
	MemoryContext home = CurrentMemoryContext;

	job->began = GetCurrentTimestamp();
	for (job->passes = 0;; job->passes++)
	{
		ListCell *cell;
		List *tables;
		bool done;

		MemoryContextSwitchTo(home);
		tables = rewrite_tables(job->relation);
		job->pass_skipped = 0;
		job->waits = job->passes >= PASSES_SKIPPING;
		if (job->waits)
			progress_phase("waiting for rows", job->changed, -1);
		foreach(cell, tables)
			run_pass(job, lfirst_oid(cell));
		list_free(tables);
		if (job->pass_skipped > 0)
			continue;
		progress_phase("verifying", job->changed, -1);
		done = is_done(job);
		rewrite_commit();
		if (done)
			return;
	}
}

void
rewrite_at_once(RewriteJob *job)
{
	ListCell *cell;

	/* the table is locked: there is nobody to wait for */
	job->at_once = true;
	foreach(cell, rewrite_tables(job->relation))
	{
		(void) next_batch(job, lfirst_oid(cell), true);
		CommandCounterIncrement();
	}
	if (job->pass_skipped > 0)
		elog(ERROR, "twin_security: rows of a locked table were written by somebody else");
}
