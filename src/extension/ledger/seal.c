/*
 * seal.c
 *		New rows become leaves of the tree.
 *
 * A row is new when its writer was not visible in the snapshot of the last
 * sealing and is in this one: it was in progress then, or has begun since.  Both
 * are looked up by index, so a transaction that stays open delays its own rows
 * and makes nobody search.  What one transaction cannot seal is gone on with by
 * the next, up to the same snapshot: rows in the order of transaction and id,
 * whatever table they have moved to meanwhile.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define XID8_ARRAY_OID 271 /* pg_type has no name for them */
#define INT8_ARRAY_OID 1016
#define INT4_ARRAY_OID 1007
#define FETCH 500
#define DUPLICATES_TOLD 10

#define ROWS_WHERE "SELECT " ROW_COLUMN_LIST ", e.writer_xid FROM " EVENT_ROWS " e WHERE "

static LedgerPlan one_writer_plan =
	LEDGER_PLAN(ROWS_WHERE "e.origin = $1 AND e.writer_xid = $2 AND e.event_id > $3 ORDER BY e.event_id", INT4OID,
				XID8OID, INT8OID);
static LedgerPlan late_writers_plan =
	LEDGER_PLAN(ROWS_WHERE "e.origin = $1 AND e.writer_xid = ANY ($2) ORDER BY e.writer_xid, e.event_id", INT4OID,
				XID8_ARRAY_OID);
static LedgerPlan new_writers_plan = LEDGER_PLAN(
	ROWS_WHERE "e.origin = $1 AND (e.writer_xid, e.event_id) > ($2, $3) AND e.writer_xid < pg_snapshot_xmax($4) "
			   "AND pg_visible_in_snapshot(e.writer_xid, $4) AND e.writer_xid <> ALL ($5) "
			   "ORDER BY e.writer_xid, e.event_id",
	INT4OID, XID8OID, INT8OID, PG_SNAPSHOTOID, XID8_ARRAY_OID);
static LedgerPlan sweep_plan =
	LEDGER_PLAN(ROWS_WHERE "e.origin <> $1 AND e.event_id > $2 ORDER BY e.event_id", INT4OID, INT8OID);

/* Rows that are about to be sealed; they lie where SPI keeps them until the transaction's end. */
typedef struct BatchRow
{
	int64 id;
	HeapTuple tuple;
} BatchRow;

typedef struct Batch
{
	BatchRow *rows;
	int count;
	int room;
	TupleDesc shape;
	int64 leaves;
	int64 bytes;
	bool is_full;
	bool is_writers; /* rows may be the writer's own, of this origin */
	uint64 last_xid; /* of the row that filled it */
	int64 last_id;
} Batch;

static void
begin_batch(Batch *batch)
{
	memset(batch, 0, sizeof(*batch));
	batch->room = 1024;
	batch->rows = palloc(batch->room * sizeof(BatchRow));
}

static uint64
writer_of(HeapTuple row, TupleDesc shape)
{
	bool null;

	return U64FromFullTransactionId(DatumGetFullTransactionId(heap_getattr(row, ROW_COLUMNS + 1, shape, &null)));
}

static void
take_row(Batch *batch, HeapTuple row, TupleDesc shape)
{
	int64 leaves;
	int64 bytes;

	if (batch->count == batch->room)
	{
		batch->room *= 2;
		batch->rows = repalloc(batch->rows, batch->room * sizeof(BatchRow));
	}
	if (batch->shape == NULL)
		batch->shape = CreateTupleDescCopy(shape);
	batch->rows[batch->count++] = (BatchRow){.id = row_id(row, shape), .tuple = row};
	row_estimate(row, shape, &leaves, &bytes);
	batch->leaves += leaves;
	batch->bytes += bytes;
	batch->is_full = batch->leaves >= SEAL_LEAVES_MAX || batch->bytes >= SEAL_BYTES_MAX;
	if (!batch->is_full)
		return;
	batch->last_id = batch->rows[batch->count - 1].id;
	batch->last_xid = writer_of(row, shape);
}

/* Takes what a statement finds, as far as there is room. */
static void
take_rows(Batch *batch, LedgerPlan *plan, Datum *values)
{
	Portal portal;

	if (batch->is_full)
		return;
	portal = plan_open(plan, values, NULL, false);
	while (!batch->is_full)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed && !batch->is_full; i++)
			take_row(batch, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
	}
	SPI_cursor_close(portal);
}

/* ---- rows that have their leaves already ---- */

static int64 duplicates[DUPLICATES_TOLD];
static int duplicate_count = 0;

static void
note_duplicate(int64 id)
{
	if (duplicate_count < DUPLICATES_TOLD)
		duplicates[duplicate_count++] = id;
}

void
seal_tell_duplicates(void)
{
	for (int i = 0; i < duplicate_count; i++)
	{
		char id[32];
		char details[128] = "";
		SecurityEvent event = {.type = "integrity_failure",
							   .severity = EVENT_CRITICAL,
							   .outcome = EVENT_FAILURE,
							   .resource = "audit log",
							   .record_id = id,
							   .details = details};

		snprintf(id, sizeof(id), INT64_FORMAT, duplicates[i]);
		(void) event_json_add(details, sizeof(details), "reason",
							  "a row has the id of one that is sealed, and cannot be");
		(void) event_emit(&event);
	}
	duplicate_count = 0;
}

static int
compare_ids(const void *a, const void *b)
{
	int64 one = *(const int64 *) a;
	int64 other = *(const int64 *) b;

	return one < other ? -1 : one > other;
}

/* The greatest id that is sealed, and that no later one may be smaller than; false for none. */
static bool
read_newest(int64 *newest)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT max(s.record_id) FROM twin_internal.sealed s", InvalidOid);
	bool null;

	plan_run(&plan, NULL, NULL, false, SPI_OK_SELECT);
	*newest = DatumGetInt64(plan_value(0, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	if (!null)
		event_note_sealed_id(*newest);
	return !null;
}

/* Ids of a batch, in its order, that are sealed; those above all that are sealed are not asked for. */
static int64 *
find_sealed(const Batch *batch, uint64 *found)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT s.record_id FROM twin_internal.sealed s WHERE s.record_id = ANY ($1)", INT8_ARRAY_OID);
	Datum *ids = palloc(batch->count * sizeof(Datum));
	int count = 0;
	Datum values[1];
	int64 *sealed;
	int64 newest;
	bool is_first = !read_newest(&newest);

	*found = 0;
	while (!is_first && count < batch->count && batch->rows[count].id <= newest)
	{
		ids[count] = Int64GetDatum(batch->rows[count].id);
		count++;
	}
	if (count == 0)
		return NULL;
	values[0] =
		PointerGetDatum(construct_array(ids, count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	*found = SPI_processed;
	sealed = palloc((SPI_processed + 1) * sizeof(int64));
	for (uint64 i = 0; i < SPI_processed; i++)
		sealed[i] = DatumGetInt64(plan_value(i, 1, NULL));
	SPI_freetuptable(SPI_tuptable);
	qsort(sealed, *found, sizeof(int64), compare_ids);
	return sealed;
}

/* Whether a row is an alarm itself: of those one is enough. */
static bool
is_alarm(const BatchRow *row, TupleDesc shape)
{
	bool null;
	Datum type = heap_getattr(row->tuple, ROW_TYPE_COLUMN, shape, &null);

	return !null && strcmp(TextDatumGetCString(type), "integrity_failure") == 0; /* public: a type of events */
}

/* Drops rows whose ids are sealed: swept ones have their leaves, of others somebody took the id twice. */
static void
drop_sealed(Batch *batch, bool is_sweep)
{
	uint64 found;
	const int64 *sealed = find_sealed(batch, &found);
	int kept = 0;

	for (int i = 0; i < batch->count; i++)
	{
		int64 id = batch->rows[i].id;

		if ((kept > 0 && id == batch->rows[kept - 1].id) ||
			(found > 0 && bsearch(&id, sealed, found, sizeof(int64), compare_ids) != NULL))
		{
			if (!is_sweep && !is_alarm(&batch->rows[i], batch->shape))
				note_duplicate(id);
		}
		else
			batch->rows[kept++] = batch->rows[i];
	}
	batch->count = kept;
}

/* ---- into the tree ---- */

typedef struct Sealing
{
	LedgerState *state;
	TileSet *set;
	MerkleHash last;
} Sealing;

static void
seal_leaf(void *argument, int number, const Leaf *leaf, Bytes bytes)
{
	Sealing *sealing = argument;

	base_check(merkle_leaf(bytes, &sealing->last));
	base_check(merkle_append(&sealing->state->edge, &sealing->last, tile_keep, sealing->set));
}

static int
compare_rows(const void *a, const void *b)
{
	return compare_ids(&((const BatchRow *) a)->id, &((const BatchRow *) b)->id);
}

/* Makes leaves of the batch's rows, in the order of their ids. */
static void
seal_rows(LedgerState *state, Batch *batch)
{
	static LedgerPlan plan = LEDGER_PLAN("INSERT INTO twin_internal.sealed (record_id, first_leaf, leaves) "
										 "SELECT * FROM unnest($1, $2, $3)",
										 INT8_ARRAY_OID, INT8_ARRAY_OID, INT4_ARRAY_OID);
	Sealing sealing = {.state = state, .set = tile_new_set(false)};
	MemoryContext row_context = AllocSetContextCreate(CurrentMemoryContext, "row of events", ALLOCSET_DEFAULT_SIZES);
	Datum *columns[3];
	Datum values[3];

	for (int i = 0; i < 3; i++)
		columns[i] = palloc(batch->count * sizeof(Datum));
	for (int i = 0; i < batch->count; i++)
	{
		MemoryContext outer = MemoryContextSwitchTo(row_context);
		uint64 first = state->edge.size;
		int leaves = row_leaves(batch->rows[i].tuple, batch->shape, seal_leaf, &sealing);

		if (batch->is_writers)
			state->sealed_sum += witness_mark(batch->rows[i].tuple, batch->shape,
											  writer_of(batch->rows[i].tuple, batch->shape), &sealing.last);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(row_context);
		columns[0][i] = Int64GetDatum(batch->rows[i].id);
		columns[1][i] = Int64GetDatum((int64) first);
		columns[2][i] = Int32GetDatum(leaves);
	}
	tile_flush(sealing.set);
	for (int i = 0; i < 2; i++)
		values[i] = PointerGetDatum(
			construct_array(columns[i], batch->count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[2] =
		PointerGetDatum(construct_array(columns[2], batch->count, INT4OID, sizeof(int32), true, TYPALIGN_INT));
	plan_run(&plan, values, NULL, false, SPI_OK_INSERT);
	MemoryContextDelete(row_context);
	pfree(sealing.set);
}

/* Seals a batch; how many leaves that made. */
static uint64
seal_batch(LedgerState *state, Batch *batch, bool is_sweep)
{
	uint64 before = state->edge.size;

	if (batch->count == 0)
		return 0;
	qsort(batch->rows, batch->count, sizeof(BatchRow), compare_rows);
	drop_sealed(batch, is_sweep);
	if (batch->count > 0)
		seal_rows(state, batch);
	return state->edge.size - before;
}

/* ---- which rows ---- */

/* Which transactions a step has to look for. */
typedef struct Writers
{
	bool resumes_late; /* the last row taken was of a transaction that was in progress in the old snapshot */
	bool has_late;     /* there are others, with greater ids, that have become visible */
	Datum late;        /* xid8[] */
	uint64 old_end;    /* the first that had not begun in the old snapshot */
} Writers;

static Writers
find_writers(const LedgerState *state)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT $3 IN (SELECT x FROM pg_snapshot_xip($1) x), array_length(l.late, "
										 "1) > 0, l.late, pg_snapshot_xmax($1) FROM "
										 "(SELECT array(SELECT x FROM pg_snapshot_xip($1) x WHERE x > $3 AND "
										 "pg_visible_in_snapshot(x, $2)) AS late) l",
										 PG_SNAPSHOTOID, PG_SNAPSHOTOID, XID8OID);
	Datum values[] = {state->snapshot, state->target,
					  FullTransactionIdGetDatum(FullTransactionIdFromU64(state->done_xid))};
	Writers writers;
	bool null;

	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	writers.resumes_late = DatumGetBool(plan_value(0, 1, &null));
	writers.has_late = DatumGetBool(plan_value(0, 2, &null));
	writers.late = plan_value(0, 3, NULL);
	writers.old_end = U64FromFullTransactionId(DatumGetFullTransactionId(plan_value(0, 4, NULL)));
	return writers;
}

static void
begin_round(LedgerState *state)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT pg_current_snapshot()", InvalidOid);

	if (state->has_target)
		return;
	state->target_at = GetCurrentTimestamp();
	event_sealing_begins();
	plan_run(&plan, NULL, NULL, false, SPI_OK_SELECT);
	state->target = plan_value(0, 1, NULL);
	state->has_target = true;
	state->done_xid = 0;
	state->done_id = PG_INT64_MIN;
}

static void
end_round(LedgerState *state)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT array(SELECT x FROM unnest($1) x WHERE NOT pg_visible_in_snapshot(x, $2) ORDER BY x)",
					XID8_ARRAY_OID, PG_SNAPSHOTOID);
	Datum values[] = {state->own_writers, state->target};

	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	state->own_writers = plan_value(0, 1, NULL);
	state->snapshot = state->target;
	state->snapshot_at = state->target_at;
	state->has_target = false;
}

static Datum
xid_datum(uint64 xid)
{
	return FullTransactionIdGetDatum(FullTransactionIdFromU64(xid));
}

bool
seal_some(LedgerState *state, uint64 *sealed)
{
	bool was_going = state->has_target;
	bool found_some;
	Writers writers;
	Batch batch;

	begin_batch(&batch);
	batch.is_writers = true;
	begin_round(state);
	writers = find_writers(state);
	if (writers.resumes_late)
		take_rows(&batch, &one_writer_plan,
				  (Datum[]){Int32GetDatum(state->origin), xid_datum(state->done_xid), Int64GetDatum(state->done_id)});
	if (writers.has_late)
		take_rows(&batch, &late_writers_plan, (Datum[]){Int32GetDatum(state->origin), writers.late});
	if (state->done_xid < writers.old_end)
		take_rows(&batch, &new_writers_plan,
				  (Datum[]){Int32GetDatum(state->origin), xid_datum(writers.old_end - 1), Int64GetDatum(PG_INT64_MAX),
							state->target, state->own_writers});
	else
		take_rows(&batch, &new_writers_plan,
				  (Datum[]){Int32GetDatum(state->origin), xid_datum(state->done_xid), Int64GetDatum(state->done_id),
							state->target, state->own_writers});
	found_some = batch.count > 0;
	*sealed += seal_batch(state, &batch, false);
	if (batch.is_full)
	{
		state->done_xid = batch.last_xid;
		state->done_id = batch.last_id;
	}
	else
	{
		end_round(state);
		state->is_altered = event_sealing_differs(state->sealed_sum);
	}
	if (was_going || found_some)
		state_write(state);
	return batch.is_full;
}

bool
seal_sweep(LedgerState *state, uint64 *sealed)
{
	Batch batch;

	begin_batch(&batch);
	take_rows(&batch, &sweep_plan, (Datum[]){Int32GetDatum(state->origin), Int64GetDatum(state->sweep_id)});
	if (batch.is_full)
		state->sweep_id = batch.last_id;
	else
		state->is_sweeping = false;
	*sealed += seal_batch(state, &batch, true);
	state_write(state);
	return true; /* what is this origin's comes next */
}

void
seal_event(LedgerState *state, const SecurityEvent *event)
{
	static LedgerPlan row_plan =
		LEDGER_PLAN(ROWS_WHERE "e.event_id = $1 AND e.writer_xid = pg_current_xact_id()", INT8OID);
	/* what the log is verified by is kept for when its partition is dropped */
	static LedgerPlan keep_plan = LEDGER_PLAN(
		"INSERT INTO twin_internal.kept_events SELECT e.* FROM " EVENT_ROWS " e WHERE e.event_id = $1 "
		"AND e.writer_xid = pg_current_xact_id() AND (e.event_type = 'audit_epoch' OR e.details ? 'altered')",
		INT8OID);
	static LedgerPlan writer_plan =
		LEDGER_PLAN("SELECT array_remove($1, pg_current_xact_id()) || pg_current_xact_id()", XID8_ARRAY_OID);
	Datum values[] = {Int64GetDatum(event_write(event))};
	Batch batch;

	begin_batch(&batch);
	take_rows(&batch, &row_plan, values);
	if (seal_batch(state, &batch, false) != 1)
		elog(ERROR, "twin_security: an event of the ledger itself was not sealed");
	plan_run(&keep_plan, values, NULL, false, SPI_OK_INSERT);
	values[0] = state->own_writers;
	plan_run(&writer_plan, values, NULL, false, SPI_OK_SELECT);
	state->own_writers = plan_value(0, 1, NULL);
}
