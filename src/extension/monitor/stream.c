/*
 * stream.c
 *		The log of events as it is sealed, shown to those who watch it: each event once, in the order of the ledger.
 *
 * Runs in the writer's process, right after the sealer.  Which leaf comes next stands in a table and moves in the
 * transaction in which watchers write, so after a crash, a rollback or a promotion the log itself says what was missed.
 * One call shows one batch, as large as takes a few hundredths of a second, so that the ring is emptied in between.
 *
 * What a watcher raises costs it the batch and nobody else anything: see monitor.h.
 */
#include "monitor/rule.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/inet.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* Rows of a batch, as time allows. */
#define ROWS_MIN 16
#define ROWS_FIRST 128
#define ROWS_MAX 1024
#define QUICK_MS 10
#define SLOW_MS 40

/* Ids that are closer together than this are read in one go. */
#define RANGE_GAP (8 * (int64) EVENT_ID_STEP)

typedef struct Watcher
{
	MonitorWatch watch;
	MonitorBatchEnd end_of_batch;
} Watcher;

static Watcher watchers[MONITOR_WATCHERS];
static int watcher_count = 0;

static int batch_rows = ROWS_FIRST;

/* Calls that failed at one place; then its rows are tried one by one, and at last passed over. */
#define ATTEMPTS_MAX 5
static int64 attempted_at = -1;
static int attempts = 0;

/* A batch: rows of the ledger, in its order, and what their events say. */
typedef struct Batch
{
	WatchedEvent *events;
	bool *found;
	int *by_id; /* places, in the order of ids */
	int count;
} Batch;

/* Whether the batch ends with the event that is being shown. */
static bool ends_here = false;

void
monitor_add_watcher(MonitorWatch watch, MonitorBatchEnd end_of_batch)
{
	if (watcher_count == MONITOR_WATCHERS)
		elog(ERROR, "twin_security: too many watch the log of events");
	watchers[watcher_count++] = (Watcher){watch, end_of_batch};
}

/* ---- reading ---- */

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

static void
write_position(int64 position)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[] = {Int64GetDatum(position)};

	stream_run(&plan, "UPDATE twin_internal.monitor_position SET next_leaf = $1", 1, types, values, NULL,
			   SPI_OK_UPDATE);
}

/* Where this database's stream is: at the log's end when it has not begun, or that was cut off; false: it must wait. */
static bool
read_position(int64 *position)
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
			write_position(*position = end);
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
static void
read_ledger(Batch *batch, int64 first, int64 end)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(end), Int64GetDatum(attempts > 1 ? 1 : batch_rows)};

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
	ROW_FIRST_TEXT
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
								  &event->username, &event->session_user_name, &event->application_name};

	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		bool null;
		Datum value = value_of(row, ROW_FIRST_TEXT + i, &null);

		*texts[i] = null ? NULL : TextDatumGetCString(value);
	}
}

/* Takes a row into the event of its id, unless that has one, or is none of the batch's. */
static void
take_row(Batch *batch, uint64 row)
{
	WatchedEvent wanted = {.event_id = number_of(row, ROW_EVENT_ID)};
	int low = 0;
	int high = batch->count;
	WatchedEvent *event;
	Datum value;
	bool null;

	while (low < high)
	{
		int middle = (low + high) / 2;

		if (batch->events[batch->by_id[middle]].event_id < wanted.event_id)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == batch->count || batch->events[batch->by_id[low]].event_id != wanted.event_id ||
		batch->found[batch->by_id[low]])
		return;
	event = &batch->events[batch->by_id[low]];
	batch->found[batch->by_id[low]] = true;
	event->event_time = number_of(row, ROW_EVENT_TIME);
	event->recorded_at = number_of(row, ROW_RECORDED_AT);
	event->user_id = number_of(row, ROW_USER_ID);
	event->tenant_id = number_of(row, ROW_TENANT_ID);
	value = value_of(row, ROW_APPLICATION_MADE, &null);
	event->application_made = !null && DatumGetBool(value);
	value = value_of(row, ROW_CLIENT_ADDRESS, &null);
	event->client_address = null ? NULL : address_of(value);
	value = value_of(row, ROW_DETAILS, &null);
	event->details = null ? NULL : DatumGetJsonbPCopy(value);
	take_texts(event, row);
}

/* Reads the rows of events whose ids lie in a range. */
static void
read_range(Batch *batch, int64 first, int64 last)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, INT8OID};
	Datum values[] = {Int64GetDatum(first), Int64GetDatum(last)};

	stream_run(&plan,
			   "SELECT e.event_id, e.event_time, e.recorded_at, e.user_id, e.tenant_id, e.application_made, "
			   "e.client_address, e.details, e.event_type, e.severity, e.outcome, e.action, e.resource, e.record_id, "
			   "e.username, e.session_user_name, e.application_name "
			   "FROM (TABLE twin_internal.events UNION ALL TABLE ONLY twin_internal.events_overflow) e "
			   "WHERE e.event_id BETWEEN $1 AND $2",
			   2, types, values, NULL, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
		take_row(batch, i);
	SPI_freetuptable(SPI_tuptable);
}

/* Reads what the batch's rows say, all ranges of their ids. */
static void
read_events(Batch *batch)
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

/* ---- showing ---- */

/* Logs what was raised; not what ends this process's work. */
static void
note_failure(const char *what)
{
	ErrorData *error = CopyErrorData();

	FlushErrorState();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
		ReThrowError(error);
	ereport(LOG, (errcode(error->sqlerrcode), errmsg("%s: %s", what, error->message),
				  error->context == NULL ? 0 : errcontext("%s", error->context)));
	FreeErrorData(error);
}

bool
stream_try(void (*work)(void *argument), void *argument, const char *what)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool done = false;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		work(argument);
		ReleaseCurrentSubTransaction();
		done = true;
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		note_failure(what);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return done;
}

/* Part of a batch, for one watcher. */
typedef struct Showing
{
	const Watcher *watcher;
	const Batch *batch;
	int next; /* to be shown */
	int end;
	bool ends_batch;
} Showing;

void
stream_end_here(void)
{
	ends_here = true;
}

static void
show(void *argument)
{
	Showing *showing = argument;

	while (showing->next < showing->end && !ends_here)
	{
		int place = showing->next++;

		if (showing->batch->found[place])
			showing->watcher->watch(&showing->batch->events[place]);
	}
	if (showing->ends_batch && showing->watcher->end_of_batch != NULL)
		showing->watcher->end_of_batch();
}

/* Shows a batch to a watcher, after it raised one event at a time; how many it was shown. */
static int
show_batch(const Watcher *watcher, const Batch *batch)
{
	static const char what[] = "security events could not be watched";
	Showing whole = {watcher, batch, 0, batch->count, true};
	int shown = 0;

	ends_here = false;
	if (stream_try(show, &whole, what))
		return whole.next;
	while (shown < batch->count && !ends_here)
	{
		(void) stream_try(
			show, &(Showing){watcher, batch, shown, shown + 1, false},
			psprintf("security event " INT64_FORMAT " could not be watched", batch->events[shown].event_id));
		shown++;
	}
	ends_here = false;
	(void) stream_try(show, &(Showing){watcher, batch, 0, 0, true}, what);
	return shown;
}

/* Shows a batch to all; the first may make it shorter. */
static void
show_to_all(Batch *batch)
{
	for (int i = 0; i < watcher_count; i++)
		batch->count = show_batch(&watchers[i], batch);
}

/* Has rules count what they counted before. */
static void
show_again(Batch *batch)
{
	static const Watcher again = {rule_count_again, NULL};

	(void) show_batch(&again, batch);
}

/* Shows a batch that begins with a leaf; the leaf after it, or -1 when there is none. */
static int64
show_from(int64 leaf, int64 end, void (*to)(Batch *batch))
{
	Batch batch = {0};
	const WatchedEvent *last;

	attempts = leaf == attempted_at ? attempts + 1 : 1;
	attempted_at = leaf;
	read_ledger(&batch, leaf, end);
	if (batch.count == 0)
		return -1;
	if (attempts <= ATTEMPTS_MAX)
	{
		read_events(&batch);
		rule_begin_batch(leaf);
		windows_begin();
		to(&batch);
	}
	else
		ereport(LOG, (errmsg("security event " INT64_FORMAT " cannot be read, and is not watched",
							 batch.events[0].event_id)));
	last = &batch.events[batch.count - 1];
	return (int64) last->leaf_index + last->rows;
}

/* Goes on where the stream is, or where the windows are; up to which leaf these reflect the log then, -1: as before. */
static int64
go_on(void)
{
	int64 position;
	int64 leaf;
	int64 next;

	if (!read_position(&position))
		return -1;
	leaf = windows_leaf(position);
	if (leaf < position)
	{
		next = show_from(leaf, position, show_again);
		return next < 0 ? position : Min(next, position);
	}
	next = show_from(position, PG_INT64_MAX, show_to_all);
	if (next >= 0)
		write_position(next);
	return next;
}

/* The follower. */
static TimestampTz
follow_log(void)
{
	instr_time begin;
	instr_time now;
	int64 next;

	INSTR_TIME_SET_CURRENT(begin);
	event_begin_work("watching security events");
	next = go_on();
	HOLD_INTERRUPTS(); /* what is committed is counted */
	event_end_work();
	if (next >= 0)
		windows_settle(next);
	RESUME_INTERRUPTS();
	attempts = 0;
	INSTR_TIME_SET_CURRENT(now);
	INSTR_TIME_SUBTRACT(now, begin);
	if (INSTR_TIME_GET_MILLISEC(now) > SLOW_MS)
		batch_rows = Max(batch_rows / 2, ROWS_MIN);
	else if (INSTR_TIME_GET_MILLISEC(now) < QUICK_MS)
		batch_rows = Min(batch_rows * 2, ROWS_MAX);
	return next >= 0 ? 0 : DT_NOEND;
}

void
stream_init(void)
{
	event_add_follower(follow_log);
}
