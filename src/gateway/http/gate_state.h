/*
 * gate_state.h
 *		What the two files of the gate share: its state, and how it refuses.
 */
#ifndef GATEWAY_GATE_STATE_H
#define GATEWAY_GATE_STATE_H

#include "gateway/http/gate.h"

typedef enum ChunkState
{
	CHUNK_SIZE,
	CHUNK_SIZE_LF,
	CHUNK_CONTENT,
	CHUNK_CONTENT_CR,
	CHUNK_CONTENT_LF,
	CHUNK_END_CR,
	CHUNK_END_LF
} ChunkState;

struct Gate
{
	GateLimits limits;
	GatePhase phase;
	int status;
	const char *why;
	bool between;
	/* of the head being read */
	size_t line;    /* where the line begins that is not complete */
	size_t scanned; /* no line end before this */
	size_t start;   /* where the request line begins, behind blank lines */
	bool has_request_line;
	int blank_lines;
	int headers;
	uint32_t seen; /* of known */
	bool says_close;
	bool says_keep_alive;
	bool expects;
	size_t host;
	size_t host_length;
	size_t authority; /* of an absolute target */
	size_t authority_length;
	GateHead head;
	/* of the body being read */
	uint64_t left; /* content of the chunk, or of all */
	uint64_t content_total;
	ChunkState chunk;
	int digits;
	size_t content;
};

/* Refuses for good; false, for return gate_refuse(...). */
extern bool gate_refuse(Gate *gate, int status, const char *why);

/* Feeds a head: 0 until it is complete, then its length; GATE_BODY or GATE_HEAD (no body) then. */
extern size_t gate_feed_head(Gate *gate, const char *data, size_t length);

#endif /* GATEWAY_GATE_STATE_H */
