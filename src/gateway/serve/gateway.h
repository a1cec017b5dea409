/*
 * gateway.h
 *		The program's state, and who does what with a request.
 */
#ifndef GATEWAY_SERVE_H
#define GATEWAY_SERVE_H

#include "gateway/config/config.h"
#include "gateway/config/log.h"
#include "gateway/db/pool.h"
#include "gateway/feed/feed.h"
#include "gateway/http/server.h"
#include "gateway/plan/schema.h"

/* Upper bounds of the histogram of durations, in microseconds; what is slower is in the last, unbounded one. */
#define DURATION_BOUNDS                                                                          \
	{                                                                                            \
		1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000, 1000000, 2500000, 5000000 \
	}
#define DURATION_COUNT 13

/* What /metrics tells. */
typedef struct Counts
{
	uint64_t requests[6]; /* by the first digit of the status */
	uint64_t durations[DURATION_COUNT];
	uint64_t duration_sum; /* microseconds */
	uint64_t refused;      /* by the door: heads, framing, limits, deadlines */
	uint64_t schema_loads;
	uint64_t schema_failures;
	int64_t schema_load_time; /* microseconds, of the last load */
} Counts;

/* A configuration, as long as a request looks at it. */
typedef struct ConfigHold
{
	Arena *arena;
	int references;
} ConfigHold;

typedef struct Gateway
{
	Loop *loop;
	const char *config_file; /* NULL when none */
	const Config *config;    /* in force */
	ConfigHold *config_hold;
	const char *pre_request_sql; /* calls db-pre-request; NULL when there is none */
	Pool *pool;
	Feed *feed;
	Server *public;
	Server *admin;  /* NULL when none */
	Schema *schema; /* NULL until it has been read */
	struct SchemaCache *cache;
	struct Scrape *scrapes; /* one for each format */
	Timer *config_timer;    /* of a reload that the database asked for */
	Counts counts;
	bool is_stopping;
} Gateway;

/* ---- gateway.c ---- */

/* Puts a configuration, and the arena it lives in, in place of the one before. */
extern void gateway_use_config(Gateway *gateway, Arena *arena, const Config *config);
extern void gateway_forget_config(Gateway *gateway);

/* Keeps the one in force until it is released. */
extern ConfigHold *gateway_hold_config(Gateway *gateway);
extern void gateway_release_config(ConfigHold *hold);

/* ---- cache.c: the schema cache is kept as the database is ---- */

extern void cache_begin(Gateway *gateway);

/* Reads it again; when a reading is on its way, once more after it; between two is a rest. */
extern void cache_reload(Gateway *gateway);
extern void cache_end(Gateway *gateway);

/* What schema_query() yielded last; NULL when nothing yet. */
extern const char *cache_json(const Gateway *gateway, size_t *length);

/* Whether the database has a time zone of that name. */
extern bool cache_knows_timezone(const Gateway *gateway, const char *name);

/* ---- scrape.c: the database's figures ---- */

/* What /metrics is written in.  Both end with "# EOF", a comment in the first; they name families of counters differently. */
typedef enum MetricsFormat
{
	METRICS_PROMETHEUS, /* its text format, 0.0.4 */
	METRICS_OPENMETRICS,
	METRICS_FORMATS
} MetricsFormat;

/* Answers a request with them; figures are good until it returns, end with "# EOF", and are NULL where there are none. */
typedef void (*ScrapeReady)(Gateway *gateway, Exchange *exchange, MetricsFormat format, const char *figures);

extern void scrape_begin(Gateway *gateway, ScrapeReady ready);

/* Has a request answered as soon as they are there, in two seconds at most. */
extern void scrape_ask(Gateway *gateway, Exchange *exchange, MetricsFormat format);

/* Before the servers are closed: what still waits is answered. */
extern void scrape_end(Gateway *gateway);

/* ---- handle.c: requests of the public server ---- */

extern void handle_request(void *argument, Exchange *exchange);
extern void handle_refusal(void *argument, int status, const char *why, const char *client_address,
						   int64_t milliseconds);

/* ---- admin.c: requests of the admin server ---- */

extern void admin_request(void *argument, Exchange *exchange);
extern void admin_answer_metrics(Gateway *gateway, Exchange *exchange, MetricsFormat format, const char *figures);

#endif /* GATEWAY_SERVE_H */
