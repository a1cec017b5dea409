/*
 * admit.c
 *		Who may come in: not from a blocked address, not too often, with a token
 *		that holds, and by cookie only where the page that asks can read the
 *		session's CSRF token.
 *
 * Cheapest first, so that a flood is turned away before anything is verified.
 * All that is counted is counted in shared memory: a refusal rolls back, and
 * a GET runs in a read-only transaction.
 */
#include "request/private.h"

#include "account/account.h"
#include "identity/identity.h"
#include "limit/limit.h"
#include "token/token.h"

void
admit_choose(Admission *admission, RequestText authorization, RequestText cookie)
{
	static const char *const without[] = {"/rpc/login", "/rpc/refresh", "/api/auth/login", "/api/auth/refresh"};

	admission->token = object_bearer(authorization);
	if (admission->token.data != NULL || cookie.data == NULL || cookie.length == 0)
		return;
	for (int i = 0; i < (int) lengthof(without); i++)
		if (route_fits(without[i], strlen(without[i]), admission->route, admission->route_length) > 0)
			return;
	admission->token = cookie;
	admission->by_cookie = true;
}

/* A route as text, for events. */
static char *
route_text(const Admission *admission)
{
	char *text = pnstrdup(admission->route, admission->route_length);

	/* it may have been percent-encoded, and need not be text of this encoding */
	for (char *c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	return text;
}

/* Refuses what a limit does not allow. */
static void
check_rate(const Admission *admission, RateAnswer answer)
{
	if (likely(answer.allowed))
		return;
	refuse_event(admission->caller, TSEC_REQUEST_LIMITED, (answer.retry_after + LIMIT_SECOND - 1) / LIMIT_SECOND,
				 "rate_limited", admission->method, route_text(admission));
}

void
admit_address(const Admission *admission)
{
	const NetAddress *address = current_address();

	if (address != NULL && limit_is_blocked(address))
		refuse_event(admission->caller, TSEC_REQUEST_BLOCKED, 0, "address_refused", admission->method,
					 route_text(admission));
	check_rate(admission, rates_take_address(admission->route, admission->route_length, address));
}

/* Whether a method changes nothing (RFC 9110, 9.2.1), so that a page of somebody else may cause it. */
static bool
is_safe(const char *method)
{
	return strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0 || strcmp(method, "OPTIONS") == 0;
}

Jsonb *
admit_token(const Admission *admission)
{
	RequestText token = admission->token;
	const VerifiedToken *verified;
	Status status = identity_authenticate(token.data, token.length);

	if (status == TSEC_OK)
		status = token_find(token.data, token.length, &verified);
	if (status != TSEC_OK)
		refuse(admission->caller, status, 0);
	if (admission->by_cookie && !is_safe(admission->method) &&
		(admission->csrf.data == NULL ||
		 !account_csrf_matches(verified->claims, admission->csrf.data, admission->csrf.length)))
		refuse_event(admission->caller, TSEC_REQUEST_CSRF, 0, "csrf_refused", admission->method,
					 route_text(admission));
	return verified->claims;
}

void
admit_user(const Admission *admission)
{
	const Identity *identity = identity_current();

	if (identity == NULL || identity->user == NULL)
		return;
	/* whoever an outside issuer names is not the user of that name here */
	check_rate(admission, rates_take_user(admission->route, admission->route_length,
										  identity->is_own ? identity->user : psprintf("@%s", identity->user)));
}
