/*
 * owner.c
 *		What is done to a table with its owner's rights.
 *
 * Row security that is forced on the owner is for what he asks, not for this.
 */
#include "retention/private.h"

#include "event/event.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "utils/array.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_run_as_owner);
PG_FUNCTION_INFO_V1(tsec_open_log_for_retention);

#define TIMES_MAX 4

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
retention_become_owner(Oid relation, BaseCaller *caller)
{
	base_become_role(base_owner_of(relation), SECURITY_NOFORCE_RLS, "pg_catalog, pg_temp", caller);
}

/* run_as_owner(rel regclass, command text, times timestamptz[]) -> text */
Datum
tsec_run_as_owner(PG_FUNCTION_ARGS)
{
	char *command = text_to_cstring(PG_GETARG_TEXT_PP(1));
	Datum *times;
	int count;
	BaseCaller caller;
	char *answer;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(2), TIMESTAMPTZOID, 8, true, TYPALIGN_DOUBLE, &times, NULL, &count);
	if (count > TIMES_MAX)
		elog(ERROR, "twin_security: too many times");
	retention_become_owner(PG_GETARG_OID(0), &caller);
	answer = run_command(command, count, times);
	base_return(&caller);
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
