/*
 * server.c
 *		Listening, counting, draining.
 *
 * Who may come in is decided here and before anything is kept for a
 * connection; what happens to it then is door.c's.
 */
#include "gateway/http/door.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024
#define ACCEPTS_A_TURN 64
#define REST 100 /* milliseconds without accepting when no descriptors are left */
#define MAX_HEADERS 100

/* ---- listening ---- */

/* Makes a listening socket; -1 with errno. */
static int
listen_on(const struct sockaddr *address, socklen_t length, bool both_families)
{
	int fd = socket(address->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int on = 1;
	int only = both_families ? 0 : 1;

	if (fd < 0)
		return -1;
	if (address->sa_family != AF_UNIX)
	{
		/* what is accepted inherits it: answers are written whole, so nothing is gained by waiting */
		(void) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		(void) setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	}
	if (address->sa_family == AF_INET6)
		(void) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
	if (bind(fd, address, length) < 0 || listen(fd, BACKLOG) < 0)
	{
		int why = errno;

		(void) close(fd);
		errno = why;
		return -1;
	}
	return fd;
}

static int
listen_ipv4(struct in_addr host, int port)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t) port), .sin_addr = host};

	return listen_on((struct sockaddr *) &address, sizeof(address), false);
}

static int
listen_ipv6(struct in6_addr host, int port, bool both_families)
{
	struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t) port), .sin6_addr = host};

	return listen_on((struct sockaddr *) &address, sizeof(address), both_families);
}

/* Understands PostgREST's server-host: an address, or one of its signs for any. */
static int
listen_host(const char *host, int port)
{
	struct in_addr four = {htonl(INADDR_ANY)};
	struct in6_addr six = in6addr_any;

	if (strcmp(host, "*") == 0 || strcmp(host, "*4") == 0 || strcmp(host, "*6") == 0)
	{
		int fd = listen_ipv6(six, port, true);

		return fd >= 0 || errno == EADDRINUSE ? fd : listen_ipv4(four, port);
	}
	if (strcmp(host, "!4") == 0)
		return listen_ipv4(four, port);
	if (strcmp(host, "!6") == 0)
		return listen_ipv6(six, port, false);
	if (strcmp(host, "localhost") == 0)
		return listen_ipv4((struct in_addr){htonl(INADDR_LOOPBACK)}, port);
	if (inet_pton(AF_INET, host, &four) == 1)
		return listen_ipv4(four, port);
	if (inet_pton(AF_INET6, host, &six) == 1)
		return listen_ipv6(six, port, false);
	errno = EINVAL;
	return -1;
}

/* Whether a socket's file was left by somebody who listens no more. */
static bool
is_stale(const struct sockaddr_un *address)
{
	struct stat status;
	int fd;
	bool stale;

	if (lstat(address->sun_path, &status) < 0 || !S_ISSOCK(status.st_mode))
		return false;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	stale = connect(fd, (const struct sockaddr *) address, sizeof(*address)) < 0 && errno == ECONNREFUSED;
	(void) close(fd);
	return stale;
}

static int
listen_unix(const char *path, int mode)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	mode_t before;
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
	{
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (is_stale(&address))
		(void) unlink(path);
	/* nobody may come in between bind and chmod */
	before = umask(0177);
	fd = listen_on((struct sockaddr *) &address, sizeof(address), false);
	(void) umask(before);
	if (fd >= 0 && chmod(path, (mode_t) mode) < 0)
	{
		(void) close(fd);
		(void) unlink(path);
		return -1;
	}
	return fd;
}

int
server_port(const Server *server)
{
	struct sockaddr_storage address;
	socklen_t length = sizeof(address);

	if (getsockname(server->listener, (struct sockaddr *) &address, &length) < 0)
		return 0;
	if (address.ss_family == AF_INET)
		return ntohs(((struct sockaddr_in *) &address)->sin_port);
	return address.ss_family == AF_INET6 ? ntohs(((struct sockaddr_in6 *) &address)->sin6_port) : 0;
}

/* ---- coming in ---- */

/* Says 503 to whom there is no room for; under TLS nothing can be said so early. */
static void
turn_away(Server *server, int fd, const Address *address, const char *why)
{
	char text[REFUSAL_SIZE];
	char name[ADDRESS_TEXT_SIZE];

	if (server->tls == NULL)
	{
		(void) send(fd, text, refusal_write(text, sizeof(text), 503, why, true), MSG_NOSIGNAL);
		(void) shutdown(fd, SHUT_WR);
		/* what has come already would reset the connection, and the answer with it */
		for (int i = 0; i < 16 && recv(fd, text, sizeof(text), MSG_DONTWAIT) == (ssize_t) sizeof(text); i++)
			;
	}
	(void) close(fd);
	if (address != NULL)
		address_write(address, name);
	if (server->refusal != NULL)
		server->refusal(server->argument, 503, why, address != NULL ? name : NULL, 0);
}

static void
admit(Server *server, int fd, const struct sockaddr *peer)
{
	Address address;
	bool has_address = address_of(peer, &address);
	bool is_counted = has_address && !networks_hold(server->trusted, &address);

	if (server->connection_count >= server->options.max_connections)
		turn_away(server, fd, has_address ? &address : NULL, "too many connections");
	else if (is_counted && !address_counts_add(server->counts, address_client(&address),
											   server->options.max_connections_per_address))
		turn_away(server, fd, &address, "too many connections of one address");
	else
		door_open(server, fd, peer, is_counted);
}

static void
rest_is_over(void *argument)
{
	Server *server = argument;

	server->rest = NULL;
	watch_want(server->listener_watch, LOOP_READ);
}

static void
listener_ready(void *argument, int happened)
{
	Server *server = argument;

	(void) happened;
	for (int i = 0; i < ACCEPTS_A_TURN; i++)
	{
		struct sockaddr_storage peer = {0};
		socklen_t length = sizeof(peer);
		int fd = accept4(server->listener, (struct sockaddr *) &peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0)
		{
			admit(server, fd, (struct sockaddr *) &peer);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		{
			/* who waits outside would be announced again at once, for ever */
			watch_want(server->listener_watch, 0);
			server->rest = loop_after(server->loop, REST, rest_is_over, server);
			return;
		}
		if (errno == EAGAIN || errno == EWOULDBLOCK)
			return;
	}
}

static void
stop_listening(Server *server)
{
	if (server->rest != NULL)
		timer_cancel(server->rest);
	server->rest = NULL;
	if (server->listener_watch != NULL)
		watch_remove(server->listener_watch);
	server->listener_watch = NULL;
	if (server->listener >= 0)
	{
		(void) close(server->listener);
		if (server->options.unix_socket != NULL)
			(void) unlink(server->options.unix_socket);
	}
	server->listener = -1;
}

/* ---- opening and closing ---- */

static const char *
copy_of(const char *string)
{
	char *copy = string != NULL ? strdup(string) : NULL;

	if (string != NULL && copy == NULL)
		abort(); /* as arena.c does */
	return copy;
}

static void
free_options(ServerOptions *options)
{
	free((char *) (uintptr_t) options->unix_socket);
	free((char *) (uintptr_t) options->tls_certificate);
	free((char *) (uintptr_t) options->tls_key);
}

static void
free_server(Server *server)
{
	stop_listening(server);
	answers_close(server->answers);
	tls_close(server->tls);
	networks_free(server->trusted);
	address_counts_free(server->counts);
	free_options(&server->options);
	free(server);
}

/* Everything but the socket; false and why. */
static bool
prepare(Server *server, const char **why)
{
	const ServerOptions *options = &server->options;
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t) sizeof(seed))
	{
		*why = "no random bytes";
		return false;
	}
	server->counts = address_counts_new((size_t) options->max_connections, seed);
	server->trusted = networks_read(options->trusted_proxies, why);
	if (server->counts == NULL || server->trusted == NULL)
		return false;
	if (options->tls_certificate != NULL)
	{
		server->tls = tls_open(options->tls_certificate, options->tls_key != NULL ? options->tls_key : "", why);
		if (server->tls == NULL)
			return false;
	}
	server->answers = answers_open(server, why);
	return server->answers != NULL;
}

Server *
server_open(Loop *loop, const ServerOptions *options, ServerHandler handler, ServerRefusal refusal, void *argument,
			const char **why)
{
	Server *server = calloc(1, sizeof(Server));

	if (server == NULL)
		abort(); /* as arena.c does */
	server->loop = loop;
	server->handler = handler;
	server->refusal = refusal;
	server->argument = argument;
	server->listener = -1;
	server->options = *options;
	server->options.unix_socket = copy_of(options->unix_socket);
	server->options.tls_certificate = copy_of(options->tls_certificate);
	server->options.tls_key = copy_of(options->tls_key);
	server->limits = (GateLimits){.max_head = options->max_head,
								  .max_target = options->max_target,
								  .max_body = options->max_body,
								  .max_headers = options->max_headers > 0 ? options->max_headers : MAX_HEADERS};
	/* OpenSSL writes to sockets without MSG_NOSIGNAL */
	(void) signal(SIGPIPE, SIG_IGN);
	if (prepare(server, why))
	{
		server->listener = options->unix_socket != NULL ? listen_unix(options->unix_socket, options->unix_socket_mode)
														: listen_host(options->host, options->port);
		if (server->listener >= 0)
			server->listener_watch = loop_watch(loop, server->listener, LOOP_READ, listener_ready, server);
		if (server->listener_watch != NULL)
			return server;
		*why = copy_of(strerror(errno));
	}
	free_server(server);
	return NULL;
}

bool
server_reload_tls(Server *server, const char **why)
{
	Tls *tls;

	*why = "there is no TLS";
	if (server->tls == NULL)
		return false;
	tls = tls_open(server->options.tls_certificate, server->options.tls_key != NULL ? server->options.tls_key : "",
				   why);
	if (tls == NULL)
		return false;
	tls_close(server->tls);
	server->tls = tls;
	return true;
}

int
server_connections(const Server *server)
{
	return server->connection_count;
}

size_t
server_max_answer_head(const Server *server)
{
	return answers_max_head(server->answers);
}

void
server_refused(const Connection *connection, int status, const char *why)
{
	Server *server = connection->server;
	char name[ADDRESS_TEXT_SIZE];

	if (server->refusal == NULL)
		return;
	if (connection->has_address)
		address_write(&connection->address, name);
	server->refusal(server->argument, status, why, connection->has_address ? name : NULL,
					loop_now(server->loop) - connection->began_at);
}

/* ---- leaving ---- */

static void
drain_is_over(void *argument)
{
	Server *server = argument;
	TimerCallback drained = server->drained;

	server->drain_end = NULL;
	server->drained = NULL;
	if (drained != NULL)
		drained(server->drained_argument);
}

/* Not at once: whoever is called may close the server, and this is the middle of a connection's end. */
static void
end_drain(Server *server)
{
	if (server->drain_timer != NULL)
		timer_cancel(server->drain_timer);
	server->drain_timer = NULL;
	if (server->drain_end == NULL)
		server->drain_end = loop_after(server->loop, 0, drain_is_over, server);
}

static void
drain_timed_out(void *argument)
{
	Server *server = argument;

	server->drain_timer = NULL;
	while (server->connections != NULL)
		door_lose(server->connections);
}

void
server_forget(Connection *connection)
{
	Server *server = connection->server;

	if (connection->previous != NULL)
		connection->previous->next = connection->next;
	else
		server->connections = connection->next;
	if (connection->next != NULL)
		connection->next->previous = connection->previous;
	server->connection_count--;
	if (connection->is_counted)
		address_counts_drop(server->counts, address_client(&connection->address));
	if (server->connection_count == 0 && server->drained != NULL)
		end_drain(server);
}

void
server_drain(Server *server, int64_t milliseconds, TimerCallback done, void *argument)
{
	Connection *next;

	stop_listening(server);
	server->is_draining = true;
	server->drained = done;
	server->drained_argument = argument;
	server->drain_timer = loop_after(server->loop, milliseconds, drain_timed_out, server);
	for (Connection *connection = server->connections; connection != NULL; connection = next)
	{
		next = connection->next;
		if (connection->state == STATE_READING && !connection->began)
			door_pump(connection); /* answers what has come just now, closes when that is nothing */
	}
	if (server->connection_count == 0)
		end_drain(server);
}

void
server_close(Server *server)
{
	if (server == NULL)
		return;
	server->drained = NULL;
	while (server->connections != NULL)
		door_lose(server->connections);
	if (server->drain_timer != NULL)
		timer_cancel(server->drain_timer);
	if (server->drain_end != NULL)
		timer_cancel(server->drain_end);
	free_server(server);
}
