/*
 * segment.h
 *		Leaves of the log side by side in a file: what exports and archives are made of.
 *
 * Form, version 1 (numbers big-endian): "TWINLEAF", version 2, nothing 2, count 4,
 * index of the first leaf 8, then for each leaf its length 4, its hash as it was
 * sealed 32, and its bytes.  A length of 0xffffffff says that the leaf's event was
 * not to be had any more, and no bytes follow.  After the last leaf the file ends.
 *
 * The hash beside the bytes is what lets a verifier name the leaf that somebody
 * changed; the tree over the hashes proves these.
 */
#ifndef TSEC_SEGMENT_H
#define TSEC_SEGMENT_H

#include "merkle.h"

#define SEGMENT_HEADER_SIZE 24
#define SEGMENT_RECORD_SIZE 36              /* before the bytes of a leaf */
#define SEGMENT_LEAVES_MAX 65536            /* of one file */
#define SEGMENT_LEAF_MAX ((size_t) 1 << 30) /* bytes of a leaf */

typedef struct SegmentHeader
{
	uint64_t first;
	uint32_t count; /* 1 to SEGMENT_LEAVES_MAX */
} SegmentHeader;

typedef struct SegmentRecord
{
	MerkleHash hash;
	Bytes leaf; /* data NULL: its event was not to be had */
} SegmentRecord;

extern void segment_write_header(const SegmentHeader *header, uint8_t to[SEGMENT_HEADER_SIZE]);

/* False when these are not the beginning of a segment, of this version. */
extern bool segment_read_header(const uint8_t from[SEGMENT_HEADER_SIZE], SegmentHeader *header);

/* Writes what stands before the bytes of a leaf, of at most SEGMENT_LEAF_MAX bytes. */
extern void segment_write_record(const SegmentRecord *record, uint8_t to[SEGMENT_RECORD_SIZE]);

/*
 * Reads the next record from what of the file is at hand.  Returns how many bytes
 * it takes: when these are more than are at hand, get as many (or the file ends
 * too early) and ask again.  0: there can be no such record.
 */
extern size_t segment_read_record(Bytes at_hand, SegmentRecord *record);

#endif /* TSEC_SEGMENT_H */
