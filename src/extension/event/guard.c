/*
 * guard.c
 *		Nobody edits the log: rows of its tables are neither changed nor removed,
 *		its tables neither altered nor dropped, by superusers either.
 *
 * A table is the log's when it has the guard's trigger.  Who is let through: this
 * process's own code, for the rest of its transaction (event_open_log); a session
 * that restores a dump, to bring rows and tables but not to change or remove
 * rows.  A superuser can force all else, by open_log(), which is an event, or by
 * switching the guard off, which is one, too; what he does then, the seal shows.
 */
#include "event/private.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "commands/event_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/rls.h"

#define GUARD_FUNCTION "guard_log"

PG_FUNCTION_INFO_V1(tsec_guard_log);
PG_FUNCTION_INFO_V1(tsec_guard_log_tables);
PG_FUNCTION_INFO_V1(tsec_log_is_open);
PG_FUNCTION_INFO_V1(tsec_open_log);

static bool log_is_open = false;

static void
close_log(XactEvent event, void *argument)
{
	log_is_open = false;
}

void
guard_init(void)
{
	RegisterXactCallback(close_log, NULL);
}

void
event_open_log(void)
{
	log_is_open = true;
}

/* Whether the extension's own script is running. */
static bool
is_our_script(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("twin_security", true);
}

/*
 * Whether a session restores a dump: a superuser's that has made the settings which pg_dump writes at the top of each, and
 * no client makes.
 */
static bool
is_restoring(void)
{
	return superuser_arg(GetAuthenticatedUserId()) && !check_function_bodies && !row_security;
}

static TSEC_NORETURN void
refuse(const char *table)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the audit log is not edited"),
					errdetail("Table \"%s\" belongs to it.", table)));
}

/* guard_log(): trigger before statements that would change a table of the log */
Datum
tsec_guard_log(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	base_require_trigger(fcinfo, GUARD_FUNCTION);
	if (log_is_open || (TRIGGER_FIRED_BY_INSERT(data->tg_event) && is_restoring()))
		return PointerGetDatum(NULL);
	refuse(RelationGetRelationName(data->tg_relation));
}

/* Raises when a table is one of the log's. */
static void
spare(const RangeVar *name)
{
	Oid oid = name ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;
	Oid guard;
	Relation relation;

	if (!OidIsValid(oid) || get_rel_namespace(oid) != get_namespace_oid(TSEC_INTERNAL_SCHEMA, true))
		return;
	guard = base_internal_function(GUARD_FUNCTION, NULL, 0);
	relation = try_table_open(oid, AccessShareLock);
	if (relation == NULL)
		return;
	for (int i = 0; relation->trigdesc != NULL && i < relation->trigdesc->numtriggers; i++)
		if (relation->trigdesc->triggers[i].tgfoid == guard)
			refuse(RelationGetRelationName(relation));
	table_close(relation, AccessShareLock);
}

/* The same for what a DROP names: tables, or what hangs on one and is named after it. */
static void
spare_dropped(const DropStmt *drop)
{
	bool hangs =
		drop->removeType == OBJECT_TRIGGER || drop->removeType == OBJECT_RULE || drop->removeType == OBJECT_POLICY;
	ListCell *cell;

	if (!hangs && drop->removeType != OBJECT_TABLE)
		return;
	foreach(cell, drop->objects)
	{
		List *name = list_copy((List *) lfirst(cell));

		if (hangs)
			name = list_truncate(name, list_length(name) - 1);
		if (name != NIL)
			spare(makeRangeVarFromNameList(name));
	}
}

/* guard_log_tables(): event trigger on ddl_command_start */
Datum
tsec_guard_log_tables(PG_FUNCTION_ARGS)
{
	Node *command;

	if (!CALLED_AS_EVENT_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("guard_log_tables can only be called as an event trigger")));
	command = ((EventTriggerData *) fcinfo->context)->parsetree;
	if (log_is_open || is_our_script() || is_restoring())
		PG_RETURN_NULL();
	if (IsA(command, AlterTableStmt))
		spare(((AlterTableStmt *) command)->relation);
	else if (IsA(command, RenameStmt))
		spare(((RenameStmt *) command)->relation);
	else if (IsA(command, AlterObjectSchemaStmt))
		spare(((AlterObjectSchemaStmt *) command)->relation);
	else if (IsA(command, CreateTrigStmt))
		spare(((CreateTrigStmt *) command)->relation);
	else if (IsA(command, RuleStmt))
		spare(((RuleStmt *) command)->relation);
	else if (IsA(command, CreatePolicyStmt))
		spare(((CreatePolicyStmt *) command)->table);
	else if (IsA(command, AlterPolicyStmt))
		spare(((AlterPolicyStmt *) command)->table);
	else if (IsA(command, DropStmt))
		spare_dropped((DropStmt *) command);
	PG_RETURN_NULL();
}

/* log_is_open() -> boolean: whether tables of the log may go, in this session and now */
Datum
tsec_log_is_open(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(log_is_open || is_our_script() || is_restoring());
}

/* open_log() -> void */
Datum
tsec_open_log(PG_FUNCTION_ARGS)
{
	SecurityEvent event = {.type = "audit_log_opened", .severity = EVENT_CRITICAL, .action = "open"};

	(void) event_emit(&event);
	event_open_log();
	PG_RETURN_VOID();
}
