/*
 * arena.h
 *		Memory of one request, given back as a whole.
 *
 * What a client can make it grow to is bounded by the limits on headers and
 * bodies, so running out of memory is the machine's failure and ends the
 * program: whoever keeps it running starts it again.
 */
#ifndef GATEWAY_ARENA_H
#define GATEWAY_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

typedef struct Arena Arena;

extern Arena *arena_new(void);
extern void arena_free(Arena *arena);

/* Zeroed memory that lives as long as the arena; never NULL. */
extern void *arena_alloc(Arena *arena, size_t size);

/* A copy of bytes that may hold anything, with a final zero behind them. */
extern char *arena_copy(Arena *arena, const char *data, size_t length);
extern char *arena_string(Arena *arena, const char *string);
extern char *arena_format(Arena *arena, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Calls release(argument) when the arena is freed, last registered first. */
extern void arena_on_free(Arena *arena, void (*release)(void *argument), void *argument);

/* A text that grows in an arena. */
typedef struct Text
{
	Arena *arena;
	char *data; /* ends with a zero that length does not count; "" at first */
	size_t length;
	size_t size;
} Text;

extern void text_begin(Text *text, Arena *arena);
extern void text_add(Text *text, const char *data, size_t length);
extern void text_put(Text *text, const char *string);
extern void text_char(Text *text, char character);
extern void text_format(Text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Adds a JSON string, quotes and all (RFC 8259); the bytes are UTF-8, what is not becomes U+FFFD. */
extern void text_json(Text *text, const char *string);
extern void text_json_bytes(Text *text, const char *data, size_t size);

/* Whether bytes are well-formed UTF-8 (RFC 3629) without NUL. */
extern bool text_is_utf8(const char *data, size_t length);

#endif /* GATEWAY_ARENA_H */
