/*
 * merkle.h
 *		The log's tree (RFC 6962, 2.1): hashes of leaves and nodes, the right edge of
 *		a tree that grows, roots, and proofs made of nodes that the caller looks up.
 *
 * A tree of n leaves is the largest full tree of 2^k < n leaves beside the tree
 * of the rest.  Nodes are named by level (0: leaves) and index in that level, and
 * only those of full subtrees are stored (tiles of 256 of a level, as in C2SP
 * tlog-tiles); the others are computed from them.
 */
#ifndef TSEC_MERKLE_H
#define TSEC_MERKLE_H

#include "bytes.h"
#include "digest.h"
#include "status.h"

#include <stdbool.h>

#define MERKLE_LEVELS_MAX 63
#define MERKLE_SIZE_MAX INT64_MAX /* leaves: all that the levels hold */
#define MERKLE_PROOF_MAX (2 * MERKLE_LEVELS_MAX)
#define MERKLE_TILE_WIDTH 256 /* nodes of a level in one tile */

typedef struct MerkleHash
{
	uint8_t bytes[DIGEST_SIZE];
} MerkleHash;

/* SHA-256 of 0x00 and the leaf; of 0x01 and both children; of nothing. */
extern Status merkle_leaf(Bytes leaf, MerkleHash *hash);
extern Status merkle_node(const MerkleHash *left, const MerkleHash *right, MerkleHash *hash);
extern Status merkle_empty(MerkleHash *hash);

/* ---- a tree that grows: its size and the roots of the full subtrees along its right edge ---- */

typedef struct MerkleEdge
{
	uint64_t size;
	MerkleHash nodes[MERKLE_LEVELS_MAX]; /* of levels whose bit is set in size */
} MerkleEdge;

/* Begin with all zero.  A tree of MERKLE_SIZE_MAX leaves takes no more: TSEC_TREE_RANGE. */

/* Told of every node of a full subtree that a new leaf completes, level 0 (the leaf itself) first. */
typedef void (*MerkleSink)(void *argument, int level, uint64_t index, const MerkleHash *node);

extern Status merkle_append(MerkleEdge *edge, const MerkleHash *leaf, MerkleSink sink, void *argument);
extern Status merkle_root(const MerkleEdge *edge, MerkleHash *root);

/* Appends the root of a full subtree of 2^level leaves at once; the size must be a multiple of that: else TSEC_TREE_RANGE. */
extern Status merkle_append_subtree(MerkleEdge *edge, int level, const MerkleHash *node, MerkleSink sink,
									void *argument);

/* ---- proofs ---- */

/* Finds a stored node of a full subtree; false when it is not to be had. */
typedef bool (*MerkleSource)(void *argument, int level, uint64_t index, MerkleHash *node);

/* Root of the first size leaves.  A node that is missing: TSEC_TREE_INCOMPLETE. */
extern Status merkle_root_at(uint64_t size, MerkleSource source, void *argument, MerkleHash *root);

/*
 * The audit path of a leaf in the tree of size leaves (RFC 6962, 2.1.1), and from
 * a tree to a larger one (2.1.2; from the empty tree, and to the same one: nothing).
 * What lies outside of the tree: TSEC_TREE_RANGE.
 */
extern Status merkle_inclusion(uint64_t index, uint64_t size, MerkleSource source, void *argument,
							   MerkleHash path[MERKLE_PROOF_MAX], int *length);
extern Status merkle_consistency(uint64_t old_size, uint64_t new_size, MerkleSource source, void *argument,
								 MerkleHash path[MERKLE_PROOF_MAX], int *length);

/* Whether a proof holds (RFC 9162, 2.1.3.2 and 2.1.4.2); hostile numbers and lengths are welcome. */
extern bool merkle_inclusion_holds(const MerkleHash *leaf, uint64_t index, uint64_t size, const MerkleHash *path,
								   int length, const MerkleHash *root);
extern bool merkle_consistency_holds(uint64_t old_size, uint64_t new_size, const MerkleHash *path, int length,
									 const MerkleHash *old_root, const MerkleHash *new_root);

#endif /* TSEC_MERKLE_H */
