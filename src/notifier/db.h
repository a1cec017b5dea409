/*
 * db.h
 *		The connection to the database: it hears that there are alerts, claims
 *		deliveries and settles them.  While it waits, what is on its way goes on.
 */
#ifndef NOTIFIER_DB_H
#define NOTIFIER_DB_H

#include "notifier/sender.h"

typedef struct Db Db;

/* A connection that is not made yet; conninfo as libpq knows it, NULL: the environment alone. */
extern Db *db_new(const char *conninfo, Sender *sender);
extern void db_free(Db *db);

/* Whether a connection string holds a password in any way, which everybody could read among the arguments. */
extern bool db_holds_password(const char *conninfo);

/* Dials, hears, dials again: to be called in each turn.  Whether it can be asked. */
extern bool db_step(Db *db);

/* How often it was connected: alerts may have been missed, and channels are to be registered again. */
extern unsigned db_connections(const Db *db);

/* Whether there was a notice since it was last asked. */
extern bool db_heard(Db *db);

/* What to wait for; false when there is nothing.  Milliseconds are lowered to when it wants to dial again. */
extern bool db_watch(const Db *db, struct curl_waitfd *watch, int *milliseconds);

typedef enum Registration
{
	REGISTRATION_DONE,
	REGISTRATION_WAITS, /* somebody else holds the list: it is to be asked again */
	REGISTRATION_REFUSED
} Registration;

extern Registration db_register(Db *db, const Config *config);

/* Claims at most so many deliveries of a channel, and gives them as a list. */
extern Delivery *db_claim(Db *db, Config *config, Channel *channel, int most);

/* False when it has to be settled later; an attempt that is to follow comes after so many milliseconds. */
extern bool db_settle(Db *db, const Delivery *delivery, int64_t delay);

#endif /* NOTIFIER_DB_H */
