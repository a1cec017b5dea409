/*
 * enhanced.c
 *		Whether reads of every audited table are recorded for a time.
 *
 * What twin_internal.enhanced_reads says is remembered until it is heard to have
 * changed.  A statement that began before the time was over is recorded to its
 * end, in all its processes.
 */
#include "audit/audited.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_enhanced_reads_changed);

/* Columns of twin_internal.enhanced_reads. */
#define ENHANCED_UNTIL 3

static Oid catalog = InvalidOid; /* twin_internal.enhanced_reads */
static bool known = false;
static TimestampTz ends = 0; /* 0: it has not begun */

static void
forget(Datum argument, Oid relation)
{
	if (OidIsValid(relation) && relation != catalog)
		return;
	known = false;
	if (!OidIsValid(relation))
		catalog = InvalidOid;
}

static Oid
find_catalog(void)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid("enhanced_reads", schema) : InvalidOid;
}

/* The latest of all rows. */
static TimestampTz
read_end(Relation table)
{
	SysScanDesc scan = systable_beginscan(table, InvalidOid, false, NULL, 0, NULL);
	TimestampTz latest = 0;
	HeapTuple row;
	bool null;

	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		Datum until = heap_getattr(row, ENHANCED_UNTIL, RelationGetDescr(table), &null);

		if (!null)
			latest = Max(latest, DatumGetTimestampTz(until));
	}
	systable_endscan(scan);
	return latest;
}

static void
look_up(void)
{
	Relation table;

	ends = 0;
	catalog = find_catalog();
	if (!OidIsValid(catalog))
		return;
	table = table_open(catalog, AccessShareLock);
	known = true; /* before looking: what is heard meanwhile counts */
	PG_TRY();
	{
		ends = read_end(table);
	}
	PG_CATCH();
	{
		known = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	table_close(table, AccessShareLock);
}

bool
audit_reads_enhanced(void)
{
	if (unlikely(!known))
		look_up();
	return unlikely(ends != 0) && ends > GetCurrentStatementStartTimestamp();
}

/* enhanced_reads_changed(): trigger after any change of twin_internal.enhanced_reads */
Datum
tsec_enhanced_reads_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "enhanced_reads_changed");
	base_tell_sessions(find_catalog());
	event_wake_writer_at_commit();
	return PointerGetDatum(NULL);
}

void
enhanced_init(void)
{
	base_watch_relations(forget);
}
