/*
 * partition.c
 *		Which leaves the rows of one partition are, in the order of the tree.
 *
 * Whether rows of a partition are next to each other in the tree is nothing that
 * the server's statistics tell.  So the ids between which they lie are looked up
 * first and given to it as constants: then it reads both indexes from there to
 * there and merges them, whatever it believes of twin_internal.sealed, instead of
 * looking up each row.
 */
#include "ledger/private.h"

#include "catalog/pg_type.h"

/* Reads between which ids its rows lie; false: it has none. */
static bool
find_bounds(const char *partition, Datum bounds[2])
{
	bool null;

	if (SPI_execute(psprintf("SELECT min(e.event_id), max(e.event_id) FROM ONLY %s e", partition), true, 0) !=
		SPI_OK_SELECT)
		elog(ERROR, "twin_security: a statement of the ledger did something else");
	bounds[0] = plan_value(0, 1, &null);
	bounds[1] = plan_value(0, 2, &null);
	SPI_freetuptable(SPI_tuptable);
	return !null;
}

Portal
partition_open(const char *partition)
{
	Datum bounds[2];
	const char *nulls = find_bounds(partition, bounds) ? "  " : "nn";
	const char *query = psprintf("SELECT s.record_id, s.first_leaf, s.leaves FROM ONLY %s e "
								 "LEFT JOIN twin_internal.sealed s ON s.record_id = e.event_id "
								 "AND s.record_id BETWEEN $1 AND $2 ORDER BY s.first_leaf NULLS FIRST",
								 partition);

	return SPI_cursor_open_with_args(NULL, query, 2, (Oid[]){INT8OID, INT8OID}, bounds, nulls, true,
									 CURSOR_OPT_SCROLL);
}

/* A number of the row at hand; false where it is null. */
static bool
take_number(int column, int64 *number)
{
	bool null;
	Datum value = plan_value(0, column, &null);

	*number = column == PARTITION_LEAVES ? DatumGetInt32(value) : DatumGetInt64(value);
	return !null;
}

uint64
partition_survey(Portal portal, int64 *first_leaf, int64 *last_leaf, uint64 *waiting)
{
	int64 leaves = 0;
	uint64 rows = 0;

	*first_leaf = *last_leaf = 0;
	*waiting = 0;
	for (;;)
	{
		bool is_sealed;

		SPI_cursor_fetch(portal, true, 1);
		if (SPI_processed == 0)
			break;
		rows++;
		is_sealed = take_number(PARTITION_FIRST_LEAF, first_leaf);
		SPI_freetuptable(SPI_tuptable);
		if (is_sealed)
			break;
		(*waiting)++;
	}
	SPI_scroll_cursor_move(portal, FETCH_FORWARD, FETCH_ALL);
	rows += SPI_processed;
	if (rows > *waiting)
	{
		SPI_scroll_cursor_fetch(portal, FETCH_BACKWARD, 1);
		(void) take_number(PARTITION_FIRST_LEAF, last_leaf);
		(void) take_number(PARTITION_LEAVES, &leaves);
		SPI_freetuptable(SPI_tuptable);
		*last_leaf += leaves - 1;
	}
	SPI_scroll_cursor_move(portal, FETCH_ABSOLUTE, 0);
	return rows;
}
