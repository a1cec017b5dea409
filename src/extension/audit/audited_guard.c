/*
 * audited_guard.c
 *		The triggers of an audited table are not its owner's to disable, and are
 *		nobody's to rename or replace: that they are not dropped is told by name
 *		(audited_dropped()).
 *
 * Asked where the server has altered them, so however it was put, and without
 * preloading, too: the guard of the log loads this library in every session that
 * is about to alter anything.
 */
#include "audit/private.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/acl.h"
#include "utils/fmgroids.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsec_is_audited_now);

static object_access_hook_type previous_hook = NULL;

AuditTriggerState
audited_read_trigger(Oid trigger, Snapshot snapshot)
{
	AuditTriggerState state = {0};
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_trigger_oid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(trigger));
	scan = systable_beginscan(catalog, TriggerOidIndexId, true, snapshot, 1, &key);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_trigger row = (Form_pg_trigger) GETSTRUCT(tuple);

		state = (AuditTriggerState){true, row->tgrelid, row->tgfoid, row->tgenabled, row->tgname, tuple->t_self};
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return state;
}

/* Whether the current user decides what is audited. */
static bool
is_administrator(void)
{
	Oid role = get_role_oid("twin_admin", true);

	return superuser() || (OidIsValid(role) && has_privs_of_role(GetUserId(), role));
}

/* Looks at a trigger that was made or altered: what it was before is still to be seen. */
static void
check(Oid trigger, bool is_made)
{
	AuditTriggerState before;
	AuditTriggerState after;

	if (!OidIsValid(get_namespace_oid(TSEC_INTERNAL_SCHEMA, true)))
		return;
	before = audited_read_trigger(trigger, NULL);
	if (!before.found || !audited_is_trigger(before.function) || audit_table_of(before.relation) == NULL)
		return;
	after = audited_read_trigger(trigger, SnapshotSelf);
	/* one that was made anew may be seen already */
	if (ItemPointerEquals(&before.place, &after.place))
		return;
	if (is_made || strcmp(NameStr(before.name), NameStr(after.name)) != 0 || /* public: a trigger's name */
		(after.enabled == TRIGGER_DISABLED && before.enabled != TRIGGER_DISABLED && !is_administrator()))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("trigger \"%s\" audits a table", NameStr(before.name)),
						errhint("Call twin.unaudit_table().")));
}

/* is_audited_now(rel regclass): as it is, and not as the transaction's snapshot has it. */
Datum
tsec_is_audited_now(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(audit_table_of(PG_GETARG_OID(0)) != NULL);
}

static void
note_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (class == TriggerRelationId && (access == OAT_POST_ALTER || access == OAT_POST_CREATE))
		check(object, access == OAT_POST_CREATE);
	if (previous_hook)
		previous_hook(access, class, object, sub, argument);
}

void
audited_guard_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = note_access;
}
