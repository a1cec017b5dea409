/*
 * range.c
 *		Range, of rows.
 */
#include "gateway/parse/headers.h"

#include <string.h>

/* Takes digits; a number that is too large is the largest. */
static bool
digits(const char **s, int64_t *number)
{
	const char *start = *s;

	*number = 0;
	for (; **s >= '0' && **s <= '9'; (*s)++)
		*number = *number > (INT64_MAX - 9) / 10 ? INT64_MAX : *number * 10 + (**s - '0');
	return *s != start;
}

bool
range_read(const char *value, RowRange *range, Problem *problem)
{
	RowRange read = {.given = true};

	*range = (RowRange){0};
	if (value == NULL)
		return true;
	if (strncmp(value, "items=", 6) == 0)
		value += 6;
	if (!digits(&value, &read.first) || *value++ != '-')
		return true;
	read.has_last = digits(&value, &read.last);
	if (*value != '\0')
		return true;
	if (read.has_last && read.last < read.first)
		return problem_set(
			problem, 416, "PGRST103", "Requested range not satisfiable",
			"The lower boundary must be lower than or equal to the upper boundary in the Range header.", NULL);
	*range = read;
	return true;
}
