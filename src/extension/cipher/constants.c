/*
 * constants.c
 *		Encrypted values that stand in the catalogs instead of tables: constants
 *		in defaults, checks, index expressions, policies, rules, bounds and
 *		function bodies.  A literal is sealed when it is parsed, so it stays
 *		there under its key until the object is made anew.
 */
#include "cipher/private.h"

#include "catalog/pg_type.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "nodes/readfuncs.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_constants_in);
PG_FUNCTION_INFO_V1(tsec_armor_key_id);

/* Name of the encrypted type that a constant's type is, or is an array of; NULL for rows, which may hold several. */
static const char *
type_inside(Oid type)
{
	Oid element = get_element_type(getBaseType(type));
	const EncryptedType *found = type_of_oid(getBaseType(OidIsValid(element) ? element : type));

	return found ? type_name(found) : NULL;
}

static bool
count_constants(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Const))
	{
		Const *constant = (Const *) node;

		if (!constant->constisnull)
			count_value(context, InvalidOid, type_inside(constant->consttype), constant->constvalue,
						constant->consttype);
		return false;
	}
	if (IsA(node, Query))
		return query_tree_walker((Query *) node, count_constants, context, QTW_EXAMINE_RTES_BEFORE);
	if (IsA(node, RangeTblEntry))
		return false; /* query_tree_walker goes into it by itself */
	if (IsA(node, PartitionBoundSpec))
	{
		PartitionBoundSpec *bound = (PartitionBoundSpec *) node;

		return count_constants((Node *) bound->listdatums, context) ||
			   count_constants((Node *) bound->lowerdatums, context) ||
			   count_constants((Node *) bound->upperdatums, context);
	}
	if (IsA(node, PartitionRangeDatum))
		return count_constants(((PartitionRangeDatum *) node)->value, context);
	return expression_tree_walker(node, count_constants, context);
}

/* constants_in(tree pg_node_tree) -> (relation, type_name, key_id, values), the first null */
Datum
tsec_constants_in(PG_FUNCTION_ARGS)
{
	KeyCount *count = count_new();

	(void) count_constants(stringToNode(TextDatumGetCString(PG_GETARG_DATUM(0))), count);
	count_emit(count, fcinfo);
	return (Datum) 0;
}

/* armor_key_id(text) -> integer: the key id armor was sealed under, null when it is none */
Datum
tsec_armor_key_id(PG_FUNCTION_ARGS)
{
	text *armor = PG_GETARG_TEXT_PP(0);
	size_t length = VARSIZE_ANY_EXHDR(armor);
	uint8 *value = palloc(armor_value_bound(length) + 1);
	size_t size;

	if (armor_read(VARDATA_ANY(armor), length, value, &size) != TSEC_OK)
		PG_RETURN_NULL();
	PG_RETURN_INT32((int32) bytes_get_u32(value + 2));
}
