/*
 * sql_read.c
 *		The rows of a select tree: one SELECT a level, joined sideways.
 *
 * A level's alias is Node.alias, the rows of an embedding are twin_jN.  To-one
 * embeddings are one row; to-many ones are aggregated to one row: a JSON array
 * (twin_body), or when they spread an array a column.  What spreads with
 * aggregates hands its plain columns up as twin_aN_i, and the level it spreads
 * to aggregates them.
 */
#include "gateway/plan/sql.h"

#include <stdio.h>
#include <string.h>

/* FROM: the relation, with the junction, or the function that leads there; for the root whatever its source is. */
static void
put_from(Sql *sql, const Node *node, Source source)
{
	const Relationship *link = node->link;

	sql_put(sql, " FROM ");
	if (link == NULL && source == SOURCE_WRITTEN)
		sql_put(sql, "twin_source");
	else if (link == NULL && source == SOURCE_CALL)
	{
		sql_call(sql, node->alias);
		return;
	}
	else if (link != NULL && link->is_computed)
	{
		sql_qualified(sql, link->function_schema, link->function);
		sql_put(sql, "((");
		sql_column(sql, node->parent->alias, "*");
		sql_put(sql, ")::");
		sql_qualified(sql, link->from->schema, link->from->name);
		sql_put(sql, ")");
	}
	else
		sql_qualified(sql, node->relation->schema, node->relation->name);
	sql_put(sql, " AS ");
	sql_name(sql, node->alias);
	if (link != NULL && link->through != NULL)
	{
		sql_put(sql, ", ");
		sql_qualified(sql, link->through->schema, link->through->name);
		sql_put(sql, " AS twin_x");
		sql_index(sql, node->number);
	}
}

/* The columns that hold an embedding to its parent. */
static bool
put_link(Sql *sql, const Node *node)
{
	const Relationship *link = node->link;

	if (link == NULL || link->is_computed)
		return false;
	for (int i = 0; i < link->count; i++)
	{
		sql_put(sql, i > 0 ? " AND " : " WHERE ");
		if (link->through != NULL)
		{
			sql_put(sql, "twin_x");
			sql_index(sql, node->number);
			sql_put(sql, ".");
			sql_name(sql, link->through_own[i]);
		}
		else
			sql_column(sql, node->alias, link->other[i]);
		sql_put(sql, " = ");
		sql_column(sql, node->parent->alias, link->own[i]);
	}
	for (int i = 0; link->through != NULL && i < link->count2; i++)
	{
		sql_put(sql, " AND twin_x");
		sql_index(sql, node->number);
		sql_put(sql, ".");
		sql_name(sql, link->through_other[i]);
		sql_put(sql, " = ");
		sql_column(sql, node->alias, link->other2[i]);
	}
	return true;
}

/* Whether an embedding is there. */
static void
put_presence(Sql *sql, const Node *child, const Condition *condition)
{
	bool is_absent = (strcmp(condition->value, "null") == 0) != condition->negated;

	if (sql->counts)
	{
		sql_put(sql, is_absent ? "NOT EXISTS (" : "EXISTS (");
		sql_count_rows(sql, child, SOURCE_RELATION);
		sql_put(sql, ")");
		return;
	}
	sql_join_name(sql, child);
	if (!child->is_many)
		sql_put(sql, is_absent ? ".* IS NOT DISTINCT FROM NULL" : ".* IS DISTINCT FROM NULL");
	else if (child->is_spread)
		sql_put(sql, is_absent ? ".twin_rows = 0" : ".twin_rows > 0");
	else
		sql_put(sql, is_absent ? ".twin_body IS NULL" : ".twin_body IS NOT NULL");
}

/* Depth is bounded where logic is read (QUERY_DEPTH_MAX). */
static void
put_logic(Sql *sql, const Node *node, const char *alias, const Logic *logic)
{
	const Node *child;

	if (logic->kind == LOGIC_CONDITION)
	{
		child = tree_asked_for(node, logic->condition);
		if (child != NULL)
			put_presence(sql, child, logic->condition);
		else
			sql_condition(sql, alias, node->relation, logic->condition);
		return;
	}
	sql_put(sql, logic->negated ? "NOT (" : "(");
	for (const Logic *part = logic->parts; part != NULL; part = part->next)
	{
		put_logic(sql, node, alias, part);
		if (part->next != NULL)
			sql_put(sql, logic->kind == LOGIC_OR ? " OR " : " AND ");
	}
	sql_put(sql, logic->parts == NULL ? "true)" : ")");
}

bool
sql_where(Sql *sql, const Node *node, const char *alias, bool first)
{
	bool any = false;

	for (int i = 0; i < node->scope_count; i++)
	{
		for (const Logic *logic = node->scopes[i]->conditions; logic != NULL; logic = logic->next)
		{
			sql_put(sql, first && !any ? " WHERE " : " AND ");
			any = true;
			put_logic(sql, node, alias, logic);
		}
	}
	return any;
}

static void
put_order(Sql *sql, const Node *node)
{
	bool first = true;

	for (int i = 0; i < node->scope_count; i++)
	{
		for (const OrderTerm *term = node->scopes[i]->order; term != NULL; term = term->next)
		{
			sql_put(sql, first ? " ORDER BY " : ", ");
			first = false;
			if (term->relation != NULL)
			{
				const Node *child = tree_child(node, term->relation);
				char alias[32];

				snprintf(alias, sizeof(alias), "twin_j%d", child->number);
				sql_field(sql, alias, NULL, &term->field);
			}
			else
				sql_field(sql, node->alias, node->relation, &term->field);
			sql_put(sql, term->direction == DIRECTION_ASC    ? " ASC"
						 : term->direction == DIRECTION_DESC ? " DESC"
															 : "");
			sql_put(sql, term->nulls == NULLS_FIRST  ? " NULLS FIRST"
						 : term->nulls == NULLS_LAST ? " NULLS LAST"
													 : "");
		}
	}
}

static void
put_bounds(Sql *sql, const Node *node)
{
	if (node->has_limit)
	{
		sql_put(sql, " LIMIT ");
		sql_number(sql, node->limit);
	}
	if (node->offset > 0)
	{
		sql_put(sql, " OFFSET ");
		sql_number(sql, node->offset);
	}
}

/* Joins an embedding sideways, aggregated when it is to-many. */
static void
put_join(Sql *sql, const Node *child)
{
	sql_put(sql, child->is_inner ? " JOIN LATERAL (" : " LEFT JOIN LATERAL (");
	if (!child->is_many)
		sql_rows(sql, child, SOURCE_RELATION);
	else
	{
		if (child->is_spread)
		{
			sql_put(sql, "SELECT pg_catalog.count(*) AS twin_rows");
			sql_arrays(sql, child);
		}
		else
			sql_put(sql, "SELECT pg_catalog.json_agg(twin_s.*) AS twin_body");
		sql_put(sql, " FROM (");
		sql_rows(sql, child, SOURCE_RELATION);
		sql_put(sql, ") AS twin_s");
		sql_put(sql, child->is_inner ? " HAVING pg_catalog.count(*) > 0" : "");
	}
	sql_put(sql, ") AS ");
	sql_join_name(sql, child);
	sql_put(sql, " ON true");
}

void
sql_rows(Sql *sql, const Node *node, Source source)
{
	List list = {0};
	bool linked;

	text_begin(&list.group, sql->job->arena);
	sql_put(sql, "SELECT ");
	sql_select_list(sql, node, source, &list);
	put_from(sql, node, source);
	for (const Node *child = node->children; child != NULL; child = child->next)
		put_join(sql, child);
	linked = put_link(sql, node);
	/* conditions on a written relation said which rows to write */
	if (node->link != NULL || !sql->job->writes)
		(void) sql_where(sql, node, node->alias, !linked);
	if (node->is_aggregated)
		sql_put(sql, list.group.data);
	put_order(sql, node);
	put_bounds(sql, node);
}

/* SELECT 1 for every row there is: no bounds, no joins, and what must be there in EXISTS. */
void
sql_count_rows(Sql *sql, const Node *node, Source source)
{
	bool counts = sql->counts;
	bool first;

	sql->counts = true;
	sql_put(sql, "SELECT 1");
	put_from(sql, node, source);
	first = !put_link(sql, node);
	first = !sql_where(sql, node, node->alias, first) && first;
	for (const Node *child = node->children; child != NULL; child = child->next)
	{
		if (!child->is_inner)
			continue;
		sql_put(sql, first ? " WHERE EXISTS (" : " AND EXISTS (");
		first = false;
		sql_count_rows(sql, child, SOURCE_RELATION);
		sql_put(sql, ")");
	}
	sql->counts = counts;
}
