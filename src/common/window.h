/*
 * window.h
 *		How often something happened within a period, about one subject: a window that slides over the times of events,
 *		in a record of fixed size; and a table of such records for subjects that strangers choose.
 *
 * A window has sixteen slots, in the order of time.  Up to a threshold of sixteen every event has a slot of its own and
 * counting is exact; above that a slot takes events until it has a fifteenth of the threshold, and counts as happened when
 * its earliest event did: so the threshold is noticed at most a fifteenth of it too late, never too early.  Events may come
 * out of order.  Times are microseconds of any clock.
 */
#ifndef TSEC_WINDOW_H
#define TSEC_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WINDOW_SLOTS 16

typedef struct Window
{
	int64_t time[WINDOW_SLOTS]; /* of each slot's earliest event */
	int64_t id[WINDOW_SLOTS];   /* of the event that began it */
	int32_t weight[WINDOW_SLOTS];
	int32_t slots;  /* taken */
	int64_t newest; /* event */
} Window;

/* What counts as too often. */
typedef struct WindowPolicy
{
	int32_t threshold; /* from 1 on */
	int64_t period;
} WindowPolicy;

/* An event, which may stand for several (weight). */
typedef struct WindowEvent
{
	int64_t time;
	int64_t id;
	int32_t weight;
} WindowEvent;

/* The events in the fullest period that an event lies in. */
typedef struct WindowCount
{
	int64_t count;
	int64_t first; /* its times */
	int64_t last;
	int ids; /* of slots, the earliest first */
	int64_t id[WINDOW_SLOTS];
} WindowCount;

/*
 * Adds an event.  True: with it the threshold is reached, and *reached says by what.  One that began a slot is not added
 * again, nor one that is older than all of a full window.
 */
extern bool window_add(Window *window, const WindowPolicy *policy, const WindowEvent *event, WindowCount *reached);

/* Forgets events of after a time: those of a clock that was set back since. */
extern void window_forget_after(Window *window, int64_t time);

/* All that a window holds, within its period or not. */
extern int64_t window_sum(const Window *window);

/* ---- many of them ---- */

#define WINDOW_WAYS 8 /* entries of a bucket */

typedef struct WindowEntry
{
	uint64_t tag;        /* the keyed hash of rule and subject; 0 while free */
	int64_t expires;     /* from this time on it says nothing any more */
	int64_t quiet_until; /* before this time it is not told again */
	uint32_t database;
	Window window;
} WindowEntry;

/* The entry of a hash in its bucket; NULL when there is none. */
extern WindowEntry *window_find(WindowEntry bucket[WINDOW_WAYS], uint64_t hash, uint32_t database);

/*
 * The same, made when there is none.  One makes room that says nothing any more at a time;
 * otherwise, and *displaced says so, the one that counts least, of these the one that expires first: who brings many
 * subjects once pushes out his own, never who is being counted.
 */
extern WindowEntry *window_place(WindowEntry bucket[WINDOW_WAYS], uint64_t hash, uint32_t database, int64_t now,
								 bool *displaced);

#endif /* TSEC_WINDOW_H */
