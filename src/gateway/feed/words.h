/*
 * words.h
 *		What is said on a WebSocket: one JSON object a message.  Pure.
 *
 *		client	{"type": "subscribe", "topics": ["units.1", "alerts"], "ref": "any text"}
 *				{"type": "unsubscribe", "topics": ["alerts"], "ref": "any text"}
 *		server	{"type": "welcome", "user_id": "7", "role": "viewer", "expires_at": "2026-01-01T00:00:00Z"}
 *				{"type": "subscribed", "topics": ["units.1"], "ref": ...}, {"type": "unsubscribed", ...}: one for each topic
 *				{"type": "refused", "code": "42501", "message": "...", "topic": "units.1", "ref": ...}
 *				{"type": "message", "topic": "units.1", "payload": ..., "published_at": "...", "id": 12}
 *				{"type": "closed", "topic": "units.1", "details": ...}: the permission was taken away
 *				{"type": "lost", "details": ...}: messages came faster than they could be handed on
 *
 * ref is the client's own and comes back with the answers.
 */
#ifndef GATEWAY_WORDS_H
#define GATEWAY_WORDS_H

#include "gateway/tool/arena.h"

#define WORDS_TOPICS_MAX 100       /* in one message */
#define WORDS_TOPIC_LENGTH_MAX 200 /* bytes */
#define WORDS_REF_LENGTH_MAX 100   /* bytes */

typedef enum WordsKind
{
	WORDS_SUBSCRIBE,
	WORDS_UNSUBSCRIBE
} WordsKind;

typedef struct Words
{
	WordsKind kind;
	const char **topics;
	int topic_count;
	const char *ref; /* NULL when none */
} Words;

/* Reads a client's message into the arena; false with what is wrong with it. */
extern bool words_read(Arena *arena, const char *text, size_t length, Words *words, const char **why);

/* {"type": type, "topics": [...], "ref": ...} */
extern const char *words_done(Arena *arena, const char *type, const Words *words);

/* topic and ref may be NULL. */
extern const char *words_refused(Arena *arena, const char *code, const char *message, const char *topic,
								 const char *ref);

/* A text as a JSON string. */
extern const char *words_quoted(Arena *arena, const char *text);

/* The list as the text of an array of PostgreSQL. */
extern const char *words_array(Arena *arena, const char *const *topics, int count);

#endif /* GATEWAY_WORDS_H */
