/*
 * catalog.c
 *		Statements that write into the server's catalogs by themselves: past every
 *		command, hook and trigger a superuser disables a trigger, makes himself a
 *		member of a role, changes a function.  Told before the deed and after it.
 *
 * Ordinary statements pay for one look at a list that most do not have.
 */
#include "audit/security.h"

#include "access/transam.h"
#include "catalog/catalog.h"
#include "catalog/namespace.h"
#include "commands/dbcommands.h"
#include "miscadmin.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"

static void
tell(Oid relation)
{
	char details[512] = "";
	SecurityEvent event = {.type = "configuration_change",
						   .severity = EVENT_CRITICAL,
						   .outcome = EVENT_UNKNOWN,
						   .action = watch_command(),
						   .resource = audited_name(relation),
						   .details = details,
						   .of_no_database = !presence_here()};

	(void) event_json_add(details, sizeof(details), "change", "catalog edited");
	if (event.of_no_database)
		(void) event_json_add(details, sizeof(details), "given_in", get_database_name(MyDatabaseId));
	(void) event_emit(&event);
	event.outcome = EVENT_SUCCESS;
	event_emit_at_end(&event);
}

void
catalog_look(const PlannedStmt *planned)
{
	ListCell *cell;

	/* our script finishes its types by hand */
	if (!audit_is_on() || base_runs_own_script())
		return;
	foreach(cell, planned->resultRelations)
	{
		Oid relation = rt_fetch(lfirst_int(cell), planned->rtable)->relid;

		/* of the catalogs of a database that has no log of its own only those that all share */
		if (relation < FirstNormalObjectId && (presence_here() || IsSharedRelation(relation)))
			tell(relation);
	}
}

bool
catalog_is_named(const RangeVar *name)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);

	return OidIsValid(relation) && relation < FirstNormalObjectId;
}
