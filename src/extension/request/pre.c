/*
 * pre.c
 *		twin.pre_request(): a request that PostgREST brings (db-pre-request).
 *
 * PostgREST has verified the token, set request.jwt.claims and the role, and
 * calls this as that role.  None of it is believed: the raw token is taken from
 * request.headers and verified again.  What PostgREST said must agree with it,
 * because of two Authorization headers it looks at the first and shows the last.
 *
 * A token whose role is one of the twin's, and a cookie, reach PostgREST's
 * anonymous role only; here the role that they stand for is taken on.
 */
#include "request/told.h"

#include "account/account.h"
#include "identity/identity.h"

#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/guc.h"

PG_FUNCTION_INFO_V1(tsec_pre_request);

#define CLAIMS "request.jwt.claims"
#define HEADERS "request.headers"
#define COOKIES "request.cookies"

/* A setting within a bound; empty when it is not there. */
static char *
read_setting(const char *name, size_t most)
{
	const char *text = GetConfigOption(name, true, false);

	if (text != NULL && strlen(text) > most)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("setting \"%s\" is too long", name)));
	return pstrdup(text != NULL ? text : "");
}

/* Where the client is: whom a trusted proxy names, else the other end of the connection. */
static bool
find_address(const Told *headers, NetAddress *address)
{
	const char *connected = base_client_address();
	bool is_known = connected != NULL && network_address(connected, strlen(connected), address);
	RequestText forwarded = told_text(headers, HEADERS, "x-forwarded-for");

	if (!is_known && !base_client_is_local())
		return false;
	if (forwarded.data == NULL || !network_list_holds(setting_trusted_proxies, is_known ? address : NULL))
		return is_known;
	return network_forwarded(forwarded.data, forwarded.length, setting_trusted_proxies, address);
}

/* Refuses a request of which PostgREST says something else than its token does. */
static TSEC_NORETURN void
refuse_claims(void)
{
	refuse_event(CALLER_POSTGREST, TSEC_REQUEST_CLAIMS, 0, "claims_disagree", "pre_request", "request.jwt.claims");
}

/* Whether the role in request.jwt.claims is the one in force. */
static bool
is_role_in_force(const Told *claims)
{
	RequestText role;
	char *current;

	if (!claims->is_there)
		return true;
	role = told_text(claims, CLAIMS, "role");
	current = GetUserNameFromId(GetUserId(), false);
	/* public: names of roles */
	return role.data == NULL || (strlen(current) == role.length && memcmp(current, role.data, role.length) == 0);
}

/* Takes the role of the token on, where it is not in force; request.jwt.claims then says what PostgREST would have said. */
static void
take_role(Jsonb *verified)
{
	char *role = role_of_token(CALLER_POSTGREST);
	char *claims;

	/* a token without a role is the anonymous role's, in which it came */
	if (role == NULL || get_role_oid(role, false) == GetUserId())
		return;
	claims = object_claims(verified, role);
	role_apply_settings(get_role_oid(role, false));
	role_take_on(role);
	current_set(CLAIMS, claims);
}

/* pre_request() */
Datum
tsec_pre_request(PG_FUNCTION_ARGS)
{
	Admission admission = {.caller = CALLER_POSTGREST};
	Told headers = told_read(HEADERS);
	Told cookies = told_read(COOKIES);
	Told claims = told_read(CLAIMS);
	NetAddress address;
	char *path = read_setting("request.path", REQUEST_PATH_MAX);
	Jsonb *verified;

	current_begin(find_address(&headers, &address) ? &address : NULL);
	admission.method = read_setting("request.method", REQUEST_METHOD_MAX);
	admission.route_length = route_read(path, strlen(path), admission.route);
	admit_address(&admission);
	admission.csrf = told_text(&headers, HEADERS, ACCOUNT_HEADER_CSRF);
	admit_choose(&admission, told_text(&headers, HEADERS, "authorization"),
				 told_text(&cookies, COOKIES, ACCOUNT_COOKIE_ACCESS));
	if (!is_role_in_force(&claims))
		refuse_claims();
	if (admission.token.data != NULL)
	{
		/* by cookie PostgREST saw nobody */
		if (admission.by_cookie && !told_nobody(&claims))
			refuse_claims();
		verified = admit_token(&admission);
		if (!admission.by_cookie && !told_agrees(&claims, verified))
			refuse_claims();
		take_role(verified);
	}
	else if (!told_nobody(&claims))
		refuse_claims();
	identity_seal_role();
	if (admission.token.data != NULL)
		admit_user(&admission);
	PG_RETURN_VOID();
}
