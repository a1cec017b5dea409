/*
 * deferred.c
 *		Events that are told when their transaction ends, because before that
 *		nobody knows whether what they say came true.
 *
 * They are captured at once and kept in the transaction's memory, newest
 * first; each belongs to the subtransaction that asked, or to its parent once
 * it has committed.  A prepared transaction's are told at PREPARE: what becomes
 * of it is not this session's any more.
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

/* Tells all events of a subtransaction or later ones, the oldest first. */
static void
tell(SubTransactionId since, bool committed)
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
	{
		if (!committed)
			event_record_set_outcome(in_order->record, EVENT_FAILURE);
		(void) area_push(bytes_of(in_order->record, in_order->length), SHARE_OWN);
	}
}

static void
at_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_PARALLEL_COMMIT)
		tell(TopSubTransactionId, true);
	else if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
		tell(TopSubTransactionId, false);
}

static void
at_subtransaction_end(SubXactEvent event, SubTransactionId mine, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		tell(mine, false);
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
