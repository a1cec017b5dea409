/*
 * loop.h
 *		The one loop of the program: sockets, clocks, signals.
 *
 * Everything happens in one thread, so nothing here or above it needs a lock;
 * nothing may block.  Callbacks may add, change and remove watches and timers
 * at will, their own included.
 */
#ifndef GATEWAY_LOOP_H
#define GATEWAY_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#define LOOP_READ 1
#define LOOP_WRITE 2
#define LOOP_BROKEN 4 /* given only: the other side has gone or there is an error */

typedef struct Loop Loop;
typedef struct Watch Watch;
typedef struct Timer Timer;

typedef void (*WatchCallback)(void *argument, int happened);
typedef void (*TimerCallback)(void *argument);

/* NULL with errno when the kernel refuses. */
extern Loop *loop_new(void);
extern void loop_free(Loop *loop);

/* Runs until loop_stop(). */
extern void loop_run(Loop *loop);
extern void loop_stop(Loop *loop);

/* Watches a file descriptor for LOOP_READ and LOOP_WRITE (level-triggered); NULL with errno. */
extern Watch *loop_watch(Loop *loop, int fd, int wanted, WatchCallback callback, void *argument);
extern void watch_want(Watch *watch, int wanted);
extern void watch_remove(Watch *watch); /* does not close */

/* Calls once after so many milliseconds. */
extern Timer *loop_after(Loop *loop, int64_t milliseconds, TimerCallback callback, void *argument);
extern void timer_cancel(Timer *timer); /* not after it has called */

/* Calls before the loop waits again; for work that must not happen in the middle of a callback. */
extern void loop_soon(Loop *loop, TimerCallback callback, void *argument);

/* Calls for each arrival of a signal, from the loop and not from the handler. */
extern bool loop_signal(Loop *loop, int number, TimerCallback callback, void *argument);

/* Milliseconds of a clock that never goes back; of this turn of the loop. */
extern int64_t loop_now(const Loop *loop);

#endif /* GATEWAY_LOOP_H */
