/*
 * change.c
 *		The triggers of audited tables.
 *
 * After each statement, with its transition tables: one call has all rows.  A
 * worker of logical replication, and whoever sets session_replication_role,
 * fires neither these nor has transition tables: for them a trigger per row,
 * which fires only there.  Of a partitioned table every partition has both, for
 * statements that name it.
 */
#include "audit/change.h"

#include "commands/trigger.h"
#include "executor/executor.h"
#include "executor/tuptable.h"
#include "utils/rel.h"
#include "utils/tuplestore.h"

PG_FUNCTION_INFO_V1(tsec_audit_statement);
PG_FUNCTION_INFO_V1(tsec_audit_row);

/* Rows: of transition tables, or one. */
struct ChangeSource
{
	Tuplestorestate *old_rows;
	Tuplestorestate *new_rows;
	TupleTableSlot *old;
	TupleTableSlot *new;
	bool in_pairs; /* the nth old row became the nth new one */
	bool is_single;
	bool done;
};

/* The next row of a transition table; false after the last. */
static bool
fetch(Tuplestorestate *rows, TupleTableSlot *slot)
{
	return rows != NULL && tuplestore_gettupleslot(rows, true, false, slot);
}

bool
change_next(ChangeSource *source, TupleTableSlot **old, TupleTableSlot **new)
{
	*old = *new = NULL;
	if (source->is_single)
	{
		*old = source->old;
		*new = source->new;
		source->is_single = false;
		source->done = true;
		return true;
	}
	if (source->done)
		return false;
	if (fetch(source->old_rows, source->old))
		*old = source->old;
	if ((source->in_pairs || *old == NULL) && fetch(source->new_rows, source->new))
		*new = source->new;
	source->done = *old == NULL && *new == NULL;
	return !source->done;
}

/* Begins reading a transition table; NULL for none. */
static TupleTableSlot *
begin_reading(Tuplestorestate *rows, TupleDesc shape)
{
	if (rows == NULL)
		return NULL;
	/* a place of our own in it: others read it, too */
	tuplestore_select_read_pointer(rows, tuplestore_alloc_read_pointer(rows, EXEC_FLAG_REWIND));
	tuplestore_rescan(rows);
	return MakeSingleTupleTableSlot(shape, &TTSOpsMinimalTuple);
}

static void
write_changes(ChangePlan *plan, const ChangeDeed *deed, ChangeSource *source)
{
	if (plan->mode == AUDIT_DIGEST)
		change_write_digest(plan, deed, source);
	else
		change_write_images(plan, deed, source);
}

static const ChangeDeed *
deed_of(TriggerEvent event)
{
	static const ChangeDeed create = {"create", "insert"};
	static const ChangeDeed update = {"update", "update"};
	static const ChangeDeed delete = {"delete", "delete"};
	static const ChangeDeed truncate = {"truncate", "truncate"};

	return TRIGGER_FIRED_BY_INSERT(event)   ? &create
		   : TRIGGER_FIRED_BY_UPDATE(event) ? &update
		   : TRIGGER_FIRED_BY_DELETE(event) ? &delete
											: &truncate;
}

/* Whether rows are recorded one by one here, and not by statement: whatever ALTER TABLE made of the triggers, once. */
static bool
rows_count(void)
{
	return SessionReplicationRole == SESSION_REPLICATION_ROLE_REPLICA;
}

/* audit_statement(): trigger after statements, with transition tables */
Datum
tsec_audit_statement(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	ChangePlan *volatile plan;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) ||
		!TRIGGER_FIRED_FOR_STATEMENT(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("audit_statement is a trigger after statements")));
	if (!audit_is_on() || (rows_count() && !TRIGGER_FIRED_BY_TRUNCATE(data->tg_event)) ||
		(plan = change_plan_of(data->tg_relation)) == NULL)
		return PointerGetDatum(NULL);
	PG_TRY();
	{
		if (TRIGGER_FIRED_BY_TRUNCATE(data->tg_event))
			change_write_event(plan, deed_of(data->tg_event), NULL);
		else
		{
			TupleDesc shape = RelationGetDescr(data->tg_relation);
			ChangeSource source = {.old_rows = data->tg_oldtable, .new_rows = data->tg_newtable};

			source.old = begin_reading(source.old_rows, shape);
			source.new = begin_reading(source.new_rows, shape);
			/* a row that a trigger kept from arriving in another partition has an old side only: then none are paired */
			source.in_pairs = source.old && source.new &&tuplestore_tuple_count(source.old_rows) ==
												tuplestore_tuple_count(source.new_rows);
			write_changes(plan, deed_of(data->tg_event), &source);
			if (source.old != NULL)
				ExecDropSingleTupleTableSlot(source.old);
			if (source.new != NULL)
				ExecDropSingleTupleTableSlot(source.new);
		}
	}
	PG_FINALLY();
	{
		change_plan_release(plan);
	}
	PG_END_TRY();
	return PointerGetDatum(NULL);
}

/* audit_row(): trigger after rows, where statements' triggers do not fire */
Datum
tsec_audit_row(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	ChangePlan *volatile plan;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_AFTER(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("audit_row is a trigger after rows")));
	if (!audit_is_on() || !rows_count() || (plan = change_plan_of(data->tg_relation)) == NULL)
		return PointerGetDatum(NULL);
	PG_TRY();
	{
		ChangeSource source = {.is_single = true};

		/* an insert's row is in the first slot */
		if (TRIGGER_FIRED_BY_INSERT(data->tg_event))
			source.new = data->tg_trigslot;
		else
			source.old = data->tg_trigslot;
		if (TRIGGER_FIRED_BY_UPDATE(data->tg_event))
			source.new = data->tg_newslot;
		write_changes(plan, deed_of(data->tg_event), &source);
	}
	PG_FINALLY();
	{
		change_plan_release(plan);
	}
	PG_END_TRY();
	return PointerGetDatum(NULL);
}

PG_FUNCTION_INFO_V1(tsec_is_preloaded);

/* is_preloaded() -> boolean */
Datum
tsec_is_preloaded(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(base_is_preloaded());
}
