/*
 * rewrite_command.c
 *		What the commands that rewrite a table have in common: who may call them
 *		and where, one at a time on a table, their arguments.
 */
#include "cipher/rewrite.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "storage/lmgr.h"
#include "tcop/utility.h"
#include "utils/acl.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

void
rewrite_require_owner(Oid relation)
{
	char kind = get_rel_relkind(relation);

	if (kind == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("there is no such table")));
	if (kind != RELKIND_RELATION && kind != RELKIND_PARTITIONED_TABLE)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE), errmsg("\"%s\" is not a table", get_rel_name(relation))));
	if (!compat_owns_relation(relation, GetUserId()))
		aclcheck_error(ACLCHECK_NOT_OWNER, OBJECT_TABLE, get_rel_name(relation));
}

/* By it the long commands on a table exclude each other. */
static void
acquire(Oid relation, bool for_session)
{
	LOCKTAG tag = lock_tag_of(LOCK_OF_REWRITE, relation);

	if (LockAcquire(&tag, ExclusiveLock, for_session, true) == LOCKACQUIRE_NOT_AVAIL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("another session is converting or re-encrypting \"%s\"", get_rel_name(relation)),
						errhint("twin.stat_progress shows how far it is.")));
}

/* The table this session has locked; a command that fails gives it back. */
static Oid locked = InvalidOid;

static void
unlock_at_abort(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT && OidIsValid(locked))
		rewrite_unlock(locked);
}

void
rewrite_lock(Oid relation)
{
	static bool registered = false;

	if (!registered)
		RegisterXactCallback(unlock_at_abort, NULL);
	registered = true;
	acquire(relation, true);
	locked = relation;
}

void
rewrite_lock_in_transaction(Oid relation)
{
	acquire(relation, false);
}

void
rewrite_unlock(Oid relation)
{
	LOCKTAG tag = lock_tag_of(LOCK_OF_REWRITE, relation);

	locked = InvalidOid;
	(void) LockRelease(&tag, ExclusiveLock, true);
}

List *
rewrite_tables(Oid relation)
{
	List *tables = NIL;
	ListCell *cell;

	if (get_rel_relkind(relation) == '\0')
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("there is no such table")));
	foreach(cell, find_all_inheritors(relation, NoLock, NULL))
		if (RELKIND_HAS_STORAGE(get_rel_relkind(lfirst_oid(cell))))
			tables = lappend_oid(tables, lfirst_oid(cell));
	return tables;
}

int64
rewrite_estimate(Oid relation)
{
	double rows = 0;
	ListCell *cell;

	foreach(cell, rewrite_tables(relation))
	{
		Relation table = try_relation_open(lfirst_oid(cell), AccessShareLock);

		if (table == NULL)
			continue;
		if (table->rd_rel->reltuples < 0)
			rows = -1;
		else if (rows >= 0)
			rows += table->rd_rel->reltuples;
		relation_close(table, AccessShareLock);
		if (rows < 0)
			break;
	}
	return (int64) rows;
}

void
rewrite_commit(void)
{
	SPI_commit();
}

void
rewrite_require_nonatomic(FunctionCallInfo fcinfo, const char *procedure)
{
	PreventCommandDuringRecovery(procedure);
	/* in a block with an exception handler nothing can be committed either, and a caught error would not end the transaction */
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || ((CallContext *) fcinfo->context)->atomic ||
		IsSubTransaction())
		ereport(ERROR, (errcode(ERRCODE_ACTIVE_SQL_TRANSACTION),
						errmsg("%s commits as it goes and cannot run inside a transaction", procedure),
						errhint("CALL it by itself, outside BEGIN and outside of functions.")));
}

int
rewrite_batch_rows(FunctionCallInfo fcinfo, int n)
{
	int rows = PG_ARGISNULL(n) ? 10000 : PG_GETARG_INT32(n);

	if (rows < 1 || rows > 1000000)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a batch has 1 to 1000000 rows")));
	return rows;
}

int
rewrite_rows_per_second(FunctionCallInfo fcinfo, int n)
{
	int rows = PG_ARGISNULL(n) ? 0 : PG_GETARG_INT32(n);

	if (!PG_ARGISNULL(n) && rows < 1)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("the rate must be at least 1 row a second")));
	return rows;
}
