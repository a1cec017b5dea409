/*
 * heartbeat.c
 *		Leaves that say all is well, or what is not: how many events were lost so
 *		far, and digests of the triggers, audited tables and settings that the audit
 *		stands on.  So silence, a dropped trigger, a switched setting stand in the
 *		tree, too.
 *
 * The details hold the next transaction id as well: who inserts a row with an old
 * time and a new transaction contradicts a heartbeat between them.  Where it was
 * the clock that was set back, the next heartbeat says how far (clock_low,
 * microseconds since 2000), as the server's own code saw it: nothing in a table
 * can make it say so.
 */
#include "ledger/private.h"

#include "keyring/keyring.h"

#include "access/transam.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

/* While events are being sealed. */
#define BUSY_MS 60000

/* names, not OIDs: the digest survives a dump; bytes as the server holds them, whatever its encoding */
#define DIGEST_OF_LINES \
	"encode(sha256(textsend(coalesce(string_agg(l.line, E'\\n' ORDER BY l.line COLLATE \"C\"), ''))), 'hex')"

static LedgerPlan triggers_plan = LEDGER_PLAN(
	"SELECT count(l.enabled), count(*) FILTER (WHERE l.enabled = 'D'), " DIGEST_OF_LINES " FROM ("
	"SELECT t.tgenabled AS enabled, format('%s on %s.%s: %s.%s %s %s', t.tgname, n.nspname, c.relname, f.nspname, "
	"p.proname, "
	"t.tgenabled, t.tgtype) AS line FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_namespace n ON "
	"n.oid = c.relnamespace "
	"JOIN pg_proc p ON p.oid = t.tgfoid JOIN pg_namespace f ON f.oid = p.pronamespace "
	"WHERE NOT t.tgisinternal AND (f.nspname IN ('twin', 'twin_internal') OR n.nspname = 'twin_internal') "
	"UNION ALL SELECT v.evtenabled, format('%s: %s.%s %s %s', v.evtname, f.nspname, p.proname, v.evtevent, "
	"v.evtenabled) "
	"FROM pg_event_trigger v JOIN pg_proc p ON p.oid = v.evtfoid JOIN pg_namespace f ON f.oid = p.pronamespace "
	"WHERE f.nspname IN ('twin', 'twin_internal') "
	"UNION ALL SELECT NULL, format('%s.%s: %s %s, skips %s, digests %s', n.nspname, c.relname, a.mode, a.reads, "
	"a.skip_columns, a.digest_columns) FROM twin_internal.audited_tables a JOIN pg_class c ON c.oid = a.relation "
	"JOIN pg_namespace n ON n.oid = c.relnamespace) l",
	InvalidOid);
static LedgerPlan settings_plan = LEDGER_PLAN(
	"SELECT " DIGEST_OF_LINES " FROM ("
	"SELECT format('%s=%s', s.name, s.setting) AS line FROM pg_settings s "
	"WHERE s.name LIKE 'twin\\_security.%' OR s.name IN ('fsync', 'full_page_writes', 'shared_preload_libraries') "
	"UNION ALL SELECT format('%s %s: %s', d.setdatabase <> 0, d.setrole, o) FROM pg_db_role_setting d, "
	"unnest(d.setconfig) o "
	"WHERE d.setdatabase IN (0, (SELECT b.oid FROM pg_database b WHERE b.datname = current_database())) "
	"AND (o LIKE 'twin\\_security.%' OR o LIKE 'session\\_replication\\_role=%')) l",
	InvalidOid);

static int64
silent_ms(void)
{
	return (int64) setting_heartbeat_interval * 1000;
}

bool
heartbeat_due(const LedgerState *state, bool is_growing)
{
	int64 after = is_growing ? Min(BUSY_MS, silent_ms()) : silent_ms();

	return base_has_come(TimestampTzPlusMilliseconds(state->heartbeat_at, after), after + EVENT_CLOCK_STEP_MS);
}

bool
heartbeat_is_behind(const LedgerState *state, TimestampTz at)
{
	return at < TimestampTzPlusMilliseconds(state->heartbeat_at, -EVENT_CLOCK_STEP_MS);
}

TimestampTz
heartbeat_next(const LedgerState *state)
{
	return TimestampTzPlusMilliseconds(state->heartbeat_at, silent_ms());
}

static void
add_number(char *details, const char *name, uint64 value)
{
	char number[24];

	snprintf(number, sizeof(number), UINT64_FORMAT, value);
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, name, number);
}

static void
add_triggers(char *details)
{
	plan_run(&triggers_plan, NULL, NULL, false, SPI_OK_SELECT);
	add_number(details, "triggers", (uint64) DatumGetInt64(plan_value(0, 1, NULL)));
	add_number(details, "triggers_disabled", (uint64) DatumGetInt64(plan_value(0, 2, NULL)));
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, "triggers_digest",
						  TextDatumGetCString(plan_value(0, 3, NULL)));
	SPI_freetuptable(SPI_tuptable);
}

static void
add_settings(char *details)
{
	plan_run(&settings_plan, NULL, NULL, false, SPI_OK_SELECT);
	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, "settings_digest",
						  TextDatumGetCString(plan_value(0, 1, NULL)));
	SPI_freetuptable(SPI_tuptable);
}

/* Says since when nothing could be signed, if so. */
static void
add_signing(char *details)
{
	Status status = keyring_secrets_status();

	(void) event_json_add(details, EVENT_DETAILS_MAX + 1, "signed", status == TSEC_OK ? "yes" : "no");
	if (status != TSEC_OK)
		ereport(LOG, (errmsg("the audit log is sealed but not signed: %s", status_info(status)->message)));
}

void
heartbeat_beat(LedgerState *state, TimestampTz clock_low)
{
	char details[EVENT_DETAILS_MAX + 1] = "";
	EventCounts counts = event_counts();
	SecurityEvent event = {.type = "heartbeat", .resource = "audit log", .details = details};

	add_number(details, "leaf", state->edge.size);
	add_number(details, "emitted", counts.emitted);
	add_number(details, "written", counts.written);
	add_number(details, "dropped", counts.dropped);
	add_number(details, "next_xid", U64FromFullTransactionId(ReadNextFullTransactionId()));
	if (state->is_altered)
		(void) event_json_add(details, sizeof(details), "altered", "yes");
	if (clock_low != DT_NOEND)
		add_number(details, "clock_low", (uint64) clock_low);
	add_triggers(details);
	add_settings(details);
	add_signing(details);
	seal_event(state, &event);
	state->heartbeat_at = GetCurrentTimestamp();
	state_write(state);
}
