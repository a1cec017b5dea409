/*
 * door.h
 *		What the files of the server share: connections, exchanges, and the socket
 *		pairs that lead to libmicrohttpd.
 *
 * A connection is in one state, and door_pump() carries it as far as it can go
 * without waiting.  Whoever changes a connection from outside calls it
 * afterwards; it may free the connection.  An idle connection holds no buffer,
 * no exchange and no pair.
 */
#ifndef GATEWAY_DOOR_H
#define GATEWAY_DOOR_H

#include "gateway/http/address.h"
#include "gateway/http/gate.h"
#include "gateway/http/server.h"

#include <sys/types.h>

#define DOOR_BUFFER_SIZE 65536 /* most bytes on their way to a client, of one connection */

/* What reading and writing answer beside a count of bytes; 0 is the end of what the client sends. */
#define DOOR_AGAIN ((ssize_t) -1)
#define DOOR_ERROR ((ssize_t) -2)

typedef struct Tls Tls;               /* the certificate in force */
typedef struct TlsSession TlsSession; /* one client */
typedef struct Pair Pair;             /* one connection of libmicrohttpd, and our end of it */
typedef struct Answers Answers;       /* libmicrohttpd */
typedef struct Connection Connection;

typedef struct Buffer
{
	char *data; /* NULL when empty for long */
	size_t size;
	size_t begin;
	size_t end;
} Buffer;

typedef enum ConnectionState
{
	STATE_READING,   /* a request, or nothing yet */
	STATE_WAITING,   /* for the handler */
	STATE_ANSWERING, /* the answer goes out */
	STATE_TUNNEL,
	STATE_LINGERING /* all is said; what the client still sends is thrown away, so that it can read */
} ConnectionState;

struct Exchange
{
	Request request;
	Connection *connection; /* NULL when the client has gone */
	bool is_head;
	char *body;
	size_t body_size;
	void (*gone)(void *argument);
	void *gone_argument;
	/* the answer */
	int status;
	const char *reason;
	const Header *headers;
	int header_count;
	size_t head_size;
	const char *answer;
	size_t answer_length;
};

struct Connection
{
	Server *server;
	Connection *next;
	Connection *previous;
	int fd;
	Watch *watch;
	TlsSession *tls; /* NULL: plain */
	ConnectionState state;
	bool has_address;
	bool is_counted; /* among those of its address */
	bool is_trusted; /* a proxy */
	bool began;      /* the first byte of a request has come */
	bool ended;      /* the client sends no more */
	bool is_last;    /* closes after this answer */
	bool is_pumping;
	Address address;
	int requests;
	int64_t began_at;
	int64_t deadline; /* 0: none */
	Timer *timer;     /* rings then, or earlier */
	int64_t timer_due;
	Buffer in;
	Buffer out;
	size_t discarded; /* while lingering */
	Exchange *exchange;
	Pair *pair;
	int tunnel; /* our end, or -1 */
	Watch *tunnel_watch;
	Gate *gate; /* behind this structure */
};

struct Server
{
	Loop *loop;
	ServerOptions options; /* its strings are copies */
	ServerHandler handler;
	ServerRefusal refusal;
	void *argument;
	GateLimits limits;
	Networks *trusted;
	AddressCounts *counts;
	Tls *tls; /* NULL: plain */
	Answers *answers;
	int listener;
	Watch *listener_watch;
	Timer *rest; /* from accepting, when there are no descriptors left */
	Connection *connections;
	int connection_count;
	bool is_draining;
	Timer *drain_timer;
	Timer *drain_end; /* calls drained in the next turn */
	TimerCallback drained;
	void *drained_argument;
	char scratch[DOOR_BUFFER_SIZE]; /* bytes between two calls, never longer */
};

/* ---- server.c ---- */

/* Takes a connection out of the server's count; the last one ends a drain. */
extern void server_forget(Connection *connection);
extern void server_refused(const Connection *connection, int status, const char *why);

/* ---- door.c ---- */

extern void door_open(Server *server, int fd, const struct sockaddr *peer, bool is_counted);
extern void door_pump(Connection *connection);

/* Closes at once; an exchange that is not answered is told. */
extern void door_lose(Connection *connection);
extern void door_set_deadline(Connection *connection, int milliseconds);

/* ---- traffic.c ---- */

/* What recv() and send() gave back, in words of this house. */
extern ssize_t door_outcome(ssize_t count);
extern ssize_t door_read(Connection *connection, char *data, size_t size);
extern ssize_t door_write(Connection *connection, const char *data, size_t length);

/* Reads into the buffer; DOOR_AGAIN also when it is full. */
extern ssize_t door_fill(Connection *connection);

/* The most that is kept of what a client sends ahead: a head that the gate has not refused fits. */
extern size_t door_most_in(const Connection *connection);

/* Writes what waits in the buffer; 1 when nothing is left. */
extern ssize_t door_flush(Connection *connection);
extern void buffer_add(Buffer *buffer, const char *data, size_t length);
extern void buffer_free(Buffer *buffer);

/* ---- refuse.c ---- */

#define REFUSAL_SIZE 1024

/* Writes a whole answer, head and body. */
extern size_t refusal_write(char *to, size_t size, int status, const char *why, bool with_body);

/* Refuses in place of an answer, then no more requests; for answers not begun only.  To be followed by door_pump(). */
extern void door_refuse(Connection *connection, int status, const char *why);

/* ---- exchange.c ---- */

/* The request whose head has just passed; it is complete when its body is. */
extern Exchange *exchange_begin(Connection *connection, const char *head, size_t length);
extern void exchange_add_body(Exchange *exchange, const char *data, size_t length);
extern void exchange_free(Exchange *exchange);

/* ---- writer.c ---- */

extern Answers *answers_open(Server *server, const char **why);
extern void answers_close(Answers *answers);
extern size_t answers_max_head(const Answers *answers);

/* ---- answer.c ---- */

/* Has the answer of the connection's exchange written.  False: no descriptors left. */
extern bool answer_begin(Connection *connection);

/* Reads some of the written answer: bytes, 0 at its end, or DOOR_AGAIN, DOOR_ERROR. */
extern ssize_t answer_read(Connection *connection, char *data, size_t size);

/* Gives the pair back after the end, or gives it up before; whose exchange is freed with it. */
extern void answer_end(Connection *connection, bool is_lost);

/* Whether more of the answer can be taken now. */
extern void answer_want(Connection *connection, bool wanted);

/* ---- tunnel.c ---- */

/* Carries bytes both ways; false when the connection is to be closed, *lost with nothing left to say to it. */
extern bool tunnel_pump(Connection *connection, bool *lost);
extern void tunnel_close(Connection *connection);

/* ---- tls.c ---- */

extern Tls *tls_open(const char *certificate, const char *key, const char **why);
extern void tls_close(Tls *tls);
extern TlsSession *tls_accept(Tls *tls, int fd);
extern void tls_end(TlsSession *session);
extern ssize_t tls_read(TlsSession *session, char *data, size_t size);
extern ssize_t tls_write(TlsSession *session, const char *data, size_t length);

/* Says that nothing more will be written. */
extern void tls_goodbye(TlsSession *session);

/* What the session waits for before it can read or write again: LOOP_READ or LOOP_WRITE. */
extern int tls_read_wants(const TlsSession *session);
extern int tls_write_wants(const TlsSession *session);

#endif /* GATEWAY_DOOR_H */
