/*
 * anomaly.c
 *		How well unusual access is found in simulated years: what is judged, and how,
 *		stands in anomaly_year.h.  Beside it what is often done: each amount's
 *		standard score against the user's own past, the highest of which counts.
 *
 *		anomaly FIRST LAST [list]	seeds; list prints the highest days of each
 */
#include "anomaly_year.h"

#include "common/anomaly.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGINS INT64_C(1704067200) /* a Monday, in seconds since 1970 */
#define FIRST_HOUR (BEGINS / 3600)
#define COOLDOWN 24 /* hours without another alert about a user */
#define HIGHEST 50  /* of which the precision is told */
#define DAYS (YEAR_DAYS + 1)
#define USER_WEEKS (YEAR_USERS * YEAR_DAYS / 7.0)

typedef struct Day
{
	bool is_active;
	bool is_alerted;
	int episode;
	float score;
	float standard;
	float features[ANOMALY_FEATURES];
} Day;

/* What the standard scores look at. */
typedef enum Amount
{
	AMOUNT_HOUR,
	AMOUNT_PAUSE,
	AMOUNT_NEW_NETWORKS,
	AMOUNT_OBJECTS,
	AMOUNT_ROWS,
	AMOUNT_VALUES,
	AMOUNT_DENIALS,
	AMOUNTS
} Amount;

typedef struct Standard
{
	double count;
	double sum[AMOUNTS];
	double squares[AMOUNTS];
	uint32_t last;
	uint8_t networks[8192]; /* a bit for each hash's end */
} Standard;

typedef struct Trial
{
	AnomalyModel model;
	AnomalyProfile profiles[YEAR_USERS];
	Standard standards[YEAR_USERS];
	int window_episode[YEAR_USERS];
	uint32_t quiet_until[YEAR_USERS];
	Day days[YEAR_USERS][DAYS];
	YearMisuse kinds[YEAR_EPISODES];
} Trial;

/* ---- the standard scores ---- */

static void
amounts_of(Standard *standard, const AnomalyWindow *window, double amounts[AMOUNTS])
{
	memset(amounts, 0, AMOUNTS * sizeof(double));
	amounts[AMOUNT_HOUR] = window->hour % 24;
	amounts[AMOUNT_PAUSE] = standard->last == 0 ? 0 : log2(window->hour - standard->last);
	amounts[AMOUNT_ROWS] = log2(1 + (double) window->amounts[ANOMALY_AMOUNT_ROWS]);
	amounts[AMOUNT_VALUES] = log2(1 + (double) window->amounts[ANOMALY_AMOUNT_VALUES]);
	amounts[AMOUNT_DENIALS] = log2(1 + (double) window->denials);
	for (int i = 0; i < window->key_count; i++)
	{
		const AnomalyKey *key = &window->keys[i];
		uint16_t place = (uint16_t) (key->hash >> 40);

		if (key->sort == ANOMALY_OBJECTS)
			amounts[AMOUNT_OBJECTS]++;
		if (key->sort != ANOMALY_NETWORKS || (standard->networks[place / 8] >> place % 8 & 1) != 0)
			continue;
		amounts[AMOUNT_NEW_NETWORKS]++;
		standard->networks[place / 8] |= (uint8_t) (1 << place % 8);
	}
	standard->last = window->hour;
}

/* The highest score of a window, which then counts among the past. */
static double
standard_score(Standard *standard, const AnomalyWindow *window)
{
	double amounts[AMOUNTS];
	double highest = 0;

	amounts_of(standard, window, amounts);
	for (int i = 0; i < AMOUNTS; i++)
	{
		double mean = standard->count > 0 ? standard->sum[i] / standard->count : 0;
		double variance = standard->count > 0 ? standard->squares[i] / standard->count - mean * mean : 0;
		double score = (amounts[i] - mean) / sqrt(variance > 0.01 ? variance : 0.01);

		if (i == AMOUNT_HOUR)
			score = fabs(score);
		if (standard->count > 20 && score > highest)
			highest = score;
		standard->sum[i] += amounts[i];
		standard->squares[i] += amounts[i] * amounts[i];
	}
	standard->count++;
	return highest;
}

/* ---- a year ---- */

static void
close_window(Trial *trial, int user)
{
	AnomalyProfile *profile = &trial->profiles[user];
	Day *day = &trial->days[user][(profile->window.hour - FIRST_HOUR) / 24];
	double standard = standard_score(&trial->standards[user], &profile->window);
	AnomalyScore score;

	anomaly_score(&trial->model, profile, false, &score);
	if (!day->is_active || score.score > day->score)
	{
		day->score = score.score;
		memcpy(day->features, score.features, sizeof(day->features));
	}
	if (standard > day->standard)
		day->standard = (float) standard;
	day->is_active = true;
	if (score.score >= ANOMALY_ALERT && profile->window.hour >= trial->quiet_until[user])
	{
		day->is_alerted = true;
		trial->quiet_until[user] = profile->window.hour + COOLDOWN;
	}
	if (trial->window_episode[user] >= 0)
		day->episode = trial->window_episode[user];
	trial->window_episode[user] = -1;
	anomaly_close(&trial->model, profile);
}

/* Numbers far apart stand for hashes. */
static uint64_t
hash_of(uint64_t number)
{
	return (number + 1) * UINT64_C(0x9e3779b97f4a7c15);
}

static void
take(void *argument, const YearEvent *event)
{
	static const AnomalyDeed deeds[] = {ANOMALY_OTHER,   ANOMALY_OTHER,  ANOMALY_READ,
										ANOMALY_DECRYPT, ANOMALY_CHANGE, ANOMALY_DENIED};
	Trial *trial = argument;
	AnomalyProfile *profile = &trial->profiles[event->user];
	AnomalyEvent noted = {.time = event->time + BEGINS,
						  .deed = deeds[event->deed],
						  .rows = (uint32_t) event->rows,
						  .network = hash_of(event->address >> 16),
						  .action = hash_of(event->deed)};

	/* anybody can cause one in another's name: these are for rules that count */
	if (event->deed == YEAR_LOGIN_FAILED)
		return;
	if (event->deed >= YEAR_READ)
		noted.object = hash_of((uint64_t) event->table + (event->deed == YEAR_DECRYPT ? 1000 : 0));
	if (anomaly_is_over(profile, noted.time))
		close_window(trial, event->user);
	anomaly_note(profile, &noted);
	if (event->episode >= 0)
		trial->window_episode[event->user] = event->episode;
}

static void
run(Trial *trial, uint64_t seed)
{
	memset(trial, 0, sizeof(*trial));
	anomaly_model_init(&trial->model, 1);
	for (int user = 0; user < YEAR_USERS; user++)
	{
		anomaly_profile_init(&trial->profiles[user]);
		trial->window_episode[user] = -1;
		for (int day = 0; day < DAYS; day++)
			trial->days[user][day].episode = -1;
	}
	year_run(seed, take, trial, trial->kinds);
	for (int user = 0; user < YEAR_USERS; user++)
		if (trial->profiles[user].window.events > 0)
			close_window(trial, user);
}

/* ---- ranks ---- */

typedef struct Ranked
{
	float score;
	float weight; /* of misuse; 0: none */
	const Day *day;
} Ranked;

static int
higher_first(const void *a, const void *b)
{
	float x = ((const Ranked *) a)->score;
	float y = ((const Ranked *) b)->score;

	return x > y ? -1 : x < y;
}

static int
rank(const Trial *trial, bool is_standard, Ranked *ranked)
{
	int days_of[YEAR_EPISODES] = {0};
	int count = 0;

	for (int pass = 0; pass < 2; pass++)
		for (int user = 0; user < YEAR_USERS; user++)
			for (int i = YEAR_QUIET_DAYS; i < DAYS; i++)
			{
				const Day *day = &trial->days[user][i];

				if (!day->is_active)
					continue;
				if (pass == 0 && day->episode >= 0)
					days_of[day->episode]++;
				if (pass == 1)
					ranked[count++] = (Ranked){.score = is_standard ? day->standard : day->score,
											   .weight = day->episode < 0 ? 0 : 1.0f / (float) days_of[day->episode],
											   .day = day};
			}
	qsort(ranked, (size_t) count, sizeof(Ranked), higher_first);
	return count;
}

/* Area under the ROC curve of one kind of misuse, or of all (MISUSES), beside days without; ties count half. */
static double
area(const Trial *trial, const Ranked *ranked, int count, int kind)
{
	double below = 0;
	double misuses = 0;
	double sum = 0;

	for (int i = count - 1; i >= 0;)
	{
		float score = ranked[i].score;
		double ties = 0;
		double misuse = 0;

		for (; i >= 0 && ranked[i].score == score; i--)
			if (ranked[i].weight == 0)
				ties++;
			else if (kind == MISUSES || (int) trial->kinds[ranked[i].day->episode] == kind)
				misuse += ranked[i].weight;
		sum += misuse * (below + ties / 2);
		misuses += misuse;
		below += ties;
	}
	return sum / (misuses * below);
}

/* ---- results ---- */

typedef struct Result
{
	double area[MISUSES + 1]; /* of each kind, then of all */
	double precision;
	double standard_area[MISUSES + 1];
	double standard_precision;
	double false_alerts; /* in a user's week */
	double found[MISUSES + 1];
} Result;

static double
precision(const Ranked *ranked)
{
	int misuse = 0;

	for (int i = 0; i < HIGHEST; i++)
		misuse += ranked[i].weight > 0;
	return (double) misuse / HIGHEST;
}

static void
count_alerts(const Trial *trial, Result *result)
{
	bool found[YEAR_EPISODES] = {false};

	for (int user = 0; user < YEAR_USERS; user++)
		for (int i = 0; i < DAYS; i++)
		{
			const Day *day = &trial->days[user][i];

			if (day->is_alerted && day->episode >= 0)
				found[day->episode] = true;
			else if (day->is_alerted)
				result->false_alerts += 1 / USER_WEEKS;
		}
	for (int i = 0; i < YEAR_EPISODES; i++)
		if (found[i])
		{
			result->found[trial->kinds[i]]++;
			result->found[MISUSES]++;
		}
}

static void
list(const Trial *trial, const Ranked *ranked)
{
	for (int i = 0; i < 2 * HIGHEST; i++)
	{
		const Day *day = ranked[i].day;

		printf("%6.2f %-18s", ranked[i].score,
			   day->episode < 0 ? "-" : year_misuse_names[trial->kinds[day->episode]]);
		for (int k = 0; k < ANOMALY_FEATURES; k++)
			if (day->features[k] >= 1)
				printf(" %s %.1f", anomaly_feature_names[k], day->features[k]);
		printf("\n");
	}
}

static Result
judge(const Trial *trial, bool with_list)
{
	static Ranked ranked[YEAR_USERS * DAYS];
	Result result = {0};
	int count = rank(trial, true, ranked);

	for (int kind = 0; kind <= MISUSES; kind++)
		result.standard_area[kind] = area(trial, ranked, count, kind);
	result.standard_precision = precision(ranked);
	count = rank(trial, false, ranked);
	for (int kind = 0; kind <= MISUSES; kind++)
		result.area[kind] = area(trial, ranked, count, kind);
	result.precision = precision(ranked);
	count_alerts(trial, &result);
	if (with_list)
		list(trial, ranked);
	return result;
}

static void
add(Result *sum, const Result *result, double share)
{
	for (int kind = 0; kind <= MISUSES; kind++)
	{
		sum->area[kind] += result->area[kind] * share;
		sum->standard_area[kind] += result->standard_area[kind] * share;
		sum->found[kind] += result->found[kind] * share;
	}
	sum->precision += result->precision * share;
	sum->standard_precision += result->standard_precision * share;
	sum->false_alerts += result->false_alerts * share;
}

static void
print_mean(const Result *mean)
{
	printf("\nmean of the seeds       model  standard scores  found\n");
	for (int kind = 0; kind <= MISUSES; kind++)
		printf("ROC AUC, %-18s %.3f  %.3f  %4.1f of %d\n", kind == MISUSES ? "all" : year_misuse_names[kind],
			   mean->area[kind], mean->standard_area[kind], mean->found[kind],
			   kind == MISUSES ? YEAR_EPISODES : YEAR_EPISODES / MISUSES);
	printf("precision at %d          %.3f  %.3f\n", HIGHEST, mean->precision, mean->standard_precision);
	printf("false alerts in a user's week  %.3f\n", mean->false_alerts);
}

int
main(int argc, char **argv)
{
	static Trial trial;
	int first = argc > 1 ? atoi(argv[1]) : 6;
	int last = argc > 2 ? atoi(argv[2]) : 15;
	Result mean = {0};

	if (first < 1 || last < first)
	{
		fprintf(stderr, "anomaly FIRST LAST [list]\n");
		return 2;
	}
	for (int seed = first; seed <= last; seed++)
	{
		Result result;

		run(&trial, (uint64_t) seed);
		result = judge(&trial, argc > 3);
		add(&mean, &result, 1.0 / (last - first + 1));
		printf("seed %2d: ROC AUC %.3f, precision at %d %.2f, %.3f false alerts in a user's week, %.0f of %d found; "
			   "standard scores %.3f, %.2f\n",
			   seed, result.area[MISUSES], HIGHEST, result.precision, result.false_alerts, result.found[MISUSES],
			   YEAR_EPISODES, result.standard_area[MISUSES], result.standard_precision);
	}
	print_mean(&mean);
	return 0;
}
