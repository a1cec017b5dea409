/*
 * census.c
 *		Which key versions the stored values of tables lie under.
 *
 * All tables of one call are read under one snapshot, so that a value another
 * session moves from one table to another meanwhile is seen in exactly one.
 */
#include "cipher/private.h"

#include "access/relation.h"
#include "access/xact.h"
#include "access/tableam.h"
#include "catalog/pg_inherits.h"
#include "catalog/pg_type.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "storage/proc.h"
#include "storage/procarray.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsec_census);
PG_FUNCTION_INFO_V1(tsec_holds_encrypted);
PG_FUNCTION_INFO_V1(tsec_holds_type);
PG_FUNCTION_INFO_V1(tsec_base_of_domain);
PG_FUNCTION_INFO_V1(tsec_wait_for_transactions);

/* holds_encrypted(type oid) -> boolean */
Datum
tsec_holds_encrypted(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(type_holds_encrypted(PG_GETARG_OID(0), false));
}

/* holds_type(type oid, wanted oid) -> boolean; a column that was dropped has type 0, and whether it is asked first is the planner's choice */
Datum
tsec_holds_type(PG_FUNCTION_ARGS)
{
	Oid type = PG_GETARG_OID(0);

	PG_RETURN_BOOL(OidIsValid(type) && type_holds(type, PG_GETARG_OID(1)));
}

/* base_of_domain(type oid) -> oid; 0 of a column that was dropped */
Datum
tsec_base_of_domain(PG_FUNCTION_ARGS)
{
	Oid type = PG_GETARG_OID(0);

	PG_RETURN_OID(OidIsValid(type) ? getBaseType(type) : InvalidOid);
}

/* Reads one table's values; root is the table they are counted for. */
static void
count_table(KeyCount *count, Oid root, Relation relation, Snapshot snapshot)
{
	TupleDesc shape = RelationGetDescr(relation);
	TupleTableSlot *slot;
	TableScanDesc scan;
	MemoryContext row_context;
	MemoryContext outer;
	bool *wanted = palloc0(sizeof(bool) * shape->natts);
	int last = 0;

	for (int i = 0; i < shape->natts; i++)
		if (!TupleDescAttr(shape, i)->attisdropped && type_holds_encrypted(TupleDescAttr(shape, i)->atttypid, false))
		{
			wanted[i] = true;
			last = i + 1;
		}
	if (last == 0)
		return;

	/* values are detoasted and taken apart in a context that is reset for every row */
	row_context = AllocSetContextCreate(CurrentMemoryContext, "twin_security census", ALLOCSET_DEFAULT_SIZES);
	slot = table_slot_create(relation, NULL);
	scan = table_beginscan(relation, snapshot, 0, NULL);
	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
	{
		CHECK_FOR_INTERRUPTS();
		slot_getsomeattrs(slot, last);
		outer = MemoryContextSwitchTo(row_context);
		for (int i = 0; i < last; i++)
			if (wanted[i] && !slot->tts_isnull[i])
				count_value(count, root, NameStr(TupleDescAttr(shape, i)->attname), slot->tts_values[i],
							TupleDescAttr(shape, i)->atttypid);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(row_context);
	}
	MemoryContextDelete(row_context);
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	pfree(wanted);
}

/* Reads a table that may have been dropped since it was named. */
static void
count_relation(KeyCount *count, Oid root, Oid oid, Snapshot snapshot)
{
	Relation relation = try_relation_open(oid, AccessShareLock);

	if (relation == NULL)
		return;
	if (RELKIND_HAS_TABLE_AM(relation->rd_rel->relkind) && !RELATION_IS_OTHER_TEMP(relation))
		count_table(count, root, relation, snapshot);
	relation_close(relation, NoLock);
}

/* census(relations regclass[], descend boolean) -> (relation, column_name, key_id, values) */
Datum
tsec_census(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	bool descend = PG_GETARG_BOOL(1);
	KeyCount *count = count_new();
	Snapshot snapshot = RegisterSnapshot(GetLatestSnapshot());
	Datum *relations;
	int length;

	deconstruct_array(array, REGCLASSOID, sizeof(Oid), true, TYPALIGN_INT, &relations, NULL, &length);
	for (int i = 0; i < length; i++)
	{
		Oid root = DatumGetObjectId(relations[i]);
		ListCell *cell;

		if (!descend)
			count_relation(count, root, root, snapshot);
		else
			foreach(cell, find_all_inheritors(root, AccessShareLock, NULL))
				count_relation(count, root, lfirst_oid(cell), snapshot);
	}
	UnregisterSnapshot(snapshot);
	count_emit(count, fcinfo);
	return (Datum) 0;
}

void
census_wait_for_transactions(void)
{
	VirtualTransactionId *running;
	int count;

	running = GetCurrentVirtualXIDs(InvalidTransactionId, false, false, PROC_IS_AUTOVACUUM | PROC_IN_VACUUM, &count);
	for (int i = 0; i < count; i++)
	{
		TransactionId xid;
		TransactionId xmin;

		CHECK_FOR_INTERRUPTS();
		compat_transaction_ids(running[i], &xid, &xmin);
		if (TransactionIdIsValid(xid) || TransactionIdIsValid(xmin))
			(void) VirtualXactLock(running[i], true);
	}
}

/*
 * wait_for_transactions(): what a transaction sealed may lie in a table nobody
 * else sees yet, and an old snapshot can copy what was re-encrypted since.
 * Raises in a transaction with a snapshot of its own: it could not see what
 * they leave.
 */
Datum
tsec_wait_for_transactions(PG_FUNCTION_ARGS)
{
	if (IsolationUsesXactSnapshot())
		ereport(ERROR, (errcode(ERRCODE_INVALID_TRANSACTION_STATE),
						errmsg("key versions are retired at isolation level read committed")));
	census_wait_for_transactions();
	PG_RETURN_VOID();
}
