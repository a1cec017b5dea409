/*
 * gate_test.c
 *		What the gate lets pass and what it refuses: the set that smugglers use,
 *		each case fed at once, byte by byte, and cut at every place.
 */
#include "unit.h"

#include "gateway/http/gate.h"

static const GateLimits limits = {.max_head = 600, .max_target = 200, .max_body = 1000, .max_headers = 20};

/* What came of a stream of bytes. */
typedef struct Result
{
	int requests;
	int status; /* 0: not refused */
	const char *why;
	size_t passed;
	bool between;
	char content[4096];
	size_t content_length;
	GateHead head;
} Result;

/* Feeds bytes of which only the first `first` are there at the beginning, and then `step` more each time. */
static void
feed(Result *result, const char *data, size_t length, size_t first, size_t step)
{
	Gate *gate = unit_memory(gate_size());
	size_t there = first < length ? first : length;
	size_t begin = 0;

	memset(result, 0, sizeof(*result));
	memset(gate, 0, gate_size());
	gate_begin(gate, &limits);
	for (;;)
	{
		/* memory of exactly this size: the gate must not look further */
		char *window = unit_memory(there - begin);
		size_t used;
		size_t content;

		memcpy(window, data + begin, there - begin);
		used = there > begin ? gate_feed(gate, window, there - begin) : 0;
		content = there > begin ? gate_content(gate) : 0;
		if (used > there - begin || content > used || result->content_length + content > sizeof(result->content))
			abort();
		memcpy(result->content + result->content_length, window + used - content, content);
		free(window);
		result->content_length += content;
		begin += used;
		if (used > 0 && gate_between(gate))
			result->requests++;
		if (gate_phase(gate) == GATE_REFUSED)
			break;
		if (used == 0)
		{
			if (there == length)
				break;
			there = there + step < length ? there + step : length;
		}
	}
	result->status = gate_status(gate);
	result->why = gate_why(gate);
	result->passed = begin;
	result->between = gate_between(gate);
	result->head = *gate_head(gate);
	free(gate);
}

static bool
same(const Result *a, const Result *b)
{
	return a->requests == b->requests && a->status == b->status && a->between == b->between && a->why == b->why &&
		   a->content_length == b->content_length && a->passed == b->passed &&
		   memcmp(a->content, b->content, a->content_length) == 0;
}

/* Feeds in every way, and says what came of it; the ways must agree. */
static void
feed_all(Result *result, const char *data, size_t length)
{
	static Result other;

	feed(result, data, length, length, 1);
	feed(&other, data, length, 0, 1);
	CHECK(same(result, &other), "byte by byte: %d, not %d, for %s", other.status, result->status, data);
	for (size_t cut = 1; cut<length; cut += length> 600 ? 97 : 1)
	{
		feed(&other, data, length, cut, length);
		CHECK(same(result, &other), "cut at %zu: %d, not %d, for %s", cut, other.status, result->status, data);
	}
}

typedef struct Case
{
	int status;   /* 0: passes, as so many whole requests */
	int requests; /* whole ones */
	const char *data;
	size_t length; /* 0: its string's */
} Case;

#define BYTES(text) text, sizeof(text) - 1
#define GET "GET / HTTP/1.1\r\nHost: a\r\n"
#define POST "POST /x HTTP/1.1\r\nHost: a\r\n"
#define CHUNKED POST "Transfer-Encoding: chunked\r\n\r\n"

static void
run_cases(const Case *cases, size_t count)
{
	static Result result;

	for (size_t i = 0; i < count; i++)
	{
		size_t length = cases[i].length > 0 ? cases[i].length : strlen(cases[i].data);

		feed_all(&result, cases[i].data, length);
		CHECK(result.status == cases[i].status && result.requests == cases[i].requests, "%d %d (%s) for case %zu: %s",
			  result.status, result.requests, result.why != NULL ? result.why : "", i, cases[i].data);
	}
}

#define RUN(cases) run_cases(cases, sizeof(cases) / sizeof((cases)[0]))

static void
request_lines(void)
{
	static const Case cases[] = {
		{0, 1, GET "\r\n", 0},
		{0, 0, GET, 0},
		{0, 0, "GET / HT", 0},
		{0, 1, "\r\n" GET "\r\n", 0},
		{0, 1, "\r\n\r\n" GET "\r\n", 0},
		{400, 0, "\r\n\r\n\r\n" GET "\r\n", 0},
		{400, 0, "\n" GET "\r\n", 0},
		{400, 0, " GET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "\tGET / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET /  HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET /\tHTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET /\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / \r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET \r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / http/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/01.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/11\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1,1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/a.b\r\nHost: a\r\n\r\n", 0},
		{505, 0, "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 0},
		{505, 0, "GET / HTTP/0.9\r\nHost: a\r\n\r\n", 0},
		{505, 0, "GET / HTTP/1.2\r\nHost: a\r\n\r\n", 0},
		{505, 0, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.0\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\rHost: a\r\n\r\n", 0},
		{400, 0, BYTES("GET /\0 HTTP/1.1\r\nHost: a\r\n\r\n")},
		{400, 0, BYTES("GET\0 / HTTP/1.1\r\nHost: a\r\n\r\n")},
		{400, 0, BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")},
		{400, 0, BYTES("\0")},
		{400, 0, "GET /\x7f HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET /\xc3\xa9 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "G\xc3\xa9T / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET /#a HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "\"GET\" / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET:/ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "get / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "BREW /pot HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1,
		 "M-SEARCH /!#$%"
		 "",
		 1},
		{501, 0, "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{501, 0, "TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{501, 0, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "GET /?a=cs.{b,c}&d=\"e\"|<f>^`\\ HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "GET //a/../%2e%00 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	};

	/* the one with a length of 1 is only the beginning of a method */
	static Result result;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		if (cases[i].length == 1 && cases[i].data[0] == 'M')
		{
			feed_all(&result, cases[i].data, 1);
			CHECK(result.status == 0 && result.requests == 0 && result.passed == 0);
			continue;
		}
		run_cases(&cases[i], 1);
	}
}

static void
targets(void)
{
	static const Case cases[] = {
		{0, 1, "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "options * HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "OPTIONS ** HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "GET http://a/x?y HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "GET HTTP://A HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{0, 1, "GET https://a:80/ HTTP/1.1\r\nHost: A:80\r\n\r\n", 0},
		{0, 1, "GET http://a?x HTTP/1.0\r\n\r\n", 0},
		{400, 0, "GET http://a/x HTTP/1.1\r\nHost: b\r\n\r\n", 0},
		{400, 0, "GET http://a/x HTTP/1.1\r\nHost: a:80\r\n\r\n", 0},
		{400, 0, "GET http://a/x HTTP/1.1\r\n\r\n", 0},
		{400, 0, "GET http://u@a/x HTTP/1.1\r\nHost: u@a\r\n\r\n", 0},
		{400, 0, "GET http:// HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET ftp://a/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET file:///etc HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET a/x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET ?x HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 0},
	};
	static Result result;
	static const char absolute[] = "GET http://a:1/x?y HTTP/1.1\r\nHost: a:1\r\n\r\n";

	RUN(cases);
	feed_all(&result, absolute, strlen(absolute));
	CHECK(result.head.target_length == 4 && memcmp(absolute + result.head.target, "/x?y", 4) == 0);
	feed_all(&result, "GET http://a HTTP/1.1\r\nHost: a\r\n\r\n", 34);
	CHECK(result.head.target_length == 0);
}

static void
hosts(void)
{
	static const Case cases[] = {
		{400, 0, "GET / HTTP/1.1\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost:\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: \t \r\n\r\n", 0},
		{400, 0, GET "Host: a\r\n\r\n", 0},
		{400, 0, GET "Host: b\r\n\r\n", 0},
		{400, 0, GET "hOST: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a?\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a#\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a\\b\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a:80:80\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a:8x\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: a:123456\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: :80\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: []\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: [::1]x\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: ::1\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost: \xc3\xa9\r\n\r\n", 0},
		{400, 0, BYTES("GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n")},
		{0, 1, "GET / HTTP/1.1\r\nHost:a\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.1\r\nHost:\ta \t\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.1\r\nHost: a:\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.1\r\nHost: a.example:8080\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.1\r\nHost: [2001:db8::1]:8080\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n", 0},
		{0, 1, "GET / HTTP/1.1\r\nHost: under_score\r\n\r\n", 0},
	};

	RUN(cases);
}

static void
header_lines(void)
{
	static const Case cases[] = {
		{400, 0, "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 0},
		{400, 0, "GET / HTTP/1.1\r\n\tHost: a\r\n\r\n", 0},
		{400, 0, GET " folded\r\n\r\n", 0},
		{400, 0, GET "A: b\r\n c\r\n\r\n", 0},
		{400, 0, GET "A: b\r\n\tc\r\n\r\n", 0},
		{400, 0, GET "A: b\r\n \r\n\r\n", 0},
		{400, 0, GET "A\r\n\r\n", 0},
		{400, 0, GET ": b\r\n\r\n", 0},
		{400, 0, GET ":\r\n\r\n", 0},
		{400, 0, GET "A B: c\r\n\r\n", 0},
		{400, 0, GET "A;B: c\r\n\r\n", 0},
		{400, 0, GET "A(: c\r\n\r\n", 0},
		{400, 0, GET "A\"B\": c\r\n\r\n", 0},
		{400, 0, GET "\xc3\xa9: c\r\n\r\n", 0},
		{400, 0, GET "A: b\nC: d\r\n\r\n", 0},
		{400, 0, GET "A: b\rC: d\r\n\r\n", 0},
		{400, 0, GET "A: b\r\r\n\r\n", 0},
		{400, 0, GET "A: b\r\n\n", 0},
		{400, 0, GET "A: b\n\r\n", 0},
		{400, 0, GET "\n", 0},
		{400, 0, GET "\r\r\n", 0},
		{400, 0, GET "A: \x01\r\n\r\n", 0},
		{400, 0, GET "A: \x0b\r\n\r\n", 0},
		{400, 0, GET "A: \x0c\r\n\r\n", 0},
		{400, 0, GET "A: \x1f\r\n\r\n", 0},
		{400, 0, GET "A: \x7f\r\n\r\n", 0},
		{400, 0, GET "A: \x1b[2J\r\n\r\n", 0},
		{400, 0, BYTES(GET "A: b\0c\r\n\r\n")},
		{400, 0, BYTES(GET "A\0: b\r\n\r\n")},
		{400, 0, BYTES(GET "\0A: b\r\n\r\n")},
		{400, 0, BYTES(GET "A: b\0\r\n\r\n")},
		{0, 1, GET "A:\r\n\r\n", 0},
		{0, 1, GET "A: \r\n\r\n", 0},
		{0, 1, GET "A: b: c\r\n\r\n", 0},
		{0, 1, GET "A: b\tc\r\n\r\n", 0},
		{0, 1, GET "A: \xc3\xa9\r\n\r\n", 0},
		{0, 1, GET "!#$%&'*+-.^_`|~: x\r\n\r\n", 0},
		{0, 1, GET "A: b\r\nA: c\r\n\r\n", 0},
		{0, 1, GET "Prefer: a\r\nPrefer: b\r\n\r\n", 0},
		{400, 0, GET "Authorization: a\r\nAuthorization: a\r\n\r\n", 0},
		{400, 0, GET "Authorization: a\r\nauthorization: b\r\n\r\n", 0},
		{400, 0, GET "Cookie: a\r\nCookie: b\r\n\r\n", 0},
		{400, 0, GET "Content-Type: a/b\r\nContent-Type: a/b\r\n\r\n", 0},
		{400, 0, GET "Origin: a\r\nOrigin: b\r\n\r\n", 0},
		{400, 0, GET "X-CSRF-Token: a\r\nX-CSRF-Token: b\r\n\r\n", 0},
		{400, 0, GET "Accept-Profile: a\r\nAccept-Profile: b\r\n\r\n", 0},
		{400, 0, GET "Sec-WebSocket-Key: a\r\nSec-WebSocket-Key: b\r\n\r\n", 0},
		{415, 0, POST "Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 0},
		{415, 0, GET "Content-Encoding: br\r\n\r\n", 0},
		{0, 1, GET "Content-Encoding: Identity\r\n\r\n", 0},
		{417, 0, POST "Expect: tea\r\nContent-Length: 3\r\n\r\nabc", 0},
		{0, 1, POST "Expect: 100-Continue\r\nContent-Length: 3\r\n\r\nabc", 0},
	};

	RUN(cases);
}

static void
lengths(void)
{
	static const Case cases[] = {
		{0, 1, POST "Content-Length: 3\r\n\r\nabc", 0},
		{0, 1, POST "Content-Length: 0\r\n\r\n", 0},
		{0, 1, POST "Content-Length: 003\r\n\r\nabc", 0},
		{0, 0, POST "Content-Length: 4\r\n\r\nabc", 0},
		{0, 2, POST "Content-Length: 3\r\n\r\nabc" GET "\r\n", 0},
		{0, 1, GET "Content-Length: 3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 0\r\nContent-Length: 3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3, 3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3,\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: +3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: -3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 0x3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3a\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3 3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 3.0\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: 1e1\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: \"3\"\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length:\r\n\r\n", 0},
		{400, 0, POST "Content-Length: \r\n\r\n", 0},
		{400, 0, POST "Content-Length: abc\r\n\r\n", 0},
		{400, 0, POST "Content-Length : 3\r\n\r\nabc", 0},
		{400, 0, POST "Content-Length: \xef\xbc\x93\r\n\r\nabc", 0},
		{400, 0, BYTES(POST "Content-Length: 3\0\r\n\r\nabc")},
		{400, 0,
		 POST "Content-Length: \x0b"
			  "3\r\n\r\nabc",
		 0},
		{400, 0, POST "Content-Length: 18446744073709551619\r\n\r\nabc", 0},
		{413, 0, POST "Content-Length: 9223372036854775807\r\n\r\nabc", 0},
		{413, 0, POST "Content-Length: 9999999999999999999\r\n\r\nabc", 0},
		{413, 0, POST "Content-Length: 1001\r\n\r\n", 0},
		{0, 0, POST "Content-Length: 1000\r\n\r\n", 0},
		{400, 0, POST "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", 0},
		{400, 0, "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: identity\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: , chunked\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n", 0},
		{501, 0, POST "Transfer-Encoding: cow\r\nContent-Length: 3\r\n\r\nabc", 0},
		{400, 0, POST "Transfer-Encoding:\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding: chunked;a=b\r\n\r\n0\r\n\r\n", 0},
		{400, 0,
		 POST "Transfer-Encoding: \x0b"
			  "chunked\r\n\r\n0\r\n\r\n",
		 0},
		{400, 0, POST "Transfer-Encoding: chunked\x01\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST " Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "X: y\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "X: y\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "X: y\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{400, 0, POST "Transfer\x01-Encoding: chunked\r\n\r\n0\r\n\r\n", 0},
		{0, 1, POST "Transfer_Encoding: chunked\r\n\r\n", 0},
		{0, 1, POST "tRANSFER-eNCODING: CHUNKED\r\n\r\n0\r\n\r\n", 0},
		{0, 1, POST "Transfer-Encoding:chunked \r\n\r\n0\r\n\r\n", 0},
		/* no body: what follows is the next request, and a bad one */
		{400, 1, POST "\r\n{\"a\":1}", 0},
	};

	RUN(cases);
}

static void
chunks(void)
{
	static const Case cases[] = {
		{0, 1, CHUNKED "0\r\n\r\n", 0},
		{0, 1, CHUNKED "3\r\nabc\r\n0\r\n\r\n", 0},
		{0, 1, CHUNKED "A\r\n0123456789\r\na\r\n0123456789\r\n000\r\n\r\n", 0},
		{0, 1, CHUNKED "0000000000000003\r\nabc\r\n0000000000000000\r\n\r\n", 0},
		{0, 2, CHUNKED "3\r\nabc\r\n0\r\n\r\n" GET "\r\n", 0},
		{0, 0, CHUNKED "3\r\nabc\r\n0\r\n", 0},
		{400, 0, CHUNKED "00000000000000003\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "0x3\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "+3\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "-1\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED " 3\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3 \r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\t\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3;a=b\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3;\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\r\nabc\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\r\nabc0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\rabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\r\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "3\r\nabcd\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "4\r\nabc\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "g\r\n0\r\n\r\n", 0},
		{400, 0, CHUNKED "1_0\r\n0\r\n\r\n", 0},
		{400, 0, BYTES(CHUNKED "3\0\r\nabc\r\n0\r\n\r\n")},
		{400, 0, CHUNKED "0\r\nX: y\r\n\r\n", 0},
		{400, 0, CHUNKED "0\r\nContent-Length: 5\r\n\r\n", 0},
		{400, 0, CHUNKED "0\n\n", 0},
		{400, 0, CHUNKED "0\r\n\n", 0},
		{400, 0, CHUNKED "0\r\n\rX", 0},
		{413, 0, CHUNKED "ffffffffffffffff\r\n", 0},
		{413, 0, CHUNKED "8000000000000000\r\n", 0},
		{413, 0, CHUNKED "3e9\r\n", 0},
		{0, 0, CHUNKED "3e8\r\n", 0},
		{413, 0, CHUNKED "3\r\nabc\r\n3e6\r\n", 0},
		{0, 0, CHUNKED "3\r\nabc\r\n3e5\r\n", 0},
	};
	static Result result;

	RUN(cases);
	feed_all(&result, CHUNKED "3\r\nabc\r\n4\r\n0\r\n\r\r\n0\r\n\r\n", strlen(CHUNKED) + 22);
	CHECK(result.requests == 1 && result.content_length == 7 && memcmp(result.content, "abc0\r\n\r", 7) == 0,
		  "%d %zu", result.requests, result.content_length);
}

/* A head made of n filler bytes in a place. */
static char *
filled(const char *before, char filler, size_t count, const char *after, size_t *length)
{
	char *data = unit_memory(strlen(before) + count + strlen(after) + 1);

	*length = strlen(before) + count + strlen(after);
	memcpy(data, before, strlen(before));
	memset(data + strlen(before), filler, count);
	memcpy(data + strlen(before) + count, after, strlen(after) + 1);
	return data;
}

static void
bounds(void)
{
	static Result result;
	static const struct
	{
		const char *before;
		size_t count;
		const char *after;
		int status;
	} cases[] = {
		{GET "A: ", 600 - 32, "\r\n\r\n", 0},
		{GET "A: ", 600 - 32 + 1, "\r\n\r\n", 431},
		{GET "A: ", 5000, "\r\n\r\n", 431},
		{GET "A: ", 5000, "", 431},
		{GET, 5000, "", 431},
		{"GET /", 199, " HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET /", 200, " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"GET http://a/", 199, " HTTP/1.1\r\nHost: a\r\n\r\n", 0},
		{"GET http://a/", 200, " HTTP/1.1\r\nHost: a\r\n\r\n", 414},
		{"GET /", 5000, " HTTP/1.1\r\nHost: a\r\n\r\n", 431},
		{"", 5000, "", 431},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		size_t length;
		char *data = filled(cases[i].before, 'a', cases[i].count, cases[i].after, &length);

		feed_all(&result, data, length);
		CHECK(result.status == cases[i].status, "case %zu: %d %s", i, result.status, result.why);
		free(data);
	}
}

static void
count_of_headers(void)
{
	static Result result;
	char data[1000];

	for (int lines = 18; lines <= 20; lines++)
	{
		strcpy(data, GET);
		for (int i = 0; i < lines; i++)
			strcat(data, "A: b\r\n");
		strcat(data, "\r\n");
		feed_all(&result, data, strlen(data));
		CHECK(result.status == (lines < 20 ? 0 : 431), "%d lines: %d", lines, result.status);
	}
}

static void
facts(void)
{
	static const struct
	{
		const char *head;
		bool keeps_alive;
		bool is_old;
		bool expects;
	} cases[] = {
		{GET "\r\n", true, false, false},
		{GET "Connection: close\r\n\r\n", false, false, false},
		{GET "Connection: Keep-Alive\r\n\r\n", true, false, false},
		{GET "Connection: keep-alive, CLOSE\r\n\r\n", false, false, false},
		{GET "Connection: upgrade\r\nConnection: close\r\n\r\n", false, false, false},
		{GET "Connection: closed\r\n\r\n", true, false, false},
		{"GET / HTTP/1.0\r\n\r\n", false, true, false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", true, true, false},
		{"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, true, false},
		{POST "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n", true, false, true},
		{POST "Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", true, false, false},
		{"POST / HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", false, true, false},
	};
	static Result result;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		feed_all(&result, cases[i].head, strlen(cases[i].head));
		CHECK(result.status == 0 && result.passed == strlen(cases[i].head));
		CHECK(result.head.keeps_alive == cases[i].keeps_alive, "%s", cases[i].head);
		CHECK(result.head.is_old == cases[i].is_old, "%s", cases[i].head);
		CHECK(result.head.expects_continue == cases[i].expects, "%s", cases[i].head);
	}
}

static void
fields(void)
{
	static const char head[] = "\r\nGET / HTTP/1.1\r\nHost: a\r\nX-Y:  b c\t\r\nEmpty:\r\n\r\n";
	static const char *const expected[] = {"Host", "a", "X-Y", "b c", "Empty", ""};
	static Result result;
	GateField field;
	size_t at;
	int count = 0;

	feed_all(&result, head, strlen(head));
	CHECK(result.head.method == 2 && result.head.method_length == 3);
	for (at = result.head.fields; gate_field(head, strlen(head), &at, &field); count++)
	{
		if (!CHECK(count < 3))
			break;
		CHECK(field.name_length == strlen(expected[2 * count]) &&
			  memcmp(field.name, expected[2 * count], field.name_length) == 0);
		CHECK(field.value_length == strlen(expected[2 * count + 1]) &&
			  memcmp(field.value, expected[2 * count + 1], field.value_length) == 0);
	}
	CHECK(count == 3, "%d", count);
}

static void
pipelines(void)
{
	char *data = unit_memory(200 * 30);
	static Result result;

	data[0] = '\0';
	for (int i = 0; i < 200; i++)
		strcat(data, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
	feed_all(&result, data, strlen(data));
	CHECK(result.requests == 200 && result.between, "%d", result.requests);
	free(data);
}

static void
tunnels(void)
{
	Gate *gate = unit_memory(gate_size());
	char bytes[256];

	unit_fill((uint8_t *) bytes, sizeof(bytes), 5);
	memset(gate, 0, gate_size());
	gate_begin(gate, &limits);
	CHECK(gate_feed(gate, GET "\r\n", strlen(GET) + 2) == strlen(GET) + 2);
	gate_tunnel(gate);
	CHECK(gate_feed(gate, bytes, sizeof(bytes)) == sizeof(bytes) && gate_phase(gate) == GATE_TUNNEL);
	free(gate);
}

static const UnitCase cases[] = {
	{"request lines", request_lines},
	{"targets: paths, addresses, the asterisk", targets},
	{"Host: one, and one that is a host", hosts},
	{"header lines", header_lines},
	{"Content-Length and Transfer-Encoding", lengths},
	{"chunks", chunks},
	{"bounds are met to the byte", bounds},
	{"headers are counted", count_of_headers},
	{"what a head says of connection and expectation", facts},
	{"the fields of a head", fields},
	{"requests behind one another", pipelines},
	{"a tunnel lets everything pass", tunnels},
};

UNIT_MAIN(cases)
