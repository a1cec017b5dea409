/*
 * user_name_fuzz.c
 *		Names of accounts: what is accepted is short, holds no control and no
 *		blank at its ends, and stays accepted when it is looked at again.
 */
#include "fuzz.h"

#include "common/user_name.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *copy = fuzz_copy(data, size);

	if (user_name_acceptable(bytes_of(copy, size)))
	{
		size_t characters = 0;

		MUST(size >= 1 && size <= USER_NAME_BYTES_MAX);
		MUST(copy[0] != ' ' && copy[size - 1] != ' ');
		for (size_t i = 0; i < size; i++)
		{
			MUST(copy[i] >= 0x20 && copy[i] != 0x7f && copy[i] < 0xf5 && copy[i] != 0xc0 && copy[i] != 0xc1);
			characters += (copy[i] & 0xc0) != 0x80;
		}
		MUST(characters >= 1 && characters <= USER_NAME_CHARACTERS_MAX);
		/* two names make one that is too long, or a name */
		if (2 * characters <= USER_NAME_CHARACTERS_MAX)
		{
			uint8_t *twice = fuzz_memory(2 * size);

			memcpy(twice, copy, size);
			memcpy(twice + size, copy, size);
			MUST(user_name_acceptable(bytes_of(twice, 2 * size)));
			free(twice);
		}
	}
	free(copy);
	return 0;
}
