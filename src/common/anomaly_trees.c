/*
 * anomaly_trees.c
 *		Half-space trees: full binary trees whose nodes halve the range of a feature
 *		drawn at random, and count how many of the past windows came by.
 */
#include "anomaly_form.h"

#define PERIOD 2048 /* windows after which the latest count */
#define KEPT 0.75f  /* of what was counted before */
#define SMALL 12.0f /* where fewer came by, nobody looks further down */

static float
fraction(uint64_t *state)
{
	return (float) (anomaly_mix(state) >> 40) / 16777216.0f;
}

/* Draws the halves of a tree, the node's range being given for each feature. */
static void
grow(AnomalyModel *model, int tree, int node, float *from, float *to, uint64_t *state)
{
	int feature = (int) (anomaly_mix(state) % ANOMALY_FEATURES);
	float middle = (from[feature] + to[feature]) / 2;
	float kept;

	model->split_feature[tree][node] = (uint8_t) feature;
	model->split_at[tree][node] = middle;
	if (2 * node + 2 >= ANOMALY_NODES)
		return;
	kept = to[feature];
	to[feature] = middle;
	grow(model, tree, 2 * node + 1, from, to, state);
	to[feature] = kept;
	kept = from[feature];
	from[feature] = middle;
	grow(model, tree, 2 * node + 2, from, to, state);
	from[feature] = kept;
}

void
anomaly_trees_grow(AnomalyModel *model)
{
	uint64_t state = model->seed;

	for (int tree = 0; tree < ANOMALY_TREES; tree++)
	{
		float from[ANOMALY_FEATURES];
		float to[ANOMALY_FEATURES];

		/* a range around a place drawn at random, that holds all there can be */
		for (int i = 0; i < ANOMALY_FEATURES; i++)
		{
			float place = fraction(&state) * ANOMALY_FEATURE_MAX;
			float reach = place > ANOMALY_FEATURE_MAX / 2 ? place : ANOMALY_FEATURE_MAX - place;

			from[i] = place - reach;
			to[i] = place + reach;
		}
		grow(model, tree, 0, from, to, &state);
	}
}

static int
below(const AnomalyModel *model, int tree, int node, const float *features)
{
	return 2 * node + (features[model->split_feature[tree][node]] < model->split_at[tree][node] ? 1 : 2);
}

/* What was counted until now grows old, and the latest counts. */
static void
end_period(AnomalyModel *model)
{
	for (int tree = 0; tree < ANOMALY_TREES; tree++)
		for (int node = 0; node < ANOMALY_NODES; node++)
		{
			model->mass[tree][node] = model->mass[tree][node] * KEPT + model->latest[tree][node];
			model->latest[tree][node] = 0;
		}
	model->since_period = 0;
}

void
anomaly_trees_learn(AnomalyModel *model, const float features[ANOMALY_FEATURES])
{
	for (int tree = 0; tree < ANOMALY_TREES; tree++)
		for (int node = 0; node < ANOMALY_NODES; node = below(model, tree, node, features))
			model->latest[tree][node]++;
	model->since_period++;
	/* the first periods are short, so that there is soon something to compare with */
	if (model->since_period >= PERIOD || (model->mass[0][0] < PERIOD && model->since_period >= PERIOD / 8))
		end_period(model);
}

float
anomaly_trees_rarity(const AnomalyModel *model, const float features[ANOMALY_FEATURES])
{
	float total = model->mass[0][0];
	float sum = 0;

	if (!(total > 0))
		return 0;
	for (int tree = 0; tree < ANOMALY_TREES; tree++)
	{
		int node = 0;
		int depth = 0;

		while (depth < ANOMALY_DEPTH && model->mass[tree][node] > SMALL)
		{
			node = below(model, tree, node, features);
			depth++;
		}
		sum += anomaly_log2((total + 1) / (model->mass[tree][node] + 1)) - (float) depth;
	}
	return sum / ANOMALY_TREES;
}
