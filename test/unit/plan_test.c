/*
 * plan_test.c
 *		Requests against the fixture's schema: names resolved, statements written, refusals told; and nothing a client
 *		writes anywhere becomes SQL.
 */
#include "unit.h"

#include "../gateway/planned.h"

#include "gateway/plan/tree.h"

static Schema *schema;
static const PlanLimits open_limits = {.aggregates = true};

static Planned
ask(Method method, const char *path, const char *query)
{
	return planned_request(schema, &(Asked){.method = method, .path = path, .query = query}, open_limits);
}

typedef struct Case
{
	Asked asked;
	const char *wanted; /* part of the statement, or a code */
} Case;

/* Statements: the whole shape of each is run by 062_gateway_sql.pl; here it is what matters of them. */
static void
statements(void)
{
	static const Case cases[] = {
		{{.method = METHOD_GET, .path = "clients", .query = "id=eq.1"},
		 "FROM (SELECT \"clients\".* FROM \"test\".\"clients\" AS \"clients\" WHERE \"clients\".\"id\" = $1) AS "
		 "twin_r"},
		{{.method = METHOD_GET, .path = "clients", .query = "id=in.(1,2)"}, "\"clients\".\"id\" = ANY ($1)"},
		{{.method = METHOD_GET, .path = "clients", .query = "id=not.in.(1,2)"},
		 "NOT (\"clients\".\"id\" = ANY ($1))"},
		{{.method = METHOD_GET, .path = "clients", .query = "name=like(all).{a*,b}"}, " LIKE ALL ($1)"},
		{{.method = METHOD_GET, .path = "clients", .query = "name=is.not_null"}, "\"name\" IS NOT NULL"},
		{{.method = METHOD_GET, .path = "clients", .query = "limit=3&offset=2"}, " LIMIT $1 OFFSET $2"},
		{{.method = METHOD_GET, .path = "clients", .query = "select=id::text"},
		 "CAST(\"clients\".\"id\" AS \"text\") AS \"id\""},
		{{.method = METHOD_GET, .path = "clients", .query = "select=id::double precision"},
		 " AS pg_catalog.\"float8\")"},
		{{.method = METHOD_GET, .path = "documents", .query = "select=data->a->>0"},
		 "\"documents\".\"data\"->'a'->>(0) AS \"a\""},
		{{.method = METHOD_GET, .path = "documents", .query = "select=data->*"},
		 "\"documents\".\"data\"->'*' AS \"*\""},
		{{.method = METHOD_GET, .path = "documents", .query = "select=span->x"},
		 "pg_catalog.to_jsonb(\"documents\".\"span\")->'x'"},
		{{.method = METHOD_GET, .path = "documents", .query = "body->>it's=eq.1"}, "->>'it''s' = $1"},
		{{.method = METHOD_GET, .path = "documents", .query = "words=fts(simple).a"},
		 "\"words\" @@ pg_catalog.to_tsquery($1::pg_catalog.regconfig, $2)"},
		{{.method = METHOD_GET, .path = "documents", .query = "prose=wfts.a"},
		 "pg_catalog.to_tsvector(\"documents\".\"prose\") @@ pg_catalog.websearch_to_tsquery($1)"},
		{{.method = METHOD_GET, .path = "projects", .query = "select=clients(name)"},
		 "WHERE \"clients_1\".\"id\" = \"projects\".\"client_id\") AS twin_j1 ON true"},
		{{.method = METHOD_GET, .path = "users", .query = "select=tasks(id)"},
		 "\"test\".\"users_tasks\" AS twin_x1 WHERE twin_x1.\"user_id\" = \"users\".\"id\" AND twin_x1.\"task_id\" = "
		 "\"tasks_1\".\"id\""},
		{{.method = METHOD_GET, .path = "sensors", .query = "select=plants(label)"},
		 "\"plants_1\".\"site\" = \"sensors\".\"site\" AND \"plants_1\".\"line\" = \"sensors\".\"line\""},
		{{.method = METHOD_GET, .path = "clients", .query = "select=projects!inner(id)"}, " JOIN LATERAL ("},
		{{.method = METHOD_GET, .path = "projects", .query = "select=*&order=name.desc.nullslast,id"},
		 " ORDER BY \"projects\".\"name\" DESC NULLS LAST, \"projects\".\"id\""},
		{{.method = METHOD_GET, .path = "projects_view", .query = "select=clients(name)"},
		 "\"clients_1\".\"id\" = \"projects_view\".\"customer\""},
		{{.method = METHOD_GET, .path = "secrets_view", .query = "select=clients(name)"},
		 "\"clients_1\".\"id\" = \"secrets_view\".\"client_id\""},
		{{.method = METHOD_GET, .path = "projects", .query = "limit=1", .prefer = "count=exact"},
		 "(SELECT pg_catalog.count(*) FROM (SELECT 1 FROM \"test\".\"projects\" AS \"projects\") AS twin_c)"},
		{{.method = METHOD_GET, .path = "projects", .query = "", .prefer = "count=exact"},
		 "SELECT pg_catalog.count(*)::pg_catalog.text AS total"},
		{{.method = METHOD_DELETE,
		  .path = "items",
		  .query = "id=eq.1&select=id&order=name.desc",
		  .prefer = "return=representation"},
		 "RETURNING \"items\".\"id\", \"items\".\"name\""},
		{{.method = METHOD_DELETE,
		  .path = "items",
		  .query = "id=eq.1&select=id&order=name.desc",
		  .prefer = "return=representation"},
		 " ORDER BY \"items\".\"name\" DESC"},
		{{.method = METHOD_DELETE, .path = "items", .query = "id=eq.1"},
		 "DELETE FROM \"test\".\"items\" AS \"items\" WHERE \"items\".\"id\" = $1 RETURNING 1 AS twin_one"},
		{{.method = METHOD_PATCH, .path = "items", .query = "id=eq.1", .body = "{\"name\":\"a\"}"},
		 "json_to_record($1::pg_catalog.json) AS twin_body(\"name\" text) WHERE \"items\".\"id\" = $2"},
		{{.method = METHOD_POST, .path = "items", .query = "", .body = "[{\"name\":\"a\"}]"},
		 "FROM pg_catalog.json_to_recordset($1::pg_catalog.json) AS twin_body(\"name\" text)"},
		{{.method = METHOD_POST,
		  .path = "items",
		  .query = "select=name",
		  .prefer = "return=representation",
		  .body = "{\"code\":\"a\"}"},
		 " RETURNING \"items\".\"name\")"},
		{{.method = METHOD_POST,
		  .path = "projects",
		  .query = "select=clients(name)",
		  .prefer = "return=representation",
		  .body = "{\"id\":9}"},
		 " RETURNING \"projects\".\"client_id\")"},
		{{.method = METHOD_POST,
		  .path = "items",
		  .query = "columns=id,name",
		  .prefer = "missing=default",
		  .body = "{}"},
		 "pg_catalog.jsonb_build_object('id', pg_catalog.nextval('test.items_id_seq'::pg_catalog.regclass), 'name', "
		 "'unnamed'::text)"},
		{{.method = METHOD_POST,
		  .path = "clients",
		  .query = "on_conflict=name",
		  .prefer = "resolution=ignore-duplicates",
		  .body = "{\"id\":9}"},
		 " ON CONFLICT (\"name\") DO NOTHING"},
		{{.method = METHOD_POST,
		  .path = "clients",
		  .query = "",
		  .prefer = "resolution=merge-duplicates",
		  .body = "{\"id\":9}"},
		 " ON CONFLICT (\"id\") DO UPDATE SET \"id\" = EXCLUDED.\"id\" WHERE "},
		{{.method = METHOD_GET, .path = "rpc/add", .query = "a=1"}, "\"test\".\"add\"(\"a\" := $1::integer)"},
		{{.method = METHOD_GET, .path = "rpc/joined", .query = "parts=a&parts=b"},
		 "VARIADIC \"parts\" := $1::text[]"},
		{{.method = METHOD_POST, .path = "rpc/add", .query = "", .body = "{\"a\":1}"},
		 "json_to_record($1::pg_catalog.json) AS twin_body(\"a\" integer)"},
		{{.method = METHOD_POST, .path = "rpc/raw_json", .query = "", .body = "{\"z\":1}"},
		 "\"test\".\"raw_json\"($1::json)"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Planned planned = planned_request(schema, &cases[i].asked, open_limits);

		if (CHECK(planned.ok, "%s?%s: %s", cases[i].asked.path, cases[i].asked.query, planned.problem.message))
		{
			CHECK(strstr(planned.plan.sql, cases[i].wanted) != NULL, "%s\n# in %s", cases[i].wanted,
				  planned.plan.sql);
			CHECK(planned_sane(planned.plan.sql, planned.plan.parameter_count), "%s", planned.plan.sql);
		}
		arena_free(planned.arena);
	}
}

static void
refusals(void)
{
	static const Case cases[] = {
		{{.method = METHOD_GET, .path = "clint", .query = ""}, "PGRST205"},
		{{.method = METHOD_GET, .path = "things", .query = ""}, "PGRST205"}, /* of another schema */
		{{.method = METHOD_GET, .path = "clients", .query = "select=nothing(*)"}, "PGRST200"},
		{{.method = METHOD_GET, .path = "clients", .query = "select=projects!wrong(*)"}, "PGRST200"},
		{{.method = METHOD_GET, .path = "clients", .query = "select=secrets(*)"},
		 "PGRST200"}, /* of a schema that is not exposed */
		{{.method = METHOD_GET, .path = "orders", .query = "select=addresses(*)"}, "PGRST201"},
		{{.method = METHOD_GET, .path = "clients", .query = "projects.id=eq.1"}, "PGRST108"},
		{{.method = METHOD_GET, .path = "clients", .query = "order=projects(id)"}, "PGRST108"},
		{{.method = METHOD_GET, .path = "clients", .query = "select=*,projects(*)&order=projects(id)"}, "PGRST118"},
		{{.method = METHOD_GET, .path = "clients", .query = "select=*,projects(*)&projects=eq.1"}, "PGRST120"},
		{{.method = METHOD_GET, .path = "clients", .query = "select=...projects(id.count())"}, "PGRST127"},
		{{.method = METHOD_GET, .path = "clients", .query = "", .accept = "image/png"}, "PGRST107"},
		{{.method = METHOD_GET, .path = "clients", .query = "", .accept = "application/vnd.pgrst.plan"}, "PGRST107"},
		{{.method = METHOD_POST, .path = "clients", .query = "", .body = "{\"nope\":1}"}, "PGRST204"},
		{{.method = METHOD_POST, .path = "clients", .query = "columns=nope", .body = "{}"}, "PGRST204"},
		{{.method = METHOD_POST, .path = "clients", .query = "", .body = "[{\"id\":1},{\"name\":\"a\"}]"},
		 "PGRST102"},
		{{.method = METHOD_POST, .path = "clients", .query = ""}, "PGRST102"},
		{{.method = METHOD_PATCH, .path = "clients", .query = "", .body = "{\"name\":\"a\"}"}, "21000"},
		{{.method = METHOD_DELETE, .path = "clients", .query = ""}, "21000"},
		{{.method = METHOD_PUT, .path = "clients", .query = "", .body = "{\"id\":1}"}, "PGRST105"},
		{{.method = METHOD_PUT, .path = "clients", .query = "id=gt.1", .body = "{\"id\":1}"}, "PGRST105"},
		{{.method = METHOD_PUT, .path = "clients", .query = "id=eq.1&name=eq.a", .body = "{\"id\":1}"}, "PGRST105"},
		{{.method = METHOD_PUT, .path = "plants", .query = "site=eq.1", .body = "{\"site\":1}"}, "PGRST105"},
		{{.method = METHOD_PUT, .path = "no_key", .query = "a=eq.1", .body = "{\"a\":1}"}, "PGRST105"},
		{{.method = METHOD_PUT, .path = "clients", .query = "id=eq.1&limit=1", .body = "{\"id\":1}"}, "PGRST114"},
		{{.method = METHOD_PUT, .path = "clients", .query = "id=eq.1", .body = "{\"name\":\"a\"}"}, "PGRST115"},
		{{.method = METHOD_GET, .path = "rpc/nope", .query = ""}, "PGRST202"},
		{{.method = METHOD_GET, .path = "rpc/add", .query = ""}, "PGRST202"},
		{{.method = METHOD_GET, .path = "rpc/add", .query = "a=1&c=1"}, "PGRST202"},
		{{.method = METHOD_GET, .path = "rpc/raw_json", .query = ""}, "PGRST202"},
		{{.method = METHOD_GET, .path = "rpc/same", .query = "a=1"}, "PGRST203"},
		{{.method = METHOD_PATCH, .path = "rpc/add", .query = ""}, "PGRST101"},
		{{.method = METHOD_GET, .path = "rpc/add", .query = "a=1", .prefer = "handling=strict,max-affected=1"},
		 "PGRST128"},
		{{.method = METHOD_POST, .path = "", .query = ""}, "PGRST117"},
		{{.method = METHOD_GET, .path = "", .query = "", .accept = "text/csv"}, "PGRST107"},
		{{.method = METHOD_PATCH,
		  .path = "clients",
		  .query = "id=eq.1&order=projects(id)",
		  .body = "{\"name\":\"a\"}"},
		 "PGRST108"},
		{{.method = METHOD_POST, .path = "rpc/raw_json", .query = "", .type = "text/plain", .body = "x"}, "PGRST202"},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		Planned planned = planned_request(schema, &cases[i].asked, open_limits);

		CHECK(!planned.ok && strcmp(planned.problem.code, cases[i].wanted) == 0, "%s?%s: %s, not %s",
			  cases[i].asked.path, cases[i].asked.query, planned.ok ? planned.plan.sql : planned.problem.code,
			  cases[i].wanted);
		arena_free(planned.arena);
	}
}

/* What a refusal says, as PostgREST's clients know it. */
static void
refusal_texts(void)
{
	Planned planned = ask(METHOD_GET, "orders", "select=addresses(*)");

	CHECK(planned.problem.status == 300 && planned.problem.details_are_json);
	CHECK(strcmp(planned.problem.hint,
				 "Try changing 'addresses' to one of the following: 'addresses!billing', 'addresses!shipping'. Find "
				 "the desired relationship in the 'details' key.") == 0);
	CHECK(
		strstr(planned.problem.details,
			   "{\"cardinality\":\"many-to-one\",\"embedding\":\"orders with addresses\",\"relationship\":\"billing "
			   "using orders(billing_address_id) and addresses(id)\"}") != NULL);
	arena_free(planned.arena);
	planned = ask(METHOD_GET, "clients", "select=project(*)");
	CHECK(planned.problem.status == 400 &&
		  strcmp(planned.problem.hint, "Perhaps you meant 'projects' instead of 'project'.") == 0);
	arena_free(planned.arena);
	planned = ask(METHOD_GET, "client", "");
	CHECK(planned.problem.status == 404 &&
		  strcmp(planned.problem.hint, "Perhaps you meant the table 'test.clients'") == 0);
	arena_free(planned.arena);
	planned = ask(METHOD_GET, "zzzzzz", "");
	CHECK(planned.problem.hint == NULL);
	arena_free(planned.arena);
	planned = planned_request(
		schema, &(Asked){.method = METHOD_GET, .path = "projects", .query = "select=budget.sum()"}, (PlanLimits){0});
	CHECK(!planned.ok && planned.problem.status == 400 && strcmp(planned.problem.code, "PGRST123") == 0);
	arena_free(planned.arena);
}

/* Hostile texts in every position: they end as quoted names, as literals, as parameters or as errors. */
static void
injection(void)
{
	static const char *const hostile[] = {"zz\" FROM pg_shadow; --",
										  "zz'; DROP TABLE x; --",
										  "zz\\'; DROP TABLE x; --",
										  "zz)) OR ((1=1",
										  "zz$1",
										  "zz\"\"\"",
										  "zz'''",
										  "zz\\",
										  "zz/*",
										  "zz\n--",
										  "\xc3\x28zz",
										  "zz\xe2\x80\x99;"};
	static const char *const queries[] = {"%s=eq.1",
										  "id=eq.%s",
										  "id=%s.1",
										  "id=in.(%s,2)",
										  "id=in.(\"%s\")",
										  "name=like(any).{%s}",
										  "select=%s",
										  "select=\"%s\"",
										  "select=id::%s",
										  "select=%s:id",
										  "select=\"%s\":id",
										  "select=projects(%s)",
										  "select=\"%s\"(*)",
										  "select=projects!%s(*)",
										  "select=projects!\"%s\"(*)",
										  "select=x:data->%s",
										  "select=name->>\"%s\"",
										  "select=name->%s->>1",
										  "select=id.sum()::%s",
										  "order=%s",
										  "order=\"%s\".desc",
										  "order=name->>%s",
										  "or=(id.eq.%s,\"%s\".eq.1)",
										  "name=fts(%s).a",
										  "name=fts(\"%s\").%s",
										  "limit=%s",
										  "offset=%s",
										  "columns=%s",
										  "columns=\"%s\"",
										  "on_conflict=%s",
										  "on_conflict=\"%s\"",
										  "%s.order=id",
										  "select=*,projects(*)&projects.\"%s\"=eq.1",
										  "select=*,p%s:projects(*)&p%s.id=eq.1",
										  "id=is.%s",
										  "id=isdistinct.%s",
										  "select=...projects(\"%s\")"};
	int planned_count = 0;

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
	{
		char text[256];
		Planned planned;

		for (size_t j = 0; j < sizeof(queries) / sizeof(queries[0]); j++)
		{
			for (int method = METHOD_GET; method <= METHOD_DELETE; method++)
			{
				Asked asked = {.method = (Method) method,
							   .path = "clients",
							   .query = text,
							   .prefer = "return=representation,resolution=merge-duplicates",
							   .body = "{\"id\":1}"};
				Text encoded;
				Arena *arena = arena_new();

				(void) snprintf(text, sizeof(text), queries[j], hostile[i], hostile[i]);
				/* as a browser would send it */
				text_begin(&encoded, arena);
				for (const char *at = text; *at != '\0'; at++)
				{
					if (strchr("%+#;\n", *at) != NULL || *at < 0)
						text_format(&encoded, "%%%02X", (unsigned char) *at);
					else
						text_char(&encoded, *at);
				}
				asked.query = encoded.data;
				planned = planned_request(schema, &asked, (PlanLimits){.aggregates = true, .unfiltered = true});
				if (planned.ok)
				{
					planned_count++;
					CHECK(planned_sane(planned.plan.sql, planned.plan.parameter_count), "%s: %s", text,
						  planned.plan.sql);
				}
				else
					CHECK(planned.problem.status >= 300, "%s", text);
				arena_free(planned.arena);
				arena_free(arena);
			}
		}
		/* in the path, and as a key of the body */
		planned = ask(METHOD_GET, hostile[i], "");
		CHECK(!planned.ok && planned.problem.status == 404);
		arena_free(planned.arena);
		(void) snprintf(text, sizeof(text), "rpc/%s", hostile[i]);
		planned = ask(METHOD_GET, text, "");
		CHECK(!planned.ok && planned.problem.status == 404);
		arena_free(planned.arena);
	}
	CHECK(planned_count > 500, "only %d were statements", planned_count);
}

static void
casts(void)
{
	static const char *const good[] = {"int",
									   "INTEGER",
									   "text",
									   "test.color",
									   "varchar(10)",
									   "numeric(10, 2)",
									   "timestamp with time zone",
									   "timestamp(3) with time zone",
									   "int[]",
									   "character varying(5)[]",
									   "twin.encrypted_text(pii)",
									   "double  precision"};
	static const char *const bad[] = {
		"",          "int; drop",         "int)",    "(int", "int[",    "int[-1]", "a.b.c", "1int", "int(1",
		"int()",     "int(1;2)",          "\"int\"", "int'", "int--",   "a b",     ".a",    "a.",   "int(,)",
		"int(1)(2)", "int[][][][][][][]", "$1",      "in t", "int(a b)"};
	Arena *arena = arena_new();

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(sql_cast_is_safe(arena, good[i]), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!sql_cast_is_safe(arena, bad[i]), "%s", bad[i]);
	arena_free(arena);
}

/* The same shape is the same text whatever the values are, so that it is prepared once. */
static void
shapes(void)
{
	static const char *const pairs[][2] = {
		{"id=eq.1&limit=1&offset=5", "id=eq.2&limit=9&offset=1"},
		{"id=in.(1,2,3)", "id=in.()"},
		{"name=like(any).{a,b}", "name=like(any).{c}"},
		{"select=name,projects(id)&projects.limit=1&projects.name=eq.a",
		 "select=name,projects(id)&projects.limit=7&projects.name=eq.b"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
	{
		Planned one = ask(METHOD_GET, "clients", pairs[i][0]);
		Planned two = ask(METHOD_GET, "clients", pairs[i][1]);

		CHECK(one.ok && two.ok && strcmp(one.plan.sql, two.plan.sql) == 0, "%s", pairs[i][0]);
		arena_free(one.arena);
		arena_free(two.arena);
	}
}

static void
transactions(void)
{
	Planned planned = ask(METHOD_GET, "rpc/nothing", "");

	CHECK(planned.ok && planned.plan.read_only && planned.plan.shape == SHAPE_VOID);
	arena_free(planned.arena);
	planned = ask(METHOD_POST, "rpc/nothing", "");
	CHECK(planned.ok && !planned.plan.read_only);
	arena_free(planned.arena);
	planned = ask(METHOD_POST, "rpc/say", "");
	CHECK(planned.ok && planned.plan.read_only && planned.plan.shape == SHAPE_SCALAR);
	arena_free(planned.arena);
	planned = ask(METHOD_POST, "rpc/slow", "");
	CHECK(planned.ok && strcmp(planned.plan.isolation, "serializable") == 0);
	CHECK(planned.plan.settings != NULL && strcmp(planned.plan.settings[0], "statement_timeout") == 0 &&
		  strcmp(planned.plan.settings[1], "5s") == 0 && planned.plan.settings[2] == NULL);
	arena_free(planned.arena);
	planned = ask(METHOD_DELETE, "clients", "id=eq.1");
	CHECK(planned.ok && !planned.plan.read_only && !planned.plan.wants_body);
	arena_free(planned.arena);
}

static int64_t
estimate(const Plan *plan, int64_t total, const char *explained)
{
	return plan_total(plan, total, explained, strlen(explained));
}

/* What the answer is bounded by, and told to be. */
static void
bounds(void)
{
	Planned planned = planned_request(
		schema,
		&(Asked){
			.method = METHOD_GET, .path = "clients", .query = "select=id,projects(id)", .prefer = "count=estimated"},
		(PlanLimits){.max_rows = 10});

	CHECK(planned.ok && planned.plan.has_limit && planned.plan.limit == 10 && planned.plan.count_above == 10 &&
		  planned.plan.count_sql != NULL);
	CHECK(estimate(&planned.plan, 11, "[{\"Plan\": {\"Plan Rows\": 500}}]") == 500);
	CHECK(estimate(&planned.plan, 11, "[{\"Plan\": {\"Plan Rows\": 5}}]") == 11);
	CHECK(estimate(&planned.plan, 9, "[{\"Plan\": {\"Plan Rows\": 500}}]") == 9);
	CHECK(strstr(planned.plan.sql, "LIMIT $1") != NULL && strstr(planned.plan.sql, "LIMIT $2") != NULL);
	arena_free(planned.arena);
	planned = ask(METHOD_GET, "clients", "limit=0");
	CHECK(planned.ok && planned.plan.has_limit && planned.plan.limit == 0);
	arena_free(planned.arena);
	planned = ask(METHOD_POST, "items", "");
	arena_free(planned.arena);
	planned = planned_request(schema,
							  &(Asked){.method = METHOD_DELETE,
									   .path = "items",
									   .query = "id=eq.1",
									   .prefer = "handling=strict, max-affected=3"},
							  open_limits);
	CHECK(planned.ok && planned.plan.has_max_affected && planned.plan.max_affected == 3);
	arena_free(planned.arena);
}

static void
verbs(void)
{
	static const char *const wanted[][2] = {{"clients", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"},
											{"no_key", "OPTIONS,GET,HEAD,POST,PATCH,DELETE"},
											{"both_names", "OPTIONS,GET,HEAD"},
											{"big_tasks", "OPTIONS,GET,HEAD"},
											{"projects_view", "OPTIONS,GET,HEAD,POST,PUT,PATCH,DELETE"}};
	Arena *arena = arena_new();
	Problem problem = {0};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
	{
		ApiRequest request = {.target = TARGET_RELATION, .schema = "test", .name = wanted[i][0]};
		const char *verbs = plan_allow(arena, schema, &request, &problem);

		CHECK(verbs != NULL && strcmp(verbs, wanted[i][1]) == 0, "%s: %s", wanted[i][0], verbs);
	}
	CHECK(strcmp(plan_allow(arena, schema, &(ApiRequest){.target = TARGET_ROUTINE, .schema = "test", .name = "slow"},
							&problem),
				 "OPTIONS,POST") == 0);
	CHECK(plan_allow(arena, schema, &(ApiRequest){.target = TARGET_ROUTINE, .schema = "test", .name = "nope"},
					 &problem) == NULL &&
		  problem.status == 404);
	CHECK(plan_allow(arena, schema, &(ApiRequest){.target = TARGET_RELATION, .schema = "test", .name = "nope"},
					 &problem) == NULL &&
		  problem.status == 404);
	arena_free(arena);
}

/* Only the outermost query's target list says where columns come from. */
static void
origins(void)
{
	static const char rule[] = "({QUERY :cteList ({CTE :q {QUERY :targetList ({TARGETENTRY :resno 1 :resorigtbl 9 "
							   ":resorigcol 9})}}) :rtable ({RTE "
							   ":subquery {QUERY :targetList ({TARGETENTRY :expr {VAR} :resno 1 :resname id "
							   ":resorigtbl 7 :resorigcol 7 :resjunk "
							   "false}) :x 1}}) :targetList ({TARGETENTRY :expr {SUB :q {QUERY :targetList "
							   "({TARGETENTRY :resno 5 :resorigtbl 8 "
							   ":resorigcol 8})}} :resno 1 :resname \\{a\\ :resno\\ 4 :resorigtbl 16400 :resorigcol "
							   "3 :resjunk false} {TARGETENTRY "
							   ":resno 2 :resorigtbl 0 :resorigcol 0}) :havingQual {X :targetList ({TARGETENTRY "
							   ":resno 1 :resorigtbl 6 :resorigcol 6})}})";
	Origin found[ORIGINS_MAX];
	Schema *broken;
	const char *why = NULL;

	CHECK(origin_read(rule, found) == 1);
	CHECK(found[0].number == 1 && found[0].table == 16400 && found[0].column == 3);
	CHECK(origin_read("", found) == 0 && origin_read("}}}{{{\\", found) == 0);
	broken = schema_read("{\"relations\": []}", 17, &why);
	CHECK(broken == NULL && why != NULL);
	broken = schema_read("nonsense", 8, &why);
	CHECK(broken == NULL);
	CHECK(schema_relation_count(schema) == 23 && schema_routine_count(schema) > 15 &&
		  schema_relationship_count(schema) > 30);
}

static const UnitCase cases[] = {
	{"statements", statements},
	{"refusals", refusals},
	{"what refusals say", refusal_texts},
	{"injection in every position", injection},
	{"types after ::", casts},
	{"one text a shape", shapes},
	{"transactions", transactions},
	{"bounds", bounds},
	{"verbs", verbs},
	{"origins and a broken catalog", origins},
};

int
main(void)
{
	int status;

	schema = planned_schema();
	if (schema == NULL)
	{
		puts("Bail out! test/gateway/fixture.json is not there or not what schema_query() yields");
		return 1;
	}
	status = unit_run(cases, sizeof(cases) / sizeof(cases[0]));
	schema_release(schema);
	return status;
}
