/*
 * anomaly.c
 *		Windows: what goes into one, how unusual it is, and what is learned of it.
 */
#include "anomaly_form.h"

#define HOUR 3600
#define HOURS_BACK 48 /* a clock that went back by more was wrong before */
#define MEMORY 300.0f /* windows that a mean looks back on */
#define SHARED_MEMORY 30000.0f
#define WEEKS_HALVE 8       /* weeks after which an hour's weight has halved */
#define LONG_PAUSE (7 * 24) /* hours */
#define YOUNG 16.0f         /* windows after which a score counts half: of somebody who is new, much is new */
#define EXPECTED 256.0f     /* windows' worth of what is expected before anything was seen */
#define TREES_WEIGHT 0.5f
#define TEACHES_MOST 3.0f /* an amount further above the mean than so many deviations teaches as if it were there */

const char *const anomaly_feature_names[ANOMALY_FEATURES] = {
	"hour",      "pause",        "network",          "object",       "action",
	"rows_read", "rows_of_days", "values_decrypted", "rows_changed", "denials"};

/* How much a feature's surprise weighs. */
static const float weights[ANOMALY_FEATURES] = {1, 1, 1, 1, 1, 0.85f, 1.2f, 1.1f, 1, 1};

void
anomaly_profile_init(AnomalyProfile *profile)
{
	memset(profile, 0, sizeof(*profile));
	for (int sort = 0; sort < ANOMALY_SORTS; sort++)
		profile->new_rate[sort] = 0.05f;
}

void
anomaly_model_init(AnomalyModel *model, uint64_t seed)
{
	memset(model, 0, sizeof(*model));
	model->seed = seed;
	for (int amount = 0; amount < ANOMALY_AMOUNTS; amount++)
	{
		model->usual[amount].mean = 4;
		model->usual[amount].variance = 4;
	}
	anomaly_trees_grow(model);
}

/* ---- an open window ---- */

/* The hour since 1970; what lies before that or thousands of centuries ahead is cut. */
static uint32_t
hour_of(int64_t time)
{
	int64_t hour = time / HOUR;

	return hour < 1 ? 1 : hour > INT32_MAX ? INT32_MAX : (uint32_t) hour;
}

bool
anomaly_is_over(const AnomalyProfile *profile, int64_t time)
{
	uint32_t hour = hour_of(time);

	return profile->window.events > 0 && (hour > profile->window.hour || hour + HOURS_BACK < profile->window.hour);
}

static void
add_key(AnomalyWindow *window, AnomalySort sort, uint64_t hash, bool is_denied)
{
	if (hash == 0)
		return;
	for (int i = 0; i < window->key_count; i++)
	{
		AnomalyKey *key = &window->keys[i];

		if (key->sort == sort && key->hash == hash)
		{
			key->is_denied = key->is_denied && is_denied;
			return;
		}
	}
	if (window->key_count < ANOMALY_WINDOW_KEYS)
		window->keys[window->key_count++] =
			(AnomalyKey){.hash = hash, .sort = (uint8_t) sort, .is_denied = is_denied};
}

/* Adds without going round. */
static void
add(uint32_t *count)
{
	if (*count < UINT32_MAX)
		(*count)++;
}

void
anomaly_note(AnomalyProfile *profile, const AnomalyEvent *event)
{
	AnomalyWindow *window = &profile->window;

	if (window->events == 0)
		window->hour = hour_of(event->time);
	add(&window->events);
	if (event->deed == ANOMALY_DENIED)
		add(&window->denials);
	else if (event->deed == ANOMALY_READ)
		window->amounts[ANOMALY_AMOUNT_ROWS] += event->rows;
	else if (event->deed == ANOMALY_DECRYPT)
		window->amounts[ANOMALY_AMOUNT_VALUES] += event->rows;
	else if (event->deed == ANOMALY_CHANGE)
		window->amounts[ANOMALY_AMOUNT_CHANGES] += event->rows;
	add_key(window, ANOMALY_NETWORKS, event->network, false);
	add_key(window, ANOMALY_OBJECTS, event->object, event->deed == ANOMALY_DENIED);
	add_key(window, ANOMALY_ACTIONS, event->action, false);
}

/* ---- the score ---- */

static int
step_of(float feature)
{
	int step = (int) (feature * (ANOMALY_STEPS / ANOMALY_FEATURE_MAX));

	return step < ANOMALY_STEPS - 1 ? step : ANOMALY_STEPS - 1;
}

/*
 * Half the bits of how rarely anybody's window reaches as high: what happens to everybody is no surprise.  Where little
 * was seen yet, each unit of a feature is expected a quarter as often as the one before.
 */
static float
surprise(const AnomalyModel *model, int feature, float value)
{
	int step = step_of(value);
	float all = EXPECTED;
	float above = EXPECTED * anomaly_halved(2 * value) + model->reached[feature][step] / 2;
	float bits;

	if (value <= 0)
		return 0;
	for (int i = 0; i < ANOMALY_STEPS; i++)
		all += model->reached[feature][i];
	for (int i = step + 1; i < ANOMALY_STEPS; i++)
		above += model->reached[feature][i];
	bits = anomaly_log2(all / above) / 2;
	return bits > ANOMALY_FEATURE_MAX ? ANOMALY_FEATURE_MAX : bits > 0 ? bits : 0;
}

static void
surprises(const AnomalyModel *model, const float features[ANOMALY_FEATURES], float bits[ANOMALY_FEATURES])
{
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		bits[i] = surprise(model, i, features[i]);
}

/* The fourth norm: the greatest surprise counts most, others add a little; and how rarely they are seen together. */
static float
score_of(const AnomalyModel *model, const float bits[ANOMALY_FEATURES])
{
	float sum = 0;

	for (int i = 0; i < ANOMALY_FEATURES; i++)
	{
		float weighed = bits[i] * weights[i];

		sum += weighed * weighed * weighed * weighed;
	}
	return anomaly_root(anomaly_root(sum)) + TREES_WEIGHT * anomaly_trees_rarity(model, bits);
}

void
anomaly_score(const AnomalyModel *model, const AnomalyProfile *profile, bool with_parts, AnomalyScore *score)
{
	float bits[ANOMALY_FEATURES];
	float trust;

	memset(score, 0, sizeof(*score));
	if (profile->window.events == 0)
		return;
	anomaly_features(model, profile, score->features);
	surprises(model, score->features, bits);
	trust = (float) profile->windows / ((float) profile->windows + YOUNG);
	score->score = score_of(model, bits) * trust;
	for (int i = 0; with_parts && i < ANOMALY_FEATURES; i++)
	{
		float kept = bits[i];

		bits[i] = 0;
		score->parts[i] = score->score - score_of(model, bits) * trust;
		bits[i] = kept;
	}
}

/* ---- learning ---- */

static void
learn_amount(AnomalyUsual *usual, float size, float above, float memory)
{
	float difference = size - usual->mean;
	float rate;

	usual->count = usual->count + 1 < memory ? usual->count + 1 : memory;
	rate = 1 / usual->count;
	if (above > TEACHES_MOST && usual->count > 10)
		difference *= TEACHES_MOST / above;
	usual->mean += rate * difference;
	usual->variance = (1 - rate) * (usual->variance + rate * difference * difference);
}

static void
learn_amounts(AnomalyModel *model, AnomalyProfile *profile)
{
	for (int i = 0; i < ANOMALY_AMOUNTS; i++)
	{
		AnomalyAmount amount = (AnomalyAmount) i;
		float above = anomaly_above_usual(model, profile, amount);
		float size;

		if (profile->window.amounts[amount] == 0)
			continue;
		size = anomaly_amount_log(profile->window.amounts[amount]);
		profile->usual[amount].drift = anomaly_drift(model, profile, amount);
		learn_amount(&profile->usual[amount], size, above, MEMORY);
		learn_amount(&model->usual[amount], size, 0, SHARED_MEMORY);
	}
}

static void
learn_hour(AnomalyProfile *profile)
{
	uint32_t hour = profile->window.hour;
	uint32_t week = hour / ANOMALY_HOURS;
	uint32_t last_week = profile->last / ANOMALY_HOURS;
	float windows = profile->windows < (uint32_t) MEMORY ? (float) (profile->windows + 1) : MEMORY;

	if (profile->windows > 0 && week > last_week)
	{
		uint32_t weeks = week - last_week < 26 ? week - last_week : 26; /* who comes back is not forgotten */
		float kept = anomaly_halved((float) weeks / WEEKS_HALVE);

		for (int i = 0; i < ANOMALY_HOURS; i++)
			profile->hours[i] *= kept;
	}
	profile->hour_usual += (anomaly_hour_known(profile, hour) - profile->hour_usual) / windows;
	profile->hours[hour % ANOMALY_HOURS] += 1;
}

static void
learn_keys(AnomalyModel *model, AnomalyProfile *profile)
{
	bool new[ANOMALY_SORTS] = {false};

	for (int i = 0; i < profile->window.key_count; i++)
		if (anomaly_learn_key(model, profile, &profile->window.keys[i]))
			new[profile->window.keys[i].sort] = true;
	for (int sort = 0; sort < ANOMALY_SORTS; sort++)
		profile->new_rate[sort] += 0.01f * ((float) new[sort] - profile->new_rate[sort]);
}

static void
learn_presence(AnomalyModel *model, AnomalyProfile *profile)
{
	uint32_t hour = profile->window.hour;
	uint32_t denials = profile->window.denials < 100 ? profile->window.denials : 100;

	if (profile->windows == 0)
	{
		profile->since = hour;
		model->users++;
	}
	else if (hour > profile->last + LONG_PAUSE)
	{
		profile->returned = hour;
		profile->pause = (float) (hour - profile->last) / 24;
	}
	profile->denial_rate += 0.05f * ((float) denials - profile->denial_rate);
	profile->last = hour > profile->last ? hour : profile->last; /* what is told late ends no pause */
	add(&profile->windows);
}

void
anomaly_close(AnomalyModel *model, AnomalyProfile *profile)
{
	AnomalyScore score;
	float bits[ANOMALY_FEATURES];

	if (profile->window.events == 0)
		return;
	anomaly_score(model, profile, false, &score);
	surprises(model, score.features, bits);
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		model->reached[i][step_of(score.features[i])]++;
	anomaly_trees_learn(model, bits);
	learn_keys(model, profile);
	learn_amounts(model, profile);
	learn_hour(profile);
	learn_presence(model, profile);
	profile->last_score = score.score;
	memset(&profile->window, 0, sizeof(profile->window));
}

void
anomaly_excuse(AnomalyProfile *profile, uint32_t hour, const float features[ANOMALY_FEATURES])
{
	AnomalyExcuse *oldest = profile->excuses;

	for (int i = 1; i < ANOMALY_EXCUSES; i++)
		if (profile->excuses[i].hour < oldest->hour)
			oldest = &profile->excuses[i];
	oldest->hour = hour > 0 ? hour : 1;
	memcpy(oldest->features, features, sizeof(oldest->features));
}
