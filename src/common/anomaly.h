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
	int64_t hour; /* since 1970 */
	uint32_t events;
	uint32_t denials;
	uint64_t amounts[ANOMALY_AMOUNTS];
	uint8_t key_count;
	AnomalyKey keys[ANOMALY_WINDOW_KEYS];
} AnomalyWindow;

/* ---- a profile ---- */

#define ANOMALY_HOURS 168
#define ANOMALY_KNOWN 32 /* of each sort */
#define ANOMALY_EXCUSED 4

/* A key that the user used, in so many windows; old ones count less. */
typedef struct AnomalyKnown
{
	uint64_t hash;
	float weight;
	uint32_t since; /* day */
	uint32_t day;   /* of the last use */
} AnomalyKnown;

/* Mean and variance of log2(1 + amount) in windows that have some, and how far the last ones were above the mean. */
typedef struct AnomalyUsual
{
	float count;
	float mean;
	float variance;
	float drift;
} AnomalyUsual;

/* Features that somebody said are no reason for alarm. */
typedef struct AnomalyExcuse
{
	int64_t hour; /* of the window; 0: none */
	float features[ANOMALY_FEATURES];
} AnomalyExcuse;

typedef struct AnomalyProfile
{
	int64_t since;     /* the first window's hour; 0: nothing is known */
	int64_t last;      /* the last closed window's hour */
	uint32_t windows;  /* closed ones */
	float hour_usual;  /* how familiar the hours of his windows were */
	float new_rate[ANOMALY_SORTS];
	float denial_rate;
	int64_t returned; /* hour of the end of a long pause */
	float pause;	  /* its days */
	float hours[ANOMALY_HOURS];
	AnomalyUsual usual[ANOMALY_AMOUNTS];
	AnomalyKnown known[ANOMALY_SORTS][ANOMALY_KNOWN];
	AnomalyExcuse excused[ANOMALY_EXCUSED];
	AnomalyWindow window; /* the open one; without events there is none */
} AnomalyProfile;

/* ---- the model ---- */

#define ANOMALY_TREES 32
#define ANOMALY_DEPTH 8
#define ANOMALY_NODES ((1 << (ANOMALY_DEPTH + 1)) - 1)
#define ANOMALY_STEPS 64
#define ANOMALY_SHARED 4096 /* keys of all users */

typedef struct AnomalyShared
{
	uint64_t hash;
	float users;
	uint32_t day;
} AnomalyShared;

typedef struct AnomalyModel
{
	uint64_t seed; /* of the trees' halves */
	uint64_t windows;
	float users;
	AnomalyUsual usual[ANOMALY_AMOUNTS];
	AnomalyShared shared[ANOMALY_SHARED];
	uint32_t since_period;
	float reached[ANOMALY_FEATURES][ANOMALY_STEPS]; /* windows whose feature lay in this step */
	float total; /* what the trees hold */
	float mass[ANOMALY_TREES][ANOMALY_NODES];
	float latest[ANOMALY_TREES][ANOMALY_NODES];
	/* made of the seed */
	uint8_t split_feature[ANOMALY_TREES][ANOMALY_NODES];
	float split_at[ANOMALY_TREES][ANOMALY_NODES];
} AnomalyModel;

typedef struct AnomalyScore
{
	float score; /* 0: as always; ANOMALY_ALERT and above is worth an alert */
	float features[ANOMALY_FEATURES];
	float parts[ANOMALY_FEATURES]; /* how much lower the score were with this feature as always */
} AnomalyScore;

extern void anomaly_model_init(AnomalyModel *model, uint64_t seed);
extern void anomaly_profile_init(AnomalyProfile *profile);

/* Whether the open window ends before this time: it is to be closed first. */
extern bool anomaly_is_over(const AnomalyProfile *profile, int64_t time);

/* Adds an event to the open window, or opens one.  One that is late counts in the open window. */
extern void anomaly_note(AnomalyProfile *profile, const AnomalyEvent *event);

/* Scores the open window; parts are left 0 unless they are asked for. */
extern void anomaly_score(const AnomalyModel *model, const AnomalyProfile *profile, bool with_parts, AnomalyScore *score);

/* Closes the open window, of which profile and model learn; nothing without one. */
extern void anomaly_close(AnomalyModel *model, AnomalyProfile *profile);

#endif /* TSEC_ANOMALY_H */
