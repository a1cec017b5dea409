/*
 * plan_run.c
 *		Plans requests and runs their statements against a server, one JSON a line
 *		in and out, for test/t/062_gateway_sql.pl.
 *
 *		plan_run CONNINFO SCHEMA
 *		{"method": "GET", "path": "clients", "query": "select=*", "headers": {"Accept": "..."}, "body": "..."}
 *		{"status": 200, "total": ..., "count": ..., "body": ..., "location": ..., "inserted": ..., "sql": ...}
 *
 * Each request is a transaction that is rolled back unless "commit" is true; an
 * error of the planner or the server comes as code, message, details and hint.
 */
#include "gateway/plan/schema.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *connection;
static PlanLimits limits = {.aggregates = true};

static PGresult *
run(const char *sql, int count, const SqlParameter *parameters)
{
	const char **values = calloc((size_t) count + 1, sizeof(*values));
	PGresult *result;

	for (int i = 0; i < count; i++)
		values[i] = parameters[i].value;
	result = PQexecParams(connection, sql, count, NULL, values, NULL, NULL, 0);
	free(values);
	return result;
}

static const char *
member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void
set(json_t *answer, const char *name, const char *value)
{
	json_object_set_new(answer, name, value != NULL ? json_string(value) : json_null());
}

static bool
read_request(Arena *arena, const json_t *line, ApiRequest *request, Problem *problem)
{
	static const char *const methods[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};
	const json_t *headers = json_object_get(line, "headers");
	const char *query = member(line, "query") != NULL ? member(line, "query") : "";
	const char *body = member(line, "body") != NULL ? member(line, "body") : "";
	const char *prefer = member(headers, "Prefer");
	Query *parsed = arena_alloc(arena, sizeof(*parsed));
	Preferences *preferences = arena_alloc(arena, sizeof(*preferences));
	RowRange *range = arena_alloc(arena, sizeof(*range));
	Body *content = arena_alloc(arena, sizeof(*content));

	for (int i = 0; i < 6; i++)
	{
		if (strcmp(methods[i], member(line, "method")) == 0)
			request->method = (Method) i;
	}
	request->name = request->path = member(line, "path");
	request->target = request->name[0] == '\0' ? TARGET_ROOT : strncmp(request->name, "rpc/", 4) == 0 ? TARGET_ROUTINE : TARGET_RELATION;
	if (request->target == TARGET_ROUTINE)
		request->name += 4;
	request->query = parsed;
	request->prefer = preferences;
	request->range = range;
	request->body = content;
	request->accepts = accept_read(arena, member(headers, "Accept"), &request->accept_count);
	return query_read(arena, query, strlen(query), request->target == TARGET_ROUTINE && request->method != METHOD_POST, parsed, problem) &&
		   prefer_read(arena, &prefer, prefer != NULL, preferences, problem) &&
		   range_read(member(headers, "Range"), range, problem) &&
		   body_read(arena, content_type_read(arena, member(headers, "Content-Type")), body, strlen(body), content, problem);
}

static void
fail(json_t *answer, const PGresult *result)
{
	set(answer, "code", PQresultErrorField(result, PG_DIAG_SQLSTATE));
	set(answer, "message", PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY));
}

static void
execute(json_t *answer, const Plan *plan, bool commits)
{
	static const char *const columns[] = {"total", "count", "body", "headers", "status", "location", "inserted"};
	PGresult *result;
	int64_t total;

	set(answer, "sql", plan->sql);
	PQclear(PQexec(connection, plan->read_only ? "BEGIN READ ONLY" : "BEGIN"));
	result = run(plan->sql, plan->parameter_count, plan->parameters);
	if (PQresultStatus(result) != PGRES_TUPLES_OK)
		fail(answer, result);
	else if (plan->is_explain)
		set(answer, "body", PQgetvalue(result, 0, 0));
	else
	{
		for (int i = 0; i < 7; i++)
			set(answer, columns[i], PQgetisnull(result, 0, i) ? NULL : PQgetvalue(result, 0, i));
		total = PQgetisnull(result, 0, 0) ? 0 : atoll(PQgetvalue(result, 0, 0));
		json_object_set_new(answer, "rows", json_integer(PQntuples(result)));
		if (plan->count_sql != NULL)
		{
			PGresult *explained = run(plan->count_sql, plan->count_parameter_count, plan->count_parameters);

			if (PQresultStatus(explained) != PGRES_TUPLES_OK)
				fail(answer, explained);
			else
				json_object_set_new(answer, "estimate", json_integer(plan_total(plan, total, PQgetvalue(explained, 0, 0),
																				(size_t) PQgetlength(explained, 0, 0))));
			PQclear(explained);
		}
	}
	PQclear(result);
	PQclear(PQexec(connection, commits ? "COMMIT" : "ROLLBACK"));
}

static Schema *
read_schema(const char *name)
{
	const char *list[1];
	char array[256];
	const char *why = "the statement failed";
	PGresult *result;
	Schema *schema = NULL;

	(void) snprintf(array, sizeof(array), "{%s}", name);
	list[0] = array;
	result = PQexecParams(connection, schema_query(), 1, NULL, list, NULL, NULL, 0);
	if (PQresultStatus(result) == PGRES_TUPLES_OK)
		schema = schema_read(PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0), &why);
	if (schema == NULL)
		fprintf(stderr, "%s: %s\n", why, PQresultErrorMessage(result));
	if (getenv("SCHEMA_JSON") != NULL)
		puts(PQgetvalue(result, 0, 0));
	PQclear(result);
	return schema;
}

int
main(int count, char **words)
{
	char *line = NULL;
	size_t size = 0;
	Schema *schema;

	if (count != 3)
		return 2;
	connection = PQconnectdb(words[1]);
	if (PQstatus(connection) != CONNECTION_OK || (schema = read_schema(words[2])) == NULL)
	{
		fprintf(stderr, "%s\n", PQerrorMessage(connection));
		return 1;
	}
	PQclear(PQexec(connection, "SET search_path = test"));
	while (getline(&line, &size, stdin) > 0)
	{
		json_t *request_line = json_loads(line, 0, NULL);
		json_t *answer = json_pack("{}");
		Arena *arena = arena_new();
		ApiRequest request = {.schema = member(request_line, "schema") != NULL ? member(request_line, "schema") : "test"};
		Problem problem = {.status = 0};
		Plan plan;
		char *text;

		limits.max_rows = json_integer_value(json_object_get(request_line, "max_rows"));
		limits.plans = json_is_true(json_object_get(request_line, "plans"));
		if (read_request(arena, request_line, &request, &problem) && plan_request(arena, schema, &limits, &request, &plan, &problem))
			execute(answer, &plan, json_is_true(json_object_get(request_line, "commit")));
		else
		{
			json_object_set_new(answer, "status", json_integer(problem.status));
			set(answer, "code", problem.code);
			set(answer, "message", problem.message);
			set(answer, "details", problem.details);
			set(answer, "hint", problem.hint);
		}
		text = json_dumps(answer, JSON_SORT_KEYS);
		puts(text);
		fflush(stdout);
		free(text);
		json_decref(answer);
		json_decref(request_line);
		arena_free(arena);
	}
	free(line);
	schema_release(schema);
	PQfinish(connection);
	return 0;
}
