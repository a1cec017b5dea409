/*
 * table_cache.c
 *		Small tables of schema twin, as this process last read them: see base.h.
 *
 * A table is read whole with a catalog snapshot: the newest committed state plus the transaction's own changes.  A trigger
 * on it invalidates its relcache entry in every process (base_tell_sessions()), which is the news upon which it is read
 * again.
 */
#include "base/base.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

#define CACHES_MAX 8

static TableCache *caches[CACHES_MAX];
static int cache_count = 0;

static void
note_relation_change(Datum argument, Oid relation)
{
	for (int i = 0; i < cache_count; i++)
	{
		TableCache *cache = caches[i];

		if (OidIsValid(relation) && OidIsValid(cache->relation) && relation != cache->relation)
			continue;
		cache->is_known = false;
		cache->relation = InvalidOid;
		cache->generation++;
	}
}

void
base_add_table_cache(TableCache *cache)
{
	if (cache_count == CACHES_MAX)
		elog(FATAL, "twin_security: out of places for tables that are kept");
	if (cache_count == 0)
		base_watch_relations(note_relation_change);
	caches[cache_count++] = cache;
}

static void
read_rows(TableCache *cache)
{
	Oid namespace = get_namespace_oid(TSEC_SCHEMA, true);
	Relation relation;
	SysScanDesc scan;
	HeapTuple row;

	cache->relation = OidIsValid(namespace) ? get_relname_relid(cache->table, namespace) : InvalidOid;
	if (!OidIsValid(cache->relation))
		return;
	relation = table_open(cache->relation, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(row = systable_getnext(scan)) && cache->take_row(row, RelationGetDescr(relation)))
		;
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
}

void
base_read_table(TableCache *cache)
{
	MemoryContext fresh = AllocSetContextCreate(TopMemoryContext, "twin_security table", ALLOCSET_SMALL_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(fresh);
	uint64 before = cache->generation; /* opening the table may itself bring news */

	MemoryContextSetIdentifier(fresh, cache->table);
	if (cache->context != NULL)
		MemoryContextDelete(cache->context);
	cache->context = fresh;
	cache->begin();
	read_rows(cache);
	MemoryContextSwitchTo(outer);
	cache->is_known = before == cache->generation;
}
