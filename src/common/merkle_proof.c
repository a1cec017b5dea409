/*
 * merkle_proof.c
 *		Proofs of RFC 6962's tree: made from stored nodes, and checked as RFC 9162
 *		says.  Both go down or up the tree in a loop, at most 63 steps.
 */
#include "merkle.h"

#include "merkle_subtree.h"

#include <string.h>

/* The largest power of two below n, for n of at least 2. */
static uint64_t
half(uint64_t n)
{
	return (uint64_t) 1 << (63 - __builtin_clzll(n - 1));
}

/* Proofs are found from the root downwards and written from the leaves upwards. */
static void
turn_round(MerkleHash *path, int length)
{
	for (int i = 0; i < length / 2; i++)
	{
		MerkleHash kept = path[i];

		path[i] = path[length - 1 - i];
		path[length - 1 - i] = kept;
	}
}

Status
merkle_inclusion(uint64_t index, uint64_t size, MerkleSource source, void *argument,
				 MerkleHash path[MERKLE_PROOF_MAX], int *length)
{
	uint64_t begin = 0;

	*length = 0;
	if (index >= size || size > MERKLE_SIZE_MAX)
		return TSEC_TREE_RANGE;
	while (size > 1)
	{
		uint64_t left = half(size);
		bool is_left = index < left;
		Status status = merkle_subtree(is_left ? begin + left : begin, is_left ? size - left : left, source, argument,
									   &path[*length]);

		if (status != TSEC_OK)
			return status;
		(*length)++;
		size = is_left ? left : size - left;
		if (!is_left)
		{
			begin += left;
			index -= left;
		}
	}
	turn_round(path, *length);
	return TSEC_OK;
}

Status
merkle_consistency(uint64_t old_size, uint64_t new_size, MerkleSource source, void *argument,
				   MerkleHash path[MERKLE_PROOF_MAX], int *length)
{
	uint64_t begin = 0;
	Status status;

	*length = 0;
	if (old_size > new_size || new_size > MERKLE_SIZE_MAX)
		return TSEC_TREE_RANGE;
	if (old_size == 0)
		return TSEC_OK;
	while (old_size != new_size)
	{
		uint64_t left = half(new_size);
		bool is_left = old_size <= left;

		status = merkle_subtree(is_left ? begin + left : begin, is_left ? new_size - left : left, source, argument,
								&path[*length]);
		if (status != TSEC_OK)
			return status;
		(*length)++;
		new_size = is_left ? left : new_size - left;
		if (!is_left)
		{
			begin += left;
			old_size -= left;
		}
	}
	/* what the old tree ends with, unless that is all of it: its root is known then */
	if (begin > 0)
	{
		status = merkle_subtree(begin, old_size, source, argument, &path[*length]);
		if (status != TSEC_OK)
			return status;
		(*length)++;
	}
	turn_round(path, *length);
	return TSEC_OK;
}

static bool
same(const MerkleHash *a, const MerkleHash *b)
{
	return memcmp(a->bytes, b->bytes, DIGEST_SIZE) == 0; /* public: hashes of the log */
}

/* Steps over the levels at which the leaf of the smaller tree is the last of a row and has no sibling. */
static void
skip_levels(uint64_t *first, uint64_t *last)
{
	while ((*first & 1) == 0 && *first != 0)
	{
		*first >>= 1;
		*last >>= 1;
	}
}

bool
merkle_inclusion_holds(const MerkleHash *leaf, uint64_t index, uint64_t size, const MerkleHash *path, int length,
					   const MerkleHash *root)
{
	uint64_t last = size - 1;
	MerkleHash hash = *leaf;

	if (index >= size || size > MERKLE_SIZE_MAX || length < 0)
		return false;
	for (int i = 0; i < length; i++)
	{
		Status status;

		if (last == 0)
			return false;
		if ((index & 1) != 0 || index == last)
		{
			status = merkle_node(&path[i], &hash, &hash);
			skip_levels(&index, &last);
		}
		else
			status = merkle_node(&hash, &path[i], &hash);
		if (status != TSEC_OK)
			return false;
		index >>= 1;
		last >>= 1;
	}
	return last == 0 && same(&hash, root);
}

/* The case of a proper, non-empty prefix. */
static bool
prefix_holds(uint64_t first, uint64_t last, const MerkleHash *start, const MerkleHash *path, int length,
			 const MerkleHash *old_root, const MerkleHash *new_root)
{
	MerkleHash old_hash = *start;
	MerkleHash new_hash = *start;

	while ((first & 1) != 0)
	{
		first >>= 1;
		last >>= 1;
	}
	for (int i = 0; i < length; i++)
	{
		Status status;

		if (last == 0)
			return false;
		if ((first & 1) != 0 || first == last)
		{
			status = merkle_node(&path[i], &old_hash, &old_hash);
			if (status == TSEC_OK)
				status = merkle_node(&path[i], &new_hash, &new_hash);
			skip_levels(&first, &last);
		}
		else
			status = merkle_node(&new_hash, &path[i], &new_hash);
		if (status != TSEC_OK)
			return false;
		first >>= 1;
		last >>= 1;
	}
	return last == 0 && same(&old_hash, old_root) && same(&new_hash, new_root);
}

bool
merkle_consistency_holds(uint64_t old_size, uint64_t new_size, const MerkleHash *path, int length,
						 const MerkleHash *old_root, const MerkleHash *new_root)
{
	MerkleHash empty;

	if (old_size > new_size || new_size > MERKLE_SIZE_MAX || length < 0)
		return false;
	if (old_size == new_size)
		return length == 0 && same(old_root, new_root);
	if (old_size == 0)
		return length == 0 && merkle_empty(&empty) == TSEC_OK && same(old_root, &empty);
	/* an old tree that is full is a node of the new one: the proof leaves it out */
	if ((old_size & (old_size - 1)) == 0)
		return prefix_holds(old_size - 1, new_size - 1, old_root, path, length, old_root, new_root);
	return length > 0 && prefix_holds(old_size - 1, new_size - 1, &path[0], path + 1, length - 1, old_root, new_root);
}
