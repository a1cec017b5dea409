/*
 * resolve.c
 *		The select tree of a request, every name of it found in the schema cache,
 *		with the filters, orders and bounds of each level.
 */
#include "gateway/plan/tree.h"

#include <stdlib.h>
#include <string.h>

#define ALIAS_NAME_MAX 48 /* bytes of a relation's name in an alias: with its number it stays under NAMEDATALEN */

Node *
tree_child(const Node *node, const char *name)
{
	for (Node *child = node->children; child != NULL; child = child->next)
	{
		if (strcmp(child->name, name) == 0 || strcmp(child->item->relation, name) == 0)
			return child;
	}
	return NULL;
}

/* The child whose key in the answer is this. */
static Node *
child_of_key(const Node *node, const char *name)
{
	Node *child = node->children;

	while (child != NULL && strcmp(child->name, name) != 0)
		child = child->next;
	return child;
}

Node *
tree_asked_for(const Node *node, const Condition *condition)
{
	if (condition->operator!= OPERATOR_IS || condition->field.steps != NULL)
		return NULL;
	if (strcmp(condition->value, "null") != 0 && strcmp(condition->value, "not_null") != 0)
		return NULL;
	return child_of_key(node, condition->field.name);
}

const char *
tree_key(const SelectItem *item)
{
	const char *key = item->field.name;

	if (item->alias != NULL)
		return item->alias;
	if (item->aggregate != NULL)
		return item->aggregate;
	for (const JsonStep *step = item->field.steps; step != NULL; step = step->next)
	{
		if (!step->is_index)
			key = step->key;
	}
	/* a key of JSON may be called "*" and is no list of columns */
	return item->field.steps == NULL && strcmp(key, "*") == 0 ? NULL : key; /* public: a column */
}

/* An alias no ancestor has: conditions of a join name both sides. */
static const char *
make_alias(Job *job, const Node *node)
{
	const char *name = node->relation->name;
	size_t length = strlen(name);
	const char *alias;
	const Node *above;

	while (length > ALIAS_NAME_MAX ||
		   (length > 0 && length < strlen(name) && ((unsigned char) name[length] & 0xc0) == 0x80))
		length--;
	alias = arena_format(job->arena, "%.*s_%d", (int) length, name, node->number);
	for (above = node->parent; above != NULL && strcmp(above->alias, alias) != 0; above = above->parent)
		;
	return above == NULL ? alias : arena_format(job->arena, "twin_%d", node->number);
}

static bool
check_column(Job *job, const Node *node, const SelectItem *item)
{
	if ((item->aggregate != NULL || item->aggregate_cast != NULL) && !job->limits->aggregates)
		return problem_set(job->problem, 400, "PGRST123", "Use of aggregate functions is not allowed", NULL, NULL);
	if (item->aggregate != NULL && node->is_spread && node->is_many)
		return problem_set(job->problem, 400, "PGRST127", "Feature not implemented",
						   "Aggregates are not implemented for one-to-many or many-to-many spreads.", NULL);
	if (sql_cast_is_safe(job->arena, item->cast) && sql_cast_is_safe(job->arena, item->aggregate_cast))
		return true;
	return problem_set(job->problem, 400, "PGRST100",
					   arena_format(job->arena, "\"failed to parse select parameter (%s)\"",
									item->cast != NULL ? item->cast : item->aggregate_cast),
					   "the name of a type is expected after ::", NULL);
}

/* Whether rel() shows nothing, and nothing inside it does. */
static bool
shows_nothing(const SelectItem *items)
{
	for (; items != NULL; items = items->next)
	{
		if (!items->is_embedding || !shows_nothing(items->items))
			return false;
	}
	return true;
}

static bool resolve_items(Job *job, Node *node, int depth);

static bool
resolve_embedding(Job *job, Node *parent, const SelectItem *item, Node ***end, int depth)
{
	const Relationship *link;
	Node *node;

	if (depth > QUERY_DEPTH_MAX)
		return problem_set(job->problem, 400, "PGRST100", "too many embeddings inside one another", NULL, NULL);
	link = resolve_link(job, parent, item);
	if (link == NULL)
		return false;
	node = arena_alloc(job->arena, sizeof(*node));
	node->parent = parent;
	node->item = item;
	node->items = item->items;
	node->relation = link->to;
	node->link = link;
	node->name = item->alias != NULL ? item->alias : item->relation;
	node->number = ++job->node_count;
	node->alias = make_alias(job, node);
	node->is_many = link->cardinality == ONE_TO_MANY || link->cardinality == MANY_TO_MANY;
	node->is_inner = item->join == JOIN_INNER;
	node->is_spread = item->is_spread;
	node->is_empty = shows_nothing(item->items);
	**end = node;
	*end = &node->next;
	return resolve_items(job, node, depth);
}

static bool
resolve_items(Job *job, Node *node, int depth)
{
	Node **end = &node->children;

	for (const SelectItem *item = node->items; item != NULL; item = item->next)
	{
		if (item->is_embedding)
		{
			if (!resolve_embedding(job, node, item, &end, depth + 1))
				return false;
		}
		else
		{
			if (!check_column(job, node, item))
				return false;
			/* aggregates of what spreads are computed where it spreads to */
			if (item->aggregate != NULL)
			{
				Node *at = node;

				while (at->is_spread)
				{
					at = at->parent;
					if (at->is_spread && at->is_many)
						return problem_set(job->problem, 400, "PGRST127", "Feature not implemented",
										   "Aggregates are not implemented for one-to-many or many-to-many spreads.",
										   NULL);
				}
				at->is_aggregated = true;
			}
		}
	}
	return true;
}

static bool
not_embedded(Job *job, const char *name)
{
	return problem_set(
		job->problem, 400, "PGRST108",
		arena_format(job->arena, "'%s' is not an embedded resource in this request", name), NULL,
		arena_format(job->arena, "Verify that '%s' is included in the 'select' query parameter.", name));
}

/* Conditions on an embedding's name ask whether it is there, nothing else. */
static bool
check_logic(Job *job, const Node *node, const Logic *logic)
{
	for (; logic != NULL; logic = logic->next)
	{
		const Condition *condition = logic->condition;

		if (logic->kind != LOGIC_CONDITION)
		{
			if (!check_logic(job, node, logic->parts))
				return false;
			continue;
		}
		if (child_of_key(node, condition->field.name) == NULL || tree_asked_for(node, condition) != NULL ||
			condition->field.steps != NULL || model_column(node->relation, condition->field.name) != NULL)
			continue;
		return problem_set(
			job->problem, 400, "PGRST120",
			arena_format(job->arena, "Bad operator on the '%s' embedded resource", condition->field.name),
			"Only is null or not is null filters are allowed on embedded resources", NULL);
	}
	return true;
}

static bool
check_order(Job *job, const Node *node, const OrderTerm *order)
{
	for (; order != NULL; order = order->next)
	{
		const Node *child;

		if (order->relation == NULL)
			continue;
		child = tree_child(node, order->relation);
		if (child == NULL)
			return not_embedded(job, order->relation);
		if (child->is_many)
			return problem_set(job->problem, 400, "PGRST118",
							   arena_format(job->arena, "A related order on '%s' is not possible", child->name),
							   arena_format(job->arena,
											"'%s' and '%s' do not form a many-to-one or one-to-one relationship",
											node->relation != NULL ? node->relation->name : node->name, child->name),
							   NULL);
	}
	return true;
}

static void
bound(Node *node, const Scope *scope)
{
	if (scope->has_limit && !node->has_limit)
	{
		node->has_limit = true;
		node->limit = scope->limit;
	}
	if (scope->has_offset)
		node->offset = scope->offset;
}

/* Gives every level what was said about it.  A write's own level keeps its conditions to itself (they say which rows to write). */
static bool
give_scopes(Job *job)
{
	for (const Scope *scope = job->request->query->scopes; scope != NULL; scope = scope->next)
	{
		Node *node = job->root;

		for (int i = 0; i < scope->depth; i++)
		{
			Node *child = tree_child(node, scope->path[i]);

			if (child == NULL)
				return not_embedded(job, scope->path[i]);
			node = child;
		}
		if (node->scope_count == NODE_SCOPES_MAX)
			return problem_set(job->problem, 400, "PGRST100", "one embedding is filtered by too many names", NULL,
							   NULL);
		node->scopes[node->scope_count++] = scope;
		if (!check_logic(job, node, scope->conditions) || !check_order(job, node, scope->order))
			return false;
		if (!job->writes)
			bound(node, scope);
	}
	return true;
}

static int64_t
add_bounded(int64_t a, int64_t b)
{
	return a > INT64_MAX - b ? INT64_MAX : a + b;
}

/* The root's bounds: limit and offset, the Range header, and what the DBA allows. */
static bool
bound_root(Job *job)
{
	const RowRange *range = job->request->range;
	Node *root = job->root;
	bool from_header = range != NULL && range->given && job->request->method == METHOD_GET;

	if (from_header && !(root->has_limit && root->limit == 0))
	{
		int64_t end = root->has_limit ? add_bounded(root->offset, root->limit) : INT64_MAX;

		if (range->has_last && add_bounded(range->last, 1) < end)
			end = add_bounded(range->last, 1);
		if (range->first > root->offset)
			root->offset = range->first;
		if (root->has_limit || range->has_last)
		{
			if (end <= root->offset)
				return problem_set(
					job->problem, 416, "PGRST103", "Requested range not satisfiable",
					"The lower boundary must be lower than or equal to the upper boundary in the Range header.",
					NULL);
			root->has_limit = true;
			root->limit = end - root->offset;
		}
	}
	return true;
}

/* No level yields more rows than db-max-rows. */
static void
bound_all(Node *node, int64_t max_rows)
{
	for (; node != NULL; node = node->next)
	{
		if (max_rows > 0 && (!node->has_limit || node->limit > max_rows))
		{
			node->has_limit = true;
			node->limit = max_rows;
		}
		bound_all(node->children, max_rows);
	}
}

/*
 * Builds the tree.  The relation is NULL for rows of a routine that are no
 * relation's; name is the root's in messages and SQL.
 */
bool
resolve_tree(Job *job, const Relation *relation, const char *name)
{
	Node *root = arena_alloc(job->arena, sizeof(*root));

	job->writes = job->request->target == TARGET_RELATION && job->request->method != METHOD_GET &&
				  job->request->method != METHOD_HEAD;
	root->relation = relation;
	root->name = name;
	root->alias = name;
	root->items = job->request->query->select;
	root->selects_all = root->items == NULL && !job->request->query->has_select;
	job->root = root;
	if (!resolve_items(job, root, 0) || !give_scopes(job))
		return false;
	if (job->writes)
		return true;
	if (!bound_root(job))
		return false;
	bound_all(root, job->limits->max_rows);
	job->plan->offset = root->offset;
	job->plan->has_limit = root->has_limit;
	job->plan->limit = root->limit;
	return true;
}
