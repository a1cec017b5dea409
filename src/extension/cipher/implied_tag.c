/*
 * implied_tag.c
 *		The comparison of tags that a comparison of values implies, or NULL where
 *		it implies none or the role may not know; implied.c has the rule.
 */
#include "cipher/implied.h"

#include "access/stratnum.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_readable_probe);

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
	Oid function = base_internal_function("readable_probe", arguments, lengthof(arguments));

	if (!OidIsValid(function))
		return NULL;
	return (Expr *) makeFuncExpr(
		function, type,
		list_make2(probe, makeConst(INT4OID, -1, InvalidOid, sizeof(int32), Int32GetDatum(modifier), false, true)),
		InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Finds what the compared expression must not hold: columns of its query, and what cannot be written twice. */
static bool
is_unfit(Node *node, void *context)
{
	bool *outer = context;

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

bool
implied_only_filters(const Query *query)
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
		if (source->rtekind != RTE_SUBQUERY || !implied_only_filters(source->subquery))
			return NULL;
		entry = get_tle_by_resno(source->subquery->targetList, column->varattno);
		if (entry == NULL || entry->resjunk)
			return NULL;
		query = source->subquery;
		node = (Node *) entry->expr;
		(*depth)++;
	}
}

Expr *
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
	if (keyring_depends_on_asker(modifier))
		implied_note_asker(modifier, keyring_allows_modifier(modifier, KEY_DECRYPT));
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
		/* the collation means nothing to the operator, but an index is only looked at under its own */
		any->inputcollid = exprCollation(linitial(call->args));
		return (Expr *) any;
	}
	return make_opclause(equal, BOOLOID, false, copyObject(linitial(call->args)), probe, InvalidOid,
						 exprCollation(linitial(call->args)));
}
