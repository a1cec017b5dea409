/*
 * resolve_write.c
 *		What POST, PATCH, PUT and DELETE on a relation write: columns of the body, conflicts, conditions.
 */
#include "gateway/plan/tree.h"

#include <string.h>

static bool
unknown_column(Job *job, const char *name)
{
	return problem_set(job->problem, 400, "PGRST204",
					   arena_format(job->arena, "Could not find the '%s' column of '%s' in the schema cache", name,
									job->relation->name),
					   NULL, NULL);
}

/* The columns that are written: columns=, or the body's keys.  Each once. */
static bool
find_columns(Job *job)
{
	const Query *query = job->request->query;
	const Body *body = job->request->body;
	const char **names = query->column_count >= 0 ? query->columns : body->keys;
	int count = query->column_count >= 0 ? query->column_count : body->key_count;
	bool *taken = arena_alloc(job->arena, (size_t) job->relation->column_count + 1);

	if (query->column_count < 0 && body->keys_differ)
		return problem_set(job->problem, 400, "PGRST102", "All object keys must match", NULL, NULL);
	if (body->kind == BODY_NONE)
		return problem_set(job->problem, 400, "PGRST102", "Empty or invalid json", NULL, NULL);
	if (body->kind != BODY_OBJECT && body->kind != BODY_ARRAY)
		return problem_set(job->problem, 400, "PGRST102", "The body must be a JSON object or an array of objects",
						   NULL, NULL);
	job->columns = arena_alloc(job->arena, ((size_t) count + 1) * sizeof(*job->columns));
	for (int i = 0; i < count; i++)
	{
		const Column *column = model_column(job->relation, names[i]);

		if (column == NULL || column->is_computed)
			return unknown_column(job, names[i]);
		if (taken[column - job->relation->columns])
			continue;
		taken[column - job->relation->columns] = true;
		job->columns[job->column_count++] = column;
	}
	return true;
}

/* PUT says which row it means: an eq of every column of the primary key, and nothing else. */
static bool
check_put(Job *job)
{
	const Relation *relation = job->relation;
	const Scope *scope = job->request->query->scopes;
	const char **seen = arena_alloc(job->arena, ((size_t) relation->key_count + 1) * sizeof(*seen));
	int count = 0;

	if (scope->has_limit || scope->has_offset)
		return problem_set(job->problem, 400, "PGRST114",
						   "limit/offset querystring parameters are not allowed for PUT", NULL, NULL);
	for (const Logic *logic = scope->conditions; logic != NULL; logic = logic->next)
	{
		const Condition *condition = logic->condition;

		if (logic->kind != LOGIC_CONDITION || condition->operator!= OPERATOR_EQ || condition->negated ||
											  condition->quantifier != QUANTIFIER_NONE ||
											  condition->field.steps != NULL || count == relation->key_count)
			return problem_set(job->problem, 405, "PGRST105",
							   "Filters must include all and only primary key columns with 'eq' operators", NULL,
							   NULL);
		seen[count++] = condition->field.name;
	}
	if (count == 0 || !model_same_names(relation->key, relation->key_count, seen, count))
		return problem_set(job->problem, 405, "PGRST105",
						   "Filters must include all and only primary key columns with 'eq' operators", NULL, NULL);
	return true;
}

static bool
resolve_insert(Job *job)
{
	const Preferences *prefer = job->request->prefer;
	const Query *query = job->request->query;
	bool is_put = job->request->method == METHOD_PUT;

	if (!find_columns(job))
		return false;
	if (is_put && job->request->body->kind == BODY_ARRAY && job->request->body->is_empty_array)
		return problem_set(job->problem, 400, "PGRST115", "Payload values do not match URL in primary key column(s)",
						   NULL, NULL);
	for (int i = 0; is_put && i < job->relation->key_count; i++)
	{
		bool found = false;

		for (int j = 0; j < job->column_count && !found; j++)
			found = strcmp(job->columns[j]->name, job->relation->key[i]) == 0; /* public: names of columns */
		if (!found)
			return problem_set(job->problem, 400, "PGRST115",
							   "Payload values do not match URL in primary key column(s)", NULL, NULL);
	}
	job->fills_defaults = prefer->missing == MISSING_DEFAULT && !is_put;
	job->merges = is_put || prefer->resolution == RESOLUTION_MERGE;
	if (is_put || prefer->resolution != RESOLUTION_NONE)
	{
		bool given = !is_put && query->on_conflict_count >= 0;

		job->conflict = given ? query->on_conflict : (const char **) job->relation->key;
		job->conflict_count = given ? query->on_conflict_count : job->relation->key_count;
		if (job->conflict_count == 0)
			job->conflict = NULL;
	}
	job->plan->is_put = is_put;
	job->plan->is_upsert = job->conflict != NULL;
	job->plan->wants_location = !is_put && prefer->answer == RETURN_HEADERS_ONLY && job->relation->key_count > 0;
	return true;
}

/* An UPDATE or DELETE of everything is refused unless the DBA allows it, with the words of pg-safeupdate. */
static bool
check_filtered(Job *job)
{
	bool is_update = job->request->method == METHOD_PATCH;

	if (job->limits->unfiltered || job->request->query->scopes->conditions != NULL)
		return true;
	return problem_set(job->problem, 400, "21000",
					   is_update ? "UPDATE requires a WHERE clause" : "DELETE requires a WHERE clause", NULL,
					   "Add a filter that says which rows are meant.");
}

bool
resolve_write(Job *job)
{
	const Preferences *prefer = job->request->prefer;
	Plan *plan = job->plan;

	plan->read_only = false;
	plan->wants_body = prefer->answer == RETURN_REPRESENTATION;
	switch (job->request->method)
	{
		case METHOD_POST:
			return resolve_insert(job);
		case METHOD_PUT:
			return check_put(job) && resolve_insert(job);
		default:
			break;
	}
	if (prefer->handling == HANDLING_STRICT && prefer->has_max_affected)
	{
		plan->has_max_affected = true;
		plan->max_affected = prefer->max_affected;
	}
	if (!check_filtered(job))
		return false;
	job->fills_defaults = prefer->missing == MISSING_DEFAULT;
	return job->request->method == METHOD_DELETE || find_columns(job);
}
