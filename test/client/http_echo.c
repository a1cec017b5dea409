/*
 * http_echo.c
 *		The gateway's HTTP server with a handler that says, as JSON, what it
 *		understood: for the tests of the server alone, and its benchmarks.
 *
 *		http_echo NAME=VALUE...		names as in ServerOptions
 *
 * Standard output: "port N", then a line for each refusal, reload and client
 * that has gone.  SIGTERM drains, SIGHUP reads the certificate again.
 *
 *		/hello				a short text
 *		/unmade				to HEAD: nothing is known of the body
 *		/bytes?N			so many bytes
 *		/later?N			answers after so many milliseconds
 *		/status?N&REASON	that status
 *		/head?KIND			an answer whose head is wrong in some way, or large
 *		/tunnel				101, then every byte comes back in upper case
 *		anything else		what was understood
 */
#include "gateway/http/server.h"

#include <ctype.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static Loop *loop;
static Server *server;
static ServerOptions options = {.name = "echo",
								.host = "127.0.0.1",
								.unix_socket_mode = 0600,
								.max_connections = 2000,
								.max_head = 16384,
								.max_target = 8192,
								.max_body = 1048576,
								.head_timeout = 10000,
								.body_timeout = 10000,
								.answer_timeout = 10000,
								.idle_timeout = 10000};

/* ---- answers ---- */

static void
answer_text(Exchange *exchange, int status, const char *reason, const char *type, const char *text)
{
	Header header = {"Content-Type", type};

	exchange_answer(exchange, status, reason, &header, 1, text, strlen(text));
}

static void
echo(Exchange *exchange)
{
	const Request *request = exchange_request(exchange);
	Text text;

	text_begin(&text, request->arena);
	text_put(&text, "{\"method\":");
	text_json(&text, request->method);
	text_put(&text, ",\"target\":");
	text_json(&text, request->target);
	text_put(&text, ",\"path\":");
	text_json(&text, request->path);
	text_put(&text, ",\"query\":");
	text_json(&text, request->query);
	text_put(&text, ",\"address\":");
	if (request->client_address != NULL)
		text_json(&text, request->client_address);
	else
		text_put(&text, "null");
	text_format(&text, ",\"tls\":%s,\"headers\":[", request->is_tls ? "true" : "false");
	for (int i = 0; i < request->header_count; i++)
	{
		text_put(&text, i > 0 ? ",[" : "[");
		text_json(&text, request->headers[i].name);
		text_char(&text, ',');
		text_json(&text, request->headers[i].value);
		text_char(&text, ']');
	}
	text_format(&text, "],\"body_length\":%zu,\"body\":", request->body_length);
	text_json(&text, request->body_length <= 4096 ? request->body : "");
	text_put(&text, "}\n");
	answer_text(exchange, 200, NULL, "application/json", text.data);
}

static void
bytes(Exchange *exchange)
{
	const Request *request = exchange_request(exchange);
	size_t length = strtoul(request->query, NULL, 10);
	char *data = arena_alloc(request->arena, length + 1);

	for (size_t i = 0; i < length; i++)
		data[i] = (char) ('a' + i % 26);
	exchange_answer(exchange, 200, NULL, NULL, 0, data, length);
}

static void
head(Exchange *exchange)
{
	const Request *request = exchange_request(exchange);
	const char *kind = request->query;
	Header headers[3] = {{"X-First", "1"}, {"X-Second", "2"}, {"X-Third", "3"}};

	if (strcmp(kind, "newline") == 0)
		headers[1].value = "a\r\nSet-Cookie: b";
	else if (strcmp(kind, "name") == 0)
		headers[1].name = "X Second";
	else if (strcmp(kind, "ours") == 0)
		headers[1] = (Header){"Content-Length", "70"};
	else if (strcmp(kind, "empty") == 0)
		headers[1].value = "";
	else if (strncmp(kind, "large", 5) == 0)
	{
		size_t length = strtoul(kind + 5, NULL, 10);
		char *value = arena_alloc(request->arena, length + 1);

		memset(value, 'v', length);
		headers[1].value = value;
	}
	exchange_answer(exchange, 200, strcmp(kind, "reason") == 0 ? "a\r\nb: c" : NULL, headers, 3, "ok", 2);
}

typedef struct Later
{
	struct Later *next;
	Exchange *exchange; /* NULL once answered */
} Later;

static Later *laters;

static void
answer_later(void *argument)
{
	Later *later = argument;

	if (later->exchange != NULL)
		answer_text(later->exchange, 200, NULL, "text/plain", "later\n");
	later->exchange = NULL;
}

static void
begin_later(Exchange *exchange, int milliseconds)
{
	Later *later = calloc(1, sizeof(Later));

	if (later == NULL)
		abort();
	*later = (Later){laters, exchange};
	laters = later;
	loop_after(loop, milliseconds, answer_later, later);
}

/* Every exchange is owed an answer, also when nobody is there any more. */
static void
end_laters(void)
{
	while (laters != NULL)
	{
		Later *later = laters;

		answer_later(later);
		laters = later->next;
		free(later);
	}
}

static void
gone(void *argument)
{
	(void) argument;
	puts("gone");
}

/* ---- tunnels ---- */

typedef struct Tunnel
{
	int fd;
	Watch *watch;
	char data[1000];
	size_t length;
} Tunnel;

static void
tunnel_end(Tunnel *tunnel, const char *how)
{
	puts(how);
	watch_remove(tunnel->watch);
	close(tunnel->fd);
	free(tunnel);
}

static void
tunnel_ready(void *argument, int happened)
{
	Tunnel *tunnel = argument;

	(void) happened;
	if (tunnel->length == 0)
	{
		ssize_t count = read(tunnel->fd, tunnel->data, sizeof(tunnel->data));

		if (count < 0 && errno == EAGAIN)
			return;
		if (count <= 0 || memchr(tunnel->data, '.', (size_t) count) != NULL)
		{
			if (count > 0 && write(tunnel->fd, "bye", 3) != 3)
				puts("tunnel is full");
			tunnel_end(tunnel, count > 0 ? "tunnel closes" : "tunnel ended");
			return;
		}
		tunnel->length = (size_t) count;
		for (size_t i = 0; i < tunnel->length; i++)
			tunnel->data[i] = (char) toupper((unsigned char) tunnel->data[i]);
	}
	ssize_t written = write(tunnel->fd, tunnel->data, tunnel->length);

	if (written < 0 && errno != EAGAIN)
	{
		/* the client left before it was answered */
		tunnel_end(tunnel, "tunnel ended");
		return;
	}
	if (written > 0)
	{
		memmove(tunnel->data, tunnel->data + written, tunnel->length - (size_t) written);
		tunnel->length -= (size_t) written;
	}
	watch_want(tunnel->watch, tunnel->length > 0 ? LOOP_WRITE : LOOP_READ);
}

static void
tunnel_begin(void *argument, int fd)
{
	Tunnel *tunnel = calloc(1, sizeof(Tunnel));

	(void) argument;
	if (fd < 0 || tunnel == NULL)
	{
		free(tunnel);
		return;
	}
	tunnel->fd = fd;
	tunnel->watch = loop_watch(loop, fd, LOOP_READ, tunnel_ready, tunnel);
}

/* ---- the program ---- */

static void
handle(void *argument, Exchange *exchange)
{
	const Request *request = exchange_request(exchange);
	static const Header upgrade = {"Upgrade", "upper-case"};

	(void) argument;
	if (strcmp(request->path, "/unmade") == 0)
		exchange_answer(exchange, 200, request->query[0] != '\0' ? request->query : NULL, NULL, 0, NULL,
						EXCHANGE_LENGTH_UNKNOWN);
	else if (strcmp(request->path, "/hello") == 0)
		answer_text(exchange, 200, NULL, "text/plain", "hello\n");
	else if (strcmp(request->path, "/bytes") == 0)
		bytes(exchange);
	else if (strcmp(request->path, "/head") == 0)
		head(exchange);
	else if (strcmp(request->path, "/later") == 0)
	{
		exchange_on_gone(exchange, gone, NULL);
		begin_later(exchange, atoi(request->query));
	}
	else if (strcmp(request->path, "/status") == 0)
	{
		const char *reason = strchr(request->query, '&');

		answer_text(exchange, atoi(request->query), reason != NULL ? reason + 1 : NULL, "text/plain", "status\n");
	}
	else if (strcmp(request->path, "/tunnel") == 0)
		exchange_tunnel(exchange, &upgrade, 1, tunnel_begin, NULL);
	else
		echo(exchange);
}

static void
refused(void *argument, int status, const char *why, const char *client_address, int64_t milliseconds)
{
	(void) argument;
	printf("refused %d %s (%s, %d)\n", status, why, client_address != NULL ? client_address : "unix",
		   (int) milliseconds);
}

static void
drained(void *argument)
{
	(void) argument;
	puts("drained");
	loop_stop(loop);
}

static void
terminate(void *argument)
{
	(void) argument;
	server_drain(server, 3000, drained, NULL);
}

static void
reload(void *argument)
{
	const char *why;

	(void) argument;
	puts(server_reload_tls(server, &why) ? "reloaded" : why);
}

static bool
set_option(char *argument)
{
	char *value = strchr(argument, '=');
	struct
	{
		const char *name;
		const char **text;
		int *number;
		size_t *size;
	} names[] = {{"host", &options.host, NULL, NULL},
				 {"port", NULL, &options.port, NULL},
				 {"unix_socket", &options.unix_socket, NULL, NULL},
				 {"tls_certificate", &options.tls_certificate, NULL, NULL},
				 {"tls_key", &options.tls_key, NULL, NULL},
				 {"trusted_proxies", &options.trusted_proxies, NULL, NULL},
				 {"max_connections", NULL, &options.max_connections, NULL},
				 {"max_connections_per_address", NULL, &options.max_connections_per_address, NULL},
				 {"max_head", NULL, NULL, &options.max_head},
				 {"max_target", NULL, NULL, &options.max_target},
				 {"max_body", NULL, NULL, &options.max_body},
				 {"head_timeout", NULL, &options.head_timeout, NULL},
				 {"body_timeout", NULL, &options.body_timeout, NULL},
				 {"answer_timeout", NULL, &options.answer_timeout, NULL},
				 {"idle_timeout", NULL, &options.idle_timeout, NULL},
				 {"max_requests", NULL, &options.max_requests, NULL}};

	if (value == NULL)
		return false;
	*value++ = '\0';
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
	{
		if (strcmp(argument, names[i].name) != 0)
			continue;
		if (names[i].text != NULL)
			*names[i].text = value;
		else if (names[i].number != NULL)
			*names[i].number = atoi(value);
		else
			*names[i].size = strtoul(value, NULL, 10);
		return true;
	}
	return false;
}

int
main(int argc, char **argv)
{
	const char *why = NULL;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (int i = 1; i < argc; i++)
	{
		if (!set_option(argv[i]))
		{
			fprintf(stderr, "unknown: %s\n", argv[i]);
			return 2;
		}
	}
	loop = loop_new();
	server = server_open(loop, &options, handle, refused, NULL, &why);
	if (server == NULL)
	{
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	loop_signal(loop, SIGTERM, terminate, NULL);
	loop_signal(loop, SIGHUP, reload, NULL);
	printf("port %d\n", server_port(server));
	loop_run(loop);
	server_close(server);
	end_laters();
	loop_free(loop);
	return 0;
}
