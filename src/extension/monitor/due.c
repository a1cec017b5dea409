/*
 * due.c
 *		What becomes due by itself, in the writer's process: functions of SQL that do
 *		a bounded piece of work and say when there will be more of it.
 *
 * Followers are called whenever events are written; each of these at most once a
 * second, so a flood of events pays for them no more than anybody.
 */
#include "monitor/private.h"

#include "executor/spi.h"
#include "utils/timestamp.h"

#define REST_MS 1000

typedef struct DueWork
{
	const char *query;
	const char *activity;
	SPIPlanPtr plan;
	TimestampTz not_before;
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
	TimestampTz due;

	if (GetCurrentTimestamp() < work->not_before)
		return work->not_before;
	work->not_before = TimestampTzPlusMilliseconds(GetCurrentTimestamp(), REST_MS);
	event_begin_work(work->activity);
	SPI_connect();
	due = ask(work);
	SPI_finish();
	event_end_work();
	return Max(due, work->not_before);
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
