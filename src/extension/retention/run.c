/*
 * run.c
 *		Policies applied once: each step of each partition in a transaction of its
 *		own, and what fails is noted and keeps nothing else from going on.
 *
 * The steps themselves are functions of run.sql, which say what comes next.
 * Detaching runs at the top level, as the table's owner.
 */
#include "retention/run.h"

#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_authid.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "event/event.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "pgstat.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define TRIES 5
#define TRY_AGAIN_MS 1000
#define LOCK_TIMEOUT_MS 3000

/*
 * Detaching locks others out, of the partition and of what its foreign keys refer
 * to; of all of the table where there is a default partition.  Who comes while it
 * waits for its locks waits behind it: so it waits shortly, and often.  (So do
 * commands of run.sql: run_exclusively().)
 */
#define DETACH_TIMEOUT_MS 200
#define DETACH_TRIES 150
#define DETACH_AGAIN_MS 300

/*
 * Each partition that goes has all sessions plan anew what they do with its table, and each row that is deleted is work
 * for vacuum.  A run that nobody waits for gives them time: so long after a partition, and after any step no longer than
 * the step took.
 */
#define REST_MS 1000

typedef struct Step
{
	const char *name;
	const char *function; /* NULL: the one at the top level */
	int isolation;
	bool locks_holds; /* no legal hold is placed meanwhile, and the transaction's snapshot sees each that was */
} Step;

static const Step steps[] = {
	{"archive", "retention_archive", XACT_REPEATABLE_READ, false},
	{"verify", "retention_verify", XACT_REPEATABLE_READ, false},
	{"leave", "retention_leave", XACT_READ_COMMITTED, false},
	{"detach", NULL, XACT_READ_COMMITTED, false},
	{"drop", "retention_drop", XACT_READ_COMMITTED, false},
	{"batch", "retention_batch", XACT_REPEATABLE_READ, true},
};

/* The run of this process. */
typedef struct Run
{
	RetentionErrand *errand;
	MemoryContext context; /* reset after each partition */
	int64 id;
	int failures;
	ArrayBuildState *failed; /* policies that could not be planned */
} Run;

static const Step *
step_named(const char *name)
{
	for (int i = 0; i < (int) lengthof(steps); i++)
		/* public: names of steps */
		if (strcmp(steps[i].name, name) == 0)
			return &steps[i];
	elog(ERROR, "twin_security: there is no step \"%s\"", name);
}

static Oid
internal_relation(const char *name)
{
	Oid relation = get_relname_relid(name, get_namespace_oid(TSEC_INTERNAL_SCHEMA, false));

	if (!OidIsValid(relation))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_TABLE), errmsg("extension twin_security is gone")));
	return relation;
}

/* ---- one at a time ---- */

static bool
take_run_lock(bool for_session)
{
	/* which failures do not let go of, as they do of the server's own */
	LOCKTAG tag = lock_tag_of(LOCK_OF_RETENTION, internal_relation("retention_runs"));

	return LockAcquire(&tag, ExclusiveLock, for_session, true) != LOCKACQUIRE_NOT_AVAIL;
}

void
retention_refuse_busy(void)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE), errmsg("retention policies are being applied"),
					errhint("twin.retention_runs shows since when, twin.retention_plan how far it is.")));
}

void
retention_require_idle(void)
{
	if (!take_run_lock(false))
		retention_refuse_busy();
}

/* ---- transactions ---- */

static void
begin(const char *activity, int isolation)
{
	SetCurrentStatementStartTimestamp();
	StartTransactionCommand();
	XactIsoLevel = isolation;
	pgstat_report_activity(STATE_RUNNING, activity);
}

static void
end(void)
{
	CommitTransactionCommand();
	(void) pgstat_report_stat(false);
	pgstat_report_activity(STATE_IDLE, NULL);
}

/* Asks a function of twin_internal; field n of its row as text in the given context, NULL for null. */
static void
ask(MemoryContext context, const char *query, int count, Oid *types, Datum *values, const char *nulls, int fields,
	char **answers)
{
	PushActiveSnapshot(GetTransactionSnapshot());
	SPI_connect();
	if (SPI_execute_with_args(query, count, types, values, nulls, false, 0) != SPI_OK_SELECT || SPI_processed > 1)
		elog(ERROR, "twin_security: \"%s\" gives no row", query);
	for (int i = 0; i < fields; i++)
	{
		char *answer = SPI_processed == 0 ? NULL : SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, i + 1);

		answers[i] = answer == NULL ? NULL : MemoryContextStrdup(context, answer);
	}
	SPI_finish();
	PopActiveSnapshot();
}

/* ---- steps ---- */

/* A lock is waited for no longer than that, nor than who asked for the run would wait. */
static void
set_lock_timeout(const Run *run, int milliseconds)
{
	char value[16];

	if (run->errand != NULL && run->errand->lock_timeout > 0)
		milliseconds = Min(milliseconds, run->errand->lock_timeout);
	snprintf(value, sizeof(value), "%d", milliseconds);
	SetConfigOption("lock_timeout", value, PGC_SUSET, PGC_S_OVERRIDE);
}

/* Detaches as the table's owner, whose right it is, and nobody's who can do more. */
static void
run_detach(const Run *run, int64 item)
{
	char *answers[2];
	Oid owner;

	begin("looking for what to detach", XACT_READ_COMMITTED);
	ask(run->context, "SELECT owner, command FROM twin_internal.retention_detach($1)", 1, (Oid[]){INT8OID},
		(Datum[]){Int64GetDatum(item)}, NULL, 2, answers);
	end();
	if (answers[1] == NULL)
		return; /* it is no partition any more */
	owner = DatumGetObjectId(DirectFunctionCall1(oidin, CStringGetDatum(answers[0])));
	begin("detaching", XACT_READ_COMMITTED);
	SetSessionAuthorization(owner, superuser_arg(owner));
	end();
	set_lock_timeout(run, DETACH_TIMEOUT_MS);
	event_open_log();
	base_run_at_top_level(answers[1]);
}

/* What run_detach() sets holds no longer than that. */
static void
end_detach(const Run *run)
{
	if (IsTransactionState())
		AbortCurrentTransaction();
	begin("detached", XACT_READ_COMMITTED);
	SetSessionAuthorization(BOOTSTRAP_SUPERUSERID, true);
	end();
	set_lock_timeout(run, LOCK_TIMEOUT_MS);
}

/* Takes a step; the name of the next, or NULL. */
static char *
take_step(const Run *run, const Step *step, int64 item)
{
	char *next;

	if (step->function == NULL)
	{
		run_detach(run, item);
		end_detach(run);
		return pstrdup("leave");
	}
	begin(step->function, step->isolation);
	if (step->locks_holds)
		LockRelationOid(internal_relation("legal_holds"), ShareLock);
	ask(run->context, psprintf("SELECT twin_internal.%s($1)", step->function), 1, (Oid[]){INT8OID},
		(Datum[]){Int64GetDatum(item)}, NULL, 1, &next);
	end();
	return next;
}

static bool
is_transient(const ErrorData *error)
{
	return error->sqlerrcode == ERRCODE_LOCK_NOT_AVAILABLE || error->sqlerrcode == ERRCODE_T_R_DEADLOCK_DETECTED ||
		   error->sqlerrcode == ERRCODE_T_R_SERIALIZATION_FAILURE;
}

/* Waits before another try. */
static void
wait_a_little(long ms)
{
	(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, ms, PG_WAIT_EXTENSION);
	ResetLatch(MyLatch);
	CHECK_FOR_INTERRUPTS();
}

static bool
is_unwanted(const Run *run)
{
	return run->errand != NULL && run->errand->is_unwanted;
}

/* Notes a failure of a policy (item 0) or of a partition, and tells who asked. */
static void
note_failure(Run *run, const char *policy, int64 item, const ErrorData *error)
{
	Datum values[4];
	char nulls[] = "    ";
	char *ignored;

	run->failures++;
	values[1] = Int64GetDatum(item);
	values[2] = CStringGetTextDatum(unpack_sql_state(error->sqlerrcode));
	values[3] = CStringGetTextDatum(error->message ? error->message : "");
	if (policy == NULL)
		nulls[0] = 'n';
	else
		values[0] = CStringGetTextDatum(policy);
	ereport(WARNING,
			(errmsg("retention: %s", error->message), error->detail ? errdetail_internal("%s", error->detail) : 0,
			 error->hint ? errhint("%s", error->hint) : 0));
	begin("noting a failure", XACT_READ_COMMITTED);
	ask(run->context, "SELECT twin_internal.fail_retention($1, $2, $3, $4)", 4,
		(Oid[]){TEXTOID, INT8OID, TEXTOID, TEXTOID}, values, nulls, 1, &ignored);
	end();
}

/* Whether who asked would have given up on a step that is being tried since a moment of base_uptime_ms(). */
static bool
has_waited_enough(const Run *run, int64 since)
{
	return run->errand != NULL && run->errand->lock_timeout > 0 &&
		   base_uptime_ms() - since >= run->errand->lock_timeout;
}

/* Catches what a try raised; NULL when it is worth another, else the error. */
static ErrorData *
catch_error(Run *run, bool may_try_again)
{
	ErrorData *error;

	MemoryContextSwitchTo(run->context);
	error = CopyErrorData();
	if (error->sqlerrcode == ERRCODE_QUERY_CANCELED)
		PG_RE_THROW();
	FlushErrorState();
	AbortCurrentTransaction();
	MemoryContextSwitchTo(run->context);
	return is_transient(error) && may_try_again && !is_unwanted(run) ? NULL : error;
}

/* After a step that took so many milliseconds. */
static void
rest(const Run *run, bool is_last, int64 took)
{
	if (run->errand == NULL)
		wait_a_little(is_last ? REST_MS : (long) Min(took, REST_MS));
}

/* Takes one partition, or what a batch stands for, as far as it goes. */
static void
serve_item(Run *run, int64 item, const char *first)
{
	const Step *step = step_named(first);
	int tries = TRIES;
	int64 since = base_uptime_ms();

	while (step != NULL && !is_unwanted(run))
	{
		ErrorData *volatile error = NULL;
		volatile bool is_done = false;
		char *volatile next = NULL;

		CHECK_FOR_INTERRUPTS();
		PG_TRY();
		{
			next = take_step(run, step, item);
			is_done = true;
		}
		PG_CATCH();
		{
			error = catch_error(run, tries > 1 && !has_waited_enough(run, since));
			if (step->function == NULL)
				end_detach(run);
		}
		PG_END_TRY();
		if (error != NULL)
		{
			note_failure(run, NULL, item, error);
			return;
		}
		if (is_done)
		{
			rest(run, next == NULL, base_uptime_ms() - since);
			step = next == NULL ? NULL : step_named(next);
			tries = step != NULL && step->function == NULL ? DETACH_TRIES : TRIES;
			since = base_uptime_ms();
		}
		else
		{
			tries--;
			wait_a_little(step->function == NULL ? DETACH_AGAIN_MS : TRY_AGAIN_MS);
		}
	}
}

/* Finds what a policy is for. */
static void
prepare_policy(Run *run, const char *policy)
{
	ErrorData *volatile error = NULL;
	char *ignored;

	PG_TRY();
	{
		begin("planning", XACT_READ_COMMITTED);
		ask(run->context, "SELECT twin_internal.prepare_retention($1)", 1, (Oid[]){TEXTOID},
			(Datum[]){CStringGetTextDatum(policy)}, NULL, 1, &ignored);
		end();
	}
	PG_CATCH();
	{
		error = catch_error(run, false);
	}
	PG_END_TRY();
	if (error == NULL)
		return;
	run->failed = accumArrayResult(run->failed, CStringGetTextDatum(policy), false, TEXTOID, TopMemoryContext);
	note_failure(run, policy, 0, error);
}

static void
prepare_policies(Run *run)
{
	char policy[NAMEDATALEN] = "";

	while (!is_unwanted(run))
	{
		char *next;

		begin("planning", XACT_READ_COMMITTED);
		ask(run->context, "SELECT twin_internal.next_retention_policy($1)", 1, (Oid[]){TEXTOID},
			(Datum[]){CStringGetTextDatum(policy)}, NULL, 1, &next);
		end();
		if (next == NULL)
			return;
		strlcpy(policy, next, sizeof(policy));
		MemoryContextSwitchTo(run->context);
		prepare_policy(run, policy);
		MemoryContextReset(run->context);
	}
}

static void
serve_items(Run *run)
{
	int64 item = 0;

	while (!is_unwanted(run))
	{
		char *answers[2];

		begin("looking for what is over its time", XACT_READ_COMMITTED);
		ask(run->context, "SELECT item_id, step FROM twin_internal.next_retention_item($1)", 1, (Oid[]){INT8OID},
			(Datum[]){Int64GetDatum(item)}, NULL, 2, answers);
		end();
		if (answers[0] == NULL)
			return;
		item = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(answers[0])));
		MemoryContextSwitchTo(run->context);
		serve_item(run, item, answers[1]);
		MemoryContextReset(run->context);
	}
}

/* ---- the run ---- */

static bool
begin_run(Run *run)
{
	bool is_alone;

	begin("beginning", XACT_READ_COMMITTED);
	is_alone = take_run_lock(true);
	if (is_alone)
	{
		Datum asked_by = run->errand == NULL ? (Datum) 0 : CStringGetTextDatum(NameStr(run->errand->asked_by));
		char *id;

		ask(run->context, "SELECT twin_internal.begin_retention($1)", 1, (Oid[]){TEXTOID}, &asked_by,
			run->errand == NULL ? "n" : " ", 1, &id);
		run->id = DatumGetInt64(DirectFunctionCall1(int8in, CStringGetDatum(id)));
		/* here, for it looks up a type: where failures are noted there is no transaction */
		run->failed = initArrayResult(TEXTOID, TopMemoryContext, false);
	}
	end();
	return is_alone;
}

static void
end_run(Run *run)
{
	Datum values[4];
	char *ignored;

	begin("ending", XACT_READ_COMMITTED);
	values[0] = Int64GetDatum(run->id);
	values[1] = makeArrayResult(run->failed, CurrentMemoryContext);
	values[2] = Int32GetDatum(run->failures);
	values[3] = BoolGetDatum(!is_unwanted(run));
	ask(run->context, "SELECT twin_internal.end_retention($1, $2, $3, $4)", 4,
		(Oid[]){INT8OID, TEXTARRAYOID, INT4OID, BOOLOID}, values, NULL, 1, &ignored);
	end();
}

void
retention_run(RetentionErrand *errand)
{
	Run run = {.errand = errand};

	run.context = AllocSetContextCreate(TopMemoryContext, "twin_security retention", ALLOCSET_DEFAULT_SIZES);
	set_lock_timeout(&run, LOCK_TIMEOUT_MS);
	if (!begin_run(&run))
	{
		if (errand != NULL)
			errand->outcome = RETENTION_BUSY;
		return;
	}
	prepare_policies(&run);
	serve_items(&run);
	end_run(&run);
	if (errand != NULL)
	{
		errand->failures = run.failures;
		errand->outcome = is_unwanted(&run) ? RETENTION_STOPPED : RETENTION_DONE;
	}
}
