/*
 * warrant.c
 *		What a token-only login may do in another role than its own.
 *
 * The login of a gateway is granted every role that a request may act in, so
 * whoever takes it over can name any of them.  A role counts only where a
 * verified token warrants it: one whose own role stands for it.  Without a
 * warrant grants on keys do not count, the extension's administrative functions
 * are refused, and so is what its views show.  (What applications grant to these
 * roles on their own tables is theirs to protect: protect_table().)  The same
 * hooks keep whoever belongs to a tenant, on any login, to it: see reach.c.
 *
 * SECURITY DEFINER functions run as their owner and are let be: who may call
 * them was decided before.  But for those of an owner whom the login may be by
 * itself: whoever takes it over makes some in that role and calls them in any.
 */
#include "identity/private.h"

#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_proc.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_require_warrant);

static object_access_hook_type previous_hook = NULL;

Oid
identity_acting_role(void)
{
	return OidIsValid(GetCurrentRoleId()) ? GetCurrentRoleId() : GetSessionUserId();
}

bool
identity_in_anothers_name(void)
{
	Oid owner = GetUserId();

	return owner != identity_acting_role() &&
		   !(identity_is_token_only() && is_member_of_role_nosuper(GetSessionUserId(), owner));
}

/* Whether a token warrants a role. */
static bool
warrants(const Identity *identity, Oid role)
{
	if (role == identity->database_role)
		return true;
	/* in its own name it has what it inherits, too */
	if (role == GetSessionUserId())
		return !tables_login_exceeds(role, identity->role);
	return identity->role != NULL && tables_role_stands_for(identity->role, role);
}

bool
identity_has_warrant(void)
{
	const Identity *identity;

	if (!identity_is_token_only())
		return true;
	identity = identity_if_verified();
	return identity != NULL && warrants(identity, identity_acting_role()) &&
		   (identity_in_anothers_name() || warrants(identity, GetUserId()));
}

static TSEC_NORETURN void
refuse(const char *what)
{
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for %s", what),
			 errdetail("This login is token-only, and no verified token warrants the role it acts in."),
			 identity_if_verified() != NULL && identity_acting_role() == GetSessionUserId()
				 ? errhint("It inherits more than the token's role stands for: ALTER ROLE ... NOINHERIT "
						   "(from PostgreSQL 16 on also GRANT ... WITH INHERIT FALSE), and SET LOCAL ROLE for each "
						   "request.")
				 : errhint("Call twin.authenticate() with the token of a user whose role it is.")));
}

/* Whether anybody may call a function. */
static bool
is_for_everybody(Oid function)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(function));
	bool null;
	Datum acl;
	bool allowed;

	if (!HeapTupleIsValid(tuple))
		return false;
	acl = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proacl, &null);
	/* without a list it is as it was made */
	allowed = null || aclmask(DatumGetAclP(acl), ACL_ID_PUBLIC, InvalidOid, ACL_EXECUTE, ACLMASK_ANY) != 0;
	ReleaseSysCache(tuple);
	return allowed;
}

/* Whether nobody is asking and the login is not token-only, or a SECURITY DEFINER function of somebody else runs. */
static bool
nothing_to_check(void)
{
	return (token_setting_value() == NULL && !identity_is_token_only()) || identity_in_anothers_name();
}

/* Whether a function is one of those that administer: of schema twin, or of the console, which only few may use. */
static bool
is_administrative(Oid function, bool *of_console)
{
	Oid schema = get_func_namespace(function);

	*of_console = schema == get_namespace_oid(TSEC_CONSOLE_SCHEMA, true);
	return *of_console || schema == get_namespace_oid(TSEC_SCHEMA, true);
}

/* Looks at every function before it is called for the first time in a statement. */
static void
check_function(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	bool is_planted;
	bool of_console;

	if (previous_hook)
		previous_hook(access, class, object, sub, argument);
	if (access != OAT_FUNCTION_EXECUTE)
		return;
	identity_check_seal();
	/* the server's own functions are none of ours */
	if (likely(object < FirstNormalObjectId) || !IsTransactionState())
		return;
	is_planted = InSecurityRestrictedOperation() && !superuser();
	if (!is_planted && nothing_to_check())
		return;
	if (!is_administrative(object, &of_console) || is_for_everybody(object))
		return;
	/* in the owner's name, by whoever maintains his table, autovacuum even: nobody asks for it there */
	if (is_planted)
		ereport(ERROR,
				(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
				 errmsg("permission denied for an administrative function of twin_security"),
				 errdetail("It is called by what a table's owner left to be run while his table is maintained.")));
	if (!identity_has_warrant())
	{
		if (reach_logins_may_call(object))
			return;
		refuse("an administrative function of twin_security");
	}
	reach_check_function(object);
	if (of_console && identity_current() != NULL)
		identity_require_permission("admin_panel");
}

void
warrant_check_statement(const PlannedStmt *statement)
{
	Oid schema;
	ListCell *cell;

	if (likely(nothing_to_check()))
		return;
	schema = get_namespace_oid(TSEC_SCHEMA, true);
	foreach(cell, statement->rtable)
	{
		RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

		/* since PostgreSQL 16 a view is the subquery it became, which keeps its name */
		if ((entry->rtekind != RTE_RELATION && entry->rtekind != RTE_SUBQUERY) || !OidIsValid(entry->relid) ||
			get_rel_namespace(entry->relid) != schema)
			continue;
		if (!identity_has_warrant())
			refuse("what twin_security shows");
		reach_check_relation(entry->relid);
	}
}

/* Looks at a table that a statement names which no executor runs. */
static void
check_named(const RangeVar *name)
{
	Oid relation = RangeVarGetRelid(name, NoLock, true);

	if (!OidIsValid(relation) || get_rel_namespace(relation) != get_namespace_oid(TSEC_SCHEMA, true))
		return;
	if (!identity_has_warrant())
		refuse("what twin_security shows");
	/* all tables there are of the whole; a query is looked at where it reads them */
	reach_require_whole(name->relname);
}

void
warrant_check_utility(Node *statement)
{
	ListCell *cell;

	switch (nodeTag(statement))
	{
		case T_AlterRoleSetStmt:
		case T_DropOwnedStmt:
		case T_ReassignOwnedStmt:
			/* the server lets every role do these to itself: for everybody's requests in it, and for good */
			if (identity_is_token_only() && !identity_in_anothers_name())
				ereport(ERROR,
						(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied to change a role"),
						 errdetail("This login is token-only: what its roles are set to, own and are granted is an "
								   "administrator's choice.")));
			break;
		case T_CopyStmt:
			if (((CopyStmt *) statement)->relation != NULL && !nothing_to_check())
				check_named(((CopyStmt *) statement)->relation);
			break;
		case T_LockStmt:
			/* whoever holds a table of ours keeps every request waiting */
			if (nothing_to_check())
				break;
			foreach(cell, ((LockStmt *) statement)->relations)
				check_named(lfirst_node(RangeVar, cell));
			break;
		default:
			break;
	}
}

/* require_warrant(): trigger on tables that administrators edit */
Datum
tsec_require_warrant(PG_FUNCTION_ARGS)
{
	const char *table;

	base_require_trigger(fcinfo, "require_warrant");
	table = RelationGetRelationName(((TriggerData *) fcinfo->context)->tg_relation);
	if (!identity_has_warrant())
		refuse(table);
	reach_require_whole(table);
	PG_RETURN_POINTER(NULL);
}

void
warrant_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = check_function;
}
