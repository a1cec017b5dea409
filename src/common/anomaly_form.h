/*
 * anomaly_form.h
 *		What the files of anomaly.h share: logarithms without a library, and the
 *		trees.
 */
#ifndef TSEC_ANOMALY_FORM_H
#define TSEC_ANOMALY_FORM_H

#include "anomaly.h"

#include <string.h>

/* The binary logarithm of a positive, normal number; off by less than 1e-4. */
static inline float
anomaly_log2(float x)
{
	uint32_t bits;
	float mantissa;
	float t;
	int exponent;

	memcpy(&bits, &x, sizeof(bits));
	exponent = (int) (bits >> 23) - 127;
	bits = (bits & 0x007fffff) | 0x3f800000;
	memcpy(&mantissa, &bits, sizeof(mantissa));
	/* ln((1 + t) / (1 - t)) = 2 (t + t^3 / 3 + t^5 / 5 + ...), t at most 1/3 */
	t = (mantissa - 1) / (mantissa + 1);
	return (float) exponent + 2.885390082f * t * (1 + t * t * (0.333333333f + t * t * (0.2f + t * t * 0.142857143f)));
}

/* 2^-x for 0 <= x, good to 1e-4; nothing above 60. */
static inline float
anomaly_halved(float x)
{
	float result = 1;
	float f;

	if (!(x < 60))
		return 0;
	for (; x >= 1; x -= 1)
		result *= 0.5f;
	f = -0.693147181f * x;
	return result *
		   (1 +
			f * (1 + f * (0.5f + f * (0.166666667f + f * (0.041666667f + f * (0.008333333f + f * 0.001388889f))))));
}

static inline float
anomaly_root(float x)
{
	float half;

	if (!(x > 1e-6f))
		return 0;
	half = 0.5f * anomaly_log2(x);
	return half < 0 ? anomaly_halved(-half) : 1 / anomaly_halved(half);
}

/* SplitMix64 (Steele, Lea and Flood 2014). */
static inline uint64_t
anomaly_mix(uint64_t *state)
{
	uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* ---- anomaly_trees.c ---- */

extern void anomaly_trees_grow(AnomalyModel *model);
extern void anomaly_trees_learn(AnomalyModel *model, const float features[ANOMALY_FEATURES]);

/* How thinly settled a place is: bits below the mean density of the whole range; negative above it. */
extern float anomaly_trees_rarity(const AnomalyModel *model, const float features[ANOMALY_FEATURES]);

/* ---- anomaly_feature.c ---- */

/* The open window's features, without what was excused. */
extern void anomaly_features(const AnomalyModel *model, const AnomalyProfile *profile,
							 float features[ANOMALY_FEATURES]);

/* How much of a profile's activity lies around an hour of the week. */
extern float anomaly_hour_known(const AnomalyProfile *profile, uint32_t hour);

/* By how many standard deviations an amount of the open window lies above what is usual. */
extern float anomaly_above_usual(const AnomalyModel *model, const AnomalyProfile *profile, AnomalyAmount amount);

static inline float
anomaly_amount_log(uint64_t amount)
{
	return anomaly_log2(1 + (float) amount);
}

/* What the drift is once the open window counts. */
extern float anomaly_drift(const AnomalyModel *model, const AnomalyProfile *profile, AnomalyAmount amount);

/* ---- anomaly_key.c ---- */

/* The entry of a key; NULL when the user does not know it, or nobody. */
extern const AnomalyKnown *anomaly_known(const AnomalyProfile *profile, AnomalySort sort, uint64_t hash);
extern const AnomalyShared *anomaly_shared(const AnomalyModel *model, AnomalySort sort, uint64_t hash);

/* Learns a key of the open window; whether it was new to the user. */
extern bool anomaly_learn_key(AnomalyModel *model, AnomalyProfile *profile, const AnomalyKey *key);

#endif /* TSEC_ANOMALY_FORM_H */
