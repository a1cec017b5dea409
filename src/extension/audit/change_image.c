/*
 * change_image.c
 *		Changed rows in the log: up to a thousand of a statement's in one row there,
 *		as many as fill a page.
 *
 * Nothing is opened, and no id taken, before there is a first row.
 */
#include "audit/change.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"

/* What a row of the log may have with all its columns: it is kept in its page as it is (toast_tuple_target). */
#define ROW_MAX 8128

typedef struct ImageWriter
{
	ChangePlan *plan;
	EventStore *store;
	EventRow row;
	ChangeBuffer rows; /* behind room for a varlena's header */
	size_t head;       /* where the first row begins in it */
	size_t most;       /* bytes that it may have */
	int count;
} ImageWriter;

/* What the log says of every row: who, when, where, which table. */
static void
fill_row(ChangePlan *plan, const ChangeDeed *deed, const char *details, EventStore *store, EventRow *row)
{
	SecurityEvent event = {.type = deed->type, .action = deed->action, .resource = plan->resource};
	char given[EVENT_DETAILS_MAX + 1] = "";
	EventRecord record;

	(void) GetTopFullTransactionId(); /* so that the event has it */
	event_capture(&event, &record);
	if (details != NULL)
		strlcpy(given, details, sizeof(given));
	if (plan->partition != NULL)
		(void) event_json_add(given, sizeof(given), "partition", plan->partition);
	if (given[0] != '\0')
		record.text[EVENT_DETAILS] = bytes_of(given, strlen(given));
	event_fill_row(&record, event_store_time(store), false, row);
}

/* Bytes of a row of the log without "rows". */
static size_t
size_without_rows(const EventRow *row)
{
	size_t size = MAXALIGN(SizeofHeapTupleHeader + BITMAPLEN(EVENT_COLUMNS));

	for (int i = 0; i < EVENT_COLUMNS; i++)
		if (!row->nulls[i])
			switch (i)
			{
				case EVENT_COLUMN_ID:
				case EVENT_COLUMN_TIME:
				case EVENT_COLUMN_RECORDED_AT:
				case EVENT_COLUMN_USER_ID:
				case EVENT_COLUMN_TENANT_ID:
				case EVENT_COLUMN_XID:
				case EVENT_COLUMN_APPLICATION_MADE:
				case EVENT_COLUMN_PID:
				case EVENT_COLUMN_ORIGIN:
				case EVENT_COLUMN_WRITER_XID:
				case EVENT_COLUMN_ROW_COUNT:
					size += 2 * sizeof(int64); /* padding may stand before it */
					break;
				default:
					size += VARSIZE_ANY(DatumGetPointer(row->values[i])) + sizeof(int32);
					break;
			}
	return size;
}

static void
begin(ImageWriter *writer, const ChangeDeed *deed)
{
	ChangeBuffer *rows = &writer->rows;
	uint8 *at;

	writer->store = event_store_open(EVENT_AUDIT);
	fill_row(writer->plan, deed, NULL, writer->store, &writer->row);
	writer->most = ROW_MAX - Min(size_without_rows(&writer->row), ROW_MAX / 2);
	change_reserve(rows, VARHDRSZ + 1 + CHANGE_PIECE_HEAD + writer->plan->columns_length);
	at = rows->data + VARHDRSZ;
	*at++ = CHANGE_VERSION;
	at = change_put_piece(at, writer->plan->columns_bytes, writer->plan->columns_length);
	writer->head = rows->length = (size_t) (at - rows->data);
}

/* Writes the first so many bytes of rows as a row of the log. */
static void
flush(ImageWriter *writer, size_t length)
{
	EventRow *row = &writer->row;

	SET_VARSIZE(writer->rows.data, length);
	row->values[EVENT_COLUMN_ID] = Int64GetDatum(event_take_id());
	row->nulls[EVENT_COLUMN_ID] = false;
	row->values[EVENT_COLUMN_ROW_COUNT] = Int32GetDatum(writer->count);
	row->nulls[EVENT_COLUMN_ROW_COUNT] = false;
	row->values[EVENT_COLUMN_ROWS] = PointerGetDatum(writer->rows.data);
	row->nulls[EVENT_COLUMN_ROWS] = false;
	event_store_insert(writer->store, row);
	/* what was begun after it moves to the front */
	memmove(writer->rows.data + writer->head, writer->rows.data + length, writer->rows.length - length);
	writer->rows.length -= length - writer->head;
	writer->count = 0;
}

void
change_write_images(ChangePlan *plan, const ChangeDeed *deed, ChangeSource *source)
{
	ImageWriter writer = {.plan = plan};
	ChangeScribe scribe;
	TupleTableSlot *old;
	TupleTableSlot *new;

	change_begin(&scribe, plan);
	while (change_next(source, &old, &new))
	{
		size_t before;

		if (writer.store == NULL)
			begin(&writer, deed);
		before = writer.rows.length;
		change_append_row(&scribe, &writer.rows, old, new);
		if (writer.rows.length > writer.most && writer.count > 0)
			flush(&writer, before);
		if (++writer.count == CHANGE_ROWS_MAX)
			flush(&writer, writer.rows.length);
		CHECK_FOR_INTERRUPTS();
	}
	if (writer.count > 0)
		flush(&writer, writer.rows.length);
	if (writer.store != NULL)
		event_store_close(writer.store);
	if (writer.rows.data != NULL)
		pfree(writer.rows.data);
	change_end(&scribe);
}

void
change_write_event(ChangePlan *plan, const ChangeDeed *deed, const char *details)
{
	EventStore *store = event_store_open(EVENT_AUDIT);
	EventRow row;

	fill_row(plan, deed, details, store, &row);
	row.values[EVENT_COLUMN_ID] = Int64GetDatum(event_take_id());
	row.nulls[EVENT_COLUMN_ID] = false;
	event_store_insert(store, &row);
	event_store_close(store);
}
