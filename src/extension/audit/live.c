/*
 * live.c
 *		Changes of tables, published as they commit.
 *
 * What is published is which row changed, by its primary key, and nothing of
 * the row: live_read.c reads it again for each subscriber, as that subscriber.
 * A change that cannot be published (no room, no preloading) is no reason to
 * refuse it: subscribers of that table are told to read again where that is
 * possible, and the write goes on.
 */
#include "audit/audit.h"

#include "topic/topic.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/sysattr.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/executor.h"
#include "lib/stringinfo.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(tsec_publish_changes);

#define ROWS_MAX 100 /* of one statement; of more, subscribers are told that there were many */
#define KEY_MAX 4096 /* bytes */

/* A column of the primary key. */
typedef struct KeyColumn
{
	AttrNumber number;
	FmgrInfo output;
	bool is_number; /* stands in JSON as it is */
} KeyColumn;

typedef struct Change
{
	const char *topic;
	Oid relation; /* that was fed: the table itself, or the one it is a partition of */
	TupleDesc shape;
	KeyColumn key[INDEX_MAX_KEYS];
	int key_count;
	MemoryContext scratch; /* of one row */
} Change;

static bool
is_number(Oid type)
{
	return type == INT2OID || type == INT4OID || type == INT8OID || type == OIDOID;
}

/* Finds the columns of the primary key; none where there is no primary key any more. */
static void
find_key(Change *change, Relation relation)
{
	Bitmapset *columns = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	int column = -1;

	while ((column = bms_next_member(columns, column)) >= 0 && change->key_count < INDEX_MAX_KEYS)
	{
		KeyColumn *key = &change->key[change->key_count++];
		Oid type;
		Oid function;
		bool varlena;

		key->number = (AttrNumber) (column + FirstLowInvalidHeapAttributeNumber);
		type = TupleDescAttr(change->shape, key->number - 1)->atttypid;
		getTypeOutputInfo(type, &function, &varlena);
		fmgr_info(function, &key->output);
		key->is_number = is_number(type);
	}
}

/* {"relation": 1, "action": "update", "key": {...}, "values": [...]}; NULL when the key is too long. */
static char *
write_change(const Change *change, const char *action, TupleTableSlot *row)
{
	StringInfoData text;
	StringInfoData values;

	initStringInfo(&text);
	initStringInfo(&values);
	appendStringInfo(&text, "{\"relation\": %u, \"action\": \"%s\"", change->relation, action);
	for (int i = 0; i < change->key_count && row != NULL; i++)
	{
		const KeyColumn *key = &change->key[i];
		bool null;
		Datum value = slot_getattr(row, key->number, &null);
		char *written;

		if (null)
			return NULL;
		written = OutputFunctionCall((FmgrInfo *) &key->output, value);
		appendStringInfoString(&text, i == 0 ? ", \"key\": {" : ", ");
		escape_json(&text, NameStr(TupleDescAttr(change->shape, key->number - 1)->attname));
		appendStringInfoString(&text, ": ");
		if (key->is_number)
			appendStringInfoString(&text, written);
		else
			escape_json(&text, written);
		appendStringInfoString(&values, i == 0 ? "" : ", ");
		escape_json(&values, written);
	}
	if (row != NULL)
		appendStringInfo(&text, "}, \"values\": [%s]", values.data);
	appendStringInfoChar(&text, '}');
	return text.len <= KEY_MAX ? text.data : NULL;
}

/* Publishes that rows changed whose number or keys are not told. */
static void
publish_many(const Change *change)
{
	(void) topic_publish_change(change->topic, write_change(change, "many", NULL), true);
}

/* Publishes one row; false when there is no room, or its key is too long. */
static bool
publish_row(const Change *change, const char *action, TupleTableSlot *row)
{
	MemoryContext outer = MemoryContextSwitchTo(change->scratch);
	char *payload = write_change(change, action, row);
	bool published = payload != NULL && topic_publish_change(change->topic, payload, false);

	MemoryContextSwitchTo(outer);
	MemoryContextReset(change->scratch);
	return published;
}

/* Whether two rows have the same key, as it is written. */
static bool
same_key(const Change *change, TupleTableSlot *one, TupleTableSlot *other)
{
	MemoryContext outer = MemoryContextSwitchTo(change->scratch);
	char *first = write_change(change, "", one);
	char *second = write_change(change, "", other);
	/* public: keys of rows, of one user's own statement */
	bool same = first != NULL && second != NULL && strcmp(first, second) == 0;

	MemoryContextSwitchTo(outer);
	MemoryContextReset(change->scratch);
	return same;
}

/* Publishes the rows of one table; of an update those whose key is no longer there as deleted. */
static void
publish_rows(const Change *change, const char *action, Tuplestorestate *rows, Tuplestorestate *old_rows)
{
	TupleTableSlot *row;
	TupleTableSlot *old;
	bool good = change->key_count > 0 && tuplestore_tuple_count(rows) <= ROWS_MAX;

	if (tuplestore_tuple_count(rows) == 0)
		return;
	row = MakeSingleTupleTableSlot(change->shape, &TTSOpsMinimalTuple);
	old = MakeSingleTupleTableSlot(change->shape, &TTSOpsMinimalTuple);
	tuplestore_rescan(rows);
	if (old_rows != NULL)
		tuplestore_rescan(old_rows);
	while (good && tuplestore_gettupleslot(rows, true, false, row))
	{
		if (old_rows != NULL && tuplestore_gettupleslot(old_rows, true, false, old) && !same_key(change, row, old))
			good = publish_row(change, "delete", old);
		good = good && publish_row(change, action, row);
	}
	ExecDropSingleTupleTableSlot(row);
	ExecDropSingleTupleTableSlot(old);
	if (!good)
		publish_many(change);
}

/* The table that was fed: topmost, since a partition's trigger is its table's. */
static Oid
root_of(Relation relation)
{
	List *ancestors;

	if (!relation->rd_rel->relispartition)
		return RelationGetRelid(relation);
	ancestors = get_partition_ancestors(RelationGetRelid(relation));
	return ancestors != NIL ? llast_oid(ancestors) : RelationGetRelid(relation);
}

/* publish_changes(): AFTER INSERT, UPDATE, DELETE and TRUNCATE, FOR EACH STATEMENT; its argument is the topic */
Datum
tsec_publish_changes(PG_FUNCTION_ARGS)
{
	TriggerData *call = (TriggerData *) fcinfo->context;
	Change change = {0};

	base_require_trigger(fcinfo, "twin_internal.publish_changes()");
	if (call->tg_trigger->tgnargs != 1 || !TRIGGER_FIRED_AFTER(call->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(call->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("twin_internal.publish_changes() is not called as twin.feed_table() has it called")));
	change.topic = call->tg_trigger->tgargs[0];
	change.relation = root_of(call->tg_relation);
	change.shape = RelationGetDescr(call->tg_relation);
	change.scratch = AllocSetContextCreate(CurrentMemoryContext, "twin_security change", ALLOCSET_SMALL_SIZES);
	find_key(&change, call->tg_relation);
	if (TRIGGER_FIRED_BY_INSERT(call->tg_event) && call->tg_newtable != NULL)
		publish_rows(&change, "insert", call->tg_newtable, NULL);
	else if (TRIGGER_FIRED_BY_UPDATE(call->tg_event) && call->tg_newtable != NULL && call->tg_oldtable != NULL)
		publish_rows(&change, "update", call->tg_newtable, call->tg_oldtable);
	else if (TRIGGER_FIRED_BY_DELETE(call->tg_event) && call->tg_oldtable != NULL)
		publish_rows(&change, "delete", call->tg_oldtable, NULL);
	else
		publish_many(&change);
	MemoryContextDelete(change.scratch);
	return PointerGetDatum(NULL);
}
