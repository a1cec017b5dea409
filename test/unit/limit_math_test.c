/*
 * limit_math_test.c
 *		Locks that grow and end, and rates that are never exceeded, whatever the
 *		clock and the numbers do.
 */
#include "unit.h"

#include "common/limit_math.h"

#include <limits.h>

#define SECOND LIMIT_SECOND
#define NOW (1000 * SECOND)

static const FailurePolicy policy = {.max_failures = 5, .lockout = 60, .max_lockout = 3600, .forget_after = 86400};

/* Seconds that a lock lasts from now on; 0 when there is none. */
static int64_t
locked_for(const FailureState *state, int64_t now)
{
	int64_t end = failure_lock_end(state, &policy, now);

	return end > now ? (end - now) / SECOND : 0;
}

static void
failures_lock_at_the_fifth(void)
{
	FailureState state = {0};

	for (uint32_t i = 1; i < 5; i++)
	{
		CHECK(failure_note(&state, &policy, NOW));
		CHECK(state.failures == i && locked_for(&state, NOW) == 0, "%u", i);
	}
	CHECK(failure_note(&state, &policy, NOW) && locked_for(&state, NOW) == 60);
	CHECK(locked_for(&state, NOW + 59 * SECOND) == 1);
	CHECK(locked_for(&state, NOW + 60 * SECOND) == 0);
}

static void
hammering_prolongs_nothing(void)
{
	FailureState state = {0};
	FailureState before;

	for (int i = 0; i < 5; i++)
		failure_note(&state, &policy, NOW);
	before = state;
	for (int64_t t = NOW; t < NOW + 60 * SECOND; t += SECOND / 10)
		CHECK(!failure_note(&state, &policy, t));
	CHECK(memcmp(&before, &state, sizeof(state)) == 0);
	CHECK(failure_note(&state, &policy, NOW + 60 * SECOND), "the first try after the lock counts");
}

static void
locks_double_up_to_the_cap(void)
{
	static const int64_t wanted[] = {60, 120, 240, 480, 960, 1920, 3600, 3600, 3600};
	FailureState state = {.failures = 4, .last = NOW};
	int64_t now = NOW;

	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
	{
		CHECK(failure_note(&state, &policy, now));
		CHECK(locked_for(&state, now) == wanted[i], "lock %zu lasts %lld", i, (long long) locked_for(&state, now));
		now += wanted[i] * SECOND;
	}
	state.failures = UINT32_MAX;
	CHECK(failure_note(&state, &policy, now) && state.failures == UINT32_MAX && locked_for(&state, now) == 3600);
}

/* Quiet time counts from the end of the lock, or a long lock would forget itself. */
static void
failures_are_forgotten_after_quiet(void)
{
	FailureState state = {0};
	int64_t quiet = 86400 * SECOND;

	CHECK(failure_is_forgotten(&state, &policy, NOW), "nobody knows anything");
	failure_note(&state, &policy, NOW);
	CHECK(!failure_is_forgotten(&state, &policy, NOW + quiet - 1));
	CHECK(failure_is_forgotten(&state, &policy, NOW + quiet));
	failure_note(&state, &policy, NOW + quiet);
	CHECK(state.failures == 1, "the count begins anew");
	for (int i = 0; i < 4; i++)
		failure_note(&state, &policy, NOW + quiet);
	CHECK(!failure_is_forgotten(&state, &policy, NOW + 2 * quiet + 59 * SECOND));
	CHECK(failure_is_forgotten(&state, &policy, NOW + 2 * quiet + 60 * SECOND));
}

static void
success_takes_back_its_own_failure(void)
{
	FailureState state = {0};

	for (int i = 0; i < 5; i++)
		failure_note(&state, &policy, NOW);
	failure_take_back(&state, NOW);
	CHECK(state.failures == 4 && locked_for(&state, NOW) == 0, "the lock it set goes, four failures stay");
	CHECK(failure_note(&state, &policy, NOW) && locked_for(&state, NOW) == 60);
	state = (FailureState){0};
	failure_take_back(&state, NOW);
	CHECK(state.failures == 0 && locked_for(&state, NOW) == 0);
}

static void
the_cap_holds_for_locks_in_force(void)
{
	FailureState state = {.failures = 9, .last = NOW, .until = NOW + 1000000 * SECOND};

	CHECK(locked_for(&state, NOW) == 3600);
	state.until = LIMIT_TIME_MAX;
	CHECK(locked_for(&state, NOW) == 3600);
}

static void
a_clock_that_goes_backward_locks_nobody_for_ever(void)
{
	FailureState state = {0};

	for (int i = 0; i < 9; i++)
		failure_note(&state, &policy, NOW + i * 7200 * SECOND);
	CHECK(locked_for(&state, 0) <= 3600);
	CHECK(!failure_is_forgotten(&state, &policy, 0));
	state.until = 0;
	CHECK(failure_note(&state, &policy, 0) && state.failures == 10, "failures of the future still count");
	CHECK(locked_for(&state, 0) == 1920);
}

static void
policies_of_any_numbers_are_safe(void)
{
	static const int numbers[] = {INT_MIN, -1, 0, 1, 2, 60, 1000000, INT_MAX};
	enum
	{
		count = sizeof(numbers) / sizeof(numbers[0])
	};

	for (int i = 0; i < count * count * count * count; i++)
	{
		FailurePolicy any = {numbers[i % count], numbers[i / count % count], numbers[i / count / count % count],
							 numbers[i / count / count / count]};
		FailureState state = {.failures = UINT32_MAX - 2};

		for (int k = 0; k < 4; k++)
		{
			int64_t end;

			failure_note(&state, &any, LIMIT_TIME_MAX);
			end = failure_lock_end(&state, &any, LIMIT_TIME_MAX);
			CHECK(end - LIMIT_TIME_MAX <= (any.max_lockout > 0 ? any.max_lockout * SECOND : 0));
			failure_take_back(&state, LIMIT_TIME_MAX);
		}
	}
}

static void
a_burst_then_the_rate(void)
{
	RateLimit rate = {.requests = 10, .burst = 3, .period = 60 * SECOND};
	int64_t arrival = 0;
	RateVerdict verdict;

	for (uint32_t i = 0; i < 3; i++)
	{
		verdict = rate_take(&arrival, &rate, NOW);
		CHECK(verdict.allowed && verdict.remaining == 2 - i && verdict.retry_after == 0, "%u", i);
	}
	verdict = rate_take(&arrival, &rate, NOW);
	CHECK(!verdict.allowed && verdict.remaining == 0 && verdict.retry_after == 6 * SECOND);
	verdict = rate_take(&arrival, &rate, NOW + 6 * SECOND - 1);
	CHECK(!verdict.allowed && verdict.retry_after == 1);
	verdict = rate_take(&arrival, &rate, NOW + 6 * SECOND);
	CHECK(verdict.allowed && verdict.remaining == 0);
	verdict = rate_take(&arrival, &rate, NOW + 36 * SECOND);
	CHECK(verdict.allowed && verdict.remaining == 2, "after a pause the whole burst, and no more");
}

/* Over any span no more than burst plus rate, though every request comes as early as it may, and all the rest is denied. */
static void
the_rate_is_never_exceeded(void)
{
	static const RateLimit rates[] = {
		{.requests = 7, .burst = 1, .period = 10 * SECOND},      {.requests = 3, .burst = 5, .period = SECOND},
		{.requests = 1000, .burst = 10, .period = SECOND / 7},   {.requests = 1, .burst = 1, .period = 60 * SECOND},
		{.requests = 4000000000u, .burst = 2, .period = SECOND},
	};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++)
	{
		const RateLimit *rate = &rates[i];
		int64_t arrival = 0;
		int64_t now = NOW;
		uint64_t allowed = 0;

		for (int k = 0; k < 2000; k++)
		{
			RateVerdict verdict = rate_take(&arrival, rate, now);

			allowed += verdict.allowed;
			now += verdict.allowed ? 0 : verdict.retry_after;
			if (!verdict.allowed)
				CHECK(verdict.retry_after > 0);
		}
		CHECK((double) allowed <= rate->burst + (double) (now - NOW) * rate->requests / (double) rate->period + 1e-6,
			  "rate %zu: %llu", i, (unsigned long long) allowed);
		CHECK(allowed >= 999, "rate %zu: waiting as told gets through", i);
	}
}

static void
a_clock_that_goes_backward_costs_one_burst(void)
{
	RateLimit rate = {.requests = 1, .burst = 4, .period = SECOND};
	int64_t arrival = NOW + 1000000 * SECOND;
	RateVerdict verdict = rate_take(&arrival, &rate, NOW);

	CHECK(!verdict.allowed && verdict.retry_after == SECOND, "%lld", (long long) verdict.retry_after);
}

static void
rates_of_any_numbers_are_safe(void)
{
	static const uint32_t counts[] = {0, 1, 2, 1000, INT_MAX, UINT32_MAX};
	static const int64_t times[] = {INT64_MIN, -1, 0, 1, SECOND, LIMIT_TIME_MAX, INT64_MAX};

	for (int i = 0; i < 6 * 6 * 7; i++)
	{
		RateLimit rate = {.requests = counts[i % 6], .burst = counts[i / 6 % 6], .period = times[i / 36]};
		int64_t arrival = 0;

		for (int k = 0; k < 3; k++)
		{
			RateVerdict verdict = rate_take(&arrival, &rate, LIMIT_TIME_MAX);

			CHECK(k > 0 || verdict.allowed, "the first is allowed");
			CHECK(verdict.retry_after >= 0 && (verdict.retry_after == 0) == verdict.allowed);
			CHECK(arrival >= LIMIT_TIME_MAX);
		}
	}
}

static void
what_was_taken_can_be_given_back(void)
{
	RateLimit rate = {.requests = 6, .burst = 2, .period = 60 * SECOND};
	int64_t arrival = 0;

	for (int i = 0; i < 100; i++)
	{
		CHECK(rate_take(&arrival, &rate, NOW).allowed, "%d", i);
		rate_give_back(&arrival, &rate);
	}
	CHECK(rate_take(&arrival, &rate, NOW).remaining == 1);
	CHECK(rate_take(&arrival, &rate, NOW).allowed);
	CHECK(!rate_take(&arrival, &rate, NOW).allowed);
	rate_give_back(&arrival, &rate);
	CHECK(rate_take(&arrival, &rate, NOW).allowed, "one came back");
	CHECK(!rate_take(&arrival, &rate, NOW).allowed, "... and no more");
	arrival = 0;
	rate_give_back(&arrival, &rate);
	CHECK(arrival == 0, "of nothing nothing");
	arrival = INT64_MIN;
	rate_give_back(&arrival, &rate);
	CHECK(arrival == 0);
}

static const UnitCase cases[] = {
	{"five failures lock for a while", failures_lock_at_the_fifth},
	{"hammering prolongs nothing", hammering_prolongs_nothing},
	{"locks double up to the cap", locks_double_up_to_the_cap},
	{"failures are forgotten after quiet time", failures_are_forgotten_after_quiet},
	{"success takes back its own failure", success_takes_back_its_own_failure},
	{"the cap holds for locks in force", the_cap_holds_for_locks_in_force},
	{"a clock that goes backward locks nobody for ever", a_clock_that_goes_backward_locks_nobody_for_ever},
	{"policies of any numbers are safe", policies_of_any_numbers_are_safe},
	{"a burst, then the rate", a_burst_then_the_rate},
	{"the rate is never exceeded", the_rate_is_never_exceeded},
	{"a clock that goes backward costs one burst", a_clock_that_goes_backward_costs_one_burst},
	{"rates of any numbers are safe", rates_of_any_numbers_are_safe},
	{"what was taken can be given back", what_was_taken_can_be_given_back},
};

UNIT_MAIN(cases)
