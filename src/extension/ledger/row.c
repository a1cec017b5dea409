/*
 * row.c
 *		Rows of events as leaves: the canonical bytes of leaf.h, made of what the
 *		table says, whoever wrote it there.
 *
 * Sealing, proofs, the export and verification all come through here, so the
 * same row is always the same leaves.  A row whose images are not what
 * row_count says, or cannot be split, is one leaf with the bytes as they are:
 * nothing that somebody wrote into the table keeps the sealer from going on.
 */
#include "ledger/private.h"

#include "common/change.h"

#include "access/detoast.h"
#include "access/htup_details.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/inet.h"
#include "utils/jsonb.h"
#include "utils/timestamp.h"
#include "utils/xid8.h"

/* Places in ROW_COLUMN_LIST. */
enum
{
	ROW_EVENT_ID,
	ROW_EVENT_TIME,
	ROW_RECORDED_AT,
	ROW_ROW_COUNT, /* near the beginning, because it is looked at by itself */
	ROW_USER_ID,
	ROW_TENANT_ID,
	ROW_XID,
	ROW_PID,
	ROW_APPLICATION_MADE,
	ROW_FIRST_TEXT, /* class and so on, in the order of LeafText up to details */
	ROW_ROWS = ROW_FIRST_TEXT + LEAF_DETAILS + 1
};

/* Queries may ask for so many columns of their own behind these. */
#define ROW_MORE_MAX 8

StaticAssertDecl(ROW_ROWS + 1 == ROW_COLUMNS, "the list of columns fits the leaf's texts");

/* Text of this database as UTF-8; as it is where that cannot be: a text that has no UTF-8 must not stop anybody. */
static Bytes
utf8_of(Bytes text)
{
	int encoding = GetDatabaseEncoding();
	Oid conversion;
	unsigned char *made;
	size_t room = text.length * MAX_CONVERSION_GROWTH + 1;

	if (text.length == 0 || encoding == PG_UTF8 || encoding == PG_SQL_ASCII || text.length > INT_MAX / 8)
		return text;
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion))
		return text;
	made = palloc(room);
	if (pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8, (unsigned char *) (uintptr_t) text.data,
									  (int) text.length, made, (int) room, true) != (int) text.length)
		return text;
	return bytes_of(made, strlen((char *) made));
}

/* What a column says, as text. */
static Bytes
text_of(int column, Datum value)
{
	text *plain;
	char *made;

	if (column == ROW_FIRST_TEXT + LEAF_DETAILS)
	{
		Jsonb *json = DatumGetJsonbP(value);

		made = JsonbToCString(NULL, &json->root, (int) VARSIZE(json));
		return utf8_of(bytes_of(made, strlen(made)));
	}
	if (column == ROW_FIRST_TEXT + LEAF_CLIENT_ADDRESS)
	{
		made = DatumGetCString(DirectFunctionCall1(inet_out, value));
		return bytes_of(made, strlen(made));
	}
	plain = DatumGetTextPP(value);
	return utf8_of(bytes_of(VARDATA_ANY(plain), VARSIZE_ANY_EXHDR(plain)));
}

/* A row that is being visited. */
typedef struct RowVisit
{
	Leaf leaf;
	int64 event_id;
	RowVisitor visitor;
	void *argument;
	int expected; /* events that the row says it has */
	int count;    /* and those seen */
	uint8 *buffer;
	size_t room;
} RowVisit;

static void
visit_leaf(RowVisit *visit, int number)
{
	size_t size;

	visit->leaf.event_id = visit->event_id + number;
	size = leaf_size(&visit->leaf);
	if (size > visit->room)
	{
		visit->room = Max(size, 2 * visit->room);
		visit->buffer = MemoryContextAllocHuge(CurrentMemoryContext, visit->room);
	}
	leaf_encode(&visit->leaf, visit->buffer);
	visit->visitor(visit->argument, number, &visit->leaf, bytes_of(visit->buffer, size));
}

static bool
count_row(void *argument, Bytes columns, Bytes row, int number)
{
	RowVisit *visit = argument;

	visit->count++;
	return visit->count <= visit->expected;
}

static bool
visit_row(void *argument, Bytes columns, Bytes row, int number)
{
	RowVisit *visit = argument;

	visit->leaf.text[LEAF_COLUMNS] = columns;
	visit->leaf.text[LEAF_ROW] = row;
	visit_leaf(visit, visit->count++);
	return true;
}

/* Takes what is the same for all events of the row. */
static void
take_columns(const Datum *values, const bool *nulls, Leaf *leaf)
{
	static const struct
	{
		int column;
		LeafFlag flag;
	} optional[] = {{ROW_USER_ID, LEAF_HAS_USER_ID},
					{ROW_TENANT_ID, LEAF_HAS_TENANT_ID},
					{ROW_XID, LEAF_HAS_XID},
					{ROW_PID, LEAF_HAS_PID}};

	for (int i = 0; i < (int) lengthof(optional); i++)
		if (!nulls[optional[i].column])
			leaf->flags |= optional[i].flag;
	if (!nulls[ROW_APPLICATION_MADE] && DatumGetBool(values[ROW_APPLICATION_MADE]))
		leaf->flags |= LEAF_APPLICATION_MADE;
	leaf->event_time = DatumGetTimestampTz(values[ROW_EVENT_TIME]);
	leaf->recorded_at = DatumGetTimestampTz(values[ROW_RECORDED_AT]);
	leaf->user_id = nulls[ROW_USER_ID] ? 0 : DatumGetInt64(values[ROW_USER_ID]);
	leaf->tenant_id = nulls[ROW_TENANT_ID] ? 0 : DatumGetInt64(values[ROW_TENANT_ID]);
	leaf->xid = nulls[ROW_XID] ? 0 : U64FromFullTransactionId(DatumGetFullTransactionId(values[ROW_XID]));
	leaf->pid = nulls[ROW_PID] ? 0 : (uint32) DatumGetInt32(values[ROW_PID]);
	for (int i = 0; i <= LEAF_DETAILS; i++)
		if (!nulls[ROW_FIRST_TEXT + i])
			leaf->text[i] = text_of(ROW_FIRST_TEXT + i, values[ROW_FIRST_TEXT + i]);
}

int
row_leaves(HeapTuple tuple, TupleDesc shape, RowVisitor visitor, void *argument)
{
	Datum values[ROW_COLUMNS + ROW_MORE_MAX];
	bool nulls[ROW_COLUMNS + ROW_MORE_MAX];
	RowVisit visit = {.visitor = visitor, .argument = argument};
	Bytes rows = bytes_of("", 0);

	if (shape->natts < ROW_COLUMNS || shape->natts > ROW_COLUMNS + ROW_MORE_MAX)
		elog(ERROR, "twin_security: a row of events has %d columns", shape->natts);
	heap_deform_tuple(tuple, shape, values, nulls);
	visit.event_id = DatumGetInt64(values[ROW_EVENT_ID]);
	take_columns(values, nulls, &visit.leaf);
	if (nulls[ROW_ROWS] && nulls[ROW_ROW_COUNT])
	{
		visit_leaf(&visit, 0);
		return 1;
	}
	/* images without a count are no event of one row: twin.audit_log would not show them */
	visit.expected = nulls[ROW_ROW_COUNT] ? 0 : DatumGetInt32(values[ROW_ROW_COUNT]);
	if (!nulls[ROW_ROWS])
		rows = plan_bytes(values[ROW_ROWS]);
	if (visit.expected > 0 && visit.expected <= EVENT_ID_STEP && !nulls[ROW_ROWS] &&
		change_split(rows, count_row, &visit) && visit.count == visit.expected)
	{
		visit.count = 0;
		(void) change_split(rows, visit_row, &visit);
		return visit.expected;
	}
	visit.leaf.text[LEAF_ROW] = rows;
	visit_leaf(&visit, 0);
	return 1;
}

int64
row_id(HeapTuple tuple, TupleDesc shape)
{
	bool null;

	return DatumGetInt64(heap_getattr(tuple, ROW_EVENT_ID + 1, shape, &null));
}

void
row_estimate(HeapTuple tuple, TupleDesc shape, int64 *leaves, int64 *bytes)
{
	bool null;
	Datum count = heap_getattr(tuple, ROW_ROW_COUNT + 1, shape, &null);
	Datum rows;

	*leaves = 1;
	*bytes = tuple->t_len;
	if (null)
		return;
	*leaves = Max(DatumGetInt32(count), 1);
	rows = heap_getattr(tuple, ROW_ROWS + 1, shape, &null);
	*bytes += null ? 0 : (int64) toast_raw_datum_size(rows);
}
