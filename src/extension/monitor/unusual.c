/*
 * unusual.c
 *		Learns from the log of events what is usual for whom, and has an alert raised
 *		of what is not.
 *
 * The log's events come in batches.  When one ends, its users' profiles are read,
 * taught, judged and written, all at once: nothing is kept from one batch to the
 * next but the model, so what was rolled back is forgotten by itself, and an
 * analyst's word (mark_alert_false()) counts from the next batch on.
 */
#include "monitor/unusual.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* An event of the batch, and whose it is. */
typedef struct Noted
{
	UnusualProfile *kept;
	AnomalyEvent event;
	TimestampTz time;
	int64 event_id;
} Noted;

/* The batch's users and events, and from which leaf on it was not noted yet. */
static MemoryContext batch_context = NULL;
static HTAB *users = NULL;
static List *events = NIL;
static uint64 noted_to = 0;
static bool is_ending = false; /* or did end with an error */

/* ---- while the batch is shown ---- */

static void
forget_batch(void)
{
	if (batch_context != NULL)
		MemoryContextReset(batch_context);
	users = NULL;
	events = NIL;
	is_ending = false;
}

/* A batch was rolled back, and may come again: the tables say what was learned. */
static void
undo_batch(void)
{
	unusual_forget_model();
	forget_batch();
}

static void
begin_batch(void)
{
	HASHCTL how = {.keysize = sizeof(UnusualUser), .entrysize = sizeof(UnusualProfile)};

	if (batch_context == NULL)
		batch_context =
			AllocSetContextCreate(TopMemoryContext, "twin_security access profiles", ALLOCSET_DEFAULT_SIZES);
	how.hcxt = batch_context;
	users = hash_create("twin_security access profiles", 64, &how, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

static void
watch(const WatchedEvent *event)
{
	MemoryContext outer;
	UnusualUser user;
	Noted *noted;

	if (is_ending || event->leaf_index < noted_to)
		undo_batch();
	noted_to = event->leaf_index + event->rows;
	if (!unusual_concerns(event, &user))
		return;
	if (users == NULL)
		begin_batch();
	outer = MemoryContextSwitchTo(batch_context);
	noted = palloc(sizeof(Noted));
	noted->kept = hash_search(users, &user, HASH_ENTER, NULL);
	noted->event = unusual_event(event, unusual_model()->seed);
	noted->time = unusual_time(event);
	noted->event_id = event->event_id;
	events = lappend(events, noted);
	MemoryContextSwitchTo(outer);
}

/* ---- when it ends ---- */

static void
raise_alert(void *kept)
{
	unusual_alert(kept, unusual_model());
}

/* Raises an alert when the open window is worth one; what that raises itself costs no more than the alert. */
static void
judge(UnusualProfile *kept)
{
	AnomalyScore score;

	anomaly_score(unusual_model(), &kept->profile, false, &score);
	if (score.score >= ANOMALY_ALERT)
		(void) stream_try(raise_alert, kept, "an alert of unusual access could not be raised");
}

/* A window that this batch added nothing to was judged with the batch that did. */
static void
close_window(UnusualProfile *kept)
{
	if (kept->is_fresh)
		judge(kept);
	anomaly_close(unusual_model(), &kept->profile);
	kept->event_count = 0;
}

static void
note_id(UnusualProfile *kept, int64 id)
{
	if (kept->event_count == UNUSUAL_EVENTS)
		memmove(&kept->events[0], &kept->events[1], (UNUSUAL_EVENTS - 1) * sizeof(int64));
	else
		kept->event_count++;
	kept->events[kept->event_count - 1] = id;
}

/* Adds an event to its user's window; how many windows that closed. */
static int
take(const Noted *noted)
{
	UnusualProfile *kept = noted->kept;
	bool is_over = anomaly_is_over(&kept->profile, noted->event.time);

	if (is_over)
		close_window(kept);
	anomaly_note(&kept->profile, &noted->event);
	kept->is_fresh = true;
	kept->last_active = Max(kept->last_active, noted->time);
	note_id(kept, noted->event_id);
	return is_over;
}

static UnusualProfile **
list_users(int *count)
{
	UnusualProfile **list = palloc(hash_get_num_entries(users) * sizeof(UnusualProfile *));
	HASH_SEQ_STATUS all;
	UnusualProfile *kept;

	*count = 0;
	hash_seq_init(&all, users);
	while ((kept = hash_seq_search(&all)) != NULL)
		list[(*count)++] = kept;
	return list;
}

static void
end_batch(void)
{
	UnusualProfile **all;
	ListCell *cell;
	int closed = 0;
	int count;

	if (is_ending)
		undo_batch();
	if (users == NULL)
		return;
	is_ending = true;
	all = list_users(&count);
	unusual_load(all, count);
	foreach(cell, events)
		closed += take(lfirst(cell));
	for (int i = 0; i < count; i++)
		judge(all[i]);
	unusual_store(all, count);
	unusual_keep_model(closed);
	forget_batch();
}

void
unusual_init(void)
{
	monitor_add_watcher(watch, end_batch);
}
