/*
 * config.h
 *		What the administrator of the gateway says: one file and the environment.
 *
 * Names are PostgREST's where they exist ("db-uri" in the file, PGRST_DB_URI in
 * the environment, which wins); our own keep the same form (TWIN_GATEWAY_...
 * or PGRST_...).  A name nobody knows, a value out of range, a secret that the
 * gateway must not have (jwt-secret) are errors with the line they stand in.
 */
#ifndef GATEWAY_CONFIG_H
#define GATEWAY_CONFIG_H

#include "gateway/tool/arena.h"

#include <stdint.h>
#include <stdio.h>

typedef enum LogLevel
{
	LOG_CRIT,
	LOG_ERROR,
	LOG_WARN,
	LOG_INFO
} LogLevel;

typedef enum TxEnd
{
	TX_END_COMMIT,
	TX_END_COMMIT_ALLOW_OVERRIDE,
	TX_END_ROLLBACK,
	TX_END_ROLLBACK_ALLOW_OVERRIDE
} TxEnd;

typedef struct ConfigPair
{
	struct ConfigPair *next;
	const char *name;
	const char *value;
} ConfigPair;

typedef struct Config
{
	/* the database */
	const char *db_uri;      /* libpq's; never logged */
	const char **db_schemas; /* exposed, the first is the default; ends with NULL */
	const char **db_extra_search_path;
	const char *db_anon_role;        /* NULL: no token, no answer */
	const char *db_pre_request;      /* a function called after ours; NULL none */
	const char *db_root_spec;        /* a function that answers for the root; NULL none */
	int db_pool;                     /* connections */
	int db_pool_per_address;         /* connections one client address may have at most; 0: a quarter is for others */
	int db_pool_acquisition_timeout; /* milliseconds a request waits for one: 504 */
	int db_pool_max_idletime;        /* milliseconds */
	int db_pool_max_lifetime;        /* milliseconds */
	bool db_prepared_statements;
	int64_t db_max_rows; /* 0: no bound */
	TxEnd db_tx_end;
	bool db_aggregates_enabled;
	bool db_plan_enabled;
	bool db_channel_enabled;
	const char *db_channel;    /* "pgrst" */
	bool db_unfiltered_writes; /* PATCH and DELETE without a condition */
	int db_statement_timeout;  /* milliseconds for one request; 0 leaves it to the database */
	/* HTTP */
	const char *server_host;
	int server_port;
	const char *server_unix_socket;
	int server_unix_socket_mode;
	const char *server_tls_certificate;
	const char *server_tls_key;
	const char *server_trusted_proxies;
	const char **server_cors_allowed_origins; /* ends with NULL; also CORS_ALLOWED_ORIGINS */
	const char *server_trace_header;          /* echoed; NULL none */
	bool server_timing_enabled;
	const char *server_auth_prefix;    /* "/api/auth"; while it is this, "/api/v1/auth" is answered too */
	const char *server_websocket_path; /* "/ws" */
	bool server_console_enabled;       /* the security console, at /console */
	int server_max_connections;
	int server_max_connections_per_address;
	int server_max_head; /* bytes */
	int server_max_target;
	int64_t server_max_body;
	int server_head_timeout; /* milliseconds */
	int server_body_timeout;
	int server_answer_timeout;
	int server_idle_timeout;
	int server_drain_timeout;
	const char *server_user; /* whom root becomes; NULL keeps */
	const char *admin_server_host;
	int admin_server_port;    /* 0: none */
	const char *openapi_mode; /* "follow-privileges", "ignore-privileges", "disabled" */
	const char *openapi_server_proxy_uri;
	bool openapi_security_active;
	int websocket_max_connections;
	int websocket_max_message;   /* bytes a client may send */
	int websocket_max_queue;     /* bytes waiting for one client: more, and it is closed */
	int websocket_ping_interval; /* milliseconds */
	LogLevel log_level;
	ConfigPair *app_settings; /* app.settings.NAME */
} Config;

/*
 * Reads file (NULL: none) and environment into the arena.  False with every
 * complaint, one a line and each with its place, written to errors; lines that
 * begin with "warning: " are no complaints.
 */
extern bool config_read(Arena *arena, const char *file, char *const *environment, Config *config, FILE *errors);

/* Writes what is in force, one name a line in the file's own form; secrets as stars. */
extern void config_write(const Config *config, FILE *to);

/* Writes every name with its default and what it means, for --help. */
extern void config_help(FILE *to);

/* Writes a file that documents every name and sets none, for --example; deploy/twin_gateway.conf is one. */
extern void config_example(FILE *to);

#endif /* GATEWAY_CONFIG_H */
