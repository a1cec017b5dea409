/*
 * handle.c
 *		Requests of the public server: which way each goes, and how all of them end.
 */
#include "gateway/serve/call.h"

#include "gateway/answer/cors.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <time.h>

int64_t
call_clock(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* ---- how a call begins and ends ---- */

/* A header's name as requests have it. */
static const char *
lower_case(Arena *arena, const char *name)
{
	char *copy = arena_string(arena, name);

	for (char *letter = copy; *letter != '\0'; letter++)
		*letter = (char) tolower((unsigned char) *letter);
	return copy;
}

static Call *
begin_call(Gateway *gateway, Exchange *exchange)
{
	const Request *http = exchange_request(exchange);
	Call *call = arena_alloc(http->arena, sizeof(Call));

	call->gateway = gateway;
	call->config_hold = gateway_hold_config(gateway);
	call->config = gateway->config;
	call->schema = gateway->schema != NULL ? schema_hold(gateway->schema) : NULL;
	call->exchange = exchange;
	call->http = http;
	call->arena = http->arena;
	call->route = http->path;
	/* the loop counts milliseconds: what passed until now is known in these only */
	call->began_at = call_clock() - (loop_now(gateway->loop) - http->began_at) * 1000;
	call->timings = (Timings){-1, -1, -1, -1, -1};
	log_new_id(call->error_id);
	log_new_id(call->request_id);
	call->side = (AnswerSide){.is_tls = http->is_tls,
							  .varies_by_origin = call->config->server_cors_allowed_origins != NULL &&
												  call->config->server_cors_allowed_origins[0] != NULL,
							  .varies_by_cookie = true,
							  .may_choose_end = call->config->db_tx_end == TX_END_COMMIT_ALLOW_OVERRIDE ||
												call->config->db_tx_end == TX_END_ROLLBACK_ALLOW_OVERRIDE,
							  .trace_name = call->config->server_trace_header,
							  .error_id = call->error_id};
	if (call->side.trace_name != NULL)
		call->side.trace_value = request_header(http, lower_case(call->arena, call->side.trace_name));
	if (call->config->server_timing_enabled)
		call->side.timings = &call->timings;
	return call;
}

static const char *
call_id(const Call *call)
{
	return call->database_request_id != NULL ? call->database_request_id : call->request_id;
}

static void
count(Gateway *gateway, int status, int64_t microseconds)
{
	static const int64_t bounds[] = DURATION_BOUNDS;
	Counts *counts = &gateway->counts;
	int slot = 0;

	if (status >= 100 && status < 600)
		counts->requests[status / 100]++;
	while (slot < DURATION_COUNT - 1 && microseconds > bounds[slot])
		slot++;
	counts->durations[slot]++;
	counts->duration_sum += (uint64_t) microseconds;
}

/* Writes the log and gives back what the call holds. */
static void
end_call(Call *call, int status, const Answer *answer)
{
	int64_t microseconds = call_clock() - call->began_at;

	count(call->gateway, status, microseconds);
	log_request(&(LoggedRequest){.request_id = call_id(call),
								 .method = call->http->method,
								 .route = call->route,
								 .status = status,
								 .microseconds = microseconds,
								 .role = call->role,
								 .user_id = call->user_id,
								 .client_address = call->http->client_address,
								 .code = answer != NULL ? answer->code : NULL,
								 .error_id = answer != NULL ? answer->error_id : NULL,
								 .detail = answer != NULL ? answer->log_detail : NULL,
								 .bytes = answer != NULL ? answer->body_length : 0});
	if (call->schema != NULL)
		schema_release(call->schema);
	call->schema = NULL;
	gateway_release_config(call->config_hold);
}

void
call_end(Call *call, int status)
{
	end_call(call, status, NULL);
}

/* Whether GET would have got a body that HEAD did not have made: to claim 0 bytes of it would be wrong (RFC 9110, 9.3.2). */
static bool
is_unmade(const Call *call, const Answer *answer)
{
	/* public: a method */
	return strcmp(call->http->method, "HEAD") == 0 && answer->body_length == 0 && answer->status != 204 &&
		   answer->status != 304;
}

void
call_answer(Call *call, Answer *answer)
{
	cors_add(answer, call->config->server_cors_allowed_origins, request_header(call->http, "origin"));
	answer_default(answer, "X-Request-Id", call_id(call));
	/* whoever logs in is nobody yet, and is answered with tokens */
	if (call->is_session)
		answer_default(answer, "Cache-Control", "no-store");
	end_call(call, answer->status, answer);
	exchange_answer(call->exchange, answer->status, answer->reason, answer->headers, answer->header_count,
					answer->body, is_unmade(call, answer) ? EXCHANGE_LENGTH_UNKNOWN : answer->body_length);
}

static void
refuse(Call *call, int status, const char *code, const char *message)
{
	(void) problem_set(&call->problem, status, code, message, NULL, NULL);
	call_answer(call, error_from_problem(call->arena, &call->problem, &call->side));
}

/* ---- the ways ---- */

static void
answer_options(Call *call)
{
	const char *origin = request_header(call->http, "origin");
	const char *wanted = request_header(call->http, "access-control-request-method");
	const char *allow;

	if (cors_is_preflight(call->http->method, origin, wanted))
	{
		call_answer(call, cors_preflight(call->arena, call->config->server_cors_allowed_origins, origin,
										 request_header(call->http, "access-control-request-headers"), &call->side));
		return;
	}
	allow = call_allow(call);
	call_answer(call, allow != NULL ? respond_options(call->arena, allow, &call->side)
									: error_from_problem(call->arena, &call->problem, &call->side));
}

/*
 * A page of another origin cannot log a browser in, or out: its requests carry
 * cookies, or get them, without the page reading the answer.
 */
static bool
is_from_elsewhere(const Call *call)
{
	return !cors_is_trusted(call->config->server_cors_allowed_origins, request_header(call->http, "origin"),
							request_header(call->http, "host"), call->http->is_tls, false);
}

/* By a route of sessions or of the console, or as a routine where twin_api is exposed. */
static bool
is_about_sessions(const Call *call)
{
	return call->is_session || call->is_console ||
		   (call->api.target == TARGET_ROUTINE && call->api.schema != NULL &&
			strcmp(call->api.schema, "twin_api") == 0);
}

void
handle_request(void *argument, Exchange *exchange)
{
	Gateway *gateway = argument;
	Call *call = begin_call(gateway, exchange);

	if (console_is_file(call))
		console_answer(call);
	else if (call->schema == NULL)
	{
		call->side.retry_after = 1;
		refuse(call, 503, "PGRST002", "Could not query the database for the schema cache. Retrying.");
	}
	else if (strcmp(call->http->method, "OPTIONS") == 0)
		answer_options(call);
	else if (strcmp(call->http->path, call->config->server_websocket_path) == 0)
		websocket_handshake(call);
	else
	{
		call->has_problem = !call_decode(call);
		if (is_about_sessions(call) && is_from_elsewhere(call))
			refuse(call, 403, "HTTP403", "Sessions cannot be used from pages of this origin");
		else
			transact(call);
	}
}

void
handle_refusal(void *argument, int status, const char *why, const char *client_address, int64_t milliseconds)
{
	Gateway *gateway = argument;
	char id[17];

	gateway->counts.refused++;
	count(gateway, status, milliseconds * 1000);
	log_new_id(id);
	log_request(&(LoggedRequest){.request_id = id,
								 .status = status,
								 .microseconds = milliseconds * 1000,
								 .client_address = client_address,
								 .detail = why});
}
