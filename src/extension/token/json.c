/*
 * json.c
 *		Between jansson's values and the server's Jsonb.
 *
 * Tokens are UTF-8, the database may be anything: strings are converted, and
 * what the encoding lacks is a status and not an error.  Whole numbers are
 * kept; other numbers come as the double that JSON parsers make of them.
 */
#include "token/private.h"

#include "catalog/namespace.h"
#include "common/shortest_dec.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/numeric.h"

/* The server has a function of this name too; neither is called here. */
#define json_object jansson_object
#include <jansson.h>
#undef json_object

/* Converts UTF-8; the result may be the argument itself. */
static Status
convert(const char *utf8, size_t length, const char **result, size_t *result_length)
{
	int encoding = GetDatabaseEncoding();
	Oid procedure;
	size_t most;
	char *made;

	*result = utf8;
	*result_length = length;
	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
		return TSEC_OK;
	procedure = FindDefaultConversionProc(PG_UTF8, encoding);
	if (!OidIsValid(procedure))
		return TSEC_TOKEN_CHARACTERS;
	most = length * MAX_CONVERSION_GROWTH + 1;
	made = palloc(most);
	if (pg_do_encoding_conversion_buf(procedure, PG_UTF8, encoding, (unsigned char *) unconstify(char *, utf8),
									  (int) length, (unsigned char *) made, (int) most, true) != (int) length)
		return TSEC_TOKEN_CHARACTERS;
	*result = made;
	*result_length = strlen(made);
	return TSEC_OK;
}

Status
token_text_of(const char *utf8, const char **result)
{
	const char *text;
	size_t length;
	Status status;

	*result = NULL;
	if (utf8 == NULL)
		return TSEC_OK;
	status = convert(utf8, strlen(utf8), &text, &length);
	if (status == TSEC_OK)
		*result = pnstrdup(text, length);
	return status;
}

static Status
string_value(const char *utf8, size_t length, JsonbValue *value)
{
	const char *text;
	size_t text_length;
	Status status = convert(utf8, length, &text, &text_length);

	value->type = jbvString;
	value->val.string.val = unconstify(char *, text);
	value->val.string.len = (int) text_length;
	return status;
}

/* A double as the shortest number that reads back as itself. */
static Numeric
number_of(double value)
{
	char text[DOUBLE_SHORTEST_DECIMAL_LEN];

	double_to_shortest_decimal_buf(value, text);
	return DatumGetNumeric(
		DirectFunctionCall3(numeric_in, CStringGetDatum(text), ObjectIdGetDatum(InvalidOid), Int32GetDatum(-1)));
}

static Status build(const json_t *json, JsonbValue *value);

/* The order of names in Jsonb: by length, then by bytes (lengthCompareJsonbString() of the server). */
static bool
comes_before(const JsonbValue *a, const JsonbValue *b)
{
	if (a->val.string.len != b->val.string.len)
		return a->val.string.len < b->val.string.len;
	return memcmp(a->val.string.val, b->val.string.val, a->val.string.len) < 0; /* public: names of claims */
}

/*
 * Builds an object whose names are known to differ.  What pushJsonbValue()
 * would do for it, a parse state that grows and a sort for any number of names,
 * is a seventh of a verification.
 */
static Status
build_object(const json_t *json, JsonbValue *value)
{
	JsonbPair *pairs = palloc(sizeof(JsonbPair) * Max(json_object_size(json), 1));
	int count = 0;
	const char *name;
	json_t *member;
	Status status;

	json_object_foreach((json_t *) json, name, member)
	{
		JsonbPair made = {.order = 0};
		int place = count;

		status = string_value(name, strlen(name), &made.key);
		if (status == TSEC_OK)
			status = build(member, &made.value);
		if (status != TSEC_OK)
			return status;
		while (place > 0 && comes_before(&made.key, &pairs[place - 1].key))
			place--;
		memmove(&pairs[place + 1], &pairs[place], sizeof(JsonbPair) * (count - place));
		pairs[place] = made;
		count++;
	}
	value->type = jbvObject;
	value->val.object.nPairs = count;
	value->val.object.pairs = pairs;
	return TSEC_OK;
}

static Status
build_array(const json_t *json, JsonbValue *value)
{
	size_t count = json_array_size(json);
	JsonbValue *elements = palloc(sizeof(JsonbValue) * Max(count, 1));
	Status status = TSEC_OK;

	for (size_t i = 0; i < count && status == TSEC_OK; i++)
		status = build(json_array_get(json, i), &elements[i]);
	value->type = jbvArray;
	value->val.array.nElems = (int) count;
	value->val.array.elems = elements;
	value->val.array.rawScalar = false;
	return status;
}

/* Builds any value; the depth is bounded by what the door lets in. */
static Status
build(const json_t *json, JsonbValue *value)
{
	switch (json_typeof(json))
	{
		case JSON_OBJECT:
			return build_object(json, value);
		case JSON_ARRAY:
			return build_array(json, value);
		case JSON_STRING:
			return string_value(json_string_value(json), json_string_length(json), value);
		case JSON_INTEGER:
			value->type = jbvNumeric;
			value->val.numeric = int64_to_numeric(json_integer_value(json));
			return TSEC_OK;
		case JSON_REAL:
			value->type = jbvNumeric;
			value->val.numeric = number_of(json_real_value(json));
			return TSEC_OK;
		case JSON_NULL:
			value->type = jbvNull;
			return TSEC_OK;
		default:
			value->type = jbvBool;
			value->val.boolean = json_is_true(json);
			return TSEC_OK;
	}
}

Status
token_jsonb_of(const json_t *root, Jsonb **result)
{
	JsonbValue value;
	Status status = build(root, &value);

	if (status == TSEC_OK)
		*result = JsonbValueToJsonb(&value);
	return status;
}

/* Whether a number is the same after a JSON parser took it in: a 64-bit integer, or a double. */
static bool
survives(Numeric number)
{
	Datum datum = NumericGetDatum(number);
	Datum again;
	char *text;
	char *end;

	if (numeric_is_nan(number) || numeric_is_inf(number))
		return false;
	text = DatumGetCString(DirectFunctionCall1(numeric_out, datum));
	errno = 0;
	if (strchr(text, '.') == NULL)
	{
		(void) strtoi64(text, &end, 10);
		return errno == 0 && *end == '\0';
	}
	again = NumericGetDatum(number_of(strtod(text, &end)));
	return errno == 0 && DatumGetBool(DirectFunctionCall2(numeric_eq, datum, again));
}

char *
token_json_text(Jsonb *value)
{
	JsonbIterator *iterator = JsonbIteratorInit(&value->root);
	JsonbIteratorToken token;
	JsonbValue element;
	char *text;

	while ((token = JsonbIteratorNext(&iterator, &element, false)) != WJB_DONE)
		if ((token == WJB_VALUE || token == WJB_ELEM) && element.type == jbvNumeric && !survives(element.val.numeric))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
							errmsg("the claims hold a number that readers of the token would round"),
							errhint("Give it as a string.")));
	text = JsonbToCString(NULL, &value->root, (int) VARSIZE(value));
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}
