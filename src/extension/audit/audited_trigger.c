/*
 * audited_trigger.c
 *		The triggers of audited tables: which there are, made, mended and taken away.
 *
 * Both are done here and not by commands of SQL, for they are no commands of
 * anybody: what was asked for is told once, by the trigger of
 * twin_internal.audited_tables, whoever changes that.  Nothing is switched off for
 * it: a trigger that goes while its table is audited is told by object.c like any.
 */
#include "audit/private.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xact.h"
#include "catalog/dependency.h"
#include "catalog/indexing.h"
#include "catalog/objectaccess.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_audit_triggers);
PG_FUNCTION_INFO_V1(tsec_add_audit_trigger);
PG_FUNCTION_INFO_V1(tsec_drop_audit_triggers);
PG_FUNCTION_INFO_V1(tsec_mend_audit_triggers);

typedef struct AuditTrigger
{
	const char *name;
	int16 type; /* as tgtype */
	char fires; /* as tgenabled */
} AuditTrigger;

static const AuditTrigger triggers[] = {
	{"twin_audit_insert", TRIGGER_TYPE_INSERT, TRIGGER_FIRES_ON_ORIGIN},
	{"twin_audit_update", TRIGGER_TYPE_UPDATE, TRIGGER_FIRES_ON_ORIGIN},
	{"twin_audit_delete", TRIGGER_TYPE_DELETE, TRIGGER_FIRES_ON_ORIGIN},
	{"twin_audit_truncate", TRIGGER_TYPE_TRUNCATE, TRIGGER_FIRES_ALWAYS},
	{"twin_audit_row", TRIGGER_TYPE_ROW | TRIGGER_TYPE_INSERT | TRIGGER_TYPE_UPDATE | TRIGGER_TYPE_DELETE,
	 TRIGGER_FIRES_ON_REPLICA},
};

static Oid
function_of(const AuditTrigger *trigger)
{
	return base_internal_function(TRIGGER_FOR_ROW(trigger->type) ? "audit_row" : "audit_statement", NULL, 0);
}

bool
audited_is_trigger(Oid function)
{
	for (int i = 0; i < (int) lengthof(triggers); i++)
		if (function == function_of(&triggers[i]))
			return true;
	return false;
}

bool
audited_fires_rightly(const char *name, char enabled)
{
	for (int i = 0; i < (int) lengthof(triggers); i++)
		if (strcmp(triggers[i].name, name) == 0) /* public: a trigger's name */
			return enabled == triggers[i].fires;
	return false;
}

/* audit_triggers() -> (name, calls, type, fires, of_partitioned) */
Datum
tsec_audit_triggers(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *set = (ReturnSetInfo *) fcinfo->resultinfo;

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; i < (int) lengthof(triggers); i++)
	{
		Datum values[5] = {CStringGetTextDatum(triggers[i].name), ObjectIdGetDatum(function_of(&triggers[i])),
						   Int16GetDatum(triggers[i].type), CharGetDatum(triggers[i].fires),
						   BoolGetDatum(!TRIGGER_FOR_ROW(triggers[i].type))};
		bool nulls[5] = {false};

		tuplestore_putvalues(set->setResult, set->setDesc, values, nulls);
	}
	return (Datum) 0;
}

static TriggerTransition *
transition(char *name, bool is_new)
{
	TriggerTransition *table = makeNode(TriggerTransition);

	table->name = name;
	table->isNew = is_new;
	table->isTable = true;
	return table;
}

static void
make_trigger(Oid relation, const AuditTrigger *trigger)
{
	CreateTrigStmt *statement = makeNode(CreateTrigStmt);

	statement->trigname = pstrdup(trigger->name);
	statement->row = TRIGGER_FOR_ROW(trigger->type);
	statement->timing = TRIGGER_TYPE_AFTER;
	statement->events = trigger->type & TRIGGER_TYPE_EVENT_MASK;
	if (!statement->row && (TRIGGER_FOR_UPDATE(trigger->type) || TRIGGER_FOR_DELETE(trigger->type)))
		statement->transitionRels = lappend(statement->transitionRels, transition("old_rows", false));
	if (!statement->row && (TRIGGER_FOR_UPDATE(trigger->type) || TRIGGER_FOR_INSERT(trigger->type)))
		statement->transitionRels = lappend(statement->transitionRels, transition("new_rows", true));
	(void) CreateTriggerFiringOn(statement, NULL, relation, InvalidOid, InvalidOid, InvalidOid, function_of(trigger),
								 InvalidOid, NULL, false, false, trigger->fires);
	CommandCounterIncrement();
}

/* add_audit_trigger(rel regclass, name text) */
Datum
tsec_add_audit_trigger(PG_FUNCTION_ARGS)
{
	Oid relation = PG_GETARG_OID(0);
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(1));

	if (audit_table_of(relation) == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("relation with OID %u is not audited", relation)));
	for (int i = 0; i < (int) lengthof(triggers); i++)
		if (strcmp(triggers[i].name, name) == 0) /* public: a trigger's name */
		{
			make_trigger(relation, &triggers[i]);
			PG_RETURN_VOID();
		}
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("\"%s\" is no trigger that audits", name)));
}

/* The triggers of a relation that audit it, whatever they are called. */
static List *
triggers_of(Oid relation)
{
	Relation catalog = table_open(TriggerRelationId, AccessShareLock);
	List *found = NIL;
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(relation));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		if (audited_is_trigger(((Form_pg_trigger) GETSTRUCT(tuple))->tgfoid))
			found = lappend_oid(found, ((Form_pg_trigger) GETSTRUCT(tuple))->oid);
	systable_endscan(scan);
	table_close(catalog, AccessShareLock);
	return found;
}

/* drop_audit_triggers(rel regclass) */
Datum
tsec_drop_audit_triggers(PG_FUNCTION_ARGS)
{
	List *found = triggers_of(PG_GETARG_OID(0));
	ListCell *cell;

	foreach(cell, found)
	{
		ObjectAddress trigger = {TriggerRelationId, lfirst_oid(cell), 0};

		performDeletion(&trigger, DROP_RESTRICT, 0);
	}
	CommandCounterIncrement();
	PG_RETURN_VOID();
}

/* Has a trigger fire when it should. */
static void
mend(Relation catalog, HeapTuple tuple, char fires)
{
	HeapTuple changed = heap_copytuple(tuple);
	Form_pg_trigger row = (Form_pg_trigger) GETSTRUCT(changed);

	row->tgenabled = fires;
	CatalogTupleUpdate(catalog, &changed->t_self, changed);
	InvokeObjectPostAlterHook(TriggerRelationId, row->oid, 0);
	CacheInvalidateRelcacheByRelid(row->tgrelid);
	heap_freetuple(changed);
}

/* mend_audit_triggers(rel regclass) */
Datum
tsec_mend_audit_triggers(PG_FUNCTION_ARGS)
{
	Relation catalog = table_open(TriggerRelationId, RowExclusiveLock);
	ScanKeyData key;
	SysScanDesc scan;
	HeapTuple tuple;

	ScanKeyInit(&key, Anum_pg_trigger_tgrelid, BTEqualStrategyNumber, F_OIDEQ, ObjectIdGetDatum(PG_GETARG_OID(0)));
	scan = systable_beginscan(catalog, TriggerRelidNameIndexId, true, NULL, 1, &key);
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
	{
		Form_pg_trigger row = (Form_pg_trigger) GETSTRUCT(tuple);

		if (!audited_is_trigger(row->tgfoid) || row->tgenabled == TRIGGER_DISABLED)
			continue;
		for (int i = 0; i < (int) lengthof(triggers); i++)
			if (strcmp(triggers[i].name, NameStr(row->tgname)) == 0 &&
				row->tgenabled != triggers[i].fires) /* public: a name */
				mend(catalog, tuple, triggers[i].fires);
	}
	systable_endscan(scan);
	table_close(catalog, RowExclusiveLock);
	CommandCounterIncrement();
	PG_RETURN_VOID();
}
