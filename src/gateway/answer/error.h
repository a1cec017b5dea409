/*
 * error.h
 *		From what went wrong to the answer that says so, as PostgREST's clients
 *		know it: {"code":..., "message":..., "details":..., "hint":...}.
 *
 * A refusal tells the client what the client did.  What is wrong with the
 * server itself (classes 08, 53, 57, 58, F0, HV, XX, and TW with a status of
 * 500 or more) is told to the log, and the client gets an id that finds it there.
 */
#ifndef GATEWAY_ERROR_H
#define GATEWAY_ERROR_H

#include "gateway/answer/answer.h"
#include "gateway/tool/problem.h"

/* What the database raised; what it did not say is NULL. */
typedef struct DbError
{
	const char *sqlstate;
	const char *message;
	const char *detail;
	const char *hint;
} DbError;

/* The whole answer, answer_finish() included. */
extern Answer *error_from_problem(Arena *arena, const Problem *problem, const AnswerSide *side);
extern Answer *error_from_database(Arena *arena, const DbError *raised, const AnswerSide *side);

/*
 * The HTTP status of an SQLSTATE as PostgREST maps it; message decides a few
 * (21000, 22023, 42883).  42501 is 403 for whoever is authenticated and 401
 * otherwise.  Codes of our own (src/common/status_list.h) have the status of
 * that list: of class TW all, of standard classes those with the list's message.
 */
extern int error_status(const char *sqlstate, const char *message, bool is_authenticated);

/* Whether the client is not told what an error of that status says. */
extern bool error_is_own(const char *sqlstate, const char *message, int status);

/* An error about a token as PostgREST names it: PGRST301, PGRST302 or PGRST303; NULL for others.  *message is PostgREST's where it has one. */
extern const char *error_token_code(const char *sqlstate, const char **message);

/* What SQLSTATE PGRST says in JSON. */
typedef struct RaisedAnswer
{
	const char *code;
	const char *message;
	const char *details; /* NULL when not said */
	const char *hint;
	int status;              /* 200 to 599 */
	const char *status_text; /* fit for a status line; NULL is the standard one */
	Header headers[32];
	int header_count;
} RaisedAnswer;

/*
 * Reads MESSAGE {"code","message","details","hint"} and DETAIL {"status","headers","status_text"}.
 * False: PGRST121 (500), also for a header that must not be set (respond.h).
 */
extern bool error_read_raised(Arena *arena, const char *message, const char *detail, RaisedAnswer *raised,
							  Problem *problem);

/* Seconds in "retry after N seconds", anywhere in a text; 0 when it does not say.  At most a day. */
extern int error_retry_after(const char *text);

#endif /* GATEWAY_ERROR_H */
