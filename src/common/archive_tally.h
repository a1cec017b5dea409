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

typedef bool (*ArchiveVisitor)(void *argument, const ArchiveTally *tally, const ArchiveRecord *record);

/* What was found, for whoever tells it. */
typedef struct ArchiveVerdict
{
	const char *fault; /* NULL: everything holds */
	uint64_t chunk;    /* of the file, from 1 on; 0: none */
	bool is_skimmed;   /* it is encrypted and the key was not given: its records were not seen */
	uint64_t rows;     /* that were seen */
	Checkpoint checkpoint;
} ArchiveVerdict;

/*
 * Reads all of a file whose header was read, and compares what it holds with the
 * manifest, and the manifest with its own checkpoint; of one that is sealed and
 * whose key was not set only the form.  The visitor, NULL for none, sees each record behind the
 * tally, and ends it by answering false: then nothing was found to be wrong.
 * tally is begun here, and the caller's to free.
 */
extern void archive_judge(ArchiveReader *reader, const ArchiveManifest *manifest, ArchiveTally *tally,
						  ArchiveVisitor visitor, void *argument, ArchiveVerdict *verdict);

#endif /* TSEC_ARCHIVE_TALLY_H */
