/*
 * limit_math.c
 *		Failures with a growing lock, and rates.
 */
#include "limit_math.h"

/* Doublings after which any lock of a second or more is beyond LIMIT_TIME_MAX. */
#define DOUBLINGS_MAX 30

static int64_t
smaller(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
larger(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

/* A time span that sums cannot overflow with. */
static int64_t
seconds(int count)
{
	return count > 0 ? count * LIMIT_SECOND : 0;
}

/* a * b, or LIMIT_TIME_MAX where that is less. */
static int64_t
product(int64_t a, int64_t b)
{
	return b > 0 && a > LIMIT_TIME_MAX / b ? LIMIT_TIME_MAX : a * b;
}

/* How long a lock lasts that the stated number of failures sets. */
static int64_t
lock_length(const FailurePolicy *policy, uint32_t failures)
{
	uint32_t doublings = failures - (uint32_t) policy->max_failures;
	int64_t length = seconds(policy->lockout);

	if (doublings > DOUBLINGS_MAX)
		doublings = DOUBLINGS_MAX;
	return smaller(product(length, INT64_C(1) << doublings), seconds(policy->max_lockout));
}

int64_t
failure_lock_end(const FailureState *state, const FailurePolicy *policy, int64_t now)
{
	return smaller(state->until, now + seconds(policy->max_lockout));
}

bool
failure_is_forgotten(const FailureState *state, const FailurePolicy *policy, int64_t now)
{
	int64_t quiet_since = larger(state->last, failure_lock_end(state, policy, now));

	return state->failures == 0 || now - quiet_since >= seconds(policy->forget_after);
}

bool
failure_note(FailureState *state, const FailurePolicy *policy, int64_t now)
{
	if (failure_lock_end(state, policy, now) > now)
		return false;
	if (failure_is_forgotten(state, policy, now))
		state->failures = 0;
	if (state->failures < UINT32_MAX)
		state->failures++;
	state->last = now;
	if (policy->max_failures < 1 || state->failures >= (uint32_t) policy->max_failures)
		state->until = now + lock_length(policy, state->failures);
	return true;
}

void
failure_take_back(FailureState *state, int64_t now)
{
	if (state->failures > 0)
		state->failures--;
	/* who was allowed to try was not locked: a lock in force is the one that the try itself set */
	state->until = smaller(state->until, now);
}

/* The time that one request takes. */
static int64_t
rate_interval(const RateLimit *rate)
{
	int64_t requests = rate->requests > 0 ? rate->requests : 1;
	int64_t period = smaller(larger(rate->period, 1), LIMIT_TIME_MAX);

	return (period + requests - 1) / requests; /* rounded up: never more than the rate */
}

RateVerdict
rate_take(int64_t *arrival, const RateLimit *rate, int64_t now)
{
	int64_t interval = rate_interval(rate);
	int64_t whole = product(interval, rate->burst > 0 ? rate->burst : 1);
	int64_t next = larger(smaller(*arrival, now + whole), now) + interval;
	RateVerdict verdict = {.allowed = next - now <= whole};

	if (verdict.allowed)
	{
		*arrival = next;
		verdict.remaining = (uint32_t) ((whole - (next - now)) / interval);
	}
	else
		verdict.retry_after = next - now - whole;
	return verdict;
}

void
rate_give_back(int64_t *arrival, const RateLimit *rate)
{
	*arrival = larger(*arrival - smaller(rate_interval(rate), larger(*arrival, 0)), 0);
}
