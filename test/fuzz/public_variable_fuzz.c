/*
 * public_variable_fuzz.c
 *		Names and values of the environment: what is taken for public has no part
 *		of a secret's name, a good list holds good names alone, and a key is seen
 *		wherever it stands.
 */
#include "fuzz.h"

#include "common/public_variable.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const keys[] = {"ENCRYPTION_KEY", "JWT_SECRET_KEY", "PGPASSWORD"};
	uint8_t *copy = fuzz_copy(data, size);
	Bytes text = bytes_of(copy, size);
	Bytes culprit = {NULL, 0};
	uint8_t *longer;

	if (public_variable_name(text) == PUBLIC_VARIABLE_GOOD)
		MUST(size >= 1 && size <= PUBLIC_VARIABLE_NAME_MAX && memchr(copy, ',', size) == NULL);
	if (public_variable_list(text, &culprit) == PUBLIC_VARIABLE_GOOD)
	{
		for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
			MUST(!public_variable_listed(text, bytes_of(keys[i], strlen(keys[i]))));
	}
	else
		MUST(culprit.data >= copy && culprit.data + culprit.length <= copy + size);

	/* a key is seen wherever it stands */
	longer = fuzz_memory(size + 33);
	memcpy(longer, copy, size);
	longer[size] = ' ';
	memset(longer + size + 1, 'a', 32);
	MUST(public_variable_looks_secret(bytes_of(longer, size + 33)));
	(void) public_variable_looks_secret(text);
	free(longer);
	free(copy);
	return 0;
}
