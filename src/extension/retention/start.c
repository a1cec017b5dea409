/*
 * start.c
 *		CALL twin.apply_retention(): has a worker apply the policies, and tells the
 *		caller how it goes.
 *
 * The caller holds neither a lock nor a snapshot meanwhile, for which detaching
 * would wait.  When he goes away the worker ends after its step; what is left is
 * for the next run.
 */
#include "retention/run.h"

#include "access/xact.h"
#include "executor/spi.h"
#include "libpq/pqformat.h"
#include "libpq/pqmq.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "storage/ipc.h"
#include "storage/proc.h"
#include "storage/shm_mq.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/snapmgr.h"

PG_FUNCTION_INFO_V1(tsec_apply_retention);

static void
require_nonatomic(FunctionCallInfo fcinfo)
{
	if (fcinfo->context == NULL || !IsA(fcinfo->context, CallContext) || ((CallContext *) fcinfo->context)->atomic ||
		IsSubTransaction())
		ereport(ERROR,
				(errcode(ERRCODE_ACTIVE_SQL_TRANSACTION), errmsg("apply_retention cannot run inside a transaction"),
				 errhint("CALL it by itself, outside BEGIN and outside of functions.")));
}

static void
show_what_would_go(void)
{
	Oid function = base_internal_function("show_retention", NULL, 0);

	retention_require_idle();
	PushActiveSnapshot(GetTransactionSnapshot());
	(void) OidFunctionCall0(function);
	PopActiveSnapshot();
}

static void
end_early(int code, Datum argument)
{
	((RetentionErrand *) DatumGetPointer(argument))->is_unwanted = true;
}

/* Says what the worker says, until it ends. */
static void
repeat_what_it_says(shm_mq_handle *queue)
{
	for (;;)
	{
		StringInfoData message;
		ErrorData said;
		Size length;
		void *data;

		InvalidateCatalogSnapshot();
		if (shm_mq_receive(queue, &length, &data, false) != SHM_MQ_SUCCESS)
			return;
		initStringInfo(&message);
		appendBinaryStringInfo(&message, data, (int) length);
		if (pq_getmsgbyte(&message) == 'N')
		{
			pq_parse_errornotice(&message, &said);
			said.context = NULL;
			ThrowErrorData(&said);
		}
		pfree(message.data);
	}
}

static BackgroundWorkerHandle *
start_worker(dsm_segment *segment)
{
	BackgroundWorkerHandle *worker = retention_start_worker(dsm_segment_handle(segment));

	if (worker == NULL)
		ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_RESOURCES),
						errmsg("no background worker is free to apply retention policies"),
						errhint("Raise max_worker_processes, or CALL it again later.")));
	return worker;
}

/* What became of the run. */
static void
tell_outcome(const RetentionErrand *errand)
{
	if (errand->outcome == RETENTION_BUSY)
		retention_refuse_busy();
	if (errand->outcome != RETENTION_DONE)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("the worker that applied retention policies ended early"),
						errdetail("The server's log tells why."), errhint("CALL it again: it goes on where it is.")));
	if (errand->failures > 0)
		ereport(WARNING, (errmsg_plural("%d retention step failed", "%d retention steps failed", errand->failures,
										errand->failures),
						  errhint("twin.retention_plan says why; the next run tries again.")));
}

/* apply_retention(dry_run boolean) */
Datum
tsec_apply_retention(PG_FUNCTION_ARGS)
{
	Size size = MAXALIGN(sizeof(RetentionErrand)) + RETENTION_QUEUE_SIZE;
	RetentionErrand *errand;
	dsm_segment *segment;
	shm_mq_handle *queue;

	PreventCommandDuringRecovery("apply_retention");
	if (!PG_ARGISNULL(0) && PG_GETARG_BOOL(0))
	{
		show_what_would_go();
		PG_RETURN_VOID();
	}
	base_require_preload("applying retention policies");
	require_nonatomic(fcinfo);
	SPI_connect_ext(SPI_OPT_NONATOMIC);
	SPI_commit(); /* lets go of what the caller holds */
	segment = dsm_create(size, 0);
	errand = dsm_segment_address(segment);
	memset(errand, 0, sizeof(RetentionErrand));
	namestrcpy(&errand->asked_by, GetUserNameFromId(GetUserId(), false));
	errand->lock_timeout = LockTimeout;
	shm_mq_set_receiver(shm_mq_create(retention_queue(errand), RETENTION_QUEUE_SIZE), MyProc);
	PG_ENSURE_ERROR_CLEANUP(end_early, PointerGetDatum(errand));
	{
		BackgroundWorkerHandle *worker = start_worker(segment);

		queue = shm_mq_attach(retention_queue(errand), segment, worker);
		repeat_what_it_says(queue);
		if (WaitForBackgroundWorkerShutdown(worker) == BGWH_POSTMASTER_DIED)
			ereport(FATAL, (errcode(ERRCODE_ADMIN_SHUTDOWN), errmsg("the postmaster is gone")));
	}
	PG_END_ENSURE_ERROR_CLEANUP(end_early, PointerGetDatum(errand));
	tell_outcome(errand);
	dsm_detach(segment);
	SPI_finish();
	PG_RETURN_VOID();
}
