/*
 * gateway_plan.c
 *		How long planning takes: query text to statement, and the planner alone, for requests as clients send them; and
 *		how long the catalog's JSON of many tables takes to become a schema cache.
 *
 *		gateway_plan [ROUNDS]		from the root, where test/gateway/fixture.json is
 */
#include "../test/gateway/planned.h"

#include <time.h>

static double
now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

/* Microseconds of planning alone: the request is read once. */
static double
plan_alone(const Schema *schema, const char *path, const char *text, int rounds)
{
	static const PlanLimits limits = {.max_rows = 1000};
	Arena *outer = arena_new();
	Query query = {0};
	Preferences prefer = {0};
	RowRange range = {0};
	Body body = {0};
	Problem problem = {0};
	ApiRequest request = {.method = METHOD_GET,
						  .target = TARGET_RELATION,
						  .schema = "test",
						  .name = path,
						  .query = &query,
						  .prefer = &prefer,
						  .range = &range,
						  .body = &body};
	double started;

	request.accepts = accept_read(outer, NULL, &request.accept_count);
	if (!query_read(outer, text, strlen(text), false, &query, &problem))
		exit(1);
	started = now();
	for (int i = 0; i < rounds; i++)
	{
		Arena *arena = arena_new();
		Plan plan;

		if (!plan_request(arena, schema, &limits, &request, &plan, &problem))
			exit(1);
		arena_free(arena);
	}
	started = now() - started;
	arena_free(outer);
	return started / rounds;
}

/* A catalog of so many tables, each with a key to the one before. */
static void
many_tables(int count)
{
	Arena *arena = arena_new();
	Text json;
	const char *why = NULL;
	double started;
	Schema *schema;

	text_begin(&json, arena);
	text_put(&json, "{\"relations\": [");
	for (int i = 0; i < count; i++)
	{
		text_format(&json,
					"%s{\"oid\": %d, \"schema\": \"test\", \"name\": \"table_%d\", \"kind\": \"r\", \"updates\": 28, "
					"\"columns\": [",
					i > 0 ? "," : "", 20000 + i, i);
		for (int j = 1; j <= 10; j++)
			text_format(&json,
						"%s{\"number\": %d, \"name\": \"column_%d\", \"type\": \"integer\", \"base\": \"integer\"}",
						j > 1 ? "," : "", j, j);
		text_put(&json, "]}");
	}
	text_put(&json, "], \"keys\": [");
	for (int i = 0; i < count; i++)
		text_format(&json, "%s{\"table\": %d, \"primary\": true, \"columns\": [1]}", i > 0 ? "," : "", 20000 + i);
	text_put(&json, "], \"foreign_keys\": [");
	for (int i = 1; i < count; i++)
		text_format(
			&json, "%s{\"name\": \"key_%d\", \"table\": %d, \"other\": %d, \"columns\": [2], \"other_columns\": [1]}",
			i > 1 ? "," : "", i, 20000 + i, 19999 + i);
	text_put(&json, "], \"views\": [], \"computed\": [], \"routines\": []}");
	started = now();
	schema = schema_read(json.data, json.length, &why);
	if (schema == NULL)
		exit(1);
	printf("%d tables, %d relationships: schema cache made in %.1f ms\n", schema_relation_count(schema),
		   schema_relationship_count(schema), (now() - started) / 1e3);
	schema_release(schema);
	arena_free(arena);
}

int
main(int count, char **words)
{
	static const char *const requests[][2] = {
		{"clients", "id=eq.1"},
		{"projects", "select=id,name,budget&client_id=in.(1,2,3)&order=name.desc&limit=20&offset=40"},
		{"projects", "select=id,name,clients(name),tasks(id,name)&tasks.order=id&budget=gt.10"},
		{"users",
		 "select=*,tasks(*,projects(*,clients(*)))&tasks.hours=gt.3&or=(id.eq.1,and(name.like.a*,name.not.is.null))"},
	};
	int rounds = count > 1 ? atoi(words[1]) : 20000;
	Schema *schema = planned_schema();

	if (schema == NULL || rounds < 1)
		return 1;
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
	{
		Asked asked = {.method = METHOD_GET, .path = requests[i][0], .query = requests[i][1]};
		double started = now();

		for (int j = 0; j < rounds; j++)
			arena_free(planned_request(schema, &asked, (PlanLimits){.max_rows = 1000}).arena);
		printf("%6.2f us read and planned, %6.2f us planned: %s?%s\n", (now() - started) / rounds,
			   plan_alone(schema, requests[i][0], requests[i][1], rounds), requests[i][0], requests[i][1]);
	}
	schema_release(schema);
	many_tables(1000);
	return 0;
}
