/*
 * plan.h
 *		From a request that was read to one SQL statement with parameters.
 *
 * plan_request() resolves names against the schema cache (relations, foreign
 * keys, routines) and raises what PostgREST raises for them; sql.c, the only
 * file that puts SQL together, writes the statement.
 *
 * Every statement answers with exactly one row of these columns, so whoever
 * runs it needs to know nothing else (all text, NULL where it does not apply):
 *
 *		total		rows there are in all: with a count
 *		count		rows in the body, or rows written
 *		body		the answer's body
 *		headers		current_setting('response.headers', true)
 *		status		current_setting('response.status', true)
 *		location	the primary key of a row that was written, as a query: "id=eq.1"
 *		inserted	rows that were new: of upserts
 *
 * TARGET_ROOT has no statement here: what describes a schema is in answer/openapi_query.c.
 */
#ifndef GATEWAY_PLAN_H
#define GATEWAY_PLAN_H

#include "gateway/parse/body.h"
#include "gateway/parse/query.h"

typedef struct Schema Schema; /* the cache: plan/schema.h */

typedef enum Method
{
	METHOD_GET,
	METHOD_HEAD,
	METHOD_POST,
	METHOD_PATCH,
	METHOD_PUT,
	METHOD_DELETE
} Method;

typedef enum Target
{
	TARGET_ROOT, /* OpenAPI */
	TARGET_RELATION,
	TARGET_ROUTINE
} Target;

/* What the client wants, read but not understood. */
typedef struct ApiRequest
{
	Method method;
	Target target;
	const char *schema; /* chosen by profile, one of the configured */
	const char *name;   /* of relation or routine */
	const char *path;   /* raw, for links */
	const Query *query;
	const Preferences *prefer;
	const MediaChoice *accepts;
	int accept_count;
	const RowRange *range;
	const Body *body;
} ApiRequest;

/* What the DBA allows. */
typedef struct PlanLimits
{
	int64_t max_rows; /* db-max-rows; 0 is none */
	bool aggregates;  /* db-aggregates-enabled */
	bool plans;       /* db-plan-enabled */
	bool unfiltered;  /* PATCH and DELETE without a condition */
} PlanLimits;

typedef enum PlanShape
{
	SHAPE_ROWS,   /* Content-Range speaks of rows */
	SHAPE_SCALAR, /* a routine's single value */
	SHAPE_VOID
} PlanShape;

typedef struct SqlParameter
{
	const char *value; /* text; NULL is null */
	size_t length;
} SqlParameter;

typedef struct Plan
{
	const char *sql; /* one statement, $1... */
	int parameter_count;
	const SqlParameter *parameters;
	bool read_only;
	const char *isolation; /* "repeatable read", "serializable"; NULL is read committed: a routine's SET clause */
	const char *
		*settings; /* name, value, name, value, NULL: a routine's hoisted settings (statement_timeout and so on) */
	Method method;
	Target target;
	PlanShape shape;
	Media media;              /* of the answer */
	const char *content_type; /* ... as the header says it */
	bool is_single;           /* exactly one row, or PGRST116 (406) and rollback */
	bool has_max_affected;    /* more, and it is PGRST124 (400) and rollback */
	int64_t max_affected;
	bool wants_body; /* return=representation, a read, a routine */
	bool wants_location;
	int64_t offset; /* of the first row, for Content-Range */
	bool has_limit;
	int64_t limit;
	PreferCount count; /* what total means */
	bool is_upsert;
	bool is_put;      /* count is not 1: PGRST115 (400) and rollback */
	bool body_is_hex; /* a routine's bytea: body is "\\x" and hexadecimal digits */
	bool is_explain;  /* of application/vnd.pgrst.plan: the rows' one column is the body, line by line */
	/* A second statement that estimates how many rows there are: planned and estimated counts; NULL when there is none. */
	const char *count_sql; /* EXPLAIN (FORMAT JSON) ...: one row, one column, for plan_total() */
	int count_parameter_count;
	const SqlParameter *count_parameters;
	int64_t count_above; /* only when total is more; -1 always */
} Plan;

/* Everything of it lives in the arena.  False: 404 PGRST200, 202, 205, 300 PGRST201, 203, 400 PGRST204, 406 PGRST107 and so on. */
extern bool plan_request(Arena *arena, const Schema *schema, const PlanLimits *limits, const ApiRequest *request,
						 Plan *plan, Problem *problem);

/*
 * The total an answer tells: what the statement counted, or the estimate where
 * that is asked for.  total is the statement's column, 0 when NULL.
 */
extern int64_t plan_total(const Plan *plan, int64_t total, const char *explained, size_t length);

/* Verbs a relation or routine answers to, for Allow: "OPTIONS,GET,HEAD,POST". NULL and a problem when there is none such. */
extern const char *plan_allow(Arena *arena, const Schema *schema, const ApiRequest *request, Problem *problem);

/* The call of a function without arguments, named by the administrator: "schema.function", or found on the search path. */
extern const char *plan_call(Arena *arena, const char *function);

#endif /* GATEWAY_PLAN_H */
