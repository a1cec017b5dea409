/*
 * inline.c
 *		SQL functions in FROM, such as "SELECT * FROM newest_clients()".
 *
 * The planner puts the body of a simple one in its place, but only after its
 * hook: an ORDER BY in it would stay one by tags, and its conditions would find
 * no index.  So the same is done here first, by the planner's own function.
 */
#include "cipher/private.h"

#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/clauses.h"
#include "optimizer/optimizer.h"

/* Puts a function's body in its place where the planner would; mirrors preprocess_function_rtes(). */
static void
inline_entry(Query *query, RangeTblEntry *entry, PlannerGlobal *global)
{
	PlannerInfo root = {.type = T_PlannerInfo, .parse = query, .glob = global, .query_level = 1};
	Query *body;

	root.planner_cxt = CurrentMemoryContext;
	entry->functions = (List *) eval_const_expressions(&root, (Node *) entry->functions);
	body = inline_set_returning_function(&root, entry);
	if (body == NULL)
		return;
	entry->rtekind = RTE_SUBQUERY;
	entry->subquery = body;
	entry->security_barrier = false;
	entry->functions = NIL;
	entry->funcordinality = false;
}

/* Goes through a query and all below it, function bodies included; one that calls itself ends at the stack's limit. */
static bool
inline_node(Node *node, void *global)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query *query = (Query *) node;
		ListCell *cell;

		if (query->commandType == CMD_UTILITY)
			return false;
		foreach(cell, query->rtable)
			if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_FUNCTION)
				inline_entry(query, lfirst(cell), global);
		return query_tree_walker(query, inline_node, global, 0);
	}
	return expression_tree_walker(node, inline_node, global);
}

void
inline_functions(Query *query, PlannerGlobal *global)
{
	(void) inline_node((Node *) query, global);
}
