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

/* A level's select list: commas, and which outputs GROUP BY names. */
typedef struct List
{
	int outputs;
	Text group; /* " GROUP BY 1, 3" */
} List;

static void
put_index(Sql *sql, int number)
{
	text_format(&sql->text, "%d", number);
}

/* twin_jN */
static void
put_join_name(Sql *sql, const Node *node)
{
	sql_put(sql, "twin_j");
	put_index(sql, node->number);
}

/* twin_aN_i: the i-th column of a spreading level, aggregated further up. */
static void
put_raw_name(Sql *sql, const Node *node, int index)
{
	sql_put(sql, "twin_a");
	put_index(sql, node->number);
	sql_put(sql, "_");
	put_index(sql, index);
}

static void
next_output(Sql *sql, List *list, bool is_grouped)
{
	if (list->outputs++ > 0)
		sql_put(sql, ", ");
	if (is_grouped)
		text_format(&list->group, "%s%d", list->group.length > 0 ? ", " : " GROUP BY ", list->outputs);
}

/* Whether anything below, through spreading only, is aggregated here or higher. */
static bool
hands_up(const Node *node)
{
	for (const SelectItem *item = node->items; item != NULL; item = item->next)
	{
		if (!item->is_embedding && item->aggregate != NULL)
			return true;
	}
	for (const Node *child = node->children; child != NULL; child = child->next)
	{
		if (child->is_spread && hands_up(child))
			return true;
	}
	return false;
}

static bool
shows_computed(const Node *node)
{
	for (const SelectItem *item = node->items; item != NULL; item = item->next)
	{
		const Column *column =
			item->is_embedding || item->field.name == NULL ? NULL : model_column(node->relation, item->field.name);

		if (column != NULL && column->is_computed)
			return true;
	}
	return false;
}

static void
put_star(Sql *sql, const Node *node, List *list, bool expands)
{
	if (!expands || node->relation == NULL)
	{
		next_output(sql, list, false);
		sql_column(sql, node->alias, "*");
		return;
	}
	for (int i = 0; i < node->relation->real_count; i++)
	{
		next_output(sql, list, node->is_aggregated);
		sql_column(sql, node->alias, node->relation->columns[i].name);
	}
}

static void
put_aggregate(Sql *sql, const SelectItem *item)
{
	sql_put(sql, "pg_catalog.");
	sql_put(sql, item->aggregate); /* one of five words */
	sql_put(sql, "(");
}

static void
put_field(Sql *sql, const Node *node, const SelectItem *item, int index, List *list)
{
	bool is_raw = node->is_spread && item->aggregate != NULL;
	bool aggregates = item->aggregate != NULL && !is_raw;
	const char *key = tree_key(item);

	next_output(sql, list, node->is_aggregated && !aggregates);
	if (aggregates)
	{
		sql_cast_begin(sql, item->aggregate_cast);
		put_aggregate(sql, item);
	}
	sql_cast_begin(sql, item->cast);
	if (item->field.name == NULL || (strcmp(item->field.name, "*") == 0 && item->aggregate != NULL))
		sql_put(sql, aggregates ? "*" : "true");
	else
		sql_field(sql, node->alias, node->relation, &item->field);
	sql_cast_end(sql, item->cast);
	if (aggregates)
	{
		sql_put(sql, ")");
		sql_cast_end(sql, item->aggregate_cast);
	}
	sql_put(sql, " AS ");
	if (is_raw)
		put_raw_name(sql, node, index);
	else
		sql_name(sql, key);
}

/* What each output of a spreading level is called, and how it shows where it spreads to. */
static void
put_spread_output(Sql *sql, const Node *via, const char *key, List *list, bool is_grouped)
{
	next_output(sql, list, is_grouped);
	if (via->is_many)
		sql_put(sql, "COALESCE(");
	put_join_name(sql, via);
	sql_put(sql, ".");
	sql_name(sql, key);
	sql_put(sql, via->is_many ? ", '[]') AS " : " AS ");
	sql_name(sql, key);
}

static void
put_spread_raw(Sql *sql, const Node *to, const Node *via, const Node *node, const SelectItem *item, int index,
			   List *list)
{
	next_output(sql, list, false);
	if (!to->is_spread)
	{
		sql_cast_begin(sql, item->aggregate_cast);
		put_aggregate(sql, item);
	}
	put_join_name(sql, via);
	sql_put(sql, ".");
	put_raw_name(sql, node, index);
	if (!to->is_spread)
	{
		sql_put(sql, ")");
		sql_cast_end(sql, item->aggregate_cast);
	}
	sql_put(sql, " AS ");
	if (to->is_spread)
		put_raw_name(sql, node, index);
	else
		sql_name(sql, tree_key(item));
}

/* All outputs of a level that spreads, by name, and those of what spreads into it. */
static void
put_spread(Sql *sql, const Node *to, const Node *via, const Node *node, List *list)
{
	int index = 0;

	for (const SelectItem *item = node->items; item != NULL; item = item->next, index++)
	{
		if (item->is_embedding)
			continue;
		if (item->aggregate != NULL)
			put_spread_raw(sql, to, via, node, item, index, list);
		else if (strcmp(item->field.name, "*") == 0 && item->alias == NULL)
		{
			for (int i = 0; i < node->relation->real_count; i++)
				put_spread_output(sql, via, node->relation->columns[i].name, list, to->is_aggregated);
		}
		else
			put_spread_output(sql, via, tree_key(item), list, to->is_aggregated);
	}
	for (const Node *child = node->children; child != NULL; child = child->next)
	{
		if (child->is_spread)
			put_spread(sql, to, via, child, list);
		else if (!child->is_empty)
			put_spread_output(sql, via, child->name, list, to->is_aggregated);
	}
}

static void
put_embedding(Sql *sql, const Node *node, const Node *child, List *list)
{
	if (child->is_empty)
		return;
	if (child->is_spread)
	{
		if (child->is_many || hands_up(child) || node->is_aggregated)
			put_spread(sql, node, child, child, list);
		else
		{
			next_output(sql, list, false);
			put_join_name(sql, child);
			sql_put(sql, ".*");
		}
		return;
	}
	next_output(sql, list, node->is_aggregated);
	sql_put(sql, child->is_many ? "COALESCE(" : "pg_catalog.row_to_json(");
	put_join_name(sql, child);
	sql_put(sql, child->is_many ? ".twin_body, '[]')" : ".*)");
	/* only jsonb can be grouped by */
	sql_put(sql, node->is_aggregated ? "::pg_catalog.jsonb AS " : " AS ");
	sql_name(sql, child->name);
}

static void
put_select_list(Sql *sql, const Node *node, Source source, List *list)
{
	int index = 0;
	bool expands = node->is_aggregated || (node->is_spread && hands_up(node)) ||
				   (source == SOURCE_WRITTEN && shows_computed(node));

	if (node->selects_all)
		put_star(sql, node, list, expands);
	for (const SelectItem *item = node->items; item != NULL; item = item->next, index++)
	{
		if (item->is_embedding)
			continue;
		if (item->aggregate == NULL && item->alias == NULL && item->field.steps == NULL &&
			strcmp(item->field.name, "*") == 0)
			put_star(sql, node, list, expands);
		else
			put_field(sql, node, item, index, list);
	}
	for (const Node *child = node->children; child != NULL; child = child->next)
		put_embedding(sql, node, child, list);
	if (list->outputs == 0)
		sql_put(sql, node->link != NULL ? "true AS twin_present" : "");
}

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
		put_index(sql, node->number);
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
			put_index(sql, node->number);
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
		put_index(sql, node->number);
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
	put_join_name(sql, child);
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

	/* what a write answers is in no order, as PostgREST has it */
	for (int i = 0; i < node->scope_count && !sql->job->writes; i++)
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

static void
put_array_of(Sql *sql, const char *key)
{
	sql_put(sql, ", pg_catalog.json_agg(");
	sql_column(sql, "twin_s", key);
	sql_put(sql, ") AS ");
	sql_name(sql, key);
}

/* An array of each output of a to-many level that spreads, and of what spreads into it. */
static void
put_arrays(Sql *sql, const Node *node)
{
	for (const SelectItem *item = node->items; item != NULL; item = item->next)
	{
		bool star = !item->is_embedding && strcmp(item->field.name, "*") == 0 && item->alias == NULL;

		for (int i = 0; star && i < node->relation->real_count; i++)
			put_array_of(sql, node->relation->columns[i].name);
		if (!item->is_embedding && !star)
			put_array_of(sql, tree_key(item));
	}
	for (const Node *child = node->children; child != NULL; child = child->next)
	{
		if (child->is_spread)
			put_arrays(sql, child);
		else if (!child->is_empty)
			put_array_of(sql, child->name);
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
			put_arrays(sql, child);
		}
		else
			sql_put(sql, "SELECT pg_catalog.json_agg(twin_s.*) AS twin_body");
		sql_put(sql, " FROM (");
		sql_rows(sql, child, SOURCE_RELATION);
		sql_put(sql, ") AS twin_s");
		sql_put(sql, child->is_inner ? " HAVING pg_catalog.count(*) > 0" : "");
	}
	sql_put(sql, ") AS ");
	put_join_name(sql, child);
	sql_put(sql, " ON true");
}

void
sql_rows(Sql *sql, const Node *node, Source source)
{
	List list = {0};
	bool linked;

	text_begin(&list.group, sql->job->arena);
	sql_put(sql, "SELECT ");
	put_select_list(sql, node, source, &list);
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
