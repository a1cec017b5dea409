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
	return result * (1 + f * (1 + f * (0.5f + f * (0.166666667f + f * (0.041666667f + f * (0.008333333f + f * 0.001388889f))))));
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
/* How thinly settled the place is: bits below the mean density of the range. */
extern float anomaly_trees_rarity(const AnomalyModel *model, const float features[ANOMALY_FEATURES]);

extern void anomaly_surprises(const AnomalyModel *model, const float features[ANOMALY_FEATURES], float bits[ANOMALY_FEATURES]);
/* ---- anomaly_feature.c ---- */

extern void anomaly_features(const AnomalyModel *model, const AnomalyProfile *profile, float features[ANOMALY_FEATURES]);
extern float anomaly_hour_known(const AnomalyProfile *profile, int64_t hour);
extern const AnomalyKnown *anomaly_known(const AnomalyProfile *profile, AnomalySort sort, uint64_t hash);
extern float anomaly_amount_log(uint64_t amount);
extern float anomaly_above_usual(const AnomalyUsual *shared, const AnomalyUsual *own, float amount_log);
extern AnomalyShared *anomaly_shared(AnomalyModel *model, AnomalySort sort, uint64_t hash);

#endif /* TSEC_ANOMALY_FORM_H */
