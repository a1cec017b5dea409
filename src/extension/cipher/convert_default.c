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

/*
 * The plain column's default as that of the encrypted one; NULL when there is
 * none.  A constant is sealed: its plaintext must not stay in the catalog.
 */
char *
conversion_default(Conversion *conversion)
{
	Relation relation = relation_open(conversion->relation, NoLock);
	AttrNumber number = get_attnum(conversion->relation, NameStr(conversion->column));
	Node *expression = TupleDescAttr(RelationGetDescr(relation), number - 1)->atthasdef
						   ? build_column_default(relation, number)
						   : NULL;
	char *result = NULL;

	relation_close(relation, NoLock);
	if (expression == NULL)
		return NULL;
	expression = eval_const_expressions(NULL, expression);
	if (!IsA(expression, Const))
		return TextDatumGetCString(convert_ask("encrypt_default", 2, ObjectIdGetDatum(conversion->relation),
											   NameGetDatum(&conversion->column)));
	if (!((Const *) expression)->constisnull)
	{
		Datum value = conversion_base(conversion, ((Const *) expression)->constvalue);
		struct varlena *sealed = value_seal(conversion->type, value, NO_MODIFIER);

		Oid output;
		bool varlena;

		getTypeOutputInfo(type_oid(conversion->type), &output, &varlena);
		result = quote_literal_cstr(OidOutputFunctionCall(output, PointerGetDatum(sealed)));
	}
	return result;
}
