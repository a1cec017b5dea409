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

static Status push(JsonbParseState **state, JsonbIteratorToken as, const json_t *json, JsonbValue **result);

static Status
push_members(JsonbParseState **state, const json_t *object, JsonbValue **result)
{
	const char *name;
	json_t *member;
	JsonbValue key;
	Status status;

	(void) pushJsonbValue(state, WJB_BEGIN_OBJECT, NULL);
	json_object_foreach((json_t *) object, name, member)
	{
		status = string_value(name, strlen(name), &key);
		if (status != TSEC_OK)
			return status;
		(void) pushJsonbValue(state, WJB_KEY, &key);
		status = push(state, WJB_VALUE, member, result);
		if (status != TSEC_OK)
			return status;
	}
	*result = pushJsonbValue(state, WJB_END_OBJECT, NULL);
	return TSEC_OK;
}

/* Pushes any value; the depth is bounded by what the door lets in. */
static Status
push(JsonbParseState **state, JsonbIteratorToken as, const json_t *json, JsonbValue **result)
{
	JsonbValue value;
	Status status = TSEC_OK;

	switch (json_typeof(json))
	{
		case JSON_OBJECT:
			return push_members(state, json, result);
		case JSON_ARRAY:
			(void) pushJsonbValue(state, WJB_BEGIN_ARRAY, NULL);
			for (size_t i = 0; i < json_array_size(json) && status == TSEC_OK; i++)
				status = push(state, WJB_ELEM, json_array_get(json, i), result);
			if (status == TSEC_OK)
				*result = pushJsonbValue(state, WJB_END_ARRAY, NULL);
			return status;
		case JSON_STRING:
			status = string_value(json_string_value(json), json_string_length(json), &value);
			break;
		case JSON_INTEGER:
			value.type = jbvNumeric;
			value.val.numeric = int64_to_numeric(json_integer_value(json));
			break;
		case JSON_REAL:
			value.type = jbvNumeric;
			value.val.numeric = number_of(json_real_value(json));
			break;
		case JSON_NULL:
			value.type = jbvNull;
			break;
		default:
			value.type = jbvBool;
			value.val.boolean = json_is_true(json);
	}
	if (status == TSEC_OK)
		*result = pushJsonbValue(state, as, &value);
	return status;
}

Status
token_jsonb_of(const json_t *root, Jsonb **result)
{
	JsonbParseState *state = NULL;
	JsonbValue *value = NULL;
	Status status = push(&state, WJB_VALUE, root, &value);

	if (status == TSEC_OK)
		*result = JsonbValueToJsonb(value);
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
