/*
 * listener.c
 *		A session's place among those that listen: taken, left, woken, and what
 *		becomes of what it received when its transaction ends.
 *
 * Only the seat, which publishers and other sessions wake, is shared.  What a
 * transaction received is received again when it fails, and what it subscribed
 * to is forgotten.
 */
#include "topic/private.h"

#include "common/secret.h"

#include "access/xlog.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_open_listener);
PG_FUNCTION_INFO_V1(tsec_close_listener);
PG_FUNCTION_INFO_V1(tsec_wake_listener);

TopicListener topic_listener;

/* Forgets everything; at exit the memory goes by itself. */
static void
leave(bool at_exit)
{
	dlist_iter iter;

	if (topic_listener.ring == NULL)
		return;
	topic_seat_leave(topic_listener.seat);
	dlist_foreach(iter, &topic_listener.open)
	{
		Subscription *subscription = dlist_container(Subscription, node, iter.cur);

		secret_wipe(subscription->token, subscription->token_length);
	}
	topic_listener.ring = NULL;
	if (at_exit)
		return;
	topic_subscriptions_forget();
}

static void
leave_at_exit(int code, Datum argument)
{
	leave(true);
}

/* A policy's or a view's function, while receive() reads a row for a subscriber, would take subscriptions away below it. */
static void
refuse_where_held(void)
{
	if (topic_listener.is_held)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("this session's listener is in use by receive()"),
						errdetail("A row is being read for a subscriber.")));
}

void
topic_listener_require(void)
{
	if (topic_listener.ring == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("this session has no listener"),
						errhint("Call twin.open_listener() first.")));
	refuse_where_held();
}

/* open_listener() -> text: the name by which other sessions wake this one */
Datum
tsec_open_listener(PG_FUNCTION_ARGS)
{
	static bool registered = false;
	char name[2 * TOPIC_SECRET_SIZE + 1];
	TopicRing *ring;
	TopicSeat *seat;

	if (RecoveryInProgress())
		ereport(
			ERROR,
			(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("nothing is published on a standby"),
			 errhint("Messages are delivered by the server on which they are published: listen on the primary.")));
	if (topic_listener.ring == NULL)
	{
		ring = topic_ring_require();
		topic_subscriptions_begin();
		if (!registered)
			before_shmem_exit(leave_at_exit, (Datum) 0);
		registered = true;
		seat = topic_seat_take(ring);
		if (seat == NULL)
			ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
							errmsg("%d sessions listen in this database already", TOPIC_LISTENERS_MAX),
							errhint("One listener serves many subscriptions.")));
		topic_listener = (TopicListener){.ring = ring, .seat = seat};
		dlist_init(&topic_listener.open);
		dlist_init(&topic_listener.closed);
	}
	hex_encode((const char *) topic_listener.seat->secret, TOPIC_SECRET_SIZE, name);
	name[2 * TOPIC_SECRET_SIZE] = '\0';
	PG_RETURN_TEXT_P(cstring_to_text(name));
}

/* close_listener(): ends all subscriptions of this session */
Datum
tsec_close_listener(PG_FUNCTION_ARGS)
{
	refuse_where_held();
	leave(false);
	PG_RETURN_VOID();
}

/* wake_listener(listener text) -> boolean: has receive() return there, now or when it is next called */
Datum
tsec_wake_listener(PG_FUNCTION_ARGS)
{
	char *given = text_to_cstring(PG_GETARG_TEXT_PP(0));
	TopicRing *ring = topic_ring_find();
	bool found = false;

	for (int i = 0; ring != NULL && strlen(given) == 2 * TOPIC_SECRET_SIZE && i < TOPIC_LISTENERS_MAX; i++)
	{
		TopicSeat *seat = &ring->seats[i];
		char name[2 * TOPIC_SECRET_SIZE];
		Latch *latch = (Latch *) (uintptr_t) pg_atomic_read_u64(&seat->latch);

		hex_encode((const char *) seat->secret, TOPIC_SECRET_SIZE, name);
		if (latch == NULL || !secret_equal(name, given, sizeof(name)))
			continue;
		pg_atomic_write_u32(&seat->woken, 1);
		SetLatch(latch);
		found = true;
	}
	PG_RETURN_BOOL(found);
}

/* ---- the end of the transaction ---- */

/* What was returned arrived. */
static void
confirm(void)
{
	TopicListener *listener = &topic_listener;
	dlist_mutable_iter iter;
	dlist_iter newest;

	listener->confirmed = listener->cursor;
	pg_atomic_write_u64(&listener->seat->position, listener->confirmed.position);
	pg_atomic_fetch_add_u64(&listener->ring->delivered, (int64) listener->delivered);
	pg_atomic_fetch_add_u64(&listener->ring->lost, (int64) listener->lost);
	dlist_foreach_modify(iter, &listener->closed)
	{
		Subscription *subscription = dlist_container(Subscription, node, iter.cur);

		if (subscription->is_told)
			topic_bury(subscription);
	}
	/* the newest stand at the end */
	dlist_reverse_foreach(newest, &listener->open)
	{
		Subscription *subscription = dlist_container(Subscription, node, newest.cur);

		if (!subscription->is_new)
			break;
		subscription->is_new = false;
	}
}

/* What was returned did not: it is told again.  What was subscribed to from a subtransaction on is not. */
static void
take_back(SubTransactionId from)
{
	TopicListener *listener = &topic_listener;
	dlist_iter told;

	listener->cursor = listener->confirmed;
	dlist_foreach(told, &listener->closed)
	{
		Subscription *subscription = dlist_container(Subscription, node, told.cur);

		subscription->is_told = false;
	}
	while (!dlist_is_empty(&listener->open))
	{
		Subscription *newest = dlist_tail_element(Subscription, node, &listener->open);

		if (!newest->is_new || newest->within < from)
			break;
		topic_close(newest);
		topic_bury(newest);
	}
}

void
topic_listener_end(XactEvent event)
{
	if (likely(topic_listener.ring == NULL))
		return;
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE)
		confirm();
	else if (event == XACT_EVENT_ABORT)
		take_back(InvalidSubTransactionId);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_PREPARE || event == XACT_EVENT_ABORT)
		topic_listener.delivered = topic_listener.lost = 0;
}

void
topic_listener_end_sub(SubXactEvent event, SubTransactionId own)
{
	/* of what is read for a subscriber all is rolled back, and nothing was received or subscribed to in it */
	if (unlikely(topic_listener.ring != NULL) && event == SUBXACT_EVENT_ABORT_SUB && !topic_listener.is_held)
	{
		take_back(own);
		topic_listener.delivered = topic_listener.lost = 0;
	}
}
