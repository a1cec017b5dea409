/*
 * archive_rows.c
 *		Rows of a table as an archive holds them: each value as its type prints it.
 *		Values of encrypted columns are armor, so neither writing nor comparing
 *		needs their keys.
 *
 * Rows are read as the table's owner.  Even a plain SELECT runs what he may have
 * made: to plan it, the server computes what is constant in expressions of his
 * indexes, statistics and constraints.
 */
#include "retention/archive.h"

#include "catalog/pg_type.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "tcop/dest.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

const char *
archive_utf8(const char *text)
{
	char *converted = pg_server_to_any(text, (int) strlen(text), PG_UTF8);

	if (GetDatabaseEncoding() == PG_SQL_ASCII && !pg_verify_mbstr(PG_UTF8, text, (int) strlen(text), true))
	{
		converted = pstrdup(text);
		for (char *at = converted; *at != '\0'; at++)
			if (IS_HIGHBIT_SET(*at))
				*at = '?';
	}
	return converted == text ? pstrdup(text) : converted;
}

void
archive_take_columns(Relation relation, ArchiveManifest *manifest)
{
	TupleDesc shape = RelationGetDescr(relation);
	ArchiveColumn *columns = palloc0((shape->natts + 1) * sizeof(ArchiveColumn));

	manifest->columns = columns;
	manifest->column_count = 0;
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute column = TupleDescAttr(shape, i);

		if (column->attisdropped)
			continue;
		columns[manifest->column_count].name = archive_utf8(NameStr(column->attname));
		columns[manifest->column_count++].type =
			archive_utf8(format_type_with_typemod(column->atttypid, column->atttypmod));
	}
}

/* ---- rows, one at a time ---- */

typedef struct RowReceiver
{
	DestReceiver receiver;
	ArchiveRowVisitor visitor;
	void *argument;
	FmgrInfo *output;   /* of each column's type */
	CipherKeys *keys;   /* NULL: nobody asks for them */
	bool *is_concerned; /* each column, by them */
	MemoryContext context;
	uint8 *row;
	size_t room;
} RowReceiver;

static void
begin_rows(DestReceiver *self, int operation, TupleDesc shape)
{
	RowReceiver *receiver = (RowReceiver *) self;

	receiver->output = palloc0((shape->natts + 1) * sizeof(FmgrInfo));
	receiver->is_concerned = palloc0((shape->natts + 1) * sizeof(bool));
	for (int i = 0; i < shape->natts; i++)
	{
		Oid function;
		bool is_varlena;

		getTypeOutputInfo(TupleDescAttr(shape, i)->atttypid, &function, &is_varlena);
		fmgr_info(function, &receiver->output[i]);
		receiver->is_concerned[i] = receiver->keys != NULL && cipher_keys_concern(TupleDescAttr(shape, i)->atttypid);
	}
}

/* Adds a value to the row, NULL for null. */
static size_t
put_value(RowReceiver *receiver, size_t length, const char *value)
{
	const char *text = value == NULL ? NULL : pg_server_to_any(value, (int) strlen(value), PG_UTF8);
	size_t size = text == NULL ? 0 : strlen(text);

	if (length + 4 + size > ARCHIVE_RECORD_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("a row is too long to be archived")));
	if (length + 4 + size > receiver->room)
	{
		receiver->room = 2 * (length + 4 + size);
		receiver->row = repalloc_huge(receiver->row, receiver->room);
	}
	bytes_put_u32(receiver->row + length, text == NULL ? UINT32_MAX : (uint32) size);
	if (text != NULL)
		memcpy(receiver->row + length + 4, text, size);
	return length + 4 + size;
}

static bool
take_row(TupleTableSlot *slot, DestReceiver *self)
{
	RowReceiver *receiver = (RowReceiver *) self;
	MemoryContext outer = MemoryContextSwitchTo(receiver->context);
	size_t length = 0;

	slot_getallattrs(slot);
	for (int i = 0; i < slot->tts_tupleDescriptor->natts; i++)
	{
		if (receiver->is_concerned[i] && !slot->tts_isnull[i])
			cipher_keys_add(receiver->keys, slot->tts_values[i],
							TupleDescAttr(slot->tts_tupleDescriptor, i)->atttypid);
		length =
			put_value(receiver, length,
					  slot->tts_isnull[i] ? NULL : OutputFunctionCall(&receiver->output[i], slot->tts_values[i]));
	}
	MemoryContextSwitchTo(outer);
	receiver->visitor(receiver->argument, bytes_of(receiver->row, length));
	MemoryContextReset(receiver->context);
	return true;
}

static void
end_rows(DestReceiver *self)
{
}

/* A column of time, as SQL writes it. */
static const char *
time_column(Relation relation, const char *name)
{
	AttrNumber number = get_attnum(RelationGetRelid(relation), name);
	Oid type = number > 0 ? get_atttype(RelationGetRelid(relation), number) : InvalidOid;

	if (type != TIMESTAMPTZOID && type != TIMESTAMPOID && type != DATEOID)
		ereport(ERROR, (errcode(ERRCODE_DATATYPE_MISMATCH),
						errmsg("\"%s\" is not a column of times of \"%s\"", name, RelationGetRelationName(relation)),
						errdetail("It is of type timestamptz, timestamp or date.")));
	return quote_identifier(name);
}

static char *
rows_query(Relation relation, const ArchiveRange *range)
{
	TupleDesc shape = RelationGetDescr(relation);
	StringInfoData query;
	const char *separator = "";

	initStringInfo(&query);
	appendStringInfoString(&query, "SELECT ");
	for (int i = 0; i < shape->natts; i++)
		if (!TupleDescAttr(shape, i)->attisdropped)
		{
			appendStringInfo(&query, "%sr.%s", separator,
							 quote_identifier(NameStr(TupleDescAttr(shape, i)->attname)));
			separator = ", ";
		}
	appendStringInfo(&query, " FROM %s%s r", relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE ? "" : "ONLY ",
					 quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
												RelationGetRelationName(relation)));
	if (range->column != NULL)
	{
		const char *column = time_column(relation, range->column);

		appendStringInfo(
			&query,
			" WHERE ($1 IS NULL OR r.%s >= $1) AND ($2 IS NULL OR r.%s < $2) ORDER BY r.%s, r.tableoid, r.ctid",
			column, column, column);
	}
	return query.data;
}

/*
 * Has rows come in the same order each time.  A whole table is read as it lies on
 * the disk: what is about to be dropped is not taken for what an index says of it.
 */
static void
plan_steadily(const ArchiveRange *range)
{
	retention_set_for_owner("max_parallel_workers_per_gather", "0");
	if (range->column != NULL)
		return;
	retention_set_for_owner("enable_seqscan", "on");
	retention_set_for_owner("enable_indexscan", "off");
	retention_set_for_owner("enable_indexonlyscan", "off");
}

void
archive_visit_rows(Relation relation, const ArchiveRange *range, CipherKeys *keys, ArchiveRowVisitor visitor,
				   void *argument)
{
	RowReceiver receiver = {.receiver = {take_row, begin_rows, end_rows, end_rows, DestTuplestore},
							.visitor = visitor,
							.keys = keys,
							.argument = argument};
	ParamListInfo bounds = makeParamList(2);
	SPIExecuteOptions options = {.params = bounds, .read_only = true, .dest = &receiver.receiver};
	RetentionCaller caller;

	if (relation->rd_rel->relkind != RELKIND_RELATION && relation->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("\"%s\" is not a table", RelationGetRelationName(relation))));
	for (int i = 0; i < 2; i++)
		bounds->params[i] = (ParamExternData){.value = TimestampTzGetDatum(i == 0 ? range->from : range->to),
											  .isnull = i == 0 ? !range->has_from : !range->has_to,
											  .pflags = PARAM_FLAG_CONST,
											  .ptype = TIMESTAMPTZOID};
	receiver.context = AllocSetContextCreate(CurrentMemoryContext, "row of an archive", ALLOCSET_DEFAULT_SIZES);
	receiver.room = 8192;
	receiver.row = palloc(receiver.room);
	retention_become_owner(RelationGetRelid(relation), &caller);
	plan_steadily(range);
	if (SPI_execute_extended(rows_query(relation, range), &options) != SPI_OK_SELECT)
		elog(ERROR, "twin_security: rows cannot be read");
	retention_resume_caller(&caller);
	MemoryContextDelete(receiver.context);
	pfree(receiver.row);
}
