/*
 * view.c
 *		Writes the rows of decrypted views: the trigger INSTEAD OF INSERT OR
 *		UPDATE.  (A DELETE needs none: the server itself turns it into one of
 *		the table.)
 *
 * Statements run as whoever writes: his privileges on the table, row security
 * and grants on keys decide.  An update assigns only the columns that differ
 * between the row as it was shown and as it shall be, so that whoever sees a
 * mask and writes the whole row back does not store the mask.  It finds the row
 * by its key, and only while the columns it assigns are as they were shown: an
 * update computed from what another transaction has changed meanwhile raises
 * 40001 instead of undoing that change.
 */
#include "cipher/view.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/datum.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_write_decrypted_view);

/* One row on its way into the table. */
typedef struct ViewRow
{
	ViewWriter *writer;
	TupleDesc shape; /* of the view */
	Datum *values;   /* old ones, then new ones */
	bool *is_null;
	Bitmapset *returned;  /* columns that come back from the table */
	Bitmapset *plaintext; /* columns whose old values are no masks */
} ViewRow;

/* ---- what the role may see ---- */

/*
 * Finds out which columns may come back to the current role, once a statement.  What it may not read comes back as it
 * gave it: a role with encrypt alone can insert.
 */
static void
learn_role(ViewWriter *writer)
{
	Oid user = GetUserId();
	TimestampTz now = GetCurrentStatementStartTimestamp();
	uint64 generation = keyring_generation();
	MemoryContext old;
	bool all;

	if (writer->asked_at == now && writer->user == user && writer->authenticated == GetAuthenticatedUserId() &&
		writer->generation == generation)
		return;
	all = pg_class_aclcheck(writer->table, user, ACL_SELECT) == ACLCHECK_OK;
	old = MemoryContextSwitchTo(writer->context);
	bms_free(writer->readable);
	bms_free(writer->plaintext);
	writer->readable = writer->plaintext = NULL;
	for (int i = 0; i < writer->count; i++)
	{
		const ViewColumn *column = &writer->columns[i];

		if (!all && pg_attribute_aclcheck(writer->table, column->stored, user, ACL_SELECT) != ACLCHECK_OK)
			continue;
		if (!column->encrypted || keyring_allows_modifier(column->modifier, KEY_MASK))
			writer->readable = bms_add_member(writer->readable, i);
		if (!column->encrypted || keyring_allows_modifier(column->modifier, KEY_DECRYPT))
			writer->plaintext = bms_add_member(writer->plaintext, i);
	}
	MemoryContextSwitchTo(old);
	writer->asked_at = now;
	writer->user = user;
	writer->authenticated = GetAuthenticatedUserId();
	writer->generation = generation;
}

/* ---- running a statement ---- */

/* Runs a statement that touches one row at most; false when it touched none. */
static bool
run(ViewRow *row, ViewStatement statement, const Bitmapset *written)
{
	SPIPlanPtr plan = view_plan(row->writer, statement, written, statement == VIEW_CHANGED ? NULL : row->returned);
	char *nulls = palloc(row->writer->count * 2 + 1);
	int result;

	for (int i = 0; i < row->writer->count * 2; i++)
		nulls[i] = row->is_null[i] ? 'n' : ' ';
	nulls[row->writer->count * 2] = '\0';
	result = SPI_execute_plan(plan, row->values, nulls, false, 0);
	if (result < 0)
		elog(ERROR, "twin_security: a row of a view was not written: %s", SPI_result_code_string(result));
	if (SPI_processed > 1)
		ereport(ERROR, (errcode(ERRCODE_CARDINALITY_VIOLATION),
						errmsg("the key of table %s identifies more than one row", row->writer->table_name),
						errhint("Tables that inherit from it may hold the same key; write to these themselves.")));
	return SPI_processed == 1;
}

/* The row for the view: columns that came back from the table, else as they were given. */
static HeapTuple
row_shown(ViewRow *row, MemoryContext context)
{
	int count = row->writer->count;
	MemoryContext old;
	HeapTuple tuple;
	int place = 0;
	int i = -1;

	while ((i = bms_next_member(row->returned, i)) >= 0)
		row->values[count + i] =
			SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, ++place, &row->is_null[count + i]);
	old = MemoryContextSwitchTo(context);
	tuple = heap_form_tuple(row->shape, row->values + count, row->is_null + count);
	MemoryContextSwitchTo(old);
	return tuple;
}

/* ---- insert ---- */

/* Raises what a table raises for a column that it fills by itself. */
static TSEC_NORETURN void
refuse_generated(const ViewColumn *column, bool inserting)
{
	ereport(ERROR, (errcode(ERRCODE_GENERATED_ALWAYS),
					inserting ? errmsg("cannot insert a non-DEFAULT value into column \"%s\"", column->name)
							  : errmsg("column \"%s\" can only be updated to DEFAULT", column->name),
					column->generated ? errdetail("Column \"%s\" is a generated column.", column->name)
									  : errdetail("Column \"%s\" is an identity column defined as GENERATED ALWAYS.",
												  column->name)));
}

/* Inserts a row.  Its defaults are in it, for the view has them; only what the table generates is left to the table. */
static HeapTuple
insert_row(ViewRow *row, MemoryContext context)
{
	ViewWriter *writer = row->writer;
	Bitmapset *written = NULL;

	for (int i = 0; i < writer->count; i++)
	{
		const ViewColumn *column = &writer->columns[i];
		bool given = !row->is_null[writer->count + i];

		if (given && (column->generated || column->identity == ATTRIBUTE_IDENTITY_ALWAYS))
			refuse_generated(column, true);
		if (given || !(column->generated || column->identity))
			written = bms_add_member(written, i);
	}
	return run(row, VIEW_INSERT, written) ? row_shown(row, context) : NULL;
}

/* ---- update ---- */

/* The columns whose new value is not the old one, byte for byte. */
static Bitmapset *
changed_columns(const ViewRow *row)
{
	Bitmapset *changed = NULL;
	int count = row->writer->count;

	for (int i = 0; i < count; i++)
	{
		const ViewColumn *column = &row->writer->columns[i];

		if (row->is_null[i] != row->is_null[count + i] ||
			(!row->is_null[i] &&
			 !datum_image_eq(row->values[i], row->values[count + i], column->by_value, column->length)))
			changed = bms_add_member(changed, i);
	}
	return changed;
}

/* Makes sure that the old values of the key are the stored ones. */
static void
require_key(const ViewRow *row)
{
	const ViewWriter *writer = row->writer;
	int i = -1;

	if (writer->key == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("table %s has no key that the view shows", writer->table_name),
						errdetail("Rows are updated by a primary key, or a unique one without nulls."),
						errhint("Give the table a primary key, drop the view and make it again with "
								"twin.create_decrypted_view().")));
	while ((i = bms_next_member(writer->key_columns, i)) >= 0)
		if (!bms_is_member(i, row->plaintext))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("rows cannot be found by the masked column \"%s\"", writer->columns[i].name),
							errdetail("The column is the key of table %s, and updating it through the view needs "
									  "decrypt on the column's key.",
									  writer->table_name)));
}

/* Updates a row; NULL when it was not. */
static HeapTuple
update_row(ViewRow *row, MemoryContext context)
{
	ViewWriter *writer = row->writer;
	Bitmapset *changed = changed_columns(row);
	int i = -1;

	require_key(row);
	if (bms_is_empty(changed))
	{
		/* nothing to write: the row counts when it is still there and might have been written */
		return run(row, VIEW_READ, NULL) ? row_shown(row, context) : NULL;
	}
	while ((i = bms_next_member(changed, i)) >= 0)
		if (writer->columns[i].generated || writer->columns[i].identity == ATTRIBUTE_IDENTITY_ALWAYS)
			refuse_generated(&writer->columns[i], false);
	if (run(row, VIEW_UPDATE, changed))
		return row_shown(row, context);

	/* gone, or hidden by a policy, or kept back by a trigger: not counted, as by a table; but never a lost update */
	if (run(row, VIEW_CHANGED, changed))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to concurrent update"),
						errdetail("The row was changed after the view had read it, by another transaction or by "
								  "the same statement.")));
	return NULL;
}

/* Takes the values out of the trigger's rows, and finds out who is asking. */
static void
take_row(ViewRow *row, const TriggerData *trigger)
{
	bool updates = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event);
	int count = row->writer->count;

	row->shape = RelationGetDescr(trigger->tg_relation);
	row->values = palloc0(sizeof(Datum) * count * 2);
	row->is_null = palloc(sizeof(bool) * count * 2);
	memset(row->is_null, true, sizeof(bool) * count * 2);
	if (updates)
		heap_deform_tuple(trigger->tg_trigtuple, row->shape, row->values, row->is_null);
	heap_deform_tuple(updates ? trigger->tg_newtuple : trigger->tg_trigtuple, row->shape, row->values + count,
					  row->is_null + count);
	learn_role(row->writer);
	/* copies: a trigger of the table may write through the view in another role */
	row->returned = bms_copy(row->writer->readable);
	row->plaintext = bms_copy(row->writer->plaintext);
}

/* write_decrypted_view(): trigger INSTEAD OF INSERT OR UPDATE */
Datum
tsec_write_decrypted_view(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	MemoryContext context = CurrentMemoryContext;
	HeapTuple volatile result = NULL;
	Relation table;
	ViewRow row;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_INSTEAD(trigger->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(trigger->tg_event) || TRIGGER_FIRED_BY_DELETE(trigger->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("%s can only be called as a trigger INSTEAD OF INSERT OR UPDATE for each row",
							   VIEW_TRIGGER)));

	/* a row's plaintexts lie in SPI's context, which goes at the end */
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: no connection to the server's SQL");
	row.writer = view_writer(trigger->tg_relation, &table);
	PG_TRY();
	{
		take_row(&row, trigger);
		result = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? update_row(&row, context) : insert_row(&row, context);
	}
	PG_FINALLY();
	{
		view_release(row.writer);
	}
	PG_END_TRY();
	table_close(table, NoLock);
	SPI_finish();
	return PointerGetDatum(result);
}
