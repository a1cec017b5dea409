/*
 * window.c
 *		Sealed rows with the events they stand for, in the order of leaves: some
 *		thousand at a time, in memory that grows neither with the log nor, where
 *		leaves are kept, with the size of its rows.
 *
 * Ids of neighbours in the tree are neighbours in number, but for those of long
 * transactions, so the rows are read in a few ranges of ids, from whichever
 * tables they lie in: a partition that was detached and not dropped yet is still
 * one of them.  Of events that went with their partition there may be a copy.
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

/* Where leaves are kept: rows of the first window, bytes that more than one row never has, and those that are few. */
#define WINDOW_ROWS_KEPT 200
#define WINDOW_BYTES_MAX (16 * 1024 * 1024)
#define WINDOW_BYTES_FEW (2 * 1024 * 1024)

/* What rows take while they become leaves is given back when it is more than this. */
#define SCRAP_BYTES (1024 * 1024)

/* Ids so far apart are looked up by themselves. */
#define RANGE_GAP (64 * (int64) EVENT_ID_STEP)

struct WindowReader
{
	Portal portal;
	SPIPlanPtr of_partition; /* reads its rows; NULL: the log's, wherever they lie */
	MemoryContext context;   /* of one window */
	bool wants_leaves;
	int most;        /* rows that a window has */
	Size kept;       /* bytes of leaves in this one */
	SealedRow *read; /* what the portal gave: the window is some of these */
	int read_count;
	int read_next;
	Window window;
	SealedRow **by_id;
	SealedRow *visited;
	bool reads_elsewhere; /* not the log's own rows */
	char **detached;      /* partitions, as SQL names them */
	int detached_count;
};

/* Reads which partitions are there and not attached, or are just being detached. */
static void
find_detached(WindowReader *reader)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT c.oid::regclass::text FROM pg_class c WHERE c.relnamespace = 'twin_internal'::regnamespace "
		"AND c.relkind = 'r' AND c.relname ~ '^events_(audit|access|error)_[0-9]{4}_[0-9]{2}$' "
		"AND (NOT c.relispartition OR EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = c.oid AND "
		"i.inhdetachpending)) AND (SELECT array_agg(a.attname::text || ' ' || a.atttypid::text ORDER BY a.attnum) "
		"FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0) = "
		"(SELECT array_agg(a.attname::text || ' ' || a.atttypid::text ORDER BY a.attnum) FROM pg_attribute a "
		"WHERE a.attrelid = 'twin_internal.events'::regclass AND a.attnum > 0)",
		InvalidOid);

	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	reader->detached_count = (int) SPI_processed;
	reader->detached = palloc(SPI_processed * sizeof(char *) + 1);
	for (uint64 i = 0; i < SPI_processed; i++)
		reader->detached[i] = TextDatumGetCString(plan_value(i, 1, NULL));
	SPI_freetuptable(SPI_tuptable);
}

static WindowReader *
new_reader(Portal portal, SPIPlanPtr of_partition, bool wants_leaves)
{
	WindowReader *reader = palloc0(sizeof(WindowReader));

	reader->portal = portal;
	reader->of_partition = of_partition;
	reader->wants_leaves = wants_leaves;
	reader->most = wants_leaves ? WINDOW_ROWS_KEPT : WINDOW_ROWS;
	reader->read = palloc(WINDOW_ROWS * sizeof(SealedRow));
	reader->context = AllocSetContextCreate(CurrentMemoryContext, "leaves of the audit log", ALLOCSET_DEFAULT_SIZES);
	return reader;
}

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
	WindowReader *reader = new_reader(plan_open(&plan, values, NULL, true), NULL, wants_leaves);

	find_detached(reader);
	return reader;
}

WindowReader *
window_open_partition(const char *partition, Portal sealed)
{
	static Oid types[] = {INT8OID, INT8OID};
	SPIPlanPtr rows = SPI_prepare(psprintf("SELECT " ROW_COLUMN_LIST ", e.writer_xid FROM ONLY %s e "
										   "WHERE e.event_id BETWEEN $1 AND $2",
										   partition),
								  2, types);

	if (rows == NULL)
		elog(ERROR, "twin_security: a statement of the ledger cannot be planned");
	return new_reader(sealed, rows, true);
}

void
window_close(WindowReader *reader)
{
	SPI_cursor_close(reader->portal);
	MemoryContextDelete(reader->context);
	pfree(reader->read);
	pfree(reader);
}

/* Whether leaves that must be kept are too many for one window; a single row is taken whatever it has. */
static bool
is_too_much(const WindowReader *reader)
{
	return reader->kept > WINDOW_BYTES_MAX && reader->window.count > 1;
}

static int64
leaves_of(const SealedRow *row)
{
	return Max(Min(row->leaves, EVENT_ID_STEP), 1);
}

/* Takes sealed rows until there are enough leaves. */
static void
read_sealed(WindowReader *reader)
{
	int64 leaves = 0;

	reader->read_count = reader->read_next = 0;
	while (reader->read_count < WINDOW_ROWS && leaves < WINDOW_LEAVES)
	{
		/* a row has EVENT_ID_STEP leaves at most, so that a hundred are not too many; one says otherwise only if it was changed */
		SPI_cursor_fetch(reader->portal, true, Min(WINDOW_ROWS - reader->read_count, 100));
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			SealedRow *row = &reader->read[reader->read_count++];

			*row = (SealedRow){.record_id = DatumGetInt64(plan_value(i, 1, NULL)),
							   .first_leaf = DatumGetInt64(plan_value(i, 2, NULL)),
							   .leaves = DatumGetInt32(plan_value(i, 3, NULL))};
			leaves += leaves_of(row);
		}
		SPI_freetuptable(SPI_tuptable);
	}
}

static int
compare_ids(const void *a, const void *b)
{
	const SealedRow *one = *(SealedRow *const *) a;
	const SealedRow *other = *(SealedRow *const *) b;

	return one->record_id < other->record_id ? -1 : one->record_id > other->record_id;
}

/* What stands behind a name and its quotation mark in a heartbeat's details, in a copy; NULL where the name does not. */
static const char *
find_detail(Bytes details, const char *name, char copy[1024])
{
	const char *found;

	if (details.data == NULL || details.length >= 1024)
		return NULL;
	memcpy(copy, details.data, details.length);
	copy[details.length] = '\0';
	found = strstr(copy, name);
	return found == NULL ? NULL : found + strlen(name);
}

/* The next transaction id; 0 for none. */
static uint64
next_xid_of(Bytes details)
{
	char copy[1024];
	const char *found = find_detail(details, "\"next_xid\": \"", copy);

	return found == NULL ? 0 : strtou64(found, NULL, 10);
}

/* How far the clock was set back, DT_NOEND for not. */
static TimestampTz
clock_low_of(Bytes details)
{
	char copy[1024];
	const char *found = find_detail(details, "\"clock_low\": \"", copy);

	return found == NULL ? DT_NOEND : (TimestampTz) strtou64(found, NULL, 10);
}

static bool
tells_altered(Bytes details)
{
	char copy[1024];

	return find_detail(details, "\"altered\": \"yes", copy) != NULL;
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
	{
		row->next_xid = next_xid_of(leaf->text[LEAF_DETAILS]);
		row->clock_low = clock_low_of(leaf->text[LEAF_DETAILS]);
		row->tells_altered = tells_altered(leaf->text[LEAF_DETAILS]);
	}
	row->is_epoch = is_word(leaf->text[LEAF_TYPE], "audit_epoch");
	if (number >= leaves_of(row))
		return;
	base_check(merkle_leaf(bytes, &reader->window.hashes[row->place + number]));
	if (reader->wants_leaves)
	{
		uint8 *copy;

		reader->kept += bytes.length;
		if (is_too_much(reader))
			return; /* it is read again */
		copy = MemoryContextAllocHuge(reader->context, bytes.length + 1);
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

	if (found == NULL)
		return;
	if (reader->reads_elsewhere ? (*found)->is_visited : (*found)->seen++ > 0)
		return;
	(*found)->is_visited = true;
	reader->visited = *found;
	(*found)->writer_xid =
		U64FromFullTransactionId(DatumGetFullTransactionId(heap_getattr(tuple, ROW_COLUMNS + 1, shape, &null)));
	(void) row_leaves(tuple, shape, visit, reader);
}

/* Takes the rows that a portal gives. */
static void
take_rows(WindowReader *reader, Portal portal)
{
	MemoryContext context = AllocSetContextCreate(reader->context, "rows of the audit log", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = CurrentMemoryContext;

	while (!is_too_much(reader))
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < SPI_processed && !is_too_much(reader); i++)
		{
			take_row(reader, SPI_tuptable->vals[i], SPI_tuptable->tupdesc);
			if (i % 64 == 63 || MemoryContextMemAllocated(context, false) > SCRAP_BYTES)
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

/* Reads the events whose ids lie in a range. */
static void
read_range(WindowReader *reader, const char *table, int64 first, int64 last)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT " ROW_COLUMN_LIST ", e.writer_xid FROM " EVENT_ROWS " e "
										 "WHERE e.event_id BETWEEN $1 AND $2",
										 INT8OID, INT8OID);
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(last)};
	const char *query = NULL;

	if (reader->of_partition != NULL)
	{
		take_rows(reader, SPI_cursor_open(NULL, reader->of_partition, values, NULL, true));
		return;
	}
	if (table == NULL)
	{
		take_rows(reader, plan_open(&plan, values, NULL, true));
		return;
	}
	query =
		psprintf("SELECT " ROW_COLUMN_LIST ", e.writer_xid FROM ONLY %s e WHERE e.event_id BETWEEN $1 AND $2", table);
	take_rows(reader, SPI_cursor_open_with_args(NULL, query, 2, plan.types, values, NULL, true, 0));
}

/* Reads all ranges of the window's ids: of the log (NULL), or those that were not found so far of a table beside it. */
static void
read_ranges(WindowReader *reader, const char *table)
{
	SealedRow *const *rows = reader->by_id;
	int first = -1;
	int last = -1;

	reader->reads_elsewhere = table != NULL;
	for (int i = 0; i < reader->window.count; i++)
	{
		if (table != NULL && rows[i]->is_visited)
			continue;
		if (first >= 0 && rows[i]->record_id - rows[last]->record_id > RANGE_GAP)
		{
			read_range(reader, table, rows[first]->record_id, rows[last]->record_id);
			first = -1;
		}
		if (first < 0)
			first = i;
		last = i;
	}
	if (first >= 0)
		read_range(reader, table, rows[first]->record_id, rows[last]->record_id);
}

/* Reads what the window's rows say today, all ranges of their ids. */
static void
read_rows(WindowReader *reader)
{
	Window *window = &reader->window;
	int64 leaves = 0;

	reader->kept = 0;
	reader->by_id = palloc(window->count * sizeof(SealedRow *));
	for (int i = 0; i < window->count; i++)
	{
		SealedRow *row = &window->rows[i];

		*row = (SealedRow){.record_id = row->record_id, .first_leaf = row->first_leaf, .leaves = row->leaves};
		row->place = (int) leaves;
		leaves += leaves_of(row);
		reader->by_id[i] = row;
	}
	window->hashes = palloc0(leaves * sizeof(MerkleHash));
	window->leaves = reader->wants_leaves ? palloc0(leaves * sizeof(Bytes)) : NULL;
	qsort(reader->by_id, window->count, sizeof(SealedRow *), compare_ids);
	read_ranges(reader, NULL);
	for (int i = 0; i < reader->detached_count; i++)
		read_ranges(reader, reader->detached[i]);
	for (int i = 0; i < window->count; i++)
		window->rows[i].seen += window->rows[i].seen == 0 && window->rows[i].is_visited;
	read_ranges(reader, "twin_internal.kept_events");
	for (int i = 0; i < window->count; i++)
		window->rows[i].is_kept = window->rows[i].seen == 0 && window->rows[i].is_visited;
}

const Window *
window_next(WindowReader *reader)
{
	Window *window = &reader->window;
	MemoryContext outer = CurrentMemoryContext;

	reader->read_next += window->count;
	if (reader->read_next == reader->read_count)
		read_sealed(reader);
	/* the last one was small */
	if (reader->kept < WINDOW_BYTES_FEW && window->count > 0)
		reader->most = Min(2 * reader->most, WINDOW_ROWS);
	window->rows = &reader->read[reader->read_next];
	window->count = Min(reader->most, reader->read_count - reader->read_next);
	if (window->count == 0)
		return NULL;
	for (;;)
	{
		MemoryContextReset(reader->context);
		MemoryContextSwitchTo(reader->context);
		read_rows(reader);
		MemoryContextSwitchTo(outer);
		if (!is_too_much(reader))
			return window;
		/* some of them; the others are the next window's */
		reader->most = window->count /= 2;
	}
}
