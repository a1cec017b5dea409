/*
 * anomaly_feature.c
 *		What is unusual about an open window, each feature beside the user's own past
 *		and, where that is short or silent, beside everybody's.
 */
#include "anomaly_form.h"

#define PRIOR 6.0f        /* windows whose worth of everybody's experience stands in for a user's own */
#define SPREAD_LEAST 0.8f /* nobody is so regular that less than this is a standard deviation */
#define CLIPPED 3.0f      /* deviations beyond count no more than this in the drift */
#define DRIFT_RATE 0.1f
#define LONG_PAUSE 7            /* days */
#define NEW_NETWORK_HALVES 2.0f /* days after which a new network is half as new */
#define EXCUSE_HALVES 90.0f     /* days after which an excuse is worth half */
#define EXCUSE_SLACK 0.5f

static float
within(float value)
{
	return value > ANOMALY_FEATURE_MAX ? ANOMALY_FEATURE_MAX : value > 0 ? value : 0;
}

static float
larger(float a, float b)
{
	return a > b ? a : b;
}

/* Days from one hour to a later one; 0 when the clock went back. */
static float
days_between(uint32_t from, uint32_t to)
{
	return to > from ? (float) (to - from) / 24 : 0;
}

/* ---- hours of the week ---- */

/* The hour itself, its neighbours, and less of the same hours of other days. */
float
anomaly_hour_known(const AnomalyProfile *profile, uint32_t hour)
{
	static const float beside[5] = {0.25f, 0.6f, 1, 0.6f, 0.25f};
	float sum = 0;

	for (int day = 0; day < 7; day++)
		for (int i = 0; i < 5; i++)
		{
			uint32_t slot = (hour % ANOMALY_HOURS + (uint32_t) (day * 24 + i + ANOMALY_HOURS - 2)) % ANOMALY_HOURS;

			sum += profile->hours[slot] * beside[i] * (day == 0 ? 1 : 0.2f);
		}
	return sum;
}

/* Beside the hours that the user's windows usually have: one who works at all hours is nowhere unusual. */
static float
hour_feature(const AnomalyProfile *profile)
{
	float known = anomaly_hour_known(profile, profile->window.hour);

	return within(anomaly_log2((profile->hour_usual + 0.5f) / (known + 0.5f)));
}

/* A long pause is remembered for some days: who takes over an unused account does not stop after an hour. */
static float
pause_feature(const AnomalyProfile *profile)
{
	float days = days_between(profile->last, profile->window.hour);

	if (profile->windows == 0)
		return 0;
	if (days < LONG_PAUSE)
		days = larger(days, profile->pause * anomaly_halved(days_between(profile->returned, profile->window.hour)));
	return within(2 * anomaly_log2(larger(days, 4) / 4));
}

/* ---- networks, objects, actions ---- */

/* Bits by which a key is new to a user: few others know it, and he does not often come with new ones. */
static float
novelty(const AnomalyModel *model, const AnomalyProfile *profile, const AnomalyKey *key)
{
	AnomalySort sort = (AnomalySort) key->sort;
	const AnomalyKnown *known = anomaly_known(profile, sort, key->hash);
	const AnomalyShared *shared = anomaly_shared(model, sort, key->hash);
	float others = shared == NULL ? 0 : shared->users;
	float rare = 0.5f + larger(anomaly_log2((model->users + 2) / (others + 1)), 0);
	float own = anomaly_log2(1 / larger(profile->new_rate[sort], 0.004f)) / 8;

	if (known == NULL)
		return rare * own;
	if (sort != ANOMALY_NETWORKS)
		return 0;
	/* a network stays new for days: one hour is not enough for whoever took over an account to be at home */
	return rare * own *
		   anomaly_halved(days_between((known->since - 1) * 24, profile->window.hour) / NEW_NETWORK_HALVES);
}

static float
novelty_feature(const AnomalyModel *model, const AnomalyProfile *profile, AnomalySort sort)
{
	float most = 0;
	float sum = 0;

	for (int i = 0; i < profile->window.key_count; i++)
		if (profile->window.keys[i].sort == sort)
		{
			float bits = novelty(model, profile, &profile->window.keys[i]);

			most = larger(bits, most);
			sum += bits;
		}
	return within(most + (sum - most) / 4);
}

/* ---- amounts ---- */

float
anomaly_above_usual(const AnomalyModel *model, const AnomalyProfile *profile, AnomalyAmount amount)
{
	const AnomalyUsual *shared = &model->usual[amount];
	const AnomalyUsual *own = &profile->usual[amount];
	float weight = own->count / (own->count + PRIOR);
	float mean = own->mean * weight + shared->mean * (1 - weight);
	float variance = own->variance * weight + (shared->variance + 1) * (1 - weight);

	if (profile->window.amounts[amount] == 0)
		return 0;
	return (anomaly_amount_log(profile->window.amounts[amount]) - mean) /
		   larger(anomaly_root(variance), SPREAD_LEAST);
}

float
anomaly_drift(const AnomalyModel *model, const AnomalyProfile *profile, AnomalyAmount amount)
{
	float above = anomaly_above_usual(model, profile, amount);
	float drift = profile->usual[amount].drift;

	if (profile->window.amounts[amount] == 0)
		return drift;
	above = above > CLIPPED ? CLIPPED : above < -CLIPPED ? -CLIPPED : above;
	return drift + DRIFT_RATE * (above - drift);
}

static float
amount_feature(const AnomalyModel *model, const AnomalyProfile *profile, AnomalyAmount amount)
{
	float above = anomaly_above_usual(model, profile, amount);

	/* a large export decrypts much, too, and its rows say so already */
	if (amount == ANOMALY_AMOUNT_VALUES)
		above -= larger(anomaly_above_usual(model, profile, ANOMALY_AMOUNT_ROWS) - 1, 0);
	return within(1.5f * above);
}

/* Small excesses that go on. */
static float
trend_feature(const AnomalyModel *model, const AnomalyProfile *profile)
{
	if (profile->window.amounts[ANOMALY_AMOUNT_ROWS] == 0)
		return 0;
	return within(4 * anomaly_drift(model, profile, ANOMALY_AMOUNT_ROWS));
}

/* A program that is denied the same thing every hour is no probe. */
static float
denial_feature(const AnomalyProfile *profile)
{
	float times = (1 + (float) profile->window.denials) / (1 + 2 * profile->denial_rate);
	int different = 0;

	if (profile->window.denials == 0)
		return 0;
	for (int i = 0; i < profile->window.key_count; i++)
	{
		const AnomalyKey *key = &profile->window.keys[i];

		if (key->is_denied && anomaly_known(profile, (AnomalySort) key->sort, key->hash) == NULL)
			different++;
	}
	return within(0.7f * anomaly_log2((float) (1 + different)) + 0.7f * anomaly_log2(times));
}

/* ---- all ---- */

static void
leave_out_excused(const AnomalyProfile *profile, float features[ANOMALY_FEATURES])
{
	for (int i = 0; i < ANOMALY_EXCUSES; i++)
	{
		const AnomalyExcuse *excuse = &profile->excuses[i];
		float worth = anomaly_halved(days_between(excuse->hour, profile->window.hour) / EXCUSE_HALVES);

		for (int k = 0; excuse->hour > 0 && k < ANOMALY_FEATURES; k++)
			if (excuse->features[k] > 0 && features[k] <= excuse->features[k] * worth + EXCUSE_SLACK)
				features[k] = 0;
	}
}

void
anomaly_features(const AnomalyModel *model, const AnomalyProfile *profile, float features[ANOMALY_FEATURES])
{
	features[ANOMALY_HOUR] = hour_feature(profile);
	features[ANOMALY_PAUSE] = pause_feature(profile);
	features[ANOMALY_NETWORK] = novelty_feature(model, profile, ANOMALY_NETWORKS);
	features[ANOMALY_OBJECT] = novelty_feature(model, profile, ANOMALY_OBJECTS);
	features[ANOMALY_ACTION] = novelty_feature(model, profile, ANOMALY_ACTIONS);
	features[ANOMALY_ROWS] = amount_feature(model, profile, ANOMALY_AMOUNT_ROWS);
	features[ANOMALY_TREND] = trend_feature(model, profile);
	features[ANOMALY_VALUES] = amount_feature(model, profile, ANOMALY_AMOUNT_VALUES);
	features[ANOMALY_CHANGES] = amount_feature(model, profile, ANOMALY_AMOUNT_CHANGES);
	features[ANOMALY_DENIALS] = denial_feature(profile);
	leave_out_excused(profile, features);
}
