/*
 * read_query.c
 *		Rows that queries read of audited tables: what the scans of these tables
 *		returned, after their conditions and the policies, as the executor's own
 *		instrumentation counts it.
 *
 * A query that is counted stands in a list from ExecutorStart on until its
 * memory goes, however that happens: a callback of that memory's context takes
 * it out and counts what was not counted yet.  So nothing here looks for errors,
 * and the handler of a timer may read the counters of what is in the list.
 *
 * In a parallel worker the counters reach the leader's plan by themselves; they
 * are told to the leader as well (read_worker.c), for when the leader fails
 * before it looks at them.
 */
#include "audit/read_query.h"

#include "access/parallel.h"
#include "executor/instrument.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

static dlist_head queries = DLIST_STATIC_INIT(queries);

/* ---- counting ---- */

/* What a target's nodes have returned; whether any of them was ever run. */
static bool
add_up(const ReadQuery *reading, const ReadTarget *target, ReadCount *count)
{
	double rows = 0;
	double filtered = 0;
	bool was_run = false;
	ListCell *cell;

	foreach(cell, reading->scans)
	{
		const ReadScan *scan = lfirst(cell);
		const Instrumentation *counter = scan->node->instrument;

		if (scan->target != target)
			continue;
		if (target->conflicts)
		{
			rows += counter->ntuples2;
			was_run = was_run || counter->ntuples2 > 0;
			continue;
		}
		rows += counter->ntuples + counter->tuplecount;
		filtered += counter->nfiltered1 + counter->nfiltered2;
		was_run = was_run || counter->running || counter->nloops > 0;
	}
	count->rows = (uint64) rows - target->rows;
	count->filtered = (uint64) filtered - target->filtered;
	return was_run;
}

/* Rows that parallel workers told of, of a table. */
typedef struct WorkerRows
{
	Oid table;
	ReadCount *count;
} WorkerRows;

static void
add_worker_rows(void *argument, const WorkerCount *told)
{
	WorkerRows *rows = argument;

	if (told->id != rows->table)
		return;
	rows->count->rows += told->count;
	rows->count->filtered += told->filtered;
}

static void
forget_worker_rows(void *argument, const WorkerCount *told)
{
}

/* Whether the workers' counters have not come into the plan. */
static bool
misses_workers(const ReadQuery *reading, const ReadTarget *target)
{
	ListCell *cell;

	foreach(cell, reading->scans)
		if (((ReadScan *) lfirst(cell))->target == target && ((ReadScan *) lfirst(cell))->node->worker_instrument)
			return false;
	return true;
}

/* In a worker: tells the leader. */
static void
tell_leader(const ReadQuery *reading)
{
	ListCell *cell;

	foreach(cell, reading->targets)
	{
		ReadTarget *target = lfirst(cell);
		ReadCount count = {0};
		WorkerCount told = {.id = target->table, .name = ""};

		(void) add_up(reading, target, &count);
		told.count = count.rows;
		told.filtered = count.filtered;
		if (told.count + told.filtered > 0)
			(void) worker_tell(WORKER_ROWS, &told);
	}
}

/* Adds what a query read since the last time. */
static void
count_rows(ReadQuery *reading, bool ends, bool failed)
{
	ListCell *cell;

	foreach(cell, reading->targets)
	{
		ReadTarget *target = lfirst(cell);
		ReadCount count = {.query_id = reading->query_id, .statements = ends ? 1 : 0};
		bool was_run = add_up(reading, target, &count);

		if (failed && reading->is_parallel && misses_workers(reading, target))
		{
			WorkerRows rows = {target->table, &count};

			worker_take(WORKER_ROWS, add_worker_rows, &rows);
		}
		target->rows += count.rows;
		target->filtered += count.filtered;
		/* one that failed may have shown its rows to a function that told of them */
		if (count.rows + count.filtered == 0 && !(ends && (was_run || (failed && !target->conflicts))))
			continue;
		if (failed)
			record_set_failed(&target->record);
		tally_add(&target->record, &count);
		target->record.since = GetCurrentTimestamp();
	}
	if (ends && reading->is_parallel)
		worker_take(WORKER_ROWS, forget_worker_rows, NULL);
}

/* ---- the list ---- */

/* Takes a query out, counted. */
static void
finish(ReadQuery *reading)
{
	tally_hold();
	dlist_delete(&reading->link);
	if (IsParallelWorker())
		tell_leader(reading);
	else if (reading->has_run)
		count_rows(reading, true, reading->running > 0);
	reading->query = NULL;
	tally_release();
}

static void
forget(void *argument)
{
	ReadQuery *reading = argument;

	if (reading->query != NULL)
		finish(reading);
}

static ReadQuery *
find(const QueryDesc *query)
{
	dlist_iter each;

	dlist_foreach(each, &queries)
	{
		ReadQuery *reading = dlist_container(ReadQuery, link, each.cur);

		if (reading->query == query)
			return reading;
	}
	return NULL;
}

void
query_begin(QueryDesc *query, CommandTag tag, uint64 query_id)
{
	MemoryContext old = MemoryContextSwitchTo(query->estate->es_query_cxt);
	ReadQuery *reading = palloc0(sizeof(ReadQuery));

	reading->query = query;
	reading->query_id = query_id;
	reading->tag = tag;
	reading->is_parallel = query->plannedstmt->parallelModeNeeded;
	query_find_scans(reading);
	MemoryContextSwitchTo(old);
	if (reading->scans == NIL)
		return;
	reading->callback.func = forget;
	reading->callback.arg = reading;
	MemoryContextRegisterResetCallback(query->estate->es_query_cxt, &reading->callback);
	tally_hold();
	dlist_push_head(&queries, &reading->link);
	tally_release();
	tally_arrange_tick();
}

void
query_runs(QueryDesc *query, bool runs)
{
	ReadQuery *reading = dlist_is_empty(&queries) ? NULL : find(query);

	if (reading == NULL)
		return;
	reading->has_run = true;
	reading->running += runs ? 1 : -1;
	tally_arrange_tick(); /* a cursor may be fetched from long after it was opened */
}

void
query_end(QueryDesc *query)
{
	ReadQuery *reading = dlist_is_empty(&queries) ? NULL : find(query);

	if (reading != NULL)
		finish(reading);
}

bool
query_any(void)
{
	return !dlist_is_empty(&queries);
}

void
query_count_all(void)
{
	dlist_iter each;

	dlist_foreach(each, &queries)
	{
		ReadQuery *reading = dlist_container(ReadQuery, link, each.cur);

		if (reading->has_run)
			count_rows(reading, false, false);
	}
}

void
query_end_all(void)
{
	while (!dlist_is_empty(&queries))
		finish(dlist_head_element(ReadQuery, link, &queries));
}
