/*
 * respond.h
 *		From the one row a statement answers with to status, headers and body.
 *
 * PostgREST 14.17's rules, with the headers of 16 that it lacks (Vary).  What
 * functions of the database put into response.headers and response.status
 * overrides, but never frames the message and never opens CORS.
 */
#ifndef GATEWAY_RESPOND_H
#define GATEWAY_RESPOND_H

#include "gateway/plan/plan.h"
#include "gateway/answer/answer.h"

#define RESPOND_HEADERS_MAX 64 /* set by the database for one answer */

/* The columns plan.h describes; NULL is null. */
typedef struct ResultRow
{
	const char *total;
	const char *count;
	const char *body;
	size_t body_length;
	const char *headers;
	const char *status;
	const char *location;
	const char *inserted;
} ResultRow;

/*
 * Whether what the statement did may be committed.  False: PGRST116 (406) not
 * exactly one row, PGRST124 (400) more rows than max-affected, PGRST115 (400)
 * a PUT whose body is of another row.
 */
extern bool respond_judge(Arena *arena, const Plan *plan, const ResultRow *row, Problem *problem);

/* The answer to a request that succeeded; or 416 PGRST103, 500 PGRST111, 500 PGRST112. */
extern Answer *respond_row(Arena *arena, const Plan *plan, const ApiRequest *request, const ResultRow *row,
						   const AnswerSide *side);

/* 200 with a text made here: the OpenAPI document. */
extern Answer *respond_document(Arena *arena, const char *content_type, const char *body, size_t length,
								const AnswerSide *side);

/* OPTIONS that asks what is possible; allow is plan_allow()'s. */
extern Answer *respond_options(Arena *arena, const char *allow, const AnswerSide *side);

/* Whether the database may set a header: no framing, no hop-by-hop header, no Access-Control-*, nothing that injects. */
extern bool respond_may_set(const char *name, const char *value);

/* Reads response.headers, a JSON array of objects with one member each; NULL and "" are none.  False: PGRST111. */
extern bool respond_read_headers(Arena *arena, const char *json, Header headers[RESPOND_HEADERS_MAX], int *count,
								 Problem *problem);

/* Reads response.status, 200 to 599; status stays as it is for NULL and "".  False: PGRST112. */
extern bool respond_read_status(const char *text, int *status, Problem *problem);

/* "0-9/100", "0-9" and "/" and "*" where something is not known (total NULL) or empty. */
extern const char *respond_content_range(Arena *arena, int64_t first, int64_t last, const int64_t *total);

#endif /* GATEWAY_RESPOND_H */
