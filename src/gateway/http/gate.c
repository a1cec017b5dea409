/*
 * gate.c
 *		The gate's face, and the framing of bodies.
 *
 * What a body's framing may be is RFC 9112's without its options: no chunk
 * extensions, no trailers, no coding but chunked.
 */
#include "gateway/http/gate_state.h"

#include <string.h>

#define CHUNK_DIGITS_MAX 16 /* of a chunk's size */

size_t
gate_size(void)
{
	return sizeof(Gate);
}

void
gate_begin(Gate *gate, const GateLimits *limits)
{
	memset(gate, 0, sizeof(*gate));
	gate->limits = *limits;
}

GatePhase
gate_phase(const Gate *gate)
{
	return gate->phase;
}

bool
gate_between(const Gate *gate)
{
	return gate->between;
}

const GateHead *
gate_head(const Gate *gate)
{
	return &gate->head;
}

size_t
gate_content(const Gate *gate)
{
	return gate->content;
}

int
gate_status(const Gate *gate)
{
	return gate->status;
}

const char *
gate_why(const Gate *gate)
{
	return gate->why;
}

void
gate_tunnel(Gate *gate)
{
	gate->phase = GATE_TUNNEL;
}

bool
gate_refuse(Gate *gate, int status, const char *why)
{
	gate->phase = GATE_REFUSED;
	gate->between = false;
	gate->status = status;
	gate->why = why;
	return false;
}

/* ---- bodies (RFC 9112, 6 and 7) ---- */

/* Lets content on, up to the end of its run. */
static size_t
take_content(Gate *gate, size_t length)
{
	gate->content = gate->left < length ? (size_t) gate->left : length;
	gate->left -= gate->content;
	return gate->content;
}

static void
end_body(Gate *gate)
{
	gate->between = true;
	gate->phase = GATE_HEAD;
}

static int
hex_value(unsigned char c)
{
	if ((c >= '0' && c <= '9'))
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* One byte of a chunk's size or of the carriage return behind it.  Extensions are refused: nobody needs them. */
static bool
take_size(Gate *gate, unsigned char c)
{
	int value = hex_value(c);

	if (value >= 0)
	{
		if (++gate->digits > CHUNK_DIGITS_MAX)
			return gate_refuse(gate, 400, "malformed chunk size");
		gate->left = gate->left << 4 | (uint64_t) value;
		return true;
	}
	if (c != '\r' || gate->digits == 0)
		return gate_refuse(gate, 400, "malformed chunk size");
	if (gate->left > gate->limits.max_body - gate->content_total)
		return gate_refuse(gate, 413, "body is too large");
	gate->content_total += gate->left;
	gate->chunk = CHUNK_SIZE_LF;
	return true;
}

static bool
take_framing(Gate *gate, unsigned char c)
{
	switch (gate->chunk)
	{
		case CHUNK_SIZE:
			return take_size(gate, c);
		case CHUNK_SIZE_LF:
			gate->chunk = gate->left > 0 ? CHUNK_CONTENT : CHUNK_END_CR;
			return c == '\n' || gate_refuse(gate, 400, "malformed chunk size");
		case CHUNK_CONTENT:
			break;
		case CHUNK_CONTENT_CR:
			gate->chunk = CHUNK_CONTENT_LF;
			return c == '\r' || gate_refuse(gate, 400, "malformed chunk");
		case CHUNK_CONTENT_LF:
			gate->chunk = CHUNK_SIZE;
			gate->digits = 0;
			return c == '\n' || gate_refuse(gate, 400, "malformed chunk");
		case CHUNK_END_CR:
			gate->chunk = CHUNK_END_LF;
			return c == '\r' || gate_refuse(gate, 400, "trailers are not supported");
		case CHUNK_END_LF:
			if (c != '\n')
				return gate_refuse(gate, 400, "malformed chunk");
			end_body(gate);
			return true;
	}
	return true;
}

static size_t
feed_chunks(Gate *gate, const char *data, size_t length)
{
	size_t at = 0;

	while (at < length && gate->phase == GATE_BODY)
	{
		if (gate->chunk == CHUNK_CONTENT)
		{
			at += take_content(gate, length - at);
			if (gate->left == 0)
				gate->chunk = CHUNK_CONTENT_CR;
			return at;
		}
		if (!take_framing(gate, (unsigned char) data[at]))
			return at;
		at++;
	}
	return at;
}

size_t
gate_feed(Gate *gate, const char *data, size_t length)
{
	gate->content = 0;
	switch (gate->phase)
	{
		case GATE_HEAD:
			return gate_feed_head(gate, data, length);
		case GATE_BODY:
			if (gate->head.is_chunked)
				return feed_chunks(gate, data, length);
			length = take_content(gate, length);
			if (gate->left == 0)
				end_body(gate);
			return length;
		case GATE_TUNNEL:
			return length;
		case GATE_REFUSED:
			break;
	}
	return 0;
}
