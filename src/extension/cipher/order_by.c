/*
 * order_by.c
 *		ORDER BY on a searchable column means the order of what it holds.
 *
 * The default btree class of a searchable type is that of its tags: unique
 * indexes, grouping and merge joins need it, and PostgreSQL knows one default
 * for those and for ORDER BY.  So before a query is planned (implied.c has the
 * hook), the sort operator of every ORDER BY (of queries, windows and
 * aggregates) over tags is replaced by that of the plaintext order.  Grouping
 * stays with the tags, and so does DISTINCT without an ORDER BY; with one it
 * must agree with it, because the planner drops duplicates by counting columns
 * of that order.
 *
 * Without preloading, the statement that loads the library was planned before
 * this hook was there: a sort by tags in it is refused, once, and all plans
 * kept by the session are made anew.
 */
#include "cipher/private.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_operator.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "tcop/pquery.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

/* When a session loaded the library by itself; 0 when it was preloaded. */
static TimestampTz loaded_at = 0;

/* The operator of the plaintext order that stands for one of the tag order; InvalidOid for any other operator. */
static Oid
plaintext_operator(Oid operator)
{
	Oid left;
	Oid right;
	const EncryptedType *type;
	char *name;
	const char *wanted = NULL;

	if (operator<FirstNormalObjectId)
		return InvalidOid;
	op_input_types(operator, & left, &right);
	type = type_of_oid(left);
	if (type == NULL || left != right)
		return InvalidOid;
	name = get_opname(operator);
	if (name != NULL && strcmp(name, "~<~") == 0)
		wanted = "<";
	else if (name != NULL && strcmp(name, "~>~") == 0)
		wanted = ">";
	return wanted == NULL
			   ? InvalidOid
			   : GetSysCacheOid4(OPERNAMENSP, Anum_pg_operator_oid, CStringGetDatum(wanted), ObjectIdGetDatum(left),
								 ObjectIdGetDatum(right), ObjectIdGetDatum(PG_CATALOG_NAMESPACE));
}

/* Whether texts may be equal by an expression's collation that differ in their bytes, and so in their tags. */
static bool
has_loose_collation(Node *expression)
{
	Oid collation = exprCollation(expression);

	return OidIsValid(collation) && !get_collation_isdeterministic(collation);
}

/*
 * Replaces the sort operators of an ORDER BY list, and of a list that must agree with it.  Where that could find other
 * duplicates by hashing tags than by sorting, it only sorts.
 */
static void
order_by_plaintext(List *clauses, List *agreeing, List *targets)
{
	ListCell *cell;
	ListCell *other;

	foreach(cell, clauses)
	{
		SortGroupClause *clause = lfirst_node(SortGroupClause, cell);
		Oid operator= plaintext_operator(clause->sortop);

		if (!OidIsValid(operator))
			continue;
		clause->sortop = operator;
		foreach(other, agreeing)
		{
			SortGroupClause *same = lfirst_node(SortGroupClause, other);

			if (same->tleSortGroupRef != clause->tleSortGroupRef)
				continue;
			same->sortop = operator;
			same->hashable = same->hashable && !has_loose_collation(get_sortgroupclause_expr(clause, targets));
		}
	}
}

static bool
order_expression(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		Query *query = (Query *) node;
		ListCell *cell;

		order_by_plaintext(query->sortClause, query->distinctClause, query->targetList);
		foreach(cell, query->windowClause)
			order_by_plaintext(lfirst_node(WindowClause, cell)->orderClause, NIL, NIL);
		return query_tree_walker(query, order_expression, context, 0);
	}
	if (IsA(node, Aggref))
	{
		Aggref *aggregate = (Aggref *) node;

		order_by_plaintext(aggregate->aggorder, aggregate->aggdistinct, aggregate->args);
	}
	if (IsA(node, MinMaxExpr) && type_of_oid(getBaseType(((MinMaxExpr *) node)->minmaxtype)) != NULL &&
		type_of_oid(getBaseType(((MinMaxExpr *) node)->minmaxtype))->searchable)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
						errmsg("least and greatest of searchable values would go by their blind tags"),
						errhint("Cast them to the base type.")));
	return expression_tree_walker(node, order_expression, context);
}

void
order_by_contents(Query *query)
{
	(void) order_expression((Node *) query, NULL);
}

void
order_by_init(void)
{
	if (base_is_preloaded() || IsParallelWorker())
		return;
	loaded_at = GetCurrentTimestamp();
	ResetPlanCache();
}

void
order_by_refuse_early(void)
{
	PlannedStmt *statement;

	if (likely(loaded_at == 0 || GetCurrentStatementStartTimestamp() > loaded_at))
		return;
	if (ActivePortal == NULL || ActivePortal->stmts == NIL)
		return;
	statement = linitial_node(PlannedStmt, ActivePortal->stmts);
	if (statement->commandType == CMD_UTILITY)
		return; /* an index is built, and by tags it shall be */
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("this statement was planned before twin_security was loaded"),
					errhint("Run it again, or add twin_security to shared_preload_libraries.")));
}
