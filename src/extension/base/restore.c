/*
 * restore.c
 *		Whether rows come from elsewhere: from a dump, or from a publisher.
 *
 * pg_dump's scripts, and every session of pg_restore, begin with the same
 * settings.  Whoever makes them by hand is taken for a restore; that lets nobody
 * do what he could not do otherwise, unless a caller asks for more.
 */
#include "base/base.h"

#include "replication/logicalworker.h"
#include "utils/guc.h"
#include "utils/rls.h"

PG_FUNCTION_INFO_V1(tsec_is_bringing_rows);

bool
base_restores(void)
{
	return !check_function_bodies && !row_security && !IsLogicalWorker();
}

/* is_bringing_rows() -> boolean: whether rows that this process inserts are those of a dump or a publisher */
Datum
tsec_is_bringing_rows(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(base_restores() || IsLogicalWorker());
}
