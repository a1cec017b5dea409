/*
 * reader.h
 *		Reads a text from left to right and remembers, as PostgREST's parser does,
 *		what it would have needed where: so its clients meet the errors they know.
 *
 * The rules are Parsec's.  A function that fails without having moved lets
 * another be tried in its place; one that has moved is final, unless a mark was
 * set before it.  What was expected at one place adds up, what was expected
 * farther to the right wins, and every step forward forgets.
 */
#ifndef GATEWAY_READER_H
#define GATEWAY_READER_H

#include "gateway/tool/problem.h"

#define READER_EXPECTED_MAX 24

typedef struct ReaderError
{
	size_t at;
	bool is_known;  /* anything was expected at all */
	bool has_found; /* something stood there that was not looked for ... */
	size_t found;   /* ... here; the text's length is its end */
	bool is_after;  /* something stood there that must not: shown with single quotes */
	size_t after;   /* ... here */
	int count;
	const char *expected[READER_EXPECTED_MAX];
} ReaderError;

typedef struct Reader
{
	Arena *arena;
	const char *text; /* UTF-8 without NUL, with a final zero */
	size_t length;
	size_t at;
	ReaderError error;
	int *budget;         /* items that may still be read; shared by the readers of a request */
	const char *refusal; /* a bound was exceeded: nothing can be tried in place of it */
	const char *code;    /* ... with this code */
} Reader;

typedef struct ReaderMark
{
	size_t at;
	ReaderError error;
} ReaderMark;

extern void reader_begin(Reader *reader, Arena *arena, const char *text, int *budget);

/* Sets a mark, and looks at what happened behind it: a failure is taken back, as if nothing had been read. */
extern void reader_mark(Reader *reader, ReaderMark *mark);
extern bool reader_try(Reader *reader, const ReaderMark *mark, bool success);

/* ... gives what was expected at the mark one name. */
extern bool reader_label(Reader *reader, const ReaderMark *mark, bool success, const char *label);

/* Whether nothing was read since a mark. */
extern bool reader_unmoved(const Reader *reader, const ReaderMark *mark);

/* Takes a word, given as errors show it: with its quotes. */
extern bool reader_word(Reader *reader, const char *shown);

/* Whether a word follows. */
extern bool reader_peek(Reader *reader, const char *shown);

/* Takes one byte; errors call it by its label. */
extern bool reader_byte(Reader *reader, char byte, const char *label);

/* Whether the text ends. */
extern bool reader_end(Reader *reader);

/* Refuses one byte. */
extern bool reader_not(Reader *reader, char byte);

/* Notes that something else was expected here; NULL is something without a name.  Returns false. */
extern bool reader_expect(Reader *reader, const char *what);

/* ... that the byte in front must not stand there. */
extern bool reader_reject(Reader *reader, size_t where, size_t at);

/* Goes on to a place to the right. */
extern void reader_move(Reader *reader, size_t at);

/* Skips blanks and tabs. */
extern void reader_blanks(Reader *reader);

/* Counts one item; false when there are too many. */
extern bool reader_count(Reader *reader);
extern bool reader_refuse(Reader *reader, const char *code, const char *why);

/* Makes the problem of a failure: 400, "failed to parse WHAT (TEXT)" (line 1, column N).  Returns false. */
extern bool reader_problem(Reader *reader, const char *what, const char *text, Problem *problem);

#endif /* GATEWAY_READER_H */
