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
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

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
	int64 changed;
	int64 seen;
} Batch;

/* Writes one new row version; false when somebody else is writing the row or has written it since the snapshot. */
static bool
write_row(Batch *batch, Datum value, bool null)
{
	int natts = RelationGetDescr(batch->relation)->natts;
	Datum *values = palloc0(sizeof(Datum) * natts);
	bool *nulls = palloc0(sizeof(bool) * natts);
	bool *replaced = palloc0(sizeof(bool) * natts);
	bool should_free;
	HeapTuple old = ExecFetchSlotHeapTuple(batch->old, false, &should_free);
	HeapTuple made;
	TM_FailureData failure;
	LockTupleMode mode;
	TsecUpdateIndexes update_indexes;
	TM_Result outcome;

	values[batch->target - 1] = value;
	nulls[batch->target - 1] = null;
	replaced[batch->target - 1] = true;
	made = heap_modify_tuple(old, RelationGetDescr(batch->relation), values, nulls, replaced);
	ExecForceStoreHeapTuple(made, batch->new, false);
	outcome =
		table_tuple_update(batch->relation, &batch->old->tts_tid, batch->new, GetCurrentCommandId(true),
						   batch->snapshot, InvalidSnapshot, batch->job->waits, &failure, &mode, &update_indexes);
	if (outcome != TM_Ok)
		return false;
	compat_insert_index_tuples(batch->result, batch->new, batch->estate, update_indexes);
	return true;
}

/* Looks at the row in the old slot. */
static void
do_row(Batch *batch)
{
	RewriteJob *job = batch->job;
	MemoryContext outer = MemoryContextSwitchTo(GetPerTupleMemoryContext(batch->estate));
	bool source_null;
	bool target_null;
	Datum source = slot_getattr(batch->old, batch->source, &source_null);
	Datum target = slot_getattr(batch->old, batch->target, &target_null);
	Datum value = (Datum) 0;
	bool null = false;

	batch->seen++;
	switch (job->make(job, source, source_null, target, target_null, &value, &null))
	{
		case ROW_KEEP:
			break;
		case ROW_LEAVE:
			job->left++;
			break;
		case ROW_CHANGE:
			if (write_row(batch, value, null))
				batch->changed++;
			else
				job->pass_skipped++;
			break;
	}
	MemoryContextSwitchTo(outer);
	ExecClearTuple(batch->new);
	ResetPerTupleExprContext(batch->estate);
}

/* Goes on from the job's next block until a batch is full or the pass is over. */
static void
scan_batch(Batch *batch)
{
	RewriteJob *job = batch->job;
	int limit = job->waits ? 1 : job->batch_rows;
	BlockNumber end = Min(job->end_block, job->next_block + BATCH_BLOCKS);
	BlockNumber block = job->next_block;
	ItemPointerData least;
	ItemPointerData most;
	TableScanDesc scan;

	ItemPointerSet(&least, job->next_block, FirstOffsetNumber);
	ItemPointerSet(&most, end - 1, MaxOffsetNumber);
	scan = table_beginscan_tidrange(batch->relation, batch->snapshot, &least, &most);
	while (table_scan_getnextslot_tidrange(scan, ForwardScanDirection, batch->old))
	{
		CHECK_FOR_INTERRUPTS();
		/* a block is done whole, except where rows are done singly: then it is looked at again */
		if (batch->changed >= limit && (job->waits || ItemPointerGetBlockNumber(&batch->old->tts_tid) != block))
		{
			end = ItemPointerGetBlockNumber(&batch->old->tts_tid);
			break;
		}
		block = ItemPointerGetBlockNumber(&batch->old->tts_tid);
		do_row(batch);
	}
	table_endscan(scan);
	job->next_block = end;
}

/* Does one batch of one table in the current transaction. */
void
rewrite_batch(RewriteJob *job, Relation relation)
{
	Batch batch = {.job = job, .relation = relation};
	Oid user;
	int context;
	int nest;

	batch.target = get_attnum(RelationGetRelid(relation), NameStr(job->column));
	batch.source = get_attnum(RelationGetRelid(relation), NameStr(job->source));
	if (batch.target <= 0 || batch.source <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of \"%s\" has been dropped or renamed meanwhile", NameStr(job->column),
							   RelationGetRelationName(relation))));

	GetUserIdAndSecContext(&user, &context);
	SetUserIdAndSecContext(relation->rd_rel->relowner, context | SECURITY_RESTRICTED_OPERATION);
	nest = NewGUCNestLevel();
	PushActiveSnapshot(GetLatestSnapshot());
	batch.snapshot = GetActiveSnapshot();
	batch.estate = CreateExecutorState();
	compat_init_range_table(batch.estate, relation, batch.target);
	batch.result = makeNode(ResultRelInfo);
	InitResultRelInfo(batch.result, relation, 1, NULL, 0);
	ExecOpenIndices(batch.result, false);
	batch.old = table_slot_create(relation, NULL);
	batch.new = MakeSingleTupleTableSlot(RelationGetDescr(relation), &TTSOpsHeapTuple);

	scan_batch(&batch);

	ExecDropSingleTupleTableSlot(batch.new);
	ExecDropSingleTupleTableSlot(batch.old);
	ExecCloseIndices(batch.result);
	FreeExecutorState(batch.estate);
	PopActiveSnapshot();
	AtEOXact_GUC(false, nest);
	SetUserIdAndSecContext(user, context);
	job->changed += batch.changed;
	job->pass_changed += batch.changed;
	if (job->passes == 0)
		progress_add(batch.seen);
}
