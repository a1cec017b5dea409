/*
 * gate_head.c
 *		Request lines and headers, as RFC 9112 has them and no more.
 *
 * A head is judged line by line, each when its end has come, and limits are
 * counted in bytes from its beginning: so the verdict is the same however the
 * bytes were cut on their way.
 */
#include "gateway/http/gate_state.h"

#include <string.h>
#include <strings.h>

#define METHOD_MAX 32
#define BLANK_LINES_MAX 2      /* before a request line (RFC 9112, 2.2) */
#define REQUEST_LINE_REST 2048 /* what a request line may have beside its target, scheme and authority included */

/* Headers that may stand once, and those the gate itself understands. */
typedef enum Known
{
	KNOWN_HOST,
	KNOWN_CONTENT_LENGTH,
	KNOWN_TRANSFER_ENCODING,
	KNOWN_CONTENT_ENCODING,
	KNOWN_EXPECT,
	KNOWN_CONNECTION,
	KNOWN_OTHERS /* from here on: nothing but once */
} Known;

#define KNOWN(name)            \
	{                          \
		name, sizeof(name) - 1 \
	}
static const struct
{
	const char *name;
	size_t length;
} known[] = {
	KNOWN("host"),
	KNOWN("content-length"),
	KNOWN("transfer-encoding"),
	KNOWN("content-encoding"),
	KNOWN("expect"),
	KNOWN("connection"),
	KNOWN("authorization"),
	KNOWN("content-type"),
	KNOWN("cookie"),
	KNOWN("origin"),
	KNOWN("range"),
	KNOWN("upgrade"),
	KNOWN("accept-profile"),
	KNOWN("content-profile"),
	KNOWN("x-csrf-token"),
	KNOWN("sec-websocket-key"),
	KNOWN("sec-websocket-version"),
};

#define KNOWN_COUNT (sizeof(known) / sizeof(known[0]))

/* ---- characters (RFC 9110, 5.6.2 and 5.5) ---- */

static bool
is_digit(unsigned char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alphanumeric(unsigned char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_token(unsigned char c)
{
	return is_alphanumeric(c) || (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static bool
is_in_value(unsigned char c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t';
}

static size_t
token_length(const char *data, size_t length)
{
	size_t count = 0;

	while (count < length && is_token((unsigned char) data[count]))
		count++;
	return count;
}

static bool
equals(const char *data, size_t length, const char *word)
{
	return length == strlen(word) && strncasecmp(data, word, length) == 0;
}

/* Whether bytes are host or host:port: a name, an IPv4 address, or an IPv6 address in brackets (RFC 3986, 3.2.2). */
static bool
is_authority(const char *data, size_t length)
{
	size_t at = 0;

	if (length > 0 && data[0] == '[')
	{
		for (at = 1; at < length && data[at] != ']'; at++)
		{
			if (!is_alphanumeric((unsigned char) data[at]) && data[at] != ':' && data[at] != '.')
				return false;
		}
		if (at < 3 || at++ >= length)
			return false;
	}
	else
	{
		while (at < length &&
			   (is_alphanumeric((unsigned char) data[at]) || memchr("-._~%!$&'()*+;=", data[at], 15) != NULL))
			at++;
		if (at == 0)
			return false;
	}
	if (at == length)
		return true;
	if (data[at++] != ':' || length - at > 5)
		return false;
	while (at < length && is_digit((unsigned char) data[at]))
		at++;
	return at == length;
}

/* ---- the request line (RFC 9112, 3) ---- */

/* Takes scheme and authority off an absolute target. */
static bool
judge_absolute(Gate *gate, const char *data)
{
	GateHead *head = &gate->head;
	const char *target = data + head->target;
	size_t scheme;
	size_t end;

	if (head->target_length > 7 && strncasecmp(target, "http://", 7) == 0)
		scheme = 7;
	else if (head->target_length > 8 && strncasecmp(target, "https://", 8) == 0)
		scheme = 8;
	else
		return gate_refuse(gate, 400, "request target is neither a path nor an address");
	for (end = scheme; end < head->target_length && target[end] != '/' && target[end] != '?'; end++)
		;
	gate->authority = head->target + scheme;
	gate->authority_length = end - scheme;
	if (!is_authority(data + gate->authority, gate->authority_length))
		return gate_refuse(gate, 400, "request target has no valid authority");
	head->target += end;
	head->target_length -= end;
	return true;
}

static bool
judge_version(Gate *gate, const char *version, size_t length)
{
	/* public: bytes of a request */
	if (length != 8 || memcmp(version, "HTTP/", 5) != 0 || !is_digit((unsigned char) version[5]) ||
		version[6] != '.' || !is_digit((unsigned char) version[7]))
		return gate_refuse(gate, 400, "malformed request line");
	if (version[5] != '1' || version[7] > '1')
		return gate_refuse(gate, 505, "HTTP version is not supported");
	gate->head.is_old = version[7] == '0';
	return true;
}

static bool
judge_request_line(Gate *gate, const char *data, size_t begin, size_t end)
{
	GateHead *head = &gate->head;
	const char *method = data + begin;
	size_t at = begin + token_length(method, end - begin);
	const char *target;

	*head = (GateHead){.method = begin, .method_length = at - begin};
	if (at == begin || at == end || data[at] != ' ')
		return gate_refuse(gate, 400, "malformed request line");
	if (head->method_length > METHOD_MAX)
		return gate_refuse(gate, 501, "method is too long");
	head->target = ++at;
	while (at < end && data[at] > 0x20 && data[at] < 0x7f)
		at++;
	head->target_length = at - head->target;
	if (head->target_length == 0 || at == end || data[at] != ' ')
		return gate_refuse(gate, 400, "malformed request line");
	if (!judge_version(gate, data + at + 1, end - at - 1))
		return false;
	if (equals(method, head->method_length, "CONNECT") || equals(method, head->method_length, "TRACE"))
		return gate_refuse(gate, 501, "method is not supported");
	target = data + head->target;
	if (memchr(target, '#', head->target_length) != NULL)
		return gate_refuse(gate, 400, "request target has a fragment");
	if (target[0] != '/')
	{
		/* public: bytes of a request */
		bool is_options = head->method_length == 7 && memcmp(method, "OPTIONS", 7) == 0;

		if (!(head->target_length == 1 && target[0] == '*' && is_options) && !judge_absolute(gate, data))
			return false;
	}
	if (head->target_length > gate->limits.max_target)
		return gate_refuse(gate, 414, "request target is too long");
	gate->has_request_line = true;
	return true;
}

/* ---- header lines (RFC 9112, 5) ---- */

static bool
judge_content_length(Gate *gate, const char *value, size_t length)
{
	uint64_t number = 0;

	if (length == 0 || length > 19)
		return gate_refuse(gate, 400, "malformed Content-Length");
	for (size_t i = 0; i < length; i++)
	{
		if (!is_digit((unsigned char) value[i]))
			return gate_refuse(gate, 400, "malformed Content-Length");
		number = number * 10 + (uint64_t) (value[i] - '0');
	}
	gate->head.content_length = number;
	return true;
}

static bool
judge_transfer_encoding(Gate *gate, const char *value, size_t length)
{
	if (equals(value, length, "chunked"))
	{
		gate->head.is_chunked = true;
		return true;
	}
	if (length == 0)
		return gate_refuse(gate, 400, "malformed Transfer-Encoding");
	for (size_t i = 0; i < length; i++)
	{
		if (!is_token((unsigned char) value[i]) && value[i] != ',' && value[i] != ' ')
			return gate_refuse(gate, 400, "malformed Transfer-Encoding");
	}
	return gate_refuse(gate, 501, "transfer encoding is not supported");
}

/* Reads the words of Connection that say what becomes of it (RFC 9110, 7.6.1). */
static void
judge_connection(Gate *gate, const char *value, size_t length)
{
	for (size_t at = 0; at < length;)
	{
		size_t word = token_length(value + at, length - at);

		if (equals(value + at, word, "close"))
			gate->says_close = true;
		else if (equals(value + at, word, "keep-alive"))
			gate->says_keep_alive = true;
		at += word > 0 ? word : 1;
	}
}

static bool
judge_known(Gate *gate, const char *data, Known which, const GateField *field)
{
	if (which != KNOWN_CONNECTION && (gate->seen & (1u << which)) != 0)
		return gate_refuse(gate, 400, "a header that may stand once stands twice");
	gate->seen |= 1u << which;
	switch (which)
	{
		case KNOWN_HOST:
			gate->host = (size_t) (field->value - data);
			gate->host_length = field->value_length;
			return is_authority(field->value, field->value_length) || gate_refuse(gate, 400, "malformed Host");
		case KNOWN_CONTENT_LENGTH:
			return judge_content_length(gate, field->value, field->value_length);
		case KNOWN_TRANSFER_ENCODING:
			return judge_transfer_encoding(gate, field->value, field->value_length);
		case KNOWN_CONTENT_ENCODING:
			return equals(field->value, field->value_length, "identity") ||
				   gate_refuse(gate, 415, "content encoding is not supported");
		case KNOWN_EXPECT:
			gate->expects = equals(field->value, field->value_length, "100-continue");
			return gate->expects || gate_refuse(gate, 417, "expectation is not supported");
		case KNOWN_CONNECTION:
			judge_connection(gate, field->value, field->value_length);
			return true;
		case KNOWN_OTHERS:
			break;
	}
	return true;
}

/* Takes one line apart, its end excluded. */
static bool
split_field(const char *line, size_t length, GateField *field)
{
	size_t name = token_length(line, length);
	size_t begin = name + 1;

	if (name == 0 || name == length || line[name] != ':')
		return false;
	while (begin < length && (line[begin] == ' ' || line[begin] == '\t'))
		begin++;
	while (length > begin && (line[length - 1] == ' ' || line[length - 1] == '\t'))
		length--;
	*field = (GateField){line, name, line + begin, length - begin};
	return true;
}

static bool
judge_header_line(Gate *gate, const char *data, size_t begin, size_t end)
{
	GateField field;

	if (++gate->headers > gate->limits.max_headers)
		return gate_refuse(gate, 431, "too many headers");
	if (data[begin] == ' ' || data[begin] == '\t')
		return gate_refuse(gate, 400, "a header is folded");
	if (!split_field(data + begin, end - begin, &field))
		return gate_refuse(gate, 400, "malformed header");
	for (size_t i = 0; i < field.value_length; i++)
	{
		if (!is_in_value((unsigned char) field.value[i]))
			return gate_refuse(gate, 400, "a header has a control character");
	}
	for (size_t i = 0; i < KNOWN_COUNT; i++)
	{
		if (field.name_length == known[i].length && strncasecmp(field.name, known[i].name, field.name_length) == 0)
			return judge_known(gate, data, (Known) i, &field);
	}
	return true;
}

/* ---- the head as a whole ---- */

static bool
judge_head(Gate *gate, const char *data)
{
	GateHead *head = &gate->head;
	bool has_length = (gate->seen & (1u << KNOWN_CONTENT_LENGTH)) != 0;
	bool has_host = (gate->seen & (1u << KNOWN_HOST)) != 0;

	if (!head->is_old && !has_host)
		return gate_refuse(gate, 400, "no Host");
	/* RFC 9112, 3.2.2 would believe the target: whoever sends two names means to be read in two ways */
	if (gate->authority_length > 0 && has_host &&
		(gate->host_length != gate->authority_length ||
		 strncasecmp(data + gate->host, data + gate->authority, gate->host_length) != 0))
		return gate_refuse(gate, 400, "Host and request target differ");
	if (head->is_chunked && (has_length || head->is_old))
		return gate_refuse(gate, 400, "the length of the body is given in two ways");
	if (head->content_length > gate->limits.max_body)
		return gate_refuse(gate, 413, "body is too large");
	head->keeps_alive = !gate->says_close && (!head->is_old || gate->says_keep_alive);
	head->expects_continue = gate->expects && !head->is_old && (head->is_chunked || head->content_length > 0);
	return true;
}

/* Whether a head that has reached so far is within its bounds; the bound that was met first is the one named. */
static bool
judge_size(Gate *gate, size_t reached)
{
	size_t line_end = gate->line + gate->limits.max_target + REQUEST_LINE_REST;

	if (!gate->has_request_line && reached > line_end && line_end <= gate->limits.max_head)
		return gate_refuse(gate, 414, "request target is too long");
	if (reached > gate->limits.max_head)
		return gate_refuse(gate, 431, "head is too large");
	return true;
}

/* Whether a line may begin a request: another protocol is not waited for. */
static bool
judge_first(Gate *gate, unsigned char first)
{
	return gate->has_request_line || is_token(first) || first == '\r' ||
		   gate_refuse(gate, 400, "malformed request line");
}

/* Judges one complete line; done when it ends the head. */
static bool
judge_line(Gate *gate, const char *data, size_t line_feed, bool *done)
{
	size_t begin = gate->line;

	if (line_feed == begin || data[line_feed - 1] != '\r')
		return gate_refuse(gate, 400, "a line ends without carriage return");
	if (line_feed - 1 > begin)
	{
		if (gate->has_request_line)
			return judge_header_line(gate, data, begin, line_feed - 1);
		gate->start = begin;
		if (!judge_request_line(gate, data, begin, line_feed - 1))
			return false;
		gate->head.fields = line_feed + 1;
		return true;
	}
	if (!gate->has_request_line)
		return ++gate->blank_lines <= BLANK_LINES_MAX || gate_refuse(gate, 400, "malformed request line");
	*done = true;
	return judge_head(gate, data);
}

/* Forgets the last head, for the next; the facts of the last stay for who asks. */
static void
begin_head(Gate *gate)
{
	gate->line = gate->scanned = gate->start = 0;
	gate->has_request_line = false;
	gate->blank_lines = gate->headers = 0;
	gate->seen = 0;
	gate->says_close = gate->says_keep_alive = gate->expects = false;
	gate->host = gate->host_length = gate->authority = gate->authority_length = 0;
}

size_t
gate_feed_head(Gate *gate, const char *data, size_t length)
{
	bool done = false;

	while (!done)
	{
		const char *found;
		size_t line_feed;

		if (gate->line < length && !judge_first(gate, (unsigned char) data[gate->line]))
			return 0;
		found = gate->scanned < length ? memchr(data + gate->scanned, '\n', length - gate->scanned) : NULL;
		line_feed = found != NULL ? (size_t) (found - data) : length;
		if (!judge_size(gate, found != NULL ? line_feed + 1 : length))
			return 0;
		if (found == NULL)
		{
			gate->scanned = length;
			return 0;
		}
		if (!judge_line(gate, data, line_feed, &done))
			return 0;
		gate->line = gate->scanned = line_feed + 1;
	}
	length = gate->line;
	begin_head(gate);
	gate->left = gate->head.content_length;
	gate->content_total = 0;
	gate->chunk = CHUNK_SIZE;
	gate->digits = 0;
	gate->between = !gate->head.is_chunked && gate->left == 0;
	gate->phase = gate->between ? GATE_HEAD : GATE_BODY;
	return length;
}

bool
gate_field(const char *head, size_t length, size_t *at, GateField *field)
{
	const char *end = *at < length ? memchr(head + *at, '\n', length - *at) : NULL;
	size_t begin = *at;

	if (end == NULL || (size_t) (end - head) < begin + 2)
		return false;
	*at = (size_t) (end - head) + 1;
	return split_field(head + begin, (size_t) (end - head) - begin - 1, field);
}
