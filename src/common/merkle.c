/*
 * merkle.c
 *		RFC 6962's tree: hashing, the right edge, roots.  Proofs are merkle_proof.c.
 *
 * SHA-256 is called by its old interface: it needs neither a lookup of the
 * algorithm nor a context on the heap, so there is nothing to keep, own or free
 * (measured with OpenSSL 3.0 for the 65 bytes of a node: 153 ns; a kept EVP
 * context 273, EVP_Digest 1081).
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "merkle.h"

#include "merkle_subtree.h"

#include <openssl/sha.h>

#define LEAF_PREFIX 0x00
#define NODE_PREFIX 0x01

_Static_assert(sizeof(MerkleHash) == DIGEST_SIZE, "hashes lie side by side in tiles and files");

Status
merkle_leaf(Bytes leaf, MerkleHash *hash)
{
	static const uint8_t prefix = LEAF_PREFIX;
	SHA256_CTX context;

	if (SHA256_Init(&context) != 1 || SHA256_Update(&context, &prefix, 1) != 1 ||
		SHA256_Update(&context, leaf.data, leaf.length) != 1 || SHA256_Final(hash->bytes, &context) != 1)
		return TSEC_LIBRARY_FAILURE;
	return TSEC_OK;
}

Status
merkle_node(const MerkleHash *left, const MerkleHash *right, MerkleHash *hash)
{
	static const uint8_t prefix = NODE_PREFIX;
	SHA256_CTX context;

	if (SHA256_Init(&context) != 1 || SHA256_Update(&context, &prefix, 1) != 1 ||
		SHA256_Update(&context, left->bytes, DIGEST_SIZE) != 1 ||
		SHA256_Update(&context, right->bytes, DIGEST_SIZE) != 1 || SHA256_Final(hash->bytes, &context) != 1)
		return TSEC_LIBRARY_FAILURE;
	return TSEC_OK;
}

Status
merkle_empty(MerkleHash *hash)
{
	return digest_sha256(bytes_of("", 0), hash->bytes);
}

/* ---- a tree that grows ---- */

Status
merkle_append_subtree(MerkleEdge *edge, int level, const MerkleHash *root, MerkleSink sink, void *argument)
{
	MerkleHash node = *root;
	uint64_t leaves;

	if (level < 0 || level >= MERKLE_LEVELS_MAX)
		return TSEC_TREE_RANGE;
	leaves = (uint64_t) 1 << level;
	if ((edge->size & (leaves - 1)) != 0 || edge->size > MERKLE_SIZE_MAX - leaves)
		return TSEC_TREE_RANGE;
	if (sink != NULL)
		sink(argument, level, edge->size >> level, &node);
	while ((edge->size >> level & 1) != 0)
	{
		Status status = merkle_node(&edge->nodes[level], &node, &node);

		if (status != TSEC_OK)
			return status;
		level++;
		if (sink != NULL)
			sink(argument, level, edge->size >> level, &node);
	}
	edge->nodes[level] = node;
	edge->size += leaves;
	return TSEC_OK;
}

Status
merkle_append(MerkleEdge *edge, const MerkleHash *leaf, MerkleSink sink, void *argument)
{
	return merkle_append_subtree(edge, 0, leaf, sink, argument);
}

/* Finds a node among those of the right edge. */
static bool
edge_source(void *argument, int level, uint64_t index, MerkleHash *node)
{
	const MerkleEdge *edge = argument;

	(void) index;
	*node = edge->nodes[level];
	return true;
}

Status
merkle_root(const MerkleEdge *edge, MerkleHash *root)
{
	/* the source is only read */
	return merkle_root_at(edge->size, edge_source, (void *) (uintptr_t) edge, root);
}

Status
merkle_root_at(uint64_t size, MerkleSource source, void *argument, MerkleHash *root)
{
	if (size > MERKLE_SIZE_MAX)
		return TSEC_TREE_RANGE;
	return merkle_subtree(0, size, source, argument, root);
}

Status
merkle_subtree(uint64_t begin, uint64_t count, MerkleSource source, void *argument, MerkleHash *root)
{
	bool begun = false;

	if (count == 0)
		return merkle_empty(root);
	/* from the right: the smallest full subtree first */
	for (int level = 0; level < MERKLE_LEVELS_MAX; level++)
	{
		MerkleHash node;
		Status status = TSEC_OK;

		if ((count >> level & 1) == 0)
			continue;
		if (!source(argument, level, ((begin + count) >> level) - 1, &node))
			return TSEC_TREE_INCOMPLETE;
		if (begun)
			status = merkle_node(&node, root, root);
		else
			*root = node;
		if (status != TSEC_OK)
			return status;
		begun = true;
		count -= (uint64_t) 1 << level;
	}
	return TSEC_OK;
}
