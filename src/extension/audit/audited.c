/*
 * audited.c
 *		Which tables are audited.  A partition is audited as the nearest of its
 *		ancestors that is, unless it is itself.
 *
 * What is remembered of a relation holds until its entry in the relation cache
 * or that of twin_internal.audited_tables is heard to have changed; a trigger on
 * that table makes every change heard.
 */
#include "audit/audited.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/partition.h"
#include "catalog/pg_type.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_audited_tables_changed);

/* Columns of twin_internal.audited_tables. */
enum
{
	TABLES_RELATION = 1,
	TABLES_SKIPPED,
	TABLES_DIGESTS,
	TABLES_MODE,
	TABLES_READS
};

static HTAB *audited = NULL;
static MemoryContext memory = NULL; /* of the names in it */
static Oid catalog = InvalidOid;    /* twin_internal.audited_tables */
static bool none_known = false;     /* no table is audited at all */
static bool reads_known = false;    /* whether any table's reads are */
static bool reads_any = false;

/* Notes what is no longer known. */
static void
forget(Datum argument, Oid relation)
{
	HASH_SEQ_STATUS all;
	AuditedTable *entry;

	if (OidIsValid(relation) && relation != catalog)
	{
		entry = audited ? hash_search(audited, &relation, HASH_FIND, NULL) : NULL;
		if (entry != NULL)
			entry->known = false;
		return;
	}
	none_known = reads_known = false;
	if (!OidIsValid(relation))
		catalog = InvalidOid;
	if (audited == NULL)
		return;
	hash_seq_init(&all, audited);
	while ((entry = hash_seq_search(&all)) != NULL)
		entry->known = false;
}

static Oid
internal_relation(const char *name)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(name, schema) : InvalidOid;
}

/* Names of columns out of an array, in the memory of this file. */
static NameData *
names_of(Datum array, int *count)
{
	Datum *elements;
	NameData *names;

	deconstruct_array(DatumGetArrayTypeP(array), NAMEOID, NAMEDATALEN, false, TYPALIGN_CHAR, &elements, NULL, count);
	names = MemoryContextAlloc(memory, sizeof(NameData) * Max(*count, 1));
	for (int i = 0; i < *count; i++)
		namestrcpy(&names[i], NameStr(*DatumGetName(elements[i])));
	return names;
}

/* Takes over how a relation is audited by itself; false when it is not. */
static bool
read_row(Relation table, Oid index, Oid relation, AuditedTable *entry)
{
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple row;

	ScanKeyInit(&key, TABLES_RELATION, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(table, index, true, NULL, 1, &key);
	row = systable_getnext(scan);
	if (HeapTupleIsValid(row))
	{
		TupleDesc shape = RelationGetDescr(table);
		bool null;
		Datum mode = heap_getattr(row, TABLES_MODE, shape, &null);

		entry->audited_as = relation;
		entry->mode = strcmp(TextDatumGetCString(mode), "digest") == 0 ? AUDIT_DIGEST : AUDIT_IMAGE;
		entry->reads = DatumGetBool(heap_getattr(row, TABLES_READS, shape, &null));
		entry->skipped = names_of(heap_getattr(row, TABLES_SKIPPED, shape, &null), &entry->skipped_count);
		entry->digests = names_of(heap_getattr(row, TABLES_DIGESTS, shape, &null), &entry->digest_count);
	}
	systable_endscan(scan);
	return HeapTupleIsValid(row);
}

/* Whether no table is audited. */
static bool
is_empty(Relation table)
{
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	bool empty = !HeapTupleIsValid(systable_getnext(scan));

	systable_endscan(scan);
	return empty;
}

/* Finds out how a relation is audited. */
static void
look_up(AuditedTable *entry)
{
	Oid index = internal_relation("audited_tables_pkey");
	Relation table;

	entry->audited_as = InvalidOid;
	entry->reads = false;
	entry->skipped_count = entry->digest_count = 0;
	if (entry->skipped != NULL)
		pfree(entry->skipped);
	if (entry->digests != NULL)
		pfree(entry->digests);
	entry->skipped = entry->digests = NULL;
	catalog = internal_relation("audited_tables");
	if (!OidIsValid(catalog) || !OidIsValid(index))
		return;
	table = table_open(catalog, AccessShareLock);
	none_known = true; /* before looking: what is heard meanwhile counts */
	if (!is_empty(table))
	{
		none_known = false;
		if (!read_row(table, index, entry->relation, entry) && get_rel_relispartition(entry->relation))
		{
			List *ancestors = get_partition_ancestors(entry->relation);
			ListCell *cell;

			foreach(cell, ancestors)
				if (read_row(table, index, lfirst_oid(cell), entry))
					break;
		}
	}
	table_close(table, AccessShareLock);
}

const AuditedTable *
audit_table_of(Oid relation)
{
	AuditedTable *entry;
	bool found;

	if (none_known)
		return NULL;
	if (audited == NULL)
	{
		HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(AuditedTable), .hcxt = CacheMemoryContext};

		memory = AllocSetContextCreate(CacheMemoryContext, "twin_security audited tables", ALLOCSET_SMALL_SIZES);
		audited = hash_create("twin_security audited tables", 64, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(audited, &relation, HASH_ENTER, &found);
	if (!found)
	{
		memset(entry, 0, sizeof(*entry));
		entry->relation = relation;
	}
	if (!entry->known)
	{
		entry->known = true;
		PG_TRY();
		{
			look_up(entry);
		}
		PG_CATCH();
		{
			entry->known = false;
			none_known = false;
			PG_RE_THROW();
		}
		PG_END_TRY();
	}
	return OidIsValid(entry->audited_as) ? entry : NULL;
}

Oid
audited_catalog(void)
{
	return catalog;
}

/* Looks through the whole table. */
static bool
find_reads(Relation table)
{
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	bool found = false;
	HeapTuple row;
	bool null;

	while (!found && HeapTupleIsValid(row = systable_getnext(scan)))
		found = DatumGetBool(heap_getattr(row, TABLES_READS, RelationGetDescr(table), &null)) && !null;
	systable_endscan(scan);
	return found;
}

bool
audit_reads_any(void)
{
	Relation table;
	bool found;

	if (audit_reads_enhanced())
		return true;
	if (likely(reads_known))
		return reads_any;
	catalog = internal_relation("audited_tables");
	if (!OidIsValid(catalog))
		return false;
	table = table_open(catalog, AccessShareLock);
	reads_known = true; /* before looking: what is heard meanwhile counts */
	PG_TRY();
	{
		found = find_reads(table);
	}
	PG_CATCH();
	{
		reads_known = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	table_close(table, AccessShareLock);
	reads_any = found;
	return found;
}

/* audited_tables_changed(): trigger after any change of twin_internal.audited_tables */
Datum
tsec_audited_tables_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "audited_tables_changed");
	base_tell_sessions(internal_relation("audited_tables"));
	return PointerGetDatum(NULL);
}

void
audited_init(void)
{
	base_watch_relations(forget);
	enhanced_init();
	audited_guard_init();
}
