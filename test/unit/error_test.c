/*
 * error_test.c
 *		From SQLSTATEs and problems to the answers PostgREST's clients know.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "common/status.h"
#include "gateway/answer/error.h"

#include <jansson.h>

static Arena *arena;

static const AnswerSide anonymous = {.error_id = "0123456789abcdef"};
static const AnswerSide somebody = {.error_id = "0123456789abcdef", .is_authenticated = true};

static bool
is(const char *text, const char *wanted)
{
	return text == NULL || wanted == NULL ? text == wanted : strcmp(text, wanted) == 0;
}

/* The member of an answer's body; "(null)" for JSON's null. */
static const char *
member(const Answer *answer, const char *name)
{
	json_t *body = json_loadb(answer->body, answer->body_length, JSON_REJECT_DUPLICATES, NULL);
	json_t *value = json_object_get(body, name);
	const char *text;

	if (!CHECK(body != NULL && json_object_size(body) == 4, "%s", answer->body))
		return "no body";
	text = json_is_null(value) ? "(null)"
							   : arena_string(arena, json_is_string(value) ? json_string_value(value) : "(json)");
	json_decref(body);
	return text;
}

static Answer *
raise_as(const AnswerSide *side, const char *sqlstate, const char *message, const char *detail, const char *hint)
{
	return error_from_database(arena, &(DbError){sqlstate, message, detail, hint}, side);
}

/* POSTGREST.md's list, line by line. */
static void
statuses(void)
{
	static const struct
	{
		const char *sqlstate;
		const char *message;
		int status;
	} wanted[] = {
		{"08000", "", 503},
		{"08P01", "", 503},
		{"09000", "", 500},
		{"0L000", "", 403},
		{"0LP01", "", 403},
		{"0P000", "", 403},
		{"21000", "more than one row returned by a subquery", 500},
		{"21000", "UPDATE requires a WHERE clause", 400},
		{"22023", "invalid value", 400},
		{"22023", "role \"x\" does not exist", 401},
		{"22023", "the role does not exist any more", 400},
		{"22P02", "", 400},
		{"23503", "", 409},
		{"23505", "", 409},
		{"23502", "", 400},
		{"23514", "", 400},
		{"25006", "", 405},
		{"25000", "", 500},
		{"25P02", "", 500},
		{"28000", "", 403},
		{"28P01", "", 403},
		{"2D000", "", 500},
		{"38000", "", 500},
		{"39000", "", 500},
		{"3B001", "", 500},
		{"40001", "could not serialize access", 500},
		{"40P01", "", 500},
		{"53400", "", 500},
		{"53300", "", 503},
		{"53200", "out of memory", 503},
		{"54001", "", 500},
		{"55P03", "", 500},
		{"55000", "cannot insert into view", 500},
		{"57P01", "", 503},
		{"57014", "canceling statement due to statement timeout", 500},
		{"58030", "", 500},
		{"F0000", "", 500},
		{"HV000", "", 500},
		{"P0001", "", 400},
		{"P0002", "", 500},
		{"XX000", "", 500},
		{"XX001", "", 500},
		{"42883", "function f() does not exist", 404},
		{"42883", "function xmlagg(record) does not exist", 406},
		{"42P01", "", 404},
		{"42P17", "", 500},
		{"42703", "", 400},
		{"3F000", "", 400},
		{"PT402", "Payment Required", 402},
		{"PT599", "", 599},
		{"PT200", "", 200},
		{"PT100", "", 500},
		{"PT600", "", 500},
		{"PTabc", "", 500},
		{"PT4 1", "", 500},
		{"TW999", "", 500},
		{"TW507", "the token has expired", 401},
		{"TW602", "", 403},
		{"TW301", "", 503},
		{"TW201", "", 500},
		/* our own messages have the status of our own list */
		{"55000", "ENCRYPTION_KEY is not set", 503},
		{"40001", "the account was changed at the same time", 409},
		{"54000", "value is too long to be encrypted", 413},
		{"", "", 500},
		{"4250", "", 500},
		{"ABCDE", "", 400},
	};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
	{
		int status = error_status(wanted[i].sqlstate, wanted[i].message, true);

		CHECK(status == wanted[i].status, "%s %s: %d", wanted[i].sqlstate, wanted[i].message, status);
	}
	CHECK(error_status("42501", "x", true) == 403 && error_status("42501", "x", false) == 401);
	CHECK(error_status(NULL, NULL, true) == 500 && error_status("21000", NULL, true) == 500);
	for (int status = 1; status < TSEC_STATUS_COUNT; status++)
	{
		const StatusInfo *row = status_info((Status) status);

		if (strncmp(row->sqlstate, "TW", 2) == 0)
			CHECK(error_status(row->sqlstate, row->message, true) == row->http, "%s", row->name);
	}
}

static void
bodies(void)
{
	Answer *answer = raise_as(&somebody, "23505", "duplicate key \"x\"", "Key (id)=(1) already exists.", NULL);

	CHECK(answer->status == 409 && answer->reason == NULL && answer->error_id == NULL && answer->log_detail == NULL);
	CHECK(is(answer->code, "23505") && is(member(answer, "code"), "23505") &&
		  is(member(answer, "message"), "duplicate key \"x\"") &&
		  is(member(answer, "details"), "Key (id)=(1) already exists.") && is(member(answer, "hint"), "(null)"));
	CHECK(is(answer_header(answer, "Content-Type"), "application/json; charset=utf-8"));
	CHECK(is(answer_header(answer, "Proxy-Status"), "PostgREST; error=23505"));
	CHECK(answer_header(answer, "WWW-Authenticate") == NULL && answer_header(answer, "Retry-After") == NULL);
	CHECK(is(answer_header(answer, "Cache-Control"), "no-store") &&
		  is(answer_header(answer, "X-Content-Type-Options"), "nosniff"));
	answer = error_from_problem(arena,
								&(Problem){.status = 300,
										   .code = "PGRST201",
										   .message = "m",
										   .details = "[{\"a\":1}]",
										   .details_are_json = true,
										   .hint = "h"},
								&anonymous);
	CHECK(answer->status == 300 && is(member(answer, "details"), "(json)") && is(member(answer, "hint"), "h"));
	CHECK(answer_header(answer, "Cache-Control") == NULL, "an anonymous answer may be kept");
}

static void
challenges(void)
{
	Answer *answer = raise_as(&anonymous, "42501", "permission denied for table units", NULL, NULL);

	CHECK(answer->status == 401 && is(answer_header(answer, "WWW-Authenticate"), "Bearer"));
	answer = raise_as(&somebody, "42501", "permission denied for table units", NULL, NULL);
	CHECK(answer->status == 403 && answer_header(answer, "WWW-Authenticate") == NULL);
	answer = raise_as(&anonymous, "TW507", "the token has expired", NULL, NULL);
	CHECK(answer->status == 401 && is(member(answer, "code"), "PGRST303") &&
		  is(member(answer, "message"), "JWT expired"));
	CHECK(is(answer_header(answer, "WWW-Authenticate"),
			 "Bearer error=\"invalid_token\", error_description=\"JWT expired\""));
	CHECK(is(answer_header(answer, "Proxy-Status"), "PostgREST; error=PGRST303"));
	CHECK(strstr(answer->log_detail, "TW507") != NULL, "the log has our own code");
	answer = raise_as(&anonymous, "TW506", "the token's signature does not verify", NULL, NULL);
	CHECK(is(member(answer, "code"), "PGRST301") &&
		  is(member(answer, "message"), "JWT cryptographic operation failed"));
	answer = raise_as(&anonymous, "TW510", "the token has been revoked", NULL, NULL);
	CHECK(is(member(answer, "code"), "PGRST303") && is(member(answer, "message"), "the token has been revoked"));
	answer = raise_as(&anonymous, "TW801", "anonymous access is disabled", NULL, NULL);
	CHECK(is(error_token_code("TW801", &(const char *){NULL}), "PGRST302"));
	answer = error_from_problem(
		arena, &(Problem){.status = 401, .code = "PGRST302", .message = "Anonymous access is disabled"}, &anonymous);
	CHECK(is(answer_header(answer, "WWW-Authenticate"), "Bearer"));
	answer = error_from_problem(
		arena, &(Problem){.status = 401, .code = "PGRST301", .message = "a \"b\"\r\nX: y\\\xc3\xa9"}, &anonymous);
	CHECK(is(answer_header(answer, "WWW-Authenticate"),
			 "Bearer error=\"invalid_token\", error_description=\"a 'b'''X: y'''\""),
		  "%s", answer_header(answer, "WWW-Authenticate"));
	answer = raise_as(&somebody, "PT401", "log in first", NULL, NULL);
	CHECK(answer->status == 401 && is(answer_header(answer, "WWW-Authenticate"), "Bearer"));
}

static void
own_errors(void)
{
	static const char *const own[] = {"XX000", "58030", "F0000", "08006", "53100",
									  "57P01", "HV00N", "TW101", "TW201", "TW999"};
	static const char *const told[] = {"22012", "P0001", "40001", "42501", "57014",
									   "55P03", "TW602", "PT500", "P0002"};

	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
	{
		Answer *answer = raise_as(&somebody, own[i], "could not open \"/var/lib/hush\"", "hush detail", "hush hint");

		CHECK(answer->status >= 500 && strstr(answer->body, "hush") == NULL, "%s: %s", own[i], answer->body);
		CHECK(is(answer->error_id, "0123456789abcdef") && is(member(answer, "details"), "error id 0123456789abcdef"));
		CHECK(is(member(answer, "code"), own[i]) && is(member(answer, "hint"), "(null)"));
		CHECK(strstr(answer->log_detail, "could not open") != NULL &&
				  strstr(answer->log_detail, "hush detail") != NULL && strstr(answer->log_detail, own[i]) != NULL,
			  "%s", answer->log_detail);
		CHECK((answer_header(answer, "Retry-After") != NULL) == (answer->status == 503), "%s", own[i]);
	}
	for (size_t i = 0; i < sizeof(told) / sizeof(told[0]); i++)
	{
		Answer *answer = raise_as(&somebody, told[i], "said so", "why", NULL);

		CHECK(is(member(answer, "message"), "said so") && is(member(answer, "details"), "why") &&
				  answer->error_id == NULL,
			  "%s: %s", told[i], answer->body);
	}
	CHECK(strstr(raise_as(&somebody, NULL, NULL, NULL, NULL)->log_detail, "no SQLSTATE") != NULL);
	CHECK(strstr(raise_as(&somebody, "55000", "ENCRYPTION_KEY is not set", NULL, "Set it")->body, "ENCRYPTION") ==
			  NULL,
		  "how the server is set up is the server's own");
}

static void
waits(void)
{
	AnswerSide known = {.retry_after = 12};
	Answer *answer = raise_as(&anonymous, "PT429", "too many requests", "retry after 17 seconds", NULL);

	CHECK(answer->status == 429 && is(answer_header(answer, "Retry-After"), "17") &&
		  is(answer->reason, "too many requests"));
	CHECK(is(answer_header(raise_as(&anonymous, "PT429", "x", NULL, NULL), "Retry-After"), "1"));
	CHECK(is(answer_header(raise_as(&anonymous, "08006", "x", NULL, NULL), "Retry-After"), "5"));
	CHECK(is(answer_header(raise_as(&known, "08006", "x", NULL, NULL), "Retry-After"), "12"));
	answer = error_from_problem(arena, &(Problem){.status = 503, .code = "PGRST000", .message = "x"}, &known);
	CHECK(is(answer_header(answer, "Retry-After"), "12"));
	CHECK(error_retry_after(NULL) == 0 && error_retry_after("") == 0 &&
		  error_retry_after("retry after x seconds") == 0);
	CHECK(error_retry_after("retry after 5") == 0 && error_retry_after("retry after  seconds") == 0);
	CHECK(error_retry_after("please retry after 1 second") == 1 && error_retry_after("retry after 0.4 seconds") == 1);
	CHECK(error_retry_after("retry after 99999999999999999999 seconds") == 0 ||
		  error_retry_after("retry after 99999999999999999999 seconds") == 86400);
	CHECK(error_retry_after("retry after 86400 seconds") == 86400);
}

static void
reasons(void)
{
	Answer *answer = raise_as(&somebody, "PT402", "Payment\r\nSet-Cookie: a=b\x01\xc3\xa9", NULL, NULL);

	CHECK(answer->status == 402 && is(answer->reason, "Payment  Set-Cookie: a=b   "), "%s", answer->reason);
	CHECK(raise_as(&somebody, "PT402", "\n", NULL, NULL)->reason == NULL);
	CHECK(raise_as(&somebody, "23505", "x", NULL, NULL)->reason == NULL);
}

#define MESSAGE "{\"code\":\"123\",\"message\":\"Mine\",\"details\":\"d\",\"hint\":\"h\"}"
#define DETAIL                                                                                                     \
	"{\"status\":418,\"status_text\":\"Teapot\\n\",\"headers\":{\"X-Powered-By\":\"tea\",\"Content-Type\":\"text/" \
	"x\"}}"

static void
raised(void)
{
	Answer *answer = raise_as(&somebody, "PGRST", MESSAGE, DETAIL, NULL);

	CHECK(answer->status == 418 && is(answer->reason, "Teapot ") && is(answer_header(answer, "x-powered-by"), "tea"));
	CHECK(is(answer_header(answer, "Content-Type"), "text/x"), "what is raised overrides");
	CHECK(is(member(answer, "code"), "123") && is(member(answer, "message"), "Mine") &&
		  is(member(answer, "details"), "d") && is(member(answer, "hint"), "h") &&
		  is(answer_header(answer, "Proxy-Status"), "PostgREST; error=123"));
	answer = raise_as(&somebody, "PGRST", "{\"code\":\"a b;\\u00e9\\r\\nc\",\"message\":\"\"}",
					  "{\"status\":401,\"headers\":{}}", NULL);
	CHECK(answer->status == 401 && is(answer_header(answer, "Proxy-Status"), "PostgREST; error=abc") &&
		  is(member(answer, "details"), "(null)"));
	CHECK(is(answer_header(answer, "WWW-Authenticate"), "Bearer"));
}

static void
raised_badly(void)
{
	static const struct
	{
		const char *message;
		const char *detail;
	} bad[] = {
		{"not json", DETAIL},
		{"[]", DETAIL},
		{"{\"code\":\"1\"}", DETAIL},
		{"{\"message\":\"1\"}", DETAIL},
		{"{\"code\":1,\"message\":\"m\"}", DETAIL},
		{"{\"code\":\"1\",\"message\":\"m\",\"hint\":{}}", DETAIL},
		{"{\"code\":\"1\",\"code\":\"2\",\"message\":\"m\"}", DETAIL},
		{MESSAGE, NULL},
		{MESSAGE, ""},
		{MESSAGE, "{\"headers\":{}}"},
		{MESSAGE, "{\"status\":418}"},
		{MESSAGE, "{\"status\":\"418\",\"headers\":{}}"},
		{MESSAGE, "{\"status\":100,\"headers\":{}}"},
		{MESSAGE, "{\"status\":600,\"headers\":{}}"},
		{MESSAGE, "{\"status\":418,\"headers\":[]}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"a\":1}}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"a\":\"b\\r\\nc: d\"}}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"a b\":\"c\"}}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"Content-Length\":\"0\"}}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"Access-Control-Allow-Origin\":\"*\"}}"},
		{MESSAGE, "{\"status\":418,\"headers\":{},\"status_text\":1}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"a\":\"b\\u0000\"}}"},
		{MESSAGE, "{\"status\":418,\"headers\":{\"a\":{\"b\":{\"c\":{\"d\":1}}}}}"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		Answer *answer = raise_as(&somebody, "PGRST", bad[i].message, bad[i].detail, NULL);

		CHECK(answer->status == 500 && is(member(answer, "code"), "PGRST121") &&
				  is(member(answer, "message"), "Could not parse JSON in the \"RAISE SQLSTATE 'PGRST'\" error"),
			  "%s %s", bad[i].message, bad[i].detail);
	}
	CHECK(is(member(raise_as(&somebody, "PGRST", MESSAGE, NULL, NULL), "details"),
			 "DETAIL is missing in the RAISE statement"));
	CHECK(strstr(member(raise_as(&somebody, "PGRST", "x", DETAIL, NULL), "details"), "for MESSAGE: 'x'") != NULL);
	CHECK(strstr(member(raise_as(&somebody, "PGRST", "x", DETAIL, NULL), "hint"), "MESSAGE must be") != NULL);
	CHECK(strstr(member(raise_as(&somebody, "PGRST", MESSAGE, "x", NULL), "hint"), "DETAIL must be") != NULL);
}

static void
without_tokens(void)
{
	Answer *answer = raise_as(&somebody, "P0001", "bad eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.abc",
							  "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.abc", "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.abc");

	CHECK(strstr(answer->body, "eyJ") == NULL && is(member(answer, "message"), "bad [token]"), "%s", answer->body);
	answer = raise_as(&somebody, "PT400", "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.abc", NULL, NULL);
	CHECK(is(answer->reason, "[token]"));
	answer = raise_as(&somebody, "XX000", "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.abc", NULL, NULL);
	CHECK(strstr(answer->log_detail, "eyJ") == NULL);
}

static const UnitCase cases[] = {
	{"SQLSTATE to status", statuses},
	{"bodies and headers", bodies},
	{"WWW-Authenticate", challenges},
	{"what is the server's own", own_errors},
	{"Retry-After", waits},
	{"reason phrases", reasons},
	{"SQLSTATE PGRST", raised},
	{"SQLSTATE PGRST with what is no answer", raised_badly},
	{"no token in an answer", without_tokens},
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
