/*
 * merkle_test.c
 *		The tree against the published vectors of Certificate Transparency, against
 *		RFC 6962's own definition for every size up to a few hundred, and proofs
 *		against every alteration.
 */
#include "unit.h"

#include "common/merkle.h"

#define LEAVES 300

/* The test tree that implementations of RFC 6962 share: inputs, and the root of the first 1 to 8 of them. */
static const char *const inputs[8] = {
	"", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
static const char *const roots[9] = {"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
									 "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
									 "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
									 "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
									 "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
									 "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
									 "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
									 "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
									 "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"};

static const struct
{
	bool is_inclusion;
	uint64_t from;
	uint64_t size;
	int length;
	const char *path[4];
} proofs[] = {
	{true,
	 0,
	 8,
	 3,
	 {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
	{true,
	 5,
	 8,
	 3,
	 {"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
	  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
	  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
	{false,
	 1,
	 8,
	 3,
	 {"96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
	  "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"}},
	{false,
	 6,
	 8,
	 3,
	 {"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
	  "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
	  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"}},
	{false,
	 2,
	 5,
	 2,
	 {"5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
	  "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"}},
};

/* All nodes that were told of. */
typedef struct Store
{
	MerkleHash nodes[10][LEAVES];
	uint64_t count[10];
	bool hide; /* one node */
	int hidden_level;
	uint64_t hidden_index;
} Store;

static void
keep(void *argument, int level, uint64_t index, const MerkleHash *node)
{
	Store *store = argument;

	CHECK(level < 10 && index == store->count[level], "level %d index %d", level, (int) index);
	store->nodes[level][index] = *node;
	store->count[level]++;
}

static bool
find(void *argument, int level, uint64_t index, MerkleHash *node)
{
	Store *store = argument;

	if (!CHECK(level >= 0 && level < 10 && index < store->count[level], "level %d index %d", level, (int) index))
		return false;
	if (store->hide && level == store->hidden_level && index == store->hidden_index)
		return false;
	*node = store->nodes[level][index];
	return true;
}

/* The definition, as RFC 6962 has it. */
static void
define(const MerkleHash *leaves, uint64_t count, MerkleHash *root)
{
	MerkleHash left;
	MerkleHash right;
	uint64_t k = 1;

	if (count == 1)
	{
		*root = leaves[0];
		return;
	}
	while (k * 2 < count)
		k *= 2;
	define(leaves, k, &left);
	define(leaves + k, count - k, &right);
	(void) merkle_node(&left, &right, root);
}

static bool
same(const MerkleHash *a, const MerkleHash *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

static void
make_store(Store *store, MerkleHash *leaves)
{
	MerkleEdge edge = {0};

	memset(store, 0, sizeof(*store));
	for (uint64_t i = 0; i < LEAVES; i++)
	{
		uint8_t bytes[2];

		bytes_put_u16(bytes, (uint16_t) i);
		CHECK(merkle_leaf(bytes_of(bytes, 2), &leaves[i]) == TSEC_OK);
		CHECK(merkle_append(&edge, &leaves[i], keep, store) == TSEC_OK);
	}
}

static void
published(void)
{
	MerkleEdge edge = {0};
	Store store = {0};
	MerkleHash leaves[8];
	MerkleHash sized[9];

	CHECK(merkle_root(&edge, &sized[0]) == TSEC_OK && unit_is_hex(sized[0].bytes, DIGEST_SIZE, roots[0]));
	for (int i = 0; i < 8; i++)
	{
		size_t length;
		uint8_t *bytes = unit_hex(inputs[i], &length);

		CHECK(merkle_leaf(bytes_of(bytes, length), &leaves[i]) == TSEC_OK);
		CHECK(merkle_append(&edge, &leaves[i], keep, &store) == TSEC_OK);
		CHECK(merkle_root(&edge, &sized[i + 1]) == TSEC_OK);
		CHECK(unit_is_hex(sized[i + 1].bytes, DIGEST_SIZE, roots[i + 1]), "root of %d", i + 1);
		free(bytes);
	}
	for (size_t i = 0; i < sizeof(proofs) / sizeof(proofs[0]); i++)
	{
		MerkleHash path[MERKLE_PROOF_MAX];
		int length;

		if (proofs[i].is_inclusion)
			CHECK(merkle_inclusion(proofs[i].from, proofs[i].size, find, &store, path, &length) == TSEC_OK &&
				  merkle_inclusion_holds(&leaves[proofs[i].from], proofs[i].from, proofs[i].size, path, length,
										 &sized[proofs[i].size]));
		else
			CHECK(merkle_consistency(proofs[i].from, proofs[i].size, find, &store, path, &length) == TSEC_OK &&
				  merkle_consistency_holds(proofs[i].from, proofs[i].size, path, length, &sized[proofs[i].from],
										   &sized[proofs[i].size]));
		if (!CHECK(length == proofs[i].length, "proof %zu has %d", i, length))
			continue;
		for (int j = 0; j < length; j++)
			CHECK(unit_is_hex(path[j].bytes, DIGEST_SIZE, proofs[i].path[j]), "proof %zu, %d", i, j);
	}
}

static void
definition(void)
{
	static Store store;
	MerkleHash leaves[LEAVES];
	MerkleEdge edge = {0};

	make_store(&store, leaves);
	for (uint64_t size = 1; size <= LEAVES; size++)
	{
		MerkleHash wanted;
		MerkleHash root;

		define(leaves, size, &wanted);
		CHECK(merkle_append(&edge, &leaves[size - 1], NULL, NULL) == TSEC_OK);
		CHECK(merkle_root(&edge, &root) == TSEC_OK && same(&root, &wanted), "edge of %d", (int) size);
		CHECK(merkle_root_at(size, find, &store, &root) == TSEC_OK && same(&root, &wanted), "root at %d", (int) size);
	}
}

/* Every alteration of a proof: a bit, a step less or more, another place, another size, another root. */
static void
refuse_altered(const MerkleHash *leaf, uint64_t index, uint64_t size, MerkleHash *path, int length,
			   const MerkleHash *root)
{
	MerkleHash other = *leaf;

	other.bytes[31] ^= 1;
	CHECK(!merkle_inclusion_holds(&other, index, size, path, length, root));
	CHECK(!merkle_inclusion_holds(leaf, index, size, path, length, &other));
	CHECK(!merkle_inclusion_holds(leaf, index, size, path, length + 1, root));
	CHECK(length == 0 || !merkle_inclusion_holds(leaf, index, size, path, length - 1, root));
	CHECK(!merkle_inclusion_holds(leaf, size, size, path, length, root));
	CHECK(!merkle_inclusion_holds(leaf, index, 0, path, length, root));
	CHECK(!merkle_inclusion_holds(leaf, index, UINT64_MAX, path, length, root));
	CHECK(!merkle_inclusion_holds(leaf, index, size, path, -1, root));
	CHECK(size == 1 || !merkle_inclusion_holds(leaf, index ^ 1, size, path, length, root));
	for (int i = 0; i < length; i++)
	{
		path[i].bytes[i % DIGEST_SIZE] ^= 0x80;
		CHECK(!merkle_inclusion_holds(leaf, index, size, path, length, root));
		path[i].bytes[i % DIGEST_SIZE] ^= 0x80;
	}
}

static void
inclusion(void)
{
	static Store store;
	MerkleHash leaves[LEAVES];
	MerkleHash path[MERKLE_PROOF_MAX];
	int length;

	make_store(&store, leaves);
	memset(path, 0, sizeof(path));
	for (uint64_t size = 1; size <= LEAVES; size += size < 70 ? 1 : 37)
	{
		MerkleHash root;

		define(leaves, size, &root);
		for (uint64_t index = 0; index < size; index++)
		{
			CHECK(merkle_inclusion(index, size, find, &store, path, &length) == TSEC_OK && length <= 9);
			CHECK(merkle_inclusion_holds(&leaves[index], index, size, path, length, &root), "%d of %d", (int) index,
				  (int) size);
			refuse_altered(&leaves[index], index, size, path, length, &root);
		}
		CHECK(merkle_inclusion(size, size, find, &store, path, &length) == TSEC_TREE_RANGE);
	}
	CHECK(merkle_inclusion(0, UINT64_MAX, find, &store, path, &length) == TSEC_TREE_RANGE);
}

static void
consistency(void)
{
	static Store store;
	MerkleHash leaves[LEAVES];
	MerkleHash path[MERKLE_PROOF_MAX];
	MerkleHash empty;
	int length;

	make_store(&store, leaves);
	memset(path, 0, sizeof(path));
	CHECK(merkle_empty(&empty) == TSEC_OK);
	for (uint64_t size = 1; size <= LEAVES; size += size < 70 ? 1 : 37)
	{
		MerkleHash root;

		define(leaves, size, &root);
		for (uint64_t old = 1; old <= size; old++)
		{
			MerkleHash old_root;
			MerkleHash other;

			define(leaves, old, &old_root);
			CHECK(merkle_consistency(old, size, find, &store, path, &length) == TSEC_OK && length <= 10);
			CHECK(merkle_consistency_holds(old, size, path, length, &old_root, &root), "%d in %d", (int) old,
				  (int) size);
			CHECK(!merkle_consistency_holds(old, size, path, length + 1, &old_root, &root));
			CHECK(length == 0 || !merkle_consistency_holds(old, size, path, length - 1, &old_root, &root));
			CHECK(old == size || !merkle_consistency_holds(size, old, path, length, &old_root, &root));
			CHECK(!merkle_consistency_holds(old, UINT64_MAX, path, length, &old_root, &root));
			CHECK(!merkle_consistency_holds(old, size, path, -1, &old_root, &root));
			other = old_root;
			other.bytes[0] ^= 1;
			CHECK(!merkle_consistency_holds(old, size, path, length, &other, &root));
			CHECK(!merkle_consistency_holds(old, size, path, length, &old_root, &other));
			for (int i = 0; i < length; i++)
			{
				path[i].bytes[i] ^= 2;
				CHECK(!merkle_consistency_holds(old, size, path, length, &old_root, &root));
				path[i].bytes[i] ^= 2;
			}
		}
		CHECK(merkle_consistency(size + 1, size, find, &store, path, &length) == TSEC_TREE_RANGE);
		CHECK(merkle_consistency(0, size, find, &store, path, &length) == TSEC_OK && length == 0);
		CHECK(merkle_consistency_holds(0, size, path, 0, &empty, &root));
		CHECK(!merkle_consistency_holds(0, size, path, 0, &root, &root));
		CHECK(!merkle_consistency_holds(0, size, path, 1, &empty, &root));
	}
}

/* A node that is missing is said, never made up. */
static void
missing(void)
{
	static Store store;
	MerkleHash leaves[LEAVES];
	MerkleHash path[MERKLE_PROOF_MAX];
	MerkleHash root;
	int length;

	make_store(&store, leaves);
	store.hide = true;
	store.hidden_level = 3;
	store.hidden_index = 2;
	CHECK(merkle_root_at(32, find, &store, &root) == TSEC_OK);
	CHECK(merkle_root_at(24, find, &store, &root) == TSEC_TREE_INCOMPLETE);
	CHECK(merkle_inclusion(0, 26, find, &store, path, &length) == TSEC_TREE_INCOMPLETE);
	CHECK(merkle_inclusion(17, 32, find, &store, path, &length) == TSEC_OK);
	CHECK(merkle_inclusion(27, 32, find, &store, path, &length) == TSEC_TREE_INCOMPLETE);
	CHECK(merkle_consistency(24, 26, find, &store, path, &length) == TSEC_TREE_INCOMPLETE);
}

/* The largest trees that can be: no shift goes wrong, and no leaf more is taken. */
static bool
anything(void *argument, int level, uint64_t index, MerkleHash *node)
{
	(void) argument;
	memset(node, level, sizeof(*node));
	bytes_put_u64(node->bytes, index);
	return level < MERKLE_LEVELS_MAX;
}

static void
largest(void)
{
	static MerkleEdge edge;
	MerkleHash leaf = {{1}};
	MerkleHash path[MERKLE_PROOF_MAX];
	MerkleHash root;
	int length;

	edge.size = MERKLE_SIZE_MAX;
	CHECK(merkle_append(&edge, &leaf, NULL, NULL) == TSEC_TREE_RANGE && edge.size == MERKLE_SIZE_MAX);
	edge.size--;
	CHECK(merkle_append(&edge, &leaf, NULL, NULL) == TSEC_OK && edge.size == MERKLE_SIZE_MAX);
	CHECK(merkle_root(&edge, &root) == TSEC_OK);
	CHECK(merkle_root_at(MERKLE_SIZE_MAX, anything, NULL, &root) == TSEC_OK);
	CHECK(merkle_root_at((uint64_t) MERKLE_SIZE_MAX + 1, anything, NULL, &root) == TSEC_TREE_RANGE);
	CHECK(merkle_inclusion(MERKLE_SIZE_MAX - 1, MERKLE_SIZE_MAX, anything, NULL, path, &length) == TSEC_OK &&
		  length == 62);
	CHECK(merkle_inclusion(0, MERKLE_SIZE_MAX, anything, NULL, path, &length) == TSEC_OK && length == 63);
	CHECK(merkle_consistency(MERKLE_SIZE_MAX - 1, MERKLE_SIZE_MAX, anything, NULL, path, &length) == TSEC_OK &&
		  length <= MERKLE_PROOF_MAX);
}

static const UnitCase cases[] = {
	{"the published test tree", published},
	{"roots are what RFC 6962 defines", definition},
	{"inclusion proofs hold, and nothing else does", inclusion},
	{"consistency proofs hold, and nothing else does", consistency},
	{"nodes that are missing", missing},
	{"the largest tree", largest},
};

UNIT_MAIN(cases)
