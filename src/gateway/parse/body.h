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

#define BODY_KEYS_MAX 1600 /* columns of a table at most */

typedef enum BodyKind
{
	BODY_NONE,   /* empty */
	BODY_OBJECT, /* of JSON, or a form */
	BODY_ARRAY,  /* of objects with the same keys, or CSV */
	BODY_SCALAR, /* any other JSON: only for a routine with one unnamed parameter */
	BODY_RAW     /* text, XML, bytes: the same */
} BodyKind;

typedef struct Body
{
	BodyKind kind;
	MediaChoice type;
	const char *json; /* as sent where it was JSON; NULL for BODY_NONE and BODY_RAW */
	size_t json_length;
	const char *raw;
	size_t raw_length;
	const char **keys; /* of the objects */
	int key_count;
	bool keys_differ; /* between objects of the array: only legal with columns= (PGRST102 otherwise) */
	bool is_empty_array;
} Body;

/*
 * Reads a body.  False: PGRST102 (400) for what is no JSON, no CSV, or an array
 * of anything but objects.  JSON is checked, not rebuilt: duplicate keys are
 * left to the database (the last counts), numbers keep every digit, depth is at
 * most 64.  In CSV the unquoted word NULL is null and the first line names the columns.
 */
extern bool body_read(Arena *arena, MediaChoice type, const char *data, size_t length, Body *body, Problem *problem);

#endif /* GATEWAY_BODY_H */
