/*
 * change_json.c
 *		What a column of a changed row held, as jsonb.
 *
 * The bytes may have been forged: what is no value of its form, or more than jsonb
 * holds, is a string, and nothing of it raises.
 */
#include "audit/change.h"

#include "catalog/pg_type.h"
#include "common/shortest_dec.h"
#include "datatype/timestamp.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/json.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"
#include "utils/timestamp.h"

/* Room for a time as text; the server takes 128 bytes at most. */
#define TIME_TEXT_MAX 160

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

/* In PG_CATCH(): what a value is to blame for is forgotten, in the memory context of before; all else is raised again. */
static void
pass_on_unless_data(MemoryContext context)
{
	int category = ERRCODE_TO_CATEGORY(geterrcode());

	MemoryContextSwitchTo(context);
	if (category != ERRCODE_DATA_EXCEPTION && category != ERRCODE_PROGRAM_LIMIT_EXCEEDED &&
		category != ERRCODE_TO_CATEGORY(ERRCODE_UNTRANSLATABLE_CHARACTER))
		PG_RE_THROW();
	FlushErrorState();
}

/* A number's text; NaN and infinities are no JSON numbers. */
static void
set_number(JsonbValue *to, char *text)
{
	MemoryContext context;

	if (strspn(text, "+-.0123456789eE") != strlen(text) || strpbrk(text, "0123456789") == NULL ||
		strlen(text) > 200000)
	{
		set_string(to, text);
		return;
	}
	context = CurrentMemoryContext;
	PG_TRY();
	{
		to->val.numeric = DatumGetNumeric(
			DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
		to->type = jbvNumeric;
	}
	PG_CATCH();
	{
		pass_on_unless_data(context);
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
		pass_on_unless_data(context);
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

void
change_push_key(JsonbParseState **state, const char *name, size_t length)
{
	JsonbValue key = {.type = jbvString};

	key.val.string.val = pnstrdup(name, length);
	key.val.string.len = (int) length;
	(void) pushJsonbValue(state, WJB_KEY, &key);
}

void
change_push_value(JsonbParseState **state, const ChangeColumn *column, const ChangeValue *value)
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
		change_push_key(state, "digest", 6);
		(void) pushJsonbValue(state, WJB_VALUE, &digest);
		if (value->mark == CHANGE_MARK_LONG)
		{
			change_push_key(state, "length", 6);
			digest.type = jbvNumeric;
			digest.val.numeric = int64_to_numeric((int64) value->length);
			(void) pushJsonbValue(state, WJB_VALUE, &digest);
		}
		(void) pushJsonbValue(state, WJB_END_OBJECT, NULL);
		return;
	}
	(void) pushJsonbValue(state, WJB_VALUE, &made);
}

void
change_set_key(JsonbValue *to, const ChangeColumn *column, const ChangeValue *value)
{
	if (value->mark == CHANGE_MARK_LENGTH && column->form == CHANGE_JSON)
		set_bytes(to, value->bytes);
	else if (value->mark == CHANGE_MARK_LENGTH)
		set_value(to, column->form, value->bytes);
	else if (value->mark == CHANGE_MARK_REDACTED || value->mark == CHANGE_MARK_NO_DIGEST)
		set_string(to, "[redacted]");
	else
		set_string(to, hex_of(value->bytes, ""));
}
