/*
 * guard_member.c
 *		Nobody changes what the log is written, sealed and read with: the extension's
 *		functions, views and schemas are neither replaced nor altered.
 *
 * This looks before the command, by the names that it will look at: after it, the
 * guard itself could be another's.  That members are not dropped is the server's
 * own rule, and GRANT, COMMENT and labels are left alone.
 */
#include "event/private.h"

#include "catalog/dependency.h"
#include "catalog/namespace.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_class.h"
#include "catalog/pg_namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "nodes/parsenodes.h"
#include "utils/catcache.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

static bool
is_member(Oid catalog, Oid oid)
{
	Oid extension = get_extension_oid("twin_security", true);

	return OidIsValid(extension) && OidIsValid(oid) && getExtensionOfObject(catalog, oid) == extension;
}

static TSEC_NORETURN void
refuse(const char *name)
{
	ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("the audit log is not edited"),
					errdetail("\"%s\" belongs to the extension that writes and reads it.", name)));
}

/* Tables that are the log's are spared for themselves; others of the extension may be altered, which is an event. */
static void
spare_view(Oid oid)
{
	if (OidIsValid(oid) && get_rel_relkind(oid) == RELKIND_VIEW && is_member(RelationRelationId, oid))
		refuse(get_rel_name(oid));
}

static void
spare_named_view(const RangeVar *name)
{
	if (name != NULL)
		spare_view(RangeVarGetRelid(name, NoLock, true));
}

/* CREATE OR REPLACE looks in one schema only, whatever lies before it in the search path. */
static void
spare_replaced_view(const RangeVar *name)
{
	spare_view(get_relname_relid(name->relname, RangeVarGetCreationNamespace(name)));
}

/* The same for functions; under a member's name there is no other one either, which calls by name could be led to. */
static void
spare_replaced_function(List *names)
{
	char *name;
	Oid schema = QualifiedNameGetCreationNamespace(names, &name);
	CatCList *list;
	bool is_ours = false;

	if (!is_member(NamespaceRelationId, schema))
		return;
	list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	for (int i = 0; i < list->n_members && !is_ours; i++)
	{
		Form_pg_proc function = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		is_ours = function->pronamespace == schema && is_member(ProcedureRelationId, function->oid);
	}
	ReleaseCatCacheList(list);
	if (is_ours)
		refuse(name);
}

static void
spare_function(ObjectType type, Node *object)
{
	Relation none = NULL;
	ObjectAddress address;

	if (type != OBJECT_FUNCTION && type != OBJECT_PROCEDURE && type != OBJECT_ROUTINE && type != OBJECT_AGGREGATE)
		return;
	address = get_object_address(type, object, &none, AccessShareLock, true);
	if (is_member(ProcedureRelationId, address.objectId))
		refuse(get_func_name(address.objectId));
}

static void
spare_schema(const char *name)
{
	if (is_member(NamespaceRelationId, get_namespace_oid(name, true)))
		refuse(name);
}

void
guard_members(Node *command)
{
	ListCell *cell;

	if (IsA(command, ViewStmt))
		spare_replaced_view(((ViewStmt *) command)->view);
	else if (IsA(command, CreateFunctionStmt))
		spare_replaced_function(((CreateFunctionStmt *) command)->funcname);
	else if (IsA(command, AlterFunctionStmt))
		spare_function(((AlterFunctionStmt *) command)->objtype, (Node *) ((AlterFunctionStmt *) command)->func);
	else if (IsA(command, AlterTableStmt))
		spare_named_view(((AlterTableStmt *) command)->relation);
	else if (IsA(command, RuleStmt))
		spare_named_view(((RuleStmt *) command)->relation);
	else if (IsA(command, CreateTrigStmt))
		spare_named_view(((CreateTrigStmt *) command)->relation);
	else if (IsA(command, RenameStmt))
	{
		RenameStmt *rename = (RenameStmt *) command;

		spare_named_view(rename->relation);
		spare_function(rename->renameType, rename->object);
		if (rename->renameType == OBJECT_SCHEMA)
			spare_schema(rename->subname);
	}
	else if (IsA(command, AlterObjectSchemaStmt))
	{
		spare_named_view(((AlterObjectSchemaStmt *) command)->relation);
		spare_function(((AlterObjectSchemaStmt *) command)->objectType, ((AlterObjectSchemaStmt *) command)->object);
	}
	else if (IsA(command, AlterOwnerStmt))
	{
		AlterOwnerStmt *alter = (AlterOwnerStmt *) command;

		spare_function(alter->objectType, alter->object);
		if (alter->objectType == OBJECT_SCHEMA)
			spare_schema(strVal(alter->object));
	}
	else if (IsA(command, CreateSchemaStmt))
		foreach(cell, ((CreateSchemaStmt *) command)->schemaElts)
			if (!IsA(lfirst(cell), ViewStmt)) /* these are made in the schema that is new */
				guard_members(lfirst(cell));
}
