/*
 * switch.c
 *		The kill switch, twin_security.audit_enabled, and that nobody turns it in
 *		silence.
 *
 * The setting belongs to the cluster and a log to its database: the first
 * process of a database that sees the setting differ from what the log knows
 * tells it.  A database in which nobody does anything has no gap to tell of.
 * The server's start is told, too: it ends a gap whose end nobody was there to
 * see, and what a crash took from memory happened right before it.
 */
#include "audit/security.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/guc.h"
#include "utils/timestamp.h"

/* How the log of a database knows the switch to stand. */
enum
{
	STATE_UNKNOWN, /* since the server started */
	STATE_ON,
	STATE_OFF
};

#define RESOURCE "twin_security.audit_enabled"

/* How this process last saw it. */
static bool seen_on = true;

static void
tell_off(void)
{
	char details[512] = "";
	char hand[HAND_SIZE];

	shared_get_hand(false, hand);
	(void) event_json_add(details, sizeof(details), "since", timestamptz_to_str(PgReloadTime));
	(void) event_json_add(details, sizeof(details), "by", hand[0] != '\0' ? hand : "the configuration files");
	(void) event_emit(&(SecurityEvent){.type = "audit_disabled",
									   .severity = EVENT_CRITICAL,
									   .action = "switch",
									   .resource = RESOURCE,
									   .details = details});
}

static void
tell_on(uint32 before, TimestampTz off_since)
{
	char details[512] = "";
	char hand[HAND_SIZE];

	shared_get_hand(true, hand);
	if (before == STATE_OFF)
	{
		(void) event_json_add(details, sizeof(details), "off_from", timestamptz_to_str(off_since));
		(void) event_json_add(details, sizeof(details), "off_to", timestamptz_to_str(PgReloadTime));
		(void) event_json_add(details, sizeof(details), "by", hand[0] != '\0' ? hand : "the configuration files");
	}
	else
		(void) event_json_add(details, sizeof(details), "server_started", timestamptz_to_str(PgStartTime));
	(void) event_emit(&(SecurityEvent){.type = "audit_enabled",
									   .severity = before == STATE_OFF ? EVENT_HIGH : EVENT_INFO,
									   .action = before == STATE_OFF ? "switch" : "start",
									   .resource = RESOURCE,
									   .details = details});
}

/* Tells the log of this database, where it has not heard yet. */
static void
tell(void)
{
	AuditDatabase *database = shared_database();
	uint32 state = setting_audit_enabled ? STATE_ON : STATE_OFF;
	uint32 before;

	if (database == NULL || !presence_here() || IsParallelWorker())
		return;
	before = pg_atomic_read_u32(&database->state);
	if (before == state || !pg_atomic_compare_exchange_u32(&database->state, &before, state))
		return;
	if (state == STATE_ON)
	{
		tell_on(before, (TimestampTz) pg_atomic_read_u64(&database->off_since));
		return;
	}
	pg_atomic_write_u64(&database->off_since, (uint64) PgReloadTime);
	tell_off();
}

void
switch_look(void)
{
	if (likely(setting_audit_enabled == seen_on))
		return;
	seen_on = setting_audit_enabled;
	tell();
}

void
switch_begin(void)
{
	seen_on = setting_audit_enabled;
	tell();
}
