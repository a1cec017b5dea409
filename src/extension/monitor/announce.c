/*
 * announce.c
 *		In the writer's process, alerts are announced (NOTIFY) after they were raised, in transactions of their own: see
 *		alert.sql.
 */
#include "monitor/private.h"

#include "event/event.h"

#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "utils/timestamp.h"

/* So many at once. */
#define ANNOUNCED_AT_ONCE 100

static int64
announce(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(ANNOUNCED_AT_ONCE)};
	bool null;

	if (plan == NULL)
	{
		SPIPlanPtr made = SPI_prepare("SELECT twin_internal.announce_alerts($1)", 1, types);

		if (made == NULL || SPI_keepplan(made) != 0)
			elog(ERROR, "twin_security: alerts cannot be announced");
		plan = made;
	}
	if (SPI_execute_plan(plan, values, NULL, false, 1) != SPI_OK_SELECT || SPI_processed != 1)
		elog(ERROR, "twin_security: alerts cannot be announced");
	return DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
}

static TimestampTz
follow(void)
{
	int64 announced;

	event_begin_work("announcing alerts");
	SPI_connect();
	announced = announce();
	SPI_finish();
	event_end_work();
	return announced == ANNOUNCED_AT_ONCE ? 0 : DT_NOEND;
}

void
announce_init(void)
{
	event_add_follower(follow);
}
