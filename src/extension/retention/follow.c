/*
 * follow.c
 *		Has policies applied when it is time: the writer of events looks, and starts
 *		the worker that does it.
 */
#include "retention/run.h"

#include "catalog/pg_type.h"
#include "event/event.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

#define LOOK_AGAIN_MS (10 * 60 * 1000) /* the setting may change */
#define NO_WORKER_MS (60 * 1000)

/* Whether it is time, and when it will be. */
static bool
look(TimestampTz *next)
{
	Datum seconds = Int32GetDatum(setting_retention_interval);
	bool is_due;
	bool null;

	event_begin_work("looking whether retention policies are due");
	SPI_connect();
	if (SPI_execute_with_args("SELECT is_due, next FROM twin_internal.follow_retention($1)", 1, (Oid[]){INT4OID},
							  &seconds, NULL, false, 0) != SPI_OK_SELECT ||
		SPI_processed != 1)
		elog(ERROR, "twin_security: nobody says when retention policies are due");
	is_due = DatumGetBool(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	*next = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null));
	SPI_finish();
	event_end_work();
	return is_due;
}

/* The writer calls this whenever it wrote something, too. */
static TimestampTz
follow(void)
{
	static TimestampTz look_at = 0;
	static int interval = 0;
	TimestampTz now = GetCurrentTimestamp();
	TimestampTz next;

	if (setting_retention_interval == 0)
		return DT_NOEND;
	if (interval == setting_retention_interval && !base_has_come(look_at, LOOK_AGAIN_MS))
		return look_at;
	interval = setting_retention_interval;
	look_at = TimestampTzPlusMilliseconds(now, LOOK_AGAIN_MS);
	if (look(&next) && retention_start_worker(DSM_HANDLE_INVALID) == NULL)
	{
		ereport(LOG, (errmsg("no background worker is free to apply retention policies"),
					  errhint("Raise max_worker_processes.")));
		next = TimestampTzPlusMilliseconds(now, NO_WORKER_MS);
	}
	look_at = Min(look_at, next);
	return look_at;
}

void
retention_follow_init(void)
{
	event_add_follower(follow);
}
