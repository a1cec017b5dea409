/*
 * retire.c
 *		A partition of the log is dropped: which leaves its rows were, and the event
 *		that says so.
 *
 * The tree does not change: the leaves' hashes, and the rows of
 * twin_internal.sealed, stay where they are.  What is gone is what they are
 * hashes of, and verification takes that from the event alone, which is sealed
 * as any other is.
 */
#include "ledger/private.h"

#include "common/leafset.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

PG_FUNCTION_INFO_V1(tsec_leaf_set_of);
PG_FUNCTION_INFO_V1(tsec_retire_leaves);

#define FETCH 10000

/* ---- which leaves ---- */

static void
put_runs(void *argument, const uint8_t *bytes, size_t length)
{
	appendBinaryStringInfo(argument, (const char *) bytes, (int) length);
}

/* Names of a relation as SQL spells them. */
static char *
relation_name(Oid relation)
{
	char *name = get_rel_name(relation);

	if (name == NULL)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("there is no such partition")));
	return quote_qualified_identifier(get_namespace_name(get_rel_namespace(relation)), name);
}

static void
add_rows(LeafSetWriter *writer, const char *name)
{
	SPITupleTable *table = SPI_tuptable;

	for (uint64 i = 0; i < SPI_processed; i++)
	{
		bool null;
		int64 first = DatumGetInt64(SPI_getbinval(table->vals[i], table->tupdesc, PARTITION_FIRST_LEAF, &null));
		int64 leaves = 0;

		if (!null)
			leaves = DatumGetInt32(SPI_getbinval(table->vals[i], table->tupdesc, PARTITION_LEAVES, &null));
		if (null)
			ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
							errmsg("an event in partition %s is not sealed yet", name),
							errhint("An event is sealed within about two seconds of its transaction's commit.")));
		if (first < 0 || leaves < 1 || !leafset_add(writer, (uint64) first, (uint64) leaves))
			ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
							errmsg("events in partition %s have the same leaves of the audit log's tree", name),
							errhint("twin.verify_audit_log() says what was changed.")));
	}
}

/* leaf_set_of(partition) -> bytea */
Datum
tsec_leaf_set_of(PG_FUNCTION_ARGS)
{
	char *name = relation_name(PG_GETARG_OID(0));
	MemoryContext outer = CurrentMemoryContext;
	uint8 header[LEAFSET_HEADER_SIZE] = {0};
	StringInfoData set;
	LeafSetWriter writer;
	Portal portal;
	bytea *result;

	initStringInfo(&set);
	/* room for the header, and for a varlena's in front of it */
	appendStringInfoSpaces(&set, VARHDRSZ + LEAFSET_HEADER_SIZE);
	leafset_begin(&writer, put_runs, &set);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	portal = partition_open(name);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, FETCH);
		if (SPI_processed == 0)
			break;
		add_rows(&writer, name);
		SPI_freetuptable(SPI_tuptable);
		CHECK_FOR_INTERRUPTS();
	}
	SPI_cursor_close(portal);
	SPI_finish();
	MemoryContextSwitchTo(outer);
	leafset_end(&writer, header);
	memcpy(set.data + VARHDRSZ, header, sizeof(header));
	result = (bytea *) set.data;
	SET_VARSIZE(result, set.len);
	PG_RETURN_BYTEA_P(result);
}

/* ---- the event that says so ---- */

static void
add_number(char *details, const char *name, uint64 value)
{
	char number[24];

	snprintf(number, sizeof(number), UINT64_FORMAT, value);
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, name, number);
}

static void
add_digest(char *details, const char *name, const uint8 digest[DIGEST_SIZE])
{
	char hex[2 * DIGEST_SIZE + 1];

	hex[hex_encode((const char *) digest, DIGEST_SIZE, hex)] = '\0';
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, name, hex);
}

/* Writes the event as a row of this transaction; its id. */
static int64
write_event(const char *partition, const char *details)
{
	SecurityEvent event = {
		.type = "partition_dropped", .severity = EVENT_MEDIUM, .action = "drop", .resource = partition};
	EventStore *store = event_store_open(EVENT_AUDIT);
	EventRecord record;
	EventRow row;
	int64 id = event_take_id();

	(void) GetTopFullTransactionId(); /* so that the event has it, and is this transaction's and no writer's */
	event_capture(&event, &record);
	record.text[EVENT_DETAILS] = bytes_of(details, strlen(details));
	event_fill_row(&record, event_store_time(store), false, &row);
	row.values[EVENT_COLUMN_ID] = Int64GetDatum(id);
	row.nulls[EVENT_COLUMN_ID] = false;
	event_store_insert(store, &row);
	event_store_close(store);
	CommandCounterIncrement();
	return id;
}

/* What the five arguments say, for the event; the set's summary besides. */
static void
describe(FunctionCallInfo fcinfo, const char *partition, Bytes set, LeafSetSummary *summary, char *details)
{
	uint8 digest[DIGEST_SIZE];
	LeafSetReader reader;

	if (!leafset_open(set, &reader))
		ereport(ERROR, (errcode(ERRCODE_INVALID_BINARY_REPRESENTATION), errmsg("this is no set of leaves"),
						errhint("twin_internal.leaf_set_of() makes one.")));
	*summary = reader.summary;
	base_check(digest_sha256(set, digest));
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, "partition", partition);
	add_number(details, "rows", (uint64) Max(PG_GETARG_INT64(2), 0));
	add_number(details, "first_leaf", summary->first);
	add_number(details, "last_leaf", summary->last);
	add_number(details, "leaves", summary->leaves);
	add_digest(details, "leaf_set_sha256", digest);
	if (PG_ARGISNULL(3))
		return;
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, "archive_file", text_to_cstring(PG_GETARG_TEXT_PP(3)));
	if (!PG_ARGISNULL(4))
	{
		Bytes sha256 = plan_bytes(PG_GETARG_DATUM(4));

		if (sha256.length != DIGEST_SIZE)
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a SHA-256 has 32 bytes")));
		add_digest(details, "archive_sha256", sha256.data);
	}
}

/* Whether all of these leaves were given, and none that comes. */
static void
check_leaves(const LeafSetSummary *summary)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT s.size FROM twin_internal.ledger_state s", InvalidOid);

	plan_run(&plan, NULL, NULL, false, SPI_OK_SELECT);
	if (summary->leaves > 0 &&
		(SPI_processed == 0 || summary->last >= (uint64) DatumGetInt64(plan_value(0, 1, NULL))))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("leaf " UINT64_FORMAT " is not in the audit log's tree", summary->last)));
}

/* Writes a row of the log's tables, which are closed again then: who calls this has not opened them for himself. */
static void
insert_row(LedgerPlan *plan, Datum *values, const char *nulls)
{
	bool before = event_switch_log(true);

	PG_TRY();
	{
		plan_run(plan, values, nulls, false, SPI_OK_INSERT);
	}
	PG_FINALLY();
	{
		(void) event_switch_log(before);
	}
	PG_END_TRY();
}

/* retire_leaves(partition_name, leaf_set, rows, archive_file, archive_sha256) -> event id */
Datum
tsec_retire_leaves(PG_FUNCTION_ARGS)
{
	static LedgerPlan insertion =
		LEDGER_PLAN("INSERT INTO twin_internal.retired_leaves (event_id, partition_name, first_leaf, last_leaf, "
					"leaves, leaf_set, "
					"archive_file, archive_sha256, dropped_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
					INT8OID, TEXTOID, INT8OID, INT8OID, INT8OID, BYTEAOID, TEXTOID, BYTEAOID, TIMESTAMPTZOID);
	static LedgerPlan copy = LEDGER_PLAN(
		"INSERT INTO twin_internal.kept_events SELECT e.* FROM " EVENT_ROWS " e WHERE e.event_id = $1", INT8OID);
	char details[EVENT_DETAILS_MAX + 1] = "";
	char nulls[] = "         ";
	LeafSetSummary summary;
	char *partition;
	Bytes set;
	int64 id;

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1) || PG_ARGISNULL(2))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a partition, its leaves and its rows are needed")));
	partition = text_to_cstring(PG_GETARG_TEXT_PP(0));
	set = plan_bytes(PG_GETARG_DATUM(1));
	describe(fcinfo, partition, set, &summary, details);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	check_leaves(&summary);
	id = write_event(partition, details);
	for (int i = 3; i < 5; i++)
		if (PG_ARGISNULL(i))
			nulls[i + 3] = 'n';
	insert_row(&insertion,
			   (Datum[]){Int64GetDatum(id), PG_GETARG_DATUM(0), Int64GetDatum((int64) summary.first),
						 Int64GetDatum((int64) summary.last), Int64GetDatum((int64) summary.leaves),
						 PG_GETARG_DATUM(1), PG_ARGISNULL(3) ? (Datum) 0 : PG_GETARG_DATUM(3),
						 PG_ARGISNULL(4) ? (Datum) 0 : PG_GETARG_DATUM(4),
						 TimestampTzGetDatum(GetCurrentTimestamp())},
			   nulls);
	insert_row(&copy, (Datum[]){Int64GetDatum(id)}, NULL);
	SPI_finish();
	PG_RETURN_INT64(id);
}
