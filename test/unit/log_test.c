/*
 * log_test.c
 *		Lines of the log: JSON, one write, bounded, escaped, at their level, and
 *		without a token.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "gateway/config/log.h"
#include "gateway/tool/scrub.h"

#include <fcntl.h>
#include <jansson.h>
#include <unistd.h>

static int pipe_ends[2];

static void
open_pipe(LogLevel level)
{
	if (pipe_ends[0] == 0 && pipe2(pipe_ends, O_NONBLOCK) != 0)
		abort();
	log_to(pipe_ends[1]);
	log_begin(level);
}

/* What was logged since, which must be one line of JSON or nothing (NULL). */
static json_t *
line(void)
{
	static char text[8192];
	ssize_t length = read(pipe_ends[0], text, sizeof(text));
	json_t *object;

	if (length <= 0)
		return NULL;
	CHECK(length <= 4096 && text[length - 1] == '\n' && memchr(text, '\n', (size_t) length) == text + length - 1,
		  "%zd", length);
	object = json_loadb(text, (size_t) length, JSON_REJECT_DUPLICATES, NULL);
	CHECK(json_is_object(object), "%.*s", (int) length, text);
	return object;
}

static const char *
member(const json_t *object, const char *name)
{
	return json_string_value(json_object_get(object, name));
}

static void
events(void)
{
	json_t *object;
	const char *when;

	open_pipe(LOG_INFO);
	log_event(LOG_INFO, "listening", "port", "3000", "host", "a\"b\\c\n\x01\xff", NULL);
	object = line();
	CHECK(strcmp(member(object, "event"), "listening") == 0 && strcmp(member(object, "level"), "info") == 0);
	CHECK(strcmp(member(object, "port"), "3000") == 0 &&
		  strcmp(member(object, "host"), "a\"b\\c\n\x01\xef\xbf\xbd") == 0);
	when = member(object, "time");
	CHECK(strlen(when) == 24 && strspn(when, "0123456789-T:.Z") == 24 && when[10] == 'T' && when[19] == '.' &&
			  when[23] == 'Z',
		  "%s", when);
	json_decref(object);
}

static void
levels(void)
{
	static const int statuses[] = {200, 401, 500};
	/* how many of those are logged at crit, error, warn, info */
	static const int wanted[] = {0, 1, 2, 3};

	for (int level = LOG_CRIT; level <= LOG_INFO; level++)
	{
		int seen = 0;

		open_pipe((LogLevel) level);
		for (int i = 0; i < 3; i++)
		{
			json_t *object;

			log_request(&(LoggedRequest){.method = "GET", .route = "/", .status = statuses[i]});
			object = line();
			seen += object != NULL;
			json_decref(object);
		}
		CHECK(seen == wanted[level], "level %d: %d", level, seen);
		for (int event = LOG_CRIT; event <= LOG_INFO; event++)
		{
			json_t *object;

			log_event((LogLevel) event, "x", NULL);
			object = line();
			CHECK((object != NULL) == (event <= level));
			json_decref(object);
		}
	}
}

static void
requests(void)
{
	LoggedRequest request = {.request_id = "r1",
							 .method = "GET",
							 .route = "/units?email=eq.someone",
							 .status = 503,
							 .microseconds = 1234,
							 .role = "twin_viewer",
							 .user_id = "7",
							 .client_address = "192.0.2.1",
							 .code = "XX000",
							 .error_id = "0123456789abcdef",
							 .detail = "broken",
							 .bytes = 99};
	json_t *object;

	open_pipe(LOG_INFO);
	log_request(&request);
	object = line();
	CHECK(strcmp(member(object, "route"), "/units") == 0, "no query is logged");
	CHECK(json_integer_value(json_object_get(object, "status")) == 503 &&
		  json_integer_value(json_object_get(object, "microseconds")) == 1234 &&
		  json_integer_value(json_object_get(object, "bytes")) == 99);
	CHECK(
		strcmp(member(object, "role"), "twin_viewer") == 0 && strcmp(member(object, "user_id"), "7") == 0 &&
		strcmp(member(object, "error_id"), "0123456789abcdef") == 0 && strcmp(member(object, "code"), "XX000") == 0 &&
		strcmp(member(object, "client_address"), "192.0.2.1") == 0 && strcmp(member(object, "level"), "error") == 0);
	json_decref(object);
	log_request(&(LoggedRequest){.method = "GET", .route = "/", .status = 200});
	object = line();
	CHECK(json_object_get(object, "role") == NULL && json_object_get(object, "code") == NULL, "nobody is not named");
	json_decref(object);
}

static void
bounds(void)
{
	char *hostile = unit_memory(20001);
	/* bytes that grow sixfold, that are cut in the middle of a character, that are no characters */
	static const char *const patterns[] = {"\x01", "\xe2\x82\xac", "\xff", "\\", "\"", "a\xf0\x9f\x98\x80"};

	open_pipe(LOG_INFO);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
	{
		LoggedRequest request = {.status = 500};
		json_t *object;

		for (size_t at = 0; at < 20000; at++)
			hostile[at] = patterns[i][at % strlen(patterns[i])];
		hostile[20000] = '\0';
		request.request_id = request.method = request.route = request.role = request.user_id = hostile;
		request.client_address = request.code = request.error_id = request.detail = hostile;
		log_request(&request);
		object = line();
		CHECK(object != NULL && member(object, "detail") != NULL && member(object, "error_id") != NULL);
		json_decref(object);
		log_event(LOG_CRIT, hostile, "a", hostile, "b", hostile, "c", hostile, "d", hostile, "e", hostile, NULL);
		object = line();
		CHECK(object != NULL && member(object, "b") != NULL && member(object, "e") == NULL,
			  "what has no room is left out whole");
		json_decref(object);
	}
	free(hostile);
}

static void
tokens(void)
{
	static const char held[] = "key (eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl) and eyJhbGciOiJIUzI1NiJ9, eyJ";
	Arena *arena = arena_new();
	json_t *object;

	open_pipe(LOG_INFO);
	log_request(&(LoggedRequest){.status = 500, .detail = held, .route = "/eyJhbGciOiJIUzI1NiJ9.eyJ.x"});
	object = line();
	CHECK(strcmp(member(object, "detail"), "key ([token]) and [token], eyJ") == 0, "%s", member(object, "detail"));
	CHECK(strcmp(member(object, "route"), "/[token]") == 0, "%s", member(object, "route"));
	json_decref(object);
	CHECK(scrub_tokens(arena, NULL) == NULL);
	CHECK(strcmp(scrub_tokens(arena, ""), "") == 0 &&
		  strcmp(scrub_tokens(arena, "eyJshort eyJ"), "eyJshort eyJ") == 0);
	arena_free(arena);
}

static void
ids(void)
{
	char id[17];
	char other[17];

	log_new_id(id);
	log_new_id(other);
	CHECK(strlen(id) == 16 && strspn(id, "0123456789abcdef") == 16 && strcmp(id, other) != 0, "%s %s", id, other);
}

static const UnitCase cases[] = {
	{"events", events}, {"levels", levels}, {"requests", requests},
	{"bounds", bounds}, {"tokens", tokens}, {"ids", ids},
};

UNIT_MAIN(cases)
