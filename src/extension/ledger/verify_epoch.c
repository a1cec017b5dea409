/*
 * verify_epoch.c
 *		Whether the rows that say under which names the tree grew are what the tree
 *		itself says: each epoch's first leaf is an event that tells of it.
 *
 * Whoever removes the tree's tables, so that the sealer begins anew, leaves such
 * events of epochs that nothing knows any more, or has removed the events, too.
 */
#include "ledger/verification.h"

#include "catalog/pg_type.h"

bool
epoch_has_remains(void)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT EXISTS (SELECT FROM twin_internal.sealed) OR EXISTS (SELECT FROM twin_internal.tiles) "
					"OR EXISTS (SELECT FROM twin_internal.checkpoints) OR EXISTS (SELECT FROM twin_internal.epochs) "
					"OR EXISTS (SELECT FROM " EVENT_ROWS " e WHERE e.event_type = 'audit_epoch')",
					InvalidOid);

	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	return DatumGetBool(plan_value(0, 1, NULL));
}

const char *
epoch_contradiction(int32 current, int64 *event_id)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT m.event_id FROM twin_internal.epochs p FULL JOIN "
		"(SELECT e.event_id, e.recorded_at, e.details, s.first_leaf FROM "
		"(TABLE twin_internal.events UNION ALL TABLE ONLY twin_internal.events_overflow UNION ALL "
		"SELECT k.* FROM ONLY twin_internal.kept_events k " /* of those that were dropped, which are leaves as others are */
		"WHERE NOT EXISTS (SELECT FROM " EVENT_ROWS " r WHERE r.event_id = k.event_id)) e "
		"JOIN twin_internal.sealed s ON s.record_id = e.event_id WHERE e.event_type = 'audit_epoch') m "
		"ON p.epoch::text = m.details ->> 'epoch' AND p.origin = m.details ->> 'origin' "
		"AND p.reason = m.details ->> 'reason' AND p.first_leaf::text = m.details ->> 'size' "
		"AND p.first_leaf = m.first_leaf "
		"WHERE p.epoch IS NULL OR m.event_id IS NULL "
		"OR m.details ->> 'began_at' IS DISTINCT FROM " EPOCH_BEGAN_AT("p.began_at") " "
																					 "ORDER BY m.event_id LIMIT 1",
		InvalidOid);
	static LedgerPlan current_plan =
		LEDGER_PLAN("SELECT $1 = (SELECT max(p.epoch) FROM twin_internal.epochs p)", INT4OID);
	Datum values[] = {Int32GetDatum(current)};
	bool null;
	bool is_current;

	*event_id = 0;
	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed > 0)
	{
		*event_id = DatumGetInt64(plan_value(0, 1, &null));
		return null ? "an epoch is not one that the tree tells of"
					: "the epoch that this event begins is not the one it tells of";
	}
	plan_run(&current_plan, values, NULL, true, SPI_OK_SELECT);
	is_current = DatumGetBool(plan_value(0, 1, &null));
	return null || !is_current ? "the sealer's state is not of the newest epoch" : NULL;
}
