/*
 * view_key.c
 *		Which columns identify a row of a table.  An index that is deferrable,
 *		partial or over expressions does not.
 */
#include "cipher/view.h"

#include "access/genam.h"
#include "access/stratnum.h"
#include "utils/lsyscache.h"

/* The columns of an index that allows one row per key, none of them null; NIL when it does not. */
static List *
columns_of_key(Relation table, Relation index)
{
	Form_pg_index form = index->rd_index;
	List *key = NIL;

	if (!form->indisunique || !form->indimmediate || !form->indisvalid || !form->indislive ||
		RelationGetIndexPredicate(index) != NIL)
		return NIL;
	for (int i = 0; i < form->indnkeyatts; i++)
	{
		AttrNumber stored = form->indkey.values[i];
		ViewKeyColumn *column;
		Oid equal = get_opfamily_member(index->rd_opfamily[i], index->rd_opcintype[i], index->rd_opcintype[i],
										BTEqualStrategyNumber);

		if (stored <= 0 || !OidIsValid(equal) || !TupleDescAttr(RelationGetDescr(table), stored - 1)->attnotnull)
			return NIL;
		column = palloc(sizeof(ViewKeyColumn));
		column->stored = stored;
		column->equal = equal;
		key = lappend(key, column);
	}
	return key;
}

/* Whether a key has an encrypted column, by which a role that sees masks finds no row. */
static bool
is_encrypted(Relation table, List *key)
{
	ListCell *cell;

	foreach(cell, key)
	{
		AttrNumber stored = ((ViewKeyColumn *) lfirst(cell))->stored;

		if (type_holds_encrypted(TupleDescAttr(RelationGetDescr(table), stored - 1)->atttypid, false))
			return true;
	}
	return false;
}

List *
view_find_key(Relation table)
{
	List *indexes = RelationGetIndexList(table);
	List *found = NIL;
	ListCell *cell;

	foreach(cell, indexes)
	{
		Relation index = index_open(lfirst_oid(cell), AccessShareLock);
		bool is_primary = index->rd_index->indisprimary;
		List *key = columns_of_key(table, index);

		index_close(index, AccessShareLock);
		if (key != NIL && (is_primary || found == NIL || (is_encrypted(table, found) && !is_encrypted(table, key))))
			found = key;
		if (key != NIL && is_primary)
			break;
	}
	list_free(indexes);
	return found;
}
