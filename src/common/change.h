/*
 * change.h
 *		Changed rows as bytes: what column "rows" of twin_internal.events holds of a
 *		statement's rows, up to a thousand of them.
 *
 * Form (numbers big-endian): version 1, the columns as a piece, then each row as
 * a piece.  A piece is its length and its bytes: below 240 the length is one byte,
 * from there on 240 and 4 bytes.  Columns and rows stand by themselves in the
 * log's leaves (leaf.h), so each can be read without the other rows.
 *
 * Columns: count 2, then of each: form 1, flags 1, name and type name as pieces.
 * Row: which sides there are 1, then of every side, the old first, each column:
 * a piece (its value in the column's form), or one of ChangeMark and what belongs
 * to it.  There is one way to write a row, so equal rows are equal bytes.
 * Reading trusts nothing: lengths, marks, forms and the end are checked.
 */
#ifndef TSEC_CHANGE_H
#define TSEC_CHANGE_H

#include "bytes.h"
#include "digest.h"

#include <stdbool.h>
#include <string.h>

#define CHANGE_VERSION 1
#define CHANGE_ROWS_MAX 1000    /* in one row of the table; see EVENT_ID_STEP */
#define CHANGE_COLUMNS_MAX 1600 /* of a table */

/* How a column's values are written. */
typedef enum ChangeForm
{
	CHANGE_TEXT = 1,    /* as the type prints them, in the database's encoding */
	CHANGE_NUMBER,      /* decimal digits, or NaN and infinities */
	CHANGE_JSON,        /* JSON text */
	CHANGE_BYTES,       /* as they are */
	CHANGE_BOOLEAN,     /* 1 byte: 0, 1 */
	CHANGE_INTEGER,     /* 2, 4 or 8 bytes, two's complement */
	CHANGE_FLOAT,       /* 4 or 8 bytes, IEEE 754 */
	CHANGE_DATE,        /* 4 bytes: days since 2000-01-01; least and greatest: infinities */
	CHANGE_TIMESTAMP,   /* 8 bytes: microseconds since 2000-01-01, likewise */
	CHANGE_TIMESTAMPTZ, /* the same, in UTC */
	CHANGE_UUID,        /* 16 bytes */
	CHANGE_FORMS
} ChangeForm;

#define CHANGE_KEY 1 /* flag: of the primary key, in the key's order when that is the columns' */

/* What stands in a length's place. */
typedef enum ChangeMark
{
	CHANGE_MARK_LENGTH = 240, /* 4 bytes of length and the value */
	CHANGE_MARK_LONG,         /* too long to be kept: 8 bytes of length, SHA-256 of the value */
	CHANGE_MARK_DIGEST,       /* kept as HMAC-SHA256 only */
	CHANGE_MARK_NO_DIGEST,    /* the same when there was no key for it */
	CHANGE_MARK_REDACTED,
	CHANGE_MARK_SAME, /* new side only: as in the old side */
	CHANGE_MARK_NULL = 255
} ChangeMark;

#define CHANGE_OLD 1
#define CHANGE_NEW 2

/* Splits what a row of the table holds: calls for the columns once, then for each row.  False when it is damaged. */
typedef bool (*ChangeVisitor)(void *argument, Bytes columns, Bytes row, int number);
extern bool change_split(Bytes rows, ChangeVisitor visitor, void *argument);

/* ---- reading; every function returns false for what is not well formed ---- */

typedef struct ChangeColumn
{
	ChangeForm form;
	uint8_t flags;
	Bytes name;
	Bytes type;
} ChangeColumn;

/* The columns, as many as *count says, into at most CHANGE_COLUMNS_MAX. */
extern bool change_read_columns(Bytes columns, ChangeColumn *to, int *count);

typedef struct ChangeValue
{
	int mark;        /* a ChangeMark; CHANGE_MARK_LENGTH for a value, of whatever length */
	Bytes bytes;     /* the value or digest */
	uint64_t length; /* of one that is too long */
} ChangeValue;

/* A row's sides, each of count values into old and new; which ones there are into *sides.  "Same" stays a mark. */
extern bool change_read_row(Bytes row, int count, ChangeValue *old, ChangeValue *new, int *sides);

/* Whether bytes are a value of a form. */
extern bool change_fits(ChangeForm form, Bytes value);

/* ---- writing, into room that the caller made ---- */

#define CHANGE_PIECE_HEAD 5
#define CHANGE_MARK_MAX (1 + 8 + DIGEST_SIZE) /* of all but a value */

/* Writes the length of a piece; returns behind it. */
static inline uint8_t *
change_put_length(uint8_t *to, size_t length)
{
	if (length < CHANGE_MARK_LENGTH)
	{
		*to = (uint8_t) length;
		return to + 1;
	}
	*to = CHANGE_MARK_LENGTH;
	bytes_put_u32(to + 1, (uint32_t) length);
	return to + CHANGE_PIECE_HEAD;
}

static inline uint8_t *
change_put_piece(uint8_t *to, const void *data, size_t length)
{
	to = change_put_length(to, length);
	memcpy(to, data, length);
	return to + length;
}

static inline uint8_t *
change_put_mark(uint8_t *to, ChangeMark mark)
{
	*to = (uint8_t) mark;
	return to + 1;
}

/* ---- names ---- */

/* Whether a column of this name may hold a password, token, key or other secret, whose values are not kept. */
extern bool change_is_secret_name(Bytes name);

#endif /* TSEC_CHANGE_H */
