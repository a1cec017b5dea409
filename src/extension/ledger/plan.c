/*
 * plan.c
 *		SQL of the ledger: each statement is prepared once in a process, and all
 *		that it is given are parameters.
 */
#include "ledger/private.h"

#include "utils/builtins.h"

static SPIPlanPtr
prepared(LedgerPlan *plan)
{
	int count = 0;

	if (plan->kept != NULL)
		return plan->kept;
	while (count < (int) lengthof(plan->types) && OidIsValid(plan->types[count]))
		count++;
	plan->kept = SPI_prepare(plan->sql, count, plan->types);
	if (plan->kept == NULL || SPI_keepplan(plan->kept) != 0)
		elog(ERROR, "twin_security: a statement of the ledger cannot be planned");
	return plan->kept;
}

void
plan_run(LedgerPlan *plan, Datum *values, const char *nulls, bool read_only, int expected)
{
	if (SPI_execute_plan(prepared(plan), values, nulls, read_only, 0) != expected)
		elog(ERROR, "twin_security: a statement of the ledger did something else");
}

Portal
plan_open(LedgerPlan *plan, Datum *values, const char *nulls, bool read_only)
{
	return SPI_cursor_open(NULL, prepared(plan), values, nulls, read_only);
}

Datum
plan_value(uint64 row, int column, bool *is_null)
{
	bool null;
	Datum value = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, column, &null);

	if (null && is_null == NULL)
		elog(ERROR, "twin_security: a value of the ledger is missing");
	if (is_null != NULL)
		*is_null = null;
	return null ? (Datum) 0 : value;
}

Datum
plan_bytea(Bytes bytes)
{
	return PointerGetDatum(cstring_to_text_with_len((const char *) bytes.data, (int) bytes.length));
}

Bytes
plan_bytes(Datum bytea_value)
{
	bytea *value = DatumGetByteaPP(bytea_value);

	return bytes_of(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));
}
