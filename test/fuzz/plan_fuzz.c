/*
 * plan_fuzz.c
 *		The planner on hostile requests: path, query, Prefer, Accept and body, a
 *		line each behind a byte that says the method.  Whatever comes out is a
 *		problem with a status and a code, or one statement without a word of the
 *		client's outside of quotes.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "../gateway/planned.h"

static Schema *schema;

/* The next line of a text that is changed for it; NULL at the end. */
static const char *
next_line(char **text)
{
	char *line = *text;
	char *end;

	if (line == NULL)
		return NULL;
	end = strchr(line, '\n');
	*text = end != NULL ? end + 1 : NULL;
	if (end != NULL)
		*end = '\0';
	return line;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;
	char *rest;
	Asked asked;
	Planned planned;

	if (size < 2)
		return 0;
	if (schema == NULL)
		schema = planned_schema();
	MUST(schema != NULL);
	text = fuzz_memory(size);
	memcpy(text, data + 1, size - 1);
	text[size - 1] = '\0';
	rest = text;
	asked = (Asked){.method = data[0] % 6};
	asked.path = next_line(&rest);
	asked.query = next_line(&rest);
	asked.prefer = next_line(&rest);
	asked.accept = next_line(&rest);
	asked.body = rest;
	planned = planned_request(
		schema, &asked,
		(PlanLimits){.aggregates = (data[0] & 64) != 0, .plans = (data[0] & 128) != 0, .max_rows = data[0] & 32});
	if (planned.ok)
	{
		MUST(planned.plan.target == TARGET_ROOT || planned_sane(planned.plan.sql, planned.plan.parameter_count));
		MUST(planned.plan.count_sql == NULL ||
			 planned_sane(planned.plan.count_sql, planned.plan.count_parameter_count));
	}
	else
		MUST(planned.problem.status >= 300 && planned.problem.code != NULL && planned.problem.message != NULL);
	arena_free(planned.arena);
	free(text);
	return 0;
}
