/*
 * report.c
 *		Errors, seen while they are raised, so that nobody can swallow one: neither
 *		an EXCEPTION block nor a savepoint nor a library that catches it.
 *
 * The server calls the error contexts of whatever is running before an error
 * goes anywhere.  Ours lies at the bottom of them for as long as the process
 * lives: it is put back wherever a statement, a plan or a function begins, and
 * where an error has emptied the stack.  Errors outside of it pass the hook of
 * the server's log.  Both find the same entry, so each error counts once: the
 * entry of one that was counted carries a mark, which the server clears when it
 * takes the entry for the next error.
 *
 * Rule: nothing here allocates, raises, waits, or reads a catalog.
 */
#include "audit/security.h"

#include "access/parallel.h"
#include "miscadmin.h"
#include "utils/elog.h"

/* The server's entries for errors are few and stay where they are; a pointer to one comes from the hook of its log. */
#define ENTRIES 8
static ErrorData *entries[ENTRIES];
static int entry_count = 0;

/* In saved_errno, which is of no use once the message is made; no error of the system has this number. */
#define COUNTED 0x54570001

/*
 * Added by a parallel worker to the line that raised an error, which reaches the leader with it: so many times for whose
 * words it has, and once more than for any of those when the worker told it.
 */
#define WORKER_LINE 10000000
#define TOLD REFUSAL_ORIGINS

/* Deeper than this the stack of error contexts is not searched for its bottom. */
#define DEPTH_LOOKED_AT 32

/* No position in a query is so far out. */
#define PROBE (-0x5457)

static emit_log_hook_type previous_hook = NULL;
static int learning = 0;

/* The error that counted last lay in an entry that is not known. */
static bool counted_unknown = false;

static void note_raised(void *argument);

static ErrorContextCallback bottom = {.callback = note_raised};

/* ---- the server's entries ---- */

static void
learn(ErrorData *error)
{
	for (int i = 0; i < entry_count; i++)
		if (entries[i] == error)
			return;
	if (entry_count < ENTRIES)
		entries[entry_count++] = error;
}

/* The entry of the error that is being raised; NULL where it has not been seen before. */
static ErrorData *
current_entry(void)
{
	int position = getinternalerrposition();
	ErrorData *found = NULL;

	internalerrposition(PROBE);
	for (int i = 0; i < entry_count && found == NULL; i++)
		if (entries[i]->internalpos == PROBE)
			found = entries[i];
	internalerrposition(position);
	return found;
}

/* ---- counting ---- */

/* Counts an error, unless the code that raised it has told it already. */
static void
count_error(int sqlstate, ErrorData *error)
{
	bool told = event_take_told();
	int origin = (int) refusal_origin(error);

	if (IsParallelWorker())
	{
		/* the leader raises it again, and counts it */
		if (error != NULL && error->lineno < WORKER_LINE)
			error->lineno += (told ? TOLD : origin) * WORKER_LINE;
		return;
	}
	if (error != NULL && error->lineno >= WORKER_LINE)
		origin = error->lineno / WORKER_LINE;
	told = told || origin >= TOLD;
	if (error != NULL)
		error->saved_errno = COUNTED;
	else
		counted_unknown = true;
	if (!told)
		refusal_record(sqlstate, (RefusalOrigin) origin, error);
}

static void
note_raised(void *argument)
{
	int sqlstate = geterrcode();
	ErrorData *error;

	if (likely(!refusal_is_one(sqlstate)))
	{
		(void) event_take_told();
		return;
	}
	error = current_entry();
	counted_unknown = false;
	if (error != NULL && (error->elevel < ERROR || error->saved_errno == COUNTED))
		return;
	count_error(sqlstate, error);
}

void
report_watch(void)
{
	ErrorContextCallback *last = error_context_stack;

	if (last == NULL)
	{
		error_context_stack = &bottom;
		return;
	}
	/* an error empties the stack down to where it is caught: what has grown deep since has its bottom */
	for (int depth = 0; last != &bottom && last->previous != NULL; last = last->previous)
		if (++depth == DEPTH_LOOKED_AT)
			return;
	if (last != &bottom)
		last->previous = &bottom;
}

/* ---- the server's log ---- */

/* Goes through the server's first entries once, without a line in the log. */
static void
learn_silently(ErrorData *error)
{
	learn(error);
	error->output_to_server = false;
	error->output_to_client = false;
	if (--learning > 0)
		ereport(LOG, (errmsg_internal("twin_security looks where errors are kept")));
}

static void
note_logged(ErrorData *error)
{
	if (learning > 0)
	{
		learn_silently(error);
		return;
	}
	learn(error);
	if (previous_hook)
		previous_hook(error);
	if (!IsUnderPostmaster || error->elevel < ERROR)
		return;
	if (!login_is_done())
	{
		login_refused(error);
		return;
	}
	/* an error has emptied the stack */
	if (error_context_stack == NULL && OidIsValid(MyDatabaseId))
		error_context_stack = &bottom;
	if (error->saved_errno == COUNTED || !refusal_is_one(error->sqlerrcode))
		return;
	if (counted_unknown)
		counted_unknown = false;
	else
		count_error(error->sqlerrcode, error);
}

void
report_init(void)
{
	previous_hook = emit_log_hook;
	emit_log_hook = note_logged;
	learning = 3;
	ereport(LOG, (errmsg_internal("twin_security looks where errors are kept")));
	learning = 0;
}
