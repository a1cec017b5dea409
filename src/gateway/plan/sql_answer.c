/*
 * sql_answer.c
 *		The one row every statement answers with, around the rows of the select tree.
 */
#include "gateway/plan/sql.h"

#include <string.h>

#define SETTINGS                                                                              \
	" AS body, NULLIF(pg_catalog.current_setting('response.headers', true), '') AS headers, " \
	"NULLIF(pg_catalog.current_setting('response.status', true), '') AS status, "

static void
put_json_rows(Sql *sql, bool strips, bool takes_first, const char *what, const char *empty)
{
	sql_put(sql, "COALESCE(");
	sql_put(sql, strips ? "pg_catalog.json_strip_nulls(" : "");
	sql_put(sql, "pg_catalog.json_agg(");
	sql_put(sql, what);
	sql_put(sql, takes_first ? ")->0" : ")");
	sql_put(sql, strips ? ")" : "");
	sql_put(sql, ", '");
	sql_put(sql, empty);
	sql_put(sql, "')::pg_catalog.text");
}

/* Lines of values as PostgreSQL writes a row, below the names of the first row's. */
static void
put_csv(Sql *sql)
{
	sql_put(sql, "pg_catalog.concat((SELECT pg_catalog.string_agg(CASE WHEN k.name ~ E'[\",\\r\\n]' THEN '\"' || "
				 "pg_catalog.replace(k.name, '\"', '\"\"') || '\"' ELSE k.name END, ',' ORDER BY k.place) FROM "
				 "pg_catalog.json_object_keys((SELECT pg_catalog.row_to_json(h.*) FROM twin_rows AS h LIMIT 1)) WITH "
				 "ORDINALITY AS k(name, "
				 "place)), E'\\n', pg_catalog.string_agg(pg_catalog.substr((twin_r.*)::pg_catalog.text, 2, "
				 "pg_catalog.length((twin_r.*)::pg_catalog.text) - 2), E'\\n'))");
}

static void
put_answer_body(Sql *sql)
{
	const Job *job = sql->job;
	const Plan *plan = job->plan;
	const Routine *routine = job->routine;
	bool is_value = routine != NULL && !routine->returns_row;
	bool is_one = routine != NULL && !routine->returns_set;
	bool strips = plan->media == MEDIA_OBJECT_STRIP || plan->media == MEDIA_ARRAY_STRIP;
	bool is_object = is_one || plan->media == MEDIA_OBJECT || plan->media == MEDIA_OBJECT_STRIP;

	if (plan->shape == SHAPE_VOID)
		sql_put(sql, "pg_catalog.left(pg_catalog.max(twin_r.pgrst_scalar::pg_catalog.text), 0)");
	else if (!plan->wants_body)
		sql_put(sql, "''");
	else if (job->is_raw)
		sql_put(sql, "pg_catalog.max(twin_r.pgrst_scalar::pg_catalog.text)");
	else if (plan->media == MEDIA_CSV)
		put_csv(sql);
	else if (plan->media == MEDIA_GEOJSON)
		sql_put(sql,
				"pg_catalog.json_build_object('type', 'FeatureCollection', 'features', "
				"COALESCE(pg_catalog.json_agg(ST_AsGeoJSON(twin_r.*)::pg_catalog.json), '[]'))::pg_catalog.text");
	else
		put_json_rows(sql, strips, is_object, is_value ? "twin_r.pgrst_scalar" : "twin_r.*",
					  is_object ? "null" : "[]");
}

/* Whether a count needs a statement of its own: the page is not all there is. */
static bool
is_page(const Job *job)
{
	return job->root->has_limit || job->root->offset > 0;
}

static void
put_total(Sql *sql, Source source)
{
	Job *job = sql->job;

	if (job->plan->count == COUNT_NONE || (job->plan->count == COUNT_PLANNED && !job->writes))
	{
		sql_put(sql, "NULL::pg_catalog.text AS total, ");
		return;
	}
	if (job->writes || !is_page(job))
	{
		sql_put(sql, "pg_catalog.count(*)::pg_catalog.text AS total, ");
		return;
	}
	sql_put(sql, "(SELECT pg_catalog.count(*) FROM (");
	sql_count_rows(sql, job->root, source);
	if (job->plan->count_sql != NULL)
	{
		sql_put(sql, " LIMIT ");
		sql_number(sql, job->plan->count_above + 1);
	}
	sql_put(sql, ") AS twin_c)::pg_catalog.text AS total, ");
}

/* Planned and estimated counts of reads: EXPLAIN tells how many rows it expects. */
static void
plan_count(Job *job)
{
	Sql sql;
	bool estimates = job->plan->count == COUNT_ESTIMATED && job->limits->max_rows > 0 && is_page(job);

	if (job->writes || job->routine != NULL || (job->plan->count != COUNT_PLANNED && !estimates))
	{
		if (job->routine != NULL && job->plan->count == COUNT_PLANNED)
			job->plan->count = COUNT_EXACT;
		return;
	}
	sql_begin(&sql, job);
	sql_put(&sql, "EXPLAIN (FORMAT JSON) ");
	sql_count_rows(&sql, job->root, SOURCE_RELATION);
	job->plan->count_sql = sql.text.data;
	job->plan->count_parameters = sql.parameters;
	job->plan->count_parameter_count = sql.count;
	job->plan->count_above = estimates ? job->limits->max_rows : -1;
}

static void
put_explain(Sql *sql)
{
	static const char *const options[] = {", ANALYZE", ", VERBOSE", ", SETTINGS", ", BUFFERS", ", WAL"};
	const MediaChoice *choice = sql->job->explains;

	sql_put(sql, choice->plan_is_json ? "EXPLAIN (FORMAT JSON" : "EXPLAIN (FORMAT TEXT");
	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		sql_put(sql, (choice->plan_options & 1u << i) != 0 ? options[i] : "");
	sql_put(sql, ") ");
}

/* The rows; a value's are selected plainly, for there is nothing to embed. */
static void
put_rows(Sql *sql, Source source)
{
	const Job *job = sql->job;

	if (job->writes && !job->plan->wants_body)
		sql_put(sql, "SELECT FROM twin_source");
	else
		sql_rows(sql, job->root, source);
}

static void
put_inserted(Sql *sql)
{
	const Job *job = sql->job;

	if (!job->plan->is_upsert)
		sql_put(sql, "NULL::pg_catalog.text");
	else if (job->merges && job->column_count > 0)
		sql_put(sql, "COALESCE(NULLIF(pg_catalog.current_setting('pgrst.inserted', true), ''), '0')");
	else
		sql_put(sql, "pg_catalog.count(*)::pg_catalog.text");
	sql_put(sql, " AS inserted");
}

static void
put_statement(Sql *sql)
{
	Job *job = sql->job;
	Plan *plan = job->plan;
	/* a call that is counted beyond its page must happen once */
	bool keeps = job->routine != NULL && plan->count != COUNT_NONE && is_page(job);
	bool is_csv = plan->media == MEDIA_CSV && plan->wants_body && !job->is_raw;
	Source source = job->writes || keeps ? SOURCE_WRITTEN : job->routine != NULL ? SOURCE_CALL : SOURCE_RELATION;

	if (source == SOURCE_WRITTEN)
	{
		sql_put(sql, job->writes ? "WITH twin_source AS (" : "WITH twin_source AS MATERIALIZED (SELECT ");
		if (job->writes)
			sql_write(sql);
		else
		{
			sql_column(sql, job->root->alias, "*");
			sql_put(sql, " FROM ");
			sql_call(sql, job->root->alias);
		}
		sql_put(sql, ") ");
	}
	if (is_csv)
	{
		sql_put(sql, source == SOURCE_WRITTEN ? ", twin_rows AS (" : "WITH twin_rows AS (");
		put_rows(sql, source);
		sql_put(sql, ") ");
	}
	sql_put(sql, "SELECT ");
	put_total(sql, source);
	sql_put(sql, "pg_catalog.count(*)::pg_catalog.text AS count, ");
	put_answer_body(sql);
	sql_put(sql, SETTINGS);
	if (plan->wants_location)
		sql_location(sql);
	else
		sql_put(sql, "NULL::pg_catalog.text");
	sql_put(sql, " AS location, ");
	put_inserted(sql);
	sql_put(sql, is_csv ? " FROM twin_rows AS twin_r" : " FROM (");
	if (is_csv)
		return;
	put_rows(sql, source);
	sql_put(sql, ") AS twin_r");
}

bool
sql_statement(Job *job)
{
	Sql sql;

	sql_begin(&sql, job);
	if (job->plan->is_explain)
		put_explain(&sql);
	plan_count(job);
	put_statement(&sql);
	job->plan->sql = sql.text.data;
	job->plan->parameters = sql.parameters;
	job->plan->parameter_count = sql.count;
	return true;
}
