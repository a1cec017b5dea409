/*
 * gate.h
 *		Judges the bytes of a connection before libmicrohttpd sees them.
 *
 * It follows heads and framing (RFC 9112) and refuses what two readers may
 * understand in two ways, since that is how requests are smuggled; libmicrohttpd
 * 0.9.75 was seen to take bare LF, differing Content-Length, Content-Length
 * with Transfer-Encoding, a space before the colon and (wrongly joined) folded
 * lines.  It changes no byte.  Pure: bytes in, a verdict and facts out.
 */
#ifndef GATEWAY_GATE_H
#define GATEWAY_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct GateLimits
{
	size_t max_head;   /* bytes of request line and headers: 431 beyond */
	size_t max_target; /* 414 beyond */
	size_t max_body;   /* bytes of content: 413 beyond */
	int max_headers;   /* lines: 431 beyond */
} GateLimits;

typedef enum GatePhase
{
	GATE_HEAD,
	GATE_BODY,
	GATE_TUNNEL, /* after 101: everything passes */
	GATE_REFUSED
} GatePhase;

/* What a head that has passed says, by places in its bytes. */
typedef struct GateHead
{
	size_t method;
	size_t method_length;
	size_t target; /* from the path on: an absolute target has lost its scheme and authority */
	size_t target_length;
	size_t fields;         /* where the first header line begins */
	bool is_old;           /* HTTP/1.0 */
	bool keeps_alive;      /* the connection may serve another request */
	bool expects_continue; /* the client waits for 100 before it sends the body */
	bool is_chunked;
	uint64_t content_length; /* 0 without the header */
} GateHead;

/* One header line: name as written, value without the blanks around it. */
typedef struct GateField
{
	const char *name;
	size_t name_length;
	const char *value;
	size_t value_length;
} GateField;

/* Opaque but for its size; zero it and call gate_begin(). */
typedef struct Gate Gate;

extern size_t gate_size(void);
extern void gate_begin(Gate *gate, const GateLimits *limits);

/*
 * Feeds bytes.  Returns how many of them may go on: those of one head, those
 * up to the end of one run of content (so that a body is taken apart, see
 * gate_content()), those that end a request; or fewer with GATE_REFUSED.  The
 * next call continues behind them.  A head goes on only when it is complete
 * and judged: until then 0 is returned and the same bytes are fed again with
 * more behind them.
 */
extern size_t gate_feed(Gate *gate, const char *data, size_t length);

extern GatePhase gate_phase(const Gate *gate);

/* Whether the bytes let on so far end a request; false at first. */
extern bool gate_between(const Gate *gate);

/* Of the head that went on last; its places count from the first byte fed for it. */
extern const GateHead *gate_head(const Gate *gate);

/* How many of the bytes let on by the last call are content: the last ones; those before them are framing. */
extern size_t gate_content(const Gate *gate);

/* The next header line of a head that has passed; *at begins as GateHead.fields.  False behind the last. */
extern bool gate_field(const char *head, size_t length, size_t *at, GateField *field);

/* Status and reason of a refusal: 400, 413, 414, 415, 417, 431, 501, 505. */
extern int gate_status(const Gate *gate);
extern const char *gate_why(const Gate *gate);

extern void gate_tunnel(Gate *gate);

#endif /* GATEWAY_GATE_H */
