/*
 * deferred.c
 *		Events that are told when their transaction ends, because before that
 *		nobody knows whether what they say came true.
 *
 * They are captured at once and kept in the transaction's memory, newest
 * first; each belongs to the subtransaction that asked, or to its parent once
 * it has committed.  A prepared transaction's are told at PREPARE, and say so:
 * what becomes of it is not this session's any more.
 */
#include "event/private.h"

#include "access/xact.h"
#include "utils/memutils.h"

typedef struct DeferredEvent
{
	struct DeferredEvent *earlier;
	SubTransactionId subtransaction;
	size_t length;
	uint8 record[FLEXIBLE_ARRAY_MEMBER];
} DeferredEvent;

/* What became of the transaction. */
typedef enum DeferredEnd
{
	END_DONE,
	END_UNDONE,
	END_PREPARED
} DeferredEnd;

static DeferredEvent *latest = NULL;

void
event_emit_at_end(const SecurityEvent *event)
{
	uint8 record[EVENT_RECORD_MAX];
	DeferredEvent *kept;
	size_t length;

	if (!area_exists())
		return;
	length = capture_event(event, record);
	kept = MemoryContextAlloc(TopTransactionContext, offsetof(DeferredEvent, record) + length);
	kept->earlier = latest;
	kept->subtransaction = GetCurrentSubTransactionId();
	kept->length = length;
	memcpy(kept->record, record, length);
	latest = kept;
}

/* Tells one; of a prepared transaction, whose xid it carries, nobody knows yet whether it will be true. */
static void
tell_one(DeferredEvent *event, DeferredEnd end)
{
	uint8 again[EVENT_RECORD_MAX];
	char details[EVENT_DETAILS_MAX + 1] = "";
	EventRecord record;

	if (end == END_UNDONE)
		event_record_set_outcome(event->record, EVENT_FAILURE);
	if (end == END_PREPARED && event_record_decode(bytes_of(event->record, event->length), &record))
	{
		Bytes given = record.text[EVENT_DETAILS];

		if (given.data != NULL)
			memcpy(details, given.data, given.length);
		if (event_json_add(details, sizeof(details), "prepared", "true"))
			record.text[EVENT_DETAILS] = bytes_of(details, strlen(details));
		(void) area_push(bytes_of(again, event_record_encode(&record, again)), SHARE_OWN);
		return;
	}
	(void) area_push(bytes_of(event->record, event->length), SHARE_OWN);
}

/* Tells all events of a subtransaction or later ones, the oldest first. */
static void
tell(SubTransactionId since, DeferredEnd end)
{
	DeferredEvent *in_order = NULL;

	while (latest != NULL && latest->subtransaction >= since)
	{
		DeferredEvent *event = latest;

		latest = event->earlier;
		event->earlier = in_order;
		in_order = event;
	}
	for (; in_order != NULL; in_order = in_order->earlier)
		tell_one(in_order, end);
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PARALLEL_COMMIT)
		tell(TopSubTransactionId, END_DONE);
	else if (event == XACT_EVENT_PREPARE)
		tell(TopSubTransactionId, END_PREPARED);
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		tell(TopSubTransactionId, END_UNDONE);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		tell(mine, END_UNDONE);
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		for (DeferredEvent *own = latest; own != NULL && own->subtransaction >= mine; own = own->earlier)
			own->subtransaction = parent;
}

void
deferred_init(void)
{
	RegisterXactCallback(at_transaction_end, NULL);
	RegisterSubXactCallback(at_subtransaction_end, NULL);
}
