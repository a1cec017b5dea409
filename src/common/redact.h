/*
 * redact.h
 *		Secrets in text that goes to a log: finds what tells of one, and writes the
 *		text without it.
 *
 * Tables and one walk over the bytes: no pattern language, no memory but the
 * caller's, time linear in the text.  A text either bears nothing and stays as it
 * is, byte for byte; or holds something that is a secret by its look (a token, a
 * hash, an address with a password in it), and loses that; or names a secret
 * (password, api_key, login(), CREATE ROLE), and then loses every literal, because
 * nobody can tell in all spellings which of them is the one.  What cannot be told
 * for sure is hidden up to the end.
 */
#ifndef TSEC_REDACT_H
#define TSEC_REDACT_H

#include "bytes.h"

#include <stdbool.h>

/* What stands for a secret, and for what is not written because the text is too long. */
#define REDACT_HIDDEN "***"
#define REDACT_CUT " ... (withheld)"

/* ---- names of secrets besides those that are known ---- */

#define REDACT_NAMES_MAX 64
#define REDACT_NAME_SIZE 64

typedef struct RedactNames
{
	int count;
	char names[REDACT_NAMES_MAX][REDACT_NAME_SIZE]; /* lower case, without "_" and "-" */
	uint8_t first[32];                              /* a bit for each byte one of them begins with */
} RedactNames;

/*
 * Reads a comma-separated list of names: letters, digits, "_", "-" and bytes from
 * 0x80 on, at least three of them besides "_" and "-".  False, and none, when it
 * is no such list or longer than the limits above.
 */
extern bool redact_names_parse(const char *list, RedactNames *names);

/* ---- looking ---- */

typedef enum RedactFinding
{
	REDACT_SHAPE = 1, /* something is a secret by its look */
	REDACT_NAME = 2,  /* something tells of a secret */
	REDACT_TYPO = 4   /* a word is nearly "password" */
} RedactFinding;

/* What a text bears; more may be NULL. */
extern unsigned redact_look(Bytes text, const RedactNames *more);

/* ---- writing ---- */

typedef enum RedactForm
{
	REDACT_PROSE,  /* a message: quotes may be apostrophes, values may stand without quotes */
	REDACT_SQL,    /* a statement, perhaps with words before it */
	REDACT_CONTEXT /* lines that say where, some with a statement in double quotes */
} RedactForm;

/*
 * Writes a text without what redact_look() found in it (or in a text that belongs
 * to it), with a zero behind, into room bytes, at least sizeof(REDACT_CUT) + 4.
 * Valid UTF-8 stays so.  Returns the bytes without the zero.  *bare is set (never
 * cleared; may be NULL) when the value of a named secret stood where a name of
 * the database could: then the server may complain about it by name.
 */
extern size_t redact_write(Bytes text, RedactForm form, unsigned findings, const RedactNames *more, char *to,
						   size_t room, bool *bare);

/*
 * Writes a format of printf() with REDACT_HIDDEN for its arguments, but for one: where the format begins with "%s" and
 * the message (NULL: unknown) shows that a text was meant there which is the same for everybody, a status's or "syntax
 * error", that stays.
 */
extern size_t redact_template(const char *format, const char *message, char *to, size_t room);

#endif /* TSEC_REDACT_H */
