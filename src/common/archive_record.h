/*
 * archive_record.h
 *		What stands in an archive, one record behind another (archive_file.h).
 *
 * Of the audit log: its whole tree up to a signed checkpoint, from the first leaf
 * to the last.  LEAF is the next leaf and its bytes (leaf.h), the first one of a
 * row or MORE of the same; GAP is the root of a full subtree of 2^level leaves
 * that are not of this archive.  So whoever has the records can compute the tree's
 * root from them alone, and compare it with the checkpoint.
 *
 * Of another table: ROW is a row, each column as 4 bytes of length (0xffffffff:
 * null) and the value as its type prints it, in UTF-8.
 *
 * Form: kind 1; then of a GAP level 1 and hash 32, of others length 4 and bytes.
 */
#ifndef TSEC_ARCHIVE_RECORD_H
#define TSEC_ARCHIVE_RECORD_H

#include "bytes.h"
#include "merkle.h"

#include <stdbool.h>

#define ARCHIVE_RECORD_HEAD 5
#define ARCHIVE_GAP_SIZE (2 + DIGEST_SIZE)
#define ARCHIVE_RECORD_MAX ((size_t) 1 << 30) /* bytes of a leaf, or of a row */

typedef enum ArchiveRecordKind
{
	ARCHIVE_LEAF = 1,
	ARCHIVE_MORE,
	ARCHIVE_GAP,
	ARCHIVE_ROW
} ArchiveRecordKind;

typedef struct ArchiveRecord
{
	ArchiveRecordKind kind;
	int level;       /* of a gap */
	MerkleHash node; /* likewise */
	Bytes bytes;     /* of others */
} ArchiveRecord;

/* Writes what stands before the bytes of a leaf or row. */
extern void archive_put_head(ArchiveRecordKind kind, size_t length, uint8_t to[ARCHIVE_RECORD_HEAD]);
extern void archive_put_gap(int level, const MerkleHash *node, uint8_t to[ARCHIVE_GAP_SIZE]);

/*
 * Reads the next record from what is at hand, of at least one byte.  Returns how
 * many bytes it takes: when these are more than are at hand, get as many and ask
 * again.  0: there can be no such record.
 */
extern size_t archive_get_record(Bytes at_hand, ArchiveRecord *record);

/* Reads the next column of a row and moves on (null: data NULL); false when there is none, or none that is whole. */
extern bool archive_get_column(Bytes *row, Bytes *value);

#endif /* TSEC_ARCHIVE_RECORD_H */
