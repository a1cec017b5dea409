/*
 * init.c
 *		Starts the part, and follows transactions to their end.
 */
#include "topic/private.h"

#include "identity/identity.h"

/* What a gateway calls in its own name: subscriptions bring their token along. */
static const char *const gateways_own[] = {
	"close_listener", "open_listener", "receive", "subscribe", "unsubscribe", "wake_listener",
};

static void
note_transaction_end(XactEvent event, void *argument)
{
	topic_publish_end(event);
	topic_listener_end(event);
}

static void
note_savepoint_end(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	topic_publish_end_sub(event, own);
	topic_listener_end_sub(event, own);
}

void
topic_init(void)
{
	topic_ring_init();
	topic_rule_init();
	for (int i = 0; i < (int) lengthof(gateways_own); i++)
		identity_let_logins_call(gateways_own[i]);
	/* it keeps to the tenant by itself */
	identity_let_tenants_call("publish");
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_savepoint_end, NULL);
}
