/*
 * lookup.c
 *		Finding the extension's own objects by name, without asking for USAGE on
 *		a schema that nobody has it on; and what functions for triggers begin
 *		with.
 */
#include "base/base.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "commands/extension.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

Oid
base_internal_function(const char *name, const Oid *arguments, int count)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(arguments, count)),
						   ObjectIdGetDatum(get_namespace_oid(TSEC_INTERNAL_SCHEMA, false)));
}

bool
base_runs_own_script(void)
{
	return creating_extension && CurrentExtensionObject == get_extension_oid("twin_security", true);
}

void
base_require_trigger(FunctionCallInfo fcinfo, const char *name)
{
	if (!CALLED_AS_TRIGGER(fcinfo))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("%s can only be called as a trigger", name)));
}

void
base_tell_sessions(Oid relation)
{
	if (OidIsValid(relation))
		CacheInvalidateRelcacheByRelid(relation);
}

int64
base_seconds_now(void)
{
	return GetCurrentTimestamp() / USECS_PER_SEC + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * SECS_PER_DAY;
}
