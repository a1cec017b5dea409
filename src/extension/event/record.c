/*
 * record.c
 *		Events as SQL sees them: what applications record, what the extension's
 *		own functions emit, and the counters.
 *
 * What comes from an application is refused rather than cut, because it can be
 * told so; and it can claim neither what only this database knows nor that it
 * is not an application's.
 */
#include "event/spool.h"

#include "access/xact.h"
#include "commands/extension.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_record_event);
PG_FUNCTION_INFO_V1(tsec_emit_event);
PG_FUNCTION_INFO_V1(tsec_start_event_writer);
PG_FUNCTION_INFO_V1(tsec_stat_audit);

/* An optional text argument of at most so many bytes; NULL for null. */
static const char *
text_argument(FunctionCallInfo fcinfo, int number, EventText which, const char *name)
{
	text *value;

	if (PG_ARGISNULL(number))
		return NULL;
	value = PG_GETARG_TEXT_PP(number);
	if (VARSIZE_ANY_EXHDR(value) > event_text_max[which])
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("%s of a security event is too long", name),
						errdetail("It may have %d bytes.", event_text_max[which])));
	return text_to_cstring(value);
}

/* A word out of a list; the first for null. */
static int
word_argument(FunctionCallInfo fcinfo, int number, const char *const *names, int count, const char *name)
{
	const char *word;
	int found;

	if (PG_ARGISNULL(number))
		return 0;
	word = text_argument(fcinfo, number, EVENT_TYPE, name);
	found = event_word(names, count, word);
	if (found == count)
	{
		StringInfoData words;

		initStringInfo(&words);
		for (int i = 0; i < count; i++)
			appendStringInfo(&words, i == 0 ? "%s" : ", %s", names[i]);
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("unknown %s of a security event", name),
						errhint("It is one of: %s.", words.data)));
	}
	return found;
}

static const char *
type_argument(FunctionCallInfo fcinfo, int number)
{
	const char *type;

	if (PG_ARGISNULL(number))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a security event needs a type")));
	type = text_argument(fcinfo, number, EVENT_TYPE, "type");
	if (!words_valid_type(type, strlen(type)))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid type of a security event"),
				 errhint("A type is lower-case letters, digits, \"_\", \".\" or \"-\", and begins with a letter.")));
	return type;
}

/* Details as JSON text. */
static const char *
details_argument(FunctionCallInfo fcinfo, int number)
{
	Jsonb *details;
	char *json = NULL;

	if (PG_ARGISNULL(number))
		return NULL;
	details = PG_GETARG_JSONB_P(number);
	if (!JB_ROOT_IS_OBJECT(details))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("details of a security event are a JSON object")));
	/* its text is a fifth of its size at least; what is far too long is not printed to be measured */
	if (VARSIZE(details) <= 16 * EVENT_DETAILS_MAX)
		json = JsonbToCString(NULL, &details->root, VARSIZE(details));
	if (json == NULL || strlen(json) > EVENT_DETAILS_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("details of a security event are too long"),
						errdetail("As text they may have %d bytes.", EVENT_DETAILS_MAX),
						errhint("Keep the long part in a table of your own, and its key in the details.")));
	return json;
}

/* Whoever acts under a verified identity does so under its name; another one that the application gives stands beside it. */
static void
keep_to_identity(SecurityEvent *event)
{
	bool is_verified;
	const char *name = capture_verified_name(&is_verified);
	char *details;

	if (!is_verified || event->username == NULL)
		return;
	if (name == NULL || strcmp(name, event->username) != 0) /* public: names of users */
	{
		details = palloc0(EVENT_DETAILS_MAX + 1);
		if (event->details != NULL && strcmp(event->details, "{}") != 0) /* public: nothing */
			strlcpy(details, event->details, EVENT_DETAILS_MAX + 1);
		if (!event_json_add(details, EVENT_DETAILS_MAX + 1, "claimed_username", event->username))
			ereport(ERROR,
					(errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("details of a security event are too long"),
					 errdetail("They hold the name that was given, too.")));
		event->details = details;
	}
	event->username = NULL;
}

/* record_event(event_type, severity, outcome, action, resource, username, client_address, event_time, details) -> bigint */
Datum
tsec_record_event(PG_FUNCTION_ARGS)
{
	SecurityEvent event = {.application_made = true};

	base_require_preload("twin.record_event()");
	event.type = type_argument(fcinfo, 0);
	if (words_reserved_type(event.type))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("security events of type \"%s\" are recorded by the database itself", event.type),
						errhint("Give what the application saw a type of its own.")));
	event.severity = word_argument(fcinfo, 1, event_severity_names, EVENT_SEVERITIES, "severity");
	event.outcome = word_argument(fcinfo, 2, event_outcome_names, EVENT_OUTCOMES, "outcome");
	event.class = event.outcome == EVENT_FAULT ? EVENT_ERROR : EVENT_AUDIT;
	event.action = text_argument(fcinfo, 3, EVENT_ACTION, "action");
	event.resource = text_argument(fcinfo, 4, EVENT_RESOURCE, "resource");
	event.username = text_argument(fcinfo, 5, EVENT_USERNAME, "username");
	if (!PG_ARGISNULL(6))
		event.client_address = DatumGetCString(DirectFunctionCall1(inet_out, PG_GETARG_DATUM(6)));
	if (!PG_ARGISNULL(7))
	{
		event.has_event_time = true;
		event.event_time = PG_GETARG_TIMESTAMPTZ(7);
		if (TIMESTAMP_NOT_FINITE(event.event_time))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the time of a security event is not finite")));
	}
	event.details = details_argument(fcinfo, 8);
	keep_to_identity(&event);
	slow_wait_for_room();
	event.event_id = event_take_id();
	if (!event_emit(&event))
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES), errmsg("the security event could not be recorded"),
						errdetail("The memory in which events wait to be written is full."),
						errhint("Try again; if it lasts, see the server's log and twin_security.event_ring_size.")));
	PG_RETURN_INT64(event.event_id);
}

/* emit_event(event_type, resource, action, details, severity) -> void: told when the transaction ends */
Datum
tsec_emit_event(PG_FUNCTION_ARGS)
{
	SecurityEvent event = {0};
	char *details = NULL;

	/* what CREATE EXTENSION makes is no event, and a restore would bring its rows under ids that others have */
	if (creating_extension || !area_exists())
		PG_RETURN_VOID();
	event.type = type_argument(fcinfo, 0);
	event.resource = PG_ARGISNULL(1) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(1));
	event.action = PG_ARGISNULL(2) ? NULL : text_to_cstring(PG_GETARG_TEXT_PP(2));
	if (!PG_ARGISNULL(3))
	{
		Jsonb *json = PG_GETARG_JSONB_P(3);

		details = JsonbToCString(NULL, &json->root, VARSIZE(json));
	}
	event.details = details;
	event.severity = word_argument(fcinfo, 4, event_severity_names, EVENT_SEVERITIES, "severity");
	event_emit_at_end(&event);
	PG_RETURN_VOID();
}

/* ---- CREATE EXTENSION ---- */

static bool extension_created = false;

/* Has events written that waited for an extension, once it is there for others to see. */
static void
start_writer_at_end(XactEvent event, void *argument)
{
	EventRing *ring;

	if (event != XACT_EVENT_COMMIT && event != XACT_EVENT_ABORT)
		return;
	if (extension_created && event == XACT_EVENT_COMMIT && area_exists() && (ring = area_own()) != NULL)
	{
		pg_atomic_write_u32(&ring->failures, 0);
		pg_atomic_write_u64(&ring->absent_since, 0);
		pg_atomic_write_u64(&ring->maintain_at, 0);
		pg_atomic_write_u64(&ring->retry_at, 0);
		follow_wake(ring, GetCurrentTimestamp());
	}
	extension_created = false;
}

/* start_event_writer() -> void */
Datum
tsec_start_event_writer(PG_FUNCTION_ARGS)
{
	if (creating_extension)
		rows_announce();
	extension_created = true;
	PG_RETURN_VOID();
}

/* stat_audit() -> (emitted, written, dropped, ring_fill, waiting_since) */
Datum
tsec_stat_audit(PG_FUNCTION_ARGS)
{
	EventRing *ring;
	TimestampTz since;
	Datum values[5] = {0};
	bool nulls[5] = {false, false, false, false, true};
	TupleDesc shape;

	base_require_preload("twin.stat_audit");
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	ring = area_find(MyDatabaseId);
	if (ring != NULL)
	{
		values[0] = Int64GetDatum((int64) pg_atomic_read_u64(&ring->emitted));
		values[1] = Int64GetDatum((int64) pg_atomic_read_u64(&ring->written));
		values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&ring->dropped));
		values[3] = Float8GetDatum((double) ring_fill(area_queue(ring)) / setting_event_ring_size);
		since = area_waiting_since(ring);
		values[4] = TimestampTzGetDatum(since);
		nulls[4] = since == 0;
	}
	else
		values[3] = Float8GetDatum(0);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

void
event_init(void)
{
	area_init();
	counted_init();
	deferred_init();
	store_init();
	guard_init();
	slow_init();
	follow_init();
	event_add_follower(spool_follow);
	launcher_init();
	writer_init();
	spool_init();
	redact_init();
	RegisterXactCallback(start_writer_at_end, NULL);
}
