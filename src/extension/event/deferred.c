/*
 * deferred.c
 *		Events that are told when their transaction ends, because before that
 *		nobody knows whether what they say came true.
 *
 * They are captured at once and wait in pending.c; each belongs to the
 * subtransaction that asked, or to its parent once it has committed.
 *
 * What is true only if the transaction commits may stand in that transaction:
 * many are written as rows right before it does, so that no transaction is too
 * long for the ring, and none takes the ring from others.  A few go through the
 * ring once it has committed, as does what came to nothing.  A prepared
 * transaction's events say so, and those in the ring are told at PREPARE: what
 * becomes of it is not this session's any more.
 */
#include "event/private.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "access/xlog.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "storage/proc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

/* So many go through the ring while it is not crowded. */
#define FEW_EVENTS 8

/* How long what failed waits for the writer at most, and a commit for the events before it. */
#define FAILURES_WAIT_MS 5000
#define EARLIER_WAIT_MS 1000

/* How long a transaction waits for each lock that its rows need. */
#define LOCK_WAIT_MS 10000

/* What became of the transaction. */
typedef enum DeferredEnd
{
	END_DONE,
	END_UNDONE,
	END_PREPARED
} DeferredEnd;

/* Up to here they stand as rows in the transaction that is about to commit. */
static PendingPlace written;

void
event_emit_at_end(const SecurityEvent *event)
{
	uint8 record[EVENT_RECORD_MAX];

	if (area_exists())
		pending_add(bytes_of(record, capture_event(event, record)), event->of_no_database);
}

/* Adds to details that the transaction was prepared: nobody knows yet whether it will be true. */
static void
note_prepared(EventRecord *record, char details[EVENT_DETAILS_MAX + 1])
{
	Bytes given = record->text[EVENT_DETAILS];

	details[0] = '\0';
	if (given.data != NULL)
	{
		memcpy(details, given.data, given.length);
		details[given.length] = '\0';
	}
	if (event_json_add(details, EVENT_DETAILS_MAX + 1, "prepared", "true"))
		record->text[EVENT_DETAILS] = bytes_of(details, strlen(details));
}

/* ---- as rows, before the commit ---- */

/* Whether nobody's lock keeps rows out of the log; they are let in until the transaction ends. */
static bool
log_is_free(void)
{
	Oid overflow = get_relname_relid("events_overflow", get_namespace_oid(TSEC_INTERNAL_SCHEMA, true));

	return OidIsValid(overflow) && ConditionalLockRelationOid(rows_table(), RowExclusiveLock) &&
		   ConditionalLockRelationOid(overflow, RowExclusiveLock);
}

/*
 * Many; and few where the ring is crowded: in this case it has still room for them, should the log be locked.  The
 * ring's reader has it all in rows, for nobody empties the ring while it waits.
 */
static bool
belongs_in_rows(void)
{
	PendingPlace end = pending_end();

	if (end.number == 0 || !OidIsValid(MyDatabaseId) || IsInParallelMode() || RecoveryInProgress() || !rows_ready())
		return false;
	return end.number > FEW_EVENTS || ((area_is_crowded() || area_is_reader()) && log_is_free());
}

/* What was told before the deed is written first, if the writer comes forward: so its ids are the lower ones. */
static void
wait_for_earlier(void)
{
	EventRing *ring = area_own();
	int64 patience = EARLIER_WAIT_MS;

	if (ring != NULL && !area_is_reader())
		(void) slow_wait(area_queue(ring), ring_end(area_queue(ring)), &patience);
}

/* Writes one; the store remembers what it allocates, a row does not. */
static void
write_row(EventStore **stores, const EventRecord *record, MemoryContext memory)
{
	EventStore **store = &stores[record->class_number];
	MemoryContext outer = CurrentMemoryContext;
	EventRow row;

	if (*store == NULL)
		*store = event_store_open((EventClass) record->class_number);
	MemoryContextSwitchTo(memory);
	event_fill_row(record, event_store_time(*store), false, &row);
	row.values[EVENT_COLUMN_ID] = Int64GetDatum(event_take_id());
	row.nulls[EVENT_COLUMN_ID] = false;
	/* what tells these rows from the writer's: they are of the transaction that they tell of */
	row.values[EVENT_COLUMN_XID] = row.values[EVENT_COLUMN_WRITER_XID];
	row.nulls[EVENT_COLUMN_XID] = false;
	MemoryContextSwitchTo(outer);
	event_store_insert(*store, &row);
	MemoryContextReset(memory);
}

/*
 * Writes all of them as rows.  What it raises ends the transaction: the log cannot be written, and so much does not happen
 * unrecorded.
 */
static void
write_rows(bool prepared)
{
	MemoryContext work =
		AllocSetContextCreate(TopTransactionContext, "twin_security deferred", ALLOCSET_DEFAULT_SIZES);
	MemoryContext row = AllocSetContextCreate(work, "twin_security deferred row", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = MemoryContextSwitchTo(work);
	EventStore *stores[EVENT_CLASSES] = {NULL};
	PendingPlace place = {0};
	uint8 encoded[EVENT_RECORD_MAX];
	char details[EVENT_DETAILS_MAX + 1];
	size_t length;
	bool of_no_database;

	wait_for_earlier();
	PushActiveSnapshot(GetTransactionSnapshot());
	while (pending_read(&place, encoded, &length, &of_no_database))
	{
		EventRecord record;

		CHECK_FOR_INTERRUPTS();
		if (!event_record_decode(bytes_of(encoded, length), &record))
			elog(ERROR, "twin_security: an event cannot be read back");
		if (prepared)
			note_prepared(&record, details);
		write_row(stores, &record, row);
	}
	if (place.number < pending_end().number)
		ereport(ERROR, (errcode(ERRCODE_IO_ERROR),
						errmsg("security events of this transaction cannot be read from their temporary file")));
	for (int i = 0; i < EVENT_CLASSES; i++)
		if (stores[i] != NULL)
			event_store_close(stores[i]);
	PopActiveSnapshot();
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(work);
	written = place;
}

/* The same, without waiting for ever where somebody holds a lock on the log. */
static void
write_rows_soon(bool prepared)
{
	int own = LockTimeout;

	LockTimeout = own > 0 ? Min(own, LOCK_WAIT_MS) : LOCK_WAIT_MS;
	PG_TRY();
	{
		write_rows(prepared);
	}
	PG_FINALLY();
	{
		LockTimeout = own;
	}
	PG_END_TRY();
}

/* ---- through the ring ---- */

/* Tells one, as it came out. */
static void
tell_one(uint8 *encoded, size_t length, bool of_no_database, DeferredEnd end, EventShare share)
{
	uint8 again[EVENT_RECORD_MAX];
	char details[EVENT_DETAILS_MAX + 1];
	EventRecord record;

	if (end == END_UNDONE)
		event_record_set_outcome(encoded, EVENT_FAILURE);
	if (end == END_PREPARED && event_record_decode(bytes_of(encoded, length), &record))
	{
		note_prepared(&record, details);
		length = event_record_encode(&record, again);
		encoded = again;
	}
	(void) (of_no_database ? area_push_to_cluster(bytes_of(encoded, length), share)
						   : area_push(bytes_of(encoded, length), share));
}

/* Waits, while the ring is crowded, until three quarters of it are free. */
static void
wait_for_room(int64 *patience)
{
	EventRing *ring = *patience > 0 && area_is_crowded() && !area_is_reader() ? area_own() : NULL;
	uint64 quarter;
	uint64 end;

	if (ring == NULL)
		return;
	quarter = area_queue(ring).slots / 4;
	end = ring_end(area_queue(ring));
	(void) slow_wait(area_queue(ring), end > quarter ? end - quarter : 0, patience);
}

/*
 * Tells all from a place on, the oldest first.  Where they are many it waits for the writer, for a bounded time, and leaves
 * a part of the ring to others.
 */
static void
tell(PendingPlace place, DeferredEnd end)
{
	PendingPlace last = pending_end();
	bool many = last.number - place.number > FEW_EVENTS;
	int64 patience = many && !RecoveryInProgress() ? FAILURES_WAIT_MS : 0;
	uint8 encoded[EVENT_RECORD_MAX];
	size_t length;
	bool of_no_database;

	while (pending_read(&place, encoded, &length, &of_no_database))
	{
		wait_for_room(&patience);
		tell_one(encoded, length, of_no_database, end, many ? SHARE_ANYBODY : SHARE_OWN);
	}
	if (place.number < last.number)
		area_count_lost(last.number - place.number);
}

/* Tells what does not stand in rows, and forgets everything. */
static void
finish(PendingPlace from, DeferredEnd end)
{
	if (pending_end().number > from.number)
		tell(from, end);
	pending_forget();
	written = (PendingPlace){0};
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_PRE_PREPARE)
	{
		if (belongs_in_rows())
			write_rows_soon(event == XACT_EVENT_PRE_PREPARE);
	}
	else if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT)
		finish(written, END_DONE);
	else if (event == XACT_EVENT_PREPARE)
		finish(written, END_PREPARED);
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		finish((PendingPlace){0}, END_UNDONE);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
	{
		PendingPlace begin = pending_of(mine);

		tell(begin, END_UNDONE);
		pending_cut(begin);
	}
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		pending_give(mine, parent);
}

void
deferred_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
