/*
 * reload.c
 *		NOTIFY pgrst, 'reload schema' once for a transaction that changed what
 *		gateways serve.
 *
 * It is sent at COMMIT and not where the change is made, so that it is sent
 * once, and so that a prepared transaction, which cannot notify, may change the
 * schema as ever (nobody hears of that one).  A change that was rolled back to a
 * savepoint may cause a reload that finds nothing new.
 */
#include "request/private.h"

#include "access/xact.h"
#include "commands/async.h"
#include "utils/fmgroids.h"

PG_FUNCTION_INFO_V1(tsec_note_schema_change);

#define CHANNEL "pgrst"
#define PAYLOAD "reload schema"

static bool is_wanted = false;

static void
send_at_commit(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_PRE_COMMIT && is_wanted)
	{
		/* asking for its fill gives back what of the queue was read: else one that was full would stay so */
		(void) OidFunctionCall0(F_PG_NOTIFICATION_QUEUE_USAGE);
		Async_Notify(CHANNEL, PAYLOAD);
	}
	if (event == XACT_EVENT_PRE_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		is_wanted = false;
}

void
reload_init(void)
{
	RegisterXactCallback(send_at_commit, NULL);
}

/* note_schema_change() */
Datum
tsec_note_schema_change(PG_FUNCTION_ARGS)
{
	is_wanted = true;
	PG_RETURN_VOID();
}
