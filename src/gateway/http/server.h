/*
 * server.h
 *		HTTP/1.1 in front of whoever answers.
 *
 * A door takes connections, plain or TLS, bounds them by address, judges every
 * byte of head and framing (gate.h) and keeps absolute deadlines.  A request
 * that is complete reaches the handler, which answers now or later;
 * libmicrohttpd writes the answer, over a socket pair, and never sees a byte
 * of a head that a stranger wrote.
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
	uint64_t client;     /* what is counted as one: see address_client() */
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
		trusted_proxies; /* addresses and networks by comma ("unix" for unix sockets), whose X-Forwarded-For and -Proto,
						  * or Forwarded where there is none, are believed; NULL none */
	int max_connections;
	int max_connections_per_address; /* an IPv6 /64 is one; trusted proxies and unix sockets are not counted; 0 none */
	size_t max_head;                 /* bytes of request line and headers: 431 beyond */
	size_t max_target;               /* bytes: 414 beyond */
	size_t max_body;                 /* bytes: 413 beyond */
	int max_headers;                 /* lines: 431 beyond; 0 is 100 */
	int head_timeout;                /* milliseconds from first byte to end of head: 408 */
	int body_timeout;                /* ... of body */
	int answer_timeout;              /* a client that reads slower than this for a whole answer is cut off */
	int idle_timeout;                /* between requests */
	int max_requests;                /* of one connection; 0 is no bound */
} ServerOptions;

/* Called for each complete request; must lead to exactly one exchange_answer(), or tunnel. */
typedef void (*ServerHandler)(void *argument, Exchange *exchange);

/*
 * What the server itself refuses (400, 408, 413, 414, 415, 417, 431, 500, 501, 503, 505), for the log; and how long ago
 * it began.  why is fixed text without a byte of the request.  The client has {"code":"HTTP400","message":why,...}.
 */
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

/* Not within a handler.  Exchanges that are not answered yet must still be, as when the client has gone. */
extern void server_close(Server *server);
extern int server_connections(const Server *server);

extern const Request *exchange_request(const Exchange *exchange);

/*
 * Called when the client has gone before it was answered; the exchange is still to be answered, which then does nothing.
 * A client that closes only its sending side while it waits counts as gone.
 */
extern void exchange_on_gone(Exchange *exchange, void (*gone)(void *argument), void *argument);

/* The length of a body that nobody made. */
#define EXCHANGE_LENGTH_UNKNOWN ((size_t) -1)

/*
 * Answers, status from 200 to 999; body and headers may live in the request's arena, which is kept until they are sent,
 * or longer.  The exchange must not be touched after the call.  reason NULL is the standard one.  Content-Length, Date and
 * Connection are added (those of the headers, and Transfer-Encoding, are left out), HEAD gets no body but its length
 * (body may be NULL then; with EXCHANGE_LENGTH_UNKNOWN, for HEAD only, nothing is said of it).  A header without value is
 * left out.  A header whose name is no token, a value or reason with a control character, or more than
 * server_max_answer_head() bytes of headers make it a 500.
 */
extern void exchange_answer(Exchange *exchange, int status, const char *reason, const Header *headers,
							int header_count, const char *body, size_t body_length);
extern size_t server_max_answer_head(const Server *server);

/*
 * Answers 101 with the headers (Upgrade, Sec-WebSocket-Accept; Connection: Upgrade is added) and gives the byte stream
 * away: ready() is called before the return with a non-blocking descriptor, one end of a socket pair that the door
 * pumps, and TLS stays in the door.  What it gives is the client's bytes, those sent ahead of the 101 included.  It
 * belongs to ready()'s side, which closes it when it is done (what was written still goes out, then the client is
 * closed); end of file there says that the client has gone.  -1 when the client has gone already.  The exchange must
 * not be touched after ready() has returned.  The connection counts as one until it is closed, and is out of deadlines.
 */
typedef void (*TunnelReady)(void *argument, int fd);
extern void exchange_tunnel(Exchange *exchange, const Header *headers, int header_count, TunnelReady ready,
							void *argument);

#endif /* GATEWAY_SERVER_H */
