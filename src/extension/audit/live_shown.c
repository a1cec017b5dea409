/*
 * live_shown.c
 *		Which rows a subscription was shown, so that it hears of their end and of
 *		nobody else's: so many, the oldest are forgotten first.
 */
#include "audit/live.h"

#include "utils/hsearch.h"
#include "utils/memutils.h"

#define SHOWN_MAX 2048 /* rows that are remembered of one subscription */

typedef struct ShownRow
{
	uint64 row; /* hash of table and key */
	int place;  /* in the order below */
} ShownRow;

typedef struct Shown
{
	HTAB *rows;
	int next; /* place that is used next: the oldest row's */
	uint64 order[SHOWN_MAX];
} Shown;

static Shown *
shown_of(const TopicReader *reader)
{
	Shown *shown = *reader->memory;
	HASHCTL layout = {.keysize = sizeof(uint64), .entrysize = sizeof(ShownRow), .hcxt = reader->context};

	if (shown != NULL)
		return shown;
	shown = MemoryContextAllocZero(reader->context, sizeof(Shown));
	shown->rows = hash_create("twin_security rows shown", 64, &layout, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	*reader->memory = shown;
	return shown;
}

bool
live_was_shown(const TopicReader *reader, uint64 row)
{
	Shown *shown = *reader->memory;

	return shown != NULL && hash_search(shown->rows, &row, HASH_FIND, NULL) != NULL;
}

void
live_forget_shown(const TopicReader *reader, uint64 row)
{
	Shown *shown = shown_of(reader);
	ShownRow *entry = hash_search(shown->rows, &row, HASH_FIND, NULL);

	if (entry == NULL)
		return;
	shown->order[entry->place] = 0;
	(void) hash_search(shown->rows, &row, HASH_REMOVE, NULL);
}

void
live_note_shown(const TopicReader *reader, uint64 row)
{
	Shown *shown = shown_of(reader);
	bool found;
	ShownRow *entry = hash_search(shown->rows, &row, HASH_ENTER, &found);

	if (found)
		return;
	if (shown->order[shown->next] != 0)
		(void) hash_search(shown->rows, &shown->order[shown->next], HASH_REMOVE, NULL);
	shown->order[shown->next] = row;
	entry->place = shown->next;
	shown->next = (shown->next + 1) % SHOWN_MAX;
}
