/*
 * admin.c
 *		Requests of the admin server: is it alive, is it ready, what has it done.
 *
 *		/live		200 while the loop turns
 *		/ready		200 when the schema cache is there and the database answers, else 503
 *		/metrics	figures, the database's behind the program's own, as OpenMetrics or for Prometheus; names are
 *					PostgREST's where it has them
 *		/schema_cache	what the gateway knows of the schemas, as JSON
 *
 * It is open to whoever reaches its address and tells nothing of any request.
 */
#include "gateway/serve/gateway.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void
answer(Exchange *exchange, int status, const char *type, const char *body)
{
	const Header headers[] = {{"Content-Type", type}, {"Cache-Control", "no-store"}};

	exchange_answer(exchange, status, NULL, headers, 2, body, strlen(body));
}

static bool
is_ready(const Gateway *gateway)
{
	return gateway->schema != NULL && !pool_counts(gateway->pool).is_down && !gateway->is_stopping;
}

/* What is said of a family in front of its samples. */
static void
begin_family(Text *text, MetricsFormat format, const char *name, const char *type, const char *help)
{
	const char *suffix = format == METRICS_PROMETHEUS && strcmp(type, "counter") == 0 ? "_total" : "";

	text_format(text, "# TYPE %s%s %s\n# HELP %s%s %s\n", name, suffix, type, name, suffix, help);
}

static void
add_metric(Text *text, MetricsFormat format, const char *name, const char *type, const char *help, double value)
{
	begin_family(text, format, name, type, help);
	text_format(text, "%s%s %.15g\n", name, strcmp(type, "counter") == 0 ? "_total" : "", value);
}

/* Resident memory in bytes; 0 when the kernel does not say. */
static double
resident(void)
{
	FILE *file = fopen("/proc/self/statm", "r");
	unsigned long long pages = 0;

	if (file == NULL)
		return 0;
	if (fscanf(file, "%*u %llu", &pages) != 1)
		pages = 0;
	(void) fclose(file);
	return (double) pages * (double) sysconf(_SC_PAGESIZE);
}

static void
add_durations(Text *text, const Counts *counts)
{
	static const int64_t bounds[] = DURATION_BOUNDS;
	static const char name[] = "twin_gateway_request_duration_seconds";
	uint64_t sum = 0;

	text_format(text,
				"# TYPE %s histogram\n# UNIT %s seconds\n# HELP %s From the first byte of a request to its answer.\n",
				name, name, name);
	for (int i = 0; i < DURATION_COUNT; i++)
	{
		sum += counts->durations[i];
		if (i < DURATION_COUNT - 1)
			text_format(text, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, (double) bounds[i] / 1e6, sum);
		else
			text_format(text, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, sum);
	}
	text_format(text, "%s_count %" PRIu64 "\n%s_sum %.6f\n", name, sum, name, (double) counts->duration_sum / 1e6);
}

static const char *
metrics(const Gateway *gateway, Arena *arena, MetricsFormat format, const char *figures)
{
	PoolCounts pool = pool_counts(gateway->pool);
	const Counts *counts = &gateway->counts;
	Text text;

	text_begin(&text, arena);
	add_metric(&text, format, "pgrst_db_pool_max", "gauge", "Connections the pool may have.", pool.size);
	add_metric(&text, format, "pgrst_db_pool_available", "gauge", "Connections that wait for work.",
			   pool.open - pool.busy);
	add_metric(&text, format, "pgrst_db_pool_waiting", "gauge", "Requests that wait for a connection.", pool.waiting);
	add_metric(&text, format, "pgrst_db_pool_timeouts", "counter", "Requests that waited too long for one.",
			   (double) pool.timeouts);
	add_metric(&text, format, "pgrst_schema_cache_query_time_seconds", "gauge",
			   "The last reading of the schema cache.", (double) counts->schema_load_time / 1e6);
	begin_family(&text, format, "pgrst_schema_cache_loads", "counter", "Readings of the schema cache.");
	text_format(&text, "pgrst_schema_cache_loads_total{status=\"SUCCESS\"} %" PRIu64 "\n", counts->schema_loads);
	text_format(&text, "pgrst_schema_cache_loads_total{status=\"FAIL\"} %" PRIu64 "\n", counts->schema_failures);
	begin_family(&text, format, "twin_gateway_requests", "counter", "Requests answered, by class of status.");
	for (int i = 1; i < 6; i++)
		text_format(&text, "twin_gateway_requests_total{status=\"%dxx\"} %" PRIu64 "\n", i, counts->requests[i]);
	add_metric(&text, format, "twin_gateway_refused", "counter",
			   "Requests that were refused before they were read whole.", (double) counts->refused);
	add_metric(&text, format, "twin_gateway_connections", "gauge", "Connections of clients.",
			   server_connections(gateway->public));
	add_metric(&text, format, "process_resident_memory_bytes", "gauge", "Resident memory.", resident());
	add_metric(&text, format, "twin_gateway_websockets", "gauge", "WebSockets that are open.",
			   feed_clients(gateway->feed));
	add_durations(&text, counts);
	add_metric(&text, format, "twin_gateway_database_metrics_up", "gauge",
			   "Whether the database gave its figures, which follow.", figures != NULL);
	text_put(&text, figures != NULL ? figures : "# EOF");
	text_char(&text, '\n');
	return text.data;
}

void
admin_answer_metrics(Gateway *gateway, Exchange *exchange, MetricsFormat format, const char *figures)
{
	static const char *const types[METRICS_FORMATS] = {
		[METRICS_PROMETHEUS] = "text/plain; version=0.0.4; charset=utf-8",
		[METRICS_OPENMETRICS] = "application/openmetrics-text; version=1.0.0; charset=utf-8"};

	answer(exchange, 200, types[format], metrics(gateway, exchange_request(exchange)->arena, format, figures));
}

/* OpenMetrics is for who asks for it, as Prometheus does. */
static MetricsFormat
metrics_format(const Request *request)
{
	const char *accept = request_header(request, "accept");

	return accept != NULL && strstr(accept, "application/openmetrics-text") != NULL ? METRICS_OPENMETRICS
																					: METRICS_PROMETHEUS;
}

/* It may change before it is sent. */
static void
answer_schema(const Gateway *gateway, Exchange *exchange)
{
	size_t length = 0;
	const char *json = cache_json(gateway, &length);

	answer(exchange, json != NULL ? 200 : 503, "application/json; charset=utf-8",
		   json != NULL ? arena_copy(exchange_request(exchange)->arena, json, length) : "");
}

void
admin_request(void *argument, Exchange *exchange)
{
	Gateway *gateway = argument;
	const Request *request = exchange_request(exchange);

	if (strcmp(request->method, "GET") != 0 && strcmp(request->method, "HEAD") != 0)
		answer(exchange, 405, "text/plain", "only GET\n");
	else if (strcmp(request->path, "/live") == 0)
		answer(exchange, 200, "text/plain", "");
	else if (strcmp(request->path, "/ready") == 0)
		answer(exchange, is_ready(gateway) ? 200 : 503, "text/plain", "");
	else if (strcmp(request->path, "/metrics") == 0)
		scrape_ask(gateway, exchange, metrics_format(request));
	else if (strcmp(request->path, "/schema_cache") == 0)
		answer_schema(gateway, exchange);
	else
		answer(exchange, 404, "text/plain", "here are /live, /ready, /metrics and /schema_cache\n");
}
