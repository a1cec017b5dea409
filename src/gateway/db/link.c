/*
 * link.c
 *		One connection and the pipeline it runs.
 *
 * A job's statements are written in one go between BEGIN and COMMIT, and a
 * sync; the answers are told apart by the list of what was sent.  After a
 * failure, and after a judge has spoken, a second, short pipeline ends the
 * transaction.  A connection about which anything is in doubt is not used again.
 */
#include "gateway/db/private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What was sent, in order. */
typedef enum StepKind
{
	STEP_SETUP,
	STEP_DEALLOCATE,
	STEP_BEGIN,
	STEP_PREPARE,
	STEP_STATEMENT,
	STEP_END, /* COMMIT or ROLLBACK */
	STEP_SYNC
} StepKind;

typedef struct Step
{
	StepKind kind;
	int statement;      /* of STEP_PREPARE and STEP_STATEMENT */
	Prepared *prepared; /* of STEP_PREPARE */
} Step;

/* Which pipeline is on its way. */
typedef enum Phase
{
	PHASE_SETUP,
	PHASE_WORK,
	PHASE_END,  /* of a transaction that was judged */
	PHASE_CLEAN /* of one that failed: its job has ended */
} Phase;

/*
 * A backend whose client has gone stops within this; gone are clients of requests that were given up.  $1 is the
 * statement_timeout of requests whose role and routine have none of their own, "" the database's.
 */
#define SETUP_SQL                                                                     \
	"SELECT pg_catalog.set_config('client_connection_check_interval', '2s', false), " \
	"pg_catalog.set_config('idle_in_transaction_session_timeout', '60s', false), "    \
	"CASE WHEN $1::pg_catalog.text <> '' THEN pg_catalog.set_config('statement_timeout', $1, false) END"

/* How long an abandoned job may go on before its connection is closed, in milliseconds. */
#define ABANDONED_TIMEOUT 1000

typedef struct LinkBody
{
	Link face;
	Loop *loop;
	const LinkEvents *events;
	void *owner;
	bool prepares;
	char statement_timeout[16]; /* "30000ms", or "" */
	bool is_unsettled;          /* the database refused SETUP_SQL */
	bool forgets; /* what was prepared is not as it should be: all of it is dropped before the next job */
	Dial *dial;
	PGconn *server;
	Watch *watch;
	Timer *abandoned;
	Timer *unsent; /* a job could not be sent */
	PreparedSet *prepared;
	Phase phase;
	Step *steps;
	int step_count;
	int step_size;
	int step; /* whose result comes next */
	PGresult **results;
	int result_size;
	int result_count;
	int failed;
	bool in_callback;
	bool is_closed; /* while in a callback: freed behind it */
} LinkBody;

/* ---- ends ---- */

static void
clear_results(LinkBody *link)
{
	for (int i = 0; i < link->result_count; i++)
	{
		PQclear(link->results[i]);
		link->results[i] = NULL;
	}
	link->result_count = 0;
}

static void
free_link(LinkBody *link)
{
	if (link->dial != NULL)
		dial_cancel(link->dial);
	if (link->abandoned != NULL)
		timer_cancel(link->abandoned);
	if (link->unsent != NULL)
		timer_cancel(link->unsent);
	if (link->watch != NULL)
		watch_remove(link->watch);
	clear_results(link);
	prepared_free(link->prepared);
	PQfinish(link->server);
	free(link->steps);
	free(link->results);
	free(link);
}

void
link_close(Link *face)
{
	LinkBody *link = (LinkBody *) face;

	if (link->in_callback)
		link->is_closed = true;
	else
		free_link(link);
}

/* Tells the job's owner; the job is gone afterwards. */
static void
end_job(LinkBody *link, PoolOutcome outcome, const char *why)
{
	Job *job = link->face.job;
	PoolAnswer answer = {.outcome = outcome,
						 .results = link->results,
						 .result_count = link->result_count,
						 .failed = link->failed,
						 .why = why};

	if (job == NULL)
		return;
	link->face.job = NULL;
	if (link->abandoned != NULL)
		timer_cancel(link->abandoned);
	link->abandoned = NULL;
	link->events->ended(link->owner, &link->face, job, &answer);
	clear_results(link);
}

static void
lose(LinkBody *link, const char *why)
{
	if (link->face.state == LINK_LOST)
		return;
	link->face.state = LINK_LOST;
	end_job(link, POOL_LOST, why);
	link->events->lost(link->owner, &link->face, why);
}

/* ---- sending ---- */

static Step *
add_step(LinkBody *link, StepKind kind)
{
	if (link->step_count == link->step_size)
	{
		link->step_size = link->step_size > 0 ? link->step_size * 2 : 16;
		link->steps = realloc(link->steps, sizeof(Step) * (size_t) link->step_size);
		if (link->steps == NULL)
			abort(); /* out of memory */
	}
	link->steps[link->step_count] = (Step){.kind = kind};
	return &link->steps[link->step_count++];
}

static void
begin_steps(LinkBody *link, Phase phase)
{
	link->phase = phase;
	link->step_count = 0;
	link->step = 0;
}

/* Sends a statement that has no parameters, prepared under its own text where the connection prepares. */
static bool
send(LinkBody *link, StepKind kind, int index, const char *sql, bool prepare, int count, const char *const *values)
{
	Prepared *prepared = prepare && link->prepares ? prepared_get(link->prepared, sql) : NULL;
	Step *step;

	if (prepared != NULL && !prepared->is_there)
	{
		if (PQsendPrepare(link->server, prepared->name, sql, 0, NULL) != 1)
			return false;
		step = add_step(link, STEP_PREPARE);
		step->prepared = prepared;
		step->statement = index;
	}
	step = add_step(link, kind);
	step->statement = index;
	return (prepared != NULL ? PQsendQueryPrepared(link->server, prepared->name, count, values, NULL, NULL, 0)
							 : PQsendQueryParams(link->server, sql, count, NULL, values, NULL, NULL, 0)) == 1;
}

static bool
flush(LinkBody *link)
{
	int left = PQflush(link->server);

	if (left < 0)
		return false;
	if (link->watch != NULL)
		watch_want(link->watch, left > 0 ? LOOP_READ | LOOP_WRITE : LOOP_READ);
	return true;
}

static bool
sync_and_flush(LinkBody *link)
{
	(void) add_step(link, STEP_SYNC);
	return PQpipelineSync(link->server) == 1 && flush(link);
}

/* Sends one statement as a pipeline of its own. */
static bool
send_alone(LinkBody *link, Phase phase, StepKind kind, const char *sql)
{
	begin_steps(link, phase);
	return send(link, kind, -1, sql, kind == STEP_END, 0, NULL) && sync_and_flush(link);
}

static bool
send_job(LinkBody *link, const Job *job)
{
	begin_steps(link, PHASE_WORK);
	if (prepared_is_full(link->prepared) || link->forgets)
	{
		link->forgets = false;
		prepared_forget(link->prepared);
		if (!send(link, STEP_DEALLOCATE, -1, "DEALLOCATE ALL", false, 0, NULL))
			return false;
	}
	if (!send(link, STEP_BEGIN, -1, job->request.begin, true, 0, NULL))
		return false;
	for (int i = 0; i < job->request.count; i++)
	{
		const PoolStatement *statement = &job->request.statements[i];

		if (!send(link, STEP_STATEMENT, i, statement->sql, statement->prepare, statement->parameter_count,
				  statement->values))
			return false;
	}
	if (job->request.judge == NULL && !send(link, STEP_END, -1, "COMMIT", true, 0, NULL))
		return false;
	return sync_and_flush(link);
}

static void
tell_unsent(void *argument)
{
	LinkBody *link = argument;

	link->unsent = NULL;
	link->in_callback = true;
	lose(link, PQerrorMessage(link->server));
	link->in_callback = false;
	if (link->is_closed)
		free_link(link);
}

void
link_run(Link *face, Job *job)
{
	LinkBody *link = (LinkBody *) face;

	face->state = LINK_BUSY;
	face->job = job;
	job->link = face;
	link->failed = -1;
	if (link->result_size < job->request.count + 1)
	{
		free(link->results);
		link->result_size = job->request.count + 1;
		link->results = db_alloc(sizeof(PGresult *) * (size_t) link->result_size);
	}
	if (send_job(link, job))
		return;
	/*
	 * Told from the loop: whoever asked is still at it.  The socket tells nothing any more: libpq has closed it, and its
	 * number is the next connection's.
	 */
	if (link->watch != NULL)
		watch_remove(link->watch);
	link->watch = NULL;
	if (link->unsent == NULL)
		link->unsent = loop_after(link->loop, 0, tell_unsent, link);
}

/* ---- receiving ---- */

/* Whether somebody else has prepared, or dropped, statements of this connection. */
static bool
is_about_prepared(const PGresult *result)
{
	const char *code = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	return code != NULL && (strcmp(code, "26000") == 0 || strcmp(code, "42P05") == 0);
}

/* Keeps what a statement answered, or the failure that ends the pipeline. */
static void
take_result(LinkBody *link, const Step *step, PGresult *result)
{
	ExecStatusType status = PQresultStatus(result);
	bool good = status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK;

	if (step->kind == STEP_PREPARE && good)
		step->prepared->is_there = true;
	if (step->kind == STEP_SETUP && !good)
		link->is_unsettled = true;
	if (!good && is_about_prepared(result))
		link->forgets = true;
	if (status == PGRES_PIPELINE_ABORTED || link->face.job == NULL || link->failed >= 0)
	{
		PQclear(result);
		return;
	}
	if (!good)
		link->failed = step->kind == STEP_STATEMENT || step->kind == STEP_PREPARE ? step->statement
																				  : link->face.job->request.count;
	if ((!good || step->kind == STEP_STATEMENT) && link->result_count < link->result_size)
		link->results[link->result_count++] = result;
	else
		PQclear(result);
}

static void
become_idle(LinkBody *link)
{
	link->face.state = LINK_IDLE;
	link->face.idle_since = loop_now(link->loop);
	link->events->idle(link->owner, &link->face);
}

/* A pipeline of work has been answered. */
static void
end_work(LinkBody *link)
{
	Job *job = link->face.job;

	if (link->failed >= 0)
	{
		bool in_transaction = PQtransactionStatus(link->server) != PQTRANS_IDLE;

		end_job(link, POOL_FAILED, NULL);
		if (link->is_closed)
			return;
		if (!in_transaction)
			become_idle(link);
		else if (!send_alone(link, PHASE_CLEAN, STEP_END, "ROLLBACK"))
			lose(link, PQerrorMessage(link->server));
	}
	else if (job != NULL && job->request.judge != NULL)
	{
		PoolAnswer answer = {
			.outcome = POOL_DONE, .results = link->results, .result_count = link->result_count, .failed = -1};
		bool commit = !job->is_forgotten && job->request.judge(job->request.argument, &answer);

		if (!send_alone(link, PHASE_END, STEP_END, commit ? "COMMIT" : "ROLLBACK"))
			lose(link, PQerrorMessage(link->server));
	}
	else if (PQtransactionStatus(link->server) != PQTRANS_IDLE)
		lose(link, "a transaction did not end");
	else
	{
		end_job(link, POOL_DONE, NULL);
		if (!link->is_closed)
			become_idle(link);
	}
}

/* A sync has been answered: everything before it has. */
static void
end_phase(LinkBody *link)
{
	switch (link->phase)
	{
		case PHASE_WORK:
			end_work(link);
			return;
		case PHASE_SETUP:
			if (link->is_unsettled)
				lose(link, "the database refused the settings of a session; its log says why");
			else
				become_idle(link);
			return;
		case PHASE_END:
		case PHASE_CLEAN:
			if (PQtransactionStatus(link->server) != PQTRANS_IDLE)
			{
				lose(link, "a transaction did not end");
				return;
			}
			end_job(link, link->failed >= 0 ? POOL_FAILED : POOL_DONE, NULL);
			if (!link->is_closed)
				become_idle(link);
	}
}

/* Takes what has come; false when the connection was lost or closed on the way. */
static bool
take_results(LinkBody *link)
{
	while (link->step < link->step_count && !PQisBusy(link->server))
	{
		const Step *step = &link->steps[link->step];
		PGresult *result = PQgetResult(link->server);

		if (result == NULL)
		{
			/* one between the results of two statements */
			if (step->kind == STEP_SYNC)
				return PQstatus(link->server) == CONNECTION_OK;
			link->step++;
			continue;
		}
		if (PQresultStatus(result) == PGRES_PIPELINE_SYNC)
		{
			PQclear(result);
			link->step = link->step_count;
			end_phase(link);
			return !link->is_closed && link->face.state != LINK_LOST;
		}
		take_result(link, step, result);
		if (PQstatus(link->server) != CONNECTION_OK)
			return true;
	}
	return true;
}

static void
serve(void *argument, int happened)
{
	LinkBody *link = argument;

	link->in_callback = true;
	if (PQconsumeInput(link->server) != 1 || !take_results(link))
	{
		if (!link->is_closed)
			lose(link, PQerrorMessage(link->server));
	}
	else if (PQstatus(link->server) != CONNECTION_OK || !flush(link))
		lose(link, PQerrorMessage(link->server));
	link->in_callback = false;
	if (link->is_closed)
		free_link(link);
}

/* ---- the beginning ---- */

static bool
send_setup(LinkBody *link)
{
	const char *values[] = {link->statement_timeout};

	begin_steps(link, PHASE_SETUP);
	return send(link, STEP_SETUP, -1, SETUP_SQL, false, 1, values) && sync_and_flush(link);
}

static void
dialled(void *argument, PGconn *made, const char *why)
{
	LinkBody *link = argument;

	link->dial = NULL;
	link->server = made;
	link->in_callback = true;
	if (made == NULL)
		lose(link, why);
	else if (PQenterPipelineMode(made) != 1 ||
			 (link->watch = loop_watch(link->loop, PQsocket(made), LOOP_READ, serve, link)) == NULL ||
			 !send_setup(link))
		lose(link, PQerrorMessage(made));
	link->in_callback = false;
	if (link->is_closed)
		free_link(link);
}

Link *
link_open(Loop *loop, const PoolOptions *options, const LinkEvents *events, void *owner)
{
	LinkBody *link = db_alloc(sizeof(LinkBody));

	link->loop = loop;
	link->events = events;
	link->owner = owner;
	link->prepares = options->prepared_statements;
	if (options->statement_timeout > 0)
		(void) snprintf(link->statement_timeout, sizeof(link->statement_timeout), "%dms", options->statement_timeout);
	link->prepared = prepared_new();
	link->failed = -1;
	link->face.made_at = loop_now(loop);
	link->dial = dial_begin(loop, options->uri, dialled, link);
	return &link->face;
}

static void
give_up(void *argument)
{
	LinkBody *link = argument;

	link->abandoned = NULL;
	link->in_callback = true;
	lose(link, "the client of a request has gone");
	link->in_callback = false;
	if (link->is_closed)
		free_link(link);
}

void
link_abandon(Link *face)
{
	LinkBody *link = (LinkBody *) face;

	if (link->abandoned == NULL)
		link->abandoned = loop_after(link->loop, ABANDONED_TIMEOUT, give_up, link);
}
