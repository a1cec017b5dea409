/*
 * role.c
 *		The database role of a request, and the settings that were made for it.
 *
 * Nobody logs in as these roles, so the server would never apply what ALTER
 * ROLE ... SET says.  As PostgREST does it is applied for the transaction,
 * before the role is taken on: with the privileges of the login, which may have
 * been granted settings (GRANT SET ON PARAMETER) that the role may not set.
 */
#include "request/private.h"

#include "identity/identity.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_db_role_setting.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/guc.h"
#include "utils/rel.h"

/* Whether a setting is one that may be made for a request; others (placeholders, the role itself) are left out. */
static bool
is_for_requests(const char *name)
{
	int flags;

	if (GetConfigOption(name, true, false) == NULL)
		return false;
	flags = GetConfigOptionFlags(name, true);
	return (flags & (GUC_CUSTOM_PLACEHOLDER | GUC_NO_SHOW_ALL)) == 0 &&
		   strcmp(name, "default_transaction_isolation") != 0;
}

/* Applies "name=value"; what this login may not set is left out. */
static void
apply(const char *assignment)
{
	const char *equals = strchr(assignment, '=');
	char *name;

	if (equals == NULL)
		return;
	name = pnstrdup(assignment, equals - assignment);
	if (is_for_requests(name))
		(void) set_config_option(name, equals + 1, superuser() ? PGC_SUSET : PGC_USERSET, PGC_S_SESSION,
								 GUC_ACTION_LOCAL, true, DEBUG1, false);
	pfree(name);
}

/* Applies a role's settings in a database, or with InvalidOid in all of them. */
static void
apply_in(Relation settings, Oid database, Oid role)
{
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple row;

	ScanKeyInit(&keys[0], Anum_pg_db_role_setting_setdatabase, BTEqualStrategyNumber, F_OIDEQ,
				ObjectIdGetDatum(database));
	ScanKeyInit(&keys[1], Anum_pg_db_role_setting_setrole, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(role));
	scan = systable_beginscan(settings, DbRoleSettingDatidRolidIndexId, true, NULL, 2, keys);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
	{
		bool null;
		Datum array = heap_getattr(row, Anum_pg_db_role_setting_setconfig, RelationGetDescr(settings), &null);
		Datum *assignments;
		int count;

		if (null)
			continue;
		deconstruct_array(DatumGetArrayTypeP(array), TEXTOID, -1, false, TYPALIGN_INT, &assignments, NULL, &count);
		for (int i = 0; i < count; i++)
			apply(TextDatumGetCString(assignments[i]));
	}
	systable_endscan(scan);
}

void
role_apply_settings(Oid role)
{
	/* no cache hears of changes of this catalog, so it is read each time: two looks into an index */
	Relation settings = table_open(DbRoleSettingRelationId, AccessShareLock);

	apply_in(settings, InvalidOid, role);
	apply_in(settings, MyDatabaseId, role);
	table_close(settings, AccessShareLock);
}

void
role_take_on(const char *name)
{
	current_set("role", name);
}

char *
role_of_token(RequestCaller caller)
{
	Oid role = identity_database_role();

	if (!OidIsValid(role))
		return NULL;
	if (!compat_may_become(GetSessionUserId(), role))
		refuse(caller, TSEC_IDENTITY_ROLE, 0);
	return GetUserNameFromId(role, false);
}
