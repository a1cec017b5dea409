/*
 * begin.c
 *		twin.begin_request(): a request that twin_gateway brings.
 *
 * What PostgREST sets in one statement of eight set_config() calls, in its
 * order, and what pre_request() does, in one call without SQL.  The gateway is
 * believed about the client's address and about nothing else: who asks, and as
 * which role, the token says.
 */
#include "request/private.h"

#include "account/account.h"
#include "identity/identity.h"

#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"

#include <sys/socket.h>

PG_FUNCTION_INFO_V1(tsec_begin_request);

/* Arguments, in the order of request.sql. */
enum
{
	ARG_METHOD,
	ARG_PATH,
	ARG_HEADERS,
	ARG_COOKIES,
	ARG_ADDRESS,
	ARG_SCHEMA,
	ARG_ANONYMOUS,
	ARG_EXTRA,
	ARG_SETTINGS,
	ARG_ROUTE
};

/* Raises where this call is not a gateway's, or not the first of its transaction. */
static void
require_gateway(void)
{
	if (!identity_is_token_only())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("this login may not begin requests"),
						errdetail("Whoever begins one is believed about the client's address."),
						errhint("An administrator can add the gateway's login to twin.token_only_logins.")));
	if (OidIsValid(GetCurrentRoleId()))
		base_throw_detail(TSEC_REQUEST_BEGUN, "A role is set.");
}

/* An argument of type text that must be there, within a bound. */
static char *
text_argument(FunctionCallInfo fcinfo, int number, const char *name, size_t most)
{
	text *value;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a request needs a %s", name)));
	value = PG_GETARG_TEXT_PP(number);
	if (VARSIZE_ANY_EXHDR(value) > most)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the %s of a request is too long", name)));
	return text_to_cstring(value);
}

/* An array of texts within a bound; the number of them, none for null. */
static int
list_argument(FunctionCallInfo fcinfo, int number, const char *name, Datum **values)
{
	ArrayType *array;
	bool *nulls;
	int count;

	if (PG_ARGISNULL(number))
		return 0;
	array = PG_GETARG_ARRAYTYPE_P(number);
	deconstruct_array(array, TEXTOID, -1, false, TYPALIGN_INT, values, &nulls, &count);
	if (count > REQUEST_LIST_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the %s of a request are too many", name)));
	for (int i = 0; i < count; i++)
		if (nulls[i])
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("one of the %s is null", name)));
	return count;
}

/* Appends the name of a schema, always quoted; refuses those that stand for another one, quoted or not. */
static void
append_schema(StringInfo path, const char *name)
{
	if (name[0] == '\0' || strlen(name) >= NAMEDATALEN || strcmp(name, "$user") == 0 ||
		strncmp(name, "pg_temp", 7) == 0 || strncmp(name, "pg_toast", 8) == 0)
		ereport(ERROR, (errcode(ERRCODE_INVALID_SCHEMA_NAME), errmsg("no schema of requests has this name")));
	appendStringInfoString(path, path->len > 0 ? ", \"" : "\"");
	for (const char *c = name; *c != '\0'; c++)
	{
		if (*c == '"')
			appendStringInfoChar(path, '"');
		appendStringInfoChar(path, *c);
	}
	appendStringInfoChar(path, '"');
}

/* The schema of the request, and further ones behind it. */
static char *
make_search_path(FunctionCallInfo fcinfo)
{
	char *schema = text_argument(fcinfo, ARG_SCHEMA, "schema", NAMEDATALEN);
	Datum *extra;
	int count = list_argument(fcinfo, ARG_EXTRA, "extra schemas", &extra);
	StringInfoData path;

	initStringInfo(&path);
	append_schema(&path, schema);
	if (!OidIsValid(get_namespace_oid(schema, true)))
		ereport(ERROR, (errcode(ERRCODE_INVALID_SCHEMA_NAME), errmsg("the schema of the request does not exist")));
	for (int i = 0; i < count; i++)
		append_schema(&path, TextDatumGetCString(extra[i]));
	return path.data;
}

/* The client's address; false where the gateway does not know it. */
static bool
read_address(FunctionCallInfo fcinfo, NetAddress *address)
{
	inet *given;
	char text[NETWORK_TEXT_MAX];
	NetAddress written = {.family = 0};

	if (PG_ARGISNULL(ARG_ADDRESS))
		return false;
	given = PG_GETARG_INET_PP(ARG_ADDRESS);
	written.family = ip_family(given) == PGSQL_AF_INET ? 4 : 6;
	memcpy(written.bytes, ip_addr(given), written.family == 4 ? 4 : 16);
	/* through text, so that a mapped address is what it stands for */
	network_write(&written, text);
	return network_address(text, strlen(text), address);
}

/* Sets what the caller wants besides: names and values in turn. */
static void
apply_settings(FunctionCallInfo fcinfo)
{
	Datum *settings;
	int count = list_argument(fcinfo, ARG_SETTINGS, "settings", &settings);

	if (count % 2 != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a setting of the request lacks its value")));
	for (int i = 0; i < count; i += 2)
		current_set(TextDatumGetCString(settings[i]), TextDatumGetCString(settings[i + 1]));
}

/* The role of whoever is nobody. */
static char *
anonymous_role(FunctionCallInfo fcinfo)
{
	if (PG_ARGISNULL(ARG_ANONYMOUS))
		refuse(CALLER_GATEWAY, TSEC_REQUEST_ANONYMOUS, 0);
	return pstrdup(NameStr(*PG_GETARG_NAME(ARG_ANONYMOUS)));
}

/* A row (role_name, user_id, request_id). */
static Datum
row_of(FunctionCallInfo fcinfo, const char *role)
{
	const Identity *identity = identity_current();
	TupleDesc description;
	NameData name;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &description) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	namestrcpy(&name, role);
	values[0] = NameGetDatum(&name);
	nulls[1] = identity == NULL || !identity->has_user_id;
	values[1] = nulls[1] ? (Datum) 0 : Int64GetDatum(identity->user_id);
	values[2] = CStringGetTextDatum(current_id());
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(description), values, nulls));
}

/* begin_request(method, path, headers, cookies, client_address, schema_name, ...) -> (role_name, user_id, request_id) */
Datum
tsec_begin_request(PG_FUNCTION_ARGS)
{
	Admission admission = {.caller = CALLER_GATEWAY};
	RequestHeaders headers;
	RequestCookies cookies;
	NetAddress address;
	Jsonb *claims = NULL;
	char *claims_text;
	char *search_path;
	char *path;
	char *role = NULL;

	require_gateway();
	admission.method = text_argument(fcinfo, ARG_METHOD, "method", REQUEST_METHOD_MAX);
	path = text_argument(fcinfo, ARG_PATH, "path", REQUEST_PATH_MAX);
	if (PG_ARGISNULL(ARG_ROUTE))
		admission.route_length = route_read(path, strlen(path), admission.route);
	else
	{
		char *route = text_argument(fcinfo, ARG_ROUTE, "route", REQUEST_PATH_MAX);

		admission.route_length = route_read(route, strlen(route), admission.route);
	}
	search_path = make_search_path(fcinfo);
	object_headers(PG_ARGISNULL(ARG_HEADERS) ? NULL : PG_GETARG_JSONB_P(ARG_HEADERS), &headers);
	object_cookies(PG_ARGISNULL(ARG_COOKIES) ? NULL : PG_GETARG_JSONB_P(ARG_COOKIES), &cookies);
	current_begin(read_address(fcinfo, &address) ? &address : NULL);
	current_keep_session();
	current_hide_cookie(ACCOUNT_COOKIE_REFRESH, cookies.refresh);

	admit_address(&admission);
	admission.csrf = headers.csrf;
	admit_choose(&admission, headers.authorization, cookies.access);
	if (admission.token.data != NULL)
	{
		claims = admit_token(&admission);
		role = role_of_token(CALLER_GATEWAY);
	}
	if (role == NULL)
		role = anonymous_role(fcinfo);
	claims_text = object_claims(claims, role);

	current_set("search_path", search_path);
	role_apply_settings(get_role_oid(role, false));
	role_take_on(role);
	current_set("request.jwt.claims", claims_text);
	current_set("request.method", admission.method);
	current_set("request.path", path);
	current_set("request.headers", headers.shown.data);
	current_set("request.cookies", cookies.shown.data);
	identity_seal_role();
	if (claims != NULL)
		admit_user(&admission);
	apply_settings(fcinfo);
	return row_of(fcinfo, role);
}
