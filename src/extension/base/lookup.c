/*
 * lookup.c
 *		Finding the extension's own objects by name, without asking for USAGE on
 *		a schema that nobody has it on.
 */
#include "base/base.h"

#include "catalog/namespace.h"
#include "catalog/pg_proc.h"
#include "utils/builtins.h"
#include "utils/syscache.h"

Oid
base_internal_function(const char *name, const Oid *arguments, int count)
{
	return GetSysCacheOid3(PROCNAMEARGSNSP, Anum_pg_proc_oid, CStringGetDatum(name),
						   PointerGetDatum(buildoidvector(arguments, count)),
						   ObjectIdGetDatum(get_namespace_oid(TSEC_INTERNAL_SCHEMA, false)));
}
