/*
 * init.c
 *		Starts the part: the sealer follows the writer of events.
 */
#include "ledger/private.h"

#include "access/xact.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define RESTORE_AGAIN_MS 5000
#define SIGN_AGAIN_MS 30000

/* The step of checkpoints; what goes wrong there is logged, and sealing goes on. */
static TimestampTz
sign_and_export(void)
{
	MemoryContext context = CurrentMemoryContext;
	volatile TimestampTz next = DT_NOEND;

	PG_TRY();
	{
		next = checkpoint_step();
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		EmitErrorReport();
		FlushErrorState();
		AbortCurrentTransaction();
		next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SIGN_AGAIN_MS);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return next;
}

/* One step of sealing; when everything new is sealed, heartbeat and checkpoint as they are due. */
static TimestampTz
seal_on(void)
{
	LedgerState state;
	uint64 sealed = 0;
	bool goes_on;
	TimestampTz next;

	event_begin_work("sealing the audit log");
	if (!epoch_enter(&state))
	{
		event_end_work();
		return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RESTORE_AGAIN_MS);
	}
	if (state.sweep_again_at != 0 && state.sweep_again_at <= GetCurrentTimestamp())
	{
		state.sweep_again_at = 0;
		state.is_sweeping = true;
		state.sweep_id = PG_INT64_MIN;
	}
	goes_on = state.is_sweeping ? seal_sweep(&state, &sealed) : seal_some(&state, &sealed);
	if (!goes_on && heartbeat_due(&state, sealed > 0))
		heartbeat_beat(&state);
	event_end_work();
	seal_tell_duplicates();
	if (goes_on)
		return 0;
	next = sign_and_export();
	if (state.sweep_again_at != 0)
		next = Min(next, state.sweep_again_at);
	return Min(next, heartbeat_next(&state));
}

void
ledger_init(void)
{
	event_add_follower(seal_on);
}
