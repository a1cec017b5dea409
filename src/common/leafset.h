/*
 * leafset.h
 *		A set of leaves of the log's tree as bytes: which leaves the rows of one
 *		partition are, kept and signed for when the partition itself is dropped.
 *
 * Form (numbers big-endian): version 1, then 8 bytes each of the first leaf, the
 * last and how many there are, then every run of neighbours in ascending order as
 * two varints, the leaves left out before it and the leaves in it.  A varint has
 * seven bits a byte, the lowest first, and no byte that says nothing; runs do not
 * touch.  An empty set is a header of zeros.  So equal sets are equal bytes, and
 * a digest of them stands for the set.  Reading trusts nothing.
 */
#ifndef TSEC_LEAFSET_H
#define TSEC_LEAFSET_H

#include "bytes.h"

#include <stdbool.h>

#define LEAFSET_VERSION 1
#define LEAFSET_HEADER_SIZE 25
#define LEAFSET_LEAF_MAX (UINT64_C(1) << 62) /* leaves lie below */

/* What a set says in its header. */
typedef struct LeafSetSummary
{
	uint64_t first;
	uint64_t last;
	uint64_t leaves; /* 0: none, and first and last say nothing */
} LeafSetSummary;

/* ---- writing: the runs as they come, and the header, which stands before them, at the end ---- */

/* Takes bytes of runs, in their order. */
typedef void (*LeafSetPut)(void *argument, const uint8_t *bytes, size_t length);

typedef struct LeafSetWriter
{
	LeafSetPut put;
	void *argument;
	LeafSetSummary summary;
	uint64_t written; /* leaves up to here are in runs that were put */
	uint64_t run;     /* the run that is growing: its first leaf */
	uint64_t end;     /* and the leaf behind it */
} LeafSetWriter;

extern void leafset_begin(LeafSetWriter *writer, LeafSetPut put, void *argument);

/* Adds leaves that lie behind all that were added; false, and nothing is added, when they do not. */
extern bool leafset_add(LeafSetWriter *writer, uint64_t first, uint64_t leaves);

/* Puts what was not put, and makes the header. */
extern void leafset_end(LeafSetWriter *writer, uint8_t header[LEAFSET_HEADER_SIZE]);

/* ---- reading ---- */

typedef struct LeafSetReader
{
	LeafSetSummary summary;
	Bytes runs;   /* that were not read */
	uint64_t end; /* the leaf behind the last one that was */
} LeafSetReader;

/* Reads all of it once; false when it is no set, whole and in the only way to write it. */
extern bool leafset_open(Bytes bytes, LeafSetReader *reader);

/* The next run; false at the end. */
extern bool leafset_next(LeafSetReader *reader, uint64_t *first, uint64_t *leaves);

#endif /* TSEC_LEAFSET_H */
