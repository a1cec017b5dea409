/*
 * leafset_fuzz.c
 *		Sets of leaves as they lie in a table, an archive or an export, where
 *		somebody may have forged them.
 *
 * What is read lies in order and is what the header says; written again it is the
 * same bytes.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "common/leafset.h"

typedef struct Again
{
	uint8_t *bytes;
	size_t length;
	size_t room;
} Again;

static void
put(void *argument, const uint8_t *bytes, size_t length)
{
	Again *again = argument;

	MUST(length <= again->room - again->length);
	memcpy(again->bytes + again->length, bytes, length);
	again->length += length;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	LeafSetReader reader;

	if (leafset_open(bytes_of(exact, size), &reader))
	{
		Again again = {.bytes = fuzz_memory(size), .length = LEAFSET_HEADER_SIZE, .room = size};
		LeafSetSummary summary = reader.summary;
		LeafSetWriter writer;
		uint64_t behind = 0;
		uint64_t sum = 0;
		uint64_t first;
		uint64_t leaves;

		leafset_begin(&writer, put, &again);
		while (leafset_next(&reader, &first, &leaves))
		{
			MUST(leaves > 0 && (sum == 0 ? first == summary.first : first > behind));
			MUST(leafset_add(&writer, first, leaves));
			behind = first + leaves;
			sum += leaves;
		}
		MUST(sum == summary.leaves && (sum == 0 || behind == summary.last + 1) && behind <= LEAFSET_LEAF_MAX);
		leafset_end(&writer, again.bytes);
		MUST(again.length == size && memcmp(again.bytes, exact, size) == 0);
		free(again.bytes);
	}
	free(exact);
	return 0;
}
