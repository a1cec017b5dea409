/*
 * sql_list.c
 *		What a level of the select tree shows: its columns, and what was joined sideways (sql_read.c).
 *
 * What spreads with aggregates hands its plain columns up as twin_aN_i, and the
 * level it spreads to aggregates them; everything else there is grouped by.
 */
#include "gateway/plan/sql.h"

#include <string.h>

void
sql_index(Sql *sql, int number)
{
	text_format(&sql->text, "%d", number);
}

/* twin_jN */
void
sql_join_name(Sql *sql, const Node *node)
{
	sql_put(sql, "twin_j");
	sql_index(sql, node->number);
}

/* twin_aN_i: the i-th column of a spreading level, aggregated further up. */
static void
put_raw_name(Sql *sql, const Node *node, int index)
{
	sql_put(sql, "twin_a");
	sql_index(sql, node->number);
	sql_put(sql, "_");
	sql_index(sql, index);
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
	sql_join_name(sql, via);
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
	sql_join_name(sql, via);
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
			sql_join_name(sql, child);
			sql_put(sql, ".*");
		}
		return;
	}
	next_output(sql, list, node->is_aggregated);
	sql_put(sql, child->is_many ? "COALESCE(" : "pg_catalog.row_to_json(");
	sql_join_name(sql, child);
	sql_put(sql, child->is_many ? ".twin_body, '[]')" : ".*)");
	/* only jsonb can be grouped by */
	sql_put(sql, node->is_aggregated ? "::pg_catalog.jsonb AS " : " AS ");
	sql_name(sql, child->name);
}

void
sql_select_list(Sql *sql, const Node *node, Source source, List *list)
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

static void
put_array_of(Sql *sql, const char *key)
{
	sql_put(sql, ", pg_catalog.json_agg(");
	sql_column(sql, "twin_s", key);
	sql_put(sql, ") AS ");
	sql_name(sql, key);
}

/* An array of each output of a to-many level that spreads, and of what spreads into it. */
void
sql_arrays(Sql *sql, const Node *node)
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
			sql_arrays(sql, child);
		else if (!child->is_empty)
			put_array_of(sql, child->name);
	}
}
