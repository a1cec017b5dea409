/*
 * error.c
 *		The answer to a request that went wrong.
 */
#include "gateway/answer/error.h"

#include "gateway/tool/scrub.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define RETRY_STANDARD 5 /* seconds, where nobody knows better */
#define OWN_MESSAGE "The server could not answer this request"
#define BUSY_MESSAGE "The server is not ready to answer; try again later"

static void
put_member(Text *text, const char *name, const char *value, bool is_json)
{
	text_format(text, "%s\"%s\":", text->length > 1 ? "," : "", name);
	if (value == NULL)
		text_put(text, "null");
	else if (is_json)
		text_put(text, value);
	else
		text_json(text, value);
}

/* A code as Proxy-Status takes it (RFC 9209: a token); letters that cannot stand there go. */
static const char *
code_letters(Arena *arena, const char *code)
{
	Text text;

	text_begin(&text, arena);
	for (; *code != '\0' && text.length < 64; code++)
	{
		if (isalnum((unsigned char) *code) || *code == '_' || *code == '-')
			text_char(&text, *code);
	}
	return text.data;
}

/* WWW-Authenticate: what is wrong with a token, or that there should be one (RFC 6750, 3). */
static const char *
challenge(Arena *arena, const Problem *problem)
{
	Text text;

	if (strcmp(problem->code, "PGRST301") != 0 && strcmp(problem->code, "PGRST303") != 0)
		return "Bearer";
	text_begin(&text, arena);
	text_put(&text, "Bearer error=\"invalid_token\", error_description=\"");
	/* the letters of RFC 6750; the rest would need escapes that clients do not undo */
	for (const char *letter = problem->message; *letter != '\0'; letter++)
		text_char(&text, *letter >= 0x20 && *letter <= 0x7e && *letter != '"' && *letter != '\\' ? *letter : '\'');
	text_char(&text, '"');
	return text.data;
}

/* Body and headers that follow from the problem alone. */
static void
fill(Answer *answer, const Problem *problem, const AnswerSide *side, int retry_after)
{
	Arena *arena = answer->arena;
	Text text;

	text_begin(&text, arena);
	text_char(&text, '{');
	put_member(&text, "code", problem->code, false);
	put_member(&text, "message", scrub_tokens(arena, problem->message), false);
	put_member(&text, "details", scrub_tokens(arena, problem->details), problem->details_are_json);
	put_member(&text, "hint", scrub_tokens(arena, problem->hint), false);
	text_char(&text, '}');
	answer->body = text.data;
	answer->body_length = text.length;
	answer->code = problem->code;
	answer_default(answer, "Content-Type", "application/json; charset=utf-8");
	answer_default(answer, "Proxy-Status",
				   arena_format(arena, "PostgREST; error=%s", code_letters(arena, problem->code)));
	if (problem->status == 401)
		answer_default(answer, "WWW-Authenticate", challenge(arena, problem));
	if (problem->status == 503 && retry_after <= 0)
		retry_after = side->retry_after > 0 ? side->retry_after : RETRY_STANDARD;
	if (problem->status == 503 || problem->status == 429)
		answer_default(answer, "Retry-After", arena_format(arena, "%d", retry_after > 0 ? retry_after : 1));
	answer_finish(answer, side);
}

Answer *
error_from_problem(Arena *arena, const Problem *problem, const AnswerSide *side)
{
	Answer *answer = answer_new(arena, problem->status);

	fill(answer, problem, side, 0);
	return answer;
}

/* What the log says of an error the client is not told. */
static const char *
detail_for_log(Arena *arena, const DbError *raised)
{
	return arena_format(arena, "%s: %s%s%s%s%s", raised->sqlstate == NULL ? "no SQLSTATE" : raised->sqlstate,
						raised->message == NULL ? "no message" : raised->message, raised->detail == NULL ? "" : "; ",
						raised->detail == NULL ? "" : raised->detail, raised->hint == NULL ? "" : "; ",
						raised->hint == NULL ? "" : raised->hint);
}

/* SQLSTATE PGRST: the answer is what the JSON says. */
static Answer *
from_raised(Arena *arena, const DbError *raised, const AnswerSide *side)
{
	RaisedAnswer said;
	Problem problem;
	Answer *answer;

	if (!error_read_raised(arena, raised->message, raised->detail, &said, &problem))
		return error_from_problem(arena, &problem, side);
	(void) problem_set(&problem, said.status, said.code, said.message, said.details, said.hint);
	answer = answer_new(arena, said.status);
	answer->reason = said.status_text;
	for (int i = 0; i < said.header_count; i++)
		(void) answer_add(answer, said.headers[i].name, said.headers[i].value);
	fill(answer, &problem, side, 0);
	return answer;
}

Answer *
error_from_database(Arena *arena, const DbError *raised, const AnswerSide *side)
{
	const char *message = raised->message == NULL ? "" : raised->message;
	const char *code;
	Answer *answer;
	Problem problem;
	int status;

	if (raised->sqlstate != NULL && strcmp(raised->sqlstate, "PGRST") == 0)
		return from_raised(arena, raised, side);
	status = error_status(raised->sqlstate, message, side->is_authenticated);
	answer = answer_new(arena, status);
	if (error_is_own(raised->sqlstate, message, status))
	{
		answer->error_id = side->error_id;
		answer->log_detail = scrub_tokens(arena, detail_for_log(arena, raised));
		(void) problem_set(&problem, status, raised->sqlstate == NULL ? "XX000" : raised->sqlstate,
						   status == 503 ? BUSY_MESSAGE : OWN_MESSAGE,
						   side->error_id == NULL ? NULL : arena_format(arena, "error id %s", side->error_id), NULL);
		fill(answer, &problem, side, 0);
		return answer;
	}
	code = error_token_code(raised->sqlstate, &message);
	if (code != NULL)
		answer->log_detail = scrub_tokens(arena, detail_for_log(arena, raised));
	(void) problem_set(&problem, status, code == NULL ? raised->sqlstate : code, message, raised->detail,
					   raised->hint);
	if (strncmp(raised->sqlstate, "PT", 2) == 0)
		answer->reason = answer_reason(arena, scrub_tokens(arena, message));
	fill(answer, &problem, side, error_retry_after(raised->detail));
	return answer;
}
