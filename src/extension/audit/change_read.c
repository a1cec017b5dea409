/*
 * change_read.c
 *		Changed rows of the log as people read them: jsonb, made when somebody asks.
 *
 * What lies in the log may have been forged by a superuser: whatever is no
 * changed row reads as {"unreadable": true} and raises nothing, or one bad row
 * would keep the others from being read.
 */
#include "audit/change.h"

#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(tsec_change_rows);
PG_FUNCTION_INFO_V1(tsec_change_side);
PG_FUNCTION_INFO_V1(tsec_change_difference);
PG_FUNCTION_INFO_V1(tsec_change_key);

/* A row with its columns. */
typedef struct ChangedRow
{
	int count;
	int sides;
	ChangeColumn *columns;
	ChangeValue *old;
	ChangeValue *new;
} ChangedRow;

static Bytes
bytes_argument(FunctionCallInfo fcinfo, int number)
{
	bytea *value = PG_GETARG_BYTEA_PP(number);

	return bytes_of(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}

/* Reads the function's first two arguments; false when they are no row. */
static bool
read_arguments(FunctionCallInfo fcinfo, ChangedRow *row)
{
	Bytes columns = bytes_argument(fcinfo, 0);

	if (columns.length < 2)
		return false;
	row->count = Min(bytes_get_u16(columns.data), CHANGE_COLUMNS_MAX);
	row->columns = palloc(sizeof(ChangeColumn) * (row->count + 1));
	row->old = palloc(sizeof(ChangeValue) * (row->count + 1));
	row->new = palloc(sizeof(ChangeValue) * (row->count + 1));
	if (!change_read_columns(columns, row->columns, &row->count) ||
		!change_read_row(bytes_argument(fcinfo, 1), row->count, row->old, row->new, &row->sides))
		return false;
	for (int i = 0; i < row->count; i++)
	{
		const ChangeColumn *column = &row->columns[i];
		bool is_old = row->sides & CHANGE_OLD;
		bool is_new = row->sides & CHANGE_NEW;

		if (!pg_verifymbstr((const char *) column->name.data, (int) column->name.length, true) ||
			(is_old && row->old[i].mark == CHANGE_MARK_LENGTH && !change_fits(column->form, row->old[i].bytes)) ||
			(is_new && row->new[i].mark == CHANGE_MARK_LENGTH && !change_fits(column->form, row->new[i].bytes)))
			return false;
	}
	return true;
}

static const ChangeValue *
new_value(const ChangedRow *row, int column)
{
	return row->new[column].mark == CHANGE_MARK_SAME ? &row->old[column] : &row->new[column];
}

static Datum
unreadable(void)
{
	return DirectFunctionCall1(jsonb_in, CStringGetDatum("{\"unreadable\": true}"));
}

/* change_side(columns bytea, changed bytea, is_new boolean) -> jsonb */
Datum
tsec_change_side(PG_FUNCTION_ARGS)
{
	bool is_new = PG_GETARG_BOOL(2);
	JsonbParseState *state = NULL;
	JsonbValue *result;
	ChangedRow row;

	if (!read_arguments(fcinfo, &row))
		PG_RETURN_DATUM(unreadable());
	if (!(row.sides & (is_new ? CHANGE_NEW : CHANGE_OLD)))
		PG_RETURN_NULL();
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < row.count; i++)
	{
		change_push_key(&state, (const char *) row.columns[i].name.data, row.columns[i].name.length);
		change_push_value(&state, &row.columns[i], is_new ? new_value(&row, i) : &row.old[i]);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}

/* change_difference(columns bytea, changed bytea) -> jsonb: of a row with both sides, the columns that differ */
Datum
tsec_change_difference(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;
	ChangedRow row;

	if (!read_arguments(fcinfo, &row))
		PG_RETURN_DATUM(unreadable());
	if (row.sides != (CHANGE_OLD | CHANGE_NEW))
		PG_RETURN_NULL();
	(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
	for (int i = 0; i < row.count; i++)
	{
		if (row.new[i].mark == CHANGE_MARK_SAME)
			continue;
		change_push_key(&state, (const char *) row.columns[i].name.data, row.columns[i].name.length);
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		change_push_key(&state, "old", 3);
		change_push_value(&state, &row.columns[i], &row.old[i]);
		change_push_key(&state, "new", 3);
		change_push_value(&state, &row.columns[i], &row.new[i]);
		(void) pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	}
	result = pushJsonbValue(&state, WJB_END_OBJECT, NULL);
	PG_RETURN_JSONB_P(JsonbValueToJsonb(result));
}

/* change_key(columns bytea, changed bytea) -> text: the primary key, of the old side where there is one; several columns as a JSON array */
Datum
tsec_change_key(PG_FUNCTION_ARGS)
{
	JsonbParseState *state = NULL;
	JsonbValue *result;
	ChangedRow row;
	int parts = 0;
	Jsonb *array;
	JsonbValue *only;

	if (!read_arguments(fcinfo, &row))
		PG_RETURN_NULL();
	(void) pushJsonbValue(&state, WJB_BEGIN_ARRAY, NULL);
	for (int i = 0; i < row.count; i++)
	{
		const ChangeValue *value = (row.sides & CHANGE_OLD) ? &row.old[i] : &row.new[i];
		JsonbValue made = {.type = jbvNull};

		if (!(row.columns[i].flags & CHANGE_KEY))
			continue;
		parts++;
		change_set_key(&made, &row.columns[i], value);
		(void) pushJsonbValue(&state, WJB_ELEM, &made);
	}
	result = pushJsonbValue(&state, WJB_END_ARRAY, NULL);
	if (parts == 0)
		PG_RETURN_NULL();
	array = JsonbValueToJsonb(result);
	if (parts > 1)
		PG_RETURN_TEXT_P(cstring_to_text(JsonbToCString(NULL, &array->root, VARSIZE(array))));
	only = getIthJsonbValueFromContainer(&array->root, 0);
	if (only->type == jbvString)
		PG_RETURN_TEXT_P(cstring_to_text_with_len(only->val.string.val, only->val.string.len));
	if (only->type == jbvNumeric)
		PG_RETURN_TEXT_P(
			cstring_to_text(DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(only->val.numeric)))));
	PG_RETURN_TEXT_P(cstring_to_text(only->type == jbvBool && only->val.boolean ? "true" : "false"));
}

/* ---- splitting ---- */

static bool
emit_row(void *argument, Bytes columns, Bytes row, int number)
{
	ReturnSetInfo *result = argument;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	values[0] = Int32GetDatum(number);
	values[1] = PointerGetDatum(cstring_to_text_with_len((const char *) columns.data, (int) columns.length));
	values[2] = PointerGetDatum(cstring_to_text_with_len((const char *) row.data, (int) row.length));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	pfree(DatumGetPointer(values[1]));
	pfree(DatumGetPointer(values[2]));
	return true;
}

/* change_rows(rows bytea) -> setof (number integer, columns bytea, changed bytea); what is damaged ends them */
Datum
tsec_change_rows(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	if (!change_split(bytes_argument(fcinfo, 0), emit_row, result) && tuplestore_tuple_count(result->setResult) == 0)
	{
		/* the event stays to be seen */
		Datum values[3] = {Int32GetDatum(0)};
		bool nulls[3] = {false, true, true};

		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
