/*
 * read_table.c
 *		Which tables' reads are recorded, and which relations' rows count for them.
 *
 * A row counts for the nearest audited table at or above the relation that it
 * lies in: partitions and children count for their parents, however they are
 * read.  What was found is kept until any relation that was looked at changes.
 */
#include "audit/read.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/transam.h"
#include "catalog/indexing.h"
#include "catalog/pg_inherits.h"
#include "utils/fmgroids.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"

/* A relation that was looked at. */
typedef struct Place
{
	Oid relation; /* hash key */
	bool is_answered;
	Oid answer;
} Place;

static MemoryContext context = NULL;
static HTAB *places = NULL; /* NULL: nothing is known */
static volatile bool stale = true;
static bool all = false; /* what is known was found while every audited table's reads were recorded */

static void
note_change(Datum argument, Oid relation)
{
	if (!OidIsValid(relation) || relation == audited_catalog() || places == NULL ||
		hash_search(places, &relation, HASH_FIND, NULL) != NULL)
		stale = true;
}

void
read_table_init(void)
{
	base_watch_relations(note_change);
}

static Place *
place_of(Oid relation)
{
	bool found;
	Place *place = hash_search(places, &relation, HASH_ENTER, &found);

	if (!found)
	{
		place->is_answered = false;
		place->answer = InvalidOid;
	}
	return place;
}

static void
start_over(void)
{
	HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(Place)};

	if (context == NULL)
		context = AllocSetContextCreate(TopMemoryContext, "twin_security tables that are read", ALLOCSET_SMALL_SIZES);
	places = NULL;
	MemoryContextReset(context);
	control.hcxt = context;
	places = hash_create("twin_security tables that are read", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	all = audit_reads_enhanced();
	stale = false; /* news that comes while looking makes it stale again */
}

/* The tables that a relation is a child or partition of. */
static List *
parents_of(Oid relation)
{
	List *parents = NIL;
	Relation inherits = table_open(InheritsRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple row;

	ScanKeyInit(&key, Anum_pg_inherits_inhrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(inherits, InheritsRelidSeqnoIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		parents = lappend_oid(parents, ((Form_pg_inherits) GETSTRUCT(row))->inhparent);
	systable_endscan(scan);
	table_close(inherits, AccessShareLock);
	return parents;
}

/* Looks upwards, one generation after the other. */
static Oid
find_audited(Oid relation)
{
	List *generation = list_make1_oid(relation);
	List *seen = NIL;

	while (generation != NIL)
	{
		List *next = NIL;
		ListCell *cell;

		foreach(cell, generation)
		{
			const AuditedTable *table = audit_table_of(lfirst_oid(cell));

			(void) place_of(lfirst_oid(cell)); /* news of it concerns the answer */
			if (table != NULL && (table->reads || all))
				return table->audited_as;
			seen = list_append_unique_oid(seen, lfirst_oid(cell));
			next = list_concat_unique_oid(next, parents_of(lfirst_oid(cell)));
		}
		generation = list_difference_oid(next, seen);
	}
	return InvalidOid;
}

Oid
read_table_of(Oid relation)
{
	Place *place;
	Oid answer;

	if (relation < FirstNormalObjectId || !audit_reads_any())
		return InvalidOid;
	if (unlikely(stale || places == NULL || all != audit_reads_enhanced()))
		start_over();
	place = hash_search(places, &relation, HASH_FIND, NULL);
	if (place != NULL && place->is_answered)
		return place->answer;
	answer = find_audited(relation);
	/* what came in meanwhile may be about it */
	if (!stale)
	{
		place = place_of(relation);
		place->answer = answer;
		place->is_answered = true;
	}
	return answer;
}
