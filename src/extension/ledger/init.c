/*
 * init.c
 *		Starts the part: the sealer follows the writer of events.
 */
#include "ledger/private.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define RESTORE_AGAIN_MS 5000
#define SIGN_AGAIN_MS 30000

/* Sealing that fails for so long is an event. */
#define DELAY_TOLD_MS 10000

/* The step of checkpoints; what goes wrong there is logged, and sealing goes on. */
static TimestampTz
sign_and_export(void)
{
	static int64 again_at = 0; /* of base_uptime_ms() */
	MemoryContext context = CurrentMemoryContext;
	volatile TimestampTz next = DT_NOEND;

	/* however much there is to seal meanwhile */
	if (again_at > base_uptime_ms())
		return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), again_at - base_uptime_ms());
	again_at = 0;
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
		again_at = base_uptime_ms() + SIGN_AGAIN_MS;
		next = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), SIGN_AGAIN_MS);
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	return next;
}

/* A heartbeat says it in the tree, and this to whoever watches. */
static void
tell_altered(void)
{
	char details[128] = "";
	SecurityEvent event = {.type = "integrity_failure",
						   .severity = EVENT_CRITICAL,
						   .outcome = EVENT_FAILURE,
						   .action = "seal",
						   .resource = "audit log",
						   .details = details};

	(void) event_json_add(details, sizeof(details), "reason",
						  "events were changed, removed or added before they were sealed");
	(void) event_emit(&event);
}

/* By how much the clock was set; a server that was down saw no more of it than its first time. */
static void
tell_clock(const EventClock *clock, TimestampTz heartbeat_at)
{
	int64 step = clock->step != 0 ? clock->step : clock->low - heartbeat_at;
	char number[32];
	char details[128] = "";
	SecurityEvent event = {.type = "clock_moved",
						   .severity = EVENT_HIGH,
						   .action = step < 0 ? "set back" : "set forward",
						   .resource = "clock",
						   .details = details};

	snprintf(number, sizeof(number), INT64_FORMAT, step / USECS_PER_SEC);
	(void) event_json_add(details, sizeof(details), "seconds", number);
	(void) event_emit(&event);
}

/* One step of sealing; when everything new is sealed, heartbeat and checkpoint as they are due. */
static TimestampTz
seal_on(void)
{
	LedgerState state;
	uint64 sealed = 0;
	bool goes_on;
	bool was_set;
	bool is_behind;
	EventClock clock;
	TimestampTz heartbeat_at;
	TimestampTz next;

	event_begin_work("sealing the audit log");
	if (!epoch_enter(&state))
	{
		event_end_work();
		return TimestampTzPlusMilliseconds(GetCurrentTimestamp(), RESTORE_AGAIN_MS);
	}
	if (state.sweep_again_at != 0 && base_has_come(state.sweep_again_at, RESTORE_MS + EVENT_CLOCK_STEP_MS))
	{
		state.sweep_again_at = 0;
		state.is_sweeping = true;
		state.sweep_id = PG_INT64_MIN;
	}
	goes_on = state.is_sweeping ? seal_sweep(&state, &sealed) : seal_some(&state, &sealed);
	/* rows that were just sealed may be older than the last heartbeat: the next one says why before anybody sees them */
	was_set = event_clock_was_set(&clock);
	heartbeat_at = state.heartbeat_at;
	is_behind = was_set && heartbeat_is_behind(&state, clock.low);
	if (is_behind || (!goes_on && (heartbeat_due(&state, sealed > 0) || state.is_altered)))
		heartbeat_beat(&state, is_behind ? clock.low : DT_NOEND);
	HOLD_INTERRUPTS(); /* what is committed is counted */
	event_end_work();
	event_sealing_settle(state.sealed_sum, state.is_altered);
	if (was_set)
		event_clock_settle(&clock);
	RESUME_INTERRUPTS();
	if (was_set && (is_behind || clock.step != 0))
		tell_clock(&clock, heartbeat_at);
	seal_tell_duplicates();
	if (state.is_altered)
		tell_altered();
	if (goes_on)
		return 0;
	next = sign_and_export();
	if (state.sweep_again_at != 0)
		next = Min(next, state.sweep_again_at);
	return Min(next, heartbeat_next(&state));
}

/* Since when, of base_uptime_ms(), it has failed, 0: it has not; whether that was told. */
static int64 failing_since = 0;
static bool failure_told = false;

/* Tells, once, that nothing has been sealed for a while. */
static void
tell_delay(void)
{
	char code[8];
	char details[128] = "";
	SecurityEvent event = {.type = "audit_sealing_delayed",
						   .severity = EVENT_CRITICAL,
						   .outcome = EVENT_FAILURE,
						   .action = "seal",
						   .resource = "audit log",
						   .details = details};

	if (failing_since == 0)
		failing_since = base_uptime_ms();
	if (failure_told || base_uptime_ms() - failing_since < DELAY_TOLD_MS)
		return;
	strlcpy(code, unpack_sql_state(geterrcode()), sizeof(code));
	(void) event_json_add(
		details, sizeof(details), "since",
		timestamptz_to_str(TimestampTzPlusMilliseconds(GetCurrentTimestamp(), failing_since - base_uptime_ms())));
	(void) event_json_add(details, sizeof(details), "sqlstate", code);
	failure_told = event_emit(&event);
}

/* The follower. */
static TimestampTz
seal_watched(void)
{
	volatile TimestampTz next = DT_NOEND;

	PG_TRY();
	{
		next = seal_on();
	}
	PG_CATCH();
	{
		tell_delay();
		PG_RE_THROW();
	}
	PG_END_TRY();
	failing_since = 0;
	failure_told = false;
	return next;
}

void
ledger_init(void)
{
	witness_init();
	event_add_follower(seal_watched);
	event_add_follower(checkpoint_tell);
}
