/*
 * read_open.c
 *		Values opened: the keyring counts them and says when somebody begins;
 *		here they are put to his account.
 *
 * That somebody is whoever asks, by role and token, in the middle of a statement
 * too: a function with its owner's rights opens as its owner.
 */
#include "audit/read.h"

#include "access/parallel.h"
#include "access/xact.h"
#include "keyring/keyring.h"
#include "utils/timestamp.h"

static ReadRecord opener; /* who opens; length 0: nobody does */

/* Puts values to the account of who opens. */
static void
add_values(const ReadRecord *who, const char *key_name, int version, uint64 values, bool goes_on)
{
	ReadRecord record;
	ReadCount count = {.query_id = read_statement_query_id(),
					   .statements = goes_on ? 0 : 1,
					   .values = values,
					   .version = version == 0 ? -1 : version};

	record_of_opening(&record, who, key_name, read_statement_tag());
	tally_add(&record, &count);
}

static void
take_own(void *argument, uint32 key_id, const char *key_name, int version, uint64 opens)
{
	WorkerCount told = {.id = key_id, .name = key_name, .version = version, .count = opens};

	if (!audit_is_on())
		return;
	if (IsParallelWorker() && worker_tell(WORKER_OPENS, &told))
		return;
	add_values(&opener, key_name, version, opens, *(bool *) argument);
}

static void
take_workers(void *argument, const WorkerCount *told)
{
	ReadRecord now;

	if (opener.length == 0)
		record_of_opener(&now);
	add_values(opener.length == 0 ? &now : &opener, told->name, told->version, told->count, *(bool *) argument);
}

void
open_count(bool in_handler)
{
	bool goes_on = in_handler;

	if (opener.length == 0)
		return;
	tally_hold();
	keyring_take_opens(take_own, &goes_on, in_handler);
	if (in_handler)
		opener.since = GetCurrentTimestamp();
	else
		opener.length = 0;
	tally_release();
}

void
open_count_workers(void)
{
	bool goes_on = false;

	tally_hold();
	worker_take(WORKER_OPENS, take_workers, &goes_on);
	tally_release();
}

/* Before the first value, and when somebody else goes on. */
static void
note_opener(void)
{
	tally_hold();
	if (opener.length != 0)
	{
		bool goes_on = false;

		keyring_take_opens(take_own, &goes_on, false);
	}
	record_of_opener(&opener);
	tally_release();
	tally_arrange_tick();
}

/* A worker's are told when it ends; the process's last ones with its last transaction. */
static void
count_at_end(XactEvent event, void *argument)
{
	if (event == XACT_EVENT_PARALLEL_COMMIT || event == XACT_EVENT_PARALLEL_ABORT)
		open_count(false);
}

void
open_init(void)
{
	keyring_when_opened(note_opener);
	RegisterXactCallback(count_at_end, NULL);
}
