/*
 * rewrite.c
 *		Passing over a live table and changing one column of its rows, in
 *		batches with commits.
 *
 * Rows are updated below the executor: no trigger fires, no row security and
 * no foreign key looks at them, because what they say does not change, only
 * under which key it is written.  Readers never wait; a writer waits for the
 * end of a batch at most.
 *
 * A row that somebody else is writing is never waited for while the batch
 * holds other rows, so it takes part in no deadlock: it is skipped, and a
 * later pass finds it, or what became of it.  Passes end when one finds
 * nothing to do.  Where rows are still skipped after some passes, the rest is
 * done one row a transaction, waiting.
 *
 * Index expressions and the like run as the table's owner in a restricted
 * context, as in VACUUM and REINDEX.
 */
#include "cipher/rewrite.h"

#include "access/heapam.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/tableam.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "commands/vacuum.h"
#include "executor/executor.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/wait_event.h"
#include "storage/bufmgr.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

/* Passes that skip what others are writing, before rows are waited for. */
#define PASSES_SKIPPING 3

/* First key of the advisory lock that the long commands on a table exclude each other with. */
#define LOCK_CLASS 0x74736563

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
	int limit = job->at_once ? INT_MAX : job->waits ? 1 : job->batch_rows;
	BlockNumber end = job->at_once ? job->end_block : Min(job->end_block, job->next_block + BATCH_BLOCKS);
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
static void
do_batch(RewriteJob *job, Relation relation)
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
		do_batch(job, relation);
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
		more = next_batch(job, oid, first);
		first = false;
		rewrite_commit();
		keep_rate(job);
	} while (more);
}

void
rewrite_run(RewriteJob *job)
{
	MemoryContext home = CurrentMemoryContext;

	job->began = GetCurrentTimestamp();
	job->passes = 0;
	for (;;)
	{
		List *tables;
		ListCell *cell;
		MemoryContext old = MemoryContextSwitchTo(home);

		tables = rewrite_tables(job->relation);
		MemoryContextSwitchTo(old);
		job->pass_changed = job->pass_skipped = job->left = 0;
		job->waits = job->passes >= PASSES_SKIPPING;
		foreach(cell, tables)
			run_pass(job, lfirst_oid(cell));
		if (job->pass_changed == 0 && job->pass_skipped == 0)
			return;
		job->passes++;
	}
}

void
rewrite_at_once(RewriteJob *job)
{
	ListCell *cell;

	job->at_once = true;
	job->waits = true; /* for nobody: but rows this transaction has locked itself count as being written */
	foreach(cell, rewrite_tables(job->relation))
	{
		(void) next_batch(job, lfirst_oid(cell), true);
		CommandCounterIncrement();
	}
	if (job->pass_skipped > 0)
		elog(ERROR, "twin_security: rows of a locked table were written by somebody else");
}

void
rewrite_require_owner(Oid relation)
{
	char kind = get_rel_relkind(relation);

	if (kind == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("there is no such table")));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", get_rel_name(relation))));
	if (!compat_owns_relation(relation, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
}

static void
set_lock_tag(LOCKTAG *tag, Oid relation)
{
	SET_LOCKTAG_ADVISORY(*tag, MyDatabaseId, LOCK_CLASS, relation, 2);
}

static void
acquire(const LOCKTAG *tag, Oid relation, bool for_session)
{
	if (LockAcquire(tag, ExclusiveLock, for_session, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("another session is converting or re-encrypting \"%s\"", get_rel_name(relation)),
						errhint("twin.stat_progress shows how far it is.")));
}

/* The table this session has locked; a command that fails gives it back. */
static Oid locked = InvalidOid;

static void
unlock_at_abort(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT && OidIsValid(locked))
		rewrite_unlock(locked);
}

void
rewrite_lock(Oid relation)
{
	static bool registered = false;
	LOCKTAG tag;

	if (!registered)
		RegisterXactCallback(unlock_at_abort, NULL);
	registered = true;
	set_lock_tag(&tag, relation);
	acquire(&tag, relation, true);
	locked = relation;
}

void
rewrite_lock_in_transaction(Oid relation)
{
	LOCKTAG tag;

	set_lock_tag(&tag, relation);
	acquire(&tag, relation, false);
}

void
rewrite_unlock(Oid relation)
{
	LOCKTAG tag;

	set_lock_tag(&tag, relation);
	locked = InvalidOid;
	(void) LockRelease(&tag, ExclusiveLock, true);
}

List *
rewrite_tables(Oid relation)
{
	List *tables = NIL;
	ListCell *cell;

	foreach(cell, find_all_inheritors(relation, NoLock, NULL))
		if (RELKIND_HAS_STORAGE(get_rel_relkind(lfirst_oid(cell))))
			tables = lappend_oid(tables, lfirst_oid(cell));
	return tables;
}

int64
rewrite_estimate(Oid relation)
{
	double rows = 0;
	ListCell *cell;

	foreach(cell, rewrite_tables(relation))
	{
		Relation table = try_relation_open(lfirst_oid(cell), AccessShareLock);

		if (table == NULL)
			continue;
		if (table->rd_rel->reltuples < 0)
			rows = -1;
		else if (rows >= 0)
			rows += table->rd_rel->reltuples;
		relation_close(table, AccessShareLock);
		if (rows < 0)
			break;
	}
	return (int64) rows;
}

void
rewrite_commit(void)
{
	SPI_commit();
}

void
rewrite_require_nonatomic(FunctionCallInfo fcinfo, const char *procedure)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || ((CallContext *) fcinfo->context)->atomic)
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("%s commits as it goes and cannot run inside a transaction", procedure),
						errhint("CALL it by itself, outside BEGIN and outside of functions.")));
}

int
rewrite_batch_rows(FunctionCallInfo fcinfo, int n)
{
	int rows = PG_ARGISNULL(n) ? 10000 : PG_GETARG_INT32(n);

	if (rows < 1 || rows > 1000000)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a batch has 1 to 1000000 rows")));
	return rows;
}

int
rewrite_rows_per_second(FunctionCallInfo fcinfo, int n)
{
	int rows = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);

	if (!PG_ARGISNULL(n) && rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the rate must be at least 1 row a second")));
	return rows;
}
