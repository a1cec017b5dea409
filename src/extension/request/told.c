/*
 * told.c
 *		What PostgREST says of a request: settings that hold JSON objects.
 *
 * Anybody can set them, so they are parsed under bounds, and an object that is
 * none is refused without being quoted, as the server's own parser would.
 */
#include "request/private.h"

#include "request/told.h"

#include "common/strictjson.h"

#include "mb/pg_wchar.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/numeric.h"

static void
release(void *object)
{
	json_decref(object);
}

Told
told_read(const char *setting)
{
	const char *text = GetConfigOption(setting, true, false);
	int encoding = GetDatabaseEncoding();
	MemoryContextCallback *callback;
	Told told = {NULL, false};

	if (text == NULL || *text == '\0')
		return told;
	told.is_there = true;
	if (strlen(text) > REQUEST_OBJECT_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("setting \"%s\" is too long", setting)));
	/* jansson takes valid UTF-8 only */
	if (encoding != PG_UTF8 && encoding != PG_SQL_ASCII)
		text = pg_server_to_any(text, (int) strlen(text), PG_UTF8);
	callback = palloc(sizeof(MemoryContextCallback));
	told.object = strictjson_object(text, strlen(text), 16, 4 * REQUEST_MEMBERS_MAX);
	if (told.object == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("setting \"%s\" holds no JSON object", setting)));
	callback->func = release;
	callback->arg = told.object;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, callback);
	return told;
}

RequestText
told_text(const Told *told, const char *setting, const char *name)
{
	const json_t *value = told->object != NULL ? json_object_get(told->object, name) : NULL;
	RequestText text = {NULL, 0};

	if (value == NULL)
		return text;
	if (!json_is_string(value))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("member \"%s\" of setting \"%s\" is no string", name, setting)));
	text.data = json_string_value(value);
	text.length = json_string_length(value);
	return text;
}

/* Whether a claim of the token is what is told; neither is a string of this encoding alone. */
static bool
is_same(const JsonbValue *claim, const json_t *told)
{
	const char *text;

	switch (claim->type)
	{
		case jbvString:
			if (!json_is_string(told))
				return false;
			text = pg_any_to_server(json_string_value(told), (int) json_string_length(told), PG_UTF8);
			if (strlen(text) != (size_t) claim->val.string.len)
				return false;
			/* public: claims of a token that verified, and what somebody says they are */
			return memcmp(text, claim->val.string.val, claim->val.string.len) == 0;
		case jbvNumeric:
			/* numbers that are not whole are rounded by whoever reads them */
			if (!json_is_integer(told))
				return json_is_real(told);
			return DatumGetBool(OidFunctionCall2(F_NUMERIC_EQ, NumericGetDatum(claim->val.numeric),
												 NumericGetDatum(int64_to_numeric(json_integer_value(told)))));
		case jbvBool:
			return claim->val.boolean ? json_is_true(told) : json_is_false(told);
		case jbvNull:
			return json_is_null(told);
		default:
			return json_is_object(told) || json_is_array(told);
	}
}

/* Whether a claim that names a token or its user is among those of the token. */
static bool
is_named(Jsonb *claims, const char *name)
{
	JsonbValue value;

	return getKeyJsonValueFromContainer(&claims->root, name, (int) strlen(name), &value) != NULL;
}

bool
told_agrees(const Told *told, Jsonb *claims)
{
	static const char *const naming[] = {"jti", "sub"};
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue name;
	JsonbValue value;

	if (told->object == NULL)
		return true;
	for (int i = 0; i < (int) lengthof(naming); i++)
		if (is_named(claims, naming[i]) != (json_object_get(told->object, naming[i]) != NULL))
			return false;
	iterator = JsonbIteratorInit(&claims->root);
	while ((token = JsonbIteratorNext(&iterator, &name, true)) != WJB_DONE)
	{
		const json_t *other;
		char *claim;

		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		claim = pnstrdup(name.val.string.val, name.val.string.len);
		other = json_object_get(told->object, pg_server_to_any(claim, name.val.string.len, PG_UTF8));
		/* PostgREST puts the role that it chose there */
		if (other != NULL && strcmp(claim, "role") != 0 && !is_same(&value, other))
			return false;
	}
	return true;
}

bool
told_nobody(const Told *told)
{
	return told->object == NULL || json_object_size(told->object) == (json_object_get(told->object, "role") != NULL);
}
