/*
 * implied.c
 *		Lets "reveal(email) = 'x'" use the index on email.
 *
 * The server cannot see that such a comparison implies one of blind tags, so a
 * planner hook adds that one beside it: where the column is opened in the same
 * query, or below, in the subquery that a view became.  The comparison as
 * written stays as a filter; what is added may only leave out rows that the
 * filter would leave out too, or the answer would change.  So it is added
 *	 - for the base type's own equality, and of text under a deterministic
 *	   collation: equal values have equal tags;
 *	 - for conjuncts that decide about rows (WHERE and the ON of joins), into
 *	   subqueries that only filter and join;
 *	 - only when the current role may decrypt with the column's key.  For a role
 *	   that gets masks the filter compares masks; for one without a grant it
 *	   raises; and a comparison of tags would let both test guesses.
 *
 * Such a plan is made again when the role changes, or keys and grants do, or
 * memberships.  Where a plan outlives all that (a cursor that another role
 * fetches from), readable_probe() raises instead of comparing.
 */
#include "cipher/private.h"

#include "access/stratnum.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_readable_probe);

static planner_hook_type previous_planner = NULL;

/* Whether this session holds plans that depend on who may decrypt. */
static bool has_dependent_plans = false;

/* One call of the planner. */
typedef struct Planning
{
	ParamListInfo params;
	bool depends_on_grants; /* a comparison was found, whether or not anything was added */
} Planning;

/* Where a query stands, and what is known of it. */
typedef struct Level
{
	Planning *planning;
	Query *query;
	bool in_exists; /* the planner turns EXISTS into a join unless an outer column is used too deep in it */
} Level;

static void improve_query(Planning *planning, Query *query, bool in_exists);

/* ---- the comparison that is added ---- */

/* For whom the last check of a place in a query was passed. */
typedef struct ReadableMemo
{
	Oid user;
	uint64 generation;
} ReadableMemo;

/* readable_probe(probe anyelement, modifier integer): the probe, while the role may decrypt */
Datum
tsec_readable_probe(PG_FUNCTION_ARGS)
{
	ReadableMemo *memo = fcinfo->flinfo->fn_extra;
	int32 modifier = PG_GETARG_INT32(1);

	if (memo != NULL && memo->user == GetUserId() && memo->generation == keyring_generation())
		PG_RETURN_DATUM(PG_GETARG_DATUM(0));
	if (unlikely(!keyring_allows_modifier(modifier, KEY_DECRYPT)))
	{
		const char *name = keyring_name_of(modifier);

		ResetPlanCache(); /* the next execution plans for the role as it is then */
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("permission denied to decrypt with key \"%s\"", name ? name : "?"),
						errdetail("The query was planned for a role that may.")));
	}
	if (memo == NULL)
		fcinfo->flinfo->fn_extra = memo = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(ReadableMemo));
	memo->user = GetUserId();
	memo->generation = keyring_generation();
	PG_RETURN_DATUM(PG_GETARG_DATUM(0));
}

/* The expression readable_probe(probe, modifier); NULL when the function is not to be found. */
static Expr *
guard_probe(Expr *probe, int32 modifier)
{
	static const Oid arguments[] = {ANYELEMENTOID, INT4OID};
	Oid type = exprType((Node *) probe);
	Oid function = GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum("readable_probe"),
								   PointerGetDatum(buildoidvector(arguments, lengthof(arguments))),
								   ObjectIdGetDatum(get_namespace_oid(TSEC_INTERNAL_SCHEMA, false)));

	if (!OidIsValid(function))
		return NULL;
	return (Expr *) makeFuncExpr(
		function, type,
		list_make2(probe, makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(modifier), false, true)),
		InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Finds what the compared expression must not hold: columns of its query, and what cannot be written twice. */
static bool
is_unfit(Node *node, bool *outer)
{
	if (node == NULL)
		return false;
	switch (nodeTag(node))
	{
		case T_Var:
			if (((Var *) node)->varlevelsup == 0)
				return true;
			*outer = true;
			return false;
		case T_Aggref:
		case T_GroupingFunc:
		case T_WindowFunc:
		case T_SubLink:
		case T_SubPlan:
		case T_PlaceHolderVar:
		case T_CurrentOfExpr:
		case T_SetToDefault:
		case T_NextValueExpr:
			return true;
		default:
			return expression_tree_walker(node, is_unfit, outer);
	}
}

/* Whether an operator is a base type's equality, with which type on the other side. */
static bool
is_equality(Oid operator, Oid base, Oid other, bool is_array)
{
	TypeCacheEntry *cache = lookup_type_cache(base, TYPECACHE_EQ_OPR | TYPECACHE_BTREE_OPFAMILY);

	if (other == base)
		return operator== cache->eq_opr;
	/* types whose every value the base type holds, compared as it would be */
	if (is_array ||
		!((base == INT8OID && (other == INT4OID || other == INT2OID)) || (base == FLOAT8OID && other == FLOAT4OID)))
		return false;
	return operator== get_opfamily_member(cache->btree_opf, base, other, BTEqualStrategyNumber);
}

/* Computes what can be computed before execution, so that of constants and known parameters the probe is made now. */
static Node *
simplify(Planning *planning, Node *node)
{
	PlannerGlobal global = {.type = T_PlannerGlobal, .boundParams = planning->params};
	PlannerInfo root = {.type = T_PlannerInfo, .glob = &global};

	return eval_const_expressions(&root, node);
}

/* One comparison of a column with an expression. */
typedef struct Comparison
{
	Oid operator; /* with the column on the left */
	Oid collation;
	Node *column;
	Node *plain;
	bool is_array; /* column = ANY (plain) */
} Comparison;

/* Whether a subquery does nothing but filter and join, so that a condition on its rows may stand in its WHERE. */
static bool
only_filters(const Query *query)
{
	return query->commandType == CMD_SELECT && query->setOperations == NULL && !query->hasAggs &&
		   !query->hasWindowFuncs && !query->hasTargetSRFs && query->groupClause == NIL &&
		   query->groupingSets == NIL && query->havingQual == NULL && query->distinctClause == NIL &&
		   query->limitOffset == NULL && query->limitCount == NULL && !query->hasModifyingCTE;
}

/*
 * Follows a column down through subqueries to the call that opens it; NULL when it is none.  place is the query the
 * opened column belongs to, depth how far below it stands.
 */
static FuncExpr *
find_opened(Query *query, Node *node, bool descend, Query **place, int *depth)
{
	*depth = 0;
	for (;;)
	{
		FuncExpr *call = opened_call(node);
		RangeTblEntry *source;
		TargetEntry *entry;
		Var *column;

		*place = query;
		if (call != NULL)
			return opened_column(call)->varlevelsup == 0 ? call : NULL;
		while (node != NULL && IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		if (!descend || node == NULL || !IsA(node, Var))
			return NULL;
		column = (Var *) node;
		if (column->varlevelsup != 0 || column->varattno <= 0)
			return NULL;
		source = rt_fetch(column->varno, query->rtable);
		if (source->rtekind != RTE_SUBQUERY || !only_filters(source->subquery))
			return NULL;
		entry = get_tle_by_resno(source->subquery->targetList, column->varattno);
		if (entry == NULL || entry->resjunk)
			return NULL;
		query = source->subquery;
		node = (Node *) entry->expr;
		(*depth)++;
	}
}

/* The comparison of tags that one of values implies, and the query it belongs to; NULL when there is none. */
static Expr *
implied_by(Level *level, const Comparison *comparison, bool descend, Query **place)
{
	int depth;
	int32 modifier;
	bool outer = false;
	FuncExpr *call = find_opened(level->query, comparison->column, descend, place, &depth);
	const EncryptedType *type;
	Oid base;
	Oid other = exprType(comparison->plain);
	Node *plain;
	Expr *probe;
	Oid equal;

	if (call == NULL)
		return NULL;
	type = opened_type(call, &modifier);
	base = type->codec->base_type;
	if (!type->searchable || modifier < 0)
		return NULL;
	if (!is_equality(comparison->operator, base, comparison->is_array ? get_element_type(other) : other,
					 comparison->is_array))
		return NULL;
	if (type_is_collatable(base) &&
		(!OidIsValid(comparison->collation) || !get_collation_isdeterministic(comparison->collation)))
		return NULL;
	if (is_unfit(comparison->plain, &outer) || (outer && depth > 0 && level->in_exists) ||
		contain_volatile_functions(comparison->plain) || expression_returns_set(comparison->plain))
		return NULL;

	level->planning->depends_on_grants = true;
	if (!keyring_allows_modifier(modifier, KEY_DECRYPT))
		return NULL;

	plain = copyObject(comparison->plain);
	if (!comparison->is_array && other != base)
		plain = coerce_to_target_type(NULL, plain, other, base, -1, COERCION_IMPLICIT, COERCE_IMPLICIT_CAST, -1);
	if (plain == NULL)
		return NULL;
	plain = simplify(level->planning, plain);
	if (IsA(plain, Const) && ((Const *) plain)->constisnull)
		return NULL;
	if (depth > 0)
		IncrementVarSublevelsUp(plain, depth, 0);
	probe = probe_expression(type, plain, comparison->is_array);
	if (probe != NULL)
		probe = guard_probe(probe, modifier);
	equal = lookup_type_cache(type_oid(type), TYPECACHE_EQ_OPR)->eq_opr;
	if (probe == NULL || !OidIsValid(equal))
		return NULL;
	if (comparison->is_array)
	{
		ScalarArrayOpExpr *any = makeNode(ScalarArrayOpExpr);

		any->opno = equal;
		any->useOr = true;
		any->args = list_make2(copyObject(linitial(call->args)), probe);
		any->location = -1;
		return (Expr *) any;
	}
	return make_opclause(equal, BOOLOID, false, copyObject(linitial(call->args)), probe, InvalidOid, InvalidOid);
}

/* ---- where comparisons stand ---- */

static void
add_condition(Node **quals, Expr *condition)
{
	*quals = make_and_qual(*quals, (Node *) condition);
}

/* Looks at one comparison, from one side; adds what it implies here or below. */
static bool
try_comparison(Level *level, const Comparison *comparison, bool descend, Node **quals)
{
	Query *place;
	Expr *implied = implied_by(level, comparison, descend, &place);

	if (implied == NULL)
		return false;
	add_condition(place == level->query ? quals : &place->jointree->quals, implied);
	return true;
}

/* Looks at one condition: goes into AND, and adds to *quals what its comparisons imply. */
static void
improve_condition(Level *level, Node *node, bool descend, Node **quals)
{
	check_stack_depth();
	if (node == NULL)
		return;
	if (is_andclause(node))
	{
		ListCell *cell;

		foreach(cell, ((BoolExpr *) node)->args)
			improve_condition(level, lfirst(cell), descend, quals);
	}
	else if (IsA(node, OpExpr) && list_length(((OpExpr *) node)->args) == 2)
	{
		OpExpr *operation = (OpExpr *) node;
		Comparison comparison = {operation->opno, operation->inputcollid, linitial(operation->args),
								 lsecond(operation->args), false};

		if (try_comparison(level, &comparison, descend, quals))
			return;
		comparison.operator= get_commutator(operation->opno);
		comparison.column = lsecond(operation->args);
		comparison.plain = linitial(operation->args);
		if (OidIsValid(comparison.operator))
			(void) try_comparison(level, &comparison, descend, quals);
	}
	else if (IsA(node, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) node)->useOr)
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) node;
		Comparison comparison = {any->opno, any->inputcollid, linitial(any->args), lsecond(any->args), true};

		(void) try_comparison(level, &comparison, descend, quals);
	}
}

/* Goes through a join tree.  Below an outer join's own condition nothing is filtered, so there nothing descends. */
static void
improve_joins(Level *level, Node *node)
{
	check_stack_depth();
	if (node == NULL)
		return;
	if (IsA(node, FromExpr))
	{
		FromExpr *from = (FromExpr *) node;
		ListCell *cell;

		foreach(cell, from->fromlist)
			improve_joins(level, lfirst(cell));
		/* MERGE keeps its join condition here, which decides about matches and not about rows */
		improve_condition(level, from->quals, level->query->commandType != CMD_MERGE, &from->quals);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr *join = (JoinExpr *) node;

		improve_joins(level, join->larg);
		improve_joins(level, join->rarg);
		improve_condition(level, join->quals, join->jointype == JOIN_INNER, &join->quals);
	}
}

static bool
improve_sublinks(Node *node, Planning *planning)
{
	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink *link = (SubLink *) node;

		improve_query(planning, castNode(Query, link->subselect), link->subLinkType == EXISTS_SUBLINK);
		return improve_sublinks(link->testexpr, planning);
	}
	return expression_tree_walker(node, improve_sublinks, planning);
}

/* ---- rows that an update through a view is about to write ---- */

/* Whether updates of a relation are written by write_decrypted_view(). */
static bool
writes_by_trigger(Oid view)
{
	Relation relation = table_open(view, NoLock);
	TriggerDesc *triggers = relation->trigdesc;
	bool found = false;

	for (int i = 0; triggers != NULL && triggers->trig_update_instead_row && i < triggers->numtriggers; i++)
		found = found || (TRIGGER_TYPE_MATCHES(triggers->triggers[i].tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_INSTEAD,
											   TRIGGER_TYPE_UPDATE) &&
						  opened_is_function(triggers->triggers[i].tgfoid, VIEW_TRIGGER));
	table_close(relation, NoLock);
	return found;
}

/*
 * Makes an update of a decrypted view lock each row where it is read, as the update of a table does, so that new values
 * are computed from the latest ones: SET n = n + 1 loses nothing.  Only where the WHERE is sure to go below the lock;
 * else rows would be locked that it leaves out.  The trigger notices by itself what was changed meanwhile.
 */
static void
lock_updated_rows(Query *query)
{
	RangeTblEntry *target = rt_fetch(query->resultRelation, query->rtable);
	RangeTblEntry *source;
	RangeTblEntry *table;
	RowMarkClause *mark;
	Query *view;
	Node *from;

	if (target->rtekind != RTE_RELATION || target->relkind != RELKIND_VIEW ||
		list_length(query->jointree->fromlist) != 1)
		return;
	from = linitial(query->jointree->fromlist);
	if (!IsA(from, RangeTblRef))
		return;
	source = rt_fetch(((RangeTblRef *) from)->rtindex, query->rtable);
	if (source->rtekind != RTE_SUBQUERY || source->security_barrier || !only_filters(source->subquery))
		return;
	view = source->subquery;
	if (view->rowMarks != NIL || list_length(view->jointree->fromlist) != 1 ||
		!IsA(linitial(view->jointree->fromlist), RangeTblRef))
		return;
	mark = makeNode(RowMarkClause);
	mark->rti = ((RangeTblRef *) linitial(view->jointree->fromlist))->rtindex;
	table = rt_fetch(mark->rti, view->rtable);
	if (table->rtekind != RTE_RELATION ||
		(table->relkind != RELKIND_RELATION && table->relkind != RELKIND_PARTITIONED_TABLE))
		return;
	if (contain_volatile_functions(query->jointree->quals) || checkExprHasSubLink(query->jointree->quals) ||
		!writes_by_trigger(target->relid))
		return;

	LockRelationOid(table->relid, RowShareLock);
	table->rellockmode = RowShareLock;
	mark->strength = LCS_FORNOKEYUPDATE;
	mark->waitPolicy = LockWaitBlock;
	mark->pushedDown = true;
	view->rowMarks = list_make1(mark);
	view->hasForUpdate = true;
}

/* ---- the hook ---- */

/* Improves a query and all below it.  Of a query without subqueries only the conditions' top is looked at. */
static void
improve_query(Planning *planning, Query *query, bool in_exists)
{
	Level level = {planning, query, in_exists};
	ListCell *cell;

	check_stack_depth();
	if (query->commandType == CMD_UTILITY)
		return;
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_SUBQUERY && entry->subquery != NULL)
			improve_query(planning, entry->subquery, false);
	}
	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst(cell);

		improve_query(planning, castNode(Query, cte->ctequery), false);
	}
	if (query->hasSubLinks)
		(void) query_tree_walker(query, improve_sublinks, planning, QTW_IGNORE_RC_SUBQUERIES);
	improve_joins(&level, (Node *) query->jointree);
	if (query->commandType == CMD_UPDATE && query->resultRelation > 0)
		lock_updated_rows(query);
}

static PlannedStmt *
plan_with_implied(Query *parse, const char *text, int options, ParamListInfo params)
{
	Planning planning = {.params = params};
	PlannedStmt *plan;

	if (types_exist())
		improve_query(&planning, parse, false);
	plan = previous_planner ? previous_planner(parse, text, options, params)
							: standard_planner(parse, text, options, params);
	if (planning.depends_on_grants)
	{
		has_dependent_plans = true;
		plan->dependsOnRole = true;
		plan->relationOids = lappend_oid(plan->relationOids, keyring_signal_relation());
	}
	return plan;
}

/* Roles and memberships: no plan is registered for their changes, so all are made again. */
static void
note_role_change(Datum argument, int cache, uint32 hash)
{
	if (has_dependent_plans)
		ResetPlanCache();
}

void
implied_init(void)
{
	previous_planner = planner_hook;
	planner_hook = plan_with_implied;
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, note_role_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
}
