/*
 * anomaly.c
 *		Windows: what goes into one, how unusual it is, and what is learned of it.
 */
#include "anomaly_form.h"

#define HOUR 3600
#define MEMORY 300.0f      /* windows that a mean looks back on */
#define WEEKS_HALVE 8.0f   /* weeks after which an hour's weight has halved */
#define SHARED_PROBES 8
#define CLIPPED 3.0f /* deviations beyond this teach no more than this */

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

static int64_t
hour_of(int64_t time)
{
	return time >= 0 ? time / HOUR : -((-time - 1) / HOUR) - 1;
}

bool
anomaly_is_over(const AnomalyProfile *profile, int64_t time)
{
	return profile->window.events > 0 && hour_of(time) > profile->window.hour;
}

static void
add_key(AnomalyWindow *window, AnomalySort sort, uint64_t hash, bool is_denied)
{
	AnomalyKey *key;

	if (hash == 0)
		return;
	for (int i = 0; i < window->key_count; i++)
		if (window->keys[i].sort == sort && window->keys[i].hash == hash)
		{
			window->keys[i].is_denied = window->keys[i].is_denied && is_denied;
			return;
		}
	if (window->key_count == ANOMALY_WINDOW_KEYS)
		return;
	key = &window->keys[window->key_count++];
	key->hash = hash;
	key->sort = (uint8_t) sort;
	key->is_denied = is_denied;
}

void
anomaly_note(AnomalyProfile *profile, const AnomalyEvent *event)
{
	AnomalyWindow *window = &profile->window;

	if (window->events == 0)
		window->hour = hour_of(event->time);
	if (window->events < UINT32_MAX)
		window->events++;
	if (event->deed == ANOMALY_DENIED && window->denials < UINT32_MAX)
		window->denials++;
	if (event->deed == ANOMALY_READ)
		window->amounts[ANOMALY_AMOUNT_ROWS] += event->rows;
	if (event->deed == ANOMALY_DECRYPT)
		window->amounts[ANOMALY_AMOUNT_VALUES] += event->rows;
	if (event->deed == ANOMALY_CHANGE)
		window->amounts[ANOMALY_AMOUNT_CHANGES] += event->rows;
	add_key(window, ANOMALY_NETWORKS, event->network, false);
	add_key(window, ANOMALY_OBJECTS, event->object, event->deed == ANOMALY_DENIED);
	add_key(window, ANOMALY_ACTIONS, event->action, false);
}

/* ---- the score ---- */

float anomaly_tune[20] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 0.5, 4, 0.1, 0.5, 1, 1};
#include <math.h>
static float
raw_score(const AnomalyModel *model, const float *features)
{
	float bits[ANOMALY_FEATURES];
	float sum = 0;

	anomaly_surprises(model, features, bits);
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		sum += powf(bits[i] * anomaly_tune[i], anomaly_tune[11]);
	return powf(sum, 1 / anomaly_tune[11]) + anomaly_tune[10] * anomaly_trees_rarity(model, bits);
}

void
anomaly_score(const AnomalyModel *model, const AnomalyProfile *profile, bool with_parts, AnomalyScore *score)
{
	memset(score, 0, sizeof(*score));
	if (profile->window.events == 0)
		return;
	anomaly_features(model, profile, score->features);
	score->score = raw_score(model, score->features);
	for (int i = 0; with_parts && i < ANOMALY_FEATURES; i++)
	{
		float kept = score->features[i];

		score->features[i] = 0;
		score->parts[i] = score->score - raw_score(model, score->features);
		score->features[i] = kept;
	}
}

/* ---- learning ---- */

/* The shared entry of a key; NULL when nobody uses it. */
AnomalyShared *
anomaly_shared(AnomalyModel *model, AnomalySort sort, uint64_t hash)
{
	uint64_t sorted = hash + (uint64_t) sort;

	for (int i = 0; i < SHARED_PROBES; i++)
	{
		AnomalyShared *shared = &model->shared[(sorted + (uint64_t) i) % ANOMALY_SHARED];

		if (shared->users > 0 && shared->hash == sorted)
			return shared;
	}
	return NULL;
}

/* One more user knows a key; it displaces the least known of those at its place. */
static void
share(AnomalyModel *model, const AnomalyKey *key)
{
	AnomalyShared *shared = anomaly_shared(model, key->sort, key->hash);
	uint64_t sorted = key->hash + key->sort;

	if (shared == NULL)
	{
		shared = &model->shared[sorted % ANOMALY_SHARED];
		for (int i = 1; i < SHARED_PROBES; i++)
			if (model->shared[(sorted + (uint64_t) i) % ANOMALY_SHARED].users < shared->users)
				shared = &model->shared[(sorted + (uint64_t) i) % ANOMALY_SHARED];
		shared->hash = sorted;
		shared->users = 0;
	}
	shared->users++;
}

static bool
learn_key(AnomalyModel *model, AnomalyProfile *profile, const AnomalyKey *key)
{
	AnomalyKnown *known = (AnomalyKnown *) anomaly_known(profile, key->sort, key->hash);
	uint32_t day = (uint32_t) (profile->window.hour / 24);

	if (known != NULL)
	{
		known->weight = known->weight < 1000 ? known->weight + 1 : 1000;
		known->day = day;
		return false;
	}
	known = profile->known[key->sort];
	for (int i = 1; i < ANOMALY_KNOWN; i++)
	{
		AnomalyKnown *other = &profile->known[key->sort][i];

		if (other->weight <= 0 ? known->weight > 0 : known->weight > 0 && other->day < known->day)
			known = other;
	}
	known->hash = key->hash;
	known->weight = 1;
	known->since = day;
	known->day = day;
	share(model, key);
	return true;
}

static void
learn_amount(AnomalyUsual *usual, float amount_log, float above, float memory)
{
	float rate = 1 / (usual->count + 1 < memory ? usual->count + 1 : memory);
	float difference = amount_log - usual->mean;

	if (above > CLIPPED && usual->count > 10)
		difference *= CLIPPED / above;
	usual->count = usual->count + 1 < memory ? usual->count + 1 : memory;
	usual->mean += rate * difference;
	usual->variance = (1 - rate) * (usual->variance + rate * difference * difference);
}

static void
learn_amounts(AnomalyModel *model, AnomalyProfile *profile)
{
	for (int amount = 0; amount < ANOMALY_AMOUNTS; amount++)
	{
		AnomalyUsual *own = &profile->usual[amount];
		float size;
		float above;

		if (profile->window.amounts[amount] == 0)
			continue;
		size = anomaly_amount_log(profile->window.amounts[amount]);
		above = anomaly_above_usual(&model->usual[amount], own, size);
		own->drift += anomaly_tune[12] * ((above > CLIPPED ? CLIPPED : above < -CLIPPED ? -CLIPPED : above) - own->drift);
		learn_amount(own, size, above, MEMORY);
		learn_amount(&model->usual[amount], size, 0, 100 * MEMORY);
	}
}

static void
learn_hour(AnomalyProfile *profile)
{
	int64_t hour = profile->window.hour;
	int64_t weeks = hour / ANOMALY_HOURS - profile->last / ANOMALY_HOURS;
	float rate = 1 / (float) (profile->windows + 1 < (uint32_t) MEMORY ? profile->windows + 1 : (uint32_t) MEMORY);

	if (profile->windows > 0 && weeks > 0)
	{
		float kept = anomaly_halved((float) (weeks < 26 ? weeks : 26) / WEEKS_HALVE);

		for (int i = 0; i < ANOMALY_HOURS; i++)
			profile->hours[i] *= kept;
	}
	profile->hour_usual += rate * (anomaly_hour_known(profile, hour) - profile->hour_usual);
	profile->hours[(hour % ANOMALY_HOURS + ANOMALY_HOURS) % ANOMALY_HOURS] += 1;
}

void
anomaly_close(AnomalyModel *model, AnomalyProfile *profile)
{
	AnomalyWindow *window = &profile->window;
	float features[ANOMALY_FEATURES];
	bool new[ANOMALY_SORTS] = {false};

	if (window->events == 0)
		return;
	anomaly_features(model, profile, features);
	{float bits[ANOMALY_FEATURES];
	anomaly_surprises(model, features, bits);
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		model->reached[i][(int) (features[i] * 8) > 63 ? 63 : (int) (features[i] * 8)]++;
	anomaly_trees_learn(model, bits);}
	if (profile->windows == 0)
	{
		profile->since = window->hour;
		model->users++;
	}
	for (int i = 0; i < window->key_count; i++)
		new[window->keys[i].sort] |= learn_key(model, profile, &window->keys[i]);
	for (int sort = 0; sort < ANOMALY_SORTS; sort++)
		profile->new_rate[sort] += 0.01f * ((float) new[sort] - profile->new_rate[sort]);
	learn_amounts(model, profile);
	learn_hour(profile);
	profile->denial_rate += 0.05f * ((float) (window->denials < 100 ? window->denials : 100) - profile->denial_rate);
	if (window->hour - profile->last > 24 * 7 && profile->windows > 0)
	{
		profile->returned = window->hour;
		profile->pause = (float) (window->hour - profile->last) / 24;
	}
	profile->last = window->hour;
	profile->windows++;
	model->windows++;
	memset(window, 0, sizeof(*window));
}
