/*
 * request.c
 *		A new epoch on request: the way out when no checkpoint is signed any more,
 *		because the tree is not the one of those before.
 *
 * Whoever asks for one says why, in events before and after.  The sealer begins
 * it.  What was signed before stays, and verify_audit_log() goes on to name what
 * contradicts it: nothing is made good, the log is signed again from here on.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_begin_audit_epoch);

#define REASON_MAX 1000

static SecurityEvent
event_of(EventOutcome outcome, const char *details)
{
	return (SecurityEvent){.type = "audit_epoch_requested",
						   .severity = EVENT_CRITICAL,
						   .outcome = outcome,
						   .action = "begin_audit_epoch",
						   .resource = "audit log",
						   .details = details};
}

/* Raises unless a checkpoint of the epoch that is going on was refused; its number. */
static int32
require_refusal(void)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT s.epoch FROM twin_internal.ledger_state s "
										 "WHERE s.refused_at IS NOT NULL",
										 InvalidOid);

	plan_run(&plan, NULL, NULL, true, SPI_OK_SELECT);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no checkpoint of the audit log was refused"),
						errhint("A new epoch is for a log whose tree is not the one of its last checkpoint.")));
	return DatumGetInt32(plan_value(0, 1, NULL));
}

static void
insert_request(int32 epoch, const char *reason)
{
	static LedgerPlan plan =
		LEDGER_PLAN("INSERT INTO twin_internal.epoch_requests (epoch, reason, requested_by) VALUES ($1, $2, $3) "
					"ON CONFLICT (epoch) DO NOTHING",
					INT4OID, TEXTOID, TEXTOID);
	Datum values[] = {Int32GetDatum(epoch), CStringGetTextDatum(reason),
					  CStringGetTextDatum(GetUserNameFromId(GetSessionUserId(), false))};

	plan_run(&plan, values, NULL, false, SPI_OK_INSERT);
	if (SPI_processed == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("a new epoch of the audit log has been asked for already")));
}

/* begin_audit_epoch(reason text) */
Datum
tsec_begin_audit_epoch(PG_FUNCTION_ARGS)
{
	char details[EVENT_DETAILS_MAX + 1] = "";
	SecurityEvent event;
	char *reason;
	int32 epoch;

	base_require_preload("twin.begin_audit_epoch()");
	reason = PG_ARGISNULL(0) ? "" : text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (reason[strspn(reason, " \t\r\n")] == '\0' || strlen(reason) > REASON_MAX)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("a new epoch of the audit log needs a reason of at most %d bytes", REASON_MAX)));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	epoch = require_refusal();
	(void) event_json_add(details, sizeof(details), "because", reason);
	event = event_of(EVENT_UNKNOWN, details);
	(void) event_emit(&event);
	event = event_of(EVENT_SUCCESS, details);
	event_emit_at_end(&event);
	insert_request(epoch, reason);
	SPI_finish();
	PG_RETURN_VOID();
}

/* ---- the sealer's side ---- */

bool
request_find(int32 epoch, EpochRequest *request)
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT r.reason, r.requested_by FROM twin_internal.epoch_requests r "
										 "WHERE r.epoch = $1",
										 INT4OID);
	Datum values[] = {Int32GetDatum(epoch)};

	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
	if (SPI_processed == 0)
		return false;
	request->reason = TextDatumGetCString(plan_value(0, 1, NULL));
	request->requested_by = TextDatumGetCString(plan_value(0, 2, NULL));
	return true;
}

void
request_refuse(int32 epoch, const char *reason)
{
	static LedgerPlan plan = LEDGER_PLAN("DELETE FROM twin_internal.epoch_requests r WHERE r.epoch = $1", INT4OID);
	Datum values[] = {Int32GetDatum(epoch)};
	char details[EVENT_DETAILS_MAX + 1] = "";
	SecurityEvent event;

	plan_run(&plan, values, NULL, false, SPI_OK_DELETE);
	(void) event_json_add(details, sizeof(details), "reason", reason);
	event = event_of(EVENT_FAILURE, details);
	event_emit_at_end(&event);
}
