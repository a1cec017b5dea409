/*
 * command.c
 *		Commands, recorded with their outcome, and those that decide over security
 *		also before the deed: an event of outcome "unknown" that nobody can take
 *		back, and one with what became of it.
 *
 * What all databases share (roles, databases, tablespaces, settings of the
 * server) is recorded from databases without the extension, too: in the log of
 * twin_security.cluster_database.
 *
 * ALTER SYSTEM is recorded with the audit switched off, too: it is how it comes
 * on again.  A command that failed is told at once, one that succeeded at the end of its
 * transaction, when it is known to stay.  Those inside functions and DO blocks
 * count like others, and so do the elements of CREATE SCHEMA; other parts of one
 * command, and what an extension's script does, do not.
 */
#include "audit/security.h"

#include "access/parallel.h"
#include "commands/dbcommands.h"
#include "commands/defrem.h"
#include "commands/extension.h"
#include "miscadmin.h"
#include "tcop/cmdtag.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/builtins.h"

static ProcessUtility_hook_type previous_utility = NULL;

/* A hook's arguments. */
typedef struct Command
{
	PlannedStmt *planned;
	const char *text;
	bool read_only_tree;
	ProcessUtilityContext context;
	ParamListInfo parameters;
	QueryEnvironment *environment;
	DestReceiver *receiver;
	QueryCompletion *completion;
} Command;

static void
run(const Command *command)
{
	(previous_utility ? previous_utility : standard_ProcessUtility)(
		command->planned, command->text, command->read_only_tree, command->context, command->parameters,
		command->environment, command->receiver, command->completion);
}

static SecurityEvent
event_of(const CommandWords *words, const char *action, EventOutcome outcome)
{
	return (SecurityEvent){.type = words->type,
						   .severity = words->severity,
						   .outcome = outcome,
						   .action = action,
						   .resource = words->resource[0] != '\0' ? words->resource : NULL,
						   .details = words->details,
						   .yields = words->yields,
						   .of_no_database = words->of_no_database};
}

/* Tells that a command failed, while its error is on its way. */
static void
tell_failure(CommandWords *words, const char *action)
{
	int sqlstate = geterrcode();
	SecurityEvent event =
		event_of(words, action, sqlstate == ERRCODE_INSUFFICIENT_PRIVILEGE ? EVENT_DENIED : EVENT_FAILURE);
	char code[6];

	refusal_spell(sqlstate, code);
	(void) event_json_add(words->details, sizeof(words->details), "sqlstate", code);
	(void) event_emit(&event);
}

/* Remembers who turns the kill switch: no process has a database in which it could ask, once the files are read. */
static void
note_switch(const AlterSystemStmt *alter)
{
	const VariableSetStmt *set = alter->setstmt;
	bool on = true; /* without any value it is on */
	A_Const *value;

	if (set->kind != VAR_RESET_ALL &&
		(set->name == NULL || pg_strcasecmp(set->name, "twin_security.audit_enabled") != 0))
		return;
	if (set->kind == VAR_SET_VALUE && list_length(set->args) == 1 && IsA(linitial(set->args), A_Const))
	{
		value = linitial(set->args);
		if (IsA(&value->val, String))
			(void) parse_bool(strVal(&value->val), &on);
		else if (IsA(&value->val, Integer))
			on = intVal(&value->val) != 0;
	}
	shared_set_hand(on, GetUserNameFromId(GetUserId(), false));
}

/* Whether a command makes our extension go. */
static bool
drops_extension(Node *statement)
{
	ListCell *cell;

	if (!IsA(statement, DropStmt) || ((DropStmt *) statement)->removeType != OBJECT_EXTENSION)
		return false;
	foreach(cell, ((DropStmt *) statement)->objects)
		if (strcmp(strVal(lfirst(cell)), "twin_security") == 0) /* public: an extension's name */
			return true;
	return false;
}

/* Adds in which database a command was given that is told elsewhere. */
static void
add_database(CommandWords *words)
{
	char *name = OidIsValid(MyDatabaseId) ? get_database_name(MyDatabaseId) : NULL;

	if (name != NULL)
		(void) event_json_add(words->details, sizeof(words->details), "given_in", name);
}

/* What a command does: EXPLAIN ANALYZE makes the table that it explains the making of. */
static Node *
deed_of(Node *statement)
{
	ListCell *cell;
	Query *query;

	if (!IsA(statement, ExplainStmt))
		return statement;
	query = (Query *) ((ExplainStmt *) statement)->query; /* analysed by now */
	if (query == NULL || !IsA(query, Query) || query->commandType != CMD_UTILITY ||
		!IsA(query->utilityStmt, CreateTableAsStmt))
		return statement;
	foreach(cell, ((ExplainStmt *) statement)->options)
	{
		DefElem *option = lfirst(cell);

		if (strcmp(option->defname, "analyze") == 0 && defGetBoolean(option)) /* public: an option's name */
			return query->utilityStmt;
	}
	return statement;
}

static void
run_recorded(const Command *command, CommandWords *words)
{
	Node *statement = deed_of(command->planned->utilityStmt);
	const char *action = GetCommandTagName(CreateCommandTag(statement));
	bool was_here = presence_here();
	bool goes = drops_extension(statement);
	const AlterTableStmt *before =
		object_set_alter(IsA(statement, AlterTableStmt) ? (const AlterTableStmt *) statement : NULL);
	SecurityEvent event;

	if (goes)
		words->severity = EVENT_CRITICAL;
	if (words->of_no_database)
		add_database(words);
	if (words->is_begun && (was_here || words->of_no_database))
	{
		event = event_of(words, action, EVENT_UNKNOWN);
		(void) event_emit(&event);
	}
	PG_TRY();
	{
		object_set_extension_goes(goes);
		run(command);
		object_set_extension_goes(false);
		(void) object_set_alter(before);
	}
	PG_CATCH();
	{
		object_set_extension_goes(false);
		(void) object_set_alter(before);
		if (was_here || words->of_no_database)
			tell_failure(words, action);
		PG_RE_THROW();
	}
	PG_END_TRY();
	presence_look();
	if (IsA(statement, AlterSystemStmt))
		note_switch((AlterSystemStmt *) statement);
	if (!was_here && !presence_here() && !words->of_no_database)
		return;
	event = event_of(words, action, EVENT_SUCCESS);
	event_emit_at_end(&event);
}

/*
 * Whether a command is of somebody whose commands decide over others'.  What everybody else tries, which may be refused
 * him as often as he likes, leaves a part of the ring to these.
 */
static bool
is_of_one_in_charge(void)
{
	Oid user = GetUserId();

	return superuser() || has_createrole_privilege(user) || compat_owns_database(MyDatabaseId, user);
}

static void
record_command(const Command *command)
{
	CommandWords words;

	if (command_describe(deed_of(command->planned->utilityStmt), &words))
	{
		words.of_no_database = !presence_here() && command_is_of_cluster(command->planned->utilityStmt);
		words.yields = !is_of_one_in_charge();
		run_recorded(command, &words);
	}
	else
		run(command);
}

/* What a prepared transaction wrote is there with this command, and of its own the command writes nothing. */
static void
wake_for_prepared(Node *statement)
{
	if (IsA(statement, TransactionStmt) && ((TransactionStmt *) statement)->kind == TRANS_STMT_COMMIT_PREPARED)
		event_wake_writer_at_commit();
}

/* Whether a command may be one; those that run others are none, and take no room on the stack. */
static bool
is_candidate(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_TransactionStmt:
		case T_VariableSetStmt:
		case T_VariableShowStmt:
		case T_DeclareCursorStmt:
		case T_FetchStmt:
		case T_ClosePortalStmt:
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_ExplainStmt:
		case T_DoStmt:
		case T_CallStmt:
		case T_LockStmt:
			return false;
		default:
			return true;
	}
}

/* Whether a part of another command counts by itself: of parts, CREATE SCHEMA alone has such. */
static bool
is_element(Node *statement)
{
	return IsA(statement, GrantStmt) || IsA(statement, CreateTrigStmt) || IsA(statement, CreateStmt) ||
		   IsA(statement, ViewStmt);
}

static void
run_command(PlannedStmt *planned, const char *text, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver,
			QueryCompletion *completion)
{
	Command command = {planned, text, read_only_tree, context, parameters, environment, receiver, completion};
	Node *statement = planned->utilityStmt;

	watch_begin(GetCommandTagName(CreateCommandTag(statement)));
	if (!is_candidate(deed_of(statement)) || (context == PROCESS_UTILITY_SUBCOMMAND && !is_element(statement)) ||
		creating_extension || IsParallelWorker() || (!audit_is_on() && !IsA(statement, AlterSystemStmt)) ||
		(!presence_here() && !IsA(statement, CreateExtensionStmt) && !command_is_of_cluster(statement)))
		run(&command);
	else
		record_command(&command);
	wake_for_prepared(statement);
}

void
command_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = run_command;
}
