/*
 * row.c
 *		An event as a row of twin_internal.events: its columns as the server's own
 *		values.  For the writer, and for whoever writes rows within the transaction
 *		that they tell of.
 *
 * A record may come from shared memory: its bounds were checked when it was
 * decoded, its texts are checked here to be of the database's encoding.  Needs a
 * transaction: roles are named.
 */
#include "event/private.h"

#include "access/transam.h"
#include "access/xact.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* A text as a C string; bytes that are none in this database's encoding become question marks. */
static char *
text_string(Bytes text)
{
	char *copy = pnstrdup((const char *) text.data, text.length);

	if (strlen(copy) != text.length || !pg_verifymbstr(copy, (int) text.length, true))
	{
		pfree(copy);
		copy = palloc(text.length + 1);
		for (size_t i = 0; i < text.length; i++)
			copy[i] = text.data[i] == 0 || text.data[i] >= 0x80 ? '?' : (char) text.data[i];
		copy[text.length] = '\0';
	}
	return copy;
}

/* The name of a role; its number once it is gone. */
static Datum
role_datum(Oid role)
{
	char *name = GetUserNameFromId(role, true);

	return CStringGetTextDatum(name ? name : psprintf("%u", role));
}

/* An object without members, as jsonb_in() makes it; most rows have one. */
static Datum
empty_details(void)
{
	static Jsonb empty;

	SET_VARSIZE(&empty, sizeof(Jsonb));
	empty.root.header = JB_FOBJECT;
	return JsonbPGetDatum(&empty);
}

static void
set(EventRow *row, EventColumn column, Datum value)
{
	row->values[column] = value;
	row->nulls[column] = false;
}

static void
set_text(EventRow *row, EventColumn column, Bytes text)
{
	if (text.data != NULL)
		set(row, column, CStringGetTextDatum(text_string(text)));
}

static void
set_role(EventRow *row, EventColumn column, Oid role)
{
	if (OidIsValid(role))
		set(row, column, role_datum(role));
}

void
event_fill_row(const EventRecord *record, TimestampTz recorded_at, bool bare, EventRow *row)
{
	Bytes details = record->text[EVENT_DETAILS];
	Bytes address = record->text[EVENT_CLIENT_ADDRESS];

	for (int i = 0; i < EVENT_COLUMNS; i++)
	{
		row->values[i] = (Datum) 0;
		row->nulls[i] = true;
	}
	if (record->event_id != 0)
		set(row, EVENT_COLUMN_ID, Int64GetDatum(record->event_id));
	set(row, EVENT_COLUMN_TIME,
		TimestampTzGetDatum(IS_VALID_TIMESTAMP(record->event_time) ? record->event_time : recorded_at));
	set(row, EVENT_COLUMN_RECORDED_AT, TimestampTzGetDatum(recorded_at));
	set(row, EVENT_COLUMN_CLASS, CStringGetTextDatum(event_class_names[record->class_number]));
	set_text(row, EVENT_COLUMN_TYPE, record->text[EVENT_TYPE]);
	set(row, EVENT_COLUMN_SEVERITY, CStringGetTextDatum(event_severity_names[record->severity]));
	set(row, EVENT_COLUMN_OUTCOME, CStringGetTextDatum(event_outcome_names[record->outcome]));
	set_text(row, EVENT_COLUMN_ACTION, record->text[EVENT_ACTION]);
	set_text(row, EVENT_COLUMN_RESOURCE, record->text[EVENT_RESOURCE]);
	set_text(row, EVENT_COLUMN_RECORD_ID, record->text[EVENT_RECORD_ID]);
	set_role(row, EVENT_COLUMN_SESSION_USER, record->session_user);
	set_role(row, EVENT_COLUMN_OUTER_USER, record->outer_user);
	set_role(row, EVENT_COLUMN_EFFECTIVE_USER, record->effective_user);
	if (record->flags & EVENT_HAS_USER_ID)
		set(row, EVENT_COLUMN_USER_ID, Int64GetDatum(record->user_id));
	set_text(row, EVENT_COLUMN_USERNAME, record->text[EVENT_USERNAME]);
	if (record->flags & EVENT_HAS_TENANT_ID)
		set(row, EVENT_COLUMN_TENANT_ID, Int64GetDatum(record->tenant_id));
	set_text(row, EVENT_COLUMN_TOKEN_ID, record->text[EVENT_TOKEN_ID]);
	if (address.data != NULL && !bare)
		set(row, EVENT_COLUMN_CLIENT_ADDRESS, DirectFunctionCall1(inet_in, CStringGetDatum(text_string(address))));
	set_text(row, EVENT_COLUMN_APPLICATION_NAME, record->text[EVENT_APPLICATION_NAME]);
	set_text(row, EVENT_COLUMN_REQUEST_ID, record->text[EVENT_REQUEST_ID]);
	if (record->xid != 0)
		set(row, EVENT_COLUMN_XID, FullTransactionIdGetDatum(FullTransactionIdFromU64(record->xid)));
	set(row, EVENT_COLUMN_APPLICATION_MADE, BoolGetDatum((record->flags & EVENT_APPLICATION_MADE) != 0));
	if (bare)
		set(row, EVENT_COLUMN_DETAILS, DirectFunctionCall1(jsonb_in, CStringGetDatum("{\"unreadable\": true}")));
	else
		set(row, EVENT_COLUMN_DETAILS,
			details.data == NULL ? empty_details()
								 : DirectFunctionCall1(jsonb_in, CStringGetDatum(text_string(details))));
	set(row, EVENT_COLUMN_PID, Int32GetDatum((int32) record->pid));
	set(row, EVENT_COLUMN_ORIGIN, Int32GetDatum(event_origin()));
	set(row, EVENT_COLUMN_WRITER_XID, FullTransactionIdGetDatum(GetTopFullTransactionId()));
}
