/*
 * query_range.c
 *		limit= and offset= of one level.
 *
 * What is no number counts as not given, as in PostgREST.  At the top a
 * negative offset begins at the first row and takes its rows off the limit, a
 * negative limit is PGRST103; in an embedding the database's own errors come.
 */
#include "gateway/parse/query_parts.h"

/* Reads a whole number, blanks around; one that is too large is the largest. */
static bool
whole_number(const char *s, int64_t *number)
{
	bool negative;
	int64_t value = 0;

	if (s == NULL)
		return false;
	while (*s == ' ' || *s == '\t')
		s++;
	negative = *s == '-';
	if (negative)
		s++;
	if (*s < '0' || *s > '9')
		return false;
	for (; *s >= '0' && *s <= '9'; s++)
		value = value > (INT64_MAX - 9) / 10 ? INT64_MAX : value * 10 + (*s - '0');
	while (*s == ' ' || *s == '\t')
		s++;
	if (*s != '\0')
		return false;
	*number = negative ? -value : value;
	return true;
}

bool
query_range(Scope *scope, const char *limit, const char *offset, Problem *problem)
{
	bool is_top = scope->depth == 0;

	scope->has_limit = whole_number(limit, &scope->limit);
	scope->has_offset = whole_number(offset, &scope->offset);
	if (is_top && scope->has_offset && scope->offset < 0)
	{
		/* limit=0 stays legal; no other limit may end before the first row */
		if (scope->has_limit && scope->limit > 0)
			scope->limit = scope->limit + scope->offset > 0 ? scope->limit + scope->offset : -1;
		scope->offset = 0;
	}
	if (scope->has_offset && scope->offset < 0)
		return problem_set(problem, 400, "2201X", "OFFSET must not be negative", NULL, NULL);
	if (!scope->has_limit || scope->limit >= 0)
		return true;
	if (is_top)
		return problem_set(problem, 416, "PGRST103", "Requested range not satisfiable",
						   "Limit should be greater than or equal to zero.", NULL);
	return problem_set(problem, 400, "2201W", "LIMIT must not be negative", NULL, NULL);
}
