/*
 * unusual.h
 *		What the files share that learn what is usual for whom: common/anomaly.h
 *		thinks, these read the log, keep what was learned, and tell.
 */
#ifndef TSEC_MONITOR_UNUSUAL_H
#define TSEC_MONITOR_UNUSUAL_H

#include "monitor/rule.h"

#include "common/anomaly.h"

#define UNUSUAL_RULE "unusual_access_patterns"
#define UNUSUAL_EVENTS 16 /* of a window, whose ids an alert names */

/* Whose access it is: a user of the twin, or a role of the database, which may have the same name. */
typedef struct UnusualUser
{
	char name[256 + 1];
	bool is_role;
} UnusualUser;

/* A user's profile while a batch is shown. */
typedef struct UnusualProfile
{
	UnusualUser user; /* first: the hash table's key */
	AnomalyProfile profile;
	bool is_stored;
	bool is_fresh;                /* the batch added something */
	int64 events[UNUSUAL_EVENTS]; /* the last ones of the open window */
	int event_count;
	TimestampTz last_active;
} UnusualProfile;

/* ---- unusual_event.c ---- */

/* Whether an event is something that somebody did, and who. */
extern bool unusual_concerns(const WatchedEvent *event, UnusualUser *user);

/* When it counts: nothing is later than it was recorded. */
extern TimestampTz unusual_time(const WatchedEvent *event);

/* What it counts as; the seed makes hashes that nobody can aim at. */
extern AnomalyEvent unusual_event(const WatchedEvent *event, uint64 seed);

/* A number of an object, not less than 0; 0 when there is none of the name. */
extern double unusual_number(const JsonbContainer *object, const char *name);

/* ---- unusual_store.c ---- */

/* The model, read or begun when it is asked for first; and has it read again, because what it learned was rolled back. */
extern AnomalyModel *unusual_model(void);
extern void unusual_forget_model(void);

/* Writes the model when it has learned much since, or some and long ago. */
extern void unusual_keep_model(int windows_learned);

/* Reads profiles of users, and keeps others from changing them until the transaction ends; writes them. */
extern void unusual_load(UnusualProfile **kept, int count);
extern void unusual_store(UnusualProfile **kept, int count);

/* ---- unusual_excuse.c ---- */

/* To a profile, what an alert's details name is as always from its hour on; false where they name no features. */
extern bool unusual_excuse(AnomalyProfile *profile, const Jsonb *details);

/* ---- unusual_alert.c ---- */

/* Raises an alert of the open window, unless the rule is off or quiet. */
extern void unusual_alert(const UnusualProfile *kept, const AnomalyModel *model);

/* ---- unusual.c ---- */

extern void unusual_init(void);

#endif /* TSEC_MONITOR_UNUSUAL_H */
