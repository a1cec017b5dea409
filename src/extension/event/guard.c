/*
 * guard.c
 *		Nobody edits the log: rows of its tables are neither changed nor removed,
 *		its tables neither altered nor dropped, by superusers either.
 *
 * A table is the log's when it has the guard's trigger.  Who is let through: this
 * process's own code, for the rest of its transaction (event_open_log); a session
 * that restores a dump, to bring rows and tables but not to change or remove
 * rows.  Workers of logical replication are not: see subscribed.c.  A superuser can
 * force all else, by open_log(), which is an event, or by switching the guard off,
 * which is one, too; what he does then, the seal shows.
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
#include "replication/logicalworker.h"
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
	guard_lock_init();
}

void
event_open_log(void)
{
	log_is_open = true;
}

bool
guard_is_open(void)
{
	return log_is_open || base_runs_own_script();
}

/* Whether a superuser restores a dump. */
static bool
is_restoring(void)
{
	return base_restores() && superuser_arg(GetAuthenticatedUserId());
}

void
guard_refuse(const char *table)
{
	ereport(
		ERROR,
		(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the audit log is not edited"),
		 errdetail("Table \"%s\" belongs to it.", table),
		 IsLogicalWorker() ? errhint("ALTER SUBSCRIPTION ... REFRESH PUBLICATION leaves the log's tables out.") : 0));
}

/*
 * guard_log(): trigger before statements that would change a table of the log; and before each row that logical replication
 * would change, for its workers fire no triggers of statements
 */
Datum
tsec_guard_log(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	base_require_trigger(fcinfo, GUARD_FUNCTION);
	if (log_is_open || (TRIGGER_FIRED_BY_INSERT(data->tg_event) && is_restoring()))
		return PointerGetDatum(!TRIGGER_FIRED_FOR_ROW(data->tg_event)    ? NULL
							   : TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple
																		 : data->tg_trigtuple);
	guard_refuse(RelationGetRelationName(data->tg_relation));
}

bool
guard_is_log_table(Oid oid)
{
	bool is_log_table = false;
	Oid guard;
	Relation relation;

	if (!OidIsValid(oid) || get_rel_namespace(oid) != get_namespace_oid(TSEC_INTERNAL_SCHEMA, true))
		return false;
	guard = base_internal_function(GUARD_FUNCTION, NULL, 0);
	relation = try_table_open(oid, AccessShareLock);
	if (relation == NULL)
		return false;
	for (int i = 0; relation->trigdesc != NULL && i < relation->trigdesc->numtriggers; i++)
		is_log_table |= relation->trigdesc->triggers[i].tgfoid == guard;
	table_close(relation, AccessShareLock);
	return is_log_table;
}

/* Raises when a table is one of the log's. */
static void
spare(const RangeVar *name)
{
	Oid oid = name ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;

	if (guard_is_log_table(oid))
		guard_refuse(name->relname);
}

/* The same for the sequence of ids. */
static void
spare_sequence(const RangeVar *name)
{
	Oid oid = name ? RangeVarGetRelid(name, NoLock, true) : InvalidOid;

	if (OidIsValid(oid) && oid == event_id_sequence())
		guard_refuse(name->relname);
}

/* The same for tables that others are to have as parents: their rows would be the log's. */
static void
spare_parents(List *parents)
{
	ListCell *cell;

	foreach(cell, parents)
		spare(lfirst_node(RangeVar, cell));
}

/* What an extension holds together can be dropped once it is out of it. */
static void
spare_extension(const AlterExtensionContentsStmt *alter)
{
	if (alter->action < 0 && strcmp(alter->extname, "twin_security") == 0) /* public: an extension's name */
		guard_refuse(alter->extname);
}

static void
spare_altered(const AlterTableStmt *alter)
{
	ListCell *cell;

	spare(alter->relation);
	spare_sequence(alter->relation);
	foreach(cell, alter->cmds)
	{
		AlterTableCmd *command = lfirst_node(AlterTableCmd, cell);

		if (command->subtype == AT_AddInherit)
			spare((RangeVar *) command->def);
	}
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

/* Raises when a command alters a table of the log, or one of the parts that a CREATE SCHEMA has. */
static void
spare_by(Node *command)
{
	ListCell *cell;

	if (IsA(command, AlterTableStmt))
		spare_altered((AlterTableStmt *) command);
	else if (IsA(command, RenameStmt))
	{
		spare(((RenameStmt *) command)->relation);
		spare_sequence(((RenameStmt *) command)->relation);
	}
	else if (IsA(command, AlterObjectSchemaStmt))
	{
		spare(((AlterObjectSchemaStmt *) command)->relation);
		spare_sequence(((AlterObjectSchemaStmt *) command)->relation);
	}
	else if (IsA(command, CreateStmt))
		spare_parents(((CreateStmt *) command)->inhRelations);
	else if (IsA(command, CreateForeignTableStmt))
		spare_parents(((CreateForeignTableStmt *) command)->base.inhRelations);
	else if (IsA(command, IndexStmt))
		spare(((IndexStmt *) command)->relation);
	else if (IsA(command, AlterSeqStmt))
		spare_sequence(((AlterSeqStmt *) command)->sequence);
	else if (IsA(command, AlterExtensionContentsStmt))
		spare_extension((AlterExtensionContentsStmt *) command);
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
	else if (IsA(command, CreateSchemaStmt))
		foreach(cell, ((CreateSchemaStmt *) command)->schemaElts)
			spare_by(lfirst(cell));
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
	if (log_is_open || base_runs_own_script() || IsBinaryUpgrade)
		PG_RETURN_NULL();
	guard_members(command); /* no dump alters them */
	if (!is_restoring())
		spare_by(command);
	PG_RETURN_NULL();
}

/* log_is_open() -> boolean: whether tables of the log may go, in this session and now */
Datum
tsec_log_is_open(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(log_is_open || base_runs_own_script() || is_restoring());
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
