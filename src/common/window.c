/*
 * window.c
 *		Counting in a window that slides, and which of many makes room.
 */
#include "window.h"

#include <string.h>

/* With how much a slot is full: one event in the newest and all others full are the threshold. */
static int32_t
slot_size(const WindowPolicy *policy)
{
	return policy->threshold <= 1 ? 1 : (policy->threshold - 2) / (WINDOW_SLOTS - 1) + 1;
}

/* Whether two times lie within one period; they are so far apart at most that the difference is a number. */
static bool
is_within(int64_t earlier, int64_t later, int64_t period)
{
	return (uint64_t) later - (uint64_t) earlier < (uint64_t) period;
}

int64_t
window_sum(const Window *window)
{
	int64_t sum = 0;

	for (int i = 0; i < window->slots; i++)
		sum += window->weight[i];
	return sum;
}

/* What lies in the period that ends with a time in a slot. */
static int64_t
count_until(const Window *window, int end, int64_t time, int64_t period, int *first)
{
	int64_t count = 0;

	*first = end;
	for (int i = end; i >= 0 && is_within(window->time[i], time, period); i--)
	{
		count += window->weight[i];
		*first = i;
	}
	return count;
}

/* The fullest period that a slot lies in. */
static void
count_around(const Window *window, int place, const WindowPolicy *policy, WindowCount *fullest)
{
	/* of large slots it is known only when they began: a period ends with the newest event */
	bool is_large = slot_size(policy) > 1;

	memset(fullest, 0, sizeof(*fullest));
	for (int end = is_large ? window->slots - 1 : place; end < window->slots; end++)
	{
		int64_t time = is_large ? window->newest : window->time[end];
		int first;
		int64_t count;

		if (!is_within(window->time[place], time, policy->period))
			break;
		count = count_until(window, end, time, policy->period, &first);
		if (count <= fullest->count)
			continue;
		fullest->count = count;
		fullest->first = window->time[first];
		fullest->last = time;
		fullest->ids = end - first + 1;
		memcpy(fullest->id, &window->id[first], (size_t) fullest->ids * sizeof(int64_t));
	}
}

static void
remove_oldest(Window *window)
{
	size_t rest = (size_t) --window->slots;

	memmove(window->time, window->time + 1, rest * sizeof(window->time[0]));
	memmove(window->id, window->id + 1, rest * sizeof(window->id[0]));
	memmove(window->weight, window->weight + 1, rest * sizeof(window->weight[0]));
}

static void
insert_slot(Window *window, int place, const WindowEvent *event)
{
	size_t rest = (size_t) (window->slots++ - place);

	memmove(window->time + place + 1, window->time + place, rest * sizeof(window->time[0]));
	memmove(window->id + place + 1, window->id + place, rest * sizeof(window->id[0]));
	memmove(window->weight + place + 1, window->weight + place, rest * sizeof(window->weight[0]));
	window->time[place] = event->time;
	window->id[place] = event->id;
	window->weight[place] = event->weight;
}

/* Adds an event to a slot, if there is one and it is not full. */
static bool
add_to(Window *window, int place, int32_t size, const WindowEvent *event)
{
	int64_t sum;

	if (place < 0 || place >= window->slots || window->weight[place] >= size)
		return false;
	sum = (int64_t) window->weight[place] + event->weight;
	window->weight[place] = sum > INT32_MAX ? INT32_MAX : (int32_t) sum;
	if (event->time < window->time[place])
		window->time[place] = event->time;
	return true;
}

/* Puts an event where it belongs; its slot, or -1 when there is none for it. */
static int
put(Window *window, int32_t size, const WindowEvent *event)
{
	int place = window->slots; /* the first slot that begins later */

	while (place > 0 && window->time[place - 1] > event->time)
		place--;
	if (add_to(window, place - 1, size, event))
		return place - 1;
	if (add_to(window, place, size, event))
		return place;
	if (window->slots == WINDOW_SLOTS)
	{
		if (place == 0)
			return -1;
		remove_oldest(window);
		place--;
	}
	insert_slot(window, place, event);
	return place;
}

bool
window_add(Window *window, const WindowPolicy *policy, const WindowEvent *event, WindowCount *reached)
{
	int place;

	for (int i = 0; i < window->slots; i++)
		if (window->id[i] == event->id)
			return false;
	if (window->slots == 0 || event->time > window->newest)
		window->newest = event->time;
	place = put(window, slot_size(policy), event);
	if (place < 0)
		return false;
	count_around(window, place, policy, reached);
	return reached->count >= policy->threshold;
}

void
window_forget_after(Window *window, int64_t time)
{
	while (window->slots > 0 && window->time[window->slots - 1] > time)
		window->slots--;
	if (window->newest > time)
		window->newest = window->slots == 0 ? time : window->time[window->slots - 1];
}

/* ---- many of them ---- */

/* Whether a makes room before b. */
static bool
is_worth_less(const WindowEntry *a, const WindowEntry *b, int64_t now)
{
	bool a_void = a->tag == 0 || a->expires <= now;
	bool b_void = b->tag == 0 || b->expires <= now;
	int64_t a_sum;
	int64_t b_sum;

	if (a_void || b_void)
		return a_void && (!b_void || (a->tag == 0 && b->tag != 0));
	a_sum = window_sum(&a->window);
	b_sum = window_sum(&b->window);
	return a_sum != b_sum ? a_sum < b_sum : a->expires < b->expires;
}

/* 0 marks a free entry. */
static uint64_t
tag_of(uint64_t hash)
{
	return hash == 0 ? 1 : hash;
}

WindowEntry *
window_find(WindowEntry bucket[WINDOW_WAYS], uint64_t hash, uint32_t database)
{
	for (int i = 0; i < WINDOW_WAYS; i++)
		if (bucket[i].tag == tag_of(hash) && bucket[i].database == database)
			return &bucket[i];
	return NULL;
}

WindowEntry *
window_place(WindowEntry bucket[WINDOW_WAYS], uint64_t hash, uint32_t database, int64_t now, bool *displaced)
{
	WindowEntry *entry = window_find(bucket, hash, database);

	*displaced = false;
	if (entry != NULL)
		return entry;
	entry = &bucket[0];
	for (int i = 1; i < WINDOW_WAYS; i++)
		if (is_worth_less(&bucket[i], entry, now))
			entry = &bucket[i];
	*displaced = entry->tag != 0 && entry->expires > now;
	memset(entry, 0, sizeof(*entry));
	entry->tag = tag_of(hash);
	entry->database = database;
	entry->quiet_until = INT64_MIN;
	return entry;
}
