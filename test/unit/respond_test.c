/*
 * respond_test.c
 *		From a statement's one row to status, headers and body; and what the
 *		database may say about them.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "gateway/answer/respond.h"

static Arena *arena;

static Preferences prefer;
static Query query;
static Plan plan;
static ApiRequest request;
static AnswerSide side;
static ResultRow row;

/* A GET of units that yields three rows; cases change what they are about. */
static void
begin(Method method)
{
	prefer = (Preferences){0};
	query = (Query){.canonical = ""};
	plan = (Plan){.method = method,
				  .target = TARGET_RELATION,
				  .shape = SHAPE_ROWS,
				  .media = MEDIA_JSON,
				  .content_type = "application/json; charset=utf-8",
				  .wants_body = method == METHOD_GET};
	request = (ApiRequest){
		.method = method, .target = TARGET_RELATION, .name = "units", .query = &query, .prefer = &prefer};
	side = (AnswerSide){0};
	row = (ResultRow){.count = "3", .body = "[1,2,3]", .body_length = 7};
}

static Answer *
answer(void)
{
	return respond_row(arena, &plan, &request, &row, &side);
}

static bool
has(const Answer *given, const char *name, const char *value)
{
	const char *held = answer_header(given, name);

	return held == NULL || value == NULL ? held == value : strcmp(held, value) == 0;
}

#define HAS(given, name, value)                    \
	CHECK(has(given, name, value), "%s: %s", name, \
		  answer_header(given, name) == NULL ? "none" : answer_header(given, name))

static void
reads(void)
{
	static const struct
	{
		int64_t offset;
		const char *count;
		const char *total;
		int status;
		const char *range;
	} wanted[] = {
		{0, "3", NULL, 200, "0-2/*"},  {0, "0", NULL, 200, "*/*"},          {10, "3", NULL, 200, "10-12/*"},
		{10, "0", NULL, 200, "*/*"},   {0, "3", "3", 200, "0-2/3"},         {0, "3", "10", 206, "0-2/10"},
		{7, "3", "10", 206, "7-9/10"}, {0, "0", "0", 200, "*/0"},           {0, "0", "10", 206, "*/10"},
		{10, "0", "10", 206, "*/10"},  {0, "15", "1000", 206, "0-14/1000"},
	};
	Answer *given;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
	{
		begin(METHOD_GET);
		plan.offset = wanted[i].offset;
		row.count = wanted[i].count;
		row.total = wanted[i].total;
		given = answer();
		CHECK(given->status == wanted[i].status, "%zu: %d", i, given->status);
		HAS(given, "Content-Range", wanted[i].range);
		CHECK(given->body == row.body && given->body_length == 7);
	}
	begin(METHOD_GET);
	query.canonical = "id=eq.1&name=eq.%C3%A9\"";
	request.name = "my units/\xc3\xa9";
	given = answer();
	HAS(given, "Content-Location", "/my%20units/%C3%A9?id=eq.1&name=eq.%C3%A9%22");
	HAS(given, "Content-Type", "application/json; charset=utf-8");
	HAS(given, "Preference-Applied", NULL);
	HAS(given, "Content-Profile", NULL);
	begin(METHOD_GET);
	prefer.count = COUNT_PLANNED;
	prefer.answer = RETURN_REPRESENTATION;
	prefer.handling = HANDLING_LENIENT;
	prefer.timezone = "Europe/Berlin";
	prefer.transaction = TX_ROLLBACK;
	side.profile = "api";
	given = answer();
	HAS(given, "Content-Location", "/units");
	HAS(given, "Preference-Applied", "count=planned, handling=lenient, timezone=Europe/Berlin");
	HAS(given, "Content-Profile", "api");
	side.may_choose_end = true;
	HAS(answer(), "Preference-Applied", "count=planned, tx=rollback, handling=lenient, timezone=Europe/Berlin");
}

static void
behind_the_end(void)
{
	Answer *given;

	begin(METHOD_GET);
	plan.offset = 11;
	row.count = "0";
	row.total = "10";
	given = answer();
	CHECK(given->status == 416 && strcmp(given->code, "PGRST103") == 0);
	CHECK(strstr(given->body, "\"details\":\"An offset of 11 was requested, but there are only 10 rows.\"") != NULL,
		  "%s", given->body);
	HAS(given, "Content-Range", "*/10");
	HAS(given, "Content-Location", NULL);
}

static void
inserts(void)
{
	Answer *given;

	begin(METHOD_POST);
	row.count = "1";
	given = answer();
	CHECK(given->status == 201 && given->body == NULL && given->body_length == 0);
	HAS(given, "Content-Range", "*/*");
	HAS(given, "Content-Type", NULL);
	HAS(given, "Location", NULL);
	plan.wants_location = true;
	row.location = "id=eq.a b&k=eq.\xc3\xa9";
	prefer.answer = RETURN_HEADERS_ONLY;
	prefer.count = COUNT_EXACT;
	prefer.missing = MISSING_DEFAULT;
	prefer.resolution = RESOLUTION_MERGE;
	given = answer();
	HAS(given, "Location", "/units?id=eq.a%20b&k=eq.%C3%A9");
	HAS(given, "Content-Range", "*/1");
	HAS(given, "Preference-Applied", "missing=default, return=headers-only, count=exact");
	plan.is_upsert = true;
	plan.wants_body = true;
	prefer.answer = RETURN_REPRESENTATION;
	row.inserted = "0";
	given = answer();
	CHECK(given->status == 200 && given->body == row.body);
	HAS(given, "Preference-Applied",
		"resolution=merge-duplicates, missing=default, return=representation, count=exact");
	HAS(given, "Content-Type", "application/json; charset=utf-8");
	row.inserted = "1";
	CHECK(answer()->status == 201);
	row.inserted = "0";
	prefer.resolution = RESOLUTION_IGNORE;
	CHECK(answer()->status == 201, "only merging says that nothing was new");
	row.location = "id=eq.1\r\nX: y";
	HAS(answer(), "Location", "/units?id=eq.1%0D%0AX:%20y");
}

static void
changes(void)
{
	Answer *given;

	begin(METHOD_PATCH);
	given = answer();
	CHECK(given->status == 204 && given->body == NULL);
	HAS(given, "Content-Range", "0-2/*");
	HAS(given, "Content-Type", NULL);
	row.count = "0";
	HAS(answer(), "Content-Range", "*/*");
	row.count = "3";
	plan.wants_body = true;
	prefer = (Preferences){.answer = RETURN_REPRESENTATION,
						   .count = COUNT_ESTIMATED,
						   .handling = HANDLING_STRICT,
						   .missing = MISSING_NULL,
						   .has_max_affected = true,
						   .max_affected = 5};
	given = answer();
	CHECK(given->status == 200 && given->body == row.body);
	HAS(given, "Content-Range", "0-2/3");
	HAS(given, "Preference-Applied",
		"missing=null, return=representation, count=estimated, handling=strict, max-affected=5");
	prefer.handling = HANDLING_LENIENT;
	prefer.count = COUNT_PLANNED;
	given = answer();
	HAS(given, "Content-Range", "0-2/*");
	HAS(given, "Preference-Applied", "missing=null, return=representation, count=planned, handling=lenient");

	begin(METHOD_DELETE);
	given = answer();
	CHECK(given->status == 204);
	HAS(given, "Content-Range", "*/*");
	prefer.count = COUNT_EXACT;
	prefer.missing = MISSING_NULL;
	plan.wants_body = true;
	given = answer();
	CHECK(given->status == 200 && given->body == row.body);
	HAS(given, "Content-Range", "*/3");
	HAS(given, "Preference-Applied", "count=exact");

	begin(METHOD_PUT);
	plan.is_put = true;
	row.inserted = "1";
	given = answer();
	CHECK(given->status == 204 && given->body == NULL, "14.17: also when it inserted");
	HAS(given, "Content-Range", NULL);
	plan.wants_body = true;
	CHECK(answer()->status == 201);
	row.inserted = "0";
	CHECK(answer()->status == 200);
}

static void
routines(void)
{
	Answer *given;

	begin(METHOD_POST);
	plan.target = TARGET_ROUTINE;
	plan.shape = SHAPE_SCALAR;
	row.count = "1";
	given = answer();
	CHECK(given->status == 200 && given->body == row.body);
	HAS(given, "Content-Range", "0-0/*");
	HAS(given, "Content-Location", NULL);
	plan.shape = SHAPE_VOID;
	given = answer();
	CHECK(given->status == 204 && given->body == NULL);
	HAS(given, "Content-Type", NULL);
	plan.shape = SHAPE_ROWS;
	row.count = "2";
	row.total = "5";
	given = answer();
	CHECK(given->status == 206);
	HAS(given, "Content-Range", "0-1/5");
	for (Method method = METHOD_GET; method <= METHOD_DELETE; method++)
	{
		begin(method);
		plan.is_explain = true;
		plan.content_type = "application/vnd.pgrst.plan+text; charset=utf-8";
		given = answer();
		CHECK(given->status == 200 && given->body == row.body, "%d", method);
		HAS(given, "Content-Range", NULL);
		HAS(given, "Content-Type", "application/vnd.pgrst.plan+text; charset=utf-8");
	}
}

static void
judged(void)
{
	Problem problem;

	begin(METHOD_GET);
	CHECK(respond_judge(arena, &plan, &row, &problem));
	plan.is_single = true;
	CHECK(!respond_judge(arena, &plan, &row, &problem) && problem.status == 406 &&
		  strcmp(problem.code, "PGRST116") == 0 && strcmp(problem.details, "The result contains 3 rows") == 0);
	row.count = "0";
	CHECK(!respond_judge(arena, &plan, &row, &problem));
	row.count = "1";
	CHECK(respond_judge(arena, &plan, &row, &problem));
	begin(METHOD_DELETE);
	plan.has_max_affected = true;
	plan.max_affected = 3;
	CHECK(respond_judge(arena, &plan, &row, &problem));
	plan.max_affected = 2;
	CHECK(!respond_judge(arena, &plan, &row, &problem) && problem.status == 400 &&
		  strcmp(problem.code, "PGRST124") == 0 && strcmp(problem.details, "The query affects 3 rows") == 0);
	begin(METHOD_PUT);
	plan.is_put = true;
	row.count = "1";
	CHECK(respond_judge(arena, &plan, &row, &problem));
	row.count = "0";
	CHECK(!respond_judge(arena, &plan, &row, &problem) && problem.status == 400 &&
		  strcmp(problem.code, "PGRST115") == 0);
}

static void
database_says(void)
{
	Answer *given;
	int cookies = 0;

	begin(METHOD_GET);
	row.status = "202";
	row.headers = "[{\"Set-Cookie\":\"a=1\"},{\"set-cookie\":\"b=2\"},{\"Cache-Control\":\"max-age=5\"},{\"content-"
				  "type\":\"text/x\"}]";
	given = answer();
	CHECK(given->status == 202);
	for (int i = 0; i < given->header_count; i++)
		cookies += strcasecmp(given->headers[i].name, "Set-Cookie") == 0;
	CHECK(cookies == 2, "one header may come twice");
	HAS(given, "Content-Type", "text/x");
	HAS(given, "Cache-Control", "max-age=5");
	row.status = "";
	row.headers = "";
	CHECK(answer()->status == 200);
	row.status = "204";
	CHECK(answer()->body == NULL && answer()->status == 204, "no body goes with 204");
	row.status = "304";
	CHECK(answer()->body == NULL);
}

static void
database_says_wrongly(void)
{
	static const char *const statuses[] = {"abc", "20",  "2000", "100", "199", "600",
										   "-20", "+20", " 20",  "20x", "2 0", "999"};
	static const char *const headers[] = {
		"x",
		"{}",
		"{\"a\":\"b\"}",
		"[1]",
		"[[]]",
		"[{}]",
		"[{\"a\":1}]",
		"[{\"a\":null}]",
		"[{\"a\":\"b\",\"c\":\"d\"}]",
		"[{\"a\":\"b\"}] x",
		"[{\"a\":\"b\\r\\nSet-Cookie: c\"}]",
		"[{\"a\":\"b\\nc\"}]",
		"[{\"a\":\"b\\u0000c\"}]",
		"[{\"a\":\"b\\u007f\"}]",
		"[{\"a b\":\"c\"}]",
		"[{\"a:\":\"c\"}]",
		"[{\"a\\r\\nb\":\"c\"}]",
		"[{\"\":\"c\"}]",
		"[{\"\\u00e9\":\"c\"}]",
		"[{\"a\":\" b\"}]",
		"[{\"Content-Length\":\"0\"}]",
		"[{\"transfer-encoding\":\"chunked\"}]",
		"[{\"Connection\":\"close\"}]",
		"[{\"Upgrade\":\"x\"}]",
		"[{\"TE\":\"x\"}]",
		"[{\"Trailer\":\"x\"}]",
		"[{\"Keep-Alive\":\"x\"}]",
		"[{\"access-control-allow-origin\":\"*\"}]",
		"[{\"a\":{\"b\":{}}}]",
	};
	Text many;

	for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
	{
		begin(METHOD_GET);
		row.status = statuses[i];
		CHECK(answer()->status == 500 && strcmp(answer()->code, "PGRST112") == 0, "%s", statuses[i]);
	}
	for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
	{
		begin(METHOD_GET);
		row.headers = headers[i];
		CHECK(answer()->status == 500 && strcmp(answer()->code, "PGRST111") == 0, "%s", headers[i]);
		HAS(answer(), "Set-Cookie", NULL);
		HAS(answer(), "a", NULL);
	}
	text_begin(&many, arena);
	for (int i = 0; i < RESPOND_HEADERS_MAX; i++)
		text_format(&many, "%s{\"a\":\"b\"}", i > 0 ? "," : "[");
	begin(METHOD_GET);
	row.headers = arena_format(arena, "%s]", many.data);
	CHECK(answer()->status == 200);
	row.headers = arena_format(arena, "%s,{\"a\":\"b\"}]", many.data);
	CHECK(answer()->status == 500);
}

static void
every_answer(void)
{
	Timings timings = {.jwt = -1, .parse = 1234, .plan = 0, .transaction = 98765432, .response = 99};
	Answer *given;

	begin(METHOD_GET);
	given = answer();
	HAS(given, "X-Content-Type-Options", "nosniff");
	HAS(given, "X-Frame-Options", "DENY");
	HAS(given, "Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
	HAS(given, "Referrer-Policy", "no-referrer");
	HAS(given, "Strict-Transport-Security", NULL);
	HAS(given, "Cache-Control", NULL);
	HAS(given, "Vary", "Accept, Prefer, Range");
	HAS(given, "Server-Timing", NULL);
	side = (AnswerSide){.is_tls = true,
						.is_authenticated = true,
						.varies_by_origin = true,
						.varies_by_cookie = true,
						.trace_name = "X-Request-Id",
						.trace_value = "abc",
						.timings = &timings};
	given = answer();
	HAS(given, "Strict-Transport-Security", "max-age=31536000");
	HAS(given, "Cache-Control", "no-store");
	HAS(given, "Vary", "Accept, Prefer, Range, Origin, Cookie");
	HAS(given, "X-Request-Id", "abc");
	HAS(given, "Server-Timing", "parse;dur=1.2, plan;dur=0.0, transaction;dur=98765.4, response;dur=0.0");
	side.trace_value = "abc\r\nSet-Cookie: a=b";
	HAS(answer(), "X-Request-Id", NULL);
	given = respond_options(arena, "OPTIONS,GET,HEAD", &side);
	CHECK(given->status == 200 && given->body == NULL);
	HAS(given, "Allow", "OPTIONS,GET,HEAD");
	HAS(given, "Access-Control-Allow-Origin", NULL);
	given = respond_document(arena, "application/openapi+json; charset=utf-8", "{}", 2, &side);
	CHECK(given->status == 200 && given->body_length == 2);
	HAS(given, "Content-Type", "application/openapi+json; charset=utf-8");
}

static void
headers(void)
{
	Answer *given = answer_new(arena, 200);
	char long_value[8194];

	CHECK(answer_add(given, "A", "") && answer_add(given, "a", "x\ty \xc3\xa9"));
	CHECK(!answer_add(given, "b", NULL) && !answer_add(given, "b", "x ") && !answer_add(given, "b", "\tx"));
	CHECK(!answer_add(given, "b", "x\ry") && !answer_add(given, "b", "x\ny") && !answer_add(given, "b", "x\x1by"));
	CHECK(!answer_add(given, "", "x") && !answer_add(given, "b c", "x") && !answer_add(given, "b\n", "x") &&
		  !answer_add(given, "\xc3\xa9", "x") && !answer_add(given, "b\x80", "x"));
	memset(long_value, 'x', sizeof(long_value));
	long_value[8193] = '\0';
	CHECK(!answer_add(given, "b", long_value));
	long_value[8192] = '\0';
	CHECK(answer_add(given, "b", long_value));
	CHECK(given->header_count == 3);
	answer_remove(given, "A");
	CHECK(given->header_count == 1 && answer_header(given, "a") == NULL && answer_header(given, "B") != NULL);
	answer_default(given, "B", "other");
	CHECK(given->header_count == 1);
	for (int i = 1; i < ANSWER_HEADERS_MAX; i++)
		CHECK(answer_add(given, "c", "d"));
	CHECK(!answer_add(given, "c", "d"));
	CHECK(strcmp(answer_url(arena, "a%20%b?c#d"), "a%20%25b?c%23d") == 0);
}

static const UnitCase cases[] = {
	{"reads", reads},
	{"behind the end", behind_the_end},
	{"inserts", inserts},
	{"updates, deletes, PUT", changes},
	{"routines and plans", routines},
	{"what may not be committed", judged},
	{"response.headers and response.status", database_says},
	{"... that are none", database_says_wrongly},
	{"headers of every answer", every_answer},
	{"headers", headers},
};

int
main(void)
{
	int status;

	arena = arena_new();
	status = unit_run(cases, sizeof(cases) / sizeof(cases[0]));
	arena_free(arena);
	return status;
}
