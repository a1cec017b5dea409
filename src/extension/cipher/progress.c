/*
 * progress.c
 *		How far the long commands of this part have come: twin.stat_progress.
 *
 * One slot per backend in shared memory, written by its owner alone under a
 * spinlock and emptied when the command ends, however it ends.  Without
 * preloading there is no shared memory and the view has no rows.
 */
#include "cipher/private.h"

#include "access/xact.h"
#include "catalog/pg_authid.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/spin.h"
#include "utils/acl.h"
#include "utils/builtins.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_stat_progress);

#define SLOT_COUNT 128

/* What a backend is doing.  Relation names are looked up by the reader. */
typedef struct ProgressEntry
{
	int pid; /* 0: a free slot */
	Oid database;
	Oid user;
	Oid relation;
	NameData column;
	char command[32];
	int64 done;
	int64 total; /* -1: not known */
	TimestampTz started_at;
} ProgressEntry;

typedef struct ProgressSlot
{
	slock_t lock;
	ProgressEntry entry;
} ProgressSlot;

static ProgressSlot *slots = NULL;
static ProgressSlot *mine = NULL;

static void
initialise_slots(void *memory)
{
	ProgressSlot *slot = memory;

	memset(memory, 0, sizeof(ProgressSlot) * SLOT_COUNT);
	for (int i = 0; i < SLOT_COUNT; i++)
		SpinLockInit(&slot[i].lock);
}

static const SharedArea area = {"twin_security progress", sizeof(ProgressSlot) * SLOT_COUNT, initialise_slots,
								(void **) &slots};

static void
release_at_exit(int code, Datum argument)
{
	progress_end();
}

/* A command that fails aborts its transaction; the commits in between do not end it. */
static void
release_at_abort(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT)
		progress_end();
}

void
progress_init(void)
{
	base_register_area(&area);
	RegisterXactCallback(release_at_abort, NULL);
}

void
progress_begin(const char *command, Oid relation, const char *column, int64 total)
{
	static bool registered = false;

	if (slots == NULL)
		return;
	progress_end();
	if (!registered)
		before_shmem_exit(release_at_exit, (Datum) 0);
	registered = true;
	for (int i = 0; i < SLOT_COUNT && mine == NULL; i++)
	{
		ProgressEntry *entry = &slots[i].entry;

		SpinLockAcquire(&slots[i].lock);
		if (entry->pid == 0)
		{
			entry->pid = MyProcPid;
			entry->database = MyDatabaseId;
			entry->user = GetUserId();
			entry->relation = relation;
			strlcpy(NameStr(entry->column), column, NAMEDATALEN);
			strlcpy(entry->command, command, sizeof(entry->command));
			entry->done = 0;
			entry->total = total;
			entry->started_at = GetCurrentTimestamp();
			mine = &slots[i];
		}
		SpinLockRelease(&slots[i].lock);
	}
}

void
progress_phase(const char *command, int64 done, int64 total)
{
	if (mine == NULL)
		return;
	SpinLockAcquire(&mine->lock);
	strlcpy(mine->entry.command, command, sizeof(mine->entry.command));
	mine->entry.done = done;
	mine->entry.total = total;
	SpinLockRelease(&mine->lock);
}

void
progress_add(int64 rows)
{
	if (mine == NULL)
		return;
	SpinLockAcquire(&mine->lock);
	mine->entry.done += rows;
	SpinLockRelease(&mine->lock);
}

void
progress_end(void)
{
	if (mine == NULL)
		return;
	SpinLockAcquire(&mine->lock);
	mine->entry.pid = 0;
	SpinLockRelease(&mine->lock);
	mine = NULL;
}

/* stat_progress() -> (pid, command, relation, column_name, rows_done, rows_total, started_at) of this database */
Datum
tsec_stat_progress(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	bool sees_all = has_privs_of_role(GetUserId(), ROLE_PG_READ_ALL_STATS);

	InitMaterializedSRF(fcinfo, 0);
	for (int i = 0; slots != NULL && i < SLOT_COUNT; i++)
	{
		ProgressEntry entry;
		Datum values[7];
		bool nulls[7] = {false};

		SpinLockAcquire(&slots[i].lock);
		entry = slots[i].entry;
		SpinLockRelease(&slots[i].lock);
		if (entry.pid == 0 || entry.database != MyDatabaseId)
			continue;
		values[0] = Int32GetDatum(entry.pid);
		values[1] = CStringGetTextDatum(entry.command);
		values[2] = ObjectIdGetDatum(entry.relation);
		values[3] = NameGetDatum(&entry.column);
		values[4] = Int64GetDatum(entry.done);
		values[5] = Int64GetDatum(entry.total);
		values[6] = TimestampTzGetDatum(entry.started_at);
		nulls[5] = entry.total < 0;
		/* as the server's own progress views: others see that there is something, and no more */
		if (!sees_all && !has_privs_of_role(GetUserId(), entry.user))
			for (int k = 1; k < 7; k++)
				nulls[k] = true;
		tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	}
	return (Datum) 0;
}
