/*
 * retired.c
 *		Which leaves are known to be of dropped partitions: sets of them, in the order
 *		of leaves, each only where an event of the log says the same.
 *
 * A row of twin_internal.retired_leaves is believed when the event that it names
 * was made by the log and tells of this very set, when that event's leaf is the one
 * that was sealed, behind all leaves of the set, and when the newest checkpoint
 * that covers it proves it.  An event that is not sealed yet is about to be, and
 * stands for itself until then.
 *
 * Sets of several partitions lie across each other; memory holds those that do.
 */
#include "ledger/private.h"

#include "common/leafset.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

/* Sets that may lie across each other: every class of events of every month is one. */
#define OPEN_MAX 1024

/* A set that a leaf may lie in. */
typedef struct OpenSet
{
	MemoryContext context; /* its bytes */
	LeafSetReader reader;
	uint64 run; /* that is looked at, up to before end */
	uint64 end;
	RetiredSet set;
} OpenSet;

struct RetiredReader
{
	Portal portal;
	TileSet *tiles;
	uint64 size; /* of the tree */
	bool has_next;
	uint64 next_first; /* where the set begins that comes next */
	RetiredSet next;
	MemoryContext next_context;
	OpenSet *open[OPEN_MAX];
	int open_count;
	bool found_false; /* a row that is not believed */
};

typedef struct EventLeaf
{
	MerkleHash hash;
	Bytes bytes;
} EventLeaf;

static void
take_leaf(void *argument, int number, const Leaf *leaf, Bytes bytes)
{
	EventLeaf *taken = argument;

	if (number > 0)
		return;
	base_check(merkle_leaf(bytes, &taken->hash));
	taken->bytes = bytes_of(memcpy(palloc(bytes.length + 1), bytes.data, bytes.length), bytes.length);
}

/* Whether a leaf is what was sealed, and proven by the newest checkpoint if that covers it. */
static bool
leaf_holds(RetiredReader *reader, uint64 leaf, const MerkleHash *hash)
{
	LedgerCheckpoint newest;
	LedgerEpoch epoch;
	Checkpoint content;
	MerkleHash stored;
	MerkleHash path[MERKLE_PROOF_MAX];
	int length;

	if (leaf >= reader->size || !tile_source(reader->tiles, 0, leaf, &stored) ||
		memcmp(hash->bytes, stored.bytes, DIGEST_SIZE) != 0) /* public: hashes of the tree */
		return false;
	if (!checkpoint_newest(0, true, &newest) || newest.size <= leaf || newest.size > reader->size)
		return true;
	return epoch_find(newest.epoch, true, &epoch) && epoch.has_key &&
		   key_verify(bytes_of(newest.note, strlen(newest.note)), epoch.public_key, &content) &&
		   content.size == newest.size &&
		   merkle_inclusion(leaf, newest.size, tile_source, reader->tiles, path, &length) == TSEC_OK &&
		   merkle_inclusion_holds(hash, leaf, newest.size, path, length, &content.root);
}

/* Columns behind those of the event. */
enum
{
	COLUMN_SET = ROW_COLUMNS + 1,
	COLUMN_FIRST,
	COLUMN_RETIRED_BY,
	COLUMN_EVENT_LEAF,
	COLUMN_IS_TOLD
};

/* Whether what stands in a row is what its event says, which is taken into *set. */
static bool
judge(RetiredReader *reader, HeapTuple tuple, TupleDesc shape, RetiredSet *set)
{
	LeafSetReader runs;
	EventLeaf leaf = {.bytes = {NULL, 0}};
	bool null;
	Datum value = heap_getattr(tuple, COLUMN_IS_TOLD, shape, &null);

	if (null || !DatumGetBool(value))
		return false;
	set->event_id = DatumGetInt64(heap_getattr(tuple, COLUMN_RETIRED_BY, shape, &null));
	set->bytes = plan_bytes(PointerGetDatum(DatumGetByteaPCopy(heap_getattr(tuple, COLUMN_SET, shape, &null))));
	if (!leafset_open(set->bytes, &runs))
		return false;
	(void) row_leaves(tuple, shape, take_leaf, &leaf);
	set->event = leaf.bytes;
	value = heap_getattr(tuple, COLUMN_EVENT_LEAF, shape, &null);
	set->is_sealed = !null;
	set->event_leaf = null ? 0 : (uint64) DatumGetInt64(value);
	return null || (runs.summary.leaves > 0 && set->event_leaf > runs.summary.last &&
					leaf_holds(reader, set->event_leaf, &leaf.hash));
}

/* Reads the next set that is believed. */
static void
read_next(RetiredReader *reader)
{
	reader->has_next = false;
	while (!reader->has_next)
	{
		MemoryContext outer;
		SPITupleTable *table;
		bool null;

		SPI_cursor_fetch(reader->portal, true, 1);
		if (SPI_processed == 0)
			return;
		table = SPI_tuptable;
		reader->next_context =
			AllocSetContextCreate(CurrentMemoryContext, "dropped leaves of the audit log", ALLOCSET_SMALL_SIZES);
		outer = MemoryContextSwitchTo(reader->next_context);
		reader->has_next = judge(reader, table->vals[0], table->tupdesc, &reader->next);
		reader->next_first =
			(uint64) DatumGetInt64(heap_getattr(table->vals[0], COLUMN_FIRST, table->tupdesc, &null));
		MemoryContextSwitchTo(outer);
		if (!reader->has_next)
		{
			reader->found_false = true;
			MemoryContextDelete(reader->next_context);
		}
		SPI_freetuptable(table);
		CHECK_FOR_INTERRUPTS();
	}
}

RetiredReader *
retired_open(int64 first, int64 end)
{
	/* what the event must say is what the row says; who made it up cannot have made the event */
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT " ROW_COLUMN_LIST ", r.leaf_set, r.first_leaf, r.event_id, s.first_leaf, "
		"e.event_type = 'partition_dropped' AND NOT e.application_made AND e.row_count IS NULL AND e.rows IS NULL "
		"AND (e.details - 'rows') = jsonb_strip_nulls(jsonb_build_object('partition', r.partition_name, "
		"'first_leaf', r.first_leaf::text, 'last_leaf', r.last_leaf::text, 'leaves', r.leaves::text, "
		"'leaf_set_sha256', encode(sha256(r.leaf_set), 'hex'), 'archive_file', r.archive_file, "
		"'archive_sha256', encode(r.archive_sha256, 'hex'))) "
		"FROM twin_internal.retired_leaves r LEFT JOIN LATERAL "
		"(SELECT * FROM (TABLE twin_internal.events UNION ALL TABLE ONLY twin_internal.events_overflow "
		"UNION ALL TABLE ONLY twin_internal.kept_events) a WHERE a.event_id = r.event_id LIMIT 1) e ON true "
		"LEFT JOIN twin_internal.sealed s ON s.record_id = r.event_id "
		"WHERE r.leaves > 0 AND r.first_leaf < $2 AND r.last_leaf >= $1 ORDER BY r.first_leaf",
		INT8OID, INT8OID);
	static LedgerPlan size_plan = LEDGER_PLAN("SELECT s.size FROM twin_internal.ledger_state s", InvalidOid);
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(end)};
	RetiredReader *reader = palloc0(sizeof(RetiredReader));

	plan_run(&size_plan, NULL, NULL, true, SPI_OK_SELECT);
	reader->size = SPI_processed == 0 ? 0 : (uint64) Max(DatumGetInt64(plan_value(0, 1, NULL)), 0);
	reader->tiles = tile_new_set(true);
	reader->portal = plan_open(&plan, values, NULL, true);
	read_next(reader);
	return reader;
}

/* Takes in the sets that begin up to a leaf. */
static void
open_sets(RetiredReader *reader, uint64 leaf)
{
	while (reader->has_next && reader->next_first <= leaf && reader->open_count < OPEN_MAX)
	{
		OpenSet *open = MemoryContextAlloc(reader->next_context, sizeof(OpenSet));

		*open = (OpenSet){.context = reader->next_context, .set = reader->next};
		(void) leafset_open(open->set.bytes, &open->reader);
		reader->open[reader->open_count++] = open;
		read_next(reader);
	}
}

const RetiredSet *
retired_find(RetiredReader *reader, uint64 first, uint64 leaves)
{
	const RetiredSet *found = NULL;
	int kept = 0;

	open_sets(reader, first);
	for (int i = 0; i < reader->open_count; i++)
	{
		OpenSet *open = reader->open[i];
		bool is_over = false;

		while (open->end <= first && !is_over)
		{
			uint64 count;

			is_over = !leafset_next(&open->reader, &open->run, &count);
			open->end = is_over ? 0 : open->run + count;
		}
		if (is_over)
		{
			MemoryContextDelete(open->context);
			continue;
		}
		reader->open[kept++] = open;
		if (open->run <= first && leaves <= open->end - first)
			found = &open->set;
	}
	reader->open_count = kept;
	return found;
}

const RetiredSet *
retired_next(RetiredReader *reader)
{
	OpenSet *last = reader->open_count > 0 ? reader->open[0] : NULL;

	reader->open_count = 0;
	if (last != NULL)
		MemoryContextDelete(last->context);
	if (!reader->has_next)
		return NULL;
	last = MemoryContextAlloc(reader->next_context, sizeof(OpenSet));
	*last = (OpenSet){.context = reader->next_context, .set = reader->next};
	reader->open[reader->open_count++] = last;
	read_next(reader);
	return &last->set;
}

bool
retired_close(RetiredReader *reader)
{
	while (reader->has_next)
	{
		MemoryContextDelete(reader->next_context);
		read_next(reader);
	}
	for (int i = 0; i < reader->open_count; i++)
		MemoryContextDelete(reader->open[i]->context);
	SPI_cursor_close(reader->portal);
	return !reader->found_false;
}
