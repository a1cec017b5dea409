/*
 * leafset_test.c
 *		Sets of leaves: what was added is read, there is one way to write a set, and
 *		whatever is damaged is refused.
 */
#include "unit.h"

#include "common/leafset.h"

#define ROOM 65536

/* A set that is being written into memory, its header first. */
typedef struct Set
{
	uint8_t bytes[ROOM];
	size_t length;
	LeafSetWriter writer;
} Set;

static Set set;

static void
put(void *argument, const uint8_t *bytes, size_t length)
{
	Set *to = argument;

	memcpy(to->bytes + to->length, bytes, length);
	to->length += length;
}

static void
begin(void)
{
	set.length = LEAFSET_HEADER_SIZE;
	leafset_begin(&set.writer, put, &set);
}

static Bytes
end(void)
{
	leafset_end(&set.writer, set.bytes);
	return bytes_of(set.bytes, set.length);
}

/* In memory of its very size. */
static bool
opens(Bytes bytes, LeafSetReader *reader)
{
	uint8_t *exact = unit_memory(bytes.length);
	bool is_open;

	memcpy(exact, bytes.data, bytes.length);
	is_open = leafset_open(bytes_of(exact, bytes.length), reader);
	free(exact);
	return is_open;
}

static void
empty_set(void)
{
	LeafSetReader reader;
	uint64_t first;
	uint64_t leaves;
	Bytes bytes;

	begin();
	CHECK(leafset_add(&set.writer, 7, 0));
	bytes = end();
	CHECK(unit_is_hex(bytes.data, bytes.length, "01 0000000000000000 0000000000000000 0000000000000000"));
	CHECK(leafset_open(bytes, &reader));
	CHECK(reader.summary.leaves == 0);
	CHECK(!leafset_next(&reader, &first, &leaves));
}

static void
known_bytes(void)
{
	LeafSetReader reader;
	uint64_t first;
	uint64_t leaves;
	Bytes bytes;

	begin();
	CHECK(leafset_add(&set.writer, 1000, 2));
	CHECK(leafset_add(&set.writer, 1002, 198)); /* goes on with the run */
	CHECK(leafset_add(&set.writer, 1201, 1));
	CHECK(leafset_add(&set.writer, 1330, 300));
	bytes = end();
	CHECK(unit_is_hex(bytes.data, bytes.length,
					  "01 00000000000003e8 000000000000065d 00000000000001f5 00 c801 01 01 8001 ac02"));
	CHECK(leafset_open(bytes, &reader));
	CHECK(reader.summary.first == 1000 && reader.summary.last == 1629 && reader.summary.leaves == 501);
	CHECK(leafset_next(&reader, &first, &leaves) && first == 1000 && leaves == 200);
	CHECK(leafset_next(&reader, &first, &leaves) && first == 1201 && leaves == 1);
	CHECK(leafset_next(&reader, &first, &leaves) && first == 1330 && leaves == 300);
	CHECK(!leafset_next(&reader, &first, &leaves));
}

/* However a set is cut into runs, it is the same bytes. */
static void
equal_sets_are_equal_bytes(void)
{
	static Set other;
	size_t length;

	begin();
	for (uint64_t leaf = 5; leaf < 5000; leaf += leaf % 7 == 0 ? 3 : 1)
		CHECK(leafset_add(&set.writer, leaf, 1));
	length = end().length;
	other.length = LEAFSET_HEADER_SIZE;
	leafset_begin(&other.writer, put, &other);
	for (uint64_t leaf = 5, run = 5; leaf < 5000;)
	{
		uint64_t next = leaf + (leaf % 7 == 0 ? 3 : 1);

		if (next != leaf + 1 || next >= 5000)
		{
			CHECK(leafset_add(&other.writer, run, leaf + 1 - run));
			run = next;
		}
		leaf = next;
	}
	leafset_end(&other.writer, other.bytes);
	CHECK(length == other.length && memcmp(set.bytes, other.bytes, length) == 0);
}

static void
random_sets(void)
{
	for (uint32_t seed = 0; seed < 200; seed++)
	{
		uint8_t noise[400];
		uint64_t runs[200][2];
		LeafSetReader reader;
		uint64_t leaf = 0;
		uint64_t first;
		uint64_t leaves;
		uint64_t sum = 0;

		unit_fill(noise, sizeof(noise), seed);
		begin();
		for (int i = 0; i < 200; i++)
		{
			runs[i][0] = leaf + ((uint64_t) 1 << noise[2 * i] % 40);
			runs[i][1] = (uint64_t) 1 << noise[2 * i + 1] % 40;
			leaf = runs[i][0] + runs[i][1];
			sum += runs[i][1];
			CHECK(leafset_add(&set.writer, runs[i][0], runs[i][1]));
		}
		CHECK(leafset_open(end(), &reader));
		CHECK(reader.summary.first == runs[0][0] && reader.summary.last == leaf - 1 && reader.summary.leaves == sum);
		for (int i = 0; i < 200; i++)
			CHECK(leafset_next(&reader, &first, &leaves) && first == runs[i][0] && leaves == runs[i][1], "%u %d",
				  seed, i);
		CHECK(!leafset_next(&reader, &first, &leaves));
	}
}

static void
only_ascending(void)
{
	begin();
	CHECK(leafset_add(&set.writer, 10, 5));
	CHECK(!leafset_add(&set.writer, 14, 1));
	CHECK(!leafset_add(&set.writer, 0, 1));
	CHECK(!leafset_add(&set.writer, LEAFSET_LEAF_MAX, 1));
	CHECK(!leafset_add(&set.writer, 20, LEAFSET_LEAF_MAX - 19));
	CHECK(!leafset_add(&set.writer, UINT64_MAX, UINT64_MAX));
	CHECK(leafset_add(&set.writer, LEAFSET_LEAF_MAX - 1, 1));
	CHECK(set.writer.summary.leaves == 6);
}

/* A set of three runs, cut off anywhere or with one bit turned, is none or another one. */
static void
damage_is_seen(void)
{
	static uint8_t whole[ROOM];
	LeafSetReader reader;
	Bytes bytes;

	begin();
	CHECK(leafset_add(&set.writer, 3, 200) && leafset_add(&set.writer, 900, 2) && leafset_add(&set.writer, 70000, 1));
	bytes = end();
	memcpy(whole, bytes.data, bytes.length);
	for (size_t length = 0; length < bytes.length; length++)
		CHECK(!opens(bytes_of(whole, length), &reader), "%zu bytes", length);
	whole[bytes.length] = 1;
	CHECK(!opens(bytes_of(whole, bytes.length + 1), &reader));
	for (size_t bit = 0; bit < 8 * bytes.length; bit++)
	{
		whole[bit / 8] ^= (uint8_t) (1 << bit % 8);
		CHECK(!opens(bytes_of(whole, bytes.length), &reader), "bit %zu", bit);
		whole[bit / 8] ^= (uint8_t) (1 << bit % 8);
	}
	CHECK(opens(bytes_of(whole, bytes.length), &reader));
}

static void
refused_forms(void)
{
	static const char *const refused[] = {
		/* another version */
		"02 0000000000000000 0000000000000000 0000000000000000",
		/* an empty set that says where it is */
		"01 0000000000000001 0000000000000001 0000000000000000",
		/* a first run that does not begin where the header says */
		"01 0000000000000001 0000000000000002 0000000000000001 01 01",
		/* runs that touch */
		"01 0000000000000001 0000000000000002 0000000000000002 00 01 00 01",
		/* an empty run */
		"01 0000000000000001 0000000000000003 0000000000000001 00 01 02 00",
		/* a varint that is longer than it need be */
		"01 0000000000000001 0000000000000001 0000000000000001 00 8100",
		/* numbers too large */
		"01 0000000000000000 ffffffffffffffff 0000000000000000 00 ffffffffffffffffff01",
		"01 0000000000000000 7ffffffffffffffe 7fffffffffffffff 00 ffffffffffffffff7f",
		"01 4000000000000000 4000000000000000 0000000000000001 00 01",
		"01 ffffffffffffffff ffffffffffffffff 0000000000000001 00 01",
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++)
	{
		LeafSetReader reader;
		size_t length;
		uint8_t *bytes = unit_hex(refused[i], &length);

		CHECK(!opens(bytes_of(bytes, length), &reader), "%s", refused[i]);
		free(bytes);
	}
}

static const UnitCase cases[] = {
	{"an empty set is a header", empty_set},
	{"a set has the bytes that are promised", known_bytes},
	{"equal sets are equal bytes", equal_sets_are_equal_bytes},
	{"what was added is read", random_sets},
	{"leaves are added in their order", only_ascending},
	{"damage is seen", damage_is_seen},
	{"forms that are refused", refused_forms},
};

UNIT_MAIN(cases)
