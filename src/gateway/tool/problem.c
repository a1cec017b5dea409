/*
 * problem.c
 *		What goes wrong with a request.
 */
#include "gateway/tool/problem.h"

bool
problem_set(Problem *problem, int status, const char *code, const char *message, const char *details,
			const char *hint)
{
	*problem = (Problem){.status = status, .code = code, .message = message, .details = details, .hint = hint};
	return false;
}
