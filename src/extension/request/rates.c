/*
 * rates.c
 *		twin.rate_limits, as this session last read it, and taking from what it
 *		allows.
 *
 * Of the limits of a route two count, each by itself: the one that fits most
 * closely, and the one of every route ('*').  A limit's subject is its route
 * and whoever asks, so what one route takes another keeps.
 */
#include "request/private.h"

#include "limit/limit.h"

#include "access/htup_details.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_rate_limits_changed);

/* Columns, in the order of rates.sql. */
enum
{
	RATES_ROUTE = 1,
	RATES_SCOPE,
	RATES_REQUESTS,
	RATES_PERIOD,
	RATES_BURST
};

/* Of a user's name only so much is counted by; what is longer differs there or is one. */
#define USER_MAX 512

typedef struct Rule
{
	char *route;
	size_t length;
	bool is_global;
	LimitKind kind;
	RateLimit rate;
} Rule;

static Rule *rules = NULL;
static int rule_count = 0;
static int room = 0;

/* What the running request took from the limit of its own route and address. */
static struct
{
	bool is_there;
	char subject[ROUTE_RULE_MAX + 1 + USER_MAX];
	size_t length;
	RateLimit rate;
} taken;

void
rates_give_back(void)
{
	if (taken.is_there)
		limit_give_back(LIMIT_RATE_ADDRESS, taken.subject, taken.length, &taken.rate);
	taken.is_there = false;
}

void
rates_forget_taken(void)
{
	taken.is_there = false;
}

/* ---- reading ---- */

static void
begin_rules(void)
{
	room = 16;
	rules = palloc(sizeof(Rule) * room);
	rule_count = 0;
}

/* Takes a row; one that the table's constraints would not let in limits nothing. */
static bool
take_row(HeapTuple row, TupleDesc shape)
{
	Datum values[RATES_BURST];
	bool nulls[RATES_BURST];
	Rule *rule;
	Interval *period;
	char *scope;
	double nanoseconds;

	if (rule_count == room)
		rules = repalloc(rules, sizeof(Rule) * (room *= 2));
	rule = &rules[rule_count];
	for (int i = 0; i < RATES_BURST; i++)
	{
		values[i] = heap_getattr(row, i + 1, shape, &nulls[i]);
		if (nulls[i])
			return true;
	}
	period = DatumGetIntervalP(values[RATES_PERIOD - 1]);
	nanoseconds = 1e3 * period->time + 1e9 * SECS_PER_DAY * (period->day + (double) DAYS_PER_MONTH * period->month);
	rule->rate.requests = (uint32) DatumGetInt32(values[RATES_REQUESTS - 1]);
	rule->rate.burst = (uint32) DatumGetInt32(values[RATES_BURST - 1]);
	if (nanoseconds < 1000 || nanoseconds > (double) LIMIT_TIME_MAX || rule->rate.requests == 0 ||
		rule->rate.burst == 0)
		return true;
	rule->rate.period = (int64) nanoseconds;
	scope = TextDatumGetCString(values[RATES_SCOPE - 1]);
	rule->kind = strcmp(scope, "user") == 0 ? LIMIT_RATE_USER : LIMIT_RATE_ADDRESS;
	rule->route = TextDatumGetCString(values[RATES_ROUTE - 1]);
	rule->length = strlen(rule->route);
	rule->is_global = strcmp(rule->route, "*") == 0;
	rule_count++;
	return true;
}

static TableCache table = {.table = "rate_limits", .begin = begin_rules, .take_row = take_row};

void
rates_init(void)
{
	base_add_table_cache(&table);
}

/* ---- taking ---- */

/* Takes one request from one limit. */
static void
take_from(const Rule *rule, const void *subject, size_t length, RateAnswer *answer)
{
	char whole[ROUTE_RULE_MAX + 1 + USER_MAX];
	size_t route_length = Min(rule->length, ROUTE_RULE_MAX);
	RateVerdict verdict;

	memcpy(whole, rule->route, route_length);
	whole[route_length] = '\0';
	length = Min(length, USER_MAX);
	memcpy(whole + route_length + 1, subject, length);
	verdict = limit_take(rule->kind, whole, route_length + 1 + length, &rule->rate);
	answer->remaining = answer->limited ? Min(answer->remaining, verdict.remaining) : verdict.remaining;
	answer->limited = true;
	if (rule->kind == LIMIT_RATE_ADDRESS && !rule->is_global && verdict.allowed)
	{
		taken.length = route_length + 1 + length;
		memcpy(taken.subject, whole, taken.length);
		taken.rate = rule->rate;
		taken.is_there = true;
	}
	if (verdict.allowed)
		return;
	answer->allowed = false;
	answer->retry_after = Max(answer->retry_after, verdict.retry_after);
}

/* Takes one from what fits a route most closely, and from what holds for all. */
static RateAnswer
take(LimitKind kind, const char *route, size_t route_length, const void *subject, size_t length)
{
	RateAnswer answer = {.allowed = true};
	const Rule *closest = NULL;
	unsigned best = 0;

	base_refresh_table(&table);
	for (int i = 0; i < rule_count; i++)
	{
		const Rule *rule = &rules[i];
		unsigned fit;

		if (rule->kind != kind)
			continue;
		if (rule->is_global)
		{
			take_from(rule, subject, length, &answer);
			continue;
		}
		fit = route_fits(rule->route, rule->length, route, route_length);
		if (fit > best)
		{
			best = fit;
			closest = rule;
		}
	}
	if (closest != NULL)
		take_from(closest, subject, length, &answer);
	return answer;
}

RateAnswer
rates_take_address(const char *route, size_t length, const NetAddress *address)
{
	/* who comes by a unix socket, and whom nobody tells the address of, is one client */
	uint8 subject[NETWORK_SUBJECT_MAX] = "local";
	size_t subject_length = 5;

	if (address != NULL)
		subject_length = network_subject(address, subject);
	return take(LIMIT_RATE_ADDRESS, route, length, subject, subject_length);
}

RateAnswer
rates_take_user(const char *route, size_t length, const char *user)
{
	return take(LIMIT_RATE_USER, route, length, user, strlen(user));
}

/* rate_limits_changed(): trigger that tells every session to read the table again */
Datum
tsec_rate_limits_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "rate_limits_changed");
	base_tell_sessions(RelationGetRelid(((TriggerData *) fcinfo->context)->tg_relation));
	PG_RETURN_POINTER(NULL);
}
