/*
 * rule_test.c
 *		twin.test_rule(): which alerts a rule would have raised over a part of the log.
 *
 * The same counting in windows of its own, in the order of recording; nothing is written, and what the rule counts now is
 * not touched.
 */
#include "monitor/rule.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_test_rule);

#define INT8_ARRAY_OID 1016 /* pg_type has no name for it */
#define FETCH 500

/* Subjects are kept whole here, as long as they are so many at most. */
#define SUBJECTS_MAX 200000
#define KEY_SIZE 520

/* A subject, and what is known of it. */
typedef struct Tested
{
	char key[KEY_SIZE]; /* what it is, and who */
	TimestampTz quiet_until;
	Window window;
} Tested;

static void
find_rule(const char *name, Rule *rule)
{
	Oid types[] = {TEXTOID};
	Datum values[] = {CStringGetTextDatum(name)};
	const char *wrong;

	if (SPI_execute_with_args("SELECT r.* FROM twin.alert_rules r WHERE r.rule_name = $1", 1, types, values, NULL,
							  true, 1) != SPI_OK_SELECT)
		elog(ERROR, "twin_security: rules cannot be read");
	if (SPI_processed != 1)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("alert rule \"%s\" does not exist", name)));
	wrong = rule_compile(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, rule);
	if (wrong != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("alert rule \"%s\" makes no sense", name),
						errdetail_internal("%s", wrong)));
	if (!rule->is_threshold)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("alert rule \"%s\" does not count events", name)));
}

static Tested *
find_tested(HTAB *subjects, const RuleSubjectOf *about)
{
	char key[KEY_SIZE] = "";
	bool found;
	Tested *tested;

	snprintf(key, sizeof(key), "%c%s", about->subject_is[0], about->subject == NULL ? "" : about->subject);
	tested = hash_search(subjects, key, HASH_ENTER, &found);
	if (found)
		return tested;
	if (hash_get_num_entries(subjects) > SUBJECTS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED),
						errmsg("the rule would count more than %d subjects in this time", SUBJECTS_MAX),
						errhint("Test it over a shorter time.")));
	memset(&tested->window, 0, sizeof(tested->window));
	tested->quiet_until = DT_NOBEGIN;
	return tested;
}

static void
put_alert(ReturnSetInfo *result, const RuleSubjectOf *about, const WindowCount *reached)
{
	Datum ids[WINDOW_SLOTS];
	Datum values[4];
	bool nulls[4] = {about->subject == NULL};

	for (int i = 0; i < reached->ids; i++)
		ids[i] = Int64GetDatum(reached->id[i]);
	values[0] = about->subject == NULL ? (Datum) 0 : CStringGetTextDatum(about->subject);
	values[1] = TimestampTzGetDatum(reached->last);
	values[2] = Int64GetDatum(reached->count);
	values[3] =
		PointerGetDatum(construct_array(ids, reached->ids, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

static void
test_event(const Rule *rule, HTAB *subjects, uint64 row, ReturnSetInfo *result)
{
	WatchedEvent event = {0};
	WindowEvent counted;
	RuleSubjectOf about;
	WindowCount reached;
	Tested *tested;

	stream_row_event(row, &event);
	if (!rule_matches(rule, &event) || !rule_find_subject(rule, &event, &about))
		return;
	counted = rule_window_event(&event);
	tested = find_tested(subjects, &about);
	if (!window_add(&tested->window, &rule->policy, &counted, &reached) || reached.last < tested->quiet_until)
		return;
	tested->quiet_until = reached.last + rule->cooldown;
	put_alert(result, &about, &reached);
}

/* test_rule(rule_name text, from_time timestamptz, to_time timestamptz): the alerts that it would have raised */
Datum
tsec_test_rule(PG_FUNCTION_ARGS)
{
	Oid types[] = {TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[] = {PG_GETARG_DATUM(1), PG_GETARG_DATUM(2)};
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	HASHCTL control = {.keysize = KEY_SIZE, .entrysize = sizeof(Tested)};
	MemoryContext context;
	MemoryContext outer;
	HTAB *subjects;
	Portal portal;
	Rule rule;

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	control.hcxt = CurrentMemoryContext;
	subjects = hash_create("subjects of a rule", 256, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	find_rule(text_to_cstring(PG_GETARG_TEXT_PP(0)), &rule);
	portal = SPI_cursor_open_with_args(NULL,
									   "SELECT " STREAM_COLUMNS " FROM " STREAM_ROWS
									   " WHERE e.event_time >= $1 AND e.event_time < $2 ORDER BY e.event_id",
									   2, types, values, NULL, true, 0);
	context = AllocSetContextCreate(CurrentMemoryContext, "events for a rule", ALLOCSET_DEFAULT_SIZES);
	for (SPI_cursor_fetch(portal, true, FETCH); SPI_processed > 0; SPI_cursor_fetch(portal, true, FETCH))
	{
		CHECK_FOR_INTERRUPTS();
		outer = MemoryContextSwitchTo(context);
		for (uint64 i = 0; i < SPI_processed; i++)
			test_event(&rule, subjects, i, result);
		MemoryContextSwitchTo(outer);
		MemoryContextReset(context);
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	SPI_finish();
	PG_RETURN_NULL();
}
