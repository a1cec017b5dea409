/*
 * anomaly.h
 *		How unusual an hour of somebody's access is, learned from the hours before.
 *
 * A profile is what is usual for one user, in a fixed size: which hours of the
 * week, which networks, tables and actions, how much is read and decrypted.  A
 * model is what all users have in common: how many know a network or a table,
 * and half-space trees (Tan, Ting and Liu 2011) over the features of past hours,
 * also of fixed size.  Events of one user and one hour make a window; while it is
 * open its features and score can be asked for, and closing it teaches both.
 *
 * Nothing here allocates, reads a clock or knows chance: the same events give the
 * same scores.  Hashes of names stand for names.  Times are seconds since 1970;
 * any number does, and a clock that jumps costs accuracy and nothing else.
 */
#ifndef TSEC_ANOMALY_H
#define TSEC_ANOMALY_H

#include "bytes.h"

#include <stdbool.h>

/* What makes an hour unusual; each a number of 0 (as always) to ANOMALY_FEATURE_MAX, about bits of surprise. */
typedef enum AnomalyFeature
{
	ANOMALY_HOUR,    /* the hour of the week */
	ANOMALY_PAUSE,   /* nothing was heard of the user for long */
	ANOMALY_NETWORK, /* a network that he, and few others, used */
	ANOMALY_OBJECT,  /* tables and keys likewise */
	ANOMALY_ACTION,  /* kinds of events and commands likewise */
	ANOMALY_ROWS,    /* rows read in the hour */
	ANOMALY_TREND,   /* rows read in the last ten hours or so of work */
	ANOMALY_VALUES,  /* values decrypted */
	ANOMALY_CHANGES, /* rows changed */
	ANOMALY_DENIALS, /* what was denied, and how many different things */
	ANOMALY_FEATURES
} AnomalyFeature;

#define ANOMALY_FEATURE_MAX 8.0f

typedef enum AnomalyDeed
{
	ANOMALY_OTHER,
	ANOMALY_READ,
	ANOMALY_DECRYPT,
	ANOMALY_CHANGE,
	ANOMALY_DENIED,
	ANOMALY_DEEDS
} AnomalyDeed;

typedef struct AnomalyEvent
{
	int64_t time;
	AnomalyDeed deed;
	uint32_t rows;    /* read, changed, or values decrypted */
	uint64_t network; /* hashes; 0: none */
	uint64_t object;
	uint64_t action;
} AnomalyEvent;

/* ---- a window ---- */

#define ANOMALY_WINDOW_KEYS 32

/* Networks, objects and actions are kept apart. */
typedef enum AnomalySort
{
	ANOMALY_NETWORKS,
	ANOMALY_OBJECTS,
	ANOMALY_ACTIONS,
	ANOMALY_SORTS
} AnomalySort;

typedef struct AnomalyKey
{
	uint64_t hash;
	uint8_t sort;
	bool is_denied;
} AnomalyKey;

/* The amounts whose usual size is learned. */
typedef enum AnomalyAmount
{
	ANOMALY_AMOUNT_ROWS,
	ANOMALY_AMOUNT_VALUES,
	ANOMALY_AMOUNT_CHANGES,
	ANOMALY_AMOUNTS
} AnomalyAmount;

typedef struct AnomalyWindow
{
	uint32_t hour; /* since 1970 */
	uint32_t events;
	uint32_t denials;
	uint64_t amounts[ANOMALY_AMOUNTS];
	uint8_t key_count;
	AnomalyKey keys[ANOMALY_WINDOW_KEYS];
} AnomalyWindow;

/* ---- a profile ---- */

#define ANOMALY_HOURS 168
#define ANOMALY_KNOWN 32 /* of each sort; a new one displaces the one that was not used for longest */
#define ANOMALY_EXCUSES 4

typedef struct AnomalyKnown
{
	uint64_t hash;
	uint32_t since; /* day; 0: no key */
	uint32_t day;   /* of the last use */
} AnomalyKnown;

/* Of log2(1 + amount) in windows that have some. */
typedef struct AnomalyUsual
{
	float count; /* windows, as far back as counts */
	float mean;
	float variance;
	float drift; /* by how many standard deviations the last windows lay above the mean */
} AnomalyUsual;

/* Features that somebody said are no reason for an alert. */
typedef struct AnomalyExcuse
{
	uint32_t hour; /* of the window; 0: none */
	float features[ANOMALY_FEATURES];
} AnomalyExcuse;

typedef struct AnomalyProfile
{
	uint32_t since;    /* hour of the first window; 0: nothing is known */
	uint32_t last;     /* hour of the last one closed */
	uint32_t windows;  /* closed ones */
	uint32_t returned; /* hour in which the last long pause ended */
	float pause;       /* its days */
	float hour_usual;  /* how familiar the hours of his windows were */
	float denial_rate; /* in a window */
	float last_score;  /* of the last window */
	float new_rate[ANOMALY_SORTS];
	float hours[ANOMALY_HOURS];
	AnomalyUsual usual[ANOMALY_AMOUNTS];
	AnomalyKnown known[ANOMALY_SORTS][ANOMALY_KNOWN];
	AnomalyExcuse excuses[ANOMALY_EXCUSES];
	AnomalyWindow window; /* the open one; without events there is none */
} AnomalyProfile;

/* ---- the model ---- */

#define ANOMALY_TREES 32
#define ANOMALY_DEPTH 8
#define ANOMALY_NODES ((1 << (ANOMALY_DEPTH + 1)) - 1)
#define ANOMALY_STEPS 64    /* into which a feature's range is cut */
#define ANOMALY_SHARED 4096 /* keys of all users */

typedef struct AnomalyShared
{
	uint64_t hash;
	float users; /* how many know the key; 0: no key */
} AnomalyShared;

typedef struct AnomalyModel
{
	uint64_t seed; /* of the trees' halves: who knows it not cannot tell where they are */
	float users;
	AnomalyUsual usual[ANOMALY_AMOUNTS];
	AnomalyShared shared[ANOMALY_SHARED];
	uint32_t since_period;                          /* windows that the trees do not count yet */
	float reached[ANOMALY_FEATURES][ANOMALY_STEPS]; /* windows whose feature lay in this step */
	float mass[ANOMALY_TREES][ANOMALY_NODES];
	float latest[ANOMALY_TREES][ANOMALY_NODES];
	/* made of the seed */
	uint8_t split_feature[ANOMALY_TREES][ANOMALY_NODES];
	float split_at[ANOMALY_TREES][ANOMALY_NODES];
} AnomalyModel;

/* From this score on a window is worth an alert: about one in 15 weeks of a user who does nothing wrong (see bench/). */
#define ANOMALY_ALERT 5.2f

typedef struct AnomalyScore
{
	float score; /* 0 or less: as always */
	float features[ANOMALY_FEATURES];
	float parts[ANOMALY_FEATURES]; /* how much lower the score were if this feature were as always */
} AnomalyScore;

extern void anomaly_model_init(AnomalyModel *model, uint64_t seed);
extern void anomaly_profile_init(AnomalyProfile *profile);

/* A word for a feature, as rows_read. */
extern const char *const anomaly_feature_names[ANOMALY_FEATURES];

/*
 * Whether the open window is to be closed before an event of this time is noted:
 * it is of a later hour, or so far back that the clock must have been wrong.
 */
extern bool anomaly_is_over(const AnomalyProfile *profile, int64_t time);

/* Adds an event to the open window, or opens one.  One that is a little late counts in the open window. */
extern void anomaly_note(AnomalyProfile *profile, const AnomalyEvent *event);

/* Scores the open window; parts are left 0 unless they are asked for. */
extern void anomaly_score(const AnomalyModel *model, const AnomalyProfile *profile, bool with_parts,
						  AnomalyScore *score);

/* Closes the open window, of which profile and model learn; nothing without one. */
extern void anomaly_close(AnomalyModel *model, AnomalyProfile *profile);

/* From now on features no higher than these count as always; half as high after ninety days, and so on. */
extern void anomaly_excuse(AnomalyProfile *profile, uint32_t hour, const float features[ANOMALY_FEATURES]);

/* ---- kept as bytes, numbers big-endian; reading trusts nothing ---- */

#define ANOMALY_PROFILE_VERSION 1
#define ANOMALY_PROFILE_SIZE                                                                                         \
	(1 + 8 * 4 + ANOMALY_SORTS * 4 + ANOMALY_HOURS * 4 + ANOMALY_AMOUNTS * 16 + ANOMALY_SORTS * ANOMALY_KNOWN * 16 + \
	 ANOMALY_EXCUSES * (4 + ANOMALY_FEATURES * 4) + 3 * 4 + ANOMALY_AMOUNTS * 8 + 1 + ANOMALY_WINDOW_KEYS * 10)

#define ANOMALY_MODEL_VERSION 1
#define ANOMALY_MODEL_SIZE                                                                               \
	(1 + 8 + 4 + ANOMALY_AMOUNTS * 16 + ANOMALY_SHARED * 12 + 4 + ANOMALY_FEATURES * ANOMALY_STEPS * 4 + \
	 2 * ANOMALY_TREES * ANOMALY_NODES * 4)

extern void anomaly_write_profile(const AnomalyProfile *profile, uint8_t to[ANOMALY_PROFILE_SIZE]);
extern void anomaly_write_model(const AnomalyModel *model, uint8_t to[ANOMALY_MODEL_SIZE]);

/* False for what no writer wrote; the result is not to be used then. */
extern bool anomaly_read_profile(Bytes bytes, AnomalyProfile *profile);
extern bool anomaly_read_model(Bytes bytes, AnomalyModel *model);

#endif /* TSEC_ANOMALY_H */
