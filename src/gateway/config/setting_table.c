/*
 * setting_table.c
 *		The settings, sorted by name; and PostgREST's names that are none here.
 *
 * Defaults are PostgREST's where the name is PostgREST's, but for three: no origin
 * is allowed unless listed, the admin port listens on this machine only, and every
 * request is logged.
 */
#include "gateway/config/setting.h"

#include <limits.h>
#include <stddef.h>
#include <string.h>

#define AT(field) .offset = offsetof(Config, field)
#define RANGE(low, high) .least = (low), .most = (high)
#define SECONDS *INT64_C(1000)
#define HOURS *INT64_C(3600000)
#define KILOBYTES *INT64_C(1024)
#define MEGABYTES *INT64_C(1048576)

/* clang-format off */
static const Setting settings[] = {
	{.name = "admin-server-host", .kind = SETTING_TEXT, AT(admin_server_host), .standard = "127.0.0.1",
	 .description = "Address of the admin port: numeric, or \"*\", \"*4\", \"*6\", \"!4\", \"!6\" for all."},
	{.name = "admin-server-port", .kind = SETTING_NUMBER, AT(admin_server_port), RANGE(0, 65535), .standard = "0",
	 .description = "Port for /live, /ready, /metrics and /schema_cache; 0 is none."},
	{.name = "db-aggregates-enabled", .kind = SETTING_BOOLEAN, AT(db_aggregates_enabled), .standard = "false",
	 .description = "Whether clients may ask for sum, avg, min, max and count()."},
	{.name = "db-anon-role", .kind = SETTING_TEXT, AT(db_anon_role), .standard = "",
	 .description = "Database role of requests without a token; without one they are answered with 401."},
	{.name = "db-channel", .kind = SETTING_TEXT, AT(db_channel), .standard = "pgrst",
	 .description = "Channel on which NOTIFY reloads the schema cache or the configuration."},
	{.name = "db-channel-enabled", .kind = SETTING_BOOLEAN, AT(db_channel_enabled), .standard = "true",
	 .description = "Whether that channel is listened to; it takes a connection of its own."},
	{.name = "db-extra-search-path", .kind = SETTING_LIST, AT(db_extra_search_path), .standard = "public",
	 .description = "Schemas behind the exposed one in search_path, by comma; they are not exposed."},
	{.name = "db-max-rows", .alias = "max-rows", .kind = SETTING_COUNT, AT(db_max_rows), RANGE(0, INT64_MAX), .standard = "0",
	 .description = "Rows one answer holds at most; 0 is no bound."},
	{.name = "db-plan-enabled", .kind = SETTING_BOOLEAN, AT(db_plan_enabled), .standard = "false",
	 .description = "Whether clients may ask for execution plans. Never in production: plans show data."},
	{.name = "db-pool", .kind = SETTING_NUMBER, AT(db_pool), RANGE(1, 1000), .standard = "10",
	 .description = "Connections to the database, the channel's not counted."},
	{.name = "db-pool-acquisition-timeout", .kind = SETTING_DURATION, AT(db_pool_acquisition_timeout), RANGE(1, 1 HOURS), .standard = "10",
	 .description = "How long a request waits for a connection before it is answered with 504."},
	{.name = "db-pool-max-idletime", .alias = "db-pool-timeout", .kind = SETTING_DURATION, AT(db_pool_max_idletime), RANGE(0, 24 HOURS), .standard = "30",
	 .description = "A connection unused for so long is closed; 0 keeps it."},
	{.name = "db-pool-max-lifetime", .kind = SETTING_DURATION, AT(db_pool_max_lifetime), RANGE(0, 168 HOURS), .standard = "1800",
	 .description = "A connection older than this is made anew; 0 keeps it."},
	{.name = "db-pool-per-address", .kind = SETTING_NUMBER, AT(db_pool_per_address), RANGE(0, 1000), .standard = "0",
	 .description = "Connections that one client address (IPv6: /64) may have at once; 0 is three quarters of db-pool."},
	{.name = "db-pre-request", .alias = "pre-request", .kind = SETTING_TEXT, AT(db_pre_request), .standard = "",
	 .description = "Function called in every transaction after the token was verified: schema.name."},
	{.name = "db-prepared-statements", .kind = SETTING_BOOLEAN, AT(db_prepared_statements), .standard = "true",
	 .description = "Whether statements stay prepared on a connection; off behind a pooler of transactions."},
	{.name = "db-root-spec", .alias = "root-spec", .kind = SETTING_TEXT, AT(db_root_spec), .standard = "",
	 .description = "Function that answers for \"/\" in place of the OpenAPI document."},
	{.name = "db-schemas", .alias = "db-schema", .kind = SETTING_LIST, AT(db_schemas), .standard = "public",
	 .description = "Exposed schemas by comma; the first is meant where a request names none."},
	{.name = "db-statement-timeout", .kind = SETTING_DURATION, AT(db_statement_timeout), RANGE(0, 1 HOURS), .standard = "30",
	 .description = "statement_timeout of a request, unless its role has its own; 0 leaves it to the database."},
	{.name = "db-tx-end", .kind = SETTING_CHOICE, AT(db_tx_end), .standard = "commit",
	 .words = {"commit", "commit-allow-override", "rollback", "rollback-allow-override"},
	 .description = "How transactions end, and whether Prefer: tx= may say otherwise; all but commit are for tests."},
	{.name = "db-unfiltered-writes", .kind = SETTING_BOOLEAN, AT(db_unfiltered_writes), .standard = "false",
	 .description = "Whether PATCH and DELETE without a condition are allowed: they touch every row."},
	{.name = "db-uri", .kind = SETTING_TEXT, AT(db_uri), .standard = "postgresql://", .is_secret = true,
	 .description = "The database as libpq takes it; \"@path\" reads it from a file. The login should be twin_gateway."},
	{.name = "log-level", .kind = SETTING_CHOICE, AT(log_level), .standard = "info", .words = {"crit", "error", "warn", "info"},
	 .description = "Requests that are logged: crit none, error those answered with 5xx, warn 4xx too, info all."},
	{.name = "openapi-mode", .kind = SETTING_WORD, AT(openapi_mode), .standard = "follow-privileges",
	 .words = {"follow-privileges", "ignore-privileges", "disabled"},
	 .description = "Whether the OpenAPI document at \"/\" lists what the caller may use, everything, or is not there."},
	{.name = "openapi-security-active", .kind = SETTING_BOOLEAN, AT(openapi_security_active), .standard = "false",
	 .description = "Whether the OpenAPI document says that requests carry a token."},
	{.name = "openapi-server-proxy-uri", .alias = "server-proxy-uri", .kind = SETTING_TEXT, AT(openapi_server_proxy_uri), .standard = "",
	 .description = "Where the OpenAPI document says this API is: https://example.com:8443/base."},
	{.name = "server-answer-timeout", .kind = SETTING_DURATION, AT(server_answer_timeout), RANGE(1, 24 HOURS), .standard = "120",
	 .description = "How long a client may take to read a whole answer."},
	{.name = "server-auth-prefix", .kind = SETTING_TEXT, AT(server_auth_prefix), .standard = "/api/auth",
	 .description = "Path in front of /login, /refresh, /logout, /logout_all, /change_password and /me; with this one /api/v1/auth is answered too."},
	{.name = "server-body-timeout", .kind = SETTING_DURATION, AT(server_body_timeout), RANGE(1, 24 HOURS), .standard = "60",
	 .description = "How long the body of a request may take to arrive."},
	{.name = "server-console-enabled", .kind = SETTING_BOOLEAN, AT(server_console_enabled), .standard = "false",
	 .description = "Whether /console is the security console, for administrators and auditors who log in there; needs TLS, here or in front."},
	{.name = "server-cors-allowed-origins", .variable = "CORS_ALLOWED_ORIGINS", .kind = SETTING_ORIGINS, AT(server_cors_allowed_origins), .standard = "",
	 .description = "Origins whose pages may call, by comma: https://app.example.com. None unless listed; \"*\" is refused."},
	{.name = "server-drain-timeout", .kind = SETTING_DURATION, AT(server_drain_timeout), RANGE(0, 1 HOURS), .standard = "30",
	 .description = "How long requests under way may take when the program is told to stop."},
	{.name = "server-head-timeout", .kind = SETTING_DURATION, AT(server_head_timeout), RANGE(1, 1 HOURS), .standard = "10",
	 .description = "How long request line and headers may take to arrive."},
	{.name = "server-host", .kind = SETTING_TEXT, AT(server_host), .standard = "!4",
	 .description = "Address to listen on: numeric, or \"*\", \"*4\", \"*6\", \"!4\", \"!6\" for all of a family."},
	{.name = "server-idle-timeout", .kind = SETTING_DURATION, AT(server_idle_timeout), RANGE(1, 24 HOURS), .standard = "60",
	 .description = "How long a connection may rest between requests."},
	{.name = "server-max-body", .kind = SETTING_LARGE_SIZE, AT(server_max_body), RANGE(0, 1024 MEGABYTES), .standard = "10MB",
	 .description = "Bytes of a request's body at most: 413 beyond."},
	{.name = "server-max-connections", .kind = SETTING_NUMBER, AT(server_max_connections), RANGE(1, 100000), .standard = "2000",
	 .description = "Connections of clients at most."},
	{.name = "server-max-connections-per-address", .kind = SETTING_NUMBER, AT(server_max_connections_per_address), RANGE(1, 100000), .standard = "200",
	 .description = "Connections of one address at most."},
	{.name = "server-max-head", .kind = SETTING_SIZE, AT(server_max_head), RANGE(1 KILOBYTES, 1 MEGABYTES), .standard = "32kB",
	 .description = "Bytes of request line and headers at most: 431 beyond."},
	{.name = "server-max-target", .kind = SETTING_SIZE, AT(server_max_target), RANGE(256, 1 MEGABYTES), .standard = "18kB",
	 .description = "Bytes of path and query at most: 414 beyond."},
	{.name = "server-port", .kind = SETTING_NUMBER, AT(server_port), RANGE(0, 65535), .standard = "3000",
	 .description = "Port to listen on; 0 lets the system choose."},
	{.name = "server-timing-enabled", .kind = SETTING_BOOLEAN, AT(server_timing_enabled), .standard = "false",
	 .description = "Whether answers say in Server-Timing where their time went."},
	{.name = "server-tls-certificate", .kind = SETTING_TEXT, AT(server_tls_certificate), .standard = "",
	 .description = "PEM file of the certificate and its chain; with it only TLS is spoken. Read again on SIGHUP."},
	{.name = "server-tls-key", .kind = SETTING_TEXT, AT(server_tls_key), .standard = "",
	 .description = "PEM file of the certificate's private key."},
	{.name = "server-trace-header", .kind = SETTING_TEXT, AT(server_trace_header), .standard = "",
	 .description = "Name of a request header that is given back in the answer: X-Request-Id."},
	{.name = "server-trusted-proxies", .kind = SETTING_TEXT, AT(server_trusted_proxies), .standard = "",
	 .description = "Addresses and networks whose X-Forwarded-For and X-Forwarded-Proto are believed, by comma."},
	{.name = "server-unix-socket", .kind = SETTING_TEXT, AT(server_unix_socket), .standard = "",
	 .description = "Path of a socket to listen on in place of address and port."},
	{.name = "server-unix-socket-mode", .kind = SETTING_MODE, AT(server_unix_socket_mode), RANGE(0600, 0777), .standard = "660",
	 .description = "Permissions of that socket, in octal."},
	{.name = "server-user", .kind = SETTING_TEXT, AT(server_user), .standard = "",
	 .description = "System user that is taken on after the ports are open, when started as root."},
	{.name = "server-websocket-path", .kind = SETTING_TEXT, AT(server_websocket_path), .standard = "/ws",
	 .description = "Path of the WebSocket."},
	{.name = "websocket-max-connections", .kind = SETTING_NUMBER, AT(websocket_max_connections), RANGE(0, 100000), .standard = "1000",
	 .description = "WebSockets open at once at most; 0 is none."},
	{.name = "websocket-max-message", .kind = SETTING_SIZE, AT(websocket_max_message), RANGE(128, 16 MEGABYTES), .standard = "16kB",
	 .description = "Bytes of one message of a client at most."},
	{.name = "websocket-max-queue", .kind = SETTING_SIZE, AT(websocket_max_queue), RANGE(1 KILOBYTES, 256 MEGABYTES), .standard = "1MB",
	 .description = "Bytes that wait for one client at most: beyond, it is too slow and is closed."},
	{.name = "websocket-ping-interval", .kind = SETTING_DURATION, AT(websocket_ping_interval), RANGE(100, 1 HOURS), .standard = "30",
	 .description = "How often a client is asked whether it is still there."},
};

#define TOKENS "the database verifies tokens, and this program holds no secret; see twin.add_verification_key() and its claim map"

static const ForeignSetting foreign[] = {
	{"client-error-verbosity", true, "errors of the server's own never show details here, others always"},
	{"db-config", false, "settings come from the file and the environment alone"},
	{"db-hoisted-tx-settings", false, "every setting of a function's SET clause that must hold before it runs is taken"},
	{"db-load-guc-config", false, "settings come from the file and the environment alone"},
	{"db-pool-automatic-recovery", false, "lost connections are always made again"},
	{"db-pre-config", true, "settings come from the file and the environment alone"},
	{"db-timezone-enabled", false, "Prefer: timezone= is always understood"},
	{"db-use-legacy-gucs", true, "request.headers, request.cookies and request.jwt.claims are JSON objects"},
	{"internal-schema-cache-load-sleep", true, "it serves PostgREST's own tests"},
	{"internal-schema-cache-query-sleep", true, "it serves PostgREST's own tests"},
	{"internal-schema-cache-relationship-load-sleep", true, "it serves PostgREST's own tests"},
	{"jwt-aud", true, TOKENS},
	{"jwt-cache-max-entries", true, TOKENS},
	{"jwt-cache-max-lifetime", true, TOKENS},
	{"jwt-role-claim-key", true, TOKENS},
	{"jwt-secret", true, TOKENS},
	{"jwt-secret-is-base64", true, TOKENS},
	{"log-query", false, "statements are logged by the database"},
	{"raw-media-types", false, "a function says which type its answer has"},
	{"role-claim-key", true, TOKENS},
	{"secret-is-base64", true, TOKENS},
	{"server-otel-enabled", false, "there is no telemetry but the admin port's"},
};
/* clang-format on */

#define SETTING_COUNT_ALL ((int) (sizeof(settings) / sizeof(settings[0])))
_Static_assert(sizeof(settings) / sizeof(settings[0]) <= SETTINGS_MAX, "what reads settings has room for fewer");
#define FOREIGN_COUNT (sizeof(foreign) / sizeof(foreign[0]))

const Setting *
setting_at(int index)
{
	return index >= 0 && index < SETTING_COUNT_ALL ? &settings[index] : NULL;
}

const Setting *
setting_find(const char *name)
{
	for (int i = 0; i < SETTING_COUNT_ALL; i++)
	{
		if (strcmp(settings[i].name, name) == 0 ||
			(settings[i].alias != NULL && strcmp(settings[i].alias, name) == 0))
			return &settings[i];
	}
	return NULL;
}

/* What begins with jwt- is about tokens, whichever version of PostgREST knows it. */
const ForeignSetting *
setting_find_foreign(const char *name)
{
	static const ForeignSetting any_jwt = {"jwt-", true, TOKENS};

	for (size_t i = 0; i < FOREIGN_COUNT; i++)
	{
		if (strcmp(foreign[i].name, name) == 0)
			return &foreign[i];
	}
	return strncmp(name, any_jwt.name, strlen(any_jwt.name)) == 0 ? &any_jwt : NULL;
}

/* Letters to change, add or take away to make one name of another (Levenshtein). */
static size_t
distance(const char *a, const char *b)
{
	size_t row[SETTING_NAME_MAX + 1];
	size_t length = strlen(b);

	if (strlen(a) > SETTING_NAME_MAX || length > SETTING_NAME_MAX)
		return SIZE_MAX;
	for (size_t j = 0; j <= length; j++)
		row[j] = j;
	for (size_t i = 0; a[i] != '\0'; i++)
	{
		size_t diagonal = row[0];

		row[0] = i + 1;
		for (size_t j = 0; j < length; j++)
		{
			size_t changed = diagonal + (a[i] != b[j]);

			diagonal = row[j + 1];
			if (row[j] + 1 < changed)
				changed = row[j] + 1;
			if (diagonal + 1 < changed)
				changed = diagonal + 1;
			row[j + 1] = changed;
		}
	}
	return row[length];
}

const char *
setting_nearest(const char *name)
{
	const char *nearest = NULL;
	/* a third of the letters may be wrong */
	size_t smallest = strlen(name) / 3 + 1;

	for (int i = 0; i < SETTING_COUNT_ALL; i++)
	{
		size_t wrong = distance(name, settings[i].name);

		if (wrong < smallest)
		{
			smallest = wrong;
			nearest = settings[i].name;
		}
	}
	return nearest;
}
