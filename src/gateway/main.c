/*
 * main.c
 *		twin_gateway: PostgREST's contract over HTTP, in front of a database that
 *		verifies everything itself.
 *
 *		twin_gateway [FILE]				serves
 *		twin_gateway --check [FILE]		says whether file and environment are good
 *		twin_gateway --dump-config [FILE]	shows what is in force, secrets as stars
 *		twin_gateway --example			what deploy/twin_gateway.conf holds
 *
 * SIGHUP and SIGUSR2 read the configuration again, SIGUSR1 the schema cache,
 * SIGTERM and SIGINT stop it when what was begun is answered.
 */
#include "gateway/guard.h"
#include "gateway/serve/gateway.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern char **environ;

#define FILES_PER_CONNECTION 3
#define FILES_BESIDE 256

/* Exit codes of sysexits.h that service managers know. */
#define EXIT_USAGE 64
#define EXIT_NOT_HERE 69
#define EXIT_CONFIG 78

static int
print_usage(FILE *to, int code)
{
	(void) fputs("usage: twin_gateway [--check | --dump-config] [FILE]\n"
				 "       twin_gateway --example | --help | --version\n"
				 "\n"
				 "Serves tables, views and functions of a database that has twin_security over HTTP, as\n"
				 "PostgREST does. FILE holds settings (name = \"value\"), the environment overrides them\n"
				 "(PGRST_DB_URI is db-uri). The settings:\n\n",
				 to);
	config_help(to);
	return code;
}

/* ---- signals ---- */

static void
stopped(void *argument)
{
	loop_stop(((Gateway *) argument)->loop);
}

static void
stop(void *argument)
{
	Gateway *gateway = argument;

	if (gateway->is_stopping)
	{
		loop_stop(gateway->loop);
		return;
	}
	gateway->is_stopping = true;
	log_event(LOG_WARN, "stopping", NULL);
	feed_dismiss(gateway->feed);
	server_drain(gateway->public, gateway->config->server_drain_timeout, stopped, gateway);
}

static void
reload_schema(void *argument)
{
	cache_reload(argument);
}

/*
 * Reads file and environment into the arena.  What there is to say about them is
 * given as text, a line each, for the caller to free().
 */
static bool
read_config(Arena *arena, const char *file, Config *config, char **complaints)
{
	size_t length;
	FILE *stream = open_memstream(complaints, &length);
	bool good;

	if (stream == NULL)
		abort(); /* out of memory */
	good = config_read(arena, file, environ, config, stream);
	if (fclose(stream) != 0 || *complaints == NULL)
		abort(); /* out of memory, of which fclose() does not always tell */
	return good;
}

/* While it serves, the program speaks in lines of its log only. */
static void
log_complaints(LogLevel level, char *complaints)
{
	char *rest = NULL;

	for (char *line = strtok_r(complaints, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest))
		log_event(level, "config_complaint", "why", line, NULL);
	free(complaints);
}

/* What was bound, dialled or given up at the start stays as it was then. */
static bool
needs_restart(const Config *old, const Config *new)
{
	return strcmp(old->db_uri, new->db_uri) != 0 || old->db_pool != new->db_pool ||
		   old->db_pool_per_address != new->db_pool_per_address ||
		   old->db_statement_timeout != new->db_statement_timeout || old->server_port != new->server_port ||
		   old->admin_server_port != new->admin_server_port || strcmp(old->server_host, new->server_host) != 0;
}

static void
reload_config(void *argument)
{
	Gateway *gateway = argument;
	Arena *arena = arena_new();
	Config *fresh = arena_alloc(arena, sizeof(Config));
	char *complaints;
	bool good = read_config(arena, gateway->config_file, fresh, &complaints);
	const char *why;

	log_complaints(good ? LOG_WARN : LOG_ERROR, complaints);
	if (!good)
	{
		log_event(LOG_ERROR, "config_refused", "effect", "the one before stays in force", NULL);
		arena_free(arena);
		return;
	}
	if (needs_restart(gateway->config, fresh))
		log_event(LOG_WARN, "config_needs_restart", "settings",
				  "db-uri, db-pool, db-statement-timeout and addresses are read at the start only", NULL);
	gateway_use_config(gateway, arena, fresh);
	log_begin(fresh->log_level);
	if (fresh->server_tls_certificate != NULL && !server_reload_tls(gateway->public, &why))
		log_event(LOG_ERROR, "certificate_refused", "why", why, "effect", "the one before stays in force", NULL);
	log_event(LOG_WARN, "config_reloaded", NULL);
	cache_reload(gateway);
}

/* ---- the database speaks ---- */

/* Anybody who can connect can NOTIFY: of many notices within so many milliseconds one counts. */
#define CONFIG_REST 1000

static void
reload_config_once(void *argument)
{
	Gateway *gateway = argument;

	gateway->config_timer = NULL;
	reload_config(gateway);
}

static void
reload_config_soon(Gateway *gateway)
{
	if (gateway->config_timer == NULL)
		gateway->config_timer = loop_after(gateway->loop, CONFIG_REST, reload_config_once, gateway);
}

static void
notified(void *argument, const char *payload)
{
	if (strcmp(payload, "") == 0 || strcmp(payload, "reload schema") == 0)
		cache_reload(argument);
	if (strcmp(payload, "") == 0 || strcmp(payload, "reload config") == 0)
		reload_config_soon(argument);
}

static void
connected(void *argument)
{
	cache_reload(argument);
}

/* ---- the beginning ---- */

static bool
open_servers(Gateway *gateway)
{
	const Config *config = gateway->config;
	const char *why = NULL;
	ServerOptions options = {.name = "public",
							 .host = config->server_host,
							 .port = config->server_port,
							 .unix_socket = config->server_unix_socket,
							 .unix_socket_mode = config->server_unix_socket_mode,
							 .tls_certificate = config->server_tls_certificate,
							 .tls_key = config->server_tls_key,
							 .trusted_proxies = config->server_trusted_proxies,
							 .max_connections = config->server_max_connections,
							 .max_connections_per_address = config->server_max_connections_per_address,
							 .max_head = (size_t) config->server_max_head,
							 .max_target = (size_t) config->server_max_target,
							 .max_body = (size_t) config->server_max_body,
							 .head_timeout = config->server_head_timeout,
							 .body_timeout = config->server_body_timeout,
							 .answer_timeout = config->server_answer_timeout,
							 .idle_timeout = config->server_idle_timeout};

	gateway->public = server_open(gateway->loop, &options, handle_request, handle_refusal, gateway, &why);
	if (gateway->public == NULL)
	{
		log_event(LOG_CRIT, "cannot_listen", "why", why, NULL);
		return false;
	}
	if (config->admin_server_port == 0)
		return true;
	options.name = "admin";
	options.host = config->admin_server_host;
	options.port = config->admin_server_port;
	options.unix_socket = NULL;
	options.tls_certificate = options.tls_key = options.trusted_proxies = NULL;
	options.max_connections = 64;
	options.max_body = 0;
	gateway->admin = server_open(gateway->loop, &options, admin_request, handle_refusal, gateway, &why);
	if (gateway->admin == NULL)
		log_event(LOG_CRIT, "cannot_listen", "why", why, NULL);
	return gateway->admin != NULL;
}

static void
open_pool(Gateway *gateway)
{
	const Config *config = gateway->config;
	PoolOptions options = {.uri = config->db_uri,
						   .size = config->db_pool,
						   .per_client = config->db_pool_per_address,
						   .acquisition_timeout = config->db_pool_acquisition_timeout,
						   .max_idletime = config->db_pool_max_idletime,
						   .max_lifetime = config->db_pool_max_lifetime,
						   .prepared_statements = config->db_prepared_statements,
						   .statement_timeout = config->db_statement_timeout,
						   .channel = config->db_channel_enabled ? config->db_channel : NULL,
						   .notified = notified,
						   .connected = connected,
						   .argument = gateway};

	gateway->pool = pool_open(gateway->loop, &options);
}

static void
open_feed(Gateway *gateway)
{
	const Config *config = gateway->config;
	FeedOptions options = {.uri = config->db_uri,
						   .max_clients = config->websocket_max_connections,
						   .limits = {.max_message = (size_t) config->websocket_max_message,
									  .max_queue = (size_t) config->websocket_max_queue,
									  .ping_interval = config->websocket_ping_interval}};

	gateway->feed = feed_open(gateway->loop, gateway->pool, &options);
}

static int
serve(Gateway *gateway)
{
	const char *why = NULL;
	char port[16];

	gateway->loop = loop_new();
	if (gateway->loop == NULL)
	{
		log_event(LOG_CRIT, "cannot_begin", "why", strerror(errno), NULL);
		return EXIT_NOT_HERE;
	}
	/* a connection, its answer on the way, or its WebSocket */
	if (!guard_files((unsigned long) gateway->config->server_max_connections * FILES_PER_CONNECTION + FILES_BESIDE))
		log_event(LOG_WARN, "few_files", "effect", "fewer connections than server-max-connections can be held",
				  "hint", "raise the limit on open files (LimitNOFILE= of the unit, ulimit -n)", NULL);
	/* an address may need root, nothing after it does */
	if (!open_servers(gateway))
		return EXIT_NOT_HERE;
	if (!guard_drop(gateway->config->server_user, &why) || !guard_calls(&why))
	{
		log_event(LOG_CRIT, "cannot_give_up_privileges", "why", why, NULL);
		return EXIT_NOT_HERE;
	}
	if (!loop_signal(gateway->loop, SIGTERM, stop, gateway) || !loop_signal(gateway->loop, SIGINT, stop, gateway) ||
		!loop_signal(gateway->loop, SIGHUP, reload_config, gateway) ||
		!loop_signal(gateway->loop, SIGUSR2, reload_config, gateway) ||
		!loop_signal(gateway->loop, SIGUSR1, reload_schema, gateway))
	{
		log_event(LOG_CRIT, "cannot_begin", "why", "signals cannot be heard", NULL);
		return EXIT_NOT_HERE;
	}
	open_pool(gateway);
	open_feed(gateway);
	cache_begin(gateway);
	scrape_begin(gateway, admin_answer_metrics);
	(void) snprintf(port, sizeof(port), "%d", server_port(gateway->public));
	log_event(LOG_WARN, "listening", "host", gateway->config->server_host, "port", port, NULL);
	loop_run(gateway->loop);

	if (gateway->config_timer != NULL)
		timer_cancel(gateway->config_timer);
	scrape_end(gateway);
	server_close(gateway->public);
	if (gateway->admin != NULL)
		server_close(gateway->admin);
	cache_end(gateway);
	feed_close(gateway->feed);
	pool_close(gateway->pool);
	loop_free(gateway->loop);
	log_event(LOG_WARN, "stopped", NULL);
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	Gateway gateway = {0};
	const char *action = argc > 1 && strncmp(argv[1], "--", 2) == 0 ? argv[1] : "";
	int first = *action != '\0' ? 2 : 1;
	Arena *arena = arena_new();
	Config *config = arena_alloc(arena, sizeof(Config));
	int code = EXIT_SUCCESS;

	if (strcmp(action, "--help") == 0)
		code = print_usage(stdout, EXIT_SUCCESS);
	else if (strcmp(action, "--version") == 0)
		(void) puts("twin_gateway " TWIN_VERSION);
	else if (strcmp(action, "--example") == 0)
		config_example(stdout);
	else if (argc - first > 1 ||
			 (*action != '\0' && strcmp(action, "--check") != 0 && strcmp(action, "--dump-config") != 0))
		code = print_usage(stderr, EXIT_USAGE);
	else
	{
		char *complaints;
		bool good;

		gateway.config_file = argc > first ? argv[first] : NULL;
		good = read_config(arena, gateway.config_file, config, &complaints);
		if (good && *action == '\0')
		{
			gateway_use_config(&gateway, arena, config);
			log_begin(config->log_level);
			log_complaints(LOG_WARN, complaints);
			code = serve(&gateway);
			gateway_forget_config(&gateway);
			return code;
		}
		(void) fputs(complaints, stderr);
		free(complaints);
		if (!good)
			code = EXIT_CONFIG;
		else if (strcmp(action, "--check") == 0)
			(void) puts("the configuration is good");
		else
			config_write(config, stdout);
	}
	arena_free(arena);
	return code;
}
