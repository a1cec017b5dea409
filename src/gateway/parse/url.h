/*
 * url.h
 *		Percent-encoding, and the three paths of PostgREST's contract.
 *
 * Decoding is strict where others guess: a % without two hexadecimal digits,
 * a NUL and what is not UTF-8 (RFC 3629) are refused, so that what was judged
 * here is what the database gets.
 */
#ifndef GATEWAY_URL_H
#define GATEWAY_URL_H

#include "gateway/tool/problem.h"

typedef enum UrlKind
{
	URL_ROOT,     /* / */
	URL_RELATION, /* /name */
	URL_ROUTINE   /* /rpc/name */
} UrlKind;

typedef struct UrlPath
{
	UrlKind kind;
	const char *name; /* decoded; NULL for the root */
} UrlPath;

/* Reads a raw path, without query.  False: PGRST125 (404) for any other, PGRST100 (400) for one that cannot be decoded. */
extern bool url_path_read(Arena *arena, const char *path, size_t length, UrlPath *result, Problem *problem);

/* Decodes a part of a URL, or of a form where + is a blank; NULL when it cannot be decoded. */
extern const char *url_decode(Arena *arena, const char *data, size_t length, bool is_form);

/* Adds a text so encoded that only A-Z a-z 0-9 - _ . ~ stand for themselves (RFC 3986, 2.3). */
extern void url_encode(Text *text, const char *string);

#endif /* GATEWAY_URL_H */
