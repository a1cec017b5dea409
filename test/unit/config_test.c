/*
 * config_test.c
 *		What the administrator says: the file's form, every setting's kind, the
 *		environment over the file, what is refused and what is only warned of.
 */
#define _GNU_SOURCE
#include "unit.h"

#include "gateway/config/setting.h"

#include <sys/stat.h>
#include <unistd.h>

typedef struct Read
{
	Arena *arena;
	Config config;
	bool good;
	char *errors;
	size_t length;
	char path[64];
} Read;

/* Reads a file with this content (NULL: no file) and these variables. */
static Read
read_both(const char *content, char *const *environment)
{
	Read read = {.arena = arena_new(), .path = "/tmp/config_test.XXXXXX"};
	FILE *errors = open_memstream(&read.errors, &read.length);
	int fd = mkstemp(read.path);

	if (content != NULL && write(fd, content, strlen(content)) != (ssize_t) strlen(content))
		abort();
	close(fd);
	read.good = config_read(read.arena, content == NULL ? NULL : read.path, environment, &read.config, errors);
	fclose(errors);
	return read;
}

static void
done(Read *read)
{
	unlink(read->path);
	arena_free(read->arena);
	free(read->errors);
}

static bool
says(const Read *read, const char *text)
{
	return strstr(read->errors, text) != NULL;
}

/* A file that must be read, and a check of what came of it. */
#define GOOD(content, condition)                                                \
	do                                                                          \
	{                                                                           \
		Read read = read_both(content, NULL);                                   \
		const Config *config = &read.config;                                    \
		CHECK(read.good, "%s: %s", content, read.errors);                       \
		CHECK((condition) && read.length == 0, "%s: %s", content, read.errors); \
		done(&read);                                                            \
	} while (0)

/* A file that must be refused with a complaint that says this. */
static void
bad(const char *content, const char *complaint)
{
	Read read = read_both(content, NULL);

	CHECK(!read.good, "taken: %s", content);
	CHECK(says(&read, complaint), "%s: %s", content, read.errors);
	done(&read);
}

static bool
is_list(const char *const *list, const char *joined)
{
	char text[256] = "";

	for (int i = 0; list[i] != NULL; i++)
	{
		strcat(text, i > 0 ? "|" : "");
		strcat(text, list[i]);
	}
	return strcmp(text, joined) == 0;
}

static void
defaults(void)
{
	Read read = read_both(NULL, NULL);
	const Config *c = &read.config;

	CHECK(read.good && read.length == 0, "%s", read.errors);
	CHECK(strcmp(c->db_uri, "postgresql://") == 0 && is_list(c->db_schemas, "public"));
	CHECK(is_list(c->db_extra_search_path, "public") && c->db_anon_role == NULL && c->db_pre_request == NULL);
	CHECK(c->db_pool == 10 && c->db_pool_acquisition_timeout == 10000 && c->db_pool_max_idletime == 30000);
	CHECK(c->db_pool_max_lifetime == 1800000 && c->db_prepared_statements && c->db_max_rows == 0);
	CHECK(c->db_tx_end == TX_END_COMMIT && !c->db_aggregates_enabled && !c->db_plan_enabled && c->db_channel_enabled);
	CHECK(strcmp(c->db_channel, "pgrst") == 0 && !c->db_unfiltered_writes && strcmp(c->server_host, "!4") == 0);
	CHECK(c->server_port == 3000 && c->server_unix_socket_mode == 0660 && c->log_level == LOG_INFO);
	CHECK(c->server_cors_allowed_origins[0] == NULL, "no origin unless listed");
	CHECK(strcmp(c->admin_server_host, "127.0.0.1") == 0 && c->admin_server_port == 0, "closed to the public");
	CHECK(strcmp(c->openapi_mode, "follow-privileges") == 0 && !c->openapi_security_active);
	CHECK(c->server_max_target > 16384 && c->server_max_head > c->server_max_target &&
		  c->server_max_body == 10485760);
	done(&read);
}

static void
file_form(void)
{
	GOOD("", config->server_port == 3000);
	GOOD("server-port = 8080", config->server_port == 8080);
	GOOD("\r\n  # comment\r\n\tserver-port=8080 # more\r\n", config->server_port == 8080);
	GOOD("server-port = \"8080\"\n", config->server_port == 8080);
	GOOD("db-anon-role = \"a \\\"b\\\" \\\\ \\u00e9\\u20ac #c\"",
		 strcmp(config->db_anon_role, "a \"b\" \\ \xc3\xa9\xe2\x82\xac #c") == 0);
	GOOD("db-anon-role = \"\"", config->db_anon_role == NULL);
	GOOD("db-plan-enabled = on\ndb-prepared-statements = false",
		 config->db_plan_enabled && !config->db_prepared_statements);
	bad("server-port", ":1: \"=\" must follow");
	bad("\n\nserver-port = ", ":3: a value must follow");
	bad("server-port = 80 81", ":1: nothing but a comment");
	bad("server-port = eighty", ":1: a text needs double quotes");
	bad("server-port = 8_0", "nothing but a comment");
	bad("server-port = 80.5", "not a whole number");
	bad("server-port = 80\nserver-port = 80", ":2: server-port was given in line 1 already");
	bad("db-anon-role = \"open", ":1: the quote is not closed");
	bad("db-anon-role = \"open\nnext\"", ":1: the quote is not closed");
	bad("db-anon-role = \"\\x\"", "unknown escape");
	bad("db-anon-role = \"\\u00\"", "four hexadecimal digits");
	bad("db-anon-role = \"\\u0000\"", "four hexadecimal digits");
	bad("db-anon-role = \"\\ud800\"", "four hexadecimal digits");
	bad("db-anon-role = \"a\\nb\"", "control character");
	bad("= 1", ":1: a name must stand here");
	bad("app { settings { a = 1 } }", ":1: \"=\" must follow");
	bad("import \"other\"", ":1: \"=\" must follow");
}

static void
zero_bytes(void)
{
	Arena *arena = arena_new();
	char *errors;
	size_t length;
	FILE *file = open_memstream(&errors, &length);
	ConfigLine *lines;

	CHECK(!config_file_parse(arena, "f", "a = 1\nb\0 = 2\nc = 3", 18, &lines, file));
	CHECK(lines != NULL && lines->next != NULL && lines->next->next == NULL && strcmp(lines->next->name, "c") == 0,
		  "the other lines are given");
	CHECK(lines->next->number == 3);
	fclose(file);
	CHECK(strcmp(errors, "f:2: the line holds a zero byte\n") == 0, "%s", errors);
	free(errors);
	arena_free(arena);
}

static void
kinds(void)
{
	GOOD("db-schemas = \" api , other\"", is_list(config->db_schemas, "api|other"));
	GOOD("db-extra-search-path = \"\"", is_list(config->db_extra_search_path, ""));
	GOOD("db-tx-end = \"rollback-allow-override\"", config->db_tx_end == TX_END_ROLLBACK_ALLOW_OVERRIDE);
	GOOD("log-level = \"error\"", config->log_level == LOG_ERROR);
	GOOD("openapi-mode = \"disabled\"", strcmp(config->openapi_mode, "disabled") == 0);
	GOOD("db-max-rows = 9223372036854775807", config->db_max_rows == INT64_MAX);
	GOOD("db-pool-acquisition-timeout = 3", config->db_pool_acquisition_timeout == 3000);
	GOOD("server-head-timeout = \"250ms\"", config->server_head_timeout == 250);
	GOOD("server-head-timeout = \"2 min\"", config->server_head_timeout == 120000);
	GOOD("server-max-body = \"3MB\"", config->server_max_body == 3145728);
	GOOD("server-max-head = 20000", config->server_max_head == 20000);
	GOOD("server-unix-socket-mode = \"700\"", config->server_unix_socket_mode == 0700);
	GOOD("admin-server-port = \"\"", config->admin_server_port == 0);
	bad("db-schemas = \"a,\"", "ends with a comma");
	bad("db-schemas = \"a,,b\"", "empty item");
	bad("db-schemas = \"\"", "at least one schema");
	bad("db-schemas = \"api,pg_catalog\"", "must not be exposed");
	bad("db-schemas = \"twin_internal\"", "must not be exposed");
	bad("db-schemas = \"a,b,a\"", "stands there twice");
	bad("db-tx-end = \"maybe\"", "must be one of: commit, commit-allow-override, rollback, rollback-allow-override");
	bad("log-level = \"loud\"", ":1: log-level: must be one of: crit, error, warn, info");
	bad("db-plan-enabled = \"perhaps\"", "must be true or false");
	bad("db-plan-enabled = 2", "must be true or false");
	bad("server-port = 65536", "must be from 0 to 65535");
	bad("server-port = -1", "must be a whole number");
	bad("db-pool = 0", "must be from 1 to 1000");
	bad("db-max-rows = 9223372036854775808", "must be a whole number");
	bad("server-head-timeout = \"2 weeks\"", "a whole number of ms, s, min, h or d");
	bad("server-head-timeout = 9223372036854775807", "whole seconds");
	bad("server-head-timeout = 3601", "must be from 1ms to 1h");
	bad("server-max-head = \"2MB\"", "must be from 1kB to 1MB");
	bad("server-unix-socket-mode = \"580\"", "octal");
	bad("server-unix-socket-mode = \"177\"", "must be from 600 to 777");
}

static void
origins(void)
{
	GOOD("server-cors-allowed-origins = \"https://App.Example.com, http://localhost:8080\"",
		 is_list(config->server_cors_allowed_origins, "https://app.example.com|http://localhost:8080"));
	GOOD("server-cors-allowed-origins = \"https://a:443,http://b:80,http://c:443,https://[::1]:08443\"",
		 is_list(config->server_cors_allowed_origins, "https://a|http://b|http://c:443|https://[::1]:8443"));
	bad("server-cors-allowed-origins = \"*\"", "every origin must be named");
	bad("server-cors-allowed-origins = \"https://*.example.com\"", "every origin must be named");
	bad("server-cors-allowed-origins = \"null\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://example.com/\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://user@example.com\"", "not an origin");
	bad("server-cors-allowed-origins = \"example.com\"", "not an origin");
	bad("server-cors-allowed-origins = \"ftp://example.com\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://a:0\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://a:65536\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://[::1\"", "not an origin");
	bad("server-cors-allowed-origins = \"https://[]\"", "not an origin");
}

static void
names(void)
{
	Read read;

	GOOD("max-rows = 5\npre-request = \"x.f\"\ndb-schema = \"api\"\ndb-pool-timeout = 7",
		 config->db_max_rows == 5 && strcmp(config->db_pre_request, "x.f") == 0 &&
			 is_list(config->db_schemas, "api") && config->db_pool_max_idletime == 7000);
	bad("db-max-rows = 5\nmax-rows = 6", "db-max-rows is also said, and differs, at");
	bad("sever-port = 80", ":1: unknown name sever-port; did you mean server-port?");
	bad("db-schmas = \"a\"", "did you mean db-schemas?");
	bad("wholly-unlike-anything = 1", "unknown name wholly-unlike-anything\n");
	bad("jwt-secret = \"0123456789\"", "the database verifies tokens");
	bad("jwt-secret-is-base64 = true", "twin.add_verification_key()");
	bad("jwt-something-newer = 1", "the database verifies tokens");
	bad("secret-is-base64 = true", "the database verifies tokens");
	bad("db-pre-config = \"f\"", "has no place here");
	bad("client-error-verbosity = \"minimal\"", "has no place here");
	read = read_both("db-config = true\nlog-query = true\nserver-port = 1", NULL);
	CHECK(read.good && read.config.server_port == 1, "%s", read.errors);
	CHECK(says(&read, "warning: ") && says(&read, ":1: db-config is ignored") &&
		  says(&read, ":2: log-query is ignored"));
	done(&read);
	/* no complaint repeats a value */
	read = read_both("jwt-secret = \"hushhush\"\ndb-plan-enabled = \"hushhush\"\ndb-uri = \"@/hushhush/no\"", NULL);
	CHECK(!read.good && !says(&read, "hushhush"), "%s", read.errors);
	done(&read);
}

static void
environment(void)
{
	char *both[] = {
		"PGRST_SERVER_PORT=81", "TWIN_GATEWAY_DB_POOL=7", "HOME=/", "PGRST_DB_ANON_ROLE=", "nothing", NULL};
	char *cors[] = {"CORS_ALLOWED_ORIGINS=https://a.example", NULL};
	char *differ[] = {"CORS_ALLOWED_ORIGINS=https://a.example", "PGRST_SERVER_CORS_ALLOWED_ORIGINS=https://b.example",
					  NULL};
	char *same[] = {"PGRST_SERVER_PORT=81", "TWIN_GATEWAY_SERVER_PORT=81", NULL};
	char *unknown[] = {"PGRST_SEVER_PORT=81", NULL};
	char *tokens[] = {"PGRST_JWT_SECRET=x", NULL};
	char *app[] = {"PGRST_APP_SETTINGS_Some_name=v2", NULL};
	char *bad_app[] = {"PGRST_APP_SETTINGS_1a=v", NULL};
	Read read = read_both("server-port = 80\ndb-anon-role = \"web\"", both);

	CHECK(read.good && read.config.server_port == 81 && read.config.db_pool == 7, "%s", read.errors);
	CHECK(read.config.db_anon_role == NULL, "an empty variable takes the file's away");
	done(&read);
	read = read_both(NULL, cors);
	CHECK(read.good && is_list(read.config.server_cors_allowed_origins, "https://a.example"));
	done(&read);
	read = read_both(NULL, differ);
	CHECK(!read.good && says(&read, "is also said, and differs, at environment variable CORS_ALLOWED_ORIGINS"), "%s",
		  read.errors);
	done(&read);
	read = read_both(NULL, same);
	CHECK(read.good && read.config.server_port == 81);
	done(&read);
	read = read_both(NULL, unknown);
	CHECK(
		!read.good &&
			says(&read, "environment variable PGRST_SEVER_PORT: unknown name sever-port; did you mean server-port?"),
		"%s", read.errors);
	done(&read);
	read = read_both(NULL, tokens);
	CHECK(!read.good && says(&read, "jwt-secret has no place here"));
	done(&read);
	read = read_both("app.settings.Some_name = \"v1\"\napp.settings.a.b = 3", app);
	CHECK(read.good && read.config.app_settings != NULL && strcmp(read.config.app_settings->value, "v2") == 0 &&
			  strcmp(read.config.app_settings->name, "Some_name") == 0 &&
			  strcmp(read.config.app_settings->next->name, "a.b") == 0 &&
			  read.config.app_settings->next->next == NULL,
		  "%s", read.errors);
	done(&read);
	read = read_both(NULL, bad_app);
	CHECK(!read.good && says(&read, "letters, digits"));
	done(&read);
}

static void
together(void)
{
	bad("server-tls-certificate = \"/a\"", "one needs the other");
	bad("server-tls-key = \"/a\"", "one needs the other");
	GOOD("server-tls-certificate = \"/a\"\nserver-tls-key = \"/b\"", strcmp(config->server_tls_key, "/b") == 0);
	bad("server-port = 3001\nadmin-server-port = 3001", "admin-server-port: must not be server-port");
	GOOD("server-port = 3001\nadmin-server-port = 3001\nserver-unix-socket = \"/s\"",
		 config->admin_server_port == 3001);
	bad("server-host = \"localhost\"", "server-host: must be a numeric address");
	GOOD("server-host = \"::1\"\nadmin-server-host = \"*6\"", strcmp(config->server_host, "::1") == 0);
	GOOD("server-trusted-proxies = \"127.0.0.1, 10.0.0.0/8,fd00::/8\"", config->server_trusted_proxies != NULL);
	bad("server-trusted-proxies = \"127.0.0.1,\"", "numeric addresses");
	bad("server-trusted-proxies = \"localhost\"", "numeric addresses");
	bad("server-trusted-proxies = \"10.0.0.0/33\"", "numeric addresses");
	bad("server-trusted-proxies = \"10.0.0.0/\"", "numeric addresses");
	bad("server-trusted-proxies = \"10.0.0.0/8x\"", "numeric addresses");
	bad("server-auth-prefix = \"api\"", "must be a path");
	bad("server-auth-prefix = \"/\"", "must be a path");
	bad("server-websocket-path = \"/ws/\"", "must be a path");
	bad("server-websocket-path = \"/w s\"", "must be a path");
	bad("server-trace-header = \"X Request\"", "not the name of a header");
	bad("openapi-server-proxy-uri = \"example.com\"", "openapi-server-proxy-uri");
	bad("openapi-server-proxy-uri = \"https://u@example.com\"", "openapi-server-proxy-uri");
	bad("openapi-server-proxy-uri = \"https://example.com:x/\"", "openapi-server-proxy-uri");
	GOOD("openapi-server-proxy-uri = \"https://example.com:8443/base\"", config->openapi_server_proxy_uri != NULL);
	bad("db-pre-request = \".f\"", "must be a function's name");
	bad("db-root-spec = \"s.\"", "must be a function's name");
	bad("server-max-head = \"2kB\"", "server-max-target: must not be above");
	bad("websocket-max-queue = 1024", "websocket-max-message: must not be above");
	bad("db-channel = \"0123456789012345678901234567890123456789012345678901234567890123\"", "db-channel: must be");
}

static void
uri_file(void)
{
	char content[128];
	char path[] = "/tmp/config_test_uri.XXXXXX";
	int fd = mkstemp(path);
	Read read;

	CHECK(write(fd, "  host=/run user=twin_gateway\n\n", 31) == 31);
	snprintf(content, sizeof(content), "db-uri = \"@%s\"", path);
	read = read_both(content, NULL);
	CHECK(read.good && read.length == 0 && strcmp(read.config.db_uri, "host=/run user=twin_gateway") == 0, "%s %s",
		  read.errors, read.config.db_uri);
	done(&read);
	CHECK(fchmod(fd, 0644) == 0);
	read = read_both(content, NULL);
	CHECK(read.good && says(&read, "warning: ") && says(&read, "everybody on this machine"));
	done(&read);
	CHECK(ftruncate(fd, 0) == 0);
	bad(content, "must hold one connection string");
	CHECK(pwrite(fd, "a\0b", 3, 0) == 3);
	bad(content, "must hold one connection string");
	close(fd);
	unlink(path);
	bad(content, "db-uri: the file behind @ cannot be read: No such file");
	bad("db-uri = \"@/tmp\"", "not a regular file");
	/* a configuration that everybody may read is fine until it holds a password */
	for (int i = 0; i < 4; i++)
	{
		static const char *const uris[] = {"db-uri = \"postgresql://u@h/d\"", "db-uri = \"postgresql://u:p@h/d\"",
										   "db-uri = \"user=u password=p\"", "db-uri = \"host=h user=u\""};
		char other[] = "/tmp/config_test_open.XXXXXX";
		int open_fd = mkstemp(other);
		char *errors;
		size_t length;
		FILE *file = open_memstream(&errors, &length);
		Arena *arena = arena_new();
		Config config;

		CHECK(write(open_fd, uris[i], strlen(uris[i])) > 0 && fchmod(open_fd, 0644) == 0);
		CHECK(config_read(arena, other, NULL, &config, file));
		fclose(file);
		CHECK((strstr(errors, "warning: ") != NULL) == (i == 1 || i == 2), "%s: %s", uris[i], errors);
		arena_free(arena);
		free(errors);
		close(open_fd);
		unlink(other);
	}
}

static void
files(void)
{
	Arena *arena = arena_new();
	Config config;
	char *errors;
	size_t length;
	FILE *file = open_memstream(&errors, &length);

	CHECK(!config_read(arena, "/nonexistent/file", NULL, &config, file));
	CHECK(!config_read(arena, "/tmp", NULL, &config, file));
	fclose(file);
	CHECK(strstr(errors, "/nonexistent/file: cannot be read: No such file") != NULL, "%s", errors);
	CHECK(strstr(errors, "/tmp: cannot be read: not a regular file") != NULL, "%s", errors);
	free(errors);
	arena_free(arena);
}

/* What is written can be read again and means the same. */
static void
dump(void)
{
	Read read = read_both("db-uri = \"user=u password=hushhush\"\napp.settings.jwt = \"hushhush\"\nserver-port = 81\n"
						  "server-head-timeout = \"1500ms\"\nserver-max-body = \"2MB\"\ndb-schemas = \"a,b\"\n"
						  "db-anon-role = \"q\\\"\\\\\"\nserver-unix-socket-mode = \"700\"\nlog-level = \"warn\"",
						  NULL);
	char *text;
	char *again;
	size_t length;
	FILE *file = open_memstream(&text, &length);
	Read second;

	CHECK(read.good, "%s", read.errors);
	config_write(&read.config, file);
	fclose(file);
	CHECK(strstr(text, "hushhush") == NULL, "%s", text);
	CHECK(strstr(text, "db-uri = \"***\"\n") != NULL && strstr(text, "app.settings.jwt = \"***\"\n") != NULL);
	CHECK(strstr(text, "server-port = 81\n") != NULL && strstr(text, "server-head-timeout = \"1500ms\"\n") != NULL);
	CHECK(strstr(text, "db-schemas = \"a,b\"\n") != NULL && strstr(text, "server-max-body = \"2MB\"\n") != NULL);
	CHECK(strstr(text, "db-pool-acquisition-timeout = 10\n") != NULL, "as PostgREST has it");
	second = read_both(text, NULL);
	CHECK(second.good, "%s", second.errors);
	file = open_memstream(&again, &length);
	config_write(&second.config, file);
	fclose(file);
	CHECK(strcmp(text, again) == 0, "%s\n%s", text, again);
	free(text);
	free(again);
	done(&read);
	done(&second);
}

/* The table is sorted, every row can be read from its own default, and the documented file is the table. */
static void
table(void)
{
	char *example;
	size_t length;
	FILE *file = open_memstream(&example, &length);
	FILE *documented;
	char *uncommented;
	Read read;

	for (int i = 1; setting_at(i) != NULL; i++)
		CHECK(strcmp(setting_at(i - 1)->name, setting_at(i)->name) < 0, "%s", setting_at(i)->name);
	CHECK(setting_at(-1) == NULL && setting_nearest("") == NULL);
	for (int i = 0; setting_at(i) != NULL; i++)
	{
		CHECK(setting_find(setting_at(i)->name) == setting_at(i) &&
			  setting_find_foreign(setting_at(i)->name) == NULL);
		CHECK(setting_at(i)->description[strlen(setting_at(i)->description) - 1] == '.', "%s", setting_at(i)->name);
	}
	config_example(file);
	fclose(file);
	documented = fopen("deploy/twin_gateway.conf", "r");
	CHECK(documented != NULL);
	if (documented != NULL)
	{
		char *held = unit_memory(length + 2);
		size_t got = fread(held, 1, length + 1, documented);

		CHECK(got == length && memcmp(held, example, length) == 0,
			  "deploy/twin_gateway.conf is not what twin_gateway --example prints");
		free(held);
		fclose(documented);
	}
	/* its lines are the defaults: with the marks taken away it says nothing new */
	uncommented = strdup(example);
	for (char *line = uncommented; line != NULL; line = strchr(line + 1, '\n'))
	{
		char *mark = line == uncommented ? line : line + 1;
		char *end = strchr(mark, '\n');

		if (end != NULL && mark[0] == '#' && memmem(mark, (size_t) (end - mark), " = ", 3) != NULL &&
			memmem(mark, (size_t) (end - mark), "app.settings", 12) == NULL)
			mark[0] = ' ';
	}
	read = read_both(uncommented, NULL);
	CHECK(read.good && read.length == 0, "%s", read.errors);
	CHECK(read.config.server_port == 3000 && read.config.websocket_max_queue == 1048576);
	done(&read);
	free(uncommented);
	free(example);
}

static void
help(void)
{
	char *text;
	size_t length;
	FILE *file = open_memstream(&text, &length);

	config_help(file);
	fclose(file);
	for (int i = 0; setting_at(i) != NULL; i++)
		CHECK(strstr(text, setting_at(i)->name) != NULL && strstr(text, setting_at(i)->description) != NULL);
	free(text);
}

static const UnitCase cases[] = {
	{"what holds when nothing is said", defaults},
	{"the form of the file", file_form},
	{"a zero byte", zero_bytes},
	{"kinds of values", kinds},
	{"origins", origins},
	{"names: aliases, unknown, foreign, refused", names},
	{"the environment", environment},
	{"what settings say together", together},
	{"db-uri in a file", uri_file},
	{"files that cannot be read", files},
	{"what is in force, written", dump},
	{"the table and the documented file", table},
	{"the help", help},
};

UNIT_MAIN(cases)
