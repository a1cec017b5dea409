/*
 * rows.c
 *		Events become rows.  Runs in the writer, inside its transaction, as the
 *		owner of the tables and with nothing of a schema path.
 *
 * What the server may refuse of a record (JSON, an address) is left out of a
 * bare row.
 */
#include "event/private.h"

#include "access/table.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_extension.h"
#include "access/xlog.h"
#include "catalog/pg_type.h"
#include "commands/extension.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lock.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

#define COLUMNS                                                                                                      \
	"(event_id, event_time, recorded_at, class, event_type, severity, outcome, action, resource, record_id, "        \
	"session_user_name, outer_user_name, effective_user_name, user_id, username, tenant_id, token_id, "              \
	"client_address, application_name, request_id, xid, application_made, details, pid, origin, writer_xid) VALUES " \
	"($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, "                                                                \
	"$12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25, $26)"

#define COLUMN_COUNT EVENT_COLUMN_ROW_COUNT /* all but those of changed rows, which come last */

static const char *const inserts[] = {"INSERT INTO twin_internal.events_overflow AS e " COLUMNS,
									  "INSERT INTO twin_internal.events AS e " COLUMNS};
static SPIPlanPtr plans[lengthof(inserts)];

static Oid types[COLUMN_COUNT] = {INT8OID, TIMESTAMPTZOID, TIMESTAMPTZOID, TEXTOID, TEXTOID, TEXTOID, TEXTOID,
								  TEXTOID, TEXTOID,        TEXTOID,        TEXTOID, TEXTOID, TEXTOID, INT8OID,
								  TEXTOID, INT8OID,        TEXTOID,        INETOID, TEXTOID, TEXTOID, XID8OID,
								  BOOLOID, JSONBOID,       INT4OID,        INT4OID, XID8OID};

/*
 * Whether a class has a partition for what this transaction writes; asked once.  Should a month end meanwhile, a row goes
 * to the overflow, or is refused and tried again.
 */
static struct
{
	TimestampTz at;
	bool known[EVENT_CLASSES];
	bool covered[EVENT_CLASSES];
	int64 last_id; /* that the sequence is known to have given out */
} coverage;

static BaseCaller writer_before;

/* Who is shown what was written, and the columns that he asks for. */
static const char *witness_columns = NULL;
static EventWitness witness = NULL;

void
event_set_witness(const char *columns, EventWitness asked)
{
	witness_columns = columns;
	witness = asked;
}

static Oid
events_relation(void)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid("events", schema) : InvalidOid;
}

Oid
rows_table(void)
{
	return events_relation();
}

bool
rows_ready(void)
{
	return OidIsValid(get_extension_oid("twin_security", true)) && OidIsValid(events_relation());
}

/* Held from CREATE EXTENSION to the end of its transaction; nothing else has this name. */
static LOCKTAG
creation_lock(void)
{
	LOCKTAG tag;

	SET_LOCKTAG_OBJECT(tag, MyDatabaseId, ExtensionRelationId, InvalidOid, 0);
	return tag;
}

void
rows_announce(void)
{
	LOCKTAG tag = creation_lock();

	(void) LockAcquire(&tag, ShareLock, false, false);
}

bool
rows_announced(void)
{
	LOCKTAG tag = creation_lock();

	if (LockAcquire(&tag, ExclusiveLock, false, true) == LOCKACQUIRE_NOT_AVAIL)
		return true;
	(void) LockRelease(&tag, ExclusiveLock, false);
	return false;
}

void
rows_begin(void)
{
	Relation events = table_open(events_relation(), RowExclusiveLock);

	base_become_role(events->rd_rel->relowner, SECURITY_LOCAL_USERID_CHANGE, NULL, &writer_before);
	table_close(events, NoLock);
	event_open_log();
	memset(&coverage, 0, sizeof(coverage));
	coverage.at = GetCurrentTimestamp();
	if (area_exists() && area_own() != NULL)
		clock_look(area_own());
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
}

void
rows_end(void)
{
	SPI_finish();
	base_return(&writer_before);
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

/*
 * Whether the sequence has given out an id.  One that was taken before the extension was dropped and made anew has not
 * been: it would be another event's some day.
 */
static bool
is_given_out(int64 id)
{
	bool null;

	if (id <= coverage.last_id || event_id_was_given(id))
		return true;
	if (SPI_execute("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM twin_internal.event_id_seq", false,
					1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: the sequence of event ids cannot be read");
	coverage.last_id = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_freetuptable(SPI_tuptable);
	return id <= coverage.last_id;
}

/* Plans an insertion, which gives back what the witness asks for. */
static SPIPlanPtr
plan_insertion(const char *insertion)
{
	char *text = witness == NULL ? pstrdup(insertion) : psprintf("%s RETURNING %s", insertion, witness_columns);
	SPIPlanPtr plan = SPI_prepare(text, COLUMN_COUNT, types);

	if (plan == NULL || SPI_keepplan(plan) != 0)
		elog(ERROR, "twin_security: an event's insertion cannot be planned");
	return plan;
}

uint64
rows_write(const EventRecord *record, RowForm form)
{
	bool covered = form == ROW_AS_IT_IS && is_covered(record->class_number);
	uint8 digest[EVENT_WITNESS_SIZE];
	bool is_seen;
	char nulls[COLUMN_COUNT];
	EventRow row;

	event_fill_row(record, GetCurrentTimestamp(), form == ROW_BARE, &row);
	if (record->event_id == 0 || !is_given_out(record->event_id))
	{
		row.values[EVENT_COLUMN_ID] = Int64GetDatum(event_take_id());
		row.nulls[EVENT_COLUMN_ID] = false;
	}
	for (int i = 0; i < COLUMN_COUNT; i++)
		nulls[i] = row.nulls[i] ? 'n' : ' ';
	if (plans[covered] == NULL)
		plans[covered] = plan_insertion(inserts[covered]);
	if (SPI_execute_plan(plans[covered], row.values, nulls, false, 0) !=
		(witness == NULL ? SPI_OK_INSERT : SPI_OK_INSERT_RETURNING))
		elog(ERROR, "twin_security: an event was not inserted");
	if (SPI_processed != 1)
		ereport(ERROR,
				(errcode(ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION), errmsg("a trigger swallowed a security event")));
	if (witness == NULL)
		return 0;
	is_seen = witness(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, digest);
	SPI_freetuptable(SPI_tuptable);
	return is_seen ? written_mark(digest) : 0;
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
