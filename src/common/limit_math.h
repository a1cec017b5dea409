/*
 * limit_math.h
 *		The arithmetic of limits: failures that lock with a growing delay, and
 *		rates by the generic cell rate algorithm (ITU-T I.371), which keeps one
 *		number per subject and needs no timer.
 *
 * Times are nanoseconds of a clock that only goes forward, from any origin.
 * Should it go backward all the same, nobody is locked out for longer than the
 * policy's longest lock or one whole burst: what lies further ahead is cut.
 * Nothing here overflows, whatever the numbers.
 */
#ifndef TSEC_LIMIT_MATH_H
#define TSEC_LIMIT_MATH_H

#include <stdbool.h>
#include <stdint.h>

#define LIMIT_SECOND INT64_C(1000000000)

/* 36 years: sums of two such times do not overflow. */
#define LIMIT_TIME_MAX (INT64_C(1) << 60)

/*
 * After max_failures failures a subject is locked for lockout seconds; each
 * failure after a lock locks again, for twice as long, up to max_lockout.
 * After forget_after seconds without failure and lock the count begins anew.
 */
typedef struct FailurePolicy
{
	int max_failures; /* 1 or more */
	int lockout;      /* seconds */
	int max_lockout;  /* seconds */
	int forget_after; /* seconds */
} FailurePolicy;

/* All zero for a subject nobody knows anything about. */
typedef struct FailureState
{
	int64_t last;  /* when the latest failure was counted */
	int64_t until; /* when the latest lock ends or ended */
	uint32_t failures;
} FailureState;

/* When the lock in force ends; a time not after now when there is none. */
extern int64_t failure_lock_end(const FailureState *state, const FailurePolicy *policy, int64_t now);

/* Whether the failures are so long ago that they do not count any more. */
extern bool failure_is_forgotten(const FailureState *state, const FailurePolicy *policy, int64_t now);

/* Counts a failure; false, with nothing changed, while locked: hammering prolongs no lock. */
extern bool failure_note(FailureState *state, const FailurePolicy *policy, int64_t now);

/* Undoes one failure that was counted, and the lock it set. */
extern void failure_take_back(FailureState *state, int64_t now);

/* At most so many requests per period, of which up to burst may come at once. */
typedef struct RateLimit
{
	uint32_t requests; /* 1 or more */
	uint32_t burst;    /* 1 or more */
	int64_t period;    /* nanoseconds, 1 or more */
} RateLimit;

typedef struct RateVerdict
{
	bool allowed;
	uint32_t remaining;  /* requests that would be allowed right now, after this one */
	int64_t retry_after; /* nanoseconds until one will be allowed; 0 when this one is */
} RateVerdict;

/*
 * Takes one request from what a subject may still make.  *arrival is its whole
 * state, 0 at first: the time from which it has its whole burst again.
 */
extern RateVerdict rate_take(int64_t *arrival, const RateLimit *rate, int64_t now);

/* Gives back one request that was allowed. */
extern void rate_give_back(int64_t *arrival, const RateLimit *rate);

#endif /* TSEC_LIMIT_MATH_H */
