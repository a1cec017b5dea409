/*
 * protect.c
 *		Who may call protect_table: the table's owner.  What it does is SQL
 *		(protect.sql) and runs as the extension's owner, for it must write down
 *		what was there before where no caller can reach it.
 */
#include "identity/private.h"

#include "access/relation.h"
#include "catalog/catalog.h"
#include "catalog/objectaddress.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsec_protect_table);
PG_FUNCTION_INFO_V1(tsec_unprotect_table);

#define PROTECT_ARGUMENTS 7

/* Raises unless the caller owns a table that is none of the system's. */
static void
require_owner(Oid oid)
{
	char *name = get_rel_name(oid);

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", oid)));
	if (IsCatalogRelationOid(oid))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("%s belongs to the system", name)));
	if (!compat_owns_relation(oid, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, get_relkind_objtype(get_rel_relkind(oid)), name);
}

/* Locks a table that the caller owns. */
static void
lock_own_table(FunctionCallInfo fcinfo)
{
	Oid oid;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a table must be named")));
	oid = PG_GETARG_OID(0);
	/* first asked without a lock: nobody else shall be able to make the table's users wait */
	require_owner(oid);
	relation_close(relation_open(oid, AccessExclusiveLock), NoLock);
	require_owner(oid);
}

/* Hands a call on to a function of twin_internal that takes the same arguments. */
static void
hand_on(FunctionCallInfo fcinfo, const char *name, const Oid *types, int count)
{
	LOCAL_FCINFO(call, PROTECT_ARGUMENTS);
	Oid function = base_internal_function(name, types, count);
	FmgrInfo info;

	if (!OidIsValid(function))
		elog(ERROR, "twin_security: function %s is missing", name);
	fmgr_info(function, &info);
	InitFunctionCallInfoData(*call, &info, count, InvalidOid, NULL, NULL);
	memcpy(call->args, fcinfo->args, sizeof(NullableDatum) * count);
	(void) FunctionCallInvoke(call);
}

/* protect_table(rel regclass, tenant_column name, owner_column name, read, insert, update, delete permissions text) */
Datum
tsec_protect_table(PG_FUNCTION_ARGS)
{
	static const Oid types[PROTECT_ARGUMENTS] = {REGCLASSOID, NAMEOID, NAMEOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID};

	lock_own_table(fcinfo);
	hand_on(fcinfo, "protect", types, PROTECT_ARGUMENTS);
	PG_RETURN_VOID();
}

/* unprotect_table(rel regclass) */
Datum
tsec_unprotect_table(PG_FUNCTION_ARGS)
{
	static const Oid types[] = {REGCLASSOID};

	lock_own_table(fcinfo);
	hand_on(fcinfo, "unprotect", types, lengthof(types));
	PG_RETURN_VOID();
}
