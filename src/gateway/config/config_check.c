/*
 * config_check.c
 *		What settings must say together, and what a single one cannot be judged
 *		by its kind alone.
 */
#include "gateway/config/setting.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct Check
{
	const Config *config;
	FILE *errors;
	bool failed;
} Check;

__attribute__((format(printf, 2, 3))) static void
complain(Check *check, const char *format, ...)
{
	va_list arguments;

	check->failed = true;
	va_start(arguments, format);
	vfprintf(check->errors, format, arguments);
	va_end(arguments);
	fputc('\n', check->errors);
}

/* "10.0.0.0/8", "::1", "unix" */
static bool
is_network(const char *item, size_t length)
{
	char text[INET6_ADDRSTRLEN + 1];
	const char *slash = memchr(item, '/', length);
	size_t address = slash == NULL ? length : (size_t) (slash - item);
	unsigned char bytes[16];
	size_t digits = slash == NULL ? 0 : length - address - 1;
	bool is_six;
	int bits;

	if (address == 0 || address >= sizeof(text))
		return false;
	memcpy(text, item, address);
	text[address] = '\0';
	is_six = strchr(text, ':') != NULL;
	if (inet_pton(is_six ? AF_INET6 : AF_INET, text, bytes) != 1)
		return false;
	if (slash == NULL)
		return true;
	if (digits < 1 || digits > 3 || strspn(slash + 1, "0123456789") < digits)
		return false;
	bits = atoi(slash + 1);
	return bits <= (is_six ? 128 : 32);
}

static void
check_proxies(Check *check)
{
	const char *next = check->config->server_trusted_proxies;

	while (next != NULL && *next != '\0')
	{
		size_t length = strcspn(next, ",");
		size_t blanks = strspn(next, " ");
		size_t end = length;
		bool ends_with_comma = next[length] == ',' && next[length + 1] == '\0';

		while (end > blanks && next[end - 1] == ' ')
			end--;
		if (blanks >= end || ends_with_comma || !is_network(next + blanks, end - blanks))
		{
			complain(check,
					 "server-trusted-proxies: must be numeric addresses and networks, as 127.0.0.1, 10.0.0.0/8");
			return;
		}
		next += length + (next[length] == ',');
	}
}

/* A numeric address or one of PostgREST's words for all of them. */
static void
check_host(Check *check, const char *name, const char *host)
{
	static const char *const words[] = {"*", "*4", "*6", "!4", "!6"};
	unsigned char bytes[16];

	for (size_t i = 0; host != NULL && i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcmp(host, words[i]) == 0)
			return;
	}
	if (host == NULL || (inet_pton(AF_INET, host, bytes) != 1 && inet_pton(AF_INET6, host, bytes) != 1))
		complain(check, "%s: must be a numeric address, or one of * *4 *6 !4 !6", name);
}

/* "/a/b": begins with a slash, does not end with one, and needs no escape. */
static void
check_path(Check *check, const char *name, const char *path)
{
	size_t length = path == NULL ? 0 : strlen(path);
	bool is_path = length >= 2 && path[0] == '/' && path[length - 1] != '/' && strstr(path, "//") == NULL;

	for (size_t i = 0; is_path && i < length; i++)
		is_path = isalnum((unsigned char) path[i]) || strchr("/-._~", path[i]) != NULL;
	if (!is_path)
		complain(check, "%s: must be a path as /api/auth", name);
}

/* The console's paths are its own. */
static void
check_console(Check *check)
{
	static const char root[] = "/console";
	const char *const paths[] = {check->config->server_auth_prefix, check->config->server_websocket_path};

	for (size_t i = 0; check->config->server_console_enabled && i < sizeof(paths) / sizeof(paths[0]); i++)
		if (paths[i] != NULL && strncmp(paths[i], root, sizeof(root) - 1) == 0 &&
			strchr("/", paths[i][sizeof(root) - 1]) != NULL)
			complain(check, "server-console-enabled: %s is the console's", paths[i]);
}

static void
check_schemas(Check *check)
{
	static const char *const refused[] = {"pg_catalog", "information_schema", "twin_internal"};

	if (check->config->db_schemas == NULL || check->config->db_schemas[0] == NULL)
		complain(check, "db-schemas: must name at least one schema");
	for (int i = 0; check->config->db_schemas != NULL && check->config->db_schemas[i] != NULL; i++)
	{
		const char *schema = check->config->db_schemas[i];

		for (size_t j = 0; j < sizeof(refused) / sizeof(refused[0]); j++)
		{
			if (strcmp(schema, refused[j]) == 0)
				complain(check, "db-schemas: %s must not be exposed", schema);
		}
		if (strlen(schema) > 63)
			complain(check, "db-schemas: a name is longer than 63 bytes");
		if (strcmp(schema, "twin") == 0)
			fputs("warning: db-schemas exposes twin, whose functions administer; twin_api is meant for clients\n",
				  check->errors);
		for (int other = 0; other < i; other++)
		{
			if (strcmp(schema, check->config->db_schemas[other]) == 0)
				complain(check, "db-schemas: %s stands there twice", schema);
		}
	}
}

/* https://example.com:8443/base, nothing behind it. */
static bool
is_proxy_uri(const char *uri)
{
	const char *host = strncmp(uri, "https://", 8) == 0 ? uri + 8 : strncmp(uri, "http://", 7) == 0 ? uri + 7 : NULL;
	size_t length;

	if (host == NULL || strpbrk(uri, "?#@ \"\\<>") != NULL)
		return false;
	length = host[0] == '[' ? strcspn(host, "]/") + 1 : strcspn(host, ":/");
	if (length == 0 || strlen(host) < length)
		return false;
	host += length;
	if (*host == ':')
	{
		size_t digits = strspn(host + 1, "0123456789");

		if (digits < 1 || digits > 5 || atoi(host + 1) < 1 || atoi(host + 1) > 65535)
			return false;
		host += digits + 1;
	}
	return *host == '\0' || *host == '/';
}

/* Whether a text can be the name of a header (RFC 9110, 5.6.2). */
static bool
is_header_name(const char *name)
{
	for (; *name != '\0'; name++)
	{
		if (!isalnum((unsigned char) *name) && strchr("!#$%&'*+-.^_`|~", *name) == NULL)
			return false;
	}
	return true;
}

/* A function is NAME or SCHEMA.NAME. */
static void
check_function(Check *check, const char *name, const char *function)
{
	const char *dot = function == NULL ? NULL : strchr(function, '.');

	if (function == NULL)
		return;
	if (dot == function || (dot != NULL && dot[1] == '\0') || strlen(function) > 127)
		complain(check, "%s: must be a function's name, as public.check_request", name);
}

bool
config_check(const Config *config, FILE *errors)
{
	Check check = {.config = config, .errors = errors};

	check_schemas(&check);
	check_function(&check, "db-pre-request", config->db_pre_request);
	check_function(&check, "db-root-spec", config->db_root_spec);
	check_host(&check, "server-host", config->server_host);
	check_host(&check, "admin-server-host", config->admin_server_host);
	check_proxies(&check);
	check_path(&check, "server-auth-prefix", config->server_auth_prefix);
	check_path(&check, "server-websocket-path", config->server_websocket_path);
	check_console(&check);
	if (config->db_channel_enabled && (config->db_channel == NULL || strlen(config->db_channel) > 63))
		complain(&check, "db-channel: must be a name of at most 63 bytes");
	if (config->db_uri == NULL)
		complain(&check, "db-uri: must not be empty");
	if ((config->server_tls_certificate == NULL) != (config->server_tls_key == NULL))
		complain(&check, "server-tls-certificate and server-tls-key: one needs the other");
	if (config->admin_server_port != 0 && config->admin_server_port == config->server_port &&
		config->server_unix_socket == NULL)
		complain(&check, "admin-server-port: must not be server-port");
	/* sun_path of Linux */
	if (config->server_unix_socket != NULL && strlen(config->server_unix_socket) > 107)
		complain(&check, "server-unix-socket: a socket's path has at most 107 bytes");
	if (config->server_trace_header != NULL && !is_header_name(config->server_trace_header))
		complain(&check, "server-trace-header: not the name of a header");
	if (config->openapi_server_proxy_uri != NULL && !is_proxy_uri(config->openapi_server_proxy_uri))
		complain(&check, "openapi-server-proxy-uri: must be as https://example.com:8443/base");
	if (config->server_max_target > config->server_max_head)
		complain(&check, "server-max-target: must not be above server-max-head, whose part it is");
	if (config->websocket_max_message > config->websocket_max_queue)
		complain(&check, "websocket-max-message: must not be above websocket-max-queue");
	if (config->server_max_connections_per_address > config->server_max_connections)
		fputs("warning: server-max-connections-per-address is above server-max-connections and bounds nothing\n",
			  errors);
	return !check.failed;
}
