/*
 * loop_test.c
 *		The loop: clocks in order, callbacks that remove what is about to be
 *		called, signals, and work put off.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "gateway/http/loop.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

static Loop *loop;
static char order[4096];
static size_t length;

static void
note(void *argument)
{
	order[length++] = *(const char *) argument;
	order[length] = '\0';
}

static void
stop(void *argument)
{
	(void) argument;
	loop_stop(loop);
}

static void
begin(void)
{
	loop = loop_new();
	length = 0;
	order[0] = '\0';
}

static void
clocks_in_order(void)
{
	begin();
	loop_after(loop, 20, note, "c");
	loop_after(loop, 0, note, "a");
	loop_after(loop, 10, note, "b");
	loop_after(loop, 30, stop, NULL);
	loop_run(loop);
	CHECK(strcmp(order, "abc") == 0, "%s", order);
	loop_free(loop);
}

/* A heap that is shuffled, with every third timer taken out again. */
static int64_t last_due;
static int called;

typedef struct Due
{
	int64_t due;
	Timer *timer;
	bool cancelled;
} Due;

static void
note_due(void *argument)
{
	Due *due = argument;

	CHECK(!due->cancelled);
	CHECK(due->due >= last_due, "%d after %d", (int) due->due, (int) last_due);
	last_due = due->due;
	called++;
}

static void
many_clocks(void)
{
	static Due dues[2000];
	uint32_t state = 7;

	begin();
	called = 0;
	last_due = 0;
	for (int i = 0; i < 2000; i++)
	{
		state = state * 1664525u + 1013904223u;
		dues[i].due = (int64_t) (state >> 24) / 4;
		dues[i].cancelled = false;
		dues[i].timer = loop_after(loop, dues[i].due, note_due, &dues[i]);
	}
	for (int i = 0; i < 2000; i += 3)
	{
		dues[i].cancelled = true;
		timer_cancel(dues[i].timer);
	}
	loop_after(loop, 100, stop, NULL);
	loop_run(loop);
	CHECK(called == 1333, "%d", called);
	loop_free(loop);
}

static Timer *rival;

static void
cancel_rival(void *argument)
{
	note(argument);
	timer_cancel(rival);
}

static void
a_clock_cancels_another(void)
{
	begin();
	loop_after(loop, 5, cancel_rival, "a");
	rival = loop_after(loop, 5, note, "x");
	loop_after(loop, 20, stop, NULL);
	loop_run(loop);
	CHECK(strcmp(order, "a") == 0, "%s", order);
	loop_free(loop);
}

static Watch *watches[2];
static int pairs[2][2];

static void
remove_both(void *argument, int happened)
{
	note(argument);
	CHECK(happened & LOOP_READ);
	watch_remove(watches[0]);
	watch_remove(watches[1]);
}

/* Both are ready in one turn, and the first that is called removes both: the other is not called. */
static void
a_watch_removes_another(void)
{
	begin();
	for (int i = 0; i < 2; i++)
	{
		CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[i]) == 0);
		CHECK(write(pairs[i][1], "x", 1) == 1);
		watches[i] = loop_watch(loop, pairs[i][0], LOOP_READ, remove_both, "w");
	}
	loop_after(loop, 20, stop, NULL);
	loop_run(loop);
	CHECK(strcmp(order, "w") == 0, "%s", order);
	for (int i = 0; i < 4; i++)
		(void) close(pairs[i / 2][i % 2]);
	loop_free(loop);
}

static int seen;

static void
note_happened(void *argument, int happened)
{
	(void) argument;
	seen |= happened;
	if (happened & LOOP_BROKEN)
		loop_stop(loop);
	if (happened & LOOP_WRITE)
	{
		watch_want(watches[0], 0);
		(void) close(pairs[0][1]);
	}
}

static void
broken_is_told_unasked(void)
{
	begin();
	seen = 0;
	CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pairs[0]) == 0);
	watches[0] = loop_watch(loop, pairs[0][0], LOOP_WRITE, note_happened, NULL);
	loop_run(loop);
	CHECK(seen == (LOOP_WRITE | LOOP_BROKEN), "%d", seen);
	watch_remove(watches[0]);
	(void) close(pairs[0][0]);
	loop_free(loop);
}

static void
again(void *argument)
{
	note(argument);
	if (length < 3)
		loop_soon(loop, again, argument);
	else
		loop_stop(loop);
}

static void
soon_is_soon(void)
{
	begin();
	loop_soon(loop, again, "s");
	loop_run(loop);
	CHECK(strcmp(order, "sss") == 0, "%s", order);
	loop_free(loop);
}

static void
signals_come_from_the_loop(void)
{
	begin();
	CHECK(loop_signal(loop, SIGUSR1, note, "1"));
	CHECK(loop_signal(loop, SIGUSR2, note, "2"));
	CHECK(loop_signal(loop, SIGUSR2, stop, NULL));
	CHECK(raise(SIGUSR1) == 0);
	CHECK(length == 0);
	CHECK(raise(SIGUSR2) == 0);
	loop_run(loop);
	CHECK(strchr(order, '1') != NULL && strchr(order, '2') != NULL, "%s", order);
	loop_free(loop);
}

static void
refused_descriptors(void)
{
	begin();
	CHECK(loop_watch(loop, -1, LOOP_READ, note_happened, NULL) == NULL);
	loop_free(loop);
}

static const UnitCase cases[] = {
	{"clocks are called in the order they are due", clocks_in_order},
	{"two thousand clocks, a third of them cancelled", many_clocks},
	{"a clock may cancel another that is due", a_clock_cancels_another},
	{"a watch that was removed is not called in the same turn", a_watch_removes_another},
	{"a broken connection is told without asking", broken_is_told_unasked},
	{"work that is put off is done in order", soon_is_soon},
	{"signals arrive in the loop", signals_come_from_the_loop},
	{"a descriptor that is none is refused", refused_descriptors},
};

UNIT_MAIN(cases)
