/*
 * subject_statistics.c
 *		What ANALYZE has taken down of columns that are overwritten: common values,
 *		bounds of histograms, values of expressions.  It would stay readable until
 *		the next ANALYZE, which a single row that changes does not bring about.
 */
#include "retention/private.h"

#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/heap.h"
#include "catalog/pg_index.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "commands/defrem.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_forget_statistics);

static bool
has_expressions(Oid index)
{
	HeapTuple tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(index));
	bool has;

	if (!HeapTupleIsValid(tuple))
		return false;
	has = !heap_attisnull(tuple, Anum_pg_index_indexprs, NULL);
	ReleaseSysCache(tuple);
	return has;
}

/* Which columns expressions, and statistics over several columns, are of is not asked: they are made anew all the same. */
static void
forget(Oid relation, const Datum *names, int count)
{
	Relation rel = table_open(relation, NoLock);
	ListCell *cell;

	for (int i = 0; i < count; i++)
	{
		AttrNumber number = get_attnum(relation, NameStr(*DatumGetName(names[i])));

		if (number != InvalidAttrNumber)
			RemoveStatistics(relation, number);
	}
	foreach(cell, RelationGetIndexList(rel))
		if (has_expressions(lfirst_oid(cell)))
			RemoveStatistics(lfirst_oid(cell), 0);
	foreach(cell, RelationGetStatExtList(rel))
	{
		RemoveStatisticsDataById(lfirst_oid(cell), false);
		RemoveStatisticsDataById(lfirst_oid(cell), true);
	}
	table_close(rel, NoLock);
}

/* forget_statistics(rel regclass, columns name[]) -> void; locks the table and all below it as ANALYZE does */
Datum
tsec_forget_statistics(PG_FUNCTION_ARGS)
{
	Datum *names;
	int count;
	ListCell *cell;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(1), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &names, NULL, &count);
	LockRelationOid(PG_GETARG_OID(0), ShareUpdateExclusiveLock);
	foreach(cell, find_all_inheritors(PG_GETARG_OID(0), ShareUpdateExclusiveLock, NULL))
		forget(lfirst_oid(cell), names, count);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
