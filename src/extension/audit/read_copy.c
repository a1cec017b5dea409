/*
 * read_copy.c
 *		COPY table TO reads its table past the executor: its rows are those that it
 *		says it processed.
 *
 * With row-level security, and for a query, it does run the executor, which
 * counts them.
 */
#include "audit/read.h"

#include "catalog/namespace.h"
#include "commands/progress.h"
#include "miscadmin.h"
#include "nodes/parsenodes.h"
#include "utils/backend_status.h"
#include "utils/rls.h"
#include "utils/timestamp.h"

struct CopyRead
{
	ReadRecord record;
	uint64 query_id;
	uint64 rows; /* counted so far */
};

static CopyRead *running = NULL; /* there is one at a time: it runs no functions but those of types */

/* Rows that the COPY of this process has sent so far, as its progress says. */
static uint64
rows_so_far(void)
{
	if (MyBEEntry == NULL || MyBEEntry->st_progress_command != PROGRESS_COMMAND_COPY)
		return 0;
	return (uint64) MyBEEntry->st_progress_param[PROGRESS_COPY_TUPLES_PROCESSED];
}

CopyRead *
copy_begin(Node *statement, uint64 query_id)
{
	CopyStmt *copy = (CopyStmt *) statement;
	CopyRead *reading;
	Oid relation;
	Oid table;

	if (!audit_is_on() || running != NULL || !IsA(statement, CopyStmt) || copy->is_from || copy->relation == NULL ||
		!audit_reads_any())
		return NULL;
	/* locked as COPY itself does it, so that it means the same table */
	relation = RangeVarGetRelid(copy->relation, AccessShareLock, true);
	table = OidIsValid(relation) ? read_table_of(relation) : InvalidOid;
	if (!OidIsValid(table) || check_enable_rls(relation, InvalidOid, true) == RLS_ENABLED)
		return NULL;
	reading = palloc0(sizeof(CopyRead));
	reading->query_id = query_id;
	record_of_read(&reading->record, table, InvalidOid, CMDTAG_COPY);
	running = reading;
	tally_arrange_tick();
	return reading;
}

/* Adds rows up to a number. */
static void
count_up_to(CopyRead *copy, uint64 rows, bool ends)
{
	ReadCount count = {.query_id = copy->query_id, .statements = ends ? 1 : 0, .rows = rows - copy->rows};

	if (rows < copy->rows || (rows == copy->rows && !ends))
		return;
	copy->rows = rows;
	tally_add(&copy->record, &count);
	copy->record.since = GetCurrentTimestamp();
}

void
copy_end(CopyRead *copy, const QueryCompletion *completion)
{
	tally_hold();
	running = NULL;
	if (completion != NULL)
		count_up_to(copy, completion->nprocessed, true);
	else if (MyBEEntry != NULL && MyBEEntry->st_progress_command == PROGRESS_COMMAND_COPY)
	{
		record_set_failed(&copy->record);
		count_up_to(copy, Max(rows_so_far(), copy->rows), true);
	}
	tally_release();
}

void
copy_count(void)
{
	if (running != NULL)
		count_up_to(running, rows_so_far(), false);
}
