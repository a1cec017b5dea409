/*
 * login.c
 *		Sessions of the database: who came in and how, who was refused, and when
 *		they end.
 *
 * Who came in is recorded when the connection has its database, at the end of
 * the transaction in which the server sets it up.  Who was refused has no
 * database: the server's last message tells why, and it goes to where events
 * without one go.  Strangers cause those at will, so of an address and in all
 * there are so many of them; the others are counted.
 */
#include "audit/security.h"

#include "access/xact.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/elog.h"
#include "utils/timestamp.h"

static bool is_authenticated = false;
static bool is_in = false;
static TimestampTz came_at;

bool
login_is_done(void)
{
	return is_in || MyProcPort == NULL;
}

/* Tells how many refused connections were not recorded. */
static void
tell_withheld(uint64 withheld)
{
	char number[24];
	char details[128] = "";

	if (withheld == 0)
		return;
	snprintf(number, sizeof(number), UINT64_FORMAT, withheld);
	(void) event_json_add(details, sizeof(details), "event_type", "login_failure");
	(void) event_json_add(details, sizeof(details), "withheld", number);
	(void) event_emit(&(SecurityEvent){.type = "events_withheld",
									   .class = EVENT_AUDIT,
									   .severity = EVENT_HIGH,
									   .outcome = EVENT_DENIED,
									   .resource = "database",
									   .details = details,
									   .of_no_database = true});
}

/* ---- in ---- */

static void
tell_logout(int code, Datum argument)
{
	char seconds[32];
	char details[128] = "";
	PortInfo info;

	if (!setting_audit_logouts || !presence_here() || !port_info(&info))
		return;
	snprintf(seconds, sizeof(seconds), "%.3f", (double) (GetCurrentTimestamp() - came_at) / USECS_PER_SEC);
	(void) event_json_add(details, sizeof(details), "seconds", seconds);
	(void) event_json_add(details, sizeof(details), "of", "database");
	(void) event_emit(&(SecurityEvent){.type = "logout",
									   .class = EVENT_AUDIT,
									   .action = "disconnect",
									   .resource = info.database,
									   .details = details});
}

static void
tell_login(void)
{
	char details[2048] = "";
	PortInfo info;

	if (!port_info(&info))
		return;
	(void) event_json_add(details, sizeof(details), "of", "database");
	if (info.method != NULL)
		(void) event_json_add(details, sizeof(details), "method", info.method);
	if (info.identity != NULL)
		(void) event_json_add(details, sizeof(details), "identity", info.identity);
	(void) event_json_add(details, sizeof(details), "encrypted", info.is_encrypted ? "true" : "false");
	(void) event_emit(&(SecurityEvent){.type = "login_success",
									   .class = EVENT_AUDIT,
									   .action = "connect",
									   .resource = info.database,
									   .client_address = info.address,
									   .details = details,
									   .yields = !superuser()});
}

/* At the end of every transaction; the first is the one in which the server makes a session. */
static void
at_transaction_end(XactEvent event, void *argument)
{
	if (likely(is_in) || event != XACT_EVENT_PRE_COMMIT)
		return;
	presence_look();
	if (is_authenticated)
	{
		tell_withheld(shared_take_withheld());
		if (!OidIsValid(MyDatabaseId) || presence_here())
			tell_login();
	}
	is_in = true;
	if (!is_authenticated || !presence_here())
		return;
	came_at = GetCurrentTimestamp();
	before_shmem_exit(tell_logout, (Datum) 0);
	setting_begin();
	switch_begin();
}

static void
note_authenticated(void)
{
	is_authenticated = true;
}

/* ---- refused ---- */

/* Whether an error before a session is there says nothing about who wanted in: the server comes or goes. */
static bool
is_servers(int sqlstate)
{
	return ERRCODE_TO_CATEGORY(sqlstate) == ERRCODE_TO_CATEGORY(ERRCODE_OPERATOR_INTERVENTION) &&
		   sqlstate != ERRCODE_QUERY_CANCELED;
}

/* Whether the connection came from a blocked address: that is told by who turns it away. */
static bool
is_of_blocked(const ErrorData *error)
{
	return error->sqlerrcode == MAKE_SQLSTATE('T', 'W', '8', '0', '4') && refusal_origin(error) == REFUSAL_OURS;
}

void
login_refused(const ErrorData *error)
{
	char details[EVENT_DETAILS_MAX + 1] = "";
	char code[6];
	uint64 withheld;
	PortInfo info;

	if (error->elevel < FATAL || is_servers(error->sqlerrcode) || is_of_blocked(error) || !port_info(&info))
		return;
	if (!shared_take_login(info.address, &withheld))
		return;
	tell_withheld(withheld);
	refusal_spell(error->sqlerrcode, code);
	(void) event_json_add(details, sizeof(details), "of", "database");
	(void) event_json_add(details, sizeof(details), "sqlstate", code);
	/* the words of the message without what they were filled with */
	if (error->message_id != NULL)
		(void) event_json_add(details, sizeof(details), "reason", error->message_id);
	if (info.method != NULL)
		(void) event_json_add(details, sizeof(details), "method", info.method);
	(void) event_json_add(details, sizeof(details), "encrypted", info.is_encrypted ? "true" : "false");
	(void) event_emit(&(SecurityEvent){.type = "login_failure",
									   .class = EVENT_AUDIT,
									   .severity = EVENT_MEDIUM,
									   .outcome = EVENT_FAILURE,
									   .action = "connect",
									   .resource = info.database,
									   .username = info.user,
									   .client_address = info.address,
									   .details = details,
									   .yields = true,
									   .of_no_database = true});
}

void
login_init(void)
{
	port_init(note_authenticated);
	RegisterXactCallback(at_transaction_end, NULL);
}
