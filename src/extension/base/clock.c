/*
 * clock.c
 *		Waiting, whatever becomes of the wall clock: durations are measured by one that
 *		nobody sets, and a time that was noted is not waited for longer than was meant.
 */
#include "base/base.h"

#include "utils/timestamp.h"

#include <time.h>

int64
base_uptime_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * 1000 + now.tv_nsec / 1000000 + 1;
}

bool
base_has_come(TimestampTz at, int64 ahead_ms)
{
	TimestampTz now = GetCurrentTimestamp();

	return at <= now || at > TimestampTzPlusMilliseconds(now, ahead_ms);
}
