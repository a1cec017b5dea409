/*
 * owner.c
 *		What is done to a table with its owner's rights.
 *
 * Triggers, rules, policies and functions in indexes are whoever's made them: as
 * with the server's own maintenance, they run as the table's owner and can leave
 * nothing behind for the session.  Row security that is forced on the owner is
 * for what he asks, not for this.
 */
#include "retention/private.h"

#include "event/event.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_run_as_owner);
PG_FUNCTION_INFO_V1(tsec_open_log_for_retention);

#define TIMES_MAX 4

Oid
retention_owner_of(Oid relation, char **schema)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(relation));
	Oid owner;

	if (!HeapTupleIsValid(tuple))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("relation with OID %u does not exist", relation)));
	owner = ((Form_pg_class) GETSTRUCT(tuple))->relowner;
	if (schema != NULL)
		*schema = get_namespace_name(((Form_pg_class) GETSTRUCT(tuple))->relnamespace);
	ReleaseSysCache(tuple);
	return owner;
}

/* Runs it; the answer is in the caller's memory. */
static char *
run_command(const char *command, int count, Datum *times)
{
	MemoryContext caller = CurrentMemoryContext;
	Oid types[TIMES_MAX] = {TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	char *answer = NULL;
	int result;

	SPI_connect();
	result = SPI_execute_with_args(command, count, types, times, NULL, false, 0);
	if (result < 0)
		elog(ERROR, "twin_security: %s", SPI_result_code_string(result));
	if (result != SPI_OK_SELECT)
		answer = MemoryContextStrdup(caller, psprintf(UINT64_FORMAT, (uint64) SPI_processed));
	else if (SPI_processed > 0)
		answer = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);
	if (answer != NULL)
		answer = MemoryContextStrdup(caller, answer);
	SPI_finish();
	return answer;
}

void
retention_become_role(Oid role, int flags, const char *search_path, RetentionCaller *caller)
{
	GetUserIdAndSecContext(&caller->user, &caller->context);
	SetUserIdAndSecContext(role, caller->context | SECURITY_RESTRICTED_OPERATION | flags);
	caller->level = NewGUCNestLevel();
	retention_set_for_owner("search_path", search_path);
}

void
retention_become_owner(Oid relation, RetentionCaller *caller)
{
	retention_become_role(retention_owner_of(relation, NULL), SECURITY_NOFORCE_RLS, "pg_catalog, pg_temp", caller);
}

void
retention_resume_caller(const RetentionCaller *caller)
{
	AtEOXact_GUC(false, caller->level);
	SetUserIdAndSecContext(caller->user, caller->context);
}

void
retention_set_for_owner(const char *setting, const char *value)
{
	(void) set_config_option(setting, value, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true, 0, false);
}

/* run_as_owner(rel regclass, command text, times timestamptz[]) -> text */
Datum
tsec_run_as_owner(PG_FUNCTION_ARGS)
{
	char *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum *times;
	int count;
	RetentionCaller caller;
	char *answer;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TIMESTAMPTZOID, 8, true, TYPALIGN_DOUBLE, &times, NULL, &count);
	if (count > TIMES_MAX)
		elog(ERROR, "twin_security: too many times");
	retention_become_owner(PG_GETARG_OID(0), &caller);
	answer = run_command(command, count, times);
	retention_resume_caller(&caller);
	if (answer == NULL)
		PG_RETURN_NULL();
	PG_RETURN_TEXT_P(cstring_to_text(answer));
}

/* open_log_for_retention() -> void */
Datum
tsec_open_log_for_retention(PG_FUNCTION_ARGS)
{
	if (!base_is_worker())
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
						errmsg("the audit log is opened for retention by its own worker alone")));
	event_open_log();
	PG_RETURN_VOID();
}
