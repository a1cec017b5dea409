/*
 * redact_form.h
 *		Private to redact*.c: what secrets look like, and which words tell of them.
 */
#ifndef TSEC_REDACT_FORM_H
#define TSEC_REDACT_FORM_H

#include "redact.h"

/* Bytes of words: letters, digits, "_", "$" and everything from 0x80 on. */
extern bool redact_is_word(uint8_t byte);
extern bool redact_is_space(uint8_t byte);
extern uint8_t redact_lower(uint8_t byte);

/* Whether a word stands at a place, in any case, and ends there. */
extern bool redact_word_at(Bytes text, size_t at, const char *word);

/* Where white space and comments of SQL end. */
extern size_t redact_skip_blank(Bytes text, size_t at);

/* A part of a text. */
typedef struct RedactSpan
{
	size_t begin;
	size_t end;
} RedactSpan;

/* Where next one of the two below may begin, told by two bytes, because every byte of a log is asked; else the end. */
extern size_t redact_next(Bytes text, size_t at, const RedactNames *more);

/* Whether something that is a secret by its look begins here; what of it is to be hidden. */
extern bool redact_shape(Bytes text, size_t at, RedactSpan *hidden);

/* Whether something that tells of a secret begins here; for a secret's name, where its word ends, else 0. */
extern bool redact_marker(Bytes text, size_t at, const RedactNames *more, size_t *name_end);

/* White space and comments are skipped so far, and so long is a tag of a dollar quote. */
#define BLANK_MAX 256
#define TAG_MAX 64

/* Bodies in dollar quotes that are open: statements, which are walked through. */
#define BODIES_MAX 4

typedef struct RedactWalk
{
	Bytes text;
	size_t at;
	RedactForm form;
	const RedactNames *more;
	char *to;
	size_t room; /* without what the cut mark and the zero need */
	size_t length;
	bool is_full;
	bool bare;
	size_t last_quote; /* of a context: the last double quote at a line's end; SIZE_MAX: not looked for */
	enum
	{
		SPEECH_UNKNOWN,
		SPEECH_SQL,
		SPEECH_OTHER
	} speech; /* of bodies in dollar quotes */
	int body_count;
	RedactSpan bodies[BODIES_MAX]; /* their opening tags */
} RedactWalk;

/* ---- redact_write.c: what is written ---- */

extern void redact_put(RedactWalk *walk, const void *bytes, size_t length);
extern void redact_put_hidden(RedactWalk *walk);

/* Writes the text up to a place, and goes there; hides it up to there; hides the rest. */
extern void redact_copy_to(RedactWalk *walk, size_t end);
extern void redact_hide_to(RedactWalk *walk, size_t end);
extern void redact_hide_rest(RedactWalk *walk);

/* After the last byte that had room: ends with REDACT_CUT. */
extern void redact_put_cut(RedactWalk *walk);

extern bool redact_is_at(const RedactWalk *walk, size_t at, char byte);

/* ---- redact_quote.c: each begins at the byte that the walk is at ---- */

extern void redact_literal(RedactWalk *walk);
extern void redact_dollar(RedactWalk *walk);
extern bool redact_comment(RedactWalk *walk); /* false when none begins here */
extern void redact_identifier(RedactWalk *walk);
extern void redact_quoted_statement(RedactWalk *walk);

/* Where the tag of a dollar quote that begins here ends; 0 when it is none. */
extern size_t redact_tag_end(const RedactWalk *walk);

/* ---- redact_value.c ---- */

/* The name of a secret was written: hides what is said to be its value, literals excepted, which the walk hides. */
extern void redact_after_name(RedactWalk *walk, bool in_query);

#endif /* TSEC_REDACT_FORM_H */
