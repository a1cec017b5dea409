/*
 * window.c
 *		Sealed rows with the events they stand for, in the order of leaves: some
 *		thousand at a time, in memory that does not grow with the log.
 *
 * Ids of neighbours in the tree are neighbours in number, but for those of long
 * transactions, so the rows are read in a few ranges of ids, from whichever
 * tables they lie in.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/xid8.h"

#define WINDOW_ROWS 5000
#define WINDOW_LEAVES 20000
#define FETCH 1000

/* Ids so far apart are looked up by themselves. */
#define RANGE_GAP (64 * (int64) EVENT_ID_STEP)

struct WindowReader
{
	Portal portal;
	MemoryContext context; /* of one window */
	bool wants_leaves;
	Window window;
	SealedRow **by_id;
	SealedRow *visited;
};

WindowReader *
window_open(int64 first, int64 end, bool wants_leaves)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT s.record_id, s.first_leaf, s.leaves FROM twin_internal.sealed s WHERE s.first_leaf >= "
					"coalesce((SELECT max(p.first_leaf) FROM twin_internal.sealed p WHERE p.first_leaf <= $1), $1) "
					"AND s.first_leaf < $2 "
					"ORDER BY s.first_leaf",
					INT8OID, INT8OID);
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(end)};
	WindowReader *reader = palloc0(sizeof(WindowReader));

	reader->portal = plan_open(&plan, values, NULL, true);
	reader->wants_leaves = wants_leaves;
	reader->context = AllocSetContextCreate(CurrentMemoryContext, "leaves of the audit log", ALLOCSET_DEFAULT_SIZES);
	return reader;
}

void
window_close(WindowReader *reader)
{
	SPI_cursor_close(reader->portal);
	MemoryContextDelete(reader->context);
	pfree(reader);
}

/* Takes sealed rows until there are enough leaves; how many these are. */
static int
read_sealed(WindowReader *reader)
{
	Window *window = &reader->window;
	int64 leaves = 0;

	window->rows = palloc0(WINDOW_ROWS * sizeof(SealedRow));
	window->count = 0;
	while (window->count < WINDOW_ROWS && leaves < WINDOW_LEAVES)
	{
		/* a row has EVENT_ID_STEP leaves at most, so that a hundred are not too many; one says otherwise only if it was changed */
		SPI_cursor_fetch(reader->portal, true, Min(WINDOW_ROWS - window->count, 100));
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			SealedRow *row = &window->rows[window->count++];

			row->record_id = DatumGetInt64(plan_value(i, 1, NULL));
			row->first_leaf = DatumGetInt64(plan_value(i, 2, NULL));
			row->leaves = DatumGetInt32(plan_value(i, 3, NULL));
			row->place = (int) leaves;
			leaves += Max(Min(row->leaves, EVENT_ID_STEP), 1);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	return (int) leaves;
}

static int
compare_ids(const void *a, const void *b)
{
	const SealedRow *one = *(SealedRow *const *) a;
	const SealedRow *other = *(SealedRow *const *) b;

	return one->record_id < other->record_id ? -1 : one->record_id > other->record_id;
}

/* The number after "next_xid" in a heartbeat's details; 0 for none. */
static uint64
next_xid_of(Bytes details)
{
	static const char name[] = "\"next_xid\": \"";
	char copy[1024];
	const char *found;

	if (details.data == NULL || details.length >= sizeof(copy))
		return 0;
	memcpy(copy, details.data, details.length);
	copy[details.length] = '\0';
	found = strstr(copy, name);
	return found == NULL ? 0 : strtou64(found + sizeof(name) - 1, NULL, 10);
}

static bool
is_word(Bytes text, const char *word)
{
	return text.data != NULL && text.length == strlen(word) &&
		   memcmp(text.data, word, text.length) == 0; /* public: types of events */
}

static void
visit(void *argument, int number, const Leaf *leaf, Bytes bytes)
{
	WindowReader *reader = argument;
	SealedRow *row = reader->visited;

	row->made = number + 1;
	row->recorded_at = leaf->recorded_at;
	if (is_word(leaf->text[LEAF_TYPE], "heartbeat") && !(leaf->flags & LEAF_APPLICATION_MADE))
		row->next_xid = next_xid_of(leaf->text[LEAF_DETAILS]);
	row->is_epoch = is_word(leaf->text[LEAF_TYPE], "audit_epoch");
	if (number >= Max(Min(row->leaves, EVENT_ID_STEP), 1))
		return;
	base_check(merkle_leaf(bytes, &reader->window.hashes[row->place + number]));
	if (reader->wants_leaves)
	{
		uint8 *copy = MemoryContextAllocHuge(reader->context, bytes.length + 1);

		memcpy(copy, bytes.data, bytes.length);
		reader->window.leaves[row->place + number] = bytes_of(copy, bytes.length);
	}
}

static void
take_row(WindowReader *reader, HeapTuple tuple, TupleDesc shape)
{
	SealedRow wanted = {.record_id = row_id(tuple, shape)};
	SealedRow *key = &wanted;
	SealedRow **found = bsearch(&key, reader->by_id, reader->window.count, sizeof(SealedRow *), compare_ids);
	bool null;

	if (found == NULL || (*found)->seen++ > 0)
		return;
	reader->visited = *found;
	(*found)->writer_xid =
		U64FromFullTransactionId(DatumGetFullTransactionId(heap_getattr(tuple, ROW_COLUMNS + 1, shape, &null)));
	(void) row_leaves(tuple, shape, visit, reader);
}

/* Reads the events whose ids lie in a range. */
static void
read_range(WindowReader *reader, int64 first, int64 last)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT " ROW_COLUMN_LIST ", e.writer_xid FROM twin_internal.event_rows e "
										 "WHERE e.event_id BETWEEN $1 AND $2",
										 INT8OID, INT8OID);
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(last)};
	Portal portal = plan_open(&plan, values, NULL, true);
	MemoryContext context = AllocSetContextCreate(reader->context, "rows of the audit log", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = CurrentMemoryContext;

	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			take_row(reader, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			if (i % 64 == 63)
				MemoryContextReset(context);
		}
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	MemoryContextDelete(context);
	SPI_cursor_close(portal);
}

const Window *
window_next(WindowReader *reader)
{
	Window *window = &reader->window;
	MemoryContext outer;
	int leaves;

	MemoryContextReset(reader->context);
	outer = MemoryContextSwitchTo(reader->context);
	leaves = read_sealed(reader);
	window->hashes = palloc0(Max(leaves, 1) * sizeof(MerkleHash));
	window->leaves = reader->wants_leaves ? palloc0(Max(leaves, 1) * sizeof(Bytes)) : NULL;
	reader->by_id = palloc(Max(window->count, 1) * sizeof(SealedRow *));
	for (int i = 0; i < window->count; i++)
		reader->by_id[i] = &window->rows[i];
	qsort(reader->by_id, window->count, sizeof(SealedRow *), compare_ids);
	for (int i = 0, first = 0; i < window->count; i++)
		if (i + 1 == window->count || reader->by_id[i + 1]->record_id - reader->by_id[i]->record_id > RANGE_GAP)
		{
			read_range(reader, reader->by_id[first]->record_id, reader->by_id[i]->record_id);
			first = i + 1;
		}
	MemoryContextSwitchTo(outer);
	return window->count > 0 ? window : NULL;
}
