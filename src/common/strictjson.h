/*
 * strictjson.h
 *		JSON of strangers (RFC 8259), taken in by jansson under bounds of our own.
 *
 * jansson nests as deep as 2048 levels and takes any number of members; the
 * scan in front of it counts both, so that its recursion and its allocations
 * are bounded by what the caller expects.  Refused besides: duplicate names at
 * any level, NUL anywhere, whole numbers beyond 64 bits, trailing bytes.
 *
 * src/common must not call jansson's json_object(): in a backend that is the
 * server's function of the same name.  json_pack() makes objects.
 */
#ifndef TSEC_STRICTJSON_H
#define TSEC_STRICTJSON_H

#include "status.h"

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Whether a text nests no deeper than depth (1 to 64) and holds at most so many values.  Says nothing about its syntax. */
extern bool strictjson_fits(const char *text, size_t length, unsigned depth, unsigned values);

/* The object a text holds, which the caller owns; NULL when it is none, breaks a bound, or memory is out. */
extern json_t *strictjson_object(const char *text, size_t length, unsigned depth, unsigned values);

/* Right after one was refused: TSEC_NO_MEMORY where memory was out, else what a malformed text is to the caller. */
extern Status strictjson_failure(Status malformed);

/*
 * Memory for one object at a time, given back as a whole: a token's claims are some forty allocations, and freeing them
 * one by one with all that surrounds it was an eighth of a verification.  The first blocks are kept for the next object.
 * An object that lives here is never passed to json_decref() and never changed.
 */
typedef struct JsonArena JsonArena;

/* NULL when memory is out. */
extern JsonArena *strictjson_arena_new(void);
extern void strictjson_arena_empty(JsonArena *arena);
extern void strictjson_arena_free(JsonArena *arena);

/* As strictjson_object(), in place of what the arena held before. */
extern json_t *strictjson_object_in(JsonArena *arena, const char *text, size_t length, unsigned depth,
									unsigned values);

/* A member that is a string; NULL when absent or something else. */
extern const char *strictjson_text(const json_t *object, const char *name);

#endif /* TSEC_STRICTJSON_H */
