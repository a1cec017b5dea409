/*
 * subject.c
 *		Which columns hold data of persons: told to audit, so that the log has a
 *		digest of such a value and not the value itself.
 *
 * A registered column is one of the whole tree of tables that the registered one
 * is in: rows of a partition are written into the log as rows of whichever table
 * of the tree a statement named.  Audit asks when it makes a plan for a table,
 * and makes its plans again when the list changes.
 */
#include "retention/private.h"

#include "audit/audit.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_inherits.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

/* Columns of twin_internal.subject_columns. */
enum
{
	SUBJECT_RELATION = 1,
	SUBJECT_COLUMN
};

/* Adds the tables that one is a partition of, or inherits from, to those it is in the tree with. */
static List *
add_parents(List *tree, Relation inherits, Oid relation)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		tree = list_append_unique_oid(tree, ((Form_pg_inherits) GETSTRUCT(tuple))->inhparent);
	systable_endscan(scan);
	return tree;
}

/* Tables whose columns a table shares: itself, those above it and those below it. */
static List *
tree_of(Oid relation)
{
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	List *above = list_make1_oid(relation);

	for (int i = 0; i < list_length(above); i++)
		above = add_parents(above, inherits, list_nth_oid(above, i));
	table_close(inherits, AccessShareLock);
	return list_concat_unique_oid(above, find_all_inheritors(relation, NoLock, NULL));
}

/* Names of the columns of a table that hold data of persons. */
static List *
personal_columns(Oid relation)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);
	Oid registered = OidIsValid(schema) ? get_relname_relid("subject_columns", schema) : InvalidOid;
	List *names = NIL;
	List *tree = NIL;
	Relation table;
	SysScanDesc scan;
	HeapTuple tuple;

	if (!OidIsValid(registered))
		return NIL;
	table = table_open(registered, AccessShareLock);
	scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		bool null;
		Oid of = DatumGetObjectId(heap_getattr(tuple, SUBJECT_RELATION, RelationGetDescr(table), &null));
		Name name = DatumGetName(heap_getattr(tuple, SUBJECT_COLUMN, RelationGetDescr(table), &null));

		if (tree == NIL)
			tree = tree_of(relation);
		if (list_member_oid(tree, of))
			names = lappend(names, pstrdup(NameStr(*name)));
	}
	systable_endscan(scan);
	table_close(table, AccessShareLock);
	return names;
}

void
subject_init(void)
{
	audit_set_personal(personal_columns);
}
