/*
 * sql_write.c
 *		What changes data: INSERT, UPDATE, DELETE.
 *
 * The body is one parameter, taken apart by the server into columns of the
 * types the schema cache knows (twin_body).  What is returned is only what the
 * answer needs, so that a role needs to read no more than it asked for.
 */
#include "gateway/plan/sql.h"

#include <ctype.h>
#include <string.h>

/* A name and a type of a record that is made of JSON. */
void
sql_member(Sql *sql, bool first, const char *name, const char *type)
{
	sql_put(sql, first ? "" : ", ");
	sql_name(sql, name);
	sql_put(sql, " ");
	sql_put(sql, type); /* as the catalog prints it */
}

void
sql_body(Sql *sql, const char *type)
{
	const Body *body = sql->job->request->body;

	sql_value(sql, body->json, body->json_length);
	sql_put(sql, type);
}

/* jsonb_build_object('name', default, ...) || */
static void
put_defaults(Sql *sql)
{
	bool first = true;

	sql_put(sql, "pg_catalog.jsonb_build_object(");
	for (int i = 0; i < sql->job->column_count; i++)
	{
		const Column *column = sql->job->columns[i];

		if (column->fallback == NULL)
			continue;
		sql_put(sql, first ? "" : ", ");
		first = false;
		sql_literal(sql, column->name);
		sql_put(sql, ", ");
		sql_put(sql, column->fallback); /* as the catalog prints it */
	}
	sql_put(sql, ") OPERATOR(pg_catalog.||) ");
}

static void
put_columns(Sql *sql)
{
	sql_put(sql, "(");
	for (int i = 0; i < sql->job->column_count; i++)
		sql_member(sql, i == 0, sql->job->columns[i]->name, sql->job->columns[i]->type);
	sql_put(sql, ")");
}

/* The body's rows as twin_body; with takes_one the first is enough. */
static void
put_body_rows(Sql *sql, bool takes_one)
{
	bool is_array = sql->job->request->body->kind == BODY_ARRAY;

	if (sql->job->fills_defaults)
	{
		if (is_array)
		{
			sql_put(sql, "pg_catalog.jsonb_array_elements(");
			sql_body(sql, "::pg_catalog.jsonb");
			sql_put(sql, takes_one ? "->0" : "");
			sql_put(sql, ") AS twin_element, ");
		}
		sql_put(sql, "LATERAL pg_catalog.jsonb_to_record(");
		put_defaults(sql);
		if (is_array)
			sql_put(sql, "twin_element.value");
		else
			sql_body(sql, "::pg_catalog.jsonb");
		sql_put(sql, ") AS twin_body");
		put_columns(sql);
		return;
	}
	if (takes_one && is_array)
	{
		sql_put(sql, "pg_catalog.json_to_record(");
		sql_body(sql, "::pg_catalog.json->0");
	}
	else
	{
		sql_put(sql, is_array ? "pg_catalog.json_to_recordset(" : "pg_catalog.json_to_record(");
		sql_body(sql, "::pg_catalog.json");
	}
	sql_put(sql, ") AS twin_body");
	put_columns(sql);
}

static void
put_target(Sql *sql)
{
	const Relation *relation = sql->job->relation;

	sql_qualified(sql, relation->schema, relation->name);
	sql_put(sql, " AS ");
	sql_name(sql, relation->name);
}

typedef struct Returned
{
	const char **names;
	int count;
} Returned;

static void
want(Returned *returned, const char *name)
{
	for (int i = 0; i < returned->count; i++)
	{
		if (strcmp(returned->names[i], name) == 0)
			return;
	}
	returned->names[returned->count++] = name;
}

/* Whether the answer needs rows as they are: "*", or a function of the row. */
static bool
needs_row(const Node *root)
{
	bool needs = root->selects_all;

	for (const SelectItem *item = root->items; item != NULL; item = item->next)
		needs = needs || (!item->is_embedding && item->aggregate == NULL && strcmp(item->field.name, "*") == 0);
	for (const Node *child = root->children; child != NULL; child = child->next)
		needs = needs || child->link->is_computed;
	return needs;
}

static int
count_wanted(const Job *job)
{
	int count = job->relation->key_count + 1;

	for (const SelectItem *item = job->root->items; item != NULL; item = item->next)
		count++;
	for (const Node *child = job->root->children; child != NULL; child = child->next)
		count += child->link->count;
	for (int i = 0; i < job->root->scope_count; i++)
	{
		for (const OrderTerm *term = job->root->scopes[i]->order; term != NULL; term = term->next)
			count++;
	}
	return count;
}

/* Columns that the answer is put in order by; of whole rows it has them all. */
static void
want_order(const Job *job, Returned *returned)
{
	for (int i = 0; i < job->root->scope_count; i++)
	{
		for (const OrderTerm *term = job->root->scopes[i]->order; term != NULL; term = term->next)
		{
			if (term->relation == NULL)
				want(returned, term->field.name);
		}
	}
}

/* What the answer is made of: selected columns, the ones embeddings hang on, what orders it, the key for Location. */
static void
put_returning(Sql *sql)
{
	const Job *job = sql->job;
	Returned returned = {.names = arena_alloc(job->arena, (size_t) count_wanted(job) * sizeof(char *))};
	bool row = job->plan->wants_body && needs_row(job->root);
	int outputs = 0;

	for (int i = 0; job->plan->wants_location && !row && i < job->relation->key_count; i++)
		want(&returned, job->relation->key[i]);
	for (const SelectItem *item = job->root->items; job->plan->wants_body && item != NULL; item = item->next)
	{
		const Column *column = NULL;

		if (item->is_embedding || item->field.name == NULL || strcmp(item->field.name, "*") == 0)
			continue;
		column = model_column(job->relation, item->field.name);
		if (!row || (column != NULL && column->is_computed))
			want(&returned, item->field.name);
	}
	for (const Node *child = job->root->children; job->plan->wants_body && !row && child != NULL; child = child->next)
	{
		for (int i = 0; i < child->link->count; i++)
			want(&returned, child->link->own[i]);
	}
	if (job->plan->wants_body && !row)
		want_order(job, &returned);
	sql_put(sql, " RETURNING ");
	if (row)
	{
		sql_column(sql, job->relation->name, "*");
		outputs++;
	}
	for (int i = 0; i < returned.count; i++)
	{
		sql_put(sql, outputs++ > 0 ? ", " : "");
		sql_column(sql, job->relation->name, returned.names[i]);
	}
	if (outputs == 0)
		sql_put(sql, "1 AS twin_one");
}

/* A counter in the transaction: one up for every row that comes, one down for every row that was there. */
static void
put_counter(Sql *sql, const char *step)
{
	sql_put(sql, "pg_catalog.set_config('pgrst.inserted', "
				 "(COALESCE(NULLIF(pg_catalog.current_setting('pgrst.inserted', true), ''), "
				 "'0')::pg_catalog.int8 ");
	sql_put(sql, step);
	sql_put(sql, " 1)::pg_catalog.text, true) IS NOT NULL");
}

static void
put_conflict(Sql *sql)
{
	const Job *job = sql->job;

	sql_put(sql, " ON CONFLICT (");
	for (int i = 0; i < job->conflict_count; i++)
	{
		sql_put(sql, i > 0 ? ", " : "");
		sql_name(sql, job->conflict[i]);
	}
	sql_put(sql, job->merges && job->column_count > 0 ? ") DO UPDATE SET " : ") DO NOTHING");
	if (!job->merges || job->column_count == 0)
		return;
	for (int i = 0; i < job->column_count; i++)
	{
		sql_put(sql, i > 0 ? ", " : "");
		sql_name(sql, job->columns[i]->name);
		sql_put(sql, " = EXCLUDED.");
		sql_name(sql, job->columns[i]->name);
	}
	sql_put(sql, " WHERE ");
	put_counter(sql, "-");
}

static void
put_insert(Sql *sql)
{
	const Job *job = sql->job;
	bool counts = job->conflict != NULL && job->merges && job->column_count > 0;

	sql_put(sql, "INSERT INTO ");
	put_target(sql);
	if (job->column_count == 0)
	{
		/* rows of nothing but defaults: one for an object, as many as the array has */
		if (job->request->body->kind == BODY_OBJECT)
			sql_put(sql, " DEFAULT VALUES");
		else
		{
			sql_put(sql, " SELECT FROM pg_catalog.json_array_elements(");
			sql_body(sql, "::pg_catalog.json) AS twin_body");
		}
	}
	else
	{
		for (int i = 0; i < job->column_count; i++)
		{
			sql_put(sql, i > 0 ? ", " : " (");
			sql_name(sql, job->columns[i]->name);
		}
		sql_put(sql, ") SELECT ");
		for (int i = 0; i < job->column_count; i++)
		{
			sql_put(sql, i > 0 ? ", " : "");
			sql_column(sql, "twin_body", job->columns[i]->name);
		}
		sql_put(sql, " FROM ");
		put_body_rows(sql, false);
		if (counts)
		{
			sql_put(sql, " WHERE ");
			put_counter(sql, "+");
		}
		if (job->plan->is_put)
			(void) sql_where(sql, job->root, "twin_body", !counts);
	}
	if (job->conflict != NULL)
		put_conflict(sql);
	put_returning(sql);
}

static void
put_update(Sql *sql)
{
	const Job *job = sql->job;

	/* nothing to set changes nothing, and answers with no rows */
	if (job->column_count == 0 || job->request->body->is_empty_array)
	{
		sql_put(sql, "SELECT * FROM ");
		put_target(sql);
		sql_put(sql, " WHERE false");
		return;
	}
	sql_put(sql, "UPDATE ");
	put_target(sql);
	for (int i = 0; i < job->column_count; i++)
	{
		sql_put(sql, i > 0 ? ", " : " SET ");
		sql_name(sql, job->columns[i]->name);
		sql_put(sql, " = ");
		sql_column(sql, "twin_body", job->columns[i]->name);
	}
	sql_put(sql, " FROM ");
	put_body_rows(sql, true);
	(void) sql_where(sql, job->root, job->relation->name, true);
	put_returning(sql);
}

void
sql_write(Sql *sql)
{
	switch (sql->job->request->method)
	{
		case METHOD_PATCH:
			put_update(sql);
			break;
		case METHOD_DELETE:
			sql_put(sql, "DELETE FROM ");
			put_target(sql);
			(void) sql_where(sql, sql->job->root, sql->job->relation->name, true);
			put_returning(sql);
			break;
		default:
			put_insert(sql);
			break;
	}
}

/* A name as it stands in a URL (RFC 3986, 2.3). */
static const char *
encode_name(Arena *arena, const char *name)
{
	Text text;

	text_begin(&text, arena);
	for (; *name != '\0'; name++)
	{
		unsigned char c = (unsigned char) *name;

		if (isalnum(c) || strchr("-._~", c) != NULL)
			text_char(&text, *name);
		else
			text_format(&text, "%%%02X", c);
	}
	return text.data;
}

/* The key of the one row that was written, encoded for a URL; NULL for any other number of rows. */
void
sql_location(Sql *sql)
{
	const Relation *relation = sql->job->relation;

	sql_put(sql, "CASE WHEN pg_catalog.count(*) = 1 THEN (SELECT pg_catalog.concat(");
	for (int i = 0; i < relation->key_count; i++)
	{
		sql_put(sql, i > 0 ? ", " : "");
		sql_literal(sql, arena_format(sql->job->arena, "%s%s=", i > 0 ? "&" : "",
									  encode_name(sql->job->arena, relation->key[i])));
		sql_put(sql, ", CASE WHEN ");
		sql_column(sql, "twin_k", relation->key[i]);
		sql_put(
			sql,
			" IS NULL THEN 'is.null' ELSE 'eq.' END, (SELECT pg_catalog.string_agg(CASE WHEN c.letter ~ "
			"'^[A-Za-z0-9._~-]$' THEN "
			"c.letter ELSE "
			"pg_catalog.upper(pg_catalog.regexp_replace(pg_catalog.encode(pg_catalog.convert_to(c.letter, 'UTF8'), "
			"'hex'), '(..)', E'%\\\\1', 'g')) END, '' ORDER BY c.place) FROM pg_catalog.regexp_split_to_table(");
		sql_column(sql, "twin_k", relation->key[i]);
		sql_put(sql, "::pg_catalog.text, '') WITH ORDINALITY AS c(letter, place))");
	}
	sql_put(sql, ") FROM twin_source AS twin_k) END");
}
