/*
 * server.h
 *		HTTP/1.1 in front of whoever answers.
 *
 * A door takes connections, plain or TLS, bounds them by address, judges every
 * byte of head and framing (gate.h), keeps absolute deadlines, and hands what
 * passes to libmicrohttpd over a socket pair; a request that is complete
 * reaches the handler, which answers now or later.
 */
#ifndef GATEWAY_SERVER_H
#define GATEWAY_SERVER_H

#include "gateway/http/loop.h"
#include "gateway/tool/arena.h"

#include <sys/socket.h>

typedef struct Server Server;
typedef struct Exchange Exchange; /* one request and its answer */

typedef struct Header
{
	const char *name; /* of a request: lower case */
	const char *value;
} Header;

typedef struct Request
{
	Arena *arena; /* ends with the exchange */
	const char *method;
	const char *target; /* raw: path and query */
	const char *path;   /* raw, before the question mark */
	const char *query;  /* raw, behind it; "" when none */
	const Header *headers;
	int header_count;
	const char *body;
	size_t body_length;
	const char
		*client_address; /* numeric; the peer's, or what a trusted proxy says of its own; NULL for a unix socket */
	bool is_tls;         /* ... or a trusted proxy says so */
	int64_t began_at;    /* loop_now() when its first byte came */
} Request;

/* First value of a header, NULL when none.  Names in lower case. */
extern const char *request_header(const Request *request, const char *name);

typedef struct ServerOptions
{
	const char *name; /* for the log: "public", "admin" */
	const char *
		host; /* a numeric address, "*" (both families), "*4", "*6", "!4", "!6" as PostgREST has them; NULL with unix_socket */
	int port;                    /* 0: the kernel chooses; see server_port() */
	const char *unix_socket;     /* path; NULL when none */
	int unix_socket_mode;        /* 0660 */
	const char *tls_certificate; /* PEM file of the chain; NULL is no TLS */
	const char *tls_key;
	const char *
		trusted_proxies; /* addresses and networks by comma, whose X-Forwarded-For and -Proto are believed; NULL none */
	int max_connections;
	int max_connections_per_address;
	size_t max_head;    /* bytes of request line and headers: 431 beyond */
	size_t max_target;  /* bytes: 414 beyond */
	size_t max_body;    /* bytes: 413 beyond */
	int head_timeout;   /* milliseconds from first byte to end of head: 408 */
	int body_timeout;   /* ... of body */
	int answer_timeout; /* a client that reads slower than this for a whole answer is cut off */
	int idle_timeout;   /* between requests */
	int max_requests;   /* of one connection; 0 is no bound */
} ServerOptions;

/* Called for each complete request; must lead to exactly one exchange_answer(), or tunnel. */
typedef void (*ServerHandler)(void *argument, Exchange *exchange);

/* What the server itself refuses (400, 408, 413, 414, 431, 503), for the log; and how long ago it began. */
typedef void (*ServerRefusal)(void *argument, int status, const char *why, const char *client_address,
							  int64_t milliseconds);

/* NULL and why (static text or made with strdup): address in use, unreadable certificate... */
extern Server *server_open(Loop *loop, const ServerOptions *options, ServerHandler handler, ServerRefusal refusal,
						   void *argument, const char **why);
extern int server_port(const Server *server);

/* Reads certificate and key again; the old ones stay in force when the new ones cannot be used. */
extern bool server_reload_tls(Server *server, const char **why);

/* Takes no more connections, answers what it has, closes the idle; calls when done, at the latest after so many milliseconds. */
extern void server_drain(Server *server, int64_t milliseconds, TimerCallback done, void *argument);
extern void server_close(Server *server);
extern int server_connections(const Server *server);

extern const Request *exchange_request(const Exchange *exchange);

/* Called when the client has gone before it was answered; the exchange is still to be answered, which then does nothing. */
extern void exchange_on_gone(Exchange *exchange, void (*gone)(void *argument), void *argument);

/*
 * Answers; body and headers may live in the request's arena, which is kept until they are sent.
 * reason NULL is the standard one.  Content-Length and Date are added, HEAD gets no body but its length.
 * A header value with CR, LF or NUL makes it a 500.
 */
extern void exchange_answer(Exchange *exchange, int status, const char *reason, const Header *headers,
							int header_count, const char *body, size_t body_length);

/*
 * Answers 101 and gives the connection away: what the client sends is read from the returned descriptor, non-blocking,
 * and written to it.  -1 when the client has gone.  closed() is called when the door has lost the client.
 */
typedef void (*TunnelReady)(void *argument, int fd, const char *already, size_t already_length);
extern void exchange_tunnel(Exchange *exchange, const Header *headers, int header_count, TunnelReady ready,
							void *argument);

#endif /* GATEWAY_SERVER_H */
