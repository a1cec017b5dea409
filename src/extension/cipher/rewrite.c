/*
 * rewrite.c
 *		Changing one column of a batch of a live table's rows.
 *
 * Rows are updated below the executor: no trigger fires, no row security and
 * no foreign key looks at them, because what they say does not change, only
 * under which key it is written.  Readers never wait; a writer waits for the
 * end of a batch at most.
 *
 * Index expressions and the like run as the table's owner in a restricted
 * context, as in VACUUM and REINDEX.
 */
#include "cipher/rewrite.h"

#include "access/heapam.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * Between two rests lie this many rows, and a rest takes half as long as the
 * work before it: on a machine with few processors a reader waits at most for
 * so many rows, never for our whole time slice.  Measured with 2 processors,
 * p99 of point reads beside it over that of an idle server: without rests 2.0
 * at 142,000 rows/s, like this 1.35 at 62,000, with rests as long as the work
 * 1.35 at 44,000; with 64 and 128 rows between them 2.2 to 3.9.
 */
#define ROWS_BETWEEN_RESTS 16
#define LONGEST_REST 10000 /* microseconds */

/* Blocks of a batch at most, so that a table with little to do commits and reports as well. */
#define BATCH_BLOCKS 4096

/* What a batch works with. */
typedef struct Batch
{
	RewriteJob *job;
	Relation relation;
	AttrNumber target;
	AttrNumber source;
	EState *estate;
	ResultRelInfo *result;
	TupleTableSlot *old;
	TupleTableSlot *new;
	Snapshot snapshot;
	LockTupleMode lock; /* as an update of the column takes it: a stronger one where the column is a key */
	int64 changed;
	int64 seen;
	instr_time began; /* the work since the last rest */
	bool waited;      /* a row is locked: the batch ends, so that none is waited for while another is held */
} Batch;

/* The row in the old slot with another value. */
static HeapTuple
changed_row(Batch *batch, Datum value)
{
	TupleDesc shape = RelationGetDescr(batch->relation);
	Datum *values = palloc0(sizeof(Datum) * shape->natts);
	bool *nulls = palloc0(sizeof(bool) * shape->natts);
	bool *replaced = palloc0(sizeof(bool) * shape->natts);
	bool should_free;

	values[batch->target - 1] = value;
	replaced[batch->target - 1] = true;
	/* what a dropped column holds may be an old plaintext: it goes no further, as in the executor's updates */
	for (int i = 0; i < shape->natts; i++)
		if (TupleDescAttr(shape, i)->attisdropped)
			nulls[i] = replaced[i] = true;
	return heap_modify_tuple(ExecFetchSlotHeapTuple(batch->old, false, &should_free), shape, values, nulls, replaced);
}

/* Locks the row in the old slot; false when somebody else holds it or has written it since the snapshot. */
static bool
lock_free_row(Batch *batch)
{
	ItemPointerData tid = batch->old->tts_tid;
	TM_FailureData failure;

	return table_tuple_lock(batch->relation, &tid, batch->snapshot, batch->old, GetCurrentCommandId(true),
							batch->lock, LockWaitSkip, 0, &failure) == TM_Ok;
}

/*
 * Writes the new row version; false when somebody has written the row since the snapshot.  heap_update() knows no other way
 * than to wait for who holds a row, so the row is locked, or the whole table.
 */
static bool
write_row(Batch *batch, Datum value)
{
	TM_FailureData failure;
	LockTupleMode mode;
	TsecUpdateIndexes update_indexes;

	ExecForceStoreHeapTuple(changed_row(batch, value), batch->new, false);
	if (table_tuple_update(batch->relation, &batch->old->tts_tid, batch->new, GetCurrentCommandId(true),
						   batch->snapshot, InvalidSnapshot, true, &failure, &mode, &update_indexes) != TM_Ok)
		return false;
	compat_insert_index_tuples(batch->result, batch->new, batch->estate, update_indexes);
	return true;
}

/*
 * Waits for whoever is writing the row in the old slot and puts there what he
 * leaves of it, locked.  False when it is gone.
 */
static bool
wait_for_row(Batch *batch)
{
	ItemPointerData tid = batch->old->tts_tid;
	TM_FailureData failure;
	TM_Result outcome;

	for (;;)
	{
		outcome = table_tuple_lock(batch->relation, &tid, batch->snapshot, batch->old, GetCurrentCommandId(true),
								   batch->lock, LockWaitBlock, 0, &failure);
		if (outcome != TM_Updated || ItemPointerIndicatesMovedPartitions(&failure.ctid))
			break;
		/* the next version was made after our snapshot, so nobody prunes it while we have that */
		tid = failure.ctid;
	}
	batch->waited = true;
	return outcome == TM_Ok;
}

/* What is to be done with the row in a slot. */
static RowAction
judge_row(const RewriteJob *job, TupleTableSlot *slot, AttrNumber source, AttrNumber target)
{
	bool source_null = slot_attisnull(slot, source);
	bool target_null;
	Datum value = slot_getattr(slot, target, &target_null);

	return job->judge(job, source_null, value, target_null);
}

/* Looks at the row in the old slot. */
static void
do_row(Batch *batch)
{
	RewriteJob *job = batch->job;
	MemoryContext outer = MemoryContextSwitchTo(GetPerTupleMemoryContext(batch->estate));
	RowAction action = judge_row(job, batch->old, batch->source, batch->target);
	bool null;

	batch->seen++;
	if (action == ROW_CHANGE && job->waits)
		action = wait_for_row(batch) ? judge_row(job, batch->old, batch->source, batch->target) : ROW_KEEP;
	if (action == ROW_LEAVE)
		job->left++;
	if (action == ROW_CHANGE && !job->waits && !job->at_once && !lock_free_row(batch))
	{
		job->pass_skipped++;
		action = ROW_KEEP;
	}
	if (action == ROW_CHANGE)
	{
		Datum source = slot_getattr(batch->old, batch->source, &null);
		Datum target = slot_getattr(batch->old, batch->target, &null);

		if (write_row(batch, job->make(job, source, target)))
			batch->changed++;
		else
			job->pass_skipped++;
	}
	MemoryContextSwitchTo(outer);
	ExecClearTuple(batch->new);
	ResetPerTupleExprContext(batch->estate);
}

/* Leaves the processor to others for a while; nothing is locked here that a reader could want. */
static void
take_rest(Batch *batch)
{
	instr_time worked;

	INSTR_TIME_SET_CURRENT(worked);
	INSTR_TIME_SUBTRACT(worked, batch->began);
	pg_usleep(Min((long) INSTR_TIME_GET_MICROSEC(worked) / 2, LONGEST_REST));
	INSTR_TIME_SET_CURRENT(batch->began);
}

/* Goes on from the job's next block until a batch is full or the pass is over. */
static void
scan_batch(Batch *batch)
{
	RewriteJob *job = batch->job;
	BlockNumber end = job->at_once ? job->end_block : Min(job->end_block, job->next_block + BATCH_BLOCKS);
	BlockNumber block = job->next_block;
	ItemPointerData least;
	ItemPointerData most;
	TableScanDesc scan;

	INSTR_TIME_SET_CURRENT(batch->began);
	ItemPointerSet(&least, job->next_block, FirstOffsetNumber);
	ItemPointerSet(&most, end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(batch->relation, batch->snapshot, &least, &most);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, batch->old))
	{
		CHECK_FOR_INTERRUPTS();
		/* a block is done whole, except where rows are waited for singly: then it is looked at again */
		if (batch->waited || (!job->at_once && batch->changed >= job->batch_rows &&
							  ItemPointerGetBlockNumber(&batch->old->tts_tid) != block))
		{
			end = ItemPointerGetBlockNumber(&batch->old->tts_tid);
			break;
		}
		block = ItemPointerGetBlockNumber(&batch->old->tts_tid);
		do_row(batch);
		if (!job->at_once && batch->seen % ROWS_BETWEEN_RESTS == 0)
			take_rest(batch);
	}
	table_endscan(scan);
	job->next_block = end;
}

/* Finds the number of a column that must still be there and of its type. */
static AttrNumber
find_column(const RewriteJob *job, Relation relation, const char *name, Oid type)
{
	AttrNumber number = get_attnum(RelationGetRelid(relation), name);

	if (number <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of \"%s\" has been dropped or renamed meanwhile", name,
							   RelationGetRelationName(relation))));
	if (TupleDescAttr(RelationGetDescr(relation), number - 1)->atttypid != type)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("column \"%s\" of \"%s\" has become one of another type meanwhile", name,
							   RelationGetRelationName(relation))));
	return number;
}

bool
rewrite_is_done(RewriteJob *job, Relation relation, Snapshot snapshot)
{
	AttrNumber target = find_column(job, relation, NameStr(job->column), job->column_type);
	AttrNumber source = find_column(job, relation, NameStr(job->source), job->source_type);
	MemoryContext row_context =
		AllocSetContextCreate(CurrentMemoryContext, "twin_security rewritten rows", ALLOCSET_DEFAULT_SIZES);
	TupleTableSlot *slot = table_slot_create(relation, NULL);
	TableScanDesc scan = table_beginscan(relation, snapshot, 0, NULL);
	RowAction action = ROW_KEEP;

	while (action != ROW_CHANGE && table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		MemoryContext outer = MemoryContextSwitchTo(row_context);

		CHECK_FOR_INTERRUPTS();
		action = judge_row(job, slot, source, target);
		if (action == ROW_LEAVE)
			job->left++;
		MemoryContextSwitchTo(outer);
		MemoryContextReset(row_context);
	}
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	MemoryContextDelete(row_context);
	return action != ROW_CHANGE;
}

void
rewrite_batch(RewriteJob *job, Relation relation)
{
	Batch batch = {.job = job, .relation = relation};
	BaseCaller caller;

	batch.target = find_column(job, relation, NameStr(job->column), job->column_type);
	batch.source = find_column(job, relation, NameStr(job->source), job->source_type);
	base_become_role(relation->rd_rel->relowner, 0, NULL, &caller);
	PushActiveSnapshot(GetLatestSnapshot());
	batch.snapshot = GetActiveSnapshot();
	batch.estate = CreateExecutorState();
	compat_init_range_table(batch.estate, relation, batch.target);
	batch.result = makeNode(ResultRelInfo);
	InitResultRelInfo(batch.result, relation, 1, NULL, 0);
	ExecOpenIndices(batch.result, false);
	batch.lock = ExecUpdateLockMode(batch.estate, batch.result);
	batch.old = table_slot_create(relation, NULL);
	batch.new = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);

	scan_batch(&batch);

	ExecDropSingleTupleTableSlot(batch.new);
	ExecDropSingleTupleTableSlot(batch.old);
	ExecCloseIndices(batch.result);
	FreeExecutorState(batch.estate);
	PopActiveSnapshot();
	base_return(&caller);
	job->changed += batch.changed;
	if (job->passes == 0)
		progress_add(batch.seen);
}
