/*
 * count.c
 *		How many rows a table has, exactly.
 *
 * Rows are counted where they lie, by their visibility alone.  So nothing runs
 * that the table's owner may have made, as planning a SELECT runs functions in
 * expressions of his indexes; and of a page that VACUUM found to be visible to
 * everybody no row is looked at.
 */
#include "retention/retention.h"

#include "access/heapam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_am.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/tuptable.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/lmgr.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsec_count_rows);

/* Of a page that is locked. */
static int
count_on_page(Relation heap, Buffer buffer, Snapshot snapshot)
{
	Page page = BufferGetPage(buffer);
	OffsetNumber last = PageGetMaxOffsetNumber(page);
	bool all_visible = PageIsAllVisible(page) && !snapshot->takenDuringRecovery;
	int rows = 0;

	for (OffsetNumber place = FirstOffsetNumber; place <= last; place++)
	{
		ItemId item = PageGetItemId(page, place);
		HeapTupleData row;

		if (!ItemIdIsNormal(item))
			continue;
		if (!all_visible)
		{
			row.t_tableOid = RelationGetRelid(heap);
			row.t_data = (HeapTupleHeader) PageGetItem(page, item);
			row.t_len = ItemIdGetLength(item);
			ItemPointerSet(&row.t_self, BufferGetBlockNumber(buffer), place);
			if (!HeapTupleSatisfiesVisibility(&row, snapshot, buffer))
				continue;
		}
		rows++;
	}
	return rows;
}

static int64
count_heap(Relation heap, Snapshot snapshot)
{
	BufferAccessStrategy strategy = GetAccessStrategy(BAS_BULKREAD);
	BlockNumber blocks = RelationGetNumberOfBlocks(heap);
	int64 rows = 0;

	for (BlockNumber block = 0; block < blocks; block++)
	{
		Buffer buffer = ReadBufferExtended(heap, MAIN_FORKNUM, block, RBM_NORMAL, strategy);

		LockBuffer(buffer, BUFFER_LOCK_SHARE);
		rows += count_on_page(heap, buffer, snapshot);
		UnlockReleaseBuffer(buffer);
		CHECK_FOR_INTERRUPTS();
	}
	FreeAccessStrategy(strategy);
	return rows;
}

/* Of a table that lies as some other extension has it. */
static int64
count_by_scan(Relation table, Snapshot snapshot)
{
	TupleTableSlot *slot = table_slot_create(table, NULL);
	TableScanDesc scan = table_beginscan(table, snapshot, 0, NULL);
	int64 rows = 0;

	while (table_scan_getnextslot(scan, ForwardScanDirection, slot))
		rows++;
	table_endscan(scan);
	ExecDropSingleTupleTableSlot(slot);
	return rows;
}

/* count_rows(rel regclass) -> bigint: of a partitioned table those of its partitions */
Datum
tsec_count_rows(PG_FUNCTION_ARGS)
{
	Oid table = PG_GETARG_OID(0);
	Snapshot snapshot = GetActiveSnapshot();
	int64 rows = 0;
	ListCell *cell;

	LockRelationOid(table, AccessShareLock);
	foreach(cell, find_all_inheritors(table, AccessShareLock, NULL))
	{
		Relation part = table_open(lfirst_oid(cell), NoLock);

		if (part->rd_rel->relam == HEAP_TABLE_AM_OID)
			rows += count_heap(part, snapshot);
		else if (RELKIND_HAS_TABLE_AM(part->rd_rel->relkind))
			rows += count_by_scan(part, snapshot);
		else if (part->rd_rel->relkind != RELKIND_PARTITIONED_TABLE)
			ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
							errmsg("rows of \"%s\" cannot be counted", RelationGetRelationName(part)),
							errdetail_relkind_not_supported(part->rd_rel->relkind)));
		table_close(part, NoLock);
	}
	PG_RETURN_INT64(rows);
}
