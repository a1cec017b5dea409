/*
 * block_read.c
 *		The tables of blocked networks, read whole: after a start of the server,
 *		when what the file kept may be behind them; and rows that are over go.
 *
 * In the writer's process, once each time it starts.  Where somebody is changing
 * the tables it comes again.
 */
#include "monitor/block.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

#define AGAIN_MS 1000
#define PURGE_MS (10 * 60 * 1000)
#define PURGE_ROWS "10000"

/* Columns, in the order of block.sql. */
#define BLOCKS_UNTIL 3

typedef struct Found
{
	BlockChange *changes;
	int count;
	int room;
} Found;

static Oid blocks = InvalidOid;
static Oid exempt = InvalidOid;

static Oid
table_named(const char *schema, const char *name)
{
	Oid namespace = get_namespace_oid(schema, true);

	return OidIsValid(namespace) ? get_relname_relid(name, namespace) : InvalidOid;
}

static void
take_row(Found *found, TupleDesc shape, HeapTuple row, AddressKind kind)
{
	BlockChange change = {.kind = kind, .until = DT_NOEND};
	bool null;
	Datum network = heap_getattr(row, 1, shape, &null);

	if (null || !block_network(DatumGetInetPP(network), &change.network))
		return;
	if (kind == ADDRESS_BLOCKED)
		change.until = DatumGetTimestampTz(heap_getattr(row, BLOCKS_UNTIL, shape, &null));
	if (change.until <= GetCurrentTimestamp())
		return;
	if (found->count == found->room)
	{
		found->room = Max(2 * found->room, 64);
		found->changes = found->changes == NULL
							 ? palloc(found->room * sizeof(BlockChange))
							 : repalloc_huge(found->changes, (Size) found->room * sizeof(BlockChange));
	}
	found->changes[found->count++] = change;
}

/* Reads one; its snapshot is taken when it is locked. */
static void
read_table(Found *found, Oid table, AddressKind kind)
{
	Relation relation = table_open(table, NoLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple row;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		CHECK_FOR_INTERRUPTS();
		take_row(found, RelationGetDescr(relation), row, kind);
	}
	systable_endscan(scan);
	table_close(relation, NoLock);
}

/* Finds the tables; false when the extension is not there. */
static bool
find_tables(void)
{
	blocks = table_named(TSEC_INTERNAL_SCHEMA, "blocks");
	exempt = table_named(TSEC_SCHEMA, "never_blocked");
	return OidIsValid(blocks) && OidIsValid(exempt);
}

static Found
read_both(void)
{
	Found found = {.changes = NULL};

	/* exemptions first: nobody who has one is blocked for a moment */
	read_table(&found, exempt, ADDRESS_EXEMPT);
	read_table(&found, blocks, ADDRESS_BLOCKED);
	return found;
}

/*
 * Makes shared memory what the tables say, while nobody can change them: who changed them holds his lock until he has
 * brought that there himself.  False when somebody is at it.
 */
static bool
read_all(void)
{
	Found found;

	if (!find_tables())
		return true;
	if (!ConditionalLockRelationOid(blocks, ShareLock) || !ConditionalLockRelationOid(exempt, ShareLock))
		return false;
	found = read_both();
	limit_replace_blocks(MyDatabaseId, found.changes, found.count);
	return true;
}

bool
block_read_replayed(void)
{
	Found found = {.changes = NULL};
	bool are_there = find_tables();

	if (are_there)
	{
		LockRelationOid(blocks, AccessShareLock);
		LockRelationOid(exempt, AccessShareLock);
		found = read_both();
	}
	/* after promotion sessions bring their changes themselves */
	if (RecoveryInProgress())
		limit_replace_blocks(MyDatabaseId, found.changes, found.count);
	return are_there;
}

bool
block_is_table(Oid relation)
{
	return !OidIsValid(relation) || relation == blocks || relation == exempt;
}

void
block_forget_dropped(void)
{
	Oid databases[64];
	int count = limit_databases_with_blocks(databases, lengthof(databases));

	for (int i = 0; i < count; i++)
		if (!SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(databases[i])))
			limit_change_blocks(databases[i], &(BlockChange){.kind = ADDRESS_FREE}, 1, 0);
}

/* Deletes rows that have been over for a while. */
static void
purge(void)
{
	if (SPI_execute(
			"DELETE FROM twin_internal.blocks b WHERE b.ctid = ANY (ARRAY(SELECT o.ctid FROM twin_internal.blocks o "
			"WHERE o.blocked_until < pg_catalog.now() - interval '1 hour' LIMIT " PURGE_ROWS "))",
			false, 0) != SPI_OK_DELETE)
		elog(ERROR, "twin_security: blocks that are over cannot be deleted");
}

static TimestampTz
follow(void)
{
	static bool is_read = false;
	static TimestampTz next = 0;

	/* it is called whenever events are written */
	if (!base_has_come(next, PURGE_MS))
		return next;
	event_begin_work("reading blocked addresses");
	if (!is_read)
	{
		is_read = read_all();
		block_forget_dropped();
	}
	if (is_read)
		purge();
	event_end_work();
	next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), is_read ? PURGE_MS : AGAIN_MS);
	return is_read ? DT_NOEND : next;
}

void
block_read_init(void)
{
	event_add_follower(follow);
}
