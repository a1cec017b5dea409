/*
 * role.c
 *		Being another role for a while, as the server is where it maintains a table.
 *
 * Triggers, rules, policies and functions in indexes are whoever's made them: they
 * run as the table's owner, in an operation in which they can leave nothing behind
 * for the session.  Errors need no care: the end of the transaction or savepoint
 * that they end brings back both role and settings.
 */
#include "base/base.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/syscache.h"

Oid
base_owner_of(Oid relation)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	ReleaseSysCache(tuple);
	return owner;
}

void
base_become_role(Oid role, int flags, const char *search_path, BaseCaller *caller)
{
	GetUserIdAndSecContext(&caller->user, &caller->context);
	SetUserIdAndSecContext(role, caller->context | SECURITY_RESTRICTED_OPERATION | flags);
	caller->level = NewGUCNestLevel();
	if (search_path != NULL)
		base_set_for_role("search_path", search_path);
}

void
base_set_for_role(const char *setting, const char *value)
{
	(void) set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

void
base_return(const BaseCaller *caller)
{
	AtEOXact_GUC(false, caller->level);
	SetUserIdAndSecContext(caller->user, caller->context);
}
