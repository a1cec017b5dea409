/*
 * anomaly_year.h
 *		A year of simulated access by two hundred users, with sixty misuses of six
 *		kinds among them.
 *
 * The generator was fixed, and committed, before the model that it judges was
 * tuned; whoever changes it judges all seeds anew.  Seeds 1 to 5 are for tuning,
 * 6 and above for judging.
 *
 * What is normal is meant to be awkward: shifts that rotate, part time, services
 * that run day and night, two offices in two time zones, holidays and vacations,
 * travel at home and abroad, nights on call, overtime at a quarter's end, monthly
 * reports, rare large exports, volumes with heavy tails, people who come, leave,
 * return after months and change their role, new tables, mistyped passwords and
 * programs that are denied something every hour for weeks.
 *
 * How a model is judged, fixed with it: a user's day (UTC) has the highest score
 * of its hours, and is misuse when an event of an episode falls in it.  The days
 * of one episode weigh together as much as another's single day.  The area under
 * the ROC curve, the precision of the fifty highest, and false alerts per week of
 * a user: alerts, as they would be raised, on days without misuse.  Days before
 * YEAR_QUIET_DAYS are not ranked; false alerts count from the first day.
 */
#ifndef TSEC_BENCH_ANOMALY_YEAR_H
#define TSEC_BENCH_ANOMALY_YEAR_H

#include <stdbool.h>
#include <stdint.h>

#define YEAR_USERS 200
#define YEAR_DAYS 364 /* 52 whole weeks; the first day is a Monday */
#define YEAR_EPISODES 60
#define YEAR_QUIET_DAYS 35 /* nothing is misused before */

typedef enum YearMisuse
{
	MISUSE_NIGHT,    /* somebody who works by day works at night, from where he always does */
	MISUSE_COUNTRY,  /* an account used from abroad, at its user's hours, for much the same */
	MISUSE_DECRYPT,  /* 8 to 40 times as many values decrypted as the user's usual, at his hours */
	MISUSE_SCRAPING, /* for 5 to 10 days twice to four times as much is read, from some more tables */
	MISUSE_PROBING,  /* 4 to 20 denials in an hour or two on tables that are not the user's */
	MISUSE_DORMANT,  /* an account that nobody used for 45 to 120 days, at office hours */
	MISUSES
} YearMisuse;

extern const char *const year_misuse_names[MISUSES];

typedef enum YearDeed
{
	YEAR_LOGIN,
	YEAR_LOGIN_FAILED,
	YEAR_READ,
	YEAR_DECRYPT,
	YEAR_CHANGE,
	YEAR_DENIED
} YearDeed;

typedef struct YearEvent
{
	int64_t time; /* seconds since the year began */
	int user;
	YearDeed deed;
	uint32_t address; /* IPv4 */
	int table;        /* for YEAR_DECRYPT: a key */
	int rows;         /* read or changed, or values decrypted; else 0 */
	int episode;      /* the misuse it belongs to, -1 for none */
} YearEvent;

/* Simulates a year and calls for each event, the hours in order and within an hour the users; returns each episode's kind. */
extern void year_run(uint64_t seed, void (*take)(void *argument, const YearEvent *event), void *argument,
					 YearMisuse kinds[YEAR_EPISODES]);

#endif /* TSEC_BENCH_ANOMALY_YEAR_H */
