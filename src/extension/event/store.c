/*
 * store.c
 *		Rows of the log written past SQL, for whoever writes them inside the
 *		transaction that they tell of: no plan, no privilege, no trigger and no
 *		constraint of somebody else's stands in between.
 *
 * The month's partition is looked up in the partition bounds and remembered
 * until a relation of the log changes.  A row of which no partition is sure goes
 * into the overflow.
 */
#include "event/private.h"

#include "access/heapam.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_am.h"
#include "catalog/pg_type.h"
#include "executor/executor.h"
#include "miscadmin.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

/* After so many rows the rest goes through a ring of buffers, as COPY's own. */
#define BULK_ROWS 64

struct EventStore
{
	EventClass class;
	Relation relation;
	TimestampTz at;
	EState *estate;
	ResultRelInfo *result;
	TupleTableSlot *slot;
	BulkInsertState bulk;
	int rows;
};

/* Where rows of a class lie from some time on and before another. */
typedef struct StorePlace
{
	bool known;
	Oid parent;
	Oid leaf; /* the overflow, when there is no partition: then it is asked again each time */
	TimestampTz from;
	TimestampTz before;
} StorePlace;

static StorePlace places[EVENT_CLASSES];

static void
forget_place(Datum argument, Oid relation)
{
	for (int i = 0; i < EVENT_CLASSES; i++)
		if (!OidIsValid(relation) || relation == places[i].leaf || relation == places[i].parent)
			places[i].known = false;
}

void
store_init(void)
{
	base_watch_relations(forget_place);
}

/* Whether a table has the columns that rows are made of; months may come from elsewhere. */
static bool
has_our_columns(Relation relation)
{
	static const Oid types[EVENT_COLUMNS] = {
		INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
		TEXTOID, TEXTOID,        TEXTOID,        INT8OID, TEXTOID, INT8OID, TEXTOID, INETOID, TEXTOID, TEXTOID,
		XID8OID, BOOLOID,        JSONBOID,       INT4OID, INT4OID, XID8OID, INT4OID, BYTEAOID};
	TupleDesc shape = RelationGetDescr(relation);

	if (relation->rd_rel->relkind != RELKIND_RELATION || relation->rd_rel->relam != HEAP_TABLE_AM_OID ||
		shape->natts != EVENT_COLUMNS)
		return false;
	for (int i = 0; i < EVENT_COLUMNS; i++)
		if (TupleDescAttr(shape, i)->attisdropped || TupleDescAttr(shape, i)->atttypid != types[i])
			return false;
	return true;
}

static Oid
internal_relation(const char *name)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);
	Oid relation = OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;

	if (!OidIsValid(relation))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("table %s.%s is missing", TSEC_INTERNAL_SCHEMA, name)));
	return relation;
}

/* Finds the partition of a class for a time, and how long it serves; InvalidOid where there is none of our kind. */
static Oid
find_leaf(Oid parent, TimestampTz at, TimestampTz *from, TimestampTz *before)
{
	Relation relation = table_open(parent, AccessShareLock);
	Oid leaf = InvalidOid;

	if (relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE)
	{
		PartitionKey key = RelationGetPartitionKey(relation);
		PartitionDesc partitions = RelationGetPartitionDesc(relation, true);

		if (key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 && key->parttypid[0] == TIMESTAMPTZOID &&
			partitions->nparts > 0)
		{
			PartitionBoundInfo bounds = partitions->boundinfo;
			Datum value = TimestampTzGetDatum(at);
			bool equal;
			int below =
				partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &value, &equal);
			int index = bounds->indexes[below + 1];

			if (index >= 0 && partitions->is_leaf[index] && below + 1 < bounds->ndatums)
			{
				leaf = partitions->oids[index];
				*from = below >= 0 && bounds->kind[below][0] == PARTITION_RANGE_DATUM_VALUE
							? DatumGetTimestampTz(bounds->datums[below][0])
							: at;
				*before = bounds->kind[below + 1][0] == PARTITION_RANGE_DATUM_VALUE
							  ? DatumGetTimestampTz(bounds->datums[below + 1][0])
							  : at;
			}
		}
	}
	table_close(relation, AccessShareLock);
	return leaf;
}

/* Opens the table for a class and a time, which may have changed while its lock was waited for. */
static Relation
open_place(EventClass class, TimestampTz at)
{
	StorePlace *place = &places[class];
	char name[NAMEDATALEN];

	for (;;)
	{
		Relation relation;

		if (!place->known || at < place->from || at >= place->before)
		{
			snprintf(name, sizeof(name), "events_%s", event_class_names[class]);
			place->parent = internal_relation(name);
			place->leaf = InvalidOid; /* what is heard meanwhile is of the parent */
			place->known = true;
			place->leaf = find_leaf(place->parent, at, &place->from, &place->before);
			if (!OidIsValid(place->leaf))
			{
				place->known = false;
				return table_open(internal_relation("events_overflow"), RowExclusiveLock);
			}
		}
		relation = try_table_open(place->leaf, RowExclusiveLock);
		if (relation != NULL && place->known)
		{
			if (has_our_columns(relation))
				return relation;
			table_close(relation, RowExclusiveLock);
			return table_open(internal_relation("events_overflow"), RowExclusiveLock);
		}
		if (relation != NULL)
			table_close(relation, RowExclusiveLock);
		place->known = false;
		CHECK_FOR_INTERRUPTS();
	}
}

EventStore *
event_store_open(EventClass class)
{
	EventStore *store = palloc0(sizeof(EventStore));

	event_wake_writer_at_commit();
	store->class = class;
	store->at = GetCurrentTimestamp();
	if (area_exists() && area_own() != NULL)
		clock_look(area_own());
	store->relation = open_place(class, store->at);
	if (!has_our_columns(store->relation))
		elog(ERROR, "twin_security: table \"%s\" has other columns than the log's",
			 RelationGetRelationName(store->relation));
	store->estate = CreateExecutorState();
	store->result = makeNode(ResultRelInfo);
	InitResultRelInfo(store->result, store->relation, 1, NULL, 0);
	ExecOpenIndices(store->result, false);
	store->slot = MakeSingleTupleTableSlot(RelationGetDescr(store->relation), &TTSOpsHeapTuple);
	return store;
}

TimestampTz
event_store_time(const EventStore *store)
{
	return store->at;
}

void
event_store_insert(EventStore *store, EventRow *row)
{
	HeapTuple tuple;

	row->values[EVENT_COLUMN_RECORDED_AT] = TimestampTzGetDatum(store->at);
	row->nulls[EVENT_COLUMN_RECORDED_AT] = false;
	tuple = heap_form_tuple(RelationGetDescr(store->relation), row->values, row->nulls);
	tuple->t_tableOid = RelationGetRelid(store->relation);
	if (++store->rows == BULK_ROWS)
		store->bulk = GetBulkInsertState();
	heap_insert(store->relation, tuple, GetCurrentCommandId(true), 0, store->bulk);
	ExecForceStoreHeapTuple(tuple, store->slot, false);
	store->slot->tts_tid = tuple->t_self;
	compat_insert_new_index_tuples(store->result, store->slot, store->estate);
	ResetPerTupleExprContext(store->estate);
	ExecClearTuple(store->slot);
	heap_freetuple(tuple);
	counted_row_at_end(store->class, row);
}

void
event_store_close(EventStore *store)
{
	if (store->rows > 0)
		event_wake_writer_at_commit(); /* it seals them */
	if (store->bulk != NULL)
		FreeBulkInsertState(store->bulk);
	ExecDropSingleTupleTableSlot(store->slot);
	ExecCloseIndices(store->result);
	FreeExecutorState(store->estate);
	table_close(store->relation, NoLock);
	pfree(store);
}
