/*
 * loop.c
 *		epoll for sockets, a heap for clocks, signalfd for signals.
 *
 * Whatever a callback removes stays in memory until the turn is over, because
 * the same turn may still hold an event for it; nothing is called once it has
 * been removed.
 */
#include "gateway/http/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_A_TURN 256

struct Watch
{
	Loop *loop;
	int fd;
	int wanted;
	WatchCallback callback; /* NULL once removed */
	void *argument;
	Watch *next; /* among the removed */
};

struct Timer
{
	Loop *loop;
	int64_t due;
	size_t place; /* in the heap */
	TimerCallback callback;
	void *argument;
};

typedef struct Call
{
	TimerCallback callback;
	void *argument;
	int number; /* of a signal */
} Call;

typedef struct Calls
{
	Call *calls;
	size_t count;
	size_t size;
} Calls;

struct Loop
{
	int epoll;
	int signals; /* signalfd, or -1 */
	Watch *signal_watch;
	sigset_t signal_set;
	Calls handlers; /* of signals */
	Calls soon;
	Timer **heap; /* the earliest first */
	size_t timer_count;
	size_t timer_size;
	Watch *removed;
	int64_t now;
	bool stopped;
};

/* Running out of memory for a few words ends the program, as in arena.c. */
static void *
must_have(void *memory)
{
	if (memory == NULL)
	{
		(void) fputs("twin_gateway: out of memory\n", stderr);
		abort();
	}
	return memory;
}

static int64_t
read_clock(void)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t) time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

Loop *
loop_new(void)
{
	Loop *loop = must_have(calloc(1, sizeof(Loop)));

	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
	{
		free(loop);
		return NULL;
	}
	loop->signals = -1;
	(void) sigemptyset(&loop->signal_set);
	loop->now = read_clock();
	return loop;
}

/* Frees what was removed during a turn. */
static void
sweep(Loop *loop)
{
	while (loop->removed != NULL)
	{
		Watch *watch = loop->removed;

		loop->removed = watch->next;
		free(watch);
	}
}

void
loop_free(Loop *loop)
{
	if (loop == NULL)
		return;
	if (loop->signal_watch != NULL)
		watch_remove(loop->signal_watch);
	if (loop->signals >= 0)
		(void) close(loop->signals);
	for (size_t i = 0; i < loop->timer_count; i++)
		free(loop->heap[i]);
	free(loop->heap);
	free(loop->soon.calls);
	free(loop->handlers.calls);
	sweep(loop);
	(void) close(loop->epoll);
	free(loop);
}

void
loop_stop(Loop *loop)
{
	loop->stopped = true;
}

int64_t
loop_now(const Loop *loop)
{
	return loop->now;
}

/* ---- watches ---- */

static int
control(Watch *watch, int operation)
{
	struct epoll_event event = {.data.ptr = watch};

	event.events = ((watch->wanted & LOOP_READ) ? EPOLLIN : 0u) | ((watch->wanted & LOOP_WRITE) ? EPOLLOUT : 0u);
	return epoll_ctl(watch->loop->epoll, operation, watch->fd, &event);
}

Watch *
loop_watch(Loop *loop, int fd, int wanted, WatchCallback callback, void *argument)
{
	Watch *watch = must_have(calloc(1, sizeof(Watch)));

	*watch = (Watch){.loop = loop, .fd = fd, .wanted = wanted, .callback = callback, .argument = argument};
	if (control(watch, EPOLL_CTL_ADD) < 0)
	{
		int why = errno;

		free(watch);
		errno = why;
		return NULL;
	}
	return watch;
}

void
watch_want(Watch *watch, int wanted)
{
	if (watch->wanted == wanted)
		return;
	watch->wanted = wanted;
	(void) control(watch, EPOLL_CTL_MOD);
}

void
watch_remove(Watch *watch)
{
	(void) control(watch, EPOLL_CTL_DEL);
	watch->callback = NULL;
	watch->next = watch->loop->removed;
	watch->loop->removed = watch;
}

/* ---- timers ---- */

static void
place(Loop *loop, size_t at, Timer *timer)
{
	loop->heap[at] = timer;
	timer->place = at;
}

/* Moves a timer towards the top while it is earlier than its parent. */
static void
sift_up(Loop *loop, size_t at)
{
	Timer *timer = loop->heap[at];

	while (at > 0 && loop->heap[(at - 1) / 2]->due > timer->due)
	{
		place(loop, at, loop->heap[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	place(loop, at, timer);
}

/* Moves a timer down while a child is earlier. */
static void
sift_down(Loop *loop, size_t at)
{
	Timer *timer = loop->heap[at];

	for (;;)
	{
		size_t child = 2 * at + 1;

		if (child >= loop->timer_count)
			break;
		if (child + 1 < loop->timer_count && loop->heap[child + 1]->due < loop->heap[child]->due)
			child++;
		if (loop->heap[child]->due >= timer->due)
			break;
		place(loop, at, loop->heap[child]);
		at = child;
	}
	place(loop, at, timer);
}

Timer *
loop_after(Loop *loop, int64_t milliseconds, TimerCallback callback, void *argument)
{
	Timer *timer = must_have(calloc(1, sizeof(Timer)));

	if (milliseconds < 0)
		milliseconds = 0;
	*timer = (Timer){.loop = loop, .due = loop->now + milliseconds, .callback = callback, .argument = argument};
	if (loop->timer_count == loop->timer_size)
	{
		loop->timer_size = loop->timer_size > 0 ? loop->timer_size * 2 : 64;
		loop->heap = must_have(realloc(loop->heap, loop->timer_size * sizeof(Timer *)));
	}
	place(loop, loop->timer_count++, timer);
	sift_up(loop, timer->place);
	return timer;
}

void
timer_cancel(Timer *timer)
{
	Loop *loop = timer->loop;
	size_t at = timer->place;
	Timer *last = loop->heap[--loop->timer_count];

	if (last != timer)
	{
		place(loop, at, last);
		sift_up(loop, at);
		sift_down(loop, last->place);
	}
	free(timer);
}

/* Calls the timers that are due; those added meanwhile wait for the next turn even when they are due at once. */
static void
run_timers(Loop *loop)
{
	size_t most = loop->timer_count;

	while (most-- > 0 && loop->timer_count > 0 && loop->heap[0]->due <= loop->now && !loop->stopped)
	{
		Timer timer = *loop->heap[0];

		timer_cancel(loop->heap[0]);
		timer.callback(timer.argument);
	}
}

/* ---- calls ---- */

static void
add_call(Calls *calls, Call call)
{
	if (calls->count == calls->size)
	{
		calls->size = calls->size > 0 ? calls->size * 2 : 16;
		calls->calls = must_have(realloc(calls->calls, calls->size * sizeof(Call)));
	}
	calls->calls[calls->count++] = call;
}

void
loop_soon(Loop *loop, TimerCallback callback, void *argument)
{
	add_call(&loop->soon, (Call){.callback = callback, .argument = argument});
}

/* Calls what was put off, in order; what that puts off again is left for the next turn, so sockets are never starved. */
static void
run_soon(Loop *loop)
{
	size_t count = loop->soon.count;

	for (size_t i = 0; i < count; i++)
	{
		Call call = loop->soon.calls[i];

		call.callback(call.argument);
	}
	for (size_t i = count; i < loop->soon.count; i++)
		loop->soon.calls[i - count] = loop->soon.calls[i];
	loop->soon.count -= count;
}

/* ---- signals ---- */

static void
signals_arrived(void *argument, int happened)
{
	Loop *loop = argument;
	struct signalfd_siginfo arrived;

	(void) happened;
	while (read(loop->signals, &arrived, sizeof(arrived)) == (ssize_t) sizeof(arrived))
	{
		for (size_t i = 0; i < loop->handlers.count; i++)
		{
			Call call = loop->handlers.calls[i];

			if (call.number == (int) arrived.ssi_signo)
				call.callback(call.argument);
		}
	}
}

bool
loop_signal(Loop *loop, int number, TimerCallback callback, void *argument)
{
	sigset_t set = loop->signal_set;
	int fd;

	if (sigaddset(&set, number) < 0 || sigprocmask(SIG_BLOCK, &set, NULL) < 0)
		return false;
	fd = signalfd(loop->signals, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return false;
	loop->signals = fd;
	loop->signal_set = set;
	if (loop->signal_watch == NULL)
		loop->signal_watch = loop_watch(loop, fd, LOOP_READ, signals_arrived, loop);
	add_call(&loop->handlers, (Call){.callback = callback, .argument = argument, .number = number});
	return loop->signal_watch != NULL;
}

/* ---- the loop ---- */

/* Milliseconds the kernel may wait: none when there is work, for ever (-1) when there is no clock. */
static int
patience(const Loop *loop)
{
	int64_t rest;

	if (loop->soon.count > 0)
		return 0;
	if (loop->timer_count == 0)
		return -1;
	rest = loop->heap[0]->due - read_clock();
	if (rest < 0)
		return 0;
	return rest > 3600000 ? 3600000 : (int) rest;
}

void
loop_run(Loop *loop)
{
	struct epoll_event events[EVENTS_A_TURN];

	loop->stopped = false;
	while (!loop->stopped)
	{
		int count = epoll_wait(loop->epoll, events, EVENTS_A_TURN, patience(loop));

		loop->now = read_clock();
		for (int i = 0; i < count && !loop->stopped; i++)
		{
			Watch *watch = events[i].data.ptr;
			uint32_t seen = events[i].events;
			int happened = ((seen & EPOLLIN) ? LOOP_READ : 0) | ((seen & EPOLLOUT) ? LOOP_WRITE : 0) |
						   ((seen & (EPOLLERR | EPOLLHUP)) ? LOOP_BROKEN : 0);

			if (watch->callback != NULL)
				watch->callback(watch->argument, happened);
		}
		run_soon(loop);
		run_timers(loop);
		sweep(loop);
	}
}
