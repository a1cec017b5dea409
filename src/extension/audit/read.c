/*
 * read.c
 *		Reads of audited tables and decryptions, accounted to the statement that
 *		the client sent: where statements begin and end.
 *
 * What functions, triggers and views run inside a statement is counted in its
 * events.  Nothing is counted of foreign keys' checks, which find a row by its
 * key and return none of its columns.
 */
#include "audit/read.h"

#include "common/foreign_check.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "executor/executor.h"
#include "executor/instrument.h"
#include "miscadmin.h"
#include "tcop/utility.h"

/* The statement that the client sent, while it is at work. */
typedef struct Outermost
{
	bool inside;   /* it is being run, and what begins now belongs to it */
	bool survives; /* the end of a transaction: it is a procedure, and says itself when an error ends it */
	SubTransactionId within;
	bool known;
	CommandTag tag;
	uint64 query_id;
	bool went_parallel; /* so workers may have told something */
} Outermost;

static Outermost outermost;

static ExecutorStart_hook_type previous_start = NULL;
static ExecutorRun_hook_type previous_run = NULL;
static ExecutorFinish_hook_type previous_finish = NULL;
static ExecutorEnd_hook_type previous_end = NULL;
static ProcessUtility_hook_type previous_utility = NULL;

CommandTag
read_statement_tag(void)
{
	return outermost.known ? outermost.tag : CMDTAG_UNKNOWN;
}

uint64
read_statement_query_id(void)
{
	return outermost.known ? outermost.query_id : 0;
}

/* Notes what the client's statement is, unless this is a part of it. */
static void
note_statement(PlannedStmt *planned)
{
	if (outermost.inside)
		return;
	outermost.known = true;
	outermost.tag =
		planned->utilityStmt != NULL ? CreateCommandTag(planned->utilityStmt) : CreateCommandTag((Node *) planned);
	outermost.query_id = (uint64) planned->queryId;
}

/* Whether what begins now is the outermost; then it must call leave(), unless the transaction aborts. */
static bool
enter(PlannedStmt *planned)
{
	if (outermost.inside)
		return false;
	note_statement(planned);
	outermost.inside = true;
	outermost.within = GetCurrentSubTransactionId();
	return true;
}

static void
leave(bool entered)
{
	if (entered)
		outermost.inside = false;
}

/* Tells the events of what has ended. */
static void
tell_ended(void)
{
	if (!IsParallelWorker())
	{
		open_count(false);
		if (outermost.went_parallel)
			open_count_workers();
		tally_flush(TALLY_STATEMENT_ENDED);
	}
	outermost.went_parallel = false;
	outermost.known = outermost.inside;
}

/* ---- queries ---- */

static bool
is_counted(const QueryDesc *query, int flags)
{
	if ((flags & EXEC_FLAG_EXPLAIN_ONLY) != 0 ||
		(IsParallelWorker() && !(query->instrument_options & INSTRUMENT_ROWS)))
		return false;
	if (!audit_is_on() || !query_concerns(query))
		return false;
	return !InNoForceRLSOperation() || query->sourceText == NULL || !foreign_check_is(query->sourceText);
}

static void
start_counted(QueryDesc *query, int flags)
{
	bool counted = is_counted(query, flags);

	note_statement(query->plannedstmt);
	if (query->plannedstmt->parallelModeNeeded)
		outermost.went_parallel = true;
	if (counted)
		query->instrument_options |= INSTRUMENT_ROWS;
	if (previous_start)
		previous_start(query, flags);
	else
		standard_ExecutorStart(query, flags);
	if (counted)
		query_begin(query, outermost.tag, outermost.query_id);
}

static void
run_counted(TSEC_RUN_PARAMETERS)
{
	bool entered = enter(query->plannedstmt);

	query_runs(query, true);
	if (previous_run)
		previous_run(TSEC_RUN_ARGUMENTS);
	else
		standard_ExecutorRun(TSEC_RUN_ARGUMENTS);
	query_runs(query, false);
	leave(entered);
}

static void
finish_counted(QueryDesc *query)
{
	bool entered = enter(query->plannedstmt);

	query_runs(query, true);
	if (previous_finish)
		previous_finish(query);
	else
		standard_ExecutorFinish(query);
	query_runs(query, false);
	leave(entered);
}

static void
end_counted(QueryDesc *query)
{
	bool is_parallel = query->plannedstmt->parallelModeNeeded;

	query_end(query);
	if (previous_end)
		previous_end(query);
	else
		standard_ExecutorEnd(query);
	/* while whoever had them opened is in force */
	if (is_parallel && !IsParallelWorker())
		open_count_workers();
	if (!outermost.inside)
		tell_ended();
}

/* ---- other statements ---- */

static void
run_utility(PlannedStmt *planned, const char *text, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver, QueryCompletion *completion)
{
	if (previous_utility)
		previous_utility(planned, text, read_only_tree, context, params, environment, receiver, completion);
	else
		standard_ProcessUtility(planned, text, read_only_tree, context, params, environment, receiver, completion);
}

/* Runs what has to be told of an error: a COPY, whose rows count however it ends, and what may end transactions. */
static void
run_guarded(CopyRead *copy, bool survives, PlannedStmt *planned, const char *text, bool read_only_tree,
			ProcessUtilityContext context, ParamListInfo params, QueryEnvironment *environment,
			DestReceiver *receiver, QueryCompletion *completion)
{
	if (survives)
		outermost.survives = true;
	PG_TRY();
	{
		run_utility(planned, text, read_only_tree, context, params, environment, receiver, completion);
		if (copy != NULL)
			copy_end(copy, completion);
	}
	PG_CATCH();
	{
		if (copy != NULL)
			copy_end(copy, NULL);
		if (survives)
			outermost.survives = outermost.inside = false;
		PG_RE_THROW();
	}
	PG_END_TRY();
	if (survives)
		outermost.survives = false;
}

static void
utility_counted(PlannedStmt *planned, const char *text, bool read_only_tree, ProcessUtilityContext context,
				ParamListInfo params, QueryEnvironment *environment, DestReceiver *receiver,
				QueryCompletion *completion)
{
	Node *statement = planned->utilityStmt;
	bool entered = enter(planned);
	bool survives = entered && (IsA(statement, CallStmt) || IsA(statement, DoStmt));
	CopyRead *copy = NULL;
	QueryCompletion own;

	if (unlikely(IsA(statement, CopyStmt)))
		copy = copy_begin(statement, outermost.query_id);
	if (copy != NULL || survives)
		run_guarded(copy, survives, planned, text, read_only_tree, context, params, environment, receiver,
					completion != NULL ? completion : &own);
	else
		run_utility(planned, text, read_only_tree, context, params, environment, receiver, completion);
	leave(entered);
	if (entered)
		tell_ended();
}

/* ---- ends that no statement sees ---- */

static void
note_transaction_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_ABORT || event == XACT_EVENT_PARALLEL_ABORT)
	{
		outermost.inside = outermost.inside && outermost.survives;
		query_end_all();
	}
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
		tell_ended();
}

static void
note_savepoint_end(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (!outermost.inside || outermost.within != own)
		return;
	if (event == SUBXACT_EVENT_ABORT_SUB)
		outermost.inside = false;
	else if (event == SUBXACT_EVENT_COMMIT_SUB)
		outermost.within = parent;
}

/* Every now and then, in a signal handler: counts what goes on; whether that is anything. */
static bool
count_what_goes_on(void)
{
	query_count_all();
	copy_count();
	open_count(true);
	return outermost.inside;
}

void
read_init(void)
{
	/* there is nowhere to tell it to */
	if (!base_is_preloaded())
		return;
	read_table_init();
	worker_init();
	open_init();
	tally_init(count_what_goes_on);
	previous_start = ExecutorStart_hook;
	ExecutorStart_hook = start_counted;
	previous_run = ExecutorRun_hook;
	ExecutorRun_hook = run_counted;
	previous_finish = ExecutorFinish_hook;
	ExecutorFinish_hook = finish_counted;
	previous_end = ExecutorEnd_hook;
	ExecutorEnd_hook = end_counted;
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = utility_counted;
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_savepoint_end, NULL);
}
