/*
 * proof_fuzz.c
 *		Proofs of strangers: any numbers, any path.
 *
 * Input: two numbers of 8 bytes, a byte that keeps the numbers small, then the
 * nodes of a path.  Nothing holds against a root that was not made from it; and
 * what merkle_inclusion and merkle_consistency make of the input's small tree holds.
 */
#include "fuzz.h"

#include "common/merkle.h"

#define LEAVES 64
#define HEAD 17

typedef struct Tree
{
	MerkleHash nodes[7][LEAVES];
} Tree;

static void
keep(void *argument, int level, uint64_t index, const MerkleHash *node)
{
	((Tree *) argument)->nodes[level][index] = *node;
}

static bool
find(void *argument, int level, uint64_t index, MerkleHash *node)
{
	MUST(level >= 0 && level < 7 && index < LEAVES);
	*node = ((Tree *) argument)->nodes[level][index];
	return true;
}

static void
check_small(const uint8_t *data, size_t size)
{
	static Tree tree;
	MerkleEdge edge = {0};
	MerkleHash path[MERKLE_PROOF_MAX];
	MerkleHash root;
	MerkleHash old_root;
	uint64_t leaves = data[0] % LEAVES + 1;
	uint64_t index = data[1] % leaves;
	int length;

	for (uint64_t i = 0; i < leaves; i++)
	{
		MerkleHash leaf;

		MUST(merkle_leaf(bytes_of(data + i % size, size - i % size), &leaf) == TSEC_OK);
		MUST(merkle_append(&edge, &leaf, keep, &tree) == TSEC_OK);
	}
	MUST(merkle_root(&edge, &root) == TSEC_OK);
	MUST(merkle_inclusion(index, leaves, find, &tree, path, &length) == TSEC_OK);
	MUST(merkle_inclusion_holds(&tree.nodes[0][index], index, leaves, path, length, &root));
	MUST(merkle_root_at(index + 1, find, &tree, &old_root) == TSEC_OK);
	MUST(merkle_consistency(index + 1, leaves, find, &tree, path, &length) == TSEC_OK);
	MUST(merkle_consistency_holds(index + 1, leaves, path, length, &old_root, &root));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	MerkleHash root = {{1, 2, 3}};
	MerkleHash *path;
	uint64_t first;
	uint64_t second;
	int length;

	if (size < HEAD)
		return 0;
	first = bytes_get_u64(data);
	second = bytes_get_u64(data + 8);
	if (data[16] % 2 != 0)
	{
		first %= 1000;
		second %= 1000;
	}
	length = (int) ((size - HEAD) / DIGEST_SIZE);
	path = fuzz_copy(data + HEAD, (size_t) length * DIGEST_SIZE);
	MUST(length == 0 || !merkle_inclusion_holds(&path[0], first, second, path + 1, length - 1, &root));
	MUST(length == 0 || first == second || !merkle_consistency_holds(first, second, path, length, &root, &path[0]));
	check_small(data, size);
	free(path);
	return 0;
}
