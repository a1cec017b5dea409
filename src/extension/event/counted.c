/*
 * counted.c
 *		How many events of each kind there were since the server started, for those who watch.
 *
 * Each ring has a table of kinds behind it: type, class and outcome, found by hash, taken once and never given back until
 * the ring is.  Counting takes no lock and reads nothing but shared memory, so it tells what goes on also where the
 * writer is stuck, events are dropped, or withheld because they are many.  What sessions write as rows of their own is
 * counted when they commit.
 *
 * Types that applications make up are counted as one, and what finds no place in the table as "other": nobody can fill it.
 */
#include "event/private.h"

#include "access/xact.h"
#include "common/hashfn.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_stat_events);

#define COUNTED_SLOTS 512
#define COUNTED_PROBES 32

/* In place of a class: a deed that is no event. */
#define COUNTED_DEED EVENT_CLASSES

#define APPLICATION_TYPE "application"
#define OTHER_TYPE "other"

/* What applications with accounts of their own report under our names (words.c), and nothing else of theirs. */
static const char *const reported_types[] = {"login_failure", "login_success", "logout", "permission_denied"};

/* Compared byte by byte: what follows the type is zero. */
typedef struct CountedKind
{
	uint8 class;
	uint8 outcome;
	uint8 application_made;
	char type[65];
} CountedKind;

StaticAssertDecl(sizeof(CountedKind) == 68, "kinds have no bytes that nobody sets");

typedef enum SlotState
{
	SLOT_FREE,
	SLOT_CLAIMED, /* its kind is being written; for ever, should the process die over it */
	SLOT_READY
} SlotState;

typedef struct CountedSlot
{
	pg_atomic_uint32 state;
	CountedKind kind;
	pg_atomic_uint64 recorded;
	pg_atomic_uint64 withheld;
} CountedSlot;

struct Counted
{
	CountedSlot slots[COUNTED_SLOTS];
	pg_atomic_uint64 other;
	pg_atomic_uint64 other_withheld;
};

Size
counted_size(void)
{
	return TYPEALIGN(RING_CACHE_LINE, sizeof(Counted));
}

void
counted_begin(Counted *counted)
{
	for (int i = 0; i < COUNTED_SLOTS; i++)
	{
		pg_atomic_init_u32(&counted->slots[i].state, SLOT_FREE);
		pg_atomic_init_u64(&counted->slots[i].recorded, 0);
		pg_atomic_init_u64(&counted->slots[i].withheld, 0);
	}
	pg_atomic_init_u64(&counted->other, 0);
	pg_atomic_init_u64(&counted->other_withheld, 0);
}

void
counted_forget(Counted *counted)
{
	for (int i = 0; i < COUNTED_SLOTS; i++)
	{
		pg_atomic_write_u64(&counted->slots[i].recorded, 0);
		pg_atomic_write_u64(&counted->slots[i].withheld, 0);
		pg_atomic_write_u32(&counted->slots[i].state, SLOT_FREE);
	}
	pg_atomic_write_u64(&counted->other, 0);
	pg_atomic_write_u64(&counted->other_withheld, 0);
}

/* The slot of a kind, taken when it has none; NULL where the table is full.  Two may be taken for one: readers add up. */
static CountedSlot *
find_slot(Counted *counted, const CountedKind *kind)
{
	uint32 at = hash_bytes((const unsigned char *) kind, sizeof(*kind));

	for (int i = 0; i < COUNTED_PROBES; i++)
	{
		CountedSlot *slot = &counted->slots[(at + i) % COUNTED_SLOTS];
		uint32 state = pg_atomic_read_u32(&slot->state);

		if (state == SLOT_FREE && pg_atomic_compare_exchange_u32(&slot->state, &state, SLOT_CLAIMED))
		{
			slot->kind = *kind;
			pg_write_barrier();
			pg_atomic_write_u32(&slot->state, SLOT_READY);
			return slot;
		}
		if (state != SLOT_READY)
			continue;
		pg_read_barrier();
		if (memcmp(&slot->kind, kind, sizeof(*kind)) == 0) /* public: words of the log */
			return slot;
	}
	return NULL;
}

static void
add(Counted *counted, const CountedKind *kind, uint64 recorded, uint64 withheld)
{
	CountedSlot *slot = find_slot(counted, kind);

	if (recorded > 0)
		pg_atomic_fetch_add_u64(slot != NULL ? &slot->recorded : &counted->other, (int64) recorded);
	if (withheld > 0)
		pg_atomic_fetch_add_u64(slot != NULL ? &slot->withheld : &counted->other_withheld, (int64) withheld);
}

/* A kind; the type is cut where it is too long, and an application's is one of few. */
static CountedKind
kind_of(int class, int outcome, bool application_made, Bytes type)
{
	CountedKind kind = {.class = (uint8) class, .outcome = (uint8) outcome, .application_made = application_made};

	memcpy(kind.type, type.data, Min(type.length, sizeof(kind.type) - 1));
	if (application_made &&
		event_word(reported_types, lengthof(reported_types), kind.type) == (int) lengthof(reported_types))
	{
		memset(kind.type, 0, sizeof(kind.type));
		strlcpy(kind.type, APPLICATION_TYPE, sizeof(kind.type));
	}
	return kind;
}

static CountedKind
kind_of_record(const EventRecord *record)
{
	return kind_of(record->class_number, record->outcome, (record->flags & EVENT_APPLICATION_MADE) != 0,
				   record->text[EVENT_TYPE]);
}

void
counted_pushed(Counted *counted, Bytes encoded)
{
	EventKind read;
	CountedKind kind;

	if (!event_record_kind(encoded, &read))
		return;
	kind = kind_of(read.class_number, read.outcome, read.application_made, read.type);
	add(counted, &kind, 1, 0);
}

/* This process's own table, or NULL. */
static Counted *
own_counted(void)
{
	EventRing *ring = area_exists() ? area_own() : NULL;

	return ring == NULL ? NULL : area_counted(ring);
}

void
counted_withheld(const SecurityEvent *event)
{
	Counted *counted = own_counted();
	CountedKind kind =
		kind_of(event->class, event->outcome, event->application_made, bytes_of(event->type, strlen(event->type)));

	if (counted != NULL)
		add(counted, &kind, 0, 1);
}

void
event_count_deed(const char *deed)
{
	Counted *counted = own_counted();
	CountedKind kind = kind_of(COUNTED_DEED, EVENT_SUCCESS, false, bytes_of(deed, strlen(deed)));

	if (counted != NULL)
		add(counted, &kind, 1, 0);
}

/* ---- rows of a transaction that may still come to nothing ---- */

typedef struct WaitingCount
{
	SubTransactionId subtransaction;
	CountedKind kind;
	uint64 count;
} WaitingCount;

/* Those of the innermost subtransaction are last.  More kinds than that are counted at once, whatever becomes of them. */
static WaitingCount waiting[64];
static int waiting_count = 0;

static void
wait_for_end(SubTransactionId subtransaction, const CountedKind *kind, uint64 count)
{
	Counted *counted;

	for (int i = waiting_count - 1; i >= 0 && waiting[i].subtransaction == subtransaction; i--)
		if (memcmp(&waiting[i].kind, kind, sizeof(*kind)) == 0) /* public: words of the log */
		{
			waiting[i].count += count;
			return;
		}
	if (waiting_count < (int) lengthof(waiting))
		waiting[waiting_count++] = (WaitingCount){subtransaction, *kind, count};
	else if ((counted = own_counted()) != NULL)
		add(counted, kind, count, 0);
}

void
counted_record_at_end(const EventRecord *record)
{
	CountedKind kind = kind_of_record(record);

	wait_for_end(GetCurrentSubTransactionId(), &kind, 1);
}

void
counted_row_at_end(EventClass class, const EventRow *row)
{
	text *type = DatumGetTextPP(row->values[EVENT_COLUMN_TYPE]);
	char *word = text_to_cstring(DatumGetTextPP(row->values[EVENT_COLUMN_OUTCOME]));
	int outcome = event_word(event_outcome_names, EVENT_OUTCOMES, word);
	CountedKind kind =
		kind_of(class, Min(outcome, EVENT_UNKNOWN), false, bytes_of(VARDATA_ANY(type), VARSIZE_ANY_EXHDR(type)));

	pfree(word);
	wait_for_end(GetCurrentSubTransactionId(), &kind,
				 row->nulls[EVENT_COLUMN_ROW_COUNT] ? 1
													: (uint64) DatumGetInt32(row->values[EVENT_COLUMN_ROW_COUNT]));
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	Counted *counted;

	if (waiting_count == 0 ||
		(event != XACT_EVENT_COMMIT && event != XACT_EVENT_PREPARE && event != XACT_EVENT_ABORT))
		return;
	if (event != XACT_EVENT_ABORT && (counted = own_counted()) != NULL)
		for (int i = 0; i < waiting_count; i++)
			add(counted, &waiting[i].kind, waiting[i].count, 0);
	waiting_count = 0;
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	int first = waiting_count;
	int last = waiting_count;

	if (event != SUBXACT_EVENT_ABORT_SUB && event != SUBXACT_EVENT_COMMIT_SUB)
		return;
	while (first > 0 && waiting[first - 1].subtransaction == mine)
		first--;
	waiting_count = first;
	if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (int i = first; i < last; i++)
		{
			WaitingCount given = waiting[i]; /* its place may be taken by one before it, and no other is */

			wait_for_end(parent, &given.kind, given.count);
		}
}

/* ---- for SQL ---- */

static void
put_row(ReturnSetInfo *result, const CountedKind *kind, uint64 recorded, uint64 withheld)
{
	bool is_event = kind->class < EVENT_CLASSES;
	Datum values[6] = {CStringGetTextDatum(kind->type),
					   is_event ? CStringGetTextDatum(event_class_names[kind->class]) : (Datum) 0,
					   CStringGetTextDatum(event_outcome_names[kind->outcome]),
					   BoolGetDatum(kind->application_made != 0),
					   Int64GetDatum((int64) recorded),
					   Int64GetDatum((int64) withheld)};
	bool nulls[6] = {false, !is_event, false, false, false, false};

	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
}

/* stat_events() -> setof (event_type, class, outcome, application_made, recorded, withheld) */
Datum
tsec_stat_events(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	EventRing *ring;
	Counted *counted;
	CountedKind other = {.class = EVENT_AUDIT, .outcome = EVENT_UNKNOWN, .type = OTHER_TYPE};
	uint64 others;

	base_require_preload("twin.stat_events");
	InitMaterializedSRF(fcinfo, 0);
	ring = area_exists() ? area_find(MyDatabaseId) : NULL;
	if (ring == NULL)
		return (Datum) 0;
	counted = area_counted(ring);
	for (int i = 0; i < COUNTED_SLOTS; i++)
	{
		CountedSlot *slot = &counted->slots[i];

		if (pg_atomic_read_u32(&slot->state) != SLOT_READY)
			continue;
		pg_read_barrier();
		put_row(result, &slot->kind, pg_atomic_read_u64(&slot->recorded), pg_atomic_read_u64(&slot->withheld));
	}
	others = pg_atomic_read_u64(&counted->other);
	if (others > 0 || pg_atomic_read_u64(&counted->other_withheld) > 0)
		put_row(result, &other, others, pg_atomic_read_u64(&counted->other_withheld));
	return (Datum) 0;
}

void
counted_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
