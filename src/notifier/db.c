/*
 * db.c
 *		libpq without waiting for it, but for the answer to a question, which has a
 *		bound.  Looking up the server's name is the one thing that blocks.
 */
#include "notifier/db.h"

#include "notifier/log.h"

#include <jansson.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define DIAL_MAX 10000   /* milliseconds */
#define ANSWER_TIME 5000 /* ... */
#define REST_LEAST 1000
#define REST_MOST 30000
#define LEASE_BEYOND 10 /* seconds that a lease lasts beyond an attempt's own bound */

struct Db
{
	const char *conninfo;
	Sender *sender;
	PGconn *connection;
	PostgresPollingStatusType wanted; /* while it dials */
	bool is_up;
	bool heard;
	unsigned connections;
	int64_t deadline; /* of dialling; while there is no connection: when to dial again */
	int64_t rest;
};

static int64_t
now(void)
{
	struct timespec time;

	(void) clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * INT64_C(1000) + time.tv_nsec / 1000000;
}

Db *
db_new(const char *conninfo, Sender *sender)
{
	Db *db = calloc(1, sizeof(Db));

	if (db == NULL)
		abort(); /* out of memory */
	db->conninfo = conninfo;
	db->sender = sender;
	db->rest = REST_LEAST;
	return db;
}

static void
hang_up(Db *db)
{
	PQfinish(db->connection);
	db->connection = NULL;
	db->is_up = false;
	db->deadline = now() + db->rest;
	db->rest = db->rest * 2 > REST_MOST ? REST_MOST : db->rest * 2;
}

void
db_free(Db *db)
{
	PQfinish(db->connection);
	free(db);
}

bool
db_holds_password(const char *conninfo)
{
	PQconninfoOption *options;
	bool found = false;

	/* a database's name alone */
	if (strchr(conninfo, '=') == NULL && strstr(conninfo, "://") == NULL)
		return false;
	options = PQconninfoParse(conninfo, NULL);
	/* what cannot be read may hold one */
	if (options == NULL)
		return true;
	for (const PQconninfoOption *option = options; option->keyword != NULL; option++)
		found = found || (strstr(option->keyword, "password") != NULL && option->val != NULL);
	PQconninfoFree(options);
	return found;
}

/* ---- questions ---- */

static bool
wait_for(Db *db, short events, int64_t deadline)
{
	struct curl_waitfd watch = {.fd = PQsocket(db->connection), .events = events};
	int64_t left = deadline - now();

	if (left <= 0)
		return false;
	sender_wait(db->sender, &watch, 1, (int) left);
	return true;
}

/* Notices may come beside an answer, and then no socket tells of them. */
static void
take_notices(Db *db)
{
	PGnotify *notice;

	while ((notice = PQnotifies(db->connection)) != NULL)
	{
		db->heard = true;
		PQfreemem(notice);
	}
}

/* The answer to a question, NULL when there is none; the reason is logged. */
static PGresult *
ask(Db *db, const char *question, int count, const char *const *values)
{
	int64_t deadline = now() + ANSWER_TIME;
	bool good = PQsendQueryParams(db->connection, question, count, NULL, values, NULL, NULL, 0) == 1;
	PGresult *answer = NULL;
	PGresult *next;
	int unsent = 1;

	while (good && (unsent = PQflush(db->connection)) > 0)
		good = wait_for(db, CURL_WAIT_POLLIN | CURL_WAIT_POLLOUT, deadline) && PQconsumeInput(db->connection) == 1;
	good = good && unsent == 0;
	while (good)
	{
		while (good && PQisBusy(db->connection))
			good = wait_for(db, CURL_WAIT_POLLIN, deadline) && PQconsumeInput(db->connection) == 1;
		next = good ? PQgetResult(db->connection) : NULL;
		if (next == NULL)
			break;
		PQclear(answer);
		answer = next;
	}
	if (!good)
	{
		PQclear(answer);
		log_error("database_lost", "why",
				  PQstatus(db->connection) == CONNECTION_OK ? "it did not answer in time"
															: PQerrorMessage(db->connection),
				  NULL);
		hang_up(db);
		return NULL;
	}
	take_notices(db);
	if (PQresultStatus(answer) == PGRES_TUPLES_OK || PQresultStatus(answer) == PGRES_COMMAND_OK)
		return answer;
	log_error("database_refused", "why", PQresultErrorMessage(answer), NULL);
	PQclear(answer);
	return NULL;
}

/* A question whose answer does not matter beyond that there is one. */
static bool
tell(Db *db, const char *question)
{
	PGresult *answer = ask(db, question, 0, NULL);

	PQclear(answer);
	return answer != NULL;
}

/* ---- dialling ---- */

/* Notices are for people who type. */
static void
ignore_notice(void *argument, const char *message)
{
}

static void
dial(Db *db)
{
	static const char *const names[] = {"dbname", "fallback_application_name", "client_encoding", NULL};
	const char *values[] = {db->conninfo, "twin_notifier", "UTF8", NULL};

	db->connection = PQconnectStartParams(names, values, 1);
	if (db->connection == NULL)
		abort(); /* out of memory */
	(void) PQsetNoticeProcessor(db->connection, ignore_notice, NULL);
	db->wanted = PGRES_POLLING_WRITING;
	db->deadline = now() + DIAL_MAX;
}

static void
dial_on(Db *db)
{
	struct pollfd ready = {.fd = PQsocket(db->connection),
						   .events = db->wanted == PGRES_POLLING_READING ? POLLIN : POLLOUT};

	if (PQstatus(db->connection) == CONNECTION_BAD)
		db->wanted = PGRES_POLLING_FAILED;
	else if (poll(&ready, 1, 0) > 0)
		db->wanted = PQconnectPoll(db->connection);
	if (db->wanted == PGRES_POLLING_FAILED || now() > db->deadline)
	{
		log_error("database_unreachable", "why",
				  db->wanted == PGRES_POLLING_FAILED ? PQerrorMessage(db->connection) : "it did not answer in time",
				  NULL);
		hang_up(db);
		return;
	}
	if (db->wanted != PGRES_POLLING_OK)
		return;
	if (PQsetnonblocking(db->connection, 1) != 0 ||
		/* what is seen after a lock must be what was committed before it */
		!tell(db, "SET default_transaction_isolation = 'read committed'") || !tell(db, "LISTEN twin_alerts"))
	{
		if (db->connection != NULL)
			hang_up(db);
		return;
	}
	db->is_up = true;
	db->connections++;
	db->rest = REST_LEAST;
	log_note("connected", NULL);
}

bool
db_step(Db *db)
{
	if (db->connection == NULL && now() >= db->deadline)
		dial(db);
	if (db->connection != NULL && !db->is_up)
		dial_on(db);
	if (!db->is_up)
		return false;
	if (PQconsumeInput(db->connection) != 1)
	{
		log_error("database_lost", "why", PQerrorMessage(db->connection), NULL);
		hang_up(db);
		return false;
	}
	take_notices(db);
	return true;
}

unsigned
db_connections(const Db *db)
{
	return db->connections;
}

bool
db_heard(Db *db)
{
	bool heard = db->heard;

	db->heard = false;
	return heard;
}

bool
db_watch(const Db *db, struct curl_waitfd *watch, int *milliseconds)
{
	if (db->heard)
		*milliseconds = 0;
	if (!db->is_up)
	{
		int64_t left = db->deadline - now();

		if (left < *milliseconds)
			*milliseconds = left > 0 ? (int) left : 0;
	}
	if (db->connection == NULL || PQsocket(db->connection) < 0)
		return false;
	*watch = (struct curl_waitfd){.fd = PQsocket(db->connection), .events = CURL_WAIT_POLLIN};
	if (!db->is_up && db->wanted != PGRES_POLLING_READING)
		watch->events = CURL_WAIT_POLLOUT;
	return true;
}

/* ---- what there is to do ---- */

static json_t *
described(const Channel *channel)
{
	json_t *rules = NULL;
	json_t *one;
	char max_age[32];

	if (channel->rules.count > 0)
		rules = json_array();
	for (size_t i = 0; i < channel->rules.count; i++)
		(void) json_array_append_new(rules, json_string(channel->rules.texts[i]));
	(void) snprintf(max_age, sizeof(max_age), "%d seconds", channel->max_age);
	one = json_pack("{s:s, s:s, s:s, s:s, s:b, s:o*}", "channel", channel->name, "kind",
					alert_config_kinds[channel->kind], "min_severity", alert_config_severities[channel->min_severity],
					"max_age", max_age, "is_on", alert_config_is_on(channel) ? 1 : 0, "rules", rules);
	if (one == NULL)
		abort(); /* out of memory */
	return one;
}

Registration
db_register(Db *db, const Config *config)
{
	json_t *channels = json_array();
	const char *values[2] = {config->notifier};
	Registration registration = REGISTRATION_REFUSED;
	char *text;
	PGresult *answer;

	for (size_t i = 0; i < config->count; i++)
		(void) json_array_append_new(channels, described(&config->channels[i]));
	text = json_dumps(channels, JSON_COMPACT);
	json_decref(channels);
	if (text == NULL)
		abort(); /* out of memory */
	values[1] = text;
	answer = ask(db, "SELECT twin.register_alert_channels($1, $2)", 2, values);
	free(text);
	if (answer != NULL)
		registration = PQgetisnull(answer, 0, 0) ? REGISTRATION_WAITS : REGISTRATION_DONE;
	PQclear(answer);
	return registration;
}

/* The columns of twin.claim_deliveries() as the alert has them. */
static Delivery *
delivery_of(const PGresult *answer, int row, Config *config, Channel *channel)
{
	enum
	{
		SUBJECT = 8,
		INCIDENT = 11,
		COLUMNS = 13
	};
	Delivery *delivery = calloc(1, sizeof(Delivery));
	const char *columns[COLUMNS];
	size_t size = 0;
	char *at;

	for (int i = 0; i < COLUMNS; i++)
		size += (size_t) PQgetlength(answer, row, i) + 1;
	if (delivery == NULL || (at = delivery->texts = malloc(size)) == NULL)
		abort(); /* out of memory */
	for (int i = 0; i < COLUMNS; i++)
	{
		size_t length = (size_t) PQgetlength(answer, row, i) + 1;

		memcpy(at, PQgetvalue(answer, row, i), length);
		/* only these can be null */
		columns[i] = PQgetisnull(answer, row, i) && (i == SUBJECT || i == INCIDENT) ? NULL : at;
		at += length;
	}
	delivery->config = config;
	config->users++;
	delivery->channel = channel;
	delivery->delivery_id = columns[0];
	delivery->claim = columns[2];
	delivery->alert = (Alert){.key = columns[1],
							  .attempt = atoi(columns[3]),
							  .alert_id = columns[4],
							  .rule_name = columns[5],
							  .raised_at = columns[6],
							  .severity = columns[7],
							  .subject = columns[8],
							  .count = columns[9],
							  .event_ids = columns[10],
							  .incident_id = columns[11],
							  .details = columns[12]};
	return delivery;
}

Delivery *
db_claim(Db *db, Config *config, Channel *channel, int most)
{
	char count[16];
	char lease[32];
	const char *values[] = {channel->name, count, lease};
	Delivery *first = NULL;
	PGresult *answer;

	(void) snprintf(count, sizeof(count), "%d", most);
	(void) snprintf(lease, sizeof(lease), "%d seconds", channel->timeout + LEASE_BEYOND);
	answer = ask(db,
				 "SELECT delivery_id, delivery_key, claim, attempts, alert_id, rule_name, raised_at, severity, "
				 "subject, count, "
				 "event_ids, incident_id, details FROM twin.claim_deliveries($1, $2, $3)",
				 3, values);
	for (int row = answer == NULL ? 0 : PQntuples(answer); row > 0; row--)
	{
		Delivery *delivery = delivery_of(answer, row - 1, config, channel);

		delivery->next = first;
		first = delivery;
	}
	PQclear(answer);
	return first;
}

bool
db_settle(Db *db, const Delivery *delivery, int64_t delay)
{
	static const char *const outcomes[] = {"delivered", "retry", "dead", "released"};
	char retry_in[48];
	const char *values[] = {delivery->delivery_id, delivery->claim, outcomes[delivery->verdict],
							delivery->verdict == VERDICT_DELIVERED ? NULL : delivery->error,
							delivery->verdict == VERDICT_RETRY ? retry_in : NULL};
	PGresult *answer;

	(void) snprintf(retry_in, sizeof(retry_in), "%lld milliseconds", (long long) delay);
	answer = ask(db, "SELECT twin.settle_delivery($1, $2, $3, $4, $5)", 5, values);
	PQclear(answer);
	/* what the database refuses to settle it refuses again: the lease runs out */
	return answer != NULL || db->is_up;
}
