/*
 * anomaly.c
 *		How well unusual access is found in simulated years: what is judged, and how,
 *		stands in anomaly_year.h.
 *
 *		anomaly FIRST LAST		seeds
 */
#include "anomaly_year.h"

#include "common/anomaly.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BEGINS (INT64_C(1704067200)) /* a Monday, in seconds since 1970 */
#define COOLDOWN 24                  /* hours, of alerts about a user */

static float threshold = ANOMALY_ALERT;

typedef struct Day
{
	float score;
	float baseline;
	int episode;
	bool active;
	bool alerted;
	float features[ANOMALY_FEATURES];
} Day;

typedef struct Trial
{
	AnomalyModel model;
	AnomalyProfile profiles[YEAR_USERS];
	int window_episode[YEAR_USERS];
	int64_t quiet_until[YEAR_USERS];
	Day days[YEAR_USERS][YEAR_DAYS + 1];
	YearMisuse kinds[YEAR_EPISODES];
} Trial;

static void
close_window(Trial *trial, int user)
{
	AnomalyProfile *profile = &trial->profiles[user];
	Day *day = &trial->days[user][((int64_t) profile->window.hour - BEGINS / 3600) / 24];
	AnomalyScore score;

	anomaly_score(&trial->model, profile, false, &score);
	if (!day->active || score.score > day->score)
	{
		day->score = score.score;
		memcpy(day->features, score.features, sizeof(day->features));
	}
	day->active = true;
	if (score.score >= threshold && profile->window.hour >= trial->quiet_until[user])
	{
		day->alerted = true;
		trial->quiet_until[user] = profile->window.hour + COOLDOWN;
	}
	if (trial->window_episode[user] >= 0)
		day->episode = trial->window_episode[user];
	trial->window_episode[user] = -1;
	anomaly_close(&trial->model, profile);
}

static void
take(void *argument, const YearEvent *event)
{
	static const AnomalyDeed deeds[] = {ANOMALY_OTHER, ANOMALY_DENIED, ANOMALY_READ, ANOMALY_DECRYPT, ANOMALY_CHANGE, ANOMALY_DENIED};
	Trial *trial = argument;
	AnomalyProfile *profile = &trial->profiles[event->user];
	AnomalyEvent noted = {.time = event->time + BEGINS,
						  .deed = deeds[event->deed],
						  .rows = (uint32_t) event->rows,
						  .network = ((uint64_t) (event->address >> 16) + 1) * UINT64_C(0x9e3779b97f4a7c15),
						  .action = ((uint64_t) event->deed + 1) * UINT64_C(0xbf58476d1ce4e5b9)};

	if (event->deed >= YEAR_READ)
		noted.object = ((uint64_t) event->table + (event->deed == YEAR_DECRYPT ? 1001 : 1)) * UINT64_C(0x94d049bb133111eb);
	if (anomaly_is_over(profile, noted.time))
		close_window(trial, event->user);
	anomaly_note(profile, &noted);
	if (event->episode >= 0)
		trial->window_episode[event->user] = event->episode;
}

typedef struct Ranked
{
	float score;
	float weight; /* of misuse; 0: none */
	int episode;
	int user;
	int day;
} Ranked;

static int
higher_first(const void *a, const void *b)
{
	float x = ((const Ranked *) a)->score;
	float y = ((const Ranked *) b)->score;

	return x > y ? -1 : x < y;
}

/* Area under the ROC curve of one kind's days, or all (-1), beside all days without misuse; ties count half. */
static double
area(const Trial *trial, const Ranked *ranked, int count, int kind)
{
	double below = 0, all = 0, normal = 0, sum = 0;

	for (int i = count - 1; i >= 0; i--)
	{
		int last = i;
		double ties = 0, misuse = 0;

		while (last >= 0 && ranked[last].score == ranked[i].score)
		{
			if (ranked[last].weight == 0)
				ties++;
			else if (kind < 0 || (int) trial->kinds[ranked[last].episode] == kind)
				misuse += ranked[last].weight;
			last--;
		}
		sum += misuse * (below + ties / 2);
		all += misuse;
		below += ties;
		i = last + 1;
	}
	normal = below;
	return sum / (all * normal);
}

typedef struct Result
{
	double auc;
	double precision;
	double kinds[MISUSES];
} Result;

static Result
rank(const Trial *trial, bool baseline, bool show)
{
	static Ranked ranked[YEAR_USERS * (YEAR_DAYS + 1)];
	int days_of[YEAR_EPISODES] = {0};
	int count = 0;
	Result result = {0};

	for (int user = 0; user < YEAR_USERS; user++)
		for (int day = YEAR_QUIET_DAYS; day <= YEAR_DAYS; day++)
			if (trial->days[user][day].active && trial->days[user][day].episode >= 0)
				days_of[trial->days[user][day].episode]++;
	for (int user = 0; user < YEAR_USERS; user++)
		for (int day = YEAR_QUIET_DAYS; day <= YEAR_DAYS; day++)
		{
			const Day *d = &trial->days[user][day];

			if (d->active)
				ranked[count++] = (Ranked){.score = baseline ? d->baseline : d->score,
										   .episode = d->episode,
										   .weight = d->episode < 0 ? 0 : 1.0f / (float) days_of[d->episode],
										   .user = user,
										   .day = day};
		}
	qsort(ranked, (size_t) count, sizeof(Ranked), higher_first);
	for (int i = 0; i < 50; i++)
		result.precision += ranked[i].weight > 0 ? 1.0 / 50 : 0;
	result.auc = area(trial, ranked, count, -1);
	for (int kind = 0; kind < MISUSES; kind++)
		result.kinds[kind] = area(trial, ranked, count, kind);
	if (show)
		for (int i = 0, shown = 0; i < count && shown < 150; i++)
			if (i < 100 || ranked[i].weight > 0)
			{
				shown++;
				printf("%5d u%-3d d%-3d %6.2f %-18s", i, ranked[i].user, ranked[i].day, ranked[i].score,
					   ranked[i].episode < 0 ? "-" : year_misuse_names[trial->kinds[ranked[i].episode]]);
				for (int f = 0; f < ANOMALY_FEATURES; f++)
					printf(" %4.1f", trial->days[ranked[i].user][ranked[i].day].features[f]);
				printf("\n");
			}
	return result;
}

int
main(int argc, char **argv)
{
	static Trial trial;
	(void) argc;
	int first = atoi(argv[1]), last = atoi(argv[2]);
	Result mean = {0};
	double false_mean = 0, caught_mean = 0;

	if (getenv("THRESHOLD"))
		threshold = atof(getenv("THRESHOLD"));
	for (int seed = first; seed <= last; seed++)
	{
		Result result;
		int false_alerts = 0;
		bool caught[YEAR_EPISODES] = {false};
		int caught_count = 0;

		memset(&trial, 0, sizeof(trial));
		anomaly_model_init(&trial.model, 1);
		for (int i = 0; i < YEAR_USERS; i++)
		{
			anomaly_profile_init(&trial.profiles[i]);
			trial.window_episode[i] = -1;
			for (int d = 0; d <= YEAR_DAYS; d++)
				trial.days[i][d].episode = -1;
		}
		year_run((uint64_t) seed, take, &trial, trial.kinds);
		for (int i = 0; i < YEAR_USERS; i++)
			if (trial.profiles[i].window.events > 0)
				close_window(&trial, i);
		result = rank(&trial, false, getenv("SHOW") != NULL);
		for (int i = 0; i < YEAR_USERS; i++)
			for (int d = 0; d <= YEAR_DAYS; d++)
				if (trial.days[i][d].alerted)
				{
					if (trial.days[i][d].episode < 0)
						false_alerts++;
					else
						caught[trial.days[i][d].episode] = true;
				}
		for (int i = 0; i < YEAR_EPISODES; i++)
			caught_count += caught[i];
		printf("seed %d auc %.4f p50 %.2f false %.4f caught %d |", seed, result.auc, result.precision,
			   false_alerts / (YEAR_USERS * YEAR_DAYS / 7.0), caught_count);
		for (int k = 0; k < MISUSES; k++)
		{
			printf(" %.3f", result.kinds[k]);
			mean.kinds[k] += result.kinds[k] / (last - first + 1);
		}
		printf("\n");
		mean.auc += result.auc / (last - first + 1);
		mean.precision += result.precision / (last - first + 1);
		false_mean += false_alerts / (YEAR_USERS * YEAR_DAYS / 7.0) / (last - first + 1);
		caught_mean += caught_count / (double) (last - first + 1);
	}
	printf("mean auc %.4f p50 %.2f false %.4f caught %.1f |", mean.auc, mean.precision, false_mean, caught_mean);
	for (int k = 0; k < MISUSES; k++)
		printf(" %.3f", mean.kinds[k]);
	printf("\n");
	return 0;
}
