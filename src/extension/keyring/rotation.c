/*
 * rotation.c
 *		A key that has sealed enough rotates by itself.
 *
 * The session that notices must not do it in its own transaction: that one may
 * be read-only, in the middle of a statement, or roll back.  A background
 * worker publishes the new version and makes it primary, each in a transaction
 * of its own.  If no worker slot is free, or the worker fails, whoever reserves
 * messages ten seconds later asks again, long before the hard limit.
 */
#include "keyring/private.h"

#include "access/xact.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "postmaster/bgworker.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

extern PGDLLEXPORT void tsec_rotation_worker(Datum argument);

/* What the worker is told, in bgw_extra. */
typedef struct RotationOrder
{
	NameData key_name;
	uint32 key_id;
} RotationOrder;

StaticAssertDecl(sizeof(RotationOrder) <= BGW_EXTRALEN, "the order fits a worker's extra space");

void
rotation_request(const char *key_name, uint32 key_id)
{
	BackgroundWorker worker;
	BackgroundWorkerHandle *handle;
	RotationOrder order = {.key_id = key_id};

	namestrcpy(&order.key_name, key_name);
	worker = base_worker("tsec_rotation_worker", "twin_security key rotation", BGW_NEVER_RESTART);
	worker.bgw_main_arg = ObjectIdGetDatum(MyDatabaseId);
	memcpy(worker.bgw_extra, &order, sizeof(order));
	if (!RegisterDynamicBackgroundWorker(&worker, &handle))
		ereport(LOG, (errmsg("no background worker is free to rotate key \"%s\"", key_name),
					  errhint("Raise max_worker_processes, or call twin.rotate_key().")));
}

/* Takes one step; returns whether another is needed. */
static bool
rotate_step(const RotationOrder *order)
{
	Oid types[2] = {NAMEOID, INT4OID};
	Datum values[2] = {NameGetDatum(&order->key_name), Int32GetDatum((int32) order->key_id)};
	bool null;
	bool more;

	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	PushActiveSnapshot(GetTransactionSnapshot());
	pgstat_report_activity(STATE_RUNNING, "rotating a key");
	if (SPI_connect() != SPI_OK_CONNECT ||
		SPI_execute_with_args("SELECT twin_internal.rotate_exhausted_key($1, $2)", 2, types, values, NULL, false,
							  1) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: key rotation could not run");
	more = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	SPI_finish();
	PopActiveSnapshot();
	CommitTransactionCommand();
	pgstat_report_activity(STATE_IDLE, NULL);
	return more;
}

void
tsec_rotation_worker(Datum argument)
{
	RotationOrder order;

	memcpy(&order, MyBgworkerEntry->bgw_extra, sizeof(order));
	BackgroundWorkerUnblockSignals();
	BackgroundWorkerInitializeConnectionByOid(DatumGetObjectId(argument), InvalidOid, 0);
	/* publish, then make primary; unless somebody did already */
	if (rotate_step(&order) && !rotate_step(&order))
		ereport(LOG, (errmsg("key \"%s\" was rotated after its message limit", NameStr(order.key_name))));
}
