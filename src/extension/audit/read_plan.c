/*
 * read_plan.c
 *		Which nodes of a plan read audited tables: scans of every kind, and INSERT
 *		where ON CONFLICT finds rows.
 */
#include "audit/read_query.h"

#include "access/parallel.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"

bool
query_concerns(const QueryDesc *query)
{
	ListCell *cell;

	if (!audit_reads_any())
		return false;
	foreach(cell, query->plannedstmt->relationOids)
		if (OidIsValid(read_table_of(lfirst_oid(cell))))
			return true;
	/* a worker's plan comes without that list */
	foreach(cell, IsParallelWorker() ? query->plannedstmt->rtable : NIL)
		if (lfirst_node(RangeTblEntry, cell)->rtekind == RTE_RELATION &&
			OidIsValid(read_table_of(lfirst_node(RangeTblEntry, cell)->relid)))
			return true;
	return false;
}

static ReadTarget *
target_of(ReadQuery *reading, Oid table, Oid as_role, bool conflicts)
{
	ReadTarget *target;
	ListCell *cell;

	foreach(cell, reading->targets)
	{
		target = lfirst(cell);
		if (target->table == table && target->as_role == as_role && target->conflicts == conflicts)
			return target;
	}
	target = palloc0(sizeof(ReadTarget));
	target->table = table;
	target->as_role = as_role;
	target->conflicts = conflicts;
	if (!IsParallelWorker())
		record_of_read(&target->record, table, as_role, reading->tag);
	reading->targets = lappend(reading->targets, target);
	return target;
}

/* Notes that a node reads what an entry of the range table stands for. */
static void
add_scan(ReadQuery *reading, PlanState *node, Index number, bool conflicts)
{
	PlannedStmt *planned = reading->query->plannedstmt;
	RangeTblEntry *entry = number == 0 ? NULL : rt_fetch(number, planned->rtable);
	Oid table;
	Oid as_role;
	ReadScan *scan;

	if (entry == NULL || entry->rtekind != RTE_RELATION || node->instrument == NULL)
		return;
	table = read_table_of(entry->relid);
	if (!OidIsValid(table))
		return;
	as_role = compat_read_as(planned, number);
	scan = palloc(sizeof(ReadScan));
	scan->node = node;
	scan->target = target_of(reading, table, as_role, conflicts);
	reading->scans = lappend(reading->scans, scan);
}

static void
add_scans(ReadQuery *reading, PlanState *node, Bitmapset *numbers)
{
	int number = -1;

	while ((number = bms_next_member(numbers, number)) >= 0)
		add_scan(reading, node, (Index) number, false);
}

static bool
visit(PlanState *node, void *argument)
{
	ReadQuery *reading = argument;
	Plan *plan = node->plan;

	if (bms_is_member(plan->plan_node_id, reading->seen))
		return false;
	reading->seen = bms_add_member(reading->seen, plan->plan_node_id);
	switch (nodeTag(plan))
	{
		/* an index's bitmap is no row yet: the heap's scan above it counts */
		case T_SeqScan:
		case T_SampleScan:
		case T_IndexScan:
		case T_IndexOnlyScan:
		case T_BitmapHeapScan:
		case T_TidScan:
		case T_TidRangeScan:
			add_scan(reading, node, ((Scan *) plan)->scanrelid, false);
			break;
		case T_ForeignScan: /* of one table, or of a join that the other side makes */
			if (((Scan *) plan)->scanrelid > 0)
				add_scan(reading, node, ((Scan *) plan)->scanrelid, false);
			else
				add_scans(reading, node, ((ForeignScan *) plan)->fs_relids);
			break;
		case T_CustomScan:
			if (((Scan *) plan)->scanrelid > 0)
				add_scan(reading, node, ((Scan *) plan)->scanrelid, false);
			else
				add_scans(reading, node, ((CustomScan *) plan)->custom_relids);
			break;
		case T_ModifyTable:
			if (((ModifyTable *) plan)->onConflictAction != ONCONFLICT_NONE)
				add_scan(reading, node, ((ModifyTable *) plan)->nominalRelation, true);
			break;
		default:
			break;
	}
	return planstate_tree_walker(node, visit, reading);
}

void
query_find_scans(ReadQuery *reading)
{
	(void) visit(reading->query->planstate, reading);
}
