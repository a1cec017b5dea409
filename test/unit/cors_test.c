/*
 * cors_test.c
 *		Only listed origins get a header, and nothing is reflected that is not
 *		on the list.
 */
#include "unit.h"

#include "gateway/answer/cors.h"

static const char *const list[] = {"https://app.example.com", "http://localhost:8080", NULL};
static const char *const nobody[] = {NULL};

static Arena *arena;
static const AnswerSide side = {.varies_by_origin = true};

static const char *const strangers[] = {
	"https://evil.example",
	"null",
	"",
	"*",
	"https://app.example.com.evil.example",
	"https://app.example.comx",
	"https://app.example.com:443",
	"http://app.example.com",
	"https://APP.example.com",
	"https://app.example.com/",
	"https://app.example.co",
	"https://app.example.com, https://evil.example",
	"http://localhost",
	"http://localhost:80800",
};

static bool
has(const Answer *answer, const char *name, const char *value)
{
	const char *held = answer_header(answer, name);

	return held == NULL || value == NULL ? held == value : strcmp(held, value) == 0;
}

static void
allowed(void)
{
	CHECK(cors_allows(list, "https://app.example.com") && cors_allows(list, "http://localhost:8080"));
	CHECK(!cors_allows(list, NULL) && !cors_allows(NULL, "https://app.example.com"));
	CHECK(!cors_allows(nobody, "https://app.example.com"));
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		CHECK(!cors_allows(list, strangers[i]), "%s", strangers[i]);
}

static void
ordinary(void)
{
	Answer *answer = answer_new(arena, 200);

	cors_add(answer, list, "http://localhost:8080");
	answer_finish(answer, &side);
	CHECK(has(answer, "Access-Control-Allow-Origin", "http://localhost:8080"));
	CHECK(has(answer, "Access-Control-Allow-Credentials", "true"));
	CHECK(strncmp(answer_header(answer, "Access-Control-Expose-Headers"),
				  "Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
				  "Transfer-Encoding, Range-Unit",
				  strlen("Content-Encoding, Content-Location, Content-Range, Content-Type, Date, Location, Server, "
						 "Transfer-Encoding, Range-Unit")) == 0);
	CHECK(has(answer, "Vary", "Accept, Prefer, Range, Origin"));
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
	{
		answer = answer_new(arena, 200);
		cors_add(answer, list, strangers[i]);
		CHECK(answer->header_count == 0, "%s", strangers[i]);
	}
	answer = answer_new(arena, 200);
	cors_add(answer, list, NULL);
	CHECK(answer->header_count == 0);
}

static void
preflights(void)
{
	Answer *answer;
	int count;

	CHECK(cors_is_preflight("OPTIONS", "https://a", "GET") && !cors_is_preflight("OPTIONS", "https://a", NULL));
	CHECK(!cors_is_preflight("OPTIONS", NULL, "GET") && !cors_is_preflight("GET", "https://a", "GET"));
	answer =
		cors_preflight(arena, list, "https://app.example.com", "Content-Type,\tX-Csrf-Token , authorization", &side);
	CHECK(answer->status == 200 && answer->body == NULL);
	count = answer->header_count;
	cors_add(answer, list, "https://app.example.com");
	CHECK(answer->header_count == count, "nothing twice");
	CHECK(has(answer, "Access-Control-Allow-Origin", "https://app.example.com"));
	CHECK(has(answer, "Access-Control-Allow-Credentials", "true") && has(answer, "Access-Control-Max-Age", "86400"));
	CHECK(has(answer, "Access-Control-Allow-Methods", "GET, POST, PATCH, PUT, DELETE, OPTIONS, HEAD"));
	CHECK(has(answer, "Access-Control-Allow-Headers",
			  "Authorization, Content-Type, X-Csrf-Token, Accept, Accept-Language, Content-Language"),
		  "%s", answer_header(answer, "Access-Control-Allow-Headers"));
	CHECK(strncmp(answer_header(answer, "Vary"), "Origin,", 7) == 0);
	/* a second Access-Control-Allow-Origin would undo the first */
	count = answer->header_count;
	cors_add(answer, list, "https://app.example.com");
	CHECK(answer->header_count == count);
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
	{
		answer = cors_preflight(arena, list, strangers[i], "Content-Type", &side);
		for (int header = 0; header < answer->header_count; header++)
			CHECK(strncmp(answer->headers[header].name, "Access-Control-", 15) != 0, "%s", strangers[i]);
		CHECK(strncmp(answer_header(answer, "Vary"), "Origin,", 7) == 0);
	}
}

/* What is asked for is repeated only where it can be a header's name. */
static void
wanted_headers(void)
{
	char many[4096];
	static const char *const hostile[] = {"a b", "a\r\nSet-Cookie: x", "", ",", " , ,", "a:b", "\xc3\xa9", "\"a\""};

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
	{
		Answer *answer = cors_preflight(arena, list, "https://app.example.com", hostile[i], &side);

		CHECK(has(answer, "Access-Control-Allow-Headers", "Authorization, Accept, Accept-Language, Content-Language"),
			  "%s", hostile[i]);
	}
	memset(many, 'a', sizeof(many) - 1);
	many[sizeof(many) - 1] = '\0';
	CHECK(has(cors_preflight(arena, list, "https://app.example.com", many, &side), "Access-Control-Allow-Headers",
			  "Authorization, Accept, Accept-Language, Content-Language"));
	CHECK(has(cors_preflight(arena, list, "https://app.example.com", NULL, &side), "Access-Control-Allow-Headers",
			  "Authorization, Accept, Accept-Language, Content-Language"));
}

static void
trusted(void)
{
	CHECK(cors_is_trusted(list, "https://app.example.com", "api.example.com", true, true));
	CHECK(cors_is_trusted(nobody, "https://api.example.com", "api.example.com", true, true), "its own origin");
	CHECK(cors_is_trusted(nobody, "https://api.example.com", "API.example.com:443", true, true));
	CHECK(cors_is_trusted(nobody, "http://api.example.com:3000", "api.example.com:3000", false, true));
	CHECK(cors_is_trusted(nobody, "http://api.example.com", "api.example.com:80", false, true));
	CHECK(!cors_is_trusted(nobody, "http://api.example.com", "api.example.com", true, true), "another scheme");
	CHECK(!cors_is_trusted(nobody, "https://api.example.com", "api.example.com", false, true));
	CHECK(!cors_is_trusted(nobody, "https://api.example.com:8443", "api.example.com", true, true), "another port");
	CHECK(!cors_is_trusted(nobody, "https://api.example.com.evil", "api.example.com", true, true));
	CHECK(!cors_is_trusted(nobody, "https://", "", true, true) &&
		  !cors_is_trusted(nobody, "https://a", NULL, true, true));
	CHECK(!cors_is_trusted(nobody, "null", "null", true, true));
	CHECK(!cors_is_trusted(list, NULL, "api.example.com", true, true) &&
		  cors_is_trusted(list, NULL, "a", true, false));
	for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
		CHECK(!cors_is_trusted(list, strangers[i], "api.example.com", true, false), "%s", strangers[i]);
}

static const UnitCase cases[] = {
	{"the list", allowed},
	{"ordinary answers", ordinary},
	{"preflights", preflights},
	{"headers that are asked for", wanted_headers},
	{"credentials of their own", trusted},
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
