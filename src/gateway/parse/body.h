/*
 * body.h
 *		Bodies of requests: JSON, forms, CSV.
 *
 * Whatever it was, the database gets one JSON text as a parameter, and the
 * planner the names of the keys.
 */
#ifndef GATEWAY_BODY_H
#define GATEWAY_BODY_H

#include "gateway/parse/headers.h"
#include "gateway/parse/query.h"

#define BODY_KEYS_MAX 1600            /* columns of a table at most; of one object, repeated keys counted */
#define BODY_CSV_JSON_MAX (64u << 20) /* bytes CSV may grow to: every row repeats the names */

typedef enum BodyKind
{
	BODY_NONE,   /* empty */
	BODY_OBJECT, /* of JSON, or a form */
	BODY_ARRAY,  /* of objects, or CSV */
	BODY_SCALAR, /* any other JSON: only for a routine with one unnamed parameter */
	BODY_RAW     /* text, XML, bytes: the same */
} BodyKind;

typedef struct Body
{
	BodyKind kind;
	MediaChoice type;
	const char
		*json; /* as sent where it was JSON, so it lives as long as what was read; NULL for BODY_NONE and BODY_RAW */
	size_t json_length;
	const char *raw;
	size_t raw_length;
	const char **keys; /* of the objects (of the first one, where they differ), sorted, each once */
	int key_count;
	bool keys_differ; /* between objects of the array: only legal with columns= (PGRST102 otherwise) */
	bool is_empty_array;
	Parameter *fields; /* of a form, in order, repetitions kept: for variadic arguments */
} Body;

/*
 * Reads a body.  False: PGRST102 (400) for what is no JSON, no CSV, no form, an
 * array of anything but objects, or a type that no body may have.  JSON is
 * checked (RFC 8259, UTF-8, surrogates in pairs), not rebuilt: duplicate keys are
 * left to the database (the last counts), numbers keep every digit.  \u0000 is
 * 22P05 at once, as the database would say when it makes text of it; a NUL or
 * broken UTF-8 in text and XML is 22021.
 *
 * In CSV (RFC 4180; lines may end with CR or LF alone, blank lines and a byte
 * order mark are skipped) the unquoted word NULL is null, everything else a
 * string, and the first line names the columns.  In a form the last of repeated
 * names counts.
 */
extern bool body_read(Arena *arena, MediaChoice type, const char *data, size_t length, Body *body, Problem *problem);

#endif /* GATEWAY_BODY_H */
