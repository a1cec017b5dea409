/*
 * archive_tally.c
 *		Records counted, hashed and compared.
 */
#include "archive_tally.h"

#include <stdlib.h>
#include <string.h>

#define RUNS_FIRST ((size_t) 4096)
#define RUNS_MAX ((size_t) 1 << 29) /* of bytes that stand for the set of leaves */

/* Takes bytes of the set of leaves. */
static void
put_runs(void *argument, const uint8_t *bytes, size_t length)
{
	ArchiveTally *tally = argument;

	if (tally->runs_length + length > tally->runs_room)
	{
		uint8_t *larger = tally->runs_room >= RUNS_MAX ? NULL : realloc(tally->runs, 2 * tally->runs_room);

		if (larger == NULL)
		{
			tally->lacks_memory = true;
			return;
		}
		tally->runs = larger;
		tally->runs_room *= 2;
	}
	memcpy(tally->runs + tally->runs_length, bytes, length);
	tally->runs_length += length;
}

bool
archive_tally_begin(ArchiveTally *tally, ArchiveKind kind, int columns)
{
	memset(tally, 0, sizeof(*tally));
	tally->kind = kind;
	tally->columns = columns;
	tally->runs_room = RUNS_FIRST;
	tally->runs_length = LEAFSET_HEADER_SIZE;
	tally->subtree_level = -1;
	tally->runs = malloc(RUNS_FIRST);
	leafset_begin(&tally->set, put_runs, tally);
	return tally->runs != NULL;
}

void
archive_tally_free(ArchiveTally *tally)
{
	free(tally->runs);
	tally->runs = NULL;
}

void
archive_subtree(uint64_t first_leaf, uint64_t last_leaf, uint64_t size, uint64_t *first, int *level, uint64_t *leaves)
{
	*level = 0;
	while (first_leaf >> *level != last_leaf >> *level)
		(*level)++;
	*first = first_leaf >> *level << *level;
	*leaves = (uint64_t) 1 << *level;
	if (*leaves > size - *first)
		*leaves = size - *first;
}

void
archive_tally_expect(ArchiveTally *tally, uint64_t first, int level)
{
	tally->subtree_first = first;
	tally->subtree_level = level;
}

/* Told of each node; takes the one that is wanted. */
static void
take_node(void *argument, int level, uint64_t index, const MerkleHash *node)
{
	ArchiveTally *tally = argument;

	if (level != tally->subtree_level || index != tally->subtree_first >> level)
		return;
	tally->subtree_root = *node;
	tally->has_subtree = true;
}

static const char *
add_row(ArchiveTally *tally, Bytes row)
{
	MerkleHash hash;
	Bytes rest = row;
	Bytes value;

	for (int i = 0; i < tally->columns; i++)
		if (!archive_get_column(&rest, &value))
			return "a row is not whole";
	if (rest.length > 0)
		return "a row has more columns than the table";
	if (merkle_leaf(row, &hash) != TSEC_OK || merkle_append(&tally->edge, &hash, NULL, NULL) != TSEC_OK)
		return "a row cannot be hashed";
	tally->rows++;
	return NULL;
}

const char *
archive_tally_record(ArchiveTally *tally, const ArchiveRecord *record, const MerkleHash *hash)
{
	MerkleHash made;

	if ((record->kind == ARCHIVE_ROW) != (tally->kind == ARCHIVE_ROWS))
		return "a record is not of this kind of archive";
	if (record->kind == ARCHIVE_ROW)
		return add_row(tally, record->bytes);
	if (record->kind == ARCHIVE_GAP)
		return merkle_append_subtree(&tally->edge, record->level, &record->node, take_node, tally) == TSEC_OK
				   ? NULL
				   : "a part of the tree is not where one can be";
	if (record->kind == ARCHIVE_MORE && tally->rows == 0)
		return "an event belongs to no row";
	if (record->kind == ARCHIVE_LEAF)
		tally->rows++;
	if (!leafset_add(&tally->set, tally->edge.size, 1) || tally->lacks_memory)
		return "there are more leaves than can be held";
	if (hash == NULL && merkle_leaf(record->bytes, &made) != TSEC_OK)
		return "a leaf cannot be hashed";
	return merkle_append(&tally->edge, hash != NULL ? hash : &made, take_node, tally) == TSEC_OK
			   ? NULL
			   : "there are more leaves than a tree can have";
}

const char *
archive_tally_end(ArchiveTally *tally, MerkleHash *root, Bytes *leaf_set)
{
	*leaf_set = bytes_of(NULL, 0);
	if (merkle_root(&tally->edge, root) != TSEC_OK)
		return "the root cannot be computed";
	if (tally->kind == ARCHIVE_ROWS)
		return NULL;
	leafset_end(&tally->set, tally->runs);
	if (tally->lacks_memory)
		return "there are more leaves than can be held";
	*leaf_set = bytes_of(tally->runs, tally->runs_length);
	/* one that the tree's end cuts is what of the right edge lies in it */
	if (tally->subtree_level >= 0 && !tally->has_subtree && tally->edge.size > tally->subtree_first)
	{
		MerkleEdge rest = tally->edge;

		rest.size &= ((uint64_t) 1 << tally->subtree_level) - 1;
		tally->has_subtree = merkle_root(&rest, &tally->subtree_root) == TSEC_OK;
	}
	return NULL;
}

/* ---- a whole file ---- */

static bool
same_hash(const MerkleHash *one, const MerkleHash *other)
{
	return memcmp(one->bytes, other->bytes, DIGEST_SIZE) == 0; /* public: hashes of the log or of a file */
}

/* Whether the manifest's checkpoint is signed by the key beside it. */
static const char *
judge_checkpoint(const ArchiveManifest *manifest, Checkpoint *checkpoint)
{
	char name[NOTE_ORIGIN_MAX + 1];
	uint8_t key[NOTE_PUBLIC_SIZE];

	if (!note_read_key(bytes_of(manifest->public_key, strlen(manifest->public_key)), name, key))
		return "the manifest's public key is none";
	if (!note_verify(bytes_of(manifest->checkpoint, strlen(manifest->checkpoint)), key, checkpoint) ||
		strcmp(name, checkpoint->origin) != 0)
		return "the manifest's checkpoint is not signed by its public key";
	if (manifest->leaves > 0 && manifest->last_leaf >= checkpoint->size)
		return "the manifest's checkpoint does not cover its leaves";
	return NULL;
}

static const char *
judge_leaves(const ArchiveManifest *manifest, const ArchiveTally *tally, const Checkpoint *checkpoint,
			 const MerkleHash *root, Bytes leaf_set)
{
	const LeafSetSummary *summary = &tally->set.summary;
	uint8_t digest[DIGEST_SIZE];
	uint64_t first;
	uint64_t leaves;
	int level;

	if (tally->edge.size != checkpoint->size || !same_hash(root, &checkpoint->root))
		return "the events are not those that the checkpoint was signed for";
	if (summary->leaves != manifest->leaves)
		return "the archive holds another number of leaves than its manifest says";
	if (digest_sha256(leaf_set, digest) != TSEC_OK ||
		memcmp(digest, manifest->leaf_set_sha256, DIGEST_SIZE) != 0) /* public: a digest of leaf numbers */
		return "the archive holds other leaves than its manifest says";
	if (manifest->leaves == 0)
		return NULL;
	if (summary->first != manifest->first_leaf || summary->last != manifest->last_leaf)
		return "the archive holds other leaves than its manifest says";
	archive_subtree(summary->first, summary->last, checkpoint->size, &first, &level, &leaves);
	if (first != manifest->subtree_first || leaves != manifest->subtree_leaves || !tally->has_subtree ||
		!same_hash(&tally->subtree_root, &manifest->subtree_root))
		return "the manifest's subtree is not that of its leaves";
	return NULL;
}

static bool
condemn(ArchiveJudge *judge, const char *fault)
{
	const char *damage = archive_fault(judge->reader, &judge->chunk);

	judge->fault = damage != NULL ? damage : fault;
	return false;
}

bool
archive_judge_begin(ArchiveJudge *judge, ArchiveReader *reader, const ArchiveManifest *manifest)
{
	const char *fault = NULL;

	memset(judge, 0, sizeof(*judge));
	judge->reader = reader;
	judge->manifest = manifest;
	if (!archive_tally_begin(&judge->tally, manifest->kind, manifest->column_count))
		return condemn(judge, "there is not enough memory");
	if (manifest->kind == ARCHIVE_LEAVES)
		fault = judge_checkpoint(manifest, &judge->checkpoint);
	if (fault == NULL && (archive_header(reader)->kind != manifest->kind ||
						  archive_header(reader)->is_sealed != (manifest->key_name != NULL)))
		fault = "the file is not of the kind that its manifest says";
	if (fault != NULL)
		return condemn(judge, fault);
	if (manifest->kind == ARCHIVE_LEAVES && manifest->leaves > 0)
	{
		uint64_t first;
		uint64_t leaves;
		int level;

		archive_subtree(manifest->first_leaf, manifest->last_leaf, judge->checkpoint.size, &first, &level, &leaves);
		archive_tally_expect(&judge->tally, first, level);
	}
	judge->is_skimmed = archive_lacks_key(reader);
	return !judge->is_skimmed || archive_skim(reader) || condemn(judge, NULL);
}

bool
archive_judge_next(ArchiveJudge *judge, ArchiveRecord *record)
{
	Bytes at_hand;
	size_t size = 1;
	size_t wanted;
	const char *fault;

	if (judge->fault != NULL || judge->is_skimmed)
		return false;
	archive_take(judge->reader, judge->taken);
	judge->taken = 0;
	do
	{
		wanted = size;
		if (!archive_need(judge->reader, wanted, &at_hand))
			return condemn(judge, NULL);
		if (at_hand.length == 0)
			return false;
		size = archive_get_record(at_hand, record);
	} while (size > at_hand.length && at_hand.length >= wanted);
	if (size == 0 || size > at_hand.length)
		return condemn(judge, "a record is not whole");
	fault = archive_tally_record(&judge->tally, record, NULL);
	if (fault != NULL)
		return condemn(judge, fault);
	judge->taken = size;
	return true;
}

bool
archive_judge_end(ArchiveJudge *judge)
{
	const ArchiveManifest *manifest = judge->manifest;
	MerkleHash root;
	Bytes leaf_set;
	const char *fault;

	if (judge->fault != NULL || judge->is_skimmed)
		return judge->fault == NULL;
	fault = archive_tally_end(&judge->tally, &root, &leaf_set);
	if (fault == NULL && judge->tally.rows != manifest->rows)
		fault = "the archive holds another number of rows than its manifest says";
	if (fault == NULL && manifest->kind == ARCHIVE_LEAVES)
		fault = judge_leaves(manifest, &judge->tally, &judge->checkpoint, &root, leaf_set);
	if (fault == NULL && manifest->kind == ARCHIVE_ROWS && !same_hash(&root, &manifest->root))
		fault = "the rows are not those that the manifest says";
	return fault == NULL || condemn(judge, fault);
}

void
archive_judge_free(ArchiveJudge *judge)
{
	archive_tally_free(&judge->tally);
}

bool
archive_judge_all(ArchiveJudge *judge, ArchiveReader *reader, const ArchiveManifest *manifest)
{
	ArchiveRecord record;

	if (!archive_judge_begin(judge, reader, manifest))
		return false;
	while (archive_judge_next(judge, &record))
		;
	return archive_judge_end(judge);
}
