/*
 * gate.h
 *		Judges the bytes of a connection before libmicrohttpd sees them.
 *
 * It follows heads and framing (RFC 9112) and refuses what two readers may
 * understand in two ways, since that is how requests are smuggled; libmicrohttpd
 * 0.9.75 was seen to take bare LF, differing Content-Length, Content-Length
 * with Transfer-Encoding, a space before the colon and (wrongly joined) folded
 * lines.  It changes no byte.  Pure: bytes in, a verdict out.
 */
#ifndef GATEWAY_GATE_H
#define GATEWAY_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct GateLimits
{
	size_t max_head;
	size_t max_target;
	size_t max_body;
	int max_headers; /* lines: 431 beyond */
} GateLimits;

typedef enum GatePhase
{
	GATE_HEAD,
	GATE_BODY,
	GATE_TUNNEL, /* after 101: everything passes */
	GATE_REFUSED
} GatePhase;

/* Opaque but for its size; zero it and call gate_begin(). */
typedef struct Gate Gate;

extern size_t gate_size(void);
extern void gate_begin(Gate *gate, const GateLimits *limits);

/*
 * Feeds bytes.  Returns how many of them may go on: all, or those up to the
 * end of one request (so that pipelined requests go on one by one: the next
 * call continues), or fewer with GATE_REFUSED.  A head goes on only when it is
 * complete and judged: until then 0 is returned and the same bytes are fed
 * again with more behind them.
 */
extern size_t gate_feed(Gate *gate, const char *data, size_t length);

extern GatePhase gate_phase(const Gate *gate);

/* Whether the bytes let on so far end a request; false at first. */
extern bool gate_between(const Gate *gate);

/* Status and reason of a refusal: 400, 413, 414, 417, 431, 501, 505. */
extern int gate_status(const Gate *gate);
extern const char *gate_why(const Gate *gate);

extern void gate_tunnel(Gate *gate);

#endif /* GATEWAY_GATE_H */
