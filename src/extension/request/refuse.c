/*
 * refuse.c
 *		How a request is refused.
 *
 * The gateway gets the row of status_list.h: a code of class TW, whose HTTP
 * status it looks up in the same list, and for 429 the seconds in the detail.
 * PostgREST gets a code that it turns into a status, and a message that says
 * nothing about what was wrong, because it sends that to the client.
 */
#include "request/private.h"

#include "event/event.h"

#define RETRY "retry after " INT64_FORMAT " seconds"

/* Raises PTxyz. */
static TSEC_NORETURN void
throw_to_postgrest(int http, int64 retry_after)
{
	const char *message = http == 401 ? "authentication failed" : http == 429 ? "too many requests" : "forbidden";

	ereport(ERROR, (errcode(MAKE_SQLSTATE('P', 'T', '0' + http / 100, '0' + http / 10 % 10, '0' + http % 10)),
					errmsg_internal("%s", message), retry_after > 0 ? errdetail(RETRY, retry_after) : 0));
}

void
refuse(RequestCaller caller, Status status, int64 retry_after)
{
	int http = status_info(status)->http;

	if (caller == CALLER_POSTGREST && (http == 401 || http == 403 || http == 429))
		throw_to_postgrest(http, retry_after);
	if (retry_after > 0)
		base_throw_detail(status, RETRY, retry_after);
	base_throw(status);
}

void
refuse_event(RequestCaller caller, Status status, int64 retry_after, const char *type, const char *action,
			 const char *resource)
{
	event_emit(&(SecurityEvent){.type = type,
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = action,
								.resource = resource,
								.is_anybodys = true});
	refuse(caller, status, retry_after);
}
