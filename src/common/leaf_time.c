/*
 * leaf_time.c
 *		Days and times of the server (since 2000-01-01) as RFC 3339 has them,
 *		whatever number stands for them.
 */
#include "leaf.h"

#include <stdio.h>
#include <string.h>

#define EPOCH_DAYS 730425 /* from 0000-03-01 to 2000-01-01 */
#define DAY_MICROSECONDS INT64_C(86400000000)

void
leaf_day(int64_t days, char text[LEAF_TIME_SIZE])
{
	int64_t era;
	unsigned day_of_era;
	unsigned year_of_era;
	unsigned day_of_year;
	unsigned month;
	long long year;

	/* years that begin with March, in eras of 400 of them */
	days += EPOCH_DAYS;
	era = (days >= 0 ? days : days - 146096) / 146097;
	day_of_era = (unsigned) (days - era * 146097);
	year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	year = (long long) (era * 400 + year_of_era) + (month >= 10 ? 1 : 0);
	(void) snprintf(text, LEAF_TIME_SIZE, "%04lld-%02u-%02u", year, month < 10 ? month + 3 : month - 9,
					day_of_year - (153 * month + 2) / 5 + 1);
}

void
leaf_time(int64_t time, char text[LEAF_TIME_SIZE])
{
	int64_t days = time / DAY_MICROSECONDS;
	int64_t rest = time % DAY_MICROSECONDS;
	size_t length;

	if (time == INT64_MAX || time == INT64_MIN)
	{
		strcpy(text, time > 0 ? "infinity" : "-infinity");
		return;
	}
	if (rest < 0)
	{
		rest += DAY_MICROSECONDS;
		days--;
	}
	leaf_day(days, text);
	length = strlen(text);
	(void) snprintf(text + length, LEAF_TIME_SIZE - length, "T%02u:%02u:%02u.%06uZ", (unsigned) (rest / 3600000000),
					(unsigned) (rest / 60000000 % 60), (unsigned) (rest / 1000000 % 60), (unsigned) (rest % 1000000));
}
