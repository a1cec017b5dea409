/*
 * scrub.h
 *		Private to the cipher: what the files that overwrite old values share.
 */
#ifndef TSEC_SCRUB_H
#define TSEC_SCRUB_H

#include "cipher/convert.h"

#include "access/htup_details.h"
#include "access/tupdesc.h"

/* The TOAST values that a page's dropped columns point to. */
typedef struct ToastValues
{
	Oid *ids;
	int count;
	int room;
} ToastValues;

/* Overwrites the values of dropped columns in a row of a length; remembers those that lie elsewhere. */
extern void scrub_row(TupleDesc shape, HeapTupleHeader row, Size row_length, ToastValues *toasted);

#endif /* TSEC_SCRUB_H */
