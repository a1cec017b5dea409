/*
 * convert_default.c
 *		The default of a converted column.
 */
#include "cipher/convert.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "optimizer/optimizer.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/*
 * The default's expression, with what is constant in it computed; NULL when
 * there is none.  The owner may have written functions into it, so it is
 * computed as him, and can change nothing of the session.
 */
static Node *
constant_default(Relation relation, AttrNumber number)
{
	Node *expression;
	BaseCaller caller;

	if (!TupleDescAttr(RelationGetDescr(relation), number - 1)->atthasdef)
		return NULL;
	base_become_role(relation->rd_rel->relowner, 0, NULL, &caller);
	PushActiveSnapshot(GetTransactionSnapshot());
	expression = eval_const_expressions(NULL, build_column_default(relation, number));
	PopActiveSnapshot();
	base_return(&caller);
	return expression;
}

/* A constant is sealed: its plaintext must not stay in the catalog. */
char *
conversion_default(Conversion *conversion)
{
	Relation relation = relation_open(conversion->relation, NoLock);
	Node *expression = constant_default(relation, get_attnum(conversion->relation, NameStr(conversion->column)));
	struct varlena *sealed;
	Oid output;
	bool varlena;

	relation_close(relation, NoLock);
	if (expression == NULL)
		return NULL;
	if (!IsA(expression, Const))
		return TextDatumGetCString(convert_ask("encrypt_default", 2, ObjectIdGetDatum(conversion->relation),
											   NameGetDatum(&conversion->column)));
	if (((Const *) expression)->constisnull)
		return NULL;
	sealed =
		value_seal(conversion->type, conversion_base(conversion, ((Const *) expression)->constvalue), NO_MODIFIER);
	getTypeOutputInfo(type_oid(conversion->type), &output, &varlena);
	return quote_literal_cstr(OidOutputFunctionCall(output, PointerGetDatum(sealed)));
}
