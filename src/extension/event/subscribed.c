/*
 * subscribed.c
 *		The audit log of a subscriber is its own: where a publication has the
 *		publisher's log in it (FOR ALL TABLES), its tables are taken out of the
 *		subscription before any worker sees them.
 *
 * A table that a subscription does not list is neither copied nor changed by its
 * workers: rows, updates, deletes and TRUNCATE, which no trigger could swallow,
 * go past it.  So nobody needs to be let through the guard, and a worker that
 * comes to the log all the same (the event trigger was off) is refused by it.
 */
#include "event/private.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/pg_subscription.h" /* up to 15, get_subscription_oid() */
#include "catalog/pg_subscription_rel.h"
#include "commands/event_trigger.h"
#include "nodes/parsenodes.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_leave_log_out);

/* The log's tables that a subscription lists; and how many a worker is copying, whose slot at the publisher is its own. */
static List *
listed_log_tables(Oid subscription, int *busy)
{
	Relation relation = table_open(SubscriptionRelRelationId, AccessShareLock);
	List *tables = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_subscription_rel_srsubid, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(subscription));
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_subscription_rel listed = (Form_pg_subscription_rel) GETSTRUCT(tuple);

		if (!guard_is_log_table(listed->srrelid))
			continue;
		if (listed->srsubstate == SUBREL_STATE_INIT || listed->srsubstate == SUBREL_STATE_READY)
			tables = lappend_oid(tables, listed->srrelid);
		else
			(*busy)++;
	}
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return tables;
}

/* leave_log_out(): event trigger at the end of CREATE SUBSCRIPTION and ALTER SUBSCRIPTION */
Datum
tsec_leave_log_out(PG_FUNCTION_ARGS)
{
	const char *name;
	Node *command;
	Oid subscription;
	List *tables;
	ListCell *cell;
	int busy = 0;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("leave_log_out can only be called as an event trigger")));
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (IsA(command, CreateSubscriptionStmt))
		name = ((CreateSubscriptionStmt *) command)->subname;
	else if (IsA(command, AlterSubscriptionStmt))
		name = ((AlterSubscriptionStmt *) command)->subname;
	else
		PG_RETURN_NULL(); /* another name or owner */
	subscription = get_subscription_oid(name, false);
	tables = listed_log_tables(subscription, &busy);
	foreach(cell, tables)
		RemoveSubscriptionRel(subscription, lfirst_oid(cell));
	if (tables != NIL)
		ereport(NOTICE, (errmsg("the audit log's tables are left out of subscription \"%s\"", name),
						 errdetail("Each database has a log of its own.")));
	if (busy > 0)
		ereport(WARNING,
				(errmsg("subscription \"%s\" stays at copying tables of the audit log, which is refused", name),
				 errhint("Drop the subscription and make it anew.")));
	PG_RETURN_NULL();
}
