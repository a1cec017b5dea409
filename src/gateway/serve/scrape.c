/*
 * scrape.c
 *		The database's own figures, for the admin server's /metrics.
 *
 * They are asked for when somebody wants them, once for all who ask meanwhile, and are good for a second: whoever asks
 * in a loop, in either format, costs the database nothing more.  What does not come in time, or at all, is left out: the program's own
 * figures never wait longer than that.
 */
#include "gateway/serve/gateway.h"

#include <stdlib.h>
#include <string.h>

#define FRESH 1000    /* milliseconds */
#define PATIENCE 2000 /* the collector's own is 10 seconds */

/* Far more than a thousand series of each of its families. */
#define SIZE_MAX_OF_FIGURES ((size_t) 32 << 20)

#define END "# EOF"

typedef struct Waiting
{
	struct Waiting *next;
	Exchange *exchange;
} Waiting;

typedef struct Scrape
{
	Gateway *gateway;
	ScrapeReady ready;
	MetricsFormat format;
	Job *job;
	Timer *timer;
	PoolStatement statement; /* as long as the job */
	Waiting *waiting;
	char *figures; /* NULL: the database did not give any */
	int64_t came_at;
	bool has_come; /* with or without figures */
	bool was_told; /* that none come */
} Scrape;

static void
answer_all(Scrape *scrape)
{
	Waiting *waiting = scrape->waiting;

	scrape->waiting = NULL;
	while (waiting != NULL)
	{
		Waiting *next = waiting->next;

		scrape->ready(scrape->gateway, waiting->exchange, scrape->format, scrape->figures);
		free(waiting);
		waiting = next;
	}
}

/* Keeps the text, or nothing where it is none that can stand in an answer; says so once. */
static void
keep(Scrape *scrape, const char *text, size_t length, const char *why)
{
	size_t end = strlen(END);

	free(scrape->figures);
	scrape->figures = NULL;
	if (text != NULL && (length < end || length > SIZE_MAX_OF_FIGURES || !text_is_utf8(text, length) ||
						 strcmp(text + length - end, END) != 0))
	{
		text = NULL;
		why = "the answer is of another form";
	}
	if (text != NULL && (scrape->figures = malloc(length + 1)) != NULL)
		memcpy(scrape->figures, text, length + 1);
	if (scrape->figures == NULL && !scrape->was_told)
		log_event(LOG_WARN, "database_metrics_failed", "why", why, NULL);
	scrape->was_told = scrape->figures == NULL;
	scrape->came_at = loop_now(scrape->gateway->loop);
	scrape->has_come = true;
}

static const char *
why_not(const PoolAnswer *answer)
{
	const char *message = NULL;

	if (answer->outcome == POOL_FAILED && answer->result_count > 0)
		message = PQresultErrorField(answer->results[answer->result_count - 1], PG_DIAG_MESSAGE_PRIMARY);
	return message != NULL ? message : answer->why != NULL ? answer->why : "the database did not answer";
}

static void
figures_came(void *argument, const PoolAnswer *answer)
{
	Scrape *scrape = argument;
	const PGresult *result = answer->outcome == POOL_DONE ? answer->results[0] : NULL;

	scrape->job = NULL;
	if (scrape->timer != NULL)
		timer_cancel(scrape->timer);
	scrape->timer = NULL;
	if (result != NULL && PQntuples(result) == 1 && PQnfields(result) == 1 && !PQgetisnull(result, 0, 0))
		keep(scrape, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0), NULL);
	else
		keep(scrape, NULL, 0, why_not(answer));
	answer_all(scrape);
}

static void
patience_ends(void *argument)
{
	Scrape *scrape = argument;

	scrape->timer = NULL;
	pool_cancel(scrape->job);
	scrape->job = NULL;
	keep(scrape, NULL, 0, "the database did not answer in time");
	answer_all(scrape);
}

static void
ask_database(Scrape *scrape)
{
	static const char *const questions[METRICS_FORMATS] = {[METRICS_PROMETHEUS] = "SELECT twin.metrics('prometheus')",
														   [METRICS_OPENMETRICS] =
															   "SELECT twin.metrics('openmetrics')"};
	Gateway *gateway = scrape->gateway;

	scrape->timer = loop_after(gateway->loop, PATIENCE, patience_ends, scrape);
	scrape->statement = (PoolStatement){.sql = questions[scrape->format]};
	scrape->job = pool_run(gateway->pool, &(PoolRequest){.begin = "BEGIN READ ONLY",
														 .statements = &scrape->statement,
														 .count = 1,
														 .callback = figures_came,
														 .argument = scrape});
}

void
scrape_ask(Gateway *gateway, Exchange *exchange, MetricsFormat format)
{
	Scrape *scrape = &gateway->scrapes[format];
	Waiting *waiting;

	if ((scrape->has_come && loop_now(gateway->loop) - scrape->came_at < FRESH) || gateway->is_stopping)
	{
		scrape->ready(gateway, exchange, format, scrape->figures);
		return;
	}
	waiting = malloc(sizeof(Waiting));
	if (waiting == NULL)
		abort(); /* out of memory */
	*waiting = (Waiting){scrape->waiting, exchange};
	scrape->waiting = waiting;
	if (scrape->job == NULL)
		ask_database(scrape);
}

void
scrape_begin(Gateway *gateway, ScrapeReady ready)
{
	gateway->scrapes = calloc(METRICS_FORMATS, sizeof(Scrape));
	if (gateway->scrapes == NULL)
		abort(); /* out of memory */
	for (int i = 0; i < METRICS_FORMATS; i++)
	{
		gateway->scrapes[i].gateway = gateway;
		gateway->scrapes[i].ready = ready;
		gateway->scrapes[i].format = (MetricsFormat) i;
	}
}

static void
end_one(Scrape *scrape)
{
	if (scrape->timer != NULL)
		timer_cancel(scrape->timer);
	if (scrape->job != NULL)
		pool_cancel(scrape->job);
	answer_all(scrape);
	free(scrape->figures);
}

void
scrape_end(Gateway *gateway)
{
	for (int i = 0; i < METRICS_FORMATS; i++)
		end_one(&gateway->scrapes[i]);
	free(gateway->scrapes);
	gateway->scrapes = NULL;
}
