/*
 * cache.c
 *		The schema cache is kept as the database is.
 *
 * It is read when the gateway begins, when the listener is there (again), when
 * the database says so, and on SIGUSR1.  Requests go on with the old one
 * meanwhile; without any they are answered with PGRST002.
 */
#include "gateway/serve/gateway.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define RETRY_MAX 5 /* rests double until 32 seconds */

/* Anybody who can connect can NOTIFY, so between two readings is a rest: so many times as long as the last one took. */
#define REST_FACTOR 4
#define REST_MIN 100 /* milliseconds */

typedef struct SchemaCache
{
	Gateway *gateway;
	Job *job;
	Timer *timer;
	Arena *arena; /* of the reading that is on its way */
	bool again;
	int tries;
	int64_t began_at; /* microseconds */
	int64_t rest_end; /* before which no notice makes it read again; milliseconds of the loop */
	Arena *kept;      /* time zones live here; they are read once */
	char *json;       /* what the schema was made of, for the admin server */
	size_t json_length;
	char **timezones; /* sorted; NULL until then */
	size_t timezone_count;
} SchemaCache;

static int64_t
microseconds(void)
{
	struct timespec now;

	(void) clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void read_schema(void *argument);

static void
fail(SchemaCache *cache, const char *why)
{
	int64_t rest = (int64_t) 1000 << (cache->tries < RETRY_MAX ? cache->tries : RETRY_MAX);

	cache->tries++;
	cache->gateway->counts.schema_failures++;
	log_event(LOG_ERROR, "schema_cache_failed", "why", why, NULL);
	cache->timer = loop_after(cache->gateway->loop, rest, read_schema, cache);
}

static const char *
why_not(const PoolAnswer *answer)
{
	if (answer->outcome == POOL_FAILED && answer->result_count > 0)
	{
		const char *message = PQresultErrorField(answer->results[answer->result_count - 1], PG_DIAG_MESSAGE_PRIMARY);

		return message != NULL ? message : "the database refused";
	}
	if (answer->outcome == POOL_TIMEOUT)
		return "no connection in time";
	return answer->why != NULL ? answer->why : "the connection was lost";
}

static void
keep_json(SchemaCache *cache, const char *json, size_t length)
{
	free(cache->json);
	cache->json = malloc(length + 1);
	if (cache->json == NULL)
		abort(); /* out of memory */
	memcpy(cache->json, json, length + 1);
	cache->json_length = length;
}

const char *
cache_json(const Gateway *gateway, size_t *length)
{
	*length = gateway->cache->json_length;
	return gateway->cache->json;
}

static void
take_schema(SchemaCache *cache, const PGresult *result)
{
	Gateway *gateway = cache->gateway;
	const char *why = "the answer is of another shape";
	char relations[16];
	char relationships[16];
	char routines[16];
	Schema *fresh = PQntuples(result) == 1 && PQnfields(result) == 1
						? schema_read(PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0), &why)
						: NULL;

	if (fresh == NULL)
	{
		fail(cache, why);
		return;
	}
	if (gateway->schema != NULL)
		schema_release(gateway->schema);
	gateway->schema = fresh;
	keep_json(cache, PQgetvalue(result, 0, 0), (size_t) PQgetlength(result, 0, 0));
	cache->tries = 0;
	gateway->counts.schema_loads++;
	gateway->counts.schema_load_time = microseconds() - cache->began_at;
	(void) snprintf(relations, sizeof(relations), "%d", schema_relation_count(fresh));
	(void) snprintf(relationships, sizeof(relationships), "%d", schema_relationship_count(fresh));
	(void) snprintf(routines, sizeof(routines), "%d", schema_routine_count(fresh));
	log_event(LOG_INFO, "schema_cache_loaded", "relations", relations, "relationships", relationships, "routines",
			  routines, NULL);
}

static int
compare_names(const void *a, const void *b)
{
	return strcmp(*(char *const *) a, *(char *const *) b);
}

static void
take_timezones(SchemaCache *cache, const PGresult *result)
{
	cache->timezone_count = (size_t) PQntuples(result);
	cache->timezones = arena_alloc(cache->kept, (cache->timezone_count + 1) * sizeof(char *));
	for (size_t i = 0; i < cache->timezone_count; i++)
		cache->timezones[i] = arena_string(cache->kept, PQgetvalue(result, (int) i, 0));
	qsort(cache->timezones, cache->timezone_count, sizeof(char *), compare_names);
}

bool
cache_knows_timezone(const Gateway *gateway, const char *name)
{
	const SchemaCache *cache = gateway->cache;

	return cache->timezones != NULL &&
		   bsearch(&name, cache->timezones, cache->timezone_count, sizeof(char *), compare_names) != NULL;
}

/* The next reading is not before a rest. */
static void
begin_rest(SchemaCache *cache)
{
	int64_t rest = REST_FACTOR * (microseconds() - cache->began_at) / 1000;

	cache->rest_end = loop_now(cache->gateway->loop) + (rest > REST_MIN ? rest : REST_MIN);
}

static void
schema_came(void *argument, const PoolAnswer *answer)
{
	SchemaCache *cache = argument;

	cache->job = NULL;
	if (answer->outcome == POOL_DONE)
	{
		if (answer->result_count > 1)
			take_timezones(cache, answer->results[1]);
		take_schema(cache, answer->results[0]);
	}
	else
		fail(cache, why_not(answer));
	arena_free(cache->arena);
	cache->arena = NULL;
	begin_rest(cache);
	if (cache->again)
	{
		cache->again = false;
		cache_reload(cache->gateway);
	}
}

/* The exposed schemas, and behind them twin_api for the routes of sessions and twin_console for the console's, as an array's text. */
static const char *
schema_list(Arena *arena, const Config *config)
{
	Text list;

	text_begin(&list, arena);
	text_char(&list, '{');
	for (const char **schema = config->db_schemas; *schema != NULL; schema++)
	{
		text_char(&list, '"');
		for (const char *c = *schema; *c != '\0'; c++)
		{
			if (*c == '"' || *c == '\\')
				text_char(&list, '\\');
			text_char(&list, *c);
		}
		text_put(&list, "\",");
	}
	text_put(&list, "twin_api,twin_console}");
	return list.data;
}

static void
read_schema(void *argument)
{
	SchemaCache *cache = argument;
	const char **values;
	PoolStatement *statements;
	int count = 1;

	cache->timer = NULL;
	cache->arena = arena_new();
	values = arena_alloc(cache->arena, sizeof(char *));
	values[0] = schema_list(cache->arena, cache->gateway->config);
	statements = arena_alloc(cache->arena, 2 * sizeof(PoolStatement));
	statements[0] = (PoolStatement){.sql = schema_query(), .parameter_count = 1, .values = values};
	if (cache->timezones == NULL)
		statements[count++] = (PoolStatement){.sql = "SELECT name FROM pg_catalog.pg_timezone_names"};
	cache->began_at = microseconds();
	cache->job = pool_run(cache->gateway->pool, &(PoolRequest){.begin = "BEGIN READ ONLY",
															   .statements = statements,
															   .count = count,
															   .callback = schema_came,
															   .argument = cache});
}

void
cache_reload(Gateway *gateway)
{
	SchemaCache *cache = gateway->cache;

	if (cache->job != NULL)
	{
		cache->again = true;
		return;
	}
	if (cache->timer != NULL)
		timer_cancel(cache->timer);
	cache->timer = NULL;
	if (loop_now(gateway->loop) < cache->rest_end)
		cache->timer = loop_after(gateway->loop, cache->rest_end - loop_now(gateway->loop), read_schema, cache);
	else
		read_schema(cache);
}

void
cache_begin(Gateway *gateway)
{
	SchemaCache *cache = calloc(1, sizeof(SchemaCache));

	if (cache == NULL)
		abort(); /* out of memory */
	cache->gateway = gateway;
	cache->kept = arena_new();
	gateway->cache = cache;
	cache_reload(gateway);
}

void
cache_end(Gateway *gateway)
{
	SchemaCache *cache = gateway->cache;

	if (cache->timer != NULL)
		timer_cancel(cache->timer);
	if (cache->job != NULL)
		pool_cancel(cache->job);
	arena_free(cache->arena);
	arena_free(cache->kept);
	free(cache->json);
	free(cache);
	if (gateway->schema != NULL)
		schema_release(gateway->schema);
	gateway->schema = NULL;
}
