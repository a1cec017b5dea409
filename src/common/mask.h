/*
 * mask.h
 *		What of a value may be shown to somebody who may not see it.
 *
 * A pattern is a short word: email, partial(2,4), number(5000).  Masks are made
 * of UTF-8 text, of decimal numbers and of JSON text; all of them are hostile
 * bytes.  What does not have its pattern's form is masked fully, never passed
 * through.  A hidden part is three stars whatever its length; only card shows
 * how many digits it hides, because it keeps their groups.
 */
#ifndef TSEC_MASK_H
#define TSEC_MASK_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What hides everything. */
#define MASK_FULL_TEXT "***"

/* No mask of a text, number or date is longer than this, end included. */
#define MASK_TEXT_MAX 512

/* Numbers of more digits before the point are masked fully. */
#define MASK_DIGITS_MAX 38

/* Bounds of the patterns' own numbers. */
#define MASK_KEEP_MAX 16
#define MASK_WIDTH_MIN 2
#define MASK_WIDTH_MAX 1000000000000000

typedef enum MaskKind
{
	MASK_DEFAULT, /* text: by its form (e-mail, card number, address, phone number), else fully */
	MASK_FULL,
	MASK_EMAIL,
	MASK_CARD,
	MASK_PHONE,
	MASK_NAME,
	MASK_IP,
	MASK_NUMBER,
	MASK_DATE,
	MASK_PARTIAL
} MaskKind;

typedef struct MaskPattern
{
	MaskKind kind;
	unsigned first; /* partial: characters shown in front and at the end */
	unsigned last;
	uint64_t width; /* number: of the range; 0 = one significant digit, at least ten */
	bool month;     /* date: year and month, not the year alone */
} MaskPattern;

/* Reads a pattern; false when it is none. */
extern bool mask_parse(const char *word, size_t length, MaskPattern *pattern);

/* Masks UTF-8 text into zero-terminated UTF-8; gives its length.  Never fails: what does not fit is masked fully. */
extern size_t mask_text(const MaskPattern *pattern, Bytes text, char masked[MASK_TEXT_MAX]);

/* ---- numbers ---- */

/* The range a number lies in, both ends in it, as signed decimal numbers without fraction. */
typedef struct MaskRange
{
	char low[MASK_DIGITS_MAX + 4];
	char high[MASK_DIGITS_MAX + 4];
} MaskRange;

/*
 * Finds the range of a decimal number ("-43210.5"); false when it is none or too
 * long.  Negative numbers mirror the positive ones, so every number lies in
 * one range only.
 */
extern bool mask_range(Bytes number, uint64_t width, MaskRange *range);

/* ---- addresses ---- */

/* Writes an address of 4 or 16 bytes with its first 24 or 48 bits alone. */
extern size_t mask_address(const uint8_t *address, bool is_v6, char masked[MASK_TEXT_MAX]);

/* ---- JSON ---- */

/*
 * Masks JSON text: keys, structure and null stay, every other leaf becomes
 * "***".  Gives the size of what it writes, and only that when masked is NULL;
 * 0 when the text is not JSON.
 */
extern size_t mask_json(Bytes json, char *masked);

#endif /* TSEC_MASK_H */
