/*
 * change_read.c
 *		Changed rows of the log as people read them: jsonb, made when somebody asks.
 *
 * What lies in the log may have been forged by a superuser: whatever is no
 * changed row reads as {"unreadable": true} and raises nothing, or one bad row
 * would keep the others from being read.
 */
#include "audit/change.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"
#include "utils/tuplestore.h"

/* Room for a time as text; the server takes 128 bytes at most. */
#define TIME_TEXT_MAX 160

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

/* ---- values as jsonb ---- */

static void
set_string(JsonbValue *to, char *text)
{
	to->type = jbvString;
	to->val.string.val = text;
	to->val.string.len = (int) strlen(text);
}

static void
set_bytes(JsonbValue *to, Bytes bytes)
{
	if (bytes.length > JENTRY_OFFLENMASK / 2 || !pg_verifymbstr((const char *) bytes.data, (int) bytes.length, true))
		set_string(to, "[unreadable]");
	else
		set_string(to, pnstrdup((const char *) bytes.data, bytes.length));
}

static char *
hex_of(Bytes bytes, const char *prefix)
{
	size_t head = strlen(prefix);
	char *text = palloc(head + 2 * bytes.length + 1);

	memcpy(text, prefix, head);
	text[head + hex_encode((const char *) bytes.data, bytes.length, text + head)] = '\0';
	return text;
}

/* A number's text; NaN and infinities are no JSON numbers. */
static void
set_number(JsonbValue *to, char *text)
{
	if (strspn(text, "+-.0123456789eE") != strlen(text) || strpbrk(text, "0123456789") == NULL ||
		strlen(text) > 200000)
	{
		set_string(to, text);
		return;
	}
	PG_TRY();
	{
		to->val.numeric = DatumGetNumeric(
			DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		to->type = jbvNumeric;
	}
	PG_CATCH();
	{
		FlushErrorState();
		set_string(to, text);
	}
	PG_END_TRY();
}

static int64
integer_of(Bytes bytes)
{
	return bytes.length == 2   ? (int16) bytes_get_u16(bytes.data)
		   : bytes.length == 4 ? (int32) bytes_get_u32(bytes.data)
							   : (int64) bytes_get_u64(bytes.data);
}

static void
set_float(JsonbValue *to, Bytes bytes)
{
	char *text = palloc(DOUBLE_SHORTEST_DECIMAL_LEN);

	if (bytes.length == 4)
	{
		uint32 bits = bytes_get_u32(bytes.data);
		float4 number;

		memcpy(&number, &bits, sizeof(number));
		(void) float_to_shortest_decimal_buf(number, text);
	}
	else
	{
		uint64 bits = bytes_get_u64(bytes.data);
		float8 number;

		memcpy(&number, &bits, sizeof(number));
		(void) double_to_shortest_decimal_buf(number, text);
	}
	set_number(to, text);
}

/* A date or time as ISO 8601; one that the server has no date for as its number. */
static void
set_time(JsonbValue *to, ChangeForm form, int64 value)
{
	static const Oid types[] = {
		[CHANGE_DATE] = DATEOID, [CHANGE_TIMESTAMP] = TIMESTAMPOID, [CHANGE_TIMESTAMPTZ] = TIMESTAMPTZOID};
	static const int utc = 0;
	bool is_known = form == CHANGE_DATE ? DATE_NOT_FINITE(value) || IS_VALID_DATE(value)
										: TIMESTAMP_NOT_FINITE(value) || IS_VALID_TIMESTAMP(value);
	Datum datum = form == CHANGE_DATE ? DateADTGetDatum((DateADT) value) : TimestampTzGetDatum(value);

	if (is_known)
		set_string(to, JsonEncodeDateTime(palloc(TIME_TEXT_MAX), datum, types[form],
										  form == CHANGE_TIMESTAMPTZ ? &utc : NULL));
	else
		set_string(to, psprintf(INT64_FORMAT, value));
}

/* JSON text; what jsonb cannot hold stays a string. */
static void
set_json(JsonbValue *to, Bytes bytes)
{
	MemoryContext context = CurrentMemoryContext;
	Jsonb *volatile json = NULL;

	set_bytes(to, bytes);
	if (strcmp(to->val.string.val, "[unreadable]") == 0)
		return;
	PG_TRY();
	{
		json = DatumGetJsonbP(
			DirectFunctionCall1(jsonb_in, CStringGetDatum(pnstrdup((const char *) bytes.data, bytes.length))));
	}
	PG_CATCH();
	{
		int category = ERRCODE_TO_CATEGORY(geterrcode());

		if (category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
			category != ERRCODE_TO_CATEGORY(ERRCODE_UNTRANSLATABLE_CHARACTER))
			PG_RE_THROW();
		MemoryContextSwitchTo(context);
		FlushErrorState();
	}
	PG_END_TRY();
	if (json == NULL)
		return;
	if (JB_ROOT_IS_SCALAR(json))
		(void) JsonbExtractScalar(&json->root, to);
	else
	{
		to->type = jbvBinary;
		to->val.binary.data = &json->root;
		to->val.binary.len = (int) VARSIZE(json) - VARHDRSZ;
	}
}

static void
set_value(JsonbValue *to, ChangeForm form, Bytes bytes)
{
	switch (form)
	{
		case CHANGE_NUMBER:
			set_number(to, pnstrdup((const char *) bytes.data, bytes.length));
			break;
		case CHANGE_JSON:
			set_json(to, bytes);
			break;
		case CHANGE_BYTES:
			set_string(to, hex_of(bytes, "\\x"));
			break;
		case CHANGE_BOOLEAN:
			to->type = jbvBool;
			to->val.boolean = bytes.data[0] != 0;
			break;
		case CHANGE_INTEGER:
			to->type = jbvNumeric;
			to->val.numeric = int64_to_numeric(integer_of(bytes));
			break;
		case CHANGE_FLOAT:
			set_float(to, bytes);
			break;
		case CHANGE_DATE:
		case CHANGE_TIMESTAMP:
		case CHANGE_TIMESTAMPTZ:
			set_time(to, form, integer_of(bytes));
			break;
		case CHANGE_UUID:
			set_string(to, DatumGetCString(DirectFunctionCall1(uuid_out, PointerGetDatum(bytes.data))));
			break;
		default:
			set_bytes(to, bytes);
			break;
	}
}

static void
push_key(JsonbParseState **state, const char *name, size_t length)
{
	JsonbValue key = {.type = jbvString};

	key.val.string.val = pnstrdup(name, length);
	key.val.string.len = (int) length;
	(void) pushJsonbValue(state, WJB_KEY, &key);
}

/* Pushes what a column held, as a member's value; digests and long values as objects. */
static void
push_value(JsonbParseState **state, const ChangeColumn *column, const ChangeValue *value)
{
	JsonbValue made = {.type = jbvNull};

	if (value->mark == CHANGE_MARK_LENGTH)
		set_value(&made, column->form, value->bytes);
	else if (value->mark == CHANGE_MARK_REDACTED)
		set_string(&made, "[redacted]");
	else if (value->mark != CHANGE_MARK_NULL)
	{
		JsonbValue digest = {.type = jbvNull};

		(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
		if (value->mark != CHANGE_MARK_NO_DIGEST)
			set_string(&digest, hex_of(value->bytes, ""));
		push_key(state, "digest", 6);
		(void) pushJsonbValue(state, WJB_VALUE, &digest);
		if (value->mark == CHANGE_MARK_LONG)
		{
			push_key(state, "length", 6);
			digest.type = jbvNumeric;
			digest.val.numeric = int64_to_numeric((int64) value->length);
			(void) pushJsonbValue(state, WJB_VALUE, &digest);
		}
		(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
		return;
	}
	(void) pushJsonbValue(state, WJB_VALUE, &made);
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
		push_key(&state, (const char *) row.columns[i].name.data, row.columns[i].name.length);
		push_value(&state, &row.columns[i], is_new ? new_value(&row, i) : &row.old[i]);
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
		push_key(&state, (const char *) row.columns[i].name.data, row.columns[i].name.length);
		(void) pushJsonbValue(&state, WJB_BEGIN_OBJECT, NULL);
		push_key(&state, "old", 3);
		push_value(&state, &row.columns[i], &row.old[i]);
		push_key(&state, "new", 3);
		push_value(&state, &row.columns[i], &row.new[i]);
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
		if (value->mark == CHANGE_MARK_LENGTH && row.columns[i].form == CHANGE_JSON)
			set_bytes(&made, value->bytes);
		else if (value->mark == CHANGE_MARK_LENGTH)
			set_value(&made, row.columns[i].form, value->bytes);
		else if (value->mark == CHANGE_MARK_REDACTED || value->mark == CHANGE_MARK_NO_DIGEST)
			set_string(&made, "[redacted]");
		else
			set_string(&made, hex_of(value->bytes, ""));
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
