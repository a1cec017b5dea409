/*
 * scrub.c
 *		Overwriting what the plaintext of a converted column has left on disk.
 *
 * A dropped column's values stay in the rows until these are written again,
 * deleted rows stay until vacuum, and what vacuum frees stays until the space
 * is used.  So page by page:
 *	 - the page is pruned, as reading it would now and then: rows that are dead
 *	   to all go, and standbys cancel the queries that could see them;
 *	 - the values of dropped columns are overwritten where they are, in every
 *	   row: nobody can read them any more, whatever his snapshot;
 *	 - so are their TOAST chunks;
 *	 - the free space of the page is set to zero.
 * Lengths stay as they are, so rows keep their form.  A page is changed under
 * its cleanup lock, when nobody else has a pin on it, and logged as a whole
 * image, so standbys follow.
 *
 * The same is done, but for dropped columns, with the catalogs where values
 * end up: statistics, defaults, column descriptions.
 */
#include "cipher/scrub.h"

#include "access/genam.h"
#include "access/heapam.h"
#include "access/heaptoast.h"
#include "access/htup_details.h"
#include "access/relation.h"
#include "access/table.h"
#include "access/toast_internals.h"
#include "access/xloginsert.h"
#include "catalog/pg_attrdef.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_statistic.h"
#include "catalog/pg_statistic_ext_data.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/bufmgr.h"
#include "storage/procarray.h"
#include "utils/fmgroids.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Pages between two commits. */
#define SCRUB_PAGES 1024

typedef struct Scrub
{
	Relation relation;
	bool has_dropped; /* whether there are dropped columns to overwrite */
	TransactionId oldest;
	BufferAccessStrategy strategy;
	ToastValues toasted;
	AttrNumber about; /* of a catalog: the column that names the table a row is about; 0: none */
	List *tables;     /* these tables */
	int64 *left;      /* deleted rows about them that old snapshots may read */
} Scrub;

/* ---- rows ---- */

/* Whether a row of a catalog is about one of the tables. */
static bool
is_about_tables(Scrub *scrub, HeapTuple row)
{
	bool null;
	Datum table;

	if (scrub->about == 0)
		return false;
	table = heap_getattr(row, scrub->about, RelationGetDescr(scrub->relation), &null);
	return !null && list_member_oid(scrub->tables, DatumGetObjectId(table));
}

/* Copies one row from its page into the copy, without what is to be overwritten. */
static void
copy_row(Scrub *scrub, Buffer buffer, Page page, Page copy, OffsetNumber number)
{
	ItemId item = PageGetItemId(page, number);
	Size length = ItemIdGetLength(item);
	HeapTupleHeader row = (HeapTupleHeader) (copy + ItemIdGetOffset(item));
	HeapTupleData tuple = {.t_len = length, .t_tableOid = RelationGetRelid(scrub->relation)};
	HTSV_Result state;

	tuple.t_data = (HeapTupleHeader) PageGetItem(page, item);
	ItemPointerSet(&tuple.t_self, BufferGetBlockNumber(buffer), number);
	/* first the status: asking for it may set hint bits in the page */
	state = HeapTupleSatisfiesVacuum(&tuple, scrub->oldest, buffer);
	memcpy(row, tuple.t_data, length);
	if (length < SizeofHeapTupleHeader || row->t_hoff > length)
		return;
	if (scrub->has_dropped)
		scrub_row(RelationGetDescr(scrub->relation), row, length, &scrub->toasted);
	if ((state == HEAPTUPLE_DEAD || state == HEAPTUPLE_RECENTLY_DEAD) && is_about_tables(scrub, &tuple))
		(*scrub->left)++;
}

/* ---- pages ---- */

/*
 * Prunes a page and leaves it locked for cleanup.  The server's own function
 * prunes pages that look full and hold something old, when nobody has a pin
 * on them: so the page, in hints that need no logging, is made to look so.
 */
static void
prune_and_lock(Scrub *scrub, Buffer buffer)
{
	Page page = BufferGetPage(buffer);
	TransactionId old = scrub->oldest;

	TransactionIdRetreat(old);
	LockBufferForCleanup(buffer);
	while (!PageIsNew(page) && PageGetMaxOffsetNumber(page) > 0)
	{
		PageSetFull(page);
		((PageHeader) page)->pd_prune_xid = old;
		LockBuffer(buffer, BUFFER_LOCK_UNLOCK);
		heap_page_prune_opt(scrub->relation, buffer);
		LockBufferForCleanup(buffer);
		if (!PageIsFull(page))
			return;
		/* somebody had a pin on it just then */
		CHECK_FOR_INTERRUPTS();
	}
}

/* Writes a changed copy of a page's rows and space back, as one logged image. */
static void
put_back(Scrub *scrub, Buffer buffer, Page page, Page copy)
{
	LocationIndex begin = ((PageHeader) page)->pd_lower;

	START_CRIT_SECTION();
	memcpy(page + begin, copy + begin, BLCKSZ - begin);
	MarkBufferDirty(buffer);
	if (RelationNeedsWAL(scrub->relation))
		(void) log_newpage_buffer(buffer, true);
	END_CRIT_SECTION();
}

static void
scrub_page(Scrub *scrub, BlockNumber block, PGAlignedBlock *copy)
{
	Buffer buffer = ReadBufferExtended(scrub->relation, MAIN_FORKNUM, block, RBM_NORMAL, scrub->strategy);
	Page page = BufferGetPage(buffer);
	Page made = (Page) copy->data;
	PageHeader header = (PageHeader) page;

	prune_and_lock(scrub, buffer);
	if (PageIsNew(page) || header->pd_lower > header->pd_upper || header->pd_upper > header->pd_special)
	{
		UnlockReleaseBuffer(buffer);
		return;
	}
	memset(made, 0, BLCKSZ);
	memcpy(made, page, header->pd_lower);
	memcpy(made + header->pd_special, page + header->pd_special, BLCKSZ - header->pd_special);
	for (OffsetNumber number = FirstOffsetNumber; number <= PageGetMaxOffsetNumber(page); number++)
	{
		if (ItemIdIsNormal(PageGetItemId(page, number)))
			copy_row(scrub, buffer, page, made, number);
	}
	if (memcmp(made + header->pd_lower, page + header->pd_lower, BLCKSZ - header->pd_lower) != 0) /* public: pages */
		put_back(scrub, buffer, page, made);
	UnlockReleaseBuffer(buffer);
}

/* ---- TOAST ---- */

/* Overwrites one chunk where it is. */
static void
blank_chunk(Relation toast, ItemPointer at)
{
	Buffer buffer = ReadBuffer(toast, ItemPointerGetBlockNumber(at));
	Page page = BufferGetPage(buffer);
	ItemId item;

	LockBuffer(buffer, BUFFER_LOCK_EXCLUSIVE);
	item = PageGetItemId(page, ItemPointerGetOffsetNumber(at));
	if (ItemIdIsNormal(item))
	{
		HeapTupleHeader row = (HeapTupleHeader) PageGetItem(page, item);
		/* a chunk is its value's id, its number and a bytea, whose header is never a short one (storage is plain) */
		Size begin = row->t_hoff + sizeof(Oid) + sizeof(int32) + VARHDRSZ;

		if (begin < ItemIdGetLength(item))
		{
			START_CRIT_SECTION();
			memset((char *) row + begin, 0, ItemIdGetLength(item) - begin);
			MarkBufferDirty(buffer);
			if (RelationNeedsWAL(toast))
				(void) log_newpage_buffer(buffer, true);
			END_CRIT_SECTION();
		}
	}
	UnlockReleaseBuffer(buffer);
}

/* Overwrites the chunks of the values that were remembered. */
static void
blank_toasted(Scrub *scrub)
{
	Relation toast;
	Relation *indexes;
	int index_count;
	int valid;

	if (scrub->toasted.count == 0 || !OidIsValid(scrub->relation->rd_rel->reltoastrelid))
		return;
	toast = table_open(scrub->relation->rd_rel->reltoastrelid, RowExclusiveLock);
	valid = toast_open_indexes(toast, RowExclusiveLock, &indexes, &index_count);
	for (int i = 0; i < scrub->toasted.count; i++)
	{
		ScanKeyData key;
		SysScanDesc scan;
		HeapTuple chunk;

		ScanKeyInit(&key, 1, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(scrub->toasted.ids[i]));
		scan = systable_beginscan_ordered(toast, indexes[valid], SnapshotAny, 1, &key);
		while ((chunk = systable_getnext_ordered(scan, ForwardScanDirection)) != NULL)
			blank_chunk(toast, &chunk->t_self);
		systable_endscan_ordered(scan);
	}
	toast_close_indexes(indexes, index_count, NoLock);
	table_close(toast, NoLock);
	scrub->toasted.count = 0;
}

/* ---- tables ---- */

static bool
has_dropped_columns(Relation relation)
{
	for (int i = 0; i < RelationGetNumberOfAttributes(relation); i++)
		if (TupleDescAttr(RelationGetDescr(relation), i)->attisdropped)
			return true;
	return false;
}

/* What is scrubbed in one go. */
typedef struct Target
{
	Oid oid;
	bool dropped; /* values of dropped columns, too */
	AttrNumber about;
} Target;

/* Scrubs some pages of a table from a block on; returns the next block, InvalidBlockNumber at the end. */
static BlockNumber
scrub_some(const Target *target, BlockNumber from, List *tables, int64 *left)
{
	Scrub scrub = {.about = target->about, .tables = tables, .left = left};
	PGAlignedBlock copy;
	BlockNumber blocks;
	BlockNumber block;

	scrub.relation = try_relation_open(target->oid, RowExclusiveLock);
	if (scrub.relation == NULL)
		return InvalidBlockNumber;
	blocks = RelationGetNumberOfBlocks(scrub.relation);
	scrub.has_dropped = target->dropped && has_dropped_columns(scrub.relation);
	scrub.oldest = GetOldestNonRemovableTransactionId(scrub.relation);
	scrub.strategy = GetAccessStrategy(BAS_VACUUM);
	for (block = from; block < blocks && block < from + SCRUB_PAGES; block++)
	{
		CHECK_FOR_INTERRUPTS();
		scrub_page(&scrub, block, &copy);
		blank_toasted(&scrub);
	}
	FreeAccessStrategy(scrub.strategy);
	if (scrub.toasted.ids != NULL)
		pfree(scrub.toasted.ids);
	relation_close(scrub.relation, NoLock);
	return block < blocks ? block : InvalidBlockNumber;
}

static void
scrub_one(const Target *target, List *tables, int64 *left)
{
	BlockNumber block = 0;

	while (block != InvalidBlockNumber)
	{
		PushActiveSnapshot(GetTransactionSnapshot());
		block = scrub_some(target, block, tables, left);
		PopActiveSnapshot();
		rewrite_commit();
		progress_add(SCRUB_PAGES);
	}
}

/* A table or catalog and its TOAST table. */
static void
scrub_with_toast(const Target *target, List *tables, int64 *left)
{
	Relation relation = try_relation_open(target->oid, AccessShareLock);
	Target toast = {0};

	if (relation == NULL)
		return;
	toast.oid = relation->rd_rel->reltoastrelid;
	relation_close(relation, NoLock);
	scrub_one(target, tables, left);
	if (OidIsValid(toast.oid))
		scrub_one(&toast, tables, left);
}

int64
scrub_run(Oid relation)
{
	static const Target catalogs[] = {{StatisticRelationId, false, Anum_pg_statistic_starelid},
									  {StatisticExtDataRelationId, false, 0},
									  {AttrDefaultRelationId, false, Anum_pg_attrdef_adrelid},
									  {AttributeRelationId, false, Anum_pg_attribute_attrelid}};
	int64 left = 0;
	List *tables;
	ListCell *cell;

	/* what old snapshots, our own included, can still read is not dead yet */
	progress_phase("waiting for old snapshots", 0, -1);
	rewrite_commit();
	InvalidateCatalogSnapshot();
	census_wait_for_transactions();
	rewrite_commit();
	rewrite_require_owner(relation);
	tables = rewrite_tables(relation);
	progress_phase("overwriting old values", 0, -1);
	foreach(cell, tables)
	{
		Target target = {.oid = lfirst_oid(cell), .dropped = true};

		scrub_with_toast(&target, tables, &left);
	}
	for (int i = 0; i < (int) lengthof(catalogs); i++)
		scrub_with_toast(&catalogs[i], tables, &left);
	return left;
}
