/*
 * spool_take.c
 *		In the writer's process of a database: files of a standby's events become
 *		rows, each event once.
 *
 * Some events and how far the stream is taken with them are one transaction; the
 * file goes once all of it is taken.  What is not as it was written is an event
 * itself, and the file is kept for whoever looks into that.
 */
#include "event/spool.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define BATCH_MAX 1000
#define TRY_AGAIN_MS 60000

/* Whether the server refused a row of the file at hand: then events go one by one. */
static bool is_careful = false;

/* What one transaction takes. */
typedef struct Taking
{
	SpoolHeader header;
	SpoolChain chain;
	Bytes rest;
	SpoolAnswer answer; /* what stopped it, SPOOL_RECORD for its limit */
	uint64 taken_before;
	uint64 missing; /* events of the stream that never came */
	uint64 sum;     /* of written rows */
} Taking;

/* ---- one transaction ---- */

/* Adds to a record which server it is of, and its number there, where its details have room. */
static void
mark(const SpoolHeader *header, uint64 number, EventRecord *record, char details[EVENT_DETAILS_MAX + 1])
{
	Bytes given = record->text[EVENT_DETAILS];
	char text[2 * SPOOL_STREAM_SIZE + 32] = "";
	char *at = text;

	details[0] = '\0';
	if (given.data != NULL && !(given.length == 2 && given.data[0] == '{'))
	{
		memcpy(details, given.data, given.length);
		details[given.length] = '\0';
	}
	for (int i = 0; i < SPOOL_STREAM_SIZE; i++)
		at += snprintf(at, 3, "%02x", header->stream[i]);
	snprintf(at, 32, ":" UINT64_FORMAT, number);
	if (!event_json_add(details, EVENT_DETAILS_MAX + 1, "standby_event", text))
		return;
	if (header->server[0] != '\0')
		(void) event_json_add(details, EVENT_DETAILS_MAX + 1, "standby", header->server);
	record->text[EVENT_DETAILS] = bytes_of(details, strlen(details));
}

/* Takes up to limit events that were not taken yet; ROW_FORMS passes over one. */
static void
take_some(Taking *taking, int limit, RowForm form)
{
	char details[EVENT_DETAILS_MAX + 1];
	EventRecord record;
	Bytes bytes;

	taking->answer = SPOOL_RECORD;
	while (limit > 0 && (taking->answer = spool_read(&taking->chain, &taking->rest, &bytes)) == SPOOL_RECORD)
	{
		if (taking->chain.number <= taking->taken_before)
			continue;
		limit--;
		if (form == ROW_FORMS || !event_record_decode(bytes, &record))
			continue;
		mark(&taking->header, taking->chain.number, &record, details);
		taking->sum += rows_write(&record, form);
	}
}

/* Writes some of a file in a transaction; false when the server refused a row of it; raises all else. */
static bool
take_in_transaction(Taking *taking, int limit, RowForm form)
{
	MemoryContext context = CurrentMemoryContext;
	EventRing *ring = area_own();
	volatile bool is_taken = false;

	PG_TRY();
	{
		event_begin_work("taking events of a standby");
		written_begin(ring, rows_table()); /* before this transaction has an id */
		taking->taken_before = spool_taken(taking->header.stream);
		if (taking->header.after > taking->taken_before)
			taking->missing = taking->header.after - taking->taken_before;
		take_some(taking, limit, form);
		if (taking->chain.number > taking->taken_before)
			spool_note_taken(&taking->header, taking->chain.number);
		HOLD_INTERRUPTS(); /* what is committed is counted */
		event_end_work();
		pg_atomic_fetch_add_u64(&ring->written_sum, (int64) taking->sum);
		RESUME_INTERRUPTS();
		is_taken = true;
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
		pgstat_report_activity(STATE_IDLE, NULL);
		ereport(LOG, (errmsg("a security event of a standby cannot be written as it is"),
					  errdetail("SQLSTATE %s.", unpack_sql_state(sqlstate))));
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return is_taken;
}

/* Takes some of a file, of which a refused event is written without what the server may refuse, or passed over. */
static void
take_somehow(const Taking *begin, Taking *taking)
{
	if (!is_careful)
	{
		*taking = *begin;
		if (take_in_transaction(taking, BATCH_MAX, ROW_AS_IT_IS))
			return;
		is_careful = true;
	}
	for (RowForm form = ROW_AS_IT_IS; form <= ROW_FORMS; form++)
	{
		*taking = *begin;
		if (take_in_transaction(taking, 1, form))
			return;
	}
	elog(ERROR, "twin_security: events of a standby cannot be taken");
}

/* ---- a file ---- */

/* What becomes of a file once all is taken that can be. */
static void
end_file(const SpoolName *name, SpoolVerdict verdict)
{
	is_careful = false;
	if (verdict != SPOOL_IS_WHOLE)
		spool_tell(name, spool_what(verdict), 0);
	if (verdict == SPOOL_IS_WHOLE || verdict == SPOOL_IS_CUT)
		spool_remove(name);
	else
		(void) spool_set_state(name, SPOOL_REFUSED);
}

static void
take_file(const SpoolName *name, Bytes bytes)
{
	Taking begin = {.rest = bytes};
	Taking taking;
	SpoolVerdict verdict = spool_open_file(&begin.rest, &begin.header, &begin.chain);

	if (verdict != SPOOL_IS_WHOLE)
	{
		end_file(name, verdict);
		return;
	}
	take_somehow(&begin, &taking);
	if (taking.missing > 0)
		spool_tell(name, "events before it are missing", taking.missing);
	if (taking.answer == SPOOL_END)
		end_file(name, SPOOL_IS_WHOLE);
	else if (taking.answer != SPOOL_RECORD)
		end_file(name, taking.answer == SPOOL_CUT ? SPOOL_IS_CUT : SPOOL_IS_CHANGED);
}

/* The first finished file of this database. */
static const SpoolName *
first_file(void)
{
	ListCell *cell;

	foreach(cell, spool_list())
	{
		const SpoolName *name = lfirst(cell);

		if (name->database == MyDatabaseId && name->state == SPOOL_FINISHED)
			return name;
	}
	return NULL;
}

/* Looks for a file and takes some of it, in memory that the caller forgets. */
static TimestampTz
take_next(void)
{
	const SpoolName *name = first_file();
	Bytes bytes;

	if (name == NULL)
		return DT_NOEND;
	if (!spool_has_key())
	{
		ereport(LOG, (errmsg("security events of a standby wait to be taken into the log"),
					  errdetail("ENCRYPTION_KEY is not set, by which they are known.")));
		return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), TRY_AGAIN_MS);
	}
	if (!spool_read_file(name, &bytes) && errno != EFBIG)
		ereport(ERROR, (errcode_for_file_access(), errmsg("security events of a standby cannot be read: %m")));
	take_file(name, bytes);
	return 0;
}

TimestampTz
spool_follow(void)
{
	static MemoryContext turn = NULL;
	MemoryContext outer;
	TimestampTz next;

	if (turn == NULL)
		turn = AllocSetContextCreate(TopMemoryContext, "twin_security standby events", ALLOCSET_DEFAULT_SIZES);
	MemoryContextReset(turn); /* also what a failure left */
	outer = MemoryContextSwitchTo(turn);
	next = take_next();
	MemoryContextSwitchTo(outer);
	return next;
}
