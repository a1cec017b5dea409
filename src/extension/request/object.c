/*
 * object.c
 *		Headers, cookies and claims: JSON objects in, what is looked for and what
 *		functions of the request may see out.
 *
 * Whoever acts in a request can read request.headers and request.cookies, so
 * neither shows a token: the access token stands in twin_security.token, which
 * is readable with pg_read_all_settings only, and the refresh token in this
 * library's memory.  Errors quote nothing.
 */
#include "request/private.h"

#include "account/account.h"

#include "utils/builtins.h"
#include "utils/fmgrprotos.h"

#define NAME_MAX_LENGTH 256

static TSEC_NORETURN void
refuse_object(const char *what, const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
					errmsg("%s of a request are an object of strings", what), errdetail_internal("%s", why)));
}

static TSEC_NORETURN void
refuse_size(const char *what)
{
	ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s of a request are too long", what),
					errdetail("They may have %d bytes and %d members, with names of %d bytes.", REQUEST_OBJECT_MAX,
							  REQUEST_MEMBERS_MAX, NAME_MAX_LENGTH)));
}

/* Appends text as a JSON string. */
static void
append_string(StringInfo to, const char *text, int length)
{
	static const char digits[] = "0123456789abcdef";
	int begin = 0;

	appendStringInfoCharMacro(to, '"');
	for (int i = 0; i < length; i++)
	{
		unsigned char c = (unsigned char) text[i];

		if (likely(c >= 0x20 && c != '"' && c != '\\'))
			continue;
		appendBinaryStringInfo(to, text + begin, i - begin);
		begin = i + 1;
		appendStringInfoCharMacro(to, '\\');
		if (c >= 0x20)
			appendStringInfoCharMacro(to, c);
		else
		{
			appendStringInfoString(to, "u00");
			appendStringInfoCharMacro(to, digits[c >> 4]);
			appendStringInfoCharMacro(to, digits[c & 15]);
		}
	}
	appendBinaryStringInfo(to, text + begin, length - begin);
	appendStringInfoCharMacro(to, '"');
}

/* Appends "name": "value" to an object that is being written. */
static void
append_member(StringInfo to, const char *name, int name_length, const char *value, int length)
{
	if (to->len > 1)
		appendBinaryStringInfo(to, ", ", 2);
	append_string(to, name, name_length);
	appendBinaryStringInfo(to, ": ", 2);
	append_string(to, value, length);
}

typedef void (*TakeMember)(void *state, const char *name, int name_length, const JsonbValue *value);

/* Hands every member of an object of strings to a function. */
static void
each_member(Jsonb *object, const char *what, TakeMember take, void *state)
{
	JsonbIterator *iterator;
	JsonbIteratorToken token;
	JsonbValue name;
	JsonbValue value;

	if (object == NULL)
		return;
	if (VARSIZE(object) > REQUEST_OBJECT_MAX)
		refuse_size(what);
	if (!JB_ROOT_IS_OBJECT(object))
		refuse_object(what, "It is no object.");
	if (JB_ROOT_COUNT(object) > REQUEST_MEMBERS_MAX)
		refuse_size(what);
	iterator = JsonbIteratorInit(&object->root);
	while ((token = JsonbIteratorNext(&iterator, &name, true)) != WJB_DONE)
	{
		if (token != WJB_KEY)
			continue;
		(void) JsonbIteratorNext(&iterator, &value, true);
		if (value.type != jbvString)
			refuse_object(what, "One of its values is no string.");
		if (name.val.string.len > NAME_MAX_LENGTH)
			refuse_size(what);
		take(state, name.val.string.val, name.val.string.len, &value);
	}
}

static bool
is_name(const char *name, int length, const char *wanted)
{
	/* public: names of headers and cookies */
	return strncmp(name, wanted, length) == 0 && wanted[length] == '\0';
}

/* ---- headers ---- */

/* Raises where two headers are one in lower case: which of them counts would be anybody's guess. */
static void
require_distinct(const char *lower, int length, const char *name, Jsonb *object)
{
	JsonbIterator *iterator = JsonbIteratorInit(&object->root);
	JsonbIteratorToken token;
	JsonbValue other;

	while ((token = JsonbIteratorNext(&iterator, &other, true)) != WJB_DONE)
		if (token == WJB_KEY && other.val.string.val != name && other.val.string.len == length &&
			pg_strncasecmp(other.val.string.val, lower, length) == 0)
			refuse_object("headers", "Two of its names differ in case alone.");
}

typedef struct HeadersState
{
	RequestHeaders *headers;
	Jsonb *object;
} HeadersState;

static void
take_header(void *argument, const char *name, int name_length, const JsonbValue *value)
{
	HeadersState *state = argument;
	RequestHeaders *headers = state->headers;
	RequestText text = {value->val.string.val, value->val.string.len};
	char lower[NAME_MAX_LENGTH];
	bool changed = false;

	for (int i = 0; i < name_length; i++)
	{
		bool is_upper = name[i] >= 'A' && name[i] <= 'Z';

		lower[i] = is_upper ? name[i] + ('a' - 'A') : name[i];
		changed |= is_upper;
	}
	if (unlikely(changed))
		require_distinct(lower, name_length, name, state->object);
	if (is_name(lower, name_length, "authorization"))
		headers->authorization = text;
	else if (!is_name(lower, name_length, "cookie"))
	{
		if (is_name(lower, name_length, ACCOUNT_HEADER_CSRF))
			headers->csrf = text;
		append_member(&headers->shown, lower, name_length, text.data, (int) text.length);
	}
}

void
object_headers(Jsonb *object, RequestHeaders *headers)
{
	HeadersState state = {headers, object};

	memset(headers, 0, sizeof(*headers));
	initStringInfo(&headers->shown);
	appendStringInfoCharMacro(&headers->shown, '{');
	each_member(object, "headers", take_header, &state);
	appendStringInfoCharMacro(&headers->shown, '}');
}

/* ---- cookies ---- */

static void
take_cookie(void *argument, const char *name, int name_length, const JsonbValue *value)
{
	RequestCookies *cookies = argument;
	RequestText text = {value->val.string.val, value->val.string.len};
	bool is_access = is_name(name, name_length, ACCOUNT_COOKIE_ACCESS);
	bool is_refresh = is_name(name, name_length, ACCOUNT_COOKIE_REFRESH);

	if (is_access)
		cookies->access = text;
	if (is_refresh)
		cookies->refresh = text;
	append_member(&cookies->shown, name, name_length, text.data, is_access || is_refresh ? 0 : (int) text.length);
}

void
object_cookies(Jsonb *object, RequestCookies *cookies)
{
	memset(cookies, 0, sizeof(*cookies));
	initStringInfo(&cookies->shown);
	appendStringInfoCharMacro(&cookies->shown, '{');
	each_member(object, "cookies", take_cookie, cookies);
	appendStringInfoCharMacro(&cookies->shown, '}');
}

/* ---- claims ---- */

/* Appends any value. */
static void
append_value(StringInfo to, const JsonbValue *value)
{
	switch (value->type)
	{
		case jbvString:
			append_string(to, value->val.string.val, value->val.string.len);
			break;
		case jbvNumeric:
			appendStringInfoString(
				to, DatumGetCString(DirectFunctionCall1(numeric_out, NumericGetDatum(value->val.numeric))));
			break;
		case jbvBool:
			appendStringInfoString(to, value->val.boolean ? "true" : "false");
			break;
		case jbvBinary:
			(void) JsonbToCString(to, value->val.binary.data, value->val.binary.len);
			break;
		default:
			appendStringInfoString(to, "null");
	}
}

char *
object_claims(Jsonb *claims, const char *role)
{
	StringInfoData json;

	initStringInfo(&json);
	appendStringInfoCharMacro(&json, '{');
	if (claims != NULL)
	{
		JsonbIterator *iterator = JsonbIteratorInit(&claims->root);
		JsonbIteratorToken token;
		JsonbValue name;
		JsonbValue value;

		while ((token = JsonbIteratorNext(&iterator, &name, true)) != WJB_DONE)
		{
			if (token != WJB_KEY)
				continue;
			(void) JsonbIteratorNext(&iterator, &value, true);
			if (is_name(name.val.string.val, name.val.string.len, "role"))
				continue;
			append_string(&json, name.val.string.val, name.val.string.len);
			appendBinaryStringInfo(&json, ": ", 2);
			append_value(&json, &value);
			appendBinaryStringInfo(&json, ", ", 2);
		}
	}
	appendStringInfoString(&json, "\"role\": ");
	append_string(&json, role, (int) strlen(role));
	appendStringInfoCharMacro(&json, '}');
	return json.data;
}

/* ---- Authorization ---- */

RequestText
object_bearer(RequestText authorization)
{
	static const char scheme[] = "bearer";
	size_t length = sizeof(scheme) - 1;
	RequestText token = {NULL, 0};

	if (authorization.data == NULL || authorization.length < length ||
		pg_strncasecmp(authorization.data, scheme, length) != 0 ||
		(authorization.length > length && authorization.data[length] != ' '))
		return token;
	while (length < authorization.length && authorization.data[length] == ' ')
		length++;
	token.data = authorization.data + length;
	token.length = authorization.length - length;
	return token;
}
