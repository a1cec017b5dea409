/*
 * presence.c
 *		Whether this database has the extension: in others nothing is recorded, so
 *		that a cluster of many databases has room and peace for those that have it.
 *
 * Catalogs are read only at the login and where statements begin; in between
 * the answer stands, whatever is going on.
 */
#include "audit/security.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/inval.h"
#include "utils/syscache.h"

static bool is_known = false;
static bool is_here = true;

bool
presence_here(void)
{
	return is_here;
}

void
presence_look(void)
{
	if (likely(is_known) || !IsTransactionState() || !OidIsValid(MyDatabaseId))
		return;
	/* first, for what comes in while the catalog is read */
	is_known = true;
	is_here = OidIsValid(get_namespace_oid(TSEC_INTERNAL_SCHEMA, true));
}

static void
note_schemas(Datum argument, int cache, uint32 hash)
{
	is_known = false;
}

void
presence_init(void)
{
	CacheRegisterSyscacheCallback(NAMESPACEOID, note_schemas, (Datum) 0);
}
