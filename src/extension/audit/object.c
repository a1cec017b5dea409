/*
 * object.c
 *		What protects, taken away: triggers of ours disabled or dropped, audited
 *		and guarded tables dropped, functions of ours changed - however it was done:
 *		by name, by CASCADE, inside a function.
 *
 * The server calls this hook in the middle of commands; catalogs may be read
 * here.  What is found is told at once, and again when it is known whether it
 * stayed.
 */
#include "audit/security.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_attribute.h"
#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
#include "catalog/pg_event_trigger.h"
#include "catalog/pg_extension.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_trigger.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

static object_access_hook_type previous_hook = NULL;
static bool extension_goes = false;
static const AlterTableStmt *alter = NULL; /* that runs */

void
object_set_extension_goes(bool goes)
{
	extension_goes = goes;
}

const AlterTableStmt *
object_set_alter(const AlterTableStmt *given)
{
	const AlterTableStmt *before = alter;

	alter = given;
	return before;
}

/* ---- telling ---- */

/* Tells now that it begins, and at the end of the transaction what became of it. */
static void
tell(const char *type, EventSeverity severity, const char *resource, const char *change, const char *name)
{
	char details[1024] = "";
	SecurityEvent event = {.type = type,
						   .severity = severity,
						   .outcome = EVENT_UNKNOWN,
						   .action = watch_command(),
						   .resource = resource,
						   .details = details};

	(void) event_json_add(details, sizeof(details), "change", change);
	if (name != NULL)
		(void) event_json_add(details, sizeof(details), "name", name);
	(void) event_emit(&event);
	event.outcome = EVENT_SUCCESS;
	event_emit_at_end(&event);
}

/*
 * What befalls a table.  Workers of our own make and drop tables of the log, which
 * are no loss of it, and drop partitions that are over their time, which another
 * event tells as well.
 */
static void
tell_of_table(const char *type, EventSeverity severity, Oid relation, const char *change, const char *name)
{
	if (!base_is_worker())
		tell(type, severity, audited_name(relation), change, name);
	else if (get_rel_namespace(relation) != get_namespace_oid(TSEC_INTERNAL_SCHEMA, true))
		tell("configuration_change", EVENT_MEDIUM, audited_name(relation), change, name);
}

static bool
is_of_ours(Oid function)
{
	Oid schema = get_func_namespace(function);

	return OidIsValid(schema) && (schema == get_namespace_oid(TSEC_SCHEMA, true) ||
								  schema == get_namespace_oid(TSEC_INTERNAL_SCHEMA, true));
}

/* ---- triggers ---- */

/* Whether a table has a trigger of ours. */
static bool
is_guarded(Oid relation)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	bool found = false;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (!found && HeapTupleIsValid(tuple = systable_getnext(scan)))
		found = is_of_ours(((Form_pg_trigger) GETSTRUCT(tuple))->tgfoid);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/* How well a trigger guards: not at all, not when triggers of replication fire alone, always. */
static int
strength(const AuditTriggerState *trigger)
{
	if (audited_is_trigger(trigger->function) && audited_fires_rightly(NameStr(trigger->name), trigger->enabled))
		return 3;
	switch (trigger->enabled)
	{
		case TRIGGER_DISABLED:
			return 0;
		case TRIGGER_FIRES_ON_REPLICA:
			return 1;
		case TRIGGER_FIRES_ON_ORIGIN:
			return 2;
		default:
			return 3;
	}
}

static void
trigger_altered(Oid trigger)
{
	AuditTriggerState before = audited_read_trigger(trigger, NULL);
	AuditTriggerState after = audited_read_trigger(trigger, SnapshotSelf);
	int change;

	if (!before.found || !after.found || !is_of_ours(after.function))
		return;
	change = strength(&after) - strength(&before);
	if (change < 0)
		tell_of_table("audit_disabled", EVENT_CRITICAL, after.relation,
					  after.enabled == TRIGGER_DISABLED ? "trigger disabled" : "trigger fires less",
					  NameStr(after.name));
	else if (change > 0 && after.enabled != TRIGGER_DISABLED)
		tell_of_table("audit_enabled", EVENT_HIGH, after.relation, "trigger enabled", NameStr(after.name));
}

/* A trigger that was made in the place of one of ours. */
static void
trigger_made(Oid trigger)
{
	AuditTriggerState before = audited_read_trigger(trigger, NULL);
	AuditTriggerState after = audited_read_trigger(trigger, SnapshotSelf);

	if (before.found && is_of_ours(before.function) && !ItemPointerEquals(&before.place, &after.place))
		tell_of_table("audit_disabled", EVENT_CRITICAL, before.relation, "trigger replaced", NameStr(before.name));
}

static void
trigger_dropped(Oid trigger)
{
	AuditTriggerState state = audited_read_trigger(trigger, NULL);

	/* of a table that is no longer audited: that was told */
	if (state.found && is_of_ours(state.function) &&
		!(audited_is_trigger(state.function) && audit_table_of(state.relation) == NULL))
		tell_of_table("audit_disabled", EVENT_CRITICAL, state.relation, "trigger dropped", NameStr(state.name));
}

/* ---- others ---- */

static void
event_trigger_changed(Oid trigger, bool dropped)
{
	HeapTuple tuple = SearchSysCache1(EVENTTRIGGEROID, ObjectIdGetDatum(trigger));
	Form_pg_event_trigger row;

	if (!HeapTupleIsValid(tuple))
		return;
	row = (Form_pg_event_trigger) GETSTRUCT(tuple);
	if (is_of_ours(row->evtfoid))
		tell("audit_disabled", EVENT_CRITICAL, NameStr(row->evtname),
			 dropped ? "event trigger dropped" : "event trigger altered", NULL);
	ReleaseSysCache(tuple);
}

static void
relation_dropped(Oid relation)
{
	char kind = get_rel_relkind(relation);
	HeapTuple tuple;
	bool has_policies;

	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE && kind != RELKIND_FOREIGN_TABLE &&
		kind != RELKIND_VIEW)
		return;
	if (is_guarded(relation))
	{
		tell_of_table("audit_disabled", EVENT_CRITICAL, relation, "table dropped", NULL);
		return;
	}
	tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	if (!HeapTupleIsValid(tuple))
		return;
	has_policies = ((Form_pg_class) GETSTRUCT(tuple))->relrowsecurity;
	ReleaseSysCache(tuple);
	if (has_policies)
		tell("ddl", EVENT_HIGH, audited_name(relation), "table with row level security dropped", NULL);
}

/* ---- columns ---- */

/* What a snapshot sees of a column. */
typedef struct ColumnState
{
	bool found;
	Oid type;
	int32 modifier;
	NameData name;
} ColumnState;

static ColumnState
read_column(Oid relation, int number, Snapshot snapshot)
{
	ColumnState state = {0};
	Relation catalog = table_open(AttributeRelationId, AccessShareLock);
	ScanKeyData keys[2];
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&keys[0], Anum_pg_attribute_attrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	ScanKeyInit(&keys[1], Anum_pg_attribute_attnum, BTEqualStrategyNumber, F_INT2EQ, Int16GetDatum((int16) number));
	scan = systable_beginscan(catalog, AttributeRelidNumIndexId, true, snapshot, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
	{
		Form_pg_attribute row = (Form_pg_attribute) GETSTRUCT(tuple);

		state = (ColumnState){true, row->atttypid, row->atttypmod, row->attname};
	}
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return state;
}

/* Whether the command that runs names this column: it tells of it itself. */
static bool
is_named(Oid relation, const char *column)
{
	ListCell *cell;

	if (alter == NULL || RangeVarGetRelid(alter->relation, NoLock, true) != relation)
		return false;
	foreach(cell, alter->cmds)
	{
		const AlterTableCmd *part = lfirst(cell);

		if ((part->subtype == AT_DropColumn || part->subtype == AT_AlterColumnType) && part->name != NULL &&
			strcmp(part->name, column) == 0) /* public: names of columns */
			return true;
	}
	return false;
}

/* Values of an audited table go or become others: by ALTER TABLE, or with a type, by CASCADE.  Partitions follow theirs. */
static void
column_changed(Oid relation, int number, bool dropped)
{
	ColumnState before;
	ColumnState after;

	if (audit_table_of(relation) == NULL || get_rel_relispartition(relation))
		return;
	before = read_column(relation, number, NULL);
	if (before.found && is_named(relation, NameStr(before.name)))
		return;
	if (dropped && before.found)
		tell("ddl", EVENT_HIGH, audited_name(relation), "column dropped", NameStr(before.name));
	if (dropped || !before.found)
		return;
	after = read_column(relation, number, SnapshotSelf);
	if (after.found && (before.type != after.type || before.modifier != after.modifier))
		tell("ddl", EVENT_HIGH, audited_name(relation), "column's type changed", NameStr(before.name));
}

static void
function_changed(Oid function, const char *change)
{
	if (is_of_ours(function))
		tell("extension_changed", EVENT_HIGH, get_func_name(function), change, NULL);
}

static void
extension_dropped(Oid extension)
{
	char *name = get_extension_name(extension);

	if (name != NULL && strcmp(name, "twin_security") == 0) /* public: an extension's name */
		tell("extension_dropped", EVENT_CRITICAL, name, "dropped with what it depends on", NULL);
}

static void
object_dropped(Oid class, Oid object)
{
	if (class == TriggerRelationId)
		trigger_dropped(object);
	else if (class == RelationRelationId)
		relation_dropped(object);
	else if (class == EventTriggerRelationId)
		event_trigger_changed(object, true);
	else if (class == ProcedureRelationId)
		function_changed(object, "function dropped");
	else if (class == ExtensionRelationId)
		extension_dropped(object);
}

static void
object_altered(Oid class, Oid object)
{
	if (class == TriggerRelationId)
		trigger_altered(object);
	else if (class == EventTriggerRelationId)
		event_trigger_changed(object, false);
	else if (class == ProcedureRelationId)
		function_changed(object, "function altered");
}

static void
note_access(ObjectAccessType access, Oid class, Oid object, int sub, void *argument)
{
	if (access == OAT_FUNCTION_EXECUTE)
		report_watch();
	else if (access == OAT_DROP && class == DatabaseRelationId)
		shared_note_drop(object);
	else if ((access == OAT_DROP || access == OAT_POST_ALTER ||
			  (access == OAT_POST_CREATE && class == TriggerRelationId)) &&
			 sub == 0 && !extension_goes && !creating_extension && audit_is_on() && presence_here())
	{
		if (access == OAT_DROP)
			object_dropped(class, object);
		else if (access == OAT_POST_CREATE)
			trigger_made(object);
		else
			object_altered(class, object);
	}
	else if ((access == OAT_DROP || access == OAT_POST_ALTER) && sub > 0 && class == RelationRelationId &&
			 !creating_extension && audit_is_on() && presence_here())
		column_changed(object, sub, access == OAT_DROP);
	if (previous_hook)
		previous_hook(access, class, object, sub, argument);
}

void
object_init(void)
{
	previous_hook = object_access_hook;
	object_access_hook = note_access;
}
