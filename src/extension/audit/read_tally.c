/*
 * read_tally.c
 *		The events to come of this process: what was counted of the statement that
 *		runs, and, when the ring fills, of statements before it.
 *
 * When a statement ends, its events are told.  Where more than JOIN_ABOVE of the
 * ring is taken they wait instead, and what the same user reads of the same
 * table in the same kind of statement is added to them, for JOIN_MS.  Above
 * HOLD_ABOVE they wait on.  When all places are taken the oldest is told
 * nevertheless: then the ring counts it, if it has to drop it.
 *
 * All of it lies in static memory and raises nothing: it is used while
 * transactions abort, when a process ends, and in the handler of a timer.
 */
#include "audit/read.h"

#include "access/xact.h"
#include "access/parallel.h"
#include "access/transam.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/timeout.h"
#include "utils/timestamp.h"

#include <signal.h>

#define PLACES 32
#define VERSIONS 8
#define JOIN_ABOVE 0.25
#define HOLD_ABOVE 0.6
#define JOIN_MS 1000

typedef struct Pending
{
	bool used;
	bool waits;              /* for more of its kind */
	bool goes_on;            /* some of it is of a statement that runs */
	TimestampTz since;       /* when the first of it began */
	TimestampTz waits_since; /* when that had ended */
	uint64 query_id;         /* 0: none, or several */
	uint64 xid;              /* likewise */
	uint64 statements;
	uint64 rows;
	uint64 filtered;
	int version_count;
	int version[VERSIONS];
	uint64 values[VERSIONS];
	size_t length;
	uint8 record[READ_RECORD_MAX];
} Pending;

static Pending pending[PLACES];
static int used_count = 0;
static TallySource source = NULL;
static TimeoutId timer = MAX_TIMEOUTS;
static bool exiting = false;

static volatile sig_atomic_t held = 0;
static volatile sig_atomic_t overdue = 0;

static void tick(void);

void
tally_hold(void)
{
	held++;
	pg_compiler_barrier();
}

void
tally_release(void)
{
	pg_compiler_barrier();
	held--;
	if (unlikely(held == 0 && overdue))
		tick();
}

/* ---- telling ---- */

static int
add_number(char *to, size_t room, const char *name, uint64 number)
{
	return snprintf(to, room, "%s\"%s\": " UINT64_FORMAT, to[-1] == '{' ? "" : ", ", name, number);
}

/* The details: those of the record, and the numbers. */
static size_t
write_details(const Pending *event, Bytes given, char to[EVENT_DETAILS_MAX])
{
	char *at = to;
	char *end = to + EVENT_DETAILS_MAX;

	*at++ = '{';
	/* a JSON object without its braces */
	if (given.data != NULL && given.length > 2)
	{
		memcpy(at, given.data + 1, given.length - 2);
		at += given.length - 2;
	}
	if (event->version_count == 0)
	{
		at += add_number(at, end - at, "rows", event->rows);
		at += add_number(at, end - at, "filtered", event->filtered);
	}
	else
	{
		uint64 all = 0;

		for (int i = 0; i < event->version_count; i++)
			all += event->values[i];
		at += add_number(at, end - at, "values", all);
		at += snprintf(at, end - at, ", \"versions\": {");
		for (int i = 0; i < event->version_count; i++)
			at += snprintf(at, end - at, "%s\"%d\": " UINT64_FORMAT, i == 0 ? "" : ", ", event->version[i],
						   event->values[i]);
		at += snprintf(at, end - at, "}");
	}
	at += add_number(at, end - at, "statements", event->statements);
	if (event->query_id != 0)
		at += snprintf(at, end - at, ", \"query_id\": " INT64_FORMAT, (int64) event->query_id);
	if (event->goes_on)
		at += snprintf(at, end - at, ", \"running\": true");
	*at++ = '}';
	return at - to;
}

static void
tell(Pending *event)
{
	uint8 encoded[EVENT_RECORD_MAX];
	char details[EVENT_DETAILS_MAX];
	EventRecord record;

	event->used = false;
	used_count--;
	if (!event_record_decode(bytes_of(event->record, event->length), &record))
		return;
	record.event_time = event->since;
	record.xid = event->xid;
	record.text[EVENT_DETAILS] = bytes_of(details, write_details(event, record.text[EVENT_DETAILS], details));
	(void) event_emit_late(bytes_of(encoded, event_record_encode(&record, encoded)));
}

/* ---- adding ---- */

static bool
is_alike(const Pending *event, const uint8 *record, size_t length)
{
	return event->length == length && memcmp(event->record, record, length) == 0; /* public: who read what */
}

/* The place of a version's values; none left for one more: VERSIONS. */
static int
version_place(Pending *event, int version)
{
	int place = 0;

	while (place < event->version_count && event->version[place] != version)
		place++;
	if (place == event->version_count && place < VERSIONS)
	{
		event->version[place] = version;
		event->values[place] = 0;
		event->version_count++;
	}
	return place;
}

/* Adds to an event; false when it has no place for the version. */
static bool
add_to(Pending *event, const ReadCount *count)
{
	if (count->version != 0)
	{
		int place = version_place(event, count->version);

		if (place == VERSIONS)
			return false;
		event->values[place] += count->values;
		/* its workers' values and those of several roles come apart; it is one statement still */
		event->statements = Max(event->statements, count->statements);
	}
	else
		event->statements += count->statements;
	event->rows += count->rows;
	event->filtered += count->filtered;
	event->goes_on = event->goes_on || count->statements == 0;
	return true;
}

/* A free place; where there is none, the one that is there for longest is told. */
static Pending *
free_place(void)
{
	Pending *oldest = NULL;

	for (int i = 0; i < PLACES; i++)
	{
		if (!pending[i].used)
			return &pending[i];
		if (oldest == NULL || (pending[i].waits && !oldest->waits) ||
			(pending[i].waits == oldest->waits && pending[i].since < oldest->since))
			oldest = &pending[i];
	}
	tell(oldest);
	return oldest;
}

static void
flush_at_exit(int code, Datum argument)
{
	exiting = true; /* what the end of the transaction brings after this is told at once */
	tally_flush(TALLY_PROCESS_ENDS);
}

void
tally_add(const ReadRecord *record, const ReadCount *count)
{
	uint64 xid = U64FromFullTransactionId(GetTopFullTransactionIdIfAny());
	Pending *event = NULL;

	if (record->length == 0)
		return;
	tally_hold();
	for (int i = 0; i < PLACES && event == NULL && used_count > 0; i++)
		if (pending[i].used && !pending[i].waits && pending[i].query_id == count->query_id &&
			is_alike(&pending[i], record->bytes, record->length) && add_to(&pending[i], count))
			event = &pending[i];
	if (event == NULL)
	{
		event = free_place();
		memset(event, 0, offsetof(Pending, record));
		memcpy(event->record, record->bytes, record->length);
		event->length = record->length;
		event->since = record->since;
		event->query_id = count->query_id;
		event->used = true;
		used_count++;
		(void) add_to(event, count);
	}
	event->xid = xid;
	tally_release();
}

/* ---- when ---- */

/* Adds an event to one like it that waits. */
static bool
join(Pending *event)
{
	for (int i = 0; i < PLACES; i++)
	{
		Pending *other = &pending[i];
		ReadCount count = {.statements = event->statements, .rows = event->rows, .filtered = event->filtered};

		if (other == event || !other->used || !other->waits || !is_alike(other, event->record, event->length) ||
			other->version_count + event->version_count > VERSIONS)
			continue;
		(void) add_to(other, &count); /* not as values: those of several statements add up */
		for (int v = 0; v < event->version_count; v++)
			other->values[version_place(other, event->version[v])] += event->values[v];
		other->goes_on = other->goes_on || event->goes_on;
		if (other->query_id != event->query_id)
			other->query_id = 0;
		if (other->xid != event->xid)
			other->xid = 0;
		event->used = false;
		used_count--;
		return true;
	}
	return false;
}

void
tally_flush(TallyMoment moment)
{
	bool at_once = moment == TALLY_PROCESS_ENDS || exiting;
	TimestampTz now;

	if (used_count == 0)
		return;
	tally_hold();
	now = GetCurrentTimestamp();
	for (int i = 0; i < PLACES && used_count > 0; i++)
	{
		Pending *event = &pending[i];
		double fill;

		if (!event->used)
			continue;
		fill = at_once ? 0 : event_ring_fill();
		if (!event->waits && fill > JOIN_ABOVE)
		{
			if (join(event))
				continue;
			event->waits = true;
			event->waits_since = now;
		}
		if (!event->waits || at_once ||
			(fill <= HOLD_ABOVE && TimestampDifferenceExceeds(event->waits_since, now, JOIN_MS)))
			tell(event);
	}
	tally_release();
	if (used_count > 0)
		tally_arrange_tick();
}

/* Tells what is due although no statement ended.  Runs in a signal handler, or right after what it may not interrupt. */
static void
tick(void)
{
	bool again;

	if (exiting || proc_exit_inprogress)
		return;
	if (held > 0)
	{
		overdue = true;
		return;
	}
	overdue = false;
	tally_hold();
	again = source();
	tally_flush(TALLY_TIME_PASSED);
	tally_release();
	if (again)
		tally_arrange_tick();
}

void
tally_arrange_tick(void)
{
	static bool listening = false;

	if (exiting || proc_exit_inprogress)
		return;
	/* whoever counts anything comes by here first, and not in a signal handler */
	if (!listening)
	{
		before_shmem_exit(flush_at_exit, (Datum) 0);
		listening = true;
	}
	if (IsParallelWorker())
		return;
	if (timer == MAX_TIMEOUTS)
		timer = RegisterTimeout(USER_TIMEOUT, tick);
	if (!get_timeout_active(timer))
		enable_timeout_after(timer, TALLY_TICK_MS);
}

void
tally_init(TallySource ask)
{
	source = ask;
}
