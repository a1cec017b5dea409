/*
 * archive_tally.h
 *		What an archive's records amount to: computed while they are written, for the
 *		manifest, and again from every byte of the file by whoever checks it.
 */
#ifndef TSEC_ARCHIVE_TALLY_H
#define TSEC_ARCHIVE_TALLY_H

#include "archive_manifest.h"
#include "archive_record.h"
#include "leafset.h"

typedef struct ArchiveTally
{
	ArchiveKind kind;
	int columns;     /* that a row has */
	MerkleEdge edge; /* of the log's tree, or of rows */
	uint64_t rows;
	LeafSetWriter set;
	uint8_t *runs; /* of the set of leaves; begins with room for its header */
	size_t runs_length;
	size_t runs_room;
	bool lacks_memory;
	/* the subtree that is wanted, see archive_tally_expect() */
	uint64_t subtree_first;
	int subtree_level;
	MerkleHash subtree_root;
	bool has_subtree;
} ArchiveTally;

/* Rows that were read so far, as archive_manifest_rows() counts them. */
static inline uint64_t
archive_tally_rows(const ArchiveTally *tally)
{
	return tally->kind == ARCHIVE_LEAVES ? tally->set.summary.leaves : tally->rows;
}

/* Begins; ends with archive_tally_free(). */
extern bool archive_tally_begin(ArchiveTally *tally, ArchiveKind kind, int columns);
extern void archive_tally_free(ArchiveTally *tally);

/*
 * The smallest aligned subtree that holds leaves, cut where a tree of size ends:
 * said before the records, so that its root can be taken while they pass.
 */
extern void archive_subtree(uint64_t first_leaf, uint64_t last_leaf, uint64_t size, uint64_t *first, int *level,
							uint64_t *leaves);
extern void archive_tally_expect(ArchiveTally *tally, uint64_t first, int level);

/* Takes a record in; what is wrong with it, NULL for nothing.  hash: of the leaf, where it is known already. */
extern const char *archive_tally_record(ArchiveTally *tally, const ArchiveRecord *record, const MerkleHash *hash);

/* After the last record: the set of leaves, which is the tally's; what is wrong, NULL for nothing. */
extern const char *archive_tally_end(ArchiveTally *tally, MerkleHash *root, Bytes *leaf_set);

/* ---- a whole file against its manifest ---- */

/*
 * Reads all of a file, compares what it holds with the manifest, and the manifest
 * with its own checkpoint.  Of one that is sealed and whose key was not set only
 * the form is seen.
 */
typedef struct ArchiveJudge
{
	ArchiveReader *reader;
	const ArchiveManifest *manifest;
	ArchiveTally tally;
	Checkpoint checkpoint; /* of the manifest */
	size_t taken;          /* bytes of the record that was given out */
	bool is_skimmed;       /* the key was missing: no record was seen */
	const char *fault;     /* NULL: nothing is wrong so far */
	uint64_t chunk;        /* of the file where it is, from 1 on; 0: none */
} ArchiveJudge;

/* Begins, with a reader that read its header; ends with archive_judge_free().  False: there is a fault. */
extern bool archive_judge_begin(ArchiveJudge *judge, ArchiveReader *reader, const ArchiveManifest *manifest);

/* The next record, good until the next call, behind which the tally is; false at the end, and where there is a fault. */
extern bool archive_judge_next(ArchiveJudge *judge, ArchiveRecord *record);

/* After the last record; false: there is a fault. */
extern bool archive_judge_end(ArchiveJudge *judge);
extern void archive_judge_free(ArchiveJudge *judge);

/* Does all that; for who does not want to see the records. */
extern bool archive_judge_all(ArchiveJudge *judge, ArchiveReader *reader, const ArchiveManifest *manifest);

#endif /* TSEC_ARCHIVE_TALLY_H */
