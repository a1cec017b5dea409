/*
 * anomaly_feature.c
 *		What is unusual about an open window, each feature beside the user's own past
 *		and, where that is short or silent, beside everybody's.
 */
#include "anomaly_form.h"

extern float anomaly_tune[20];
/* Windows whose worth of everybody's experience stands in for a user's own. */
#define PRIOR 6.0f

static float
within(float value)
{
	return value > ANOMALY_FEATURE_MAX ? ANOMALY_FEATURE_MAX : value > 0 ? value : 0;
}

static float
at_least(float value, float least)
{
	return value > least ? value : least;
}

/* ---- hours of the week ---- */

/* How often the user was there in this hour of the week, its neighbours, and the same hour of other days. */
float
anomaly_hour_known(const AnomalyProfile *profile, int64_t hour)
{
	static const float beside[5] = {0.25f, 0.6f, 1, 0.6f, 0.25f};
	int slot = (int) ((hour % ANOMALY_HOURS + ANOMALY_HOURS) % ANOMALY_HOURS);
	float sum = 0;

	for (int day = 0; day < 7; day++)
		for (int i = 0; i < 5; i++)
			sum += profile->hours[(slot + day * 24 + i - 2 + ANOMALY_HOURS) % ANOMALY_HOURS] * beside[i] * (day == 0 ? 1 : 0.2f);
	return sum;
}

static float
hour_feature(const AnomalyProfile *profile)
{
	float known = anomaly_hour_known(profile, profile->window.hour);

	return within(anomaly_log2((profile->hour_usual + 0.5f) / (known + 0.5f)));
}

static float
pause_feature(const AnomalyProfile *profile)
{
	float days = (float) (profile->window.hour - profile->last) / 24;

	if (profile->windows == 0)
		return 0;
	if (days < 7 && profile->pause > 7)
		days = profile->pause * anomaly_halved((float) (profile->window.hour - profile->returned) / 24 / (anomaly_tune[15] + 0.001f));
	return within(2 * anomaly_log2(at_least(days, 4) / 4));
}

/* ---- networks, objects, actions ---- */

const AnomalyKnown *
anomaly_known(const AnomalyProfile *profile, AnomalySort sort, uint64_t hash)
{
	for (int i = 0; i < ANOMALY_KNOWN; i++)
		if (profile->known[sort][i].weight > 0 && profile->known[sort][i].hash == hash)
			return &profile->known[sort][i];
	return NULL;
}

/* Bits by which a key is new to a user: few others know it, and he does not often come with new ones. */
static float
novelty(const AnomalyModel *model, const AnomalyProfile *profile, const AnomalyKey *key)
{
	const AnomalyShared *shared = anomaly_shared((AnomalyModel *) model, key->sort, key->hash);
	const AnomalyKnown *known = anomaly_known(profile, key->sort, key->hash);
	float others = shared == NULL ? 0 : shared->users;
	float rare = anomaly_log2((model->users + 2) / (others + 1));
	float own = anomaly_log2(1 / at_least(profile->new_rate[key->sort], 0.004f)) / 8;

	if (known != NULL)
		return key->sort != ANOMALY_NETWORKS ? 0 : (0.5f + rare) * own * anomaly_halved((float)((uint32_t)(profile->window.hour / 24) - known->since) / (anomaly_tune[14] + 0.001f));
	return (0.5f + rare) * own;
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

			most = at_least(bits, most);
			sum += bits;
		}
	return within(most + (sum - most) / 4);
}

/* ---- amounts ---- */

float
anomaly_amount_log(uint64_t amount)
{
	return anomaly_log2(1 + (float) amount);
}

/* Standard deviations above what is usual; who has little past borrows from everybody's. */
float
anomaly_above_usual(const AnomalyUsual *shared, const AnomalyUsual *own, float amount_log)
{
	float weight = own->count / (own->count + PRIOR);
	float mean = own->mean * weight + shared->mean * (1 - weight);
	float variance = own->variance * weight + (shared->variance + 1) * (1 - weight);

	return (amount_log - mean) / at_least(anomaly_root(variance), 0.8f);
}

static float
amount_feature(const AnomalyModel *model, const AnomalyProfile *profile, AnomalyAmount amount)
{
	uint64_t size = profile->window.amounts[amount];

	float above;
	if (size == 0)
		return 0;
	above = anomaly_above_usual(&model->usual[amount], &profile->usual[amount], anomaly_amount_log(size));
	if (amount == ANOMALY_AMOUNT_VALUES && profile->window.amounts[0] > 0)
	{
		float rows = anomaly_above_usual(&model->usual[0], &profile->usual[0], anomaly_amount_log(profile->window.amounts[0]));
		above -= rows > 1 ? (rows - 1) * anomaly_tune[13] : 0;
	}
	return within(1.5f * above);
}

/* The last windows together: small excesses that go on. */
static float
trend_feature(const AnomalyModel *model, const AnomalyProfile *profile)
{
	const AnomalyUsual *usual = &profile->usual[ANOMALY_AMOUNT_ROWS];
	float above;

	if (profile->window.amounts[ANOMALY_AMOUNT_ROWS] == 0)
		return 0;
	above = anomaly_above_usual(&model->usual[ANOMALY_AMOUNT_ROWS], usual,
								anomaly_amount_log(profile->window.amounts[ANOMALY_AMOUNT_ROWS]));
	above = above > 3 ? 3 : above < -3 ? -3 : above;
	return within(4 * (usual->drift + anomaly_tune[12] * (above - usual->drift)));
}

static float
denial_feature(const AnomalyProfile *profile)
{
	int different = 0;

	if (profile->window.denials == 0)
		return 0;
	for (int i = 0; i < profile->window.key_count; i++)
	{
		const AnomalyKey *key = &profile->window.keys[i];

		if (key->is_denied && anomaly_known(profile, ANOMALY_OBJECTS, key->hash) == NULL)
			different++;
	}
	return within(0.7f * anomaly_log2((float) (1 + different)) +
				  0.7f * anomaly_log2((1 + (float) profile->window.denials) / (1 + 2 * profile->denial_rate)));
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
}
