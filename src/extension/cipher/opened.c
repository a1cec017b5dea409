/*
 * opened.c
 *		Recognises expressions that open a column: twin.reveal(column),
 *		twin.decrypt(column), and the cast to the base type, which is the latter.
 */
#include "cipher/private.h"

#include "catalog/namespace.h"
#include "nodes/nodeFuncs.h"
#include "utils/lsyscache.h"

bool
opened_is_function(Oid function, const char *name)
{
	char *found;
	bool same;

	if (get_func_namespace(function) != get_namespace_oid(TSEC_SCHEMA, true))
		return false;
	found = get_func_name(function);
	same = found != NULL && strcmp(found, name) == 0;
	if (found != NULL)
		pfree(found);
	return same;
}

/* Takes off what changes neither the bytes of a text nor whether two are equal. */
static Node *
strip(Node *node)
{
	for (;;)
	{
		if (node != NULL && IsA(node, RelabelType))
			node = (Node *) ((RelabelType *) node)->arg;
		else if (node != NULL && IsA(node, CollateExpr))
			node = (Node *) ((CollateExpr *) node)->arg;
		else
			return node;
	}
}

FuncExpr *
opened_call(Node *expression)
{
	Node *node = strip(expression);
	FuncExpr *call;

	if (node == NULL || !IsA(node, FuncExpr))
		return NULL;
	call = (FuncExpr *) node;
	if (list_length(call->args) != 1 || type_of_oid(exprType(linitial(call->args))) == NULL ||
		!IsA(strip(linitial(call->args)), Var))
		return NULL;
	if (!opened_is_function(call->funcid, "reveal") && !opened_is_function(call->funcid, "decrypt"))
		return NULL;
	return call;
}

Var *
opened_column(const FuncExpr *call)
{
	return castNode(Var, strip(linitial(call->args)));
}

const EncryptedType *
opened_type(const FuncExpr *call, int32 *modifier)
{
	*modifier = modifier_of_expression((Node *) opened_column(call));
	return type_of_oid(exprType(linitial(call->args)));
}
