/*
 * convert_ask.c
 *		What the conversion asks of SQL and has SQL do.
 *
 * The functions of convert_*.sql decide from the catalogs and return words or
 * statements.  They stand in twin_internal, where nobody can name them, and
 * run as the caller, so a statement can do no more than he could.
 */
#include "cipher/convert.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/catcache.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/snapmgr.h"
#include "utils/syscache.h"

#define ARGUMENTS_MAX 4

/* The function of a name in twin_internal, found without asking for USAGE on it. */
static Oid
function_named(const char *name)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, false);
	CatCList *list = SearchSysCacheList1(PROCNAMEARGSNSP, CStringGetDatum(name));
	Oid found = InvalidOid;

	for (int i = 0; i < list->n_members; i++)
	{
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(&list->members[i]->tuple);

		if (form->pronamespace == schema)
			found = form->oid;
	}
	ReleaseSysCacheList(list);
	if (!OidIsValid(found))
		elog(ERROR, "twin_security: function %s is missing", name);
	return found;
}

bool
convert_ask_nullable(const char *function, int count, const Datum *arguments, const bool *nulls, Datum *answer)
{
	LOCAL_FCINFO(call, ARGUMENTS_MAX);
	Oid oid = function_named(function);
	FmgrInfo info;
	int16 length;
	bool by_value;

	fmgr_info(oid, &info);
	InitFunctionCallInfoData(*call, &info, count, InvalidOid, NULL, NULL);
	for (int i = 0; i < count; i++)
	{
		call->args[i].value = arguments[i];
		call->args[i].isnull = nulls[i];
	}
	PushActiveSnapshot(GetTransactionSnapshot());
	*answer = FunctionCallInvoke(call);
	PopActiveSnapshot();
	if (call->isnull)
		return false;
	get_typlenbyval(get_func_rettype(oid), &length, &by_value);
	*answer = datumCopy(*answer, by_value, length);
	return true;
}

Datum
convert_ask(const char *function, int count, ...)
{
	Datum arguments[ARGUMENTS_MAX] = {0};
	bool nulls[ARGUMENTS_MAX] = {false};
	va_list list;
	Datum answer;

	Assert(count <= ARGUMENTS_MAX);
	va_start(list, count);
	for (int i = 0; i < count; i++)
		arguments[i] = va_arg(list, Datum);
	va_end(list);
	if (!convert_ask_nullable(function, count, arguments, nulls, &answer))
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the table or its column has been dropped or renamed meanwhile")));
	return answer;
}

void
convert_run(Datum statements)
{
	Datum *words;
	int count;
	int nest = NewGUCNestLevel();

	/* names that regclass printed without a schema are those of pg_catalog and of no other */
	(void) set_config_option("search_path", "pg_catalog, pg_temp", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_SAVE, true,
							 0, false);
	deconstruct_array(DatumGetArrayTypeP(statements), TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		const char *statement = TextDatumGetCString(words[i]);

		if (SPI_execute(statement, false, 0) < 0)
			elog(ERROR, "twin_security: a statement of the conversion failed: %s", statement);
		CommandCounterIncrement();
	}
	AtEOXact_GUC(true, nest);
}
