/*
 * error_fuzz.c
 *		Errors of the database: SQLSTATE, message and detail by lines, the JSON of
 *		SQLSTATE PGRST among them.  Whatever it is, the answer is an error body
 *		of four members, a status that ends a request, and headers that cannot
 *		be more than headers.
 */
#define _GNU_SOURCE
#include "fuzz.h"

#include "gateway/answer/error.h"

#include <jansson.h>

static void
judge(const Answer *answer)
{
	json_t *body = json_loadb(answer->body, answer->body_length, JSON_REJECT_DUPLICATES, NULL);

	MUST(answer->status >= 200 && answer->status <= 599);
	MUST(json_object_size(body) == 4 && json_is_string(json_object_get(body, "code")) &&
		 json_is_string(json_object_get(body, "message")));
	json_decref(body);
	for (int i = 0; i < answer->header_count; i++)
		MUST(answer_is_name(answer->headers[i].name) && answer_is_value(answer->headers[i].value));
	MUST(answer_header(answer, "Content-Length") == NULL && answer_header(answer, "Transfer-Encoding") == NULL);
	MUST(answer_header(answer, "Access-Control-Allow-Origin") == NULL);
	MUST((answer_header(answer, "WWW-Authenticate") != NULL) >= (answer->status == 401));
	MUST(answer->reason == NULL || strpbrk(answer->reason, "\r\n") == NULL);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena *arena = arena_new();
	char *copy = arena_copy(arena, (const char *) data, size);
	AnswerSide side = {.error_id = "0123456789abcdef", .is_authenticated = size % 2 == 0};
	char *rest = copy;
	DbError raised = {
		.sqlstate = strsep(&rest, "\n"), .message = strsep(&rest, "\n"), .detail = strsep(&rest, "\n"), .hint = rest};
	int seconds;

	judge(error_from_database(arena, &raised, &side));
	raised.sqlstate = "PGRST";
	judge(error_from_database(arena, &raised, &side));
	raised.hint = raised.detail;
	raised.detail = raised.message;
	raised.message = copy;
	judge(error_from_database(arena, &raised, &side));
	seconds = error_retry_after(copy);
	MUST(seconds >= 0 && seconds <= 86400);
	arena_free(arena);
	return 0;
}
