/*
 * stream_read.c
 *		A batch of the log: rows of the ledger in the order of their leaves, and what their events say.
 *
 * Rows are read by ranges of ids, which in the ledger lie together; a row whose event is gone is left out.
 */
#include "monitor/rule.h"

#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"

/* Ids that are closer together than this are read in one go. */
#define RANGE_GAP (8 * (int64) EVENT_ID_STEP)

void
stream_run(SPIPlanPtr *kept, const char *sql, int count, Oid *types, Datum *values, const char *nulls, int expected)
{
	if (*kept == NULL)
	{
		*kept = SPI_prepare(sql, count, types);
		if (*kept == NULL || SPI_keepplan(*kept) != 0)
			elog(ERROR, "twin_security: a statement of the monitor cannot be planned");
	}
	if (SPI_execute_plan(*kept, values, nulls, false, 0) != expected)
		elog(ERROR, "twin_security: a statement of the monitor did something else");
}

static Datum
value_of(uint64 row, int column, bool *null)
{
	return SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, null);
}

static int64
number_of(uint64 row, int column)
{
	bool null;
	Datum value = value_of(row, column, &null);

	return null ? 0 : DatumGetInt64(value);
}

/* How large the tree is; false where it has not begun, because a dump is being restored. */
static bool
read_end(int64 *end)
{
	static SPIPlanPtr plan = NULL;

	stream_run(&plan, "SELECT l.size FROM twin_internal.ledger_state l", 0, NULL, NULL, NULL, SPI_OK_SELECT);
	if (SPI_processed != 1)
		return false;
	*end = number_of(0, 1);
	return true;
}

void
stream_write_position(int64 position)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(position)};

	stream_run(&plan, "UPDATE twin_internal.monitor_position SET next_leaf = $1", 1, types, values, NULL,
			   SPI_OK_UPDATE);
}

void
stream_hold_tables(void)
{
	static SPIPlanPtr plan = NULL;

	stream_run(&plan,
			   "LOCK TABLE twin_internal.alerts, twin_internal.unannounced_alerts, twin_internal.alert_deliveries, "
			   "twin_internal.access_profiles, twin_internal.access_excuses, twin_internal.access_model "
			   "IN ROW EXCLUSIVE MODE",
			   0, NULL, NULL, NULL, SPI_OK_UTILITY);
}

/* Where this database's stream is: at the log's end when it has not begun, or that was cut off; false: it must wait. */
bool
stream_read_position(int64 *position)
{
	static SPIPlanPtr plan = NULL;
	static SPIPlanPtr begin_plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[1];
	int64 end;

	if (!read_end(&end))
		return false;
	values[0] = Int64GetDatum(end);
	stream_run(&plan, "SELECT p.next_leaf FROM twin_internal.monitor_position p", 0, NULL, NULL, NULL, SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		*position = number_of(0, 1);
		if (*position > end)
			stream_write_position(*position = end);
		return true;
	}
	*position = end;
	stream_run(&begin_plan, "INSERT INTO twin_internal.monitor_position (next_leaf) VALUES ($1)", 1, types, values,
			   NULL, SPI_OK_INSERT);
	return true;
}

static const WatchedEvent *sorted_events; /* whose places are being sorted */

static int
compare_places(const void *a, const void *b)
{
	int64 one = sorted_events[*(const int *) a].event_id;
	int64 other = sorted_events[*(const int *) b].event_id;

	return one < other ? -1 : one > other;
}

/* Takes the ledger's next rows from a leaf on, and before another, as far as they go. */
void
stream_read_ledger(StreamBatch *batch, int64 first, int64 end, int rows)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(end), Int64GetDatum(rows)};

	stream_run(&plan,
			   "SELECT s.record_id, s.first_leaf, s.leaves::bigint FROM twin_internal.sealed s "
			   "WHERE s.first_leaf >= $1 AND s.first_leaf < $2 ORDER BY s.first_leaf LIMIT $3",
			   3, types, values, NULL, SPI_OK_SELECT);
	batch->count = (int) SPI_processed;
	if (batch->count == 0)
		return;
	batch->events = palloc0(batch->count * sizeof(WatchedEvent));
	batch->found = palloc0(batch->count * sizeof(bool));
	batch->by_id = palloc(batch->count * sizeof(int));
	for (int i = 0; i < batch->count; i++)
	{
		WatchedEvent *event = &batch->events[i];

		event->event_id = number_of(i, 1);
		event->leaf_index = (uint64) number_of(i, 2);
		event->rows = (int32) Max(Min(number_of(i, 3), EVENT_ID_STEP), 1);
		batch->by_id[i] = i;
	}
	SPI_freetuptable(SPI_tuptable);
	sorted_events = batch->events;
	qsort(batch->by_id, batch->count, sizeof(int), compare_places);
}

/* Columns of a row, in the order of its statement. */
enum
{
	ROW_EVENT_ID = 1,
	ROW_EVENT_TIME,
	ROW_RECORDED_AT,
	ROW_USER_ID,
	ROW_TENANT_ID,
	ROW_APPLICATION_MADE,
	ROW_CLIENT_ADDRESS,
	ROW_DETAILS,
	ROW_FIRST_TEXT,
	ROW_ROW_COUNT = ROW_FIRST_TEXT + 14
};

/* An address without its netmask: an application may name a network. */
static const char *
address_of(Datum value)
{
	return text_to_cstring(DatumGetTextPP(DirectFunctionCall1(network_host, value)));
}

static void
take_texts(WatchedEvent *event, uint64 row)
{
	const char **const texts[] = {&event->type,     &event->severity,          &event->outcome,
								  &event->action,   &event->resource,          &event->record_id,
								  &event->username, &event->session_user_name, &event->application_name,
								  &event->class,    &event->outer_user_name,   &event->effective_user_name,
								  &event->token_id, &event->request_id};

	StaticAssertStmt(lengthof(texts) == ROW_ROW_COUNT - ROW_FIRST_TEXT, "each text has a column");
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		bool null;
		Datum value = value_of(row, ROW_FIRST_TEXT + i, &null);

		*texts[i] = null ? NULL : TextDatumGetCString(value);
	}
}

void
stream_row_event(uint64 row, WatchedEvent *event)
{
	Datum value;
	bool null;

	event->event_id = number_of(row, ROW_EVENT_ID);
	event->event_time = number_of(row, ROW_EVENT_TIME);
	event->recorded_at = number_of(row, ROW_RECORDED_AT);
	event->user_id = number_of(row, ROW_USER_ID);
	event->tenant_id = number_of(row, ROW_TENANT_ID);
	event->rows = (int32) Max(Min(number_of(row, ROW_ROW_COUNT), EVENT_ID_STEP), 1);
	value = value_of(row, ROW_APPLICATION_MADE, &null);
	event->application_made = !null && DatumGetBool(value);
	value = value_of(row, ROW_CLIENT_ADDRESS, &null);
	event->client_address = null ? NULL : address_of(value);
	value = value_of(row, ROW_DETAILS, &null);
	event->details = null ? NULL : DatumGetJsonbPCopy(value);
	take_texts(event, row);
}

/* Takes a row into the event of its id, unless that has one, or is none of the batch's. */
static void
take_row(StreamBatch *batch, uint64 row)
{
	int64 id = number_of(row, ROW_EVENT_ID);
	int low = 0;
	int high = batch->count;
	WatchedEvent *event;
	int32 leaves;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (batch->events[batch->by_id[middle]].event_id < id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == batch->count || batch->events[batch->by_id[low]].event_id != id || batch->found[batch->by_id[low]])
		return;
	event = &batch->events[batch->by_id[low]];
	batch->found[batch->by_id[low]] = true;
	leaves = event->rows; /* as it was sealed */
	stream_row_event(row, event);
	event->rows = leaves;
}

/* Reads the rows of events whose ids lie in a range. */
static void
read_range(StreamBatch *batch, int64 first, int64 last)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(last)};

	stream_run(&plan, "SELECT " STREAM_COLUMNS " FROM " STREAM_ROWS " WHERE e.event_id BETWEEN $1 AND $2", 2, types,
			   values, NULL, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
		take_row(batch, i);
	SPI_freetuptable(SPI_tuptable);
}

/* Reads what the batch's rows say, all ranges of their ids. */
void
stream_read_events(StreamBatch *batch)
{
	for (int i = 0, first = 0; i < batch->count; i++)
	{
		int64 id = batch->events[batch->by_id[i]].event_id;

		if (i + 1 < batch->count && batch->events[batch->by_id[i + 1]].event_id - id <= RANGE_GAP)
			continue;
		read_range(batch, batch->events[batch->by_id[first]].event_id, id);
		first = i + 1;
	}
}
