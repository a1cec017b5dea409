/*
 * rows.c
 *		Events become rows.  Runs in the writer, inside its transaction, as the
 *		owner of the tables and with nothing of a schema path.
 *
 * A record comes from shared memory: its bounds were checked when it was
 * decoded, its texts are checked here to be of the database's encoding.  What
 * the server may still refuse (JSON, an address) is left out of a bare row.
 */
#include "event/private.h"

#include "access/table.h"
#include "access/transam.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

#define COLUMNS                                                                                                      \
	"(event_id, event_time, recorded_at, class, event_type, severity, outcome, action, resource, record_id, "        \
	"session_user_name, outer_user_name, effective_user_name, user_id, username, tenant_id, token_id, "              \
	"client_address, application_name, request_id, xid, application_made, details, pid, origin, writer_xid) VALUES " \
	"(coalesce($1, pg_catalog.nextval('twin_internal.event_id_seq')), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "    \
	"$12, $13, $14, $15, $16, $17, $18::pg_catalog.inet, $19, $20, $21, $22, $23::pg_catalog.jsonb, $24, $25, "      \
	"pg_catalog.pg_current_xact_id())"

#define COLUMN_COUNT 25

static const char *const inserts[] = {"INSERT INTO twin_internal.events_overflow " COLUMNS,
									  "INSERT INTO twin_internal.events " COLUMNS};
static SPIPlanPtr plans[lengthof(inserts)];

static Oid types[COLUMN_COUNT] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
								  TEXTOID, TEXTOID,        TEXTOID,        TEXTOID, TEXTOID, TEXTOID, INT8OID,
								  TEXTOID, INT8OID,        TEXTOID,        TEXTOID, TEXTOID, TEXTOID, XID8OID,
								  BOOLOID, TEXTOID,        INT4OID,        INT4OID};

/*
 * Whether a class has a partition for what this transaction writes; asked once.  Should a month end meanwhile, a row goes
 * to the overflow, or is refused and tried again.
 */
static struct
{
	TimestampTz at;
	bool known[EVENT_CLASSES];
	bool covered[EVENT_CLASSES];
} coverage;

static Oid saved_user;
static int saved_context;

static Oid
events_relation(void)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid("events", schema) : InvalidOid;
}

bool
rows_ready(void)
{
	return OidIsValid(get_extension_oid("twin_security", true)) && OidIsValid(events_relation());
}

void
rows_begin(void)
{
	Relation events = table_open(events_relation(), RowExclusiveLock);

	GetUserIdAndSecContext(&saved_user, &saved_context);
	SetUserIdAndSecContext(events->rd_rel->relowner,
						   saved_context | SECURITY_LOCAL_USERID_CHANGE | SECURITY_RESTRICTED_OPERATION);
	table_close(events, NoLock);
	memset(&coverage, 0, sizeof(coverage));
	coverage.at = GetCurrentTimestamp();
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
}

void
rows_end(void)
{
	SPI_finish();
	SetUserIdAndSecContext(saved_user, saved_context);
}

static bool
is_covered(EventClass class)
{
	if (!coverage.known[class])
	{
		coverage.covered[class] = partition_covers(event_class_names[class], coverage.at);
		coverage.known[class] = true;
	}
	return coverage.covered[class];
}

/* A text as a datum; bytes that are none in this database's encoding become question marks. */
static Datum
text_datum(Bytes text, bool *null)
{
	char *copy;

	*null = text.data == NULL;
	if (*null)
		return (Datum) 0;
	copy = pnstrdup((const char *) text.data, text.length);
	if (!pg_verifymbstr((const char *) text.data, (int) text.length, true))
	{
		copy = palloc(text.length + 1);
		for (size_t i = 0; i < text.length; i++)
			copy[i] = text.data[i] == 0 || text.data[i] >= 0x80 ? '?' : (char) text.data[i];
		copy[text.length] = '\0';
	}
	return CStringGetTextDatum(copy);
}

/* The name of a role; its number once it is gone. */
static Datum
role_datum(Oid role, bool *null)
{
	char *name;

	*null = !OidIsValid(role);
	if (*null)
		return (Datum) 0;
	name = GetUserNameFromId(role, true);
	return CStringGetTextDatum(name ? name : psprintf("%u", role));
}

void
rows_write(const EventRecord *record, RowForm form)
{
	bool covered = form == ROW_AS_IT_IS && is_covered(record->class_number);
	static const EventText texts[] = {EVENT_ACTION, EVENT_RESOURCE, EVENT_RECORD_ID};
	Datum values[COLUMN_COUNT] = {0};
	bool null[COLUMN_COUNT] = {false};
	char nulls[COLUMN_COUNT];
	Bytes details = record->text[EVENT_DETAILS];
	TimestampTz now = GetCurrentTimestamp();

	if (details.data == NULL)
		details = bytes_of("{}", 2);
	if (form == ROW_BARE)
		details = bytes_of("{\"unreadable\": true}", 20);

	null[0] = record->event_id == 0;
	values[0] = Int64GetDatum(record->event_id);
	values[1] = TimestampTzGetDatum(IS_VALID_TIMESTAMP(record->event_time) ? record->event_time : now);
	values[2] = TimestampTzGetDatum(now);
	values[3] = CStringGetTextDatum(event_class_names[record->class_number]);
	values[4] = text_datum(record->text[EVENT_TYPE], &null[4]);
	values[5] = CStringGetTextDatum(event_severity_names[record->severity]);
	values[6] = CStringGetTextDatum(event_outcome_names[record->outcome]);
	for (int i = 0; i < (int) lengthof(texts); i++)
		values[7 + i] = text_datum(record->text[texts[i]], &null[7 + i]);
	values[10] = role_datum(record->session_user, &null[10]);
	values[11] = role_datum(record->outer_user, &null[11]);
	values[12] = role_datum(record->effective_user, &null[12]);
	values[13] = Int64GetDatum(record->user_id);
	null[13] = !(record->flags & EVENT_HAS_USER_ID);
	values[14] = text_datum(record->text[EVENT_USERNAME], &null[14]);
	values[15] = Int64GetDatum(record->tenant_id);
	null[15] = !(record->flags & EVENT_HAS_TENANT_ID);
	values[16] = text_datum(record->text[EVENT_TOKEN_ID], &null[16]);
	values[17] = text_datum(record->text[EVENT_CLIENT_ADDRESS], &null[17]);
	null[17] |= form == ROW_BARE;
	values[18] = text_datum(record->text[EVENT_APPLICATION_NAME], &null[18]);
	values[19] = text_datum(record->text[EVENT_REQUEST_ID], &null[19]);
	values[20] = FullTransactionIdGetDatum(FullTransactionIdFromU64(record->xid));
	null[20] = record->xid == 0;
	values[21] = BoolGetDatum(record->flags & EVENT_APPLICATION_MADE);
	values[22] = text_datum(details, &null[22]);
	values[23] = Int32GetDatum((int32) record->pid);
	values[24] = Int32GetDatum(event_origin());

	for (int i = 0; i < COLUMN_COUNT; i++)
		nulls[i] = null[i] ? 'n' : ' ';
	if (plans[covered] == NULL)
	{
		SPIPlanPtr plan = SPI_prepare(inserts[covered], COLUMN_COUNT, types);

		if (plan == NULL || SPI_keepplan(plan) != 0)
			elog(ERROR, "twin_security: an event's insertion cannot be planned");
		plans[covered] = plan;
	}
	if (SPI_execute_plan(plans[covered], values, nulls, false, 0) != SPI_OK_INSERT)
		elog(ERROR, "twin_security: an event was not inserted");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION), errmsg("a trigger swallowed a security event")));
}

TimestampTz
rows_maintain(void)
{
	bool null;
	Datum next;

	if (SPI_execute("SELECT twin_internal.maintain_event_partitions()", false, 1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: partitions of events could not be looked after");
	next = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	return null ? 0 : DatumGetTimestampTz(next);
}

int32
event_origin(void)
{
	uint64 system = GetSystemIdentifier();

	return (int32) hash_bytes_extended((const unsigned char *) &system, sizeof(system), MyDatabaseId);
}
