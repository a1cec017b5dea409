/*
 * statement.c
 *		Running one command at the top level of a background worker.
 *
 * What commits in its own way (CREATE INDEX CONCURRENTLY, DETACH PARTITION
 * CONCURRENTLY) runs neither in a function nor in a procedure.
 */
#include "base/base.h"

#include "access/xact.h"
#include "pgstat.h"
#include "tcop/pquery.h"
#include "tcop/tcopprot.h"
#include "tcop/utility.h"
#include "utils/snapmgr.h"

void
base_run_at_top_level(const char *statement)
{
	MemoryContext context = CurrentMemoryContext;
	PlannedStmt *planned;
	List *parsed;
	RawStmt *raw;
	Portal portal;
	QueryCompletion completion;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	pgstat_report_activity(STATE_RUNNING, statement);
	MemoryContextSwitchTo(context); /* outlives the commits on the way */
	planned = makeNode(PlannedStmt);
	parsed = pg_parse_query(statement);
	if (list_length(parsed) != 1)
		elog(ERROR, "twin_security: one statement at a time");
	raw = linitial_node(RawStmt, parsed);
	planned->commandType = CMD_UTILITY;
	planned->canSetTag = true;
	planned->utilityStmt = raw->stmt;
	planned->stmt_location = raw->stmt_location;
	planned->stmt_len = raw->stmt_len;
	portal = CreatePortal("", true, true);
	portal->visible = false;
	PortalDefineQuery(portal, NULL, statement, CreateCommandTag(raw->stmt), list_make1(planned), NULL);
	PortalStart(portal, NULL, 0, InvalidSnapshot);
	(void) compat_portal_run(portal, None_Receiver, &completion);
	PortalDrop(portal, false);
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	MemoryContextSwitchTo(context);
}
