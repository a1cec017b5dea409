/*
 * mask_plan.c
 *		Planner support: mask(column) becomes mask_as(column, 'its pattern').
 *
 * The caller names no pattern, so that nobody who may only mask can ask one
 * value under many.  A column is found through joins, subqueries, views and
 * common table expressions that hand it on as it is.  A partition without a
 * mask has that of the table it is part of.
 *
 * A column without a mask is masked by its type's default, if it is a table's
 * that belongs to whom need not be kept out: a superuser or a member of
 * twin_admin.  Anybody else's may hold what was copied out of a masked column;
 * there, and where no column is found, the call stays as it is (see mask.c).
 */
#include "cipher/mask_private.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_collation.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "nodes/supportnodes.h"
#include "parser/parse_relation.h"
#include "parser/parsetree.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_mask_support);

/* A column of a relation that is stored. */
typedef struct Column
{
	Oid relation;
	AttrNumber number;
} Column;

/* The common table expression a range table entry stands for, if it belongs to the same query and is no more than a query. */
static Query *
query_of_cte(Query *query, RangeTblEntry *entry)
{
	ListCell *cell;

	if (entry->ctelevelsup > 0 || entry->self_reference)
		return NULL;
	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst(cell);

		/* public: a name in a query */
		if (strcmp(cte->ctename, entry->ctename) == 0)
			return cte->cterecursive || !IsA(cte->ctequery, Query) ? NULL : (Query *) cte->ctequery;
	}
	return NULL;
}

/* Finds the stored column whose value an expression of a query is, handed on unchanged. */
static bool
find_column(Query *query, Node *expression, Column *column)
{
	for (;;)
	{
		Var *var;
		RangeTblEntry *entry;
		TargetEntry *output;
		Node *alias;

		while (expression != NULL && IsA(expression, RelabelType)) /* a domain as its base type */
			expression = (Node *) ((RelabelType *) expression)->arg;
		if (expression == NULL || !IsA(expression, Var))
			return false;
		var = (Var *) expression;
		/* another level's Var: which query it belongs to is not always to be told from here */
		if (var->varlevelsup > 0 || var->varattno <= 0 || var->varno <= 0 ||
			(int) var->varno > list_length(query->rtable))
			return false;

		entry = rt_fetch(var->varno, query->rtable);
		alias = compat_alias_of(entry, var->varattno);
		if (alias != NULL)
		{
			expression = alias;
			continue;
		}
		if (entry->rtekind == RTE_RELATION)
		{
			*column = (Column){entry->relid, var->varattno};
			return true;
		}
		if (entry->rtekind == RTE_SUBQUERY)
			query = entry->subquery;
		else if (entry->rtekind == RTE_CTE)
			query = query_of_cte(query, entry);
		else
			return false;
		if (query == NULL || query->commandType != CMD_SELECT || query->setOperations != NULL)
			return false;
		output = get_tle_by_resno(query->targetList, var->varattno);
		if (output == NULL || output->resjunk)
			return false;
		expression = (Node *) output->expr;
	}
}

/* Whether nobody can have put a copy of a masked column's value into a relation, except whom need not be kept out. */
static bool
is_trusted(Oid relation)
{
	Oid admin = get_role_oid(MASK_ADMIN_ROLE, true);
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Form_pg_class form;
	bool trusted;

	if (!HeapTupleIsValid(tuple))
		return false;
	form = (Form_pg_class) GETSTRUCT(tuple);
	/* a view or a foreign table shows what is stored elsewhere, a materialized view what was copied */
	trusted = (form->relkind == RELKIND_RELATION || form->relkind == RELKIND_PARTITIONED_TABLE) &&
			  form->relpersistence != RELPERSISTENCE_TEMP &&
			  (superuser_arg(form->relowner) || (OidIsValid(admin) && has_privs_of_role(form->relowner, admin))) &&
			  /* a child of plain inheritance may belong to a parent that has a mask */
			  (form->relispartition || !has_superclass(relation));
	ReleaseSysCache(tuple);
	return trusted;
}

/* The pattern for a column; NULL where it is left to the call. */
static const char *
pattern_of(const EncryptedType *type, const Column *column)
{
	Oid base = get_atttype(column->relation, column->number);
	const char *pattern;

	/* a check constraint is looked at before its columns are numbered for the query */
	if (!OidIsValid(base) || type_of_oid(getBaseType(base)) != type)
		return NULL;
	pattern = mask_label_of(column->relation, column->number);
	return pattern == NULL && is_trusted(column->relation) ? "default" : pattern;
}

/* mask_support(internal): mask(column) becomes mask_as(column, pattern), reveal likewise */
Datum
tsec_mask_support(PG_FUNCTION_ARGS)
{
	Node *raw = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSimplify *request;
	FuncExpr *call;
	const EncryptedType *type;
	Column column;
	const char *pattern;
	const char *name;
	Oid arguments[2];
	Oid function;

	if (!IsA(raw, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	request = (SupportRequestSimplify *) raw;
	call = request->fcall;
	if (request->root == NULL || list_length(call->args) != 1 ||
		!find_column(request->root->parse, linitial(call->args), &column))
		PG_RETURN_POINTER(NULL);
	type = type_of_argument(call->funcid, 0);
	pattern = pattern_of(type, &column);
	name = get_func_name(call->funcid);
	if (pattern == NULL || name == NULL)
		PG_RETURN_POINTER(NULL);

	arguments[0] = type_oid(type);
	arguments[1] = TEXTOID;
	function = base_internal_function(psprintf("%s_as", name), arguments, lengthof(arguments));
	if (!OidIsValid(function))
		PG_RETURN_POINTER(NULL);
	PG_RETURN_POINTER(
		makeFuncExpr(function, call->funcresulttype,
					 list_make2(linitial(call->args), makeConst(TEXTOID, -1, DEFAULT_COLLATION_OID, -1,
																CStringGetTextDatum(pattern), false, false)),
					 call->funccollid, call->inputcollid, COERCE_EXPLICIT_CALL));
}
