/*
 * answer.h
 *		An answer before it is sent: status, headers, body; and the headers every
 *		answer carries, good or bad.
 *
 * Headers are added here and nowhere else, so that no value with CR, LF or NUL
 * and no name that is no token ever reaches a client (RFC 9110, 5.5 and 5.6.2).
 */
#ifndef GATEWAY_ANSWER_H
#define GATEWAY_ANSWER_H

#include "gateway/http/server.h"

#define ANSWER_HEADERS_MAX 128 /* further ones are refused */

typedef struct Answer
{
	Arena *arena;
	int status;
	const char *reason; /* NULL is the standard one */
	Header headers[ANSWER_HEADERS_MAX];
	int header_count;
	const char *body; /* NULL when none */
	size_t body_length;
	/* of refusals, for the log */
	const char *code;       /* as the client sees it; NULL when none */
	const char *error_id;   /* NULL unless the client was given one */
	const char *log_detail; /* what the client was not told; NULL when nothing */
} Answer;

/* Microseconds each step of a request took; -1 is not known. */
typedef struct Timings
{
	int64_t jwt;
	int64_t parse;
	int64_t plan;
	int64_t transaction;
	int64_t response;
} Timings;

/* What is known of request and program besides what was asked for. */
typedef struct AnswerSide
{
	bool is_tls;             /* of the client's connection, proxies included */
	bool is_authenticated;   /* a token was verified: neither anonymous nor unknown */
	bool varies_by_origin;   /* there is an allow-list */
	bool varies_by_cookie;   /* cookies may authenticate */
	bool may_choose_end;     /* db-tx-end lets Prefer: tx= speak */
	const char *profile;     /* schema of the answer, where several are exposed; else NULL */
	const char *trace_name;  /* of the header that is given back; NULL none */
	const char *trace_value; /* what the request said there; NULL nothing */
	const Timings *timings;  /* NULL: no Server-Timing */
	const char *error_id;    /* 16 digits, given to the client where an error's detail is not */
	int retry_after;         /* seconds, for 503; 0 is not known */
} AnswerSide;

/* An empty answer. */
extern Answer *answer_new(Arena *arena, int status);

/* Whether a text can be the name of a header, and whether one can be its value: visible ASCII, UTF-8, blanks and tabs inside. */
extern bool answer_is_name(const char *name);
extern bool answer_is_value(const char *value);

/* Adds a header; one that cannot be is left out and false is returned.  Name and value live as long as the arena. */
extern bool answer_add(Answer *answer, const char *name, const char *value);

/* The first header of that name (ASCII case does not count); NULL when none. */
extern const char *answer_header(const Answer *answer, const char *name);

/* Takes all headers of that name away. */
extern void answer_remove(Answer *answer, const char *name);

/* Adds a header unless there is one of that name. */
extern void answer_default(Answer *answer, const char *name, const char *value);

/* A reason phrase that can stand in a status line: what cannot becomes a blank; NULL when nothing is left. */
extern const char *answer_reason(Arena *arena, const char *text);

/* Percent-encodes what may not stand in a query or path (RFC 3986, 3.3 and 3.4); what is encoded already stays. */
extern const char *answer_url(Arena *arena, const char *raw);

/* Says in Server-Timing what each step took, in place of what was said before. */
extern void answer_time(Answer *answer, const Timings *timings);

/*
 * Adds what every answer carries: security headers (OWASP Secure Headers), HSTS over TLS, Cache-Control for whoever is
 * authenticated, Vary, the trace header, Server-Timing.  What is there already is kept.
 */
extern void answer_finish(Answer *answer, const AnswerSide *side);

#endif /* GATEWAY_ANSWER_H */
