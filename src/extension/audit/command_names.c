/*
 * command_names.c
 *		What a command is about, named as its text names it.
 *
 * Names of objects and roles only, never a literal: a password, a comment or a
 * connection string stands in those.
 */
#include "audit/security.h"

#include "nodes/value.h"

/* A text that is written piece by piece into a place of fixed size. */
typedef struct Names
{
	char *text;
	size_t size;
	size_t length;
} Names;

static void
add(Names *names, const char *piece)
{
	if (piece == NULL || names->length + 1 >= names->size)
		return;
	strlcpy(names->text + names->length, piece, names->size - names->length);
	names->length += strlen(names->text + names->length);
}

static void
add_relation(Names *names, const RangeVar *relation)
{
	if (relation == NULL)
		return;
	if (relation->schemaname != NULL)
	{
		add(names, relation->schemaname);
		add(names, ".");
	}
	add(names, relation->relname);
}

static void
add_role(Names *names, const RoleSpec *role)
{
	static const char *const words[] = {[ROLESPEC_CURRENT_ROLE] = "CURRENT_ROLE",
										[ROLESPEC_CURRENT_USER] = "CURRENT_USER",
										[ROLESPEC_SESSION_USER] = "SESSION_USER",
										[ROLESPEC_PUBLIC] = "PUBLIC"};

	if (role == NULL)
		add(names, "ALL");
	else
		add(names, role->roletype == ROLESPEC_CSTRING ? role->rolename : words[role->roletype]);
}

static void add_list(Names *names, const List *nodes, const char *between);

/* Whatever names something; what does not adds nothing. */
static void
add_node(Names *names, Node *node)
{
	if (node == NULL)
		return;
	switch (nodeTag(node))
	{
		case T_String:
			add(names, strVal(node));
			break;
		case T_List:
			add_list(names, (List *) node, ".");
			break;
		case T_RangeVar:
			add_relation(names, (RangeVar *) node);
			break;
		case T_RoleSpec:
			add_role(names, (RoleSpec *) node);
			break;
		case T_AccessPriv:
			add(names, ((AccessPriv *) node)->priv_name);
			break;
		case T_ObjectWithArgs:
			add_list(names, ((ObjectWithArgs *) node)->objname, ".");
			break;
		case T_TypeName:
			add_list(names, ((TypeName *) node)->names, ".");
			break;
		default:
			break;
	}
}

static void
add_list(Names *names, const List *nodes, const char *between)
{
	ListCell *cell;

	foreach(cell, nodes)
	{
		if (foreach_current_index(cell) > 0)
			add(names, between);
		add_node(names, lfirst(cell));
	}
}

/* A name on a table: of a trigger, a rule, a policy. */
static void
add_on(Names *names, const RangeVar *relation, const char *name)
{
	add_relation(names, relation);
	if (relation != NULL && name != NULL)
		add(names, " ");
	add(names, name);
}

/* Commands on objects of any kind. */
static bool
add_object(Names *names, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_DropStmt:
			add_list(names, ((DropStmt *) statement)->objects, ", ");
			return true;
		case T_RenameStmt:
		{
			const RenameStmt *rename = (const RenameStmt *) statement;

			if (rename->relation != NULL)
				add_on(names, rename->relation, rename->subname);
			else if (rename->object != NULL)
				add_node(names, rename->object);
			else
				add(names, rename->subname);
			return true;
		}
		case T_AlterObjectSchemaStmt:
			add_relation(names, ((AlterObjectSchemaStmt *) statement)->relation);
			add_node(names, ((AlterObjectSchemaStmt *) statement)->object);
			return true;
		case T_AlterOwnerStmt:
			add_relation(names, ((AlterOwnerStmt *) statement)->relation);
			add_node(names, ((AlterOwnerStmt *) statement)->object);
			return true;
		case T_GrantStmt:
			add_list(names, ((GrantStmt *) statement)->objects, ", ");
			return true;
		case T_CommentStmt:
			add_node(names, ((CommentStmt *) statement)->object);
			return true;
		case T_SecLabelStmt:
			add_node(names, ((SecLabelStmt *) statement)->object);
			return true;
		case T_DefineStmt:
			add_list(names, ((DefineStmt *) statement)->defnames, ".");
			return true;
		default:
			return false;
	}
}

/* Commands on tables and what belongs to them. */
static bool
add_of_table(Names *names, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateStmt:
			add_relation(names, ((CreateStmt *) statement)->relation);
			return true;
		case T_CreateForeignTableStmt:
			add_relation(names, ((CreateForeignTableStmt *) statement)->base.relation);
			return true;
		case T_CreateTableAsStmt:
			add_relation(names, ((CreateTableAsStmt *) statement)->into->rel);
			return true;
		case T_AlterTableStmt:
			add_relation(names, ((AlterTableStmt *) statement)->relation);
			return true;
		case T_IndexStmt:
			add_on(names, ((IndexStmt *) statement)->relation, ((IndexStmt *) statement)->idxname);
			return true;
		case T_ViewStmt:
			add_relation(names, ((ViewStmt *) statement)->view);
			return true;
		case T_RefreshMatViewStmt:
			add_relation(names, ((RefreshMatViewStmt *) statement)->relation);
			return true;
		case T_RuleStmt:
			add_on(names, ((RuleStmt *) statement)->relation, ((RuleStmt *) statement)->rulename);
			return true;
		case T_CreateTrigStmt:
			add_on(names, ((CreateTrigStmt *) statement)->relation, ((CreateTrigStmt *) statement)->trigname);
			return true;
		case T_CreatePolicyStmt:
			add_on(names, ((CreatePolicyStmt *) statement)->table, ((CreatePolicyStmt *) statement)->policy_name);
			return true;
		case T_AlterPolicyStmt:
			add_on(names, ((AlterPolicyStmt *) statement)->table, ((AlterPolicyStmt *) statement)->policy_name);
			return true;
		case T_CreateSeqStmt:
			add_relation(names, ((CreateSeqStmt *) statement)->sequence);
			return true;
		case T_AlterSeqStmt:
			add_relation(names, ((AlterSeqStmt *) statement)->sequence);
			return true;
		case T_CopyStmt:
			add_relation(names, ((CopyStmt *) statement)->relation);
			return true;
		default:
			return false;
	}
}

/* Commands on roles. */
static bool
add_of_role(Names *names, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateRoleStmt:
			add(names, ((CreateRoleStmt *) statement)->role);
			return true;
		case T_AlterRoleStmt:
			add_role(names, ((AlterRoleStmt *) statement)->role);
			return true;
		case T_AlterRoleSetStmt:
			add_role(names, ((AlterRoleSetStmt *) statement)->role);
			return true;
		case T_DropRoleStmt:
			add_list(names, ((DropRoleStmt *) statement)->roles, ", ");
			return true;
		case T_GrantRoleStmt:
			add_list(names, ((GrantRoleStmt *) statement)->granted_roles, ", ");
			return true;
		case T_DropOwnedStmt:
			add_list(names, ((DropOwnedStmt *) statement)->roles, ", ");
			return true;
		case T_ReassignOwnedStmt:
			add_list(names, ((ReassignOwnedStmt *) statement)->roles, ", ");
			return true;
		default:
			return false;
	}
}

/* The others. */
static void
add_other(Names *names, Node *statement)
{
	switch (nodeTag(statement))
	{
		case T_CreateSchemaStmt:
			add(names, ((CreateSchemaStmt *) statement)->schemaname);
			break;
		case T_CreateFunctionStmt:
			add_list(names, ((CreateFunctionStmt *) statement)->funcname, ".");
			break;
		case T_AlterFunctionStmt:
			add_node(names, (Node *) ((AlterFunctionStmt *) statement)->func);
			break;
		case T_CreatedbStmt:
			add(names, ((CreatedbStmt *) statement)->dbname);
			break;
		case T_DropdbStmt:
			add(names, ((DropdbStmt *) statement)->dbname);
			break;
		case T_AlterDatabaseStmt:
			add(names, ((AlterDatabaseStmt *) statement)->dbname);
			break;
		case T_AlterDatabaseSetStmt:
			add(names, ((AlterDatabaseSetStmt *) statement)->dbname);
			break;
		case T_AlterSystemStmt:
			add(names, ((AlterSystemStmt *) statement)->setstmt->name);
			break;
		case T_CreateEventTrigStmt:
			add(names, ((CreateEventTrigStmt *) statement)->trigname);
			break;
		case T_AlterEventTrigStmt:
			add(names, ((AlterEventTrigStmt *) statement)->trigname);
			break;
		case T_CreateExtensionStmt:
			add(names, ((CreateExtensionStmt *) statement)->extname);
			break;
		case T_AlterExtensionStmt:
			add(names, ((AlterExtensionStmt *) statement)->extname);
			break;
		case T_AlterExtensionContentsStmt:
			add(names, ((AlterExtensionContentsStmt *) statement)->extname);
			break;
		case T_LoadStmt:
			add(names, ((LoadStmt *) statement)->filename);
			break;
		case T_CreateSubscriptionStmt:
			add(names, ((CreateSubscriptionStmt *) statement)->subname);
			break;
		case T_AlterSubscriptionStmt:
			add(names, ((AlterSubscriptionStmt *) statement)->subname);
			break;
		case T_DropSubscriptionStmt:
			add(names, ((DropSubscriptionStmt *) statement)->subname);
			break;
		case T_CreatePublicationStmt:
			add(names, ((CreatePublicationStmt *) statement)->pubname);
			break;
		case T_AlterPublicationStmt:
			add(names, ((AlterPublicationStmt *) statement)->pubname);
			break;
		default:
			break;
	}
}

void
command_name(Node *statement, char *name, size_t size)
{
	Names names = {name, size, 0};

	name[0] = '\0';
	if (!add_object(&names, statement) && !add_of_table(&names, statement) && !add_of_role(&names, statement))
		add_other(&names, statement);
}

void
command_name_list(List *nodes, char *name, size_t size)
{
	Names names = {name, size, 0};

	name[0] = '\0';
	add_list(&names, nodes, ", ");
}
