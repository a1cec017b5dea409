/*
 * stream.c
 *		The log of events as it is sealed, shown to those who watch it: each event once, in the order of the ledger.
 *
 * Runs in the writer's process, right after the sealer.  Which leaf comes next stands in a table and moves in the
 * transaction in which watchers write, so after a crash, a rollback or a promotion the log itself says what was missed.
 * One call shows one batch, as large as takes a few hundredths of a second, so that the ring is emptied in between.
 *
 * What a watcher raises costs it the batch and nobody else anything: see monitor.h.  What passes by itself costs no event:
 * then the stream stands still where it is, and tries again.
 */
#include "monitor/rule.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "portability/instr_time.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/timestamp.h"

/* Rows of a batch, as time allows. */
#define ROWS_MIN 16
#define ROWS_FIRST 128
#define ROWS_MAX 1024
#define QUICK_MS 10
#define SLOW_MS 40

typedef struct Watcher
{
	MonitorWatch watch;
	MonitorBatchEnd end_of_batch;
} Watcher;

static Watcher watchers[MONITOR_WATCHERS];
static int watcher_count = 0;

static int batch_rows = ROWS_FIRST;

/*
 * Where reading fails rows are read one by one, and the one at fault is passed over after so many attempts; where something
 * is in the way that passes, such as a lock, after so long.
 */
#define ATTEMPTS_MAX 5
#define PATIENCE_MS (6 * 60 * 60 * 1000)

/* From which leaf on the stream is going on, -1 for none, and what is known of trouble there. */
static int64 shown_from = -1;
static StreamTrouble trouble;
static bool is_reading = false;

/* Whether the batch ends with the event that is being shown. */
static bool ends_here = false;

void
monitor_add_watcher(MonitorWatch watch, MonitorBatchEnd end_of_batch)
{
	if (watcher_count == MONITOR_WATCHERS)
		elog(ERROR, "twin_security: too many watch the log of events");
	watchers[watcher_count++] = (Watcher){watch, end_of_batch};
}

/* ---- showing ---- */

/* Whether an error says that something is in the way now: locks, deadlocks, memory, disks, somebody who ends this. */
static bool
is_passing(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return sqlstate == ERRCODE_LOCK_NOT_AVAILABLE || category == ERRCODE_TO_CATEGORY(ERRCODE_TRANSACTION_ROLLBACK) ||
		   category == ERRCODE_INSUFFICIENT_RESOURCES || category == ERRCODE_OPERATOR_INTERVENTION;
}

static bool
is_out_of_patience(void)
{
	return trouble.since != 0 && base_uptime_ms() - trouble.since > PATIENCE_MS;
}

/* Logs what was raised; not what ends this process's work, nor what passes. */
static void
tell_failure(const char *what, ErrorData *error)
{
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
		(is_passing(error->sqlerrcode) && !is_out_of_patience()))
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
		ErrorData *error;

		MemoryContextSwitchTo(context);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		MemoryContextSwitchTo(context);
		CurrentResourceOwner = owner;
		tell_failure(what, error);
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
	const StreamBatch *batch;
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
show_batch(const Watcher *watcher, const StreamBatch *batch)
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
show_to_all(StreamBatch *batch)
{
	for (int i = 0; i < watcher_count; i++)
		batch->count = show_batch(&watchers[i], batch);
}

/* Has rules count what they counted before. */
static void
show_again(StreamBatch *batch)
{
	static const Watcher again = {rule_count_again, NULL};

	(void) show_batch(&again, batch);
}

/* Shows a batch that begins with a leaf; the leaf after it, or -1 when there is none. */
static int64
show_from(int64 leaf, int64 end, void (*to)(StreamBatch *batch))
{
	StreamBatch batch = {0};
	const WatchedEvent *last;

	shown_from = leaf;
	trouble = windows_trouble(leaf);
	stream_read_ledger(&batch, leaf, end, trouble.attempts > 0 ? 1 : batch_rows);
	if (batch.count == 0)
		return -1;
	if (trouble.attempts < ATTEMPTS_MAX)
	{
		is_reading = true;
		stream_read_events(&batch);
		is_reading = false;
		stream_hold_tables();
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

	if (!stream_read_position(&position))
		return -1;
	leaf = windows_leaf(position);
	if (leaf < position)
	{
		next = show_from(leaf, position, show_again);
		return next < 0 ? position : Min(next, position);
	}
	next = show_from(position, PG_INT64_MAX, show_to_all);
	if (next >= 0)
		stream_write_position(next);
	return next;
}

/* Notes that the stream could not go on, for the next attempt. */
static void
note_trouble(int sqlstate)
{
	if (shown_from < 0)
		return;
	if (trouble.since == 0)
		trouble.since = base_uptime_ms();
	if (is_reading && (!is_passing(sqlstate) || is_out_of_patience()))
		trouble.attempts++;
	windows_note_trouble(&trouble);
}

/* The same as go_on(). */
static int64
try_to_go_on(void)
{
	volatile int64 next = -1;

	shown_from = -1;
	is_reading = false;
	PG_TRY();
	{
		next = go_on();
	}
	PG_CATCH();
	{
		note_trouble(geterrcode());
		PG_RE_THROW();
	}
	PG_END_TRY();
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
	next = try_to_go_on();
	HOLD_INTERRUPTS(); /* what is committed is counted */
	event_end_work();
	if (next >= 0)
		windows_settle(next);
	RESUME_INTERRUPTS();
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
