/*
 * leaf_fuzz.c
 *		Leaves from files of strangers, and JSON that is only looked at.
 *
 * What is decoded lies inside of the bytes and encodes to the same bytes; its
 * JSON is one line of JSON.
 */
#define FUZZ_LENGTH_MAX 2048
#include "fuzz.h"

#include "common/jsonscan.h"
#include "common/leaf.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	Leaf leaf;

	(void) jsonscan_valid(bytes_of(exact, size));
	if (leaf_decode(bytes_of(exact, size), &leaf))
	{
		uint8_t *again = fuzz_memory(size);
		size_t length = leaf_json(&leaf, NULL, 0);
		char *json = fuzz_memory(length);

		for (int i = 0; i < LEAF_TEXTS; i++)
			MUST(leaf.text[i].data == NULL || (leaf.text[i].data >= exact && leaf.text[i].length <= size &&
											   leaf.text[i].data + leaf.text[i].length <= exact + size));
		MUST(leaf_size(&leaf) == size);
		leaf_encode(&leaf, again);
		MUST(memcmp(again, exact, size) == 0);
		MUST(leaf_json(&leaf, json, length) == length);
		MUST(jsonscan_valid(bytes_of(json, length)));
		free(again);
		free(json);
	}
	free(exact);
	return 0;
}
