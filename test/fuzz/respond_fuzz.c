/*
 * respond_fuzz.c
 *		response.headers, response.status and all else an answer is made of: no
 *		header leaves that is none, frames the message or opens CORS.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include "gateway/answer/cors.h"
#include "gateway/answer/respond.h"

static void
judge(const Answer *answer)
{
	MUST(answer->status >= 200 && answer->status <= 599);
	for (int i = 0; i < answer->header_count; i++)
		MUST(answer_is_name(answer->headers[i].name) && answer_is_value(answer->headers[i].value));
	MUST(answer_header(answer, "Content-Length") == NULL && answer_header(answer, "Transfer-Encoding") == NULL &&
		 answer_header(answer, "Connection") == NULL && answer_header(answer, "Access-Control-Allow-Origin") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const Method methods[] = {METHOD_GET, METHOD_POST, METHOD_PATCH, METHOD_DELETE};
	static const char *const allowed[] = {"https://app.example.com", NULL};
	Arena *arena = arena_new();
	char *copy = arena_copy(arena, (const char *) data, size);
	Preferences prefer = {.timezone = copy};
	Query query = {.canonical = copy};
	Plan plan = {.content_type = "application/json", .method = methods[size % 4], .wants_location = true};
	ApiRequest request = {.name = copy, .query = &query, .prefer = &prefer};
	ResultRow row = {.headers = copy, .location = copy, .count = "1"};
	AnswerSide side = {.profile = copy, .trace_name = "X-Trace", .trace_value = copy};
	Header headers[RESPOND_HEADERS_MAX];
	Problem problem;
	int count;
	int status = 0;

	plan.target = size % 8 < 4 ? TARGET_RELATION : TARGET_ROUTINE;
	judge(respond_row(arena, &plan, &request, &row, &side));
	row.headers = NULL;
	row.status = copy;
	judge(respond_row(arena, &plan, &request, &row, &side));
	if (respond_read_status(copy, &status, &problem))
		MUST(copy[0] == '\0' || (status >= 200 && status <= 599));
	if (respond_read_headers(arena, copy, headers, &count, &problem))
	{
		for (int i = 0; i < count; i++)
			MUST(respond_may_set(headers[i].name, headers[i].value));
	}
	MUST(!cors_allows(allowed, copy) || strcmp(copy, allowed[0]) == 0);
	judge(cors_preflight(arena, allowed, "https://other.example", copy, &side));
	MUST(answer_is_value(
		answer_header(cors_preflight(arena, allowed, allowed[0], copy, &side), "Access-Control-Allow-Headers")));
	(void) cors_is_trusted(allowed, copy, copy, true, true);
	arena_free(arena);
	return 0;
}
