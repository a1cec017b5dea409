/*
 * due.c
 *		What becomes due by itself, in the writer's process: functions of SQL that do
 *		a bounded piece of work and say when there will be more of it.
 *
 * Followers are called whenever events are written; each of these at most a few
 * times a second, so a flood of events pays for them no more than anybody.  Not once:
 * who is asked twice about the same thing must not keep the writer for a second more.
 */
#include "monitor/private.h"

#include "executor/spi.h"
#include "utils/timestamp.h"

#define REST_MS 1000
#define CALLS_MAX 4 /* in that time */

typedef struct DueWork
{
	const char *query;
	const char *activity;
	SPIPlanPtr plan;
	TimestampTz rested; /* when calls are counted anew */
	int calls;
} DueWork;

static DueWork incidents = {.query = "SELECT twin_internal.follow_incidents()", .activity = "following incidents"};
static DueWork deliveries = {.query = "SELECT twin_internal.follow_deliveries()", .activity = "following deliveries"};

/* What the function says. */
static TimestampTz
ask(DueWork *work)
{
	Datum due;
	bool null;

	if (work->plan == NULL)
	{
		SPIPlanPtr made = SPI_prepare(work->query, 0, NULL);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "twin_security: what is due cannot be prepared");
		work->plan = made;
	}
	if (SPI_execute_plan(work->plan, NULL, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "twin_security: what is due cannot be done");
	due = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null);
	return null ? DT_NOEND : DatumGetTimestampTz(due);
}

/* Does what is due; when something will be again. */
static TimestampTz
follow(DueWork *work)
{
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz due;

	if (base_has_come(work->rested, REST_MS))
	{
		work->rested = TimestampTzPlusMilliseconds(now, REST_MS);
		work->calls = 0;
	}
	if (++work->calls > CALLS_MAX)
		return work->rested;
	event_begin_work(work->activity);
	SPI_connect();
	due = ask(work);
	SPI_finish();
	event_end_work();
	return Max(due, work->rested); /* what is due at once goes on then */
}

static TimestampTz
follow_incidents(void)
{
	return follow(&incidents);
}

static TimestampTz
follow_deliveries(void)
{
	return follow(&deliveries);
}

void
due_init(void)
{
	event_add_follower(follow_incidents);
	event_add_follower(follow_deliveries);
}
