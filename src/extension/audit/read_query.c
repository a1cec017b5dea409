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
#include "audit/read.h"

#include "access/parallel.h"
#include "executor/instrument.h"
#include "lib/ilist.h"
#include "miscadmin.h"
#include "nodes/execnodes.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* An audited table, read by the rights of one role. */
typedef struct ReadTarget
{
	Oid table;
	Oid as_role;
	bool conflicts; /* counted are rows that ON CONFLICT found */
	uint64 rows;    /* counted so far */
	uint64 filtered;
	ReadRecord record;
} ReadTarget;

/* A node of the plan that reads of one. */
typedef struct ReadScan
{
	PlanState *node;
	ReadTarget *target;
} ReadScan;

typedef struct ReadQuery
{
	MemoryContextCallback callback;
	dlist_node link;
	QueryDesc *query;
	uint64 query_id;
	CommandTag tag;
	bool is_parallel;
	bool has_run;
	int running; /* it is being run, so many times over */
	List *targets;
	List *scans;
	Bitmapset *seen; /* nodes that were looked at: several may refer to one subplan */
} ReadQuery;

static dlist_head queries = DLIST_STATIC_INIT(queries);

/* ---- which tables a plan touches ---- */

bool
query_concerns(const QueryDesc *query)
{
	ListCell *cell;

	if (!read_table_any())
		return false;
	foreach(cell, query->plannedstmt->relationOids)
		if (OidIsValid(read_table_of(lfirst_oid(cell))))
			return true;
	/* a worker's plan comes without that list */
	foreach(cell, IsParallelWorker() ? query->plannedstmt->rtable : NIL)
		if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_RELATION &&
			OidIsValid(read_table_of(lfirst_node(RangeTblEntry, cell)->relid)))
			return true;
	return false;
}

static ReadTarget *
target_of(ReadQuery *reading, Oid table, Oid as_role, bool conflicts)
{
	ReadTarget *target;
	ListCell *cell;

	foreach(cell, reading->targets)
	{
		target = lfirst(cell);
		if (target->table == table && target->as_role == as_role && target->conflicts == conflicts)
			return target;
	}
	target = palloc0(sizeof(ReadTarget));
	target->table = table;
	target->as_role = as_role;
	target->conflicts = conflicts;
	if (!IsParallelWorker())
		record_of_read(&target->record, table, as_role, reading->tag);
	reading->targets = lappend(reading->targets, target);
	return target;
}

/* Notes that a node reads what an entry of the range table stands for. */
static void
add_scan(ReadQuery *reading, PlanState *node, Index number, bool conflicts)
{
	PlannedStmt *planned = reading->query->plannedstmt;
	RangeTblEntry *entry = number == 0 ? NULL : rt_fetch(number, planned->rtable);
	Oid table;
	Oid as_role;
	ReadScan *scan;

	if (entry == NULL || entry->rtekind != RTE_RELATION || node->instrument == NULL)
		return;
	table = read_table_of(entry->relid);
	if (!OidIsValid(table))
		return;
	as_role = compat_read_as(planned, number);
	scan = palloc(sizeof(ReadScan));
	scan->node = node;
	scan->target = target_of(reading, table, as_role, conflicts);
	reading->scans = lappend(reading->scans, scan);
}

static void
add_scans(ReadQuery *reading, PlanState *node, Bitmapset *numbers)
{
	int number = -1;

	while ((number = bms_next_member(numbers, number)) >= 0)
		add_scan(reading, node, (Index) number, false);
}

static bool
visit(PlanState *node, void *argument)
{
	ReadQuery *reading = argument;
	Plan *plan = node->plan;

	if (bms_is_member(plan->plan_node_id, reading->seen))
		return false;
	reading->seen = bms_add_member(reading->seen, plan->plan_node_id);
	switch (nodeTag(plan))
	{
		/* an index's bitmap is no row yet: the heap's scan above it counts */
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			add_scan(reading, node, ((Scan *) plan)->scanrelid, false);
			break;
		case T_ForeignScan: /* of one table, or of a join that the other side makes */
			if (((Scan *) plan)->scanrelid > 0)
				add_scan(reading, node, ((Scan *) plan)->scanrelid, false);
			else
				add_scans(reading, node, ((ForeignScan *) plan)->fs_relids);
			break;
		case T_CustomScan:
			if (((Scan *) plan)->scanrelid > 0)
				add_scan(reading, node, ((Scan *) plan)->scanrelid, false);
			else
				add_scans(reading, node, ((CustomScan *) plan)->custom_relids);
			break;
		case T_ModifyTable:
			if (((ModifyTable *) plan)->onConflictAction != ONCONFLICT_NONE)
				add_scan(reading, node, ((ModifyTable *) plan)->nominalRelation, true);
			break;
		default:
			break;
	}
	return planstate_tree_walker(node, visit, reading);
}

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
	(void) visit(query->planstate, reading);
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
