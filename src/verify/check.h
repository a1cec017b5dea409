/*
 * check.h
 *		One check of an export, as its rooms share it: the folder (folder.c), the
 *		checkpoints and epochs (chain.c), the auditor's own notes (witness.c), what
 *		events say of the log (event.c), what was dropped (dropped.c), when nothing was
 *		captured (gap.c), and the leaves, which lead through all of them (export.c).
 */
#ifndef TWIN_VERIFY_CHECK_H
#define TWIN_VERIFY_CHECK_H

#include "verify/reader.h"
#include "verify/report.h"

#include "common/manifest.h"

#include <jansson.h>

#define MANIFEST_MAX ((size_t) 64 << 20)
#define KEYS_FILE_MAX ((size_t) 1 << 20)
#define WITNESS_FILE_MAX ((size_t) 64 << 20)

typedef struct Dropped Dropped;

typedef struct Check
{
	const VerifyOptions *options;
	Report *report;

	int folder;
	uint8_t *manifest;
	Bytes file_lines; /* of the manifest, from the first segment on */
	ManifestHead head;
	ManifestFile checkpoints_file;
	ManifestFile keys_file;
	ManifestFile dropped_file;

	MerkleEdge edge; /* of the leaves so far */

	Dropped *dropped; /* partitions */

	Reader *notes;
	bool has_next;
	Checkpoint next; /* checkpoint, at or beyond the edge */
	char next_note[NOTE_SIZE_MAX];
	uint64_t proven;               /* size of the newest checkpoint whose root was that of the leaves */
	char last_note[NOTE_SIZE_MAX]; /* the newest that the edge has reached */
	bool is_broken;                /* a root was another, and so will be all that follow */

	Checkpoint *witnesses; /* by size */
	size_t witness_count;
	size_t witness_next;
	uint64_t witness_size; /* of the newest that held */
} Check;

/* ---- folder.c ---- */

/* Opens the folder, reads the manifest and compares it with what lies there; false when the check cannot go on. */
extern bool folder_open(Check *check);

/* The next file in the manifest's order. */
extern void folder_next(Check *check, uint64_t number, ManifestFile *file);

/* Opens a file of the export; NULL: written down. */
extern Reader *folder_read(Check *check, const ManifestFile *file);

/* Reads the rest of it, compares its SHA-256 and closes it. */
extern void folder_finish(Check *check, const ManifestFile *file, Reader *reader);

/* ---- chain.c ---- */

/* Reads the epochs and the first checkpoint; false when the check cannot go on. */
extern bool chain_open(Check *check);

/* Compares the tree with the checkpoint of its size, if there is one. */
extern void chain_compare(Check *check, const MerkleHash *root);
extern bool chain_wants_root(const Check *check);

/* Looks at the leaf that begins an epoch, if this one does. */
extern void chain_leaf(Check *check, uint64_t index, Bytes leaf);

/* After the last leaf. */
extern void chain_close(Check *check);

/* Whether a note is spelled as the log itself spells one, with its one signature. */
extern bool chain_is_own_spelling(Bytes note, const Checkpoint *checkpoint);

/* ---- dropped.c ---- */

/* Reads which leaves went with a partition, and looks at the events that say so; false when the check cannot go on. */
extern bool dropped_open(Check *check);

/* Whether a leaf without bytes is one of them; asked for ascending leaves. */
extern bool dropped_holds(Check *check, uint64_t index);

/* Looks at the leaf of an event that says what was dropped, if this is one. */
extern void dropped_leaf(Check *check, uint64_t index, const MerkleHash *hash);

/* After the last leaf; writes down what was dropped. */
extern void dropped_close(Check *check);
extern void dropped_free(Check *check);

/* ---- witness.c ---- */

extern bool witness_open(Check *check);
extern bool witness_wants_root(const Check *check);
extern void witness_compare(Check *check, const MerkleHash *root);
extern void witness_close(Check *check);

/* ---- event.c ---- */

extern bool event_text_is(const Leaf *leaf, LeafText which, const char *text);

/* The details of a leaf that is an event of the log's own of this type, which the caller owns; NULL for another. */
extern json_t *event_details(const Leaf *leaf, const char *type);

/* Whether it is a heartbeat that says of events before it that they were sealed otherwise than they were written. */
extern bool event_tells_altered(const Leaf *leaf);

#endif /* TWIN_VERIFY_CHECK_H */
