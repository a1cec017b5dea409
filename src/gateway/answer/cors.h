/*
 * cors.h
 *		Which pages of other origins may call (Fetch Standard, 3.2).
 *
 * Only origins on the list get a header, and only they get credentials; there
 * is no wildcard and nothing is reflected that is not on the list.
 */
#ifndef GATEWAY_CORS_H
#define GATEWAY_CORS_H

#include "gateway/answer/answer.h"

/* Whether an origin is one of a list that ends with NULL (NULL is an empty one). */
extern bool cors_allows(const char *const *allowed, const char *origin);

/* Whether OPTIONS is a preflight: it has Origin and Access-Control-Request-Method. */
extern bool cors_is_preflight(const char *method, const char *origin, const char *wanted_method);

/* The answer to a preflight: 200, with permission when the origin is listed. */
extern Answer *cors_preflight(Arena *arena, const char *const *allowed, const char *origin,
							  const char *wanted_headers, const AnswerSide *side);

/* Adds the headers of any other answer to a request with an Origin (NULL: none). */
extern void cors_add(Answer *answer, const char *const *allowed, const char *origin);

/*
 * Whether a request that carries credentials by itself (a cookie) may come from
 * where it comes: from this server's own origin (scheme and Host), or a listed
 * one.  Without an Origin: only when it need not be there, as for requests a
 * browser makes without one; a WebSocket's handshake always needs it.
 */
extern bool cors_is_trusted(const char *const *allowed, const char *origin, const char *host, bool is_tls,
							bool must_be_there);

#endif /* GATEWAY_CORS_H */
