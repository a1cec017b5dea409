/*
 * rule.c
 *		twin.alert_rules, as the writer's process last read it: every event is held against every rule, and counted for
 *		its subject.  What is too often is an alert when the batch ends.
 *
 * Windows are in shared memory and no part of the transaction: each leaf is counted once, whatever is rolled back of a
 * batch, and an alert that could not be raised is due again with the next event.
 */
#include "monitor/rule.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_check_alert_rule);
PG_FUNCTION_INFO_V1(tsec_alert_rules_changed);

#define INT8_ARRAY_OID 1016 /* pg_type has no name for it */

/* No rule, but what notices about incidents are called: contain.sql. */
#define NOTICE_RULE "incident"

/* So many are looked at; the rest says so in the log. */
#define RULES_MAX 1000

/* A batch ends with so many alerts: each takes a while. */
#define ALERTS_OF_BATCH 16

static Rule *rules = NULL;
static int rule_count = 0;

/* An alert that is due. */
typedef struct DueAlert
{
	const Rule *rule;
	RuleSubjectOf about;
	uint64 hash;
	WindowCount reached;
} DueAlert;

/* Those of the batch; and from which leaf on it was not counted yet. */
static List *due = NIL;
static uint64 counted_to = 0;

/* ---- reading rules ---- */

static void
begin_rules(void)
{
	rules = palloc(RULES_MAX * sizeof(Rule));
	rule_count = 0;
}

static bool
take_row(HeapTuple row, TupleDesc shape)
{
	Rule *rule = &rules[rule_count];
	const char *wrong;

	if (rule_count == RULES_MAX)
	{
		ereport(LOG, (errmsg("there are more than %d alert rules; the rest is passed over", RULES_MAX)));
		return false;
	}
	wrong = rule_compile(row, shape, rule);
	if (wrong != NULL)
		ereport(LOG,
				(errmsg("alert rule \"%s\" cannot be read, and is passed over", rule->name == NULL ? "" : rule->name),
				 errdetail_internal("%s", wrong)));
	else if (rule->is_enabled && rule->is_threshold)
		rule_count++;
	return true;
}

static TableCache table = {.table = "alert_rules", .begin = begin_rules, .take_row = take_row};

/* ---- counting ---- */

/* Which window: no rule, subject or database shares one. */
static uint64
hash_of(const DueAlert *alert)
{
	struct
	{
		uint64 rule;
		uint64 subject;
		uint32 database;
		uint32 is_role;
	} whole = {alert->rule->hash, 0, MyDatabaseId, strcmp(alert->about.subject_is, "role") == 0};

	if (alert->about.subject != NULL)
		whole.subject = windows_hash(alert->about.subject, strlen(alert->about.subject));
	return windows_hash(&whole, sizeof(whole));
}

/* Counts an event for a rule; true: an alert is due. */
static bool
count_for(const Rule *rule, const WatchedEvent *event, DueAlert *alert)
{
	WindowEvent counted = rule_window_event(event);

	alert->rule = rule;
	if (!rule_find_subject(rule, event, &alert->about))
		return false;
	alert->hash = hash_of(alert);
	return windows_count(alert->hash, &rule->policy, rule->cooldown, &counted, &alert->reached);
}

static void
add_due(const DueAlert *alert)
{
	MemoryContext outer = MemoryContextSwitchTo(TopTransactionContext);
	DueAlert *copy = palloc(sizeof(DueAlert));

	*copy = *alert;
	if (alert->about.subject != NULL)
		copy->about.subject = pstrdup(alert->about.subject);
	due = lappend(due, copy);
	windows_quiet(alert->hash, alert->reached.last + alert->rule->cooldown);
	MemoryContextSwitchTo(outer);
}

static void
count(const WatchedEvent *event, bool raises)
{
	DueAlert alert;

	if (event->leaf_index < counted_to)
		return;
	for (int i = 0; i < rule_count; i++)
		if (rule_matches(&rules[i], event) && count_for(&rules[i], event, &alert) && raises)
			add_due(&alert);
	counted_to = event->leaf_index + event->rows;
	if (list_length(due) >= ALERTS_OF_BATCH)
		stream_end_here();
}

void
rule_count_again(const WatchedEvent *event)
{
	count(event, false);
}

static void
watch(const WatchedEvent *event)
{
	count(event, true);
}

void
rule_begin_batch(int64 leaf)
{
	base_refresh_table(&table);
	due = NIL; /* its memory went with the last transaction */
	counted_to = (uint64) leaf;
}

/* ---- raising ---- */

#define LAST_ALERT(whose)                                                                                          \
	"SELECT max(a.event_time) FROM (SELECT l.event_time FROM twin_internal.alerts l WHERE l.rule_name = $1 "       \
	"AND " whose " AND l.details->>'subject_is' = $3 AND l.event_time <= clock_timestamp() + interval '1 minute' " \
	"ORDER BY l.alert_id DESC LIMIT 1) a"

/* Until when the rule is quiet about a subject, as the alerts say that are there, but for those of a clock that was set back since; two statements, so that each has the index. */
static TimestampTz
quiet_until(const DueAlert *alert)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr any_plan = NULL;
	bool is_any = alert->about.subject == NULL;
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID};
	Datum values[] = {CStringGetTextDatum(alert->rule->name),
					  is_any ? (Datum) 0 : CStringGetTextDatum(alert->about.subject),
					  CStringGetTextDatum(alert->about.subject_is)};
	bool null;
	Datum last;

	if (is_any)
		stream_run(&any_plan, LAST_ALERT("l.subject IS NULL AND $2 IS NULL"), 3, types, values, " n ", SPI_OK_SELECT);
	else
		stream_run(&plan, LAST_ALERT("l.subject = $2"), 3, types, values, NULL, SPI_OK_SELECT);
	last = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	return null ? PG_INT64_MIN : DatumGetTimestampTz(last) + alert->rule->cooldown;
}

static Datum
ids_of(const WindowCount *reached)
{
	Datum ids[WINDOW_SLOTS];

	for (int i = 0; i < reached->ids; i++)
		ids[i] = Int64GetDatum(reached->id[i]);
	return PointerGetDatum(
		construct_array(ids, reached->ids, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

static void
insert_alert(const DueAlert *alert)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID,        INT8OID,        INT8_ARRAY_OID,
				   TEXTOID, INT4OID, TIMESTAMPTZOID, TIMESTAMPTZOID, INT8OID};
	Datum values[] = {CStringGetTextDatum(alert->rule->name),
					  CStringGetTextDatum(alert->rule->severity),
					  alert->about.subject == NULL ? (Datum) 0 : CStringGetTextDatum(alert->about.subject),
					  Int64GetDatum(alert->reached.count),
					  ids_of(&alert->reached),
					  CStringGetTextDatum(alert->about.subject_is),
					  Int32GetDatum(alert->rule->policy.threshold),
					  TimestampTzGetDatum(alert->reached.first),
					  TimestampTzGetDatum(alert->reached.last),
					  Int64GetDatum(alert->rule->policy.period)};

	stream_run(
		&plan,
		"SELECT twin_internal.raise_alert($1, $2, $3, $4, $5, jsonb_build_object('subject_is', $6, 'threshold', "
		"$7, 'period', ($10 * interval '1 microsecond')::text, 'first_event', $8, 'last_event', $9), $9)",
		10, types, values, alert->about.subject == NULL ? "  n       " : NULL, SPI_OK_SELECT);
}

/* Raises it, unless the rule is quiet; notes until when it is. */
static void
raise_alert(void *argument)
{
	const DueAlert *alert = argument;
	TimestampTz until = alert->rule->cooldown == 0 ? PG_INT64_MIN : quiet_until(alert);

	if (alert->reached.last >= until)
	{
		insert_alert(alert);
		until = alert->reached.last + alert->rule->cooldown;
	}
	windows_quiet(alert->hash, until);
}

static void
raise_due(void)
{
	List *alerts = due;
	ListCell *cell;

	due = NIL;
	foreach(cell, alerts)
	{
		DueAlert *alert = lfirst(cell);

		if (!stream_try(raise_alert, alert,
						psprintf("an alert of rule \"%s\" could not be raised", alert->rule->name)))
			windows_quiet(alert->hash, PG_INT64_MIN); /* the next event tries again */
	}
}

void
rule_init(void)
{
	windows_init();
	base_add_table_cache(&table);
	monitor_add_watcher(watch, raise_due);
}

/* ---- triggers of the table ---- */

/* check_alert_rule(): trigger that refuses a rule that makes no sense */
Datum
tsec_check_alert_rule(PG_FUNCTION_ARGS)
{
	TriggerData *trigger = (TriggerData *) fcinfo->context;
	HeapTuple row;
	const char *wrong;
	Rule rule;

	base_require_trigger(fcinfo, "check_alert_rule");
	row = TRIGGER_FIRED_BY_UPDATE(trigger->tg_event) ? trigger->tg_newtuple : trigger->tg_trigtuple;
	wrong = rule_compile(row, RelationGetDescr(trigger->tg_relation), &rule);
	/* public: a rule's name */
	if (rule.name != NULL && strcmp(rule.name, NOTICE_RULE) == 0)
		ereport(ERROR, (errcode(ERRCODE_RESERVED_NAME), errmsg("alert rule \"%s\" cannot be made", rule.name),
						errdetail("Notices of playbooks are alerts of this name, and no incident comes of them."),
						errhint("Name the rule otherwise.")));
	if (wrong != NULL && wrong != rule_incomplete) /* which constraints tell better */
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("alert rule \"%s\" makes no sense", rule.name), errdetail_internal("%s", wrong)));
	PG_RETURN_POINTER(row);
}

/* alert_rules_changed(): trigger that has rules read again */
Datum
tsec_alert_rules_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "alert_rules_changed");
	base_tell_sessions(RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation));
	PG_RETURN_POINTER(NULL);
}
