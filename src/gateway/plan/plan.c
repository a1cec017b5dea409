/*
 * plan.c
 *		A request's way from names to a statement: find what it is about, resolve the rest, choose the answer's type, write SQL.
 */
#include "gateway/plan/tree.h"

#include <jansson.h>
#include <string.h>

#define LEAST_SIMILAR 0.75

typedef struct Tables
{
	const Schema *schema;
	const char *in;
} Tables;

static const char *
next_table(const void *list, int index)
{
	const Tables *tables = list;

	if (index >= tables->schema->relation_count)
		return NULL;
	return strcmp(tables->schema->relations[index].schema, tables->in) == 0 ? tables->schema->relations[index].name
																			: "";
}

static const Relation *
find_relation(Arena *arena, const Schema *schema, const ApiRequest *request, Problem *problem)
{
	const Relation *relation = model_relation(schema, request->schema, request->name);
	const char *similar;

	if (relation != NULL)
		return relation;
	similar =
		similar_name(request->name, LEAST_SIMILAR, next_table, &(Tables){.schema = schema, .in = request->schema});
	problem_set(
		problem, 404, "PGRST205",
		arena_format(arena, "Could not find the table '%s.%s' in the schema cache", request->schema, request->name),
		NULL,
		similar != NULL ? arena_format(arena, "Perhaps you meant the table '%s.%s'", request->schema, similar)
						: NULL);
	return NULL;
}

static bool
plan_relation(Job *job)
{
	const ApiRequest *request = job->request;

	job->relation = find_relation(job->arena, job->schema, request, job->problem);
	if (job->relation == NULL || !resolve_tree(job, job->relation, job->relation->name))
		return false;
	if (request->method == METHOD_GET || request->method == METHOD_HEAD)
		job->plan->wants_body = request->method == METHOD_GET;
	else if (!resolve_write(job))
		return false;
	return choose_media(job);
}

static bool
plan_routine(Job *job)
{
	const Relation *relation;

	if (!resolve_call(job))
		return false;
	relation = job->routine->relation;
	return resolve_tree(job, relation, relation != NULL ? relation->name : job->routine->name) && choose_media(job);
}

/* The root: the OpenAPI document, and nothing else. */
static bool
plan_root(Job *job)
{
	Method method = job->request->method;

	if (method != METHOD_GET && method != METHOD_HEAD)
	{
		static const char *const names[] = {"GET", "HEAD", "POST", "PATCH", "PUT", "DELETE"};

		return problem_set(job->problem, 405, "PGRST117",
						   arena_format(job->arena, "Unsupported HTTP method: %s", names[method]), NULL, NULL);
	}
	for (int i = 0; i < job->request->accept_count; i++)
	{
		Media media = job->request->accepts[i].media;

		if (media != MEDIA_ANY && media != MEDIA_JSON && media != MEDIA_OPENAPI)
			continue;
		job->plan->media = MEDIA_OPENAPI;
		job->plan->content_type = media_name(MEDIA_OPENAPI);
		job->plan->wants_body = method == METHOD_GET;
		return true;
	}
	return refuse_media(job);
}

bool
plan_request(Arena *arena, const Schema *schema, const PlanLimits *limits, const ApiRequest *request, Plan *plan,
			 Problem *problem)
{
	Job job = {
		.arena = arena, .schema = schema, .limits = limits, .request = request, .plan = plan, .problem = problem};
	bool planned;

	*plan = (Plan){
		.read_only = true, .method = request->method, .target = request->target, .count = request->prefer->count};
	switch (request->target)
	{
		case TARGET_RELATION:
			planned = plan_relation(&job);
			break;
		case TARGET_ROUTINE:
			planned = plan_routine(&job);
			break;
		default:
			planned = plan_root(&job);
			break;
	}
	return planned && (request->target == TARGET_ROOT || sql_statement(&job));
}

const char *
plan_allow(Arena *arena, const Schema *schema, const ApiRequest *request, Problem *problem)
{
	const Relation *relation;
	const Routine *first;
	int count;

	if (request->target == TARGET_ROOT)
		return "OPTIONS,GET,HEAD";
	if (request->target == TARGET_ROUTINE)
	{
		if (!model_routines(schema, request->schema, request->name, &first, &count))
		{
			problem_set(problem, 404, "PGRST202",
						arena_format(arena, "Could not find the function %s.%s in the schema cache", request->schema,
									 request->name),
						NULL, NULL);
			return NULL;
		}
		for (int i = 0; i < count; i++)
		{
			if (first[i].volatility != 'v')
				return "OPTIONS,GET,HEAD,POST";
		}
		return "OPTIONS,POST";
	}
	relation = find_relation(arena, schema, request, problem);
	if (relation == NULL)
		return NULL;
	return arena_format(arena, "OPTIONS,GET,HEAD%s%s%s%s", relation->insertable ? ",POST" : "",
						relation->insertable && relation->updatable && relation->key_count > 0 ? ",PUT" : "",
						relation->updatable ? ",PATCH" : "", relation->deletable ? ",DELETE" : "");
}

int64_t
plan_total(const Plan *plan, int64_t total, const char *explained, size_t length)
{
	json_t *root;
	json_int_t rows = -1;

	if (plan->count_sql == NULL || (plan->count_above >= 0 && total <= plan->count_above))
		return total;
	root = json_loadb(explained, length, 0, NULL);
	rows = json_integer_value(json_object_get(json_object_get(json_array_get(root, 0), "Plan"), "Plan Rows"));
	json_decref(root);
	return plan->count_above >= 0 && rows < total ? total : rows;
}
