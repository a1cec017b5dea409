/*
 * change.h
 *		Changed rows as bytes: what column "rows" of twin_internal.events holds of a
 *		statement's rows, up to a thousand of them.
 *
 * Form: version 1, length of the columns as 4 bytes, the columns, then each row as
 * 4 bytes of length and its bytes (numbers big-endian).  Columns and rows stand by
 * themselves in the log's leaves (leaf.h), so each can be read without the others.
 *
 * Columns: count 2, then of each: how values are written 1, flags 1 (of the key;
 * redacted; a digest), name and type name as 2 bytes of length and bytes.
 * Row: which sides there are 1 (old, new), then of every side each column as its
 * length in 4 bytes (0xffffffff: null, 0xfffffffe: as in the other side,
 * 0xfffffffd: redacted, 0xfffffffc: too long: a digest follows) and its bytes.
 */
#ifndef TSEC_CHANGE_H
#define TSEC_CHANGE_H

#include "bytes.h"

#include <stdbool.h>

/* Splits what a row of the table holds: calls for the columns once, then for each row.  False when it is damaged. */
typedef bool (*ChangeVisitor)(void *argument, Bytes columns, Bytes row, int number);
extern bool change_split(Bytes rows, ChangeVisitor visitor, void *argument);

#endif /* TSEC_CHANGE_H */
