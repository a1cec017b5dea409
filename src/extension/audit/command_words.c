/*
 * command_words.c
 *		Which commands are recorded, and as what: a table, and a few whose words
 *		depend on more than their kind.
 */
#include "audit/security.h"

#include "catalog/pg_class.h"
#include "tcop/utility.h"
#include "utils/guc.h"
#include "utils/guc_tables.h"

typedef struct Kind
{
	NodeTag tag;
	const char *type;
	EventSeverity severity;
} Kind;

/* Commands that decide over security; each is told before the deed and after it. */
static const Kind kinds[] = {
	{T_CreateRoleStmt, "user_created", EVENT_MEDIUM},
	{T_AlterRoleStmt, "user_updated", EVENT_MEDIUM},
	{T_DropRoleStmt, "user_deleted", EVENT_MEDIUM},
	{T_GrantRoleStmt, "role_assigned", EVENT_MEDIUM},
	{T_GrantStmt, "grant", EVENT_MEDIUM},
	{T_AlterDefaultPrivilegesStmt, "grant", EVENT_MEDIUM},
	{T_AlterSystemStmt, "configuration_change", EVENT_HIGH},
	{T_AlterRoleSetStmt, "configuration_change", EVENT_MEDIUM},
	{T_AlterDatabaseSetStmt, "configuration_change", EVENT_MEDIUM},
	{T_CreateEventTrigStmt, "ddl", EVENT_HIGH},
	{T_AlterEventTrigStmt, "ddl", EVENT_HIGH},
	{T_CreateExtensionStmt, "extension_created", EVENT_MEDIUM},
	{T_AlterExtensionStmt, "extension_changed", EVENT_MEDIUM},
	{T_AlterExtensionContentsStmt, "extension_changed", EVENT_HIGH},
	{T_DropOwnedStmt, "ddl", EVENT_HIGH},
	{T_ReassignOwnedStmt, "ddl", EVENT_HIGH},
	{T_LoadStmt, "library_loaded", EVENT_HIGH},
};

static void
add_detail(CommandWords *words, const char *name, const char *value)
{
	if (value != NULL && value[0] != '\0')
		(void) event_json_add(words->details, sizeof(words->details), name, value);
}

static void
add_detail_list(CommandWords *words, const char *name, List *nodes)
{
	char text[1024];

	command_name_list(nodes, text, sizeof(text));
	add_detail(words, name, text);
}

/* ---- settings ---- */

/* A constant as text; NULL for what is none. */
static const char *
constant_text(Node *node, char *number, size_t size)
{
	A_Const *constant = (A_Const *) node;

	if (node == NULL || !IsA(node, A_Const) || constant->isnull)
		return NULL;
	switch (nodeTag(&constant->val))
	{
		case T_Integer:
			snprintf(number, size, "%d", intVal(&constant->val));
			return number;
		case T_Float:
			return constant->val.fval.fval;
		case T_Boolean:
			return boolVal(&constant->val) ? "true" : "false";
		case T_String:
			return strVal(&constant->val);
		default:
			return NULL;
	}
}

/* Whether anybody may know a setting's value: numbers and words are no secrets, other texts may be, but for ours. */
static bool
may_tell_value(const char *name)
{
	int count;
	struct config_generic **settings = compat_settings(&count);

	for (int i = 0; i < count; i++)
		if (pg_strcasecmp(settings[i]->name, name) == 0)
			return settings[i]->vartype != PGC_STRING ||
				   (pg_strncasecmp(name, "twin_security.", 14) == 0 && !(settings[i]->flags & GUC_SUPERUSER_ONLY));
	return false;
}

static void
add_setting(CommandWords *words, const VariableSetStmt *set)
{
	char number[32];

	add_detail(words, "setting", set->name != NULL ? set->name : "ALL");
	if (set->kind != VAR_SET_VALUE)
		add_detail(words, "value", set->kind == VAR_SET_CURRENT ? "FROM CURRENT" : "DEFAULT");
	else if (set->name != NULL && list_length(set->args) == 1)
		add_detail(words, "value",
				   may_tell_value(set->name) ? constant_text(linitial(set->args), number, sizeof(number))
											 : "(not told)");
}

/* ---- roles ---- */

/* Options of a role: what it may, and that it has a password, not which. */
static void
add_role_options(CommandWords *words, List *options)
{
	ListCell *cell;

	foreach(cell, options)
	{
		DefElem *option = lfirst(cell);
		char number[32];

		if (option->arg == NULL)
			add_detail(words, option->defname, "none");
		else if (IsA(option->arg, Boolean))
			add_detail(words, option->defname, boolVal(option->arg) ? "true" : "false");
		else if (IsA(option->arg, Integer))
		{
			snprintf(number, sizeof(number), "%d", intVal(option->arg));
			add_detail(words, option->defname, number);
		}
		else if (IsA(option->arg, List))
			add_detail_list(words, option->defname, (List *) option->arg);
		else
			add_detail(words, option->defname, "given");
	}
}

/* ---- the rest of what a command says ---- */

static void
add_rest(CommandWords *words, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_AlterSystemStmt:
			add_setting(words, ((AlterSystemStmt *) statement)->setstmt);
			break;
		case T_AlterRoleSetStmt:
			add_detail(words, "database", ((AlterRoleSetStmt *) statement)->database);
			add_setting(words, ((AlterRoleSetStmt *) statement)->setstmt);
			break;
		case T_AlterDatabaseSetStmt:
			add_setting(words, ((AlterDatabaseSetStmt *) statement)->setstmt);
			break;
		case T_CreateRoleStmt:
			add_role_options(words, ((CreateRoleStmt *) statement)->options);
			break;
		case T_AlterRoleStmt:
			add_role_options(words, ((AlterRoleStmt *) statement)->options);
			break;
		case T_GrantRoleStmt:
			add_detail_list(words, "members", ((GrantRoleStmt *) statement)->grantee_roles);
			if (!((GrantRoleStmt *) statement)->is_grant)
				words->type = "role_revoked";
			break;
		case T_GrantStmt:
		{
			GrantStmt *grant = (GrantStmt *) statement;

			add_detail_list(words, "grantees", grant->grantees);
			if (grant->privileges == NIL)
				add_detail(words, "privileges", "ALL");
			else
				add_detail_list(words, "privileges", grant->privileges);
			break;
		}
		case T_AlterTableStmt:
			command_alterations(words, (AlterTableStmt *) statement);
			break;
		case T_RenameStmt:
			add_detail(words, "to", ((RenameStmt *) statement)->newname);
			break;
		case T_CopyStmt:
			if (!((CopyStmt *) statement)->is_program)
				add_detail(words, "file", ((CopyStmt *) statement)->filename);
			break;
		case T_AlterEventTrigStmt:
			if (((AlterEventTrigStmt *) statement)->tgenabled == 'D')
				add_detail(words, "change", "disable");
			break;
		default:
			break;
	}
}

/* The words of a command that is in no table: most are definitions of objects; NULL for what is not recorded. */
static const char *
other_type(CommandWords *words, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CopyStmt:
			words->is_begun = true;
			if (((CopyStmt *) statement)->is_from && catalog_is_named(((CopyStmt *) statement)->relation))
			{
				words->severity = EVENT_CRITICAL;
				return "configuration_change";
			}
			words->severity = ((CopyStmt *) statement)->is_program ? EVENT_HIGH : EVENT_MEDIUM;
			if (((CopyStmt *) statement)->is_program)
				return "server_program";
			return ((CopyStmt *) statement)->filename != NULL ? "server_file" : NULL;
		case T_DropStmt:
			if (((DropStmt *) statement)->removeType == OBJECT_EXTENSION)
			{
				words->is_begun = true;
				words->severity = EVENT_HIGH;
				return "extension_dropped";
			}
			if (((DropStmt *) statement)->removeType == OBJECT_EVENT_TRIGGER)
			{
				words->is_begun = true;
				words->severity = EVENT_HIGH;
			}
			return "ddl";
		case T_RenameStmt:
			if (((RenameStmt *) statement)->renameType == OBJECT_ROLE)
			{
				words->is_begun = true;
				words->severity = EVENT_MEDIUM;
				return "user_updated";
			}
			return "ddl";
		case T_CreateStmt:
			return ((CreateStmt *) statement)->relation->relpersistence == RELPERSISTENCE_TEMP ? NULL : "ddl";
		case T_CreateTableAsStmt:
			return ((CreateTableAsStmt *) statement)->into->rel->relpersistence == RELPERSISTENCE_TEMP ? NULL : "ddl";
		case T_PrepareStmt:
		case T_ExecuteStmt:
		case T_ExplainStmt:
			return NULL;
		default:
			return GetCommandLogLevel(statement) == LOGSTMT_DDL ? "ddl" : NULL;
	}
}

/* Whether objects of a kind belong to no database. */
static bool
is_shared(ObjectType type)
{
	return type == OBJECT_ROLE || type == OBJECT_DATABASE || type == OBJECT_TABLESPACE ||
		   type == OBJECT_PARAMETER_ACL;
}

bool
command_is_of_cluster(Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateRoleStmt:
		case T_AlterRoleStmt:
		case T_DropRoleStmt:
		case T_GrantRoleStmt:
		case T_AlterRoleSetStmt:
		case T_AlterSystemStmt:
		case T_CreatedbStmt:
		case T_AlterDatabaseStmt:
		case T_AlterDatabaseSetStmt:
		case T_AlterDatabaseRefreshCollStmt:
		case T_DropdbStmt:
		case T_CreateTableSpaceStmt:
		case T_AlterTableSpaceOptionsStmt:
		case T_DropTableSpaceStmt:
		/* of roles, whose shared objects and privileges these take along */
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
			return true;
		case T_GrantStmt:
			return is_shared(((GrantStmt *) statement)->objtype);
		case T_RenameStmt:
			return is_shared(((RenameStmt *) statement)->renameType);
		case T_AlterOwnerStmt:
			return is_shared(((AlterOwnerStmt *) statement)->objectType);
		case T_CommentStmt:
			return is_shared(((CommentStmt *) statement)->objtype);
		case T_SecLabelStmt:
			return is_shared(((SecLabelStmt *) statement)->objtype);
		default:
			return false;
	}
}

bool
command_describe(Node *statement, CommandWords *words)
{
	words->type = NULL;
	words->severity = EVENT_INFO;
	words->is_begun = false;
	words->of_no_database = false;
	words->resource[0] = '\0';
	words->details[0] = '\0';
	for (int i = 0; i < (int) lengthof(kinds); i++)
	{
		if (kinds[i].tag != nodeTag(statement))
			continue;
		words->type = kinds[i].type;
		words->severity = kinds[i].severity;
		words->is_begun = true;
	}
	if (words->type == NULL)
		words->type = other_type(words, statement);
	if (words->type == NULL)
		return false;
	command_name(statement, words->resource, sizeof(words->resource));
	add_rest(words, statement);
	return true;
}
