/*
 * problem.h
 *		What goes wrong with a request, as PostgREST's clients know it: a status,
 *		a code and up to three texts.
 *
 * Parsers and the planner fill one and return false; the answer's body, and
 * the headers that go with it, are made in one place (serve/).
 */
#ifndef GATEWAY_PROBLEM_H
#define GATEWAY_PROBLEM_H

#include "gateway/tool/arena.h"

typedef struct Problem
{
	int status;       /* of HTTP */
	const char *code; /* "PGRST100", or an SQLSTATE */
	const char *message;
	const char *details; /* NULL when there are none */
	bool details_are_json;
	const char *hint; /* NULL when there is none */
} Problem;

/* Fills a problem; message, details and hint live as long as whatever they were made in.  Returns false, for return problem_set(...). */
extern bool problem_set(Problem *problem, int status, const char *code, const char *message, const char *details,
						const char *hint);

#endif /* GATEWAY_PROBLEM_H */
