/*
 * writer_batch.c
 *		Events out of a ring into their table, some in a transaction.
 *
 * They are given back to the ring only when the transaction that wrote them has
 * committed.  An event that the server refuses as such is written bare, and
 * dropped (counted) if even that fails: it must not keep the others waiting.
 */
#include "event/private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"
#include "utils/timestamp.h"

#define BATCH_MAX 1000

/* What one transaction took out of the ring. */
typedef struct Batch
{
	TimestampTz began;
	uint64 cursor;
	uint64 written;
	uint64 dropped;
	uint64 reported; /* drops told, 0 when none were */
	uint64 sum;      /* what its rows add to the sum of written ones */
} Batch;

void
writer_begin(const char *activity)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, activity);
}

void
writer_end(void)
{
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
}

Bytes
writer_drops(uint64 count, uint8 *encoded)
{
	char number[32];
	char details[64] = "";
	SecurityEvent event = {
		.type = "events_dropped", .severity = EVENT_HIGH, .outcome = EVENT_FAULT, .details = details};

	snprintf(number, sizeof(number), UINT64_FORMAT, count);
	(void) event_json_add(details, sizeof(details), "dropped", number);
	return bytes_of(encoded, capture_event(&event, encoded));
}

/* Writes an event that says how many were dropped since the last time, if any were. */
static uint64
report_drops(EventRing *ring, RowForm form, uint64 *sum)
{
	uint64 dropped = pg_atomic_read_u64(&ring->dropped);
	uint64 told = pg_atomic_read_u64(&ring->reported);
	uint8 encoded[EVENT_RECORD_MAX];
	EventRecord record;

	if (dropped <= told)
		return 0;
	if (!event_record_decode(writer_drops(dropped - told, encoded), &record))
		elog(ERROR, "twin_security: an event cannot be read back");
	*sum += rows_write(&record, form);
	counted_record_at_end(&record);
	return dropped;
}

/* Reads and writes up to limit events, or reports drops for a limit of 0, in the transaction that is open. */
static void
fill_batch(Writer *writer, Batch *batch, int limit, RowForm form)
{
	size_t length;

	if (limit == 0)
		batch->reported = report_drops(writer->ring, form, &batch->sum);
	for (int i = 0; i < limit; i++)
	{
		RingAnswer answer = ring_read(writer->queue, &batch->cursor, writer->entry, &length);
		EventRecord record;

		if (answer == RING_EMPTY || answer == RING_UNREADY)
			return;
		if (answer == RING_ENTRY && event_record_decode(bytes_of(writer->entry, length), &record))
		{
			batch->sum += rows_write(&record, form);
			batch->written++;
		}
		else
			batch->dropped++;
	}
}

/* After the commit: the ring may have its slots back. */
static void
settle(EventRing *ring, Ring queue, const Batch *batch)
{
	ring_consume(queue, batch->cursor);
	area_note_reported(ring, batch->reported);
	pg_atomic_fetch_add_u64(&ring->written, (int64) batch->written);
	pg_atomic_fetch_add_u64(&ring->written_sum, (int64) batch->sum);
	pg_atomic_fetch_add_u64(&ring->dropped, (int64) batch->dropped);
	area_note_taken(ring, batch->began);
	pg_atomic_write_u32(&ring->failures, 0);
	pg_atomic_write_u64(&ring->served_at, (uint64) GetCurrentTimestamp());
	pg_atomic_write_u64(&ring->retry_at, 0);
	pg_atomic_write_u64(&ring->absent_since, 0);
}

/* What only keeps anything from being written now: no resources, locks, shutdowns, disks, missing tables. */
bool
writer_blames_row(int sqlstate)
{
	int category = ERRCODE_TO_CATEGORY(sqlstate);

	return category == ERRCODE_DATA_EXCEPTION || category == ERRCODE_INTEGRITY_CONSTRAINT_VIOLATION ||
		   category == ERRCODE_PROGRAM_LIMIT_EXCEEDED || category == ERRCODE_TO_CATEGORY(ERRCODE_RAISE_EXCEPTION) ||
		   category == ERRCODE_TRIGGERED_ACTION_EXCEPTION;
}

/* Writes a batch in a transaction of its own.  False when the server refused a row of it; raises all else. */
static bool
write_batch(Writer *writer, int limit, RowForm form, Batch *batch)
{
	MemoryContext context = CurrentMemoryContext;
	volatile bool written = false;

	memset(batch, 0, sizeof(*batch));
	batch->began = GetCurrentTimestamp();
	batch->cursor = ring_begin(writer->queue);
	PG_TRY();
	{
		writer_begin("writing security events");
		rows_begin();
		written_begin(writer->ring, rows_table()); /* before this transaction has an id */
		fill_batch(writer, batch, limit, form);
		rows_end();
		HOLD_INTERRUPTS(); /* what is committed must not be written again */
		writer_end();
		settle(writer->ring, writer->queue, batch);
		RESUME_INTERRUPTS();
		written = true;
	}
	PG_CATCH();
	{
		int sqlstate = geterrcode();

		if (!writer_blames_row(sqlstate))
			PG_RE_THROW();
		/* the server's own message may quote what it refused */
		MemoryContextSwitchTo(context);
		FlushErrorState();
		AbortCurrentTransaction();
		ereport(LOG, (errmsg("a security event cannot be written as it is"),
					  errdetail("SQLSTATE %s.", unpack_sql_state(sqlstate))));
	}
	PG_END_TRY();
	return written;
}

/* Writes one event, or the report of drops for a limit of 0, in some form; false when the server takes none. */
static bool
write_somehow(Writer *writer, int limit)
{
	Batch batch;

	for (int form = ROW_AS_IT_IS; form <= ROW_BARE; form++)
		if (write_batch(writer, limit, (RowForm) form, &batch))
			return true;
	return false;
}

bool
writer_has_drops(const Writer *writer)
{
	return pg_atomic_read_u64(&writer->ring->dropped) > pg_atomic_read_u64(&writer->ring->reported);
}

void
writer_write_some(Writer *writer)
{
	bool careful = ring_begin(writer->queue) < writer->careful_until;
	Batch batch;
	size_t length;

	if (writer_has_drops(writer) && !write_somehow(writer, 0))
	{
		uint64 dropped = pg_atomic_read_u64(&writer->ring->dropped);

		/* trying again would not help: the log keeps the number */
		ereport(LOG,
				(errmsg("security events were dropped, and no event can say so"),
				 errdetail("Dropped: " UINT64_FORMAT ".", dropped - pg_atomic_read_u64(&writer->ring->reported))));
		pg_atomic_write_u64(&writer->ring->reported, dropped);
	}
	if (ring_fill(writer->queue) == 0)
		return;
	if (!careful)
	{
		if (!write_batch(writer, BATCH_MAX, ROW_AS_IT_IS, &batch))
			writer->careful_until = ring_end(writer->queue);
		return;
	}
	if (write_somehow(writer, 1))
		return;
	batch = (Batch){.began = GetCurrentTimestamp(), .cursor = ring_begin(writer->queue), .dropped = 1};
	(void) ring_read(writer->queue, &batch.cursor, writer->entry, &length);
	settle(writer->ring, writer->queue, &batch);
}
