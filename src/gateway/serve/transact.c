/*
 * transact.c
 *		The transaction of a request: BEGIN, begin_request(), the administrator's
 *		own function, the one statement, COMMIT, in one trip to the database.
 *
 * A request that cannot be done goes there as well, for its token and limits
 * come first: a stranger learns nothing about tables from how he is refused.
 */
#include "gateway/serve/call.h"

#include "gateway/answer/openapi.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Columns of the statement: plan.h. */
enum
{
	ROW_TOTAL,
	ROW_COUNT,
	ROW_BODY,
	ROW_HEADERS,
	ROW_STATUS,
	ROW_LOCATION,
	ROW_INSERTED,
	ROW_COLUMNS
};

/* ---- what is sent ---- */

static void
add_statement(Call *call, const char *sql, int count, const char *const *values)
{
	call->statements[call->statement_count++] =
		(PoolStatement){.sql = sql, .prepare = true, .parameter_count = count, .values = values};
}

static void
add_planned(Call *call, const char *sql, const SqlParameter *parameters, int count)
{
	const char **values = arena_alloc(call->arena, (size_t) (count + 1) * sizeof(char *));

	for (int i = 0; i < count; i++)
		values[i] = parameters[i].value;
	add_statement(call, sql, count, values);
}

static void
add_main(Call *call)
{
	const char **values;

	if (call->is_document)
	{
		values = arena_alloc(call->arena, 2 * sizeof(char *));
		values[0] = call->api.schema;
		values[1] = strcmp(call->config->openapi_mode, "ignore-privileges") == 0 ? "false" : "true";
		call->main = call->statement_count;
		add_statement(call, openapi_query(), 2, values);
		return;
	}
	call->main = call->statement_count;
	add_planned(call, call->plan.sql, call->plan.parameters, call->plan.parameter_count);
	if (call->plan.count_sql != NULL)
		add_planned(call, call->plan.count_sql, call->plan.count_parameters, call->plan.count_parameter_count);
}

static const char *
begin_statement(const Call *call)
{
	bool read_only = call->has_problem || call->is_document || call->plan.read_only;

	if (!call->has_problem && call->plan.isolation != NULL && strcmp(call->plan.isolation, "serializable") == 0)
		return read_only ? "BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY"
						 : "BEGIN ISOLATION LEVEL SERIALIZABLE READ WRITE";
	if (!call->has_problem && call->plan.isolation != NULL && strcmp(call->plan.isolation, "repeatable read") == 0)
		return read_only ? "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
						 : "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE";
	return read_only ? "BEGIN ISOLATION LEVEL READ COMMITTED READ ONLY"
					 : "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE";
}

/* ---- what comes back ---- */

static const char *
value_of(const PGresult *result, int column)
{
	return PQgetisnull(result, 0, column) ? NULL : PQgetvalue(result, 0, column);
}

/* A plan instead of rows: EXPLAIN answers line by line. */
static void
explained_row(const Call *call, const PGresult *result, ResultRow *row)
{
	Text text;

	text_begin(&text, call->arena);
	for (int i = 0; i < PQntuples(result); i++)
	{
		if (i > 0)
			text_char(&text, '\n');
		text_add(&text, PQgetvalue(result, i, 0), (size_t) PQgetlength(result, i, 0));
	}
	row->body = text.data;
	row->body_length = text.length;
	row->count = "1";
}

/* Bytes that came as bytea's text, "\\x" and digits. */
static bool
decode_hex(const Call *call, ResultRow *row)
{
	size_t length = row->body_length >= 2 ? (row->body_length - 2) / 2 : 0;
	unsigned char *bytes = arena_alloc(call->arena, length + 1);

	for (size_t i = 0; i < length; i++)
	{
		unsigned int byte;

		if (sscanf(row->body + 2 + 2 * i, "%2x", &byte) != 1)
			return false;
		bytes[i] = (unsigned char) byte;
	}
	row->body = (const char *) bytes;
	row->body_length = length;
	return true;
}

/* What there is in all: counted, or as EXPLAIN expects. */
static const char *
total_of(const Call *call, const PoolAnswer *answer, const char *counted)
{
	const PGresult *explained = answer->result_count > call->main + 1 ? answer->results[call->main + 1] : NULL;

	if (call->plan.count_sql == NULL || explained == NULL || PQntuples(explained) != 1)
		return counted;
	return arena_format(call->arena, "%" PRId64,
						plan_total(&call->plan, counted != NULL ? strtoll(counted, NULL, 10) : 0,
								   PQgetvalue(explained, 0, 0), (size_t) PQgetlength(explained, 0, 0)));
}

/* The row of the statement; its texts live as long as the result. */
static bool
row_of(const Call *call, const PoolAnswer *answer, ResultRow *row)
{
	const PGresult *result = answer->result_count > call->main ? answer->results[call->main] : NULL;

	*row = (ResultRow){0};
	if (result != NULL && call->plan.is_explain)
	{
		explained_row(call, result, row);
		return true;
	}
	if (result == NULL || PQntuples(result) != 1 || PQnfields(result) != ROW_COLUMNS)
		return false;
	row->total = total_of(call, answer, value_of(result, ROW_TOTAL));
	row->count = value_of(result, ROW_COUNT);
	row->body = value_of(result, ROW_BODY);
	row->body_length = row->body != NULL ? (size_t) PQgetlength(result, 0, ROW_BODY) : 0;
	row->headers = value_of(result, ROW_HEADERS);
	row->status = value_of(result, ROW_STATUS);
	row->location = value_of(result, ROW_LOCATION);
	row->inserted = value_of(result, ROW_INSERTED);
	return row->body == NULL || !call->plan.body_is_hex || decode_hex(call, row);
}

/* Whether the transaction is to be rolled back although nothing went wrong. */
static bool
ends_in_rollback(const Call *call)
{
	switch (call->config->db_tx_end)
	{
		case TX_END_COMMIT:
			return false;
		case TX_END_ROLLBACK:
			return true;
		case TX_END_COMMIT_ALLOW_OVERRIDE:
			return call->prefer.transaction == TX_ROLLBACK;
		case TX_END_ROLLBACK_ALLOW_OVERRIDE:
			return call->prefer.transaction != TX_COMMIT;
	}
	return true;
}

static bool
judge(void *argument, const PoolAnswer *answer)
{
	Call *call = argument;
	ResultRow row;

	if (!row_of(call, answer, &row))
		return false;
	if (!respond_judge(call->arena, &call->plan, &row, &call->problem))
	{
		call->has_problem = true;
		return false;
	}
	return !ends_in_rollback(call);
}

static Answer *
refusal_of(Call *call, int status, const char *code, const char *message, const char *details)
{
	Problem problem;

	(void) problem_set(&problem, status, code, message, details, NULL);
	return error_from_problem(call->arena, &problem, &call->side);
}

/* What a statement raised. */
static Answer *
raised(Call *call, const PoolAnswer *answer)
{
	const PGresult *result = answer->result_count > 0 ? answer->results[answer->result_count - 1] : NULL;
	DbError error = {0};
	const char *fields[4];
	static const int codes[] = {PG_DIAG_SQLSTATE, PG_DIAG_MESSAGE_PRIMARY, PG_DIAG_MESSAGE_DETAIL,
								PG_DIAG_MESSAGE_HINT};

	for (int i = 0; i < 4; i++)
	{
		const char *field = result != NULL ? PQresultErrorField(result, codes[i]) : NULL;

		fields[i] = field != NULL ? arena_string(call->arena, field) : NULL;
	}
	error = (DbError){.sqlstate = fields[0] != NULL ? fields[0] : "XX000",
					  .message = fields[1] != NULL ? fields[1] : "",
					  .detail = fields[2],
					  .hint = fields[3]};
	return error_from_database(call->arena, &error, &call->side);
}

static Answer *
document(Call *call, const PGresult *result)
{
	const Config *config = call->config;
	const OpenapiPlace place = {.proxy_uri = config->openapi_server_proxy_uri,
								.host = config->server_host,
								.port = server_port(call->gateway->public),
								.is_tls = config->server_tls_certificate != NULL,
								.security_active = config->openapi_security_active,
								.version = TWIN_VERSION};
	size_t length = 0;
	const char *body = NULL;

	if (PQntuples(result) == 1 && !PQgetisnull(result, 0, 0))
		body = openapi_document(call->arena, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0), &place,
								&length);
	if (body == NULL)
		return refusal_of(call, 500, "XX000", "the schema's description is of another shape", NULL);
	return respond_document(call->arena, "application/openapi+json; charset=utf-8", body, length, &call->side);
}

static Answer *
success(Call *call, const PoolAnswer *answer)
{
	ResultRow row;

	if (call->has_problem)
		return error_from_problem(call->arena, &call->problem, &call->side);
	if (call->is_document)
		return document(call, answer->results[call->main]);
	if (!row_of(call, answer, &row))
		return refusal_of(call, 500, "XX000", "the database answered in another shape", NULL);
	if (!respond_judge(call->arena, &call->plan, &row, &call->problem))
		return error_from_problem(call->arena, &call->problem, &call->side);
	return respond_row(call->arena, &call->plan, &call->api, &row, &call->side);
}

static void
clear(void *argument)
{
	PQclear(argument);
}

/* Bodies may be large: the result that holds one lives as long as the call, instead of a copy. */
static void
keep_results(Call *call, const PoolAnswer *answer)
{
	if (answer->outcome != POOL_DONE || call->main < 0)
		return;
	arena_on_free(call->arena, clear, answer->results[call->main]);
	answer->results[call->main] = NULL;
}

static Answer *
unreachable(Call *call, int status, const char *code, const char *message, const char *why)
{
	Answer *answer = refusal_of(call, status, code, message, NULL);

	answer->log_detail = why != NULL ? arena_string(call->arena, why) : NULL;
	return answer;
}

Answer *
transact_refusal(Call *call, const PoolAnswer *answer)
{
	call->side.retry_after = pool_counts(call->gateway->pool).retry_after;
	switch (answer->outcome)
	{
		case POOL_FAILED:
			return raised(call, answer);
		case POOL_TIMEOUT:
			return unreachable(call, 504, "PGRST003", "Timed out acquiring connection from connection pool.", NULL);
		case POOL_DOWN:
			return unreachable(call, 503, "PGRST000", "Database connection error", answer->why);
		default:
			return unreachable(call, 503, "PGRST001", "Database client error. Retrying the connection.", answer->why);
	}
}

static void
came_back(void *argument, const PoolAnswer *answer)
{
	Call *call = argument;
	int64_t came_at = call_clock();
	Answer *made;

	call->job = NULL;
	call->timings.transaction = came_at - call->ran_at;
	if (answer->result_count > call->admission)
		admission_take(call, answer->results[call->admission]);
	made = answer->outcome == POOL_DONE ? success(call, answer) : transact_refusal(call, answer);
	keep_results(call, answer);
	call->timings.response = call_clock() - came_at;
	if (call->side.timings != NULL)
		answer_time(made, call->side.timings);
	call_answer(call, made);
}

/* The client has gone: nobody reads what is being made. */
static void
client_gone(void *argument)
{
	Call *call = argument;

	if (call->job == NULL)
		return;
	pool_cancel(call->job);
	call->job = NULL;
	call_answer(call, answer_new(call->arena, CALL_CLIENT_GONE));
}

/* Whether a password will be hashed. */
static bool
is_login(const Call *call)
{
	return call->api.target == TARGET_ROUTINE && call->api.schema != NULL && call->api.name != NULL &&
		   strcmp(call->api.schema, "twin_api") == 0 &&
		   (strcmp(call->api.name, "login") == 0 || strcmp(call->api.name, "change_password") == 0);
}

void
transact(Call *call)
{
	bool needs_judge;

	call->main = -1;
	admission_add(call);
	if (!call->has_problem)
	{
		if (call->config->db_pre_request != NULL)
			add_statement(call, call->gateway->pre_request_sql, 0, NULL);
		add_main(call);
	}
	needs_judge =
		!call->has_problem && !call->is_document && !call->plan.read_only &&
		(call->plan.is_single || call->plan.has_max_affected || call->plan.is_put || ends_in_rollback(call));
	call->ran_at = call_clock();
	call->job = pool_run(call->gateway->pool, &(PoolRequest){.begin = begin_statement(call),
															 .statements = call->statements,
															 .count = call->statement_count,
															 .judge = needs_judge ? judge : NULL,
															 .callback = came_back,
															 .argument = call,
															 .client = call->http->client,
															 .is_slow = is_login(call)});
	exchange_on_gone(call->exchange, client_gone, call);
}
