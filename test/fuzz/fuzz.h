/*
 * fuzz.h
 *		What the fuzz targets share: an invariant that stops the run, and memory
 *		of exactly one size, so that the sanitizer sees the first byte beyond it.
 */
#ifndef TSEC_FUZZ_H
#define TSEC_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Ends the run as a finding. */
#define MUST(condition)                                                                              \
	do                                                                                               \
	{                                                                                                \
		if (!(condition))                                                                            \
		{                                                                                            \
			fprintf(stderr, "%s:%d: invariant does not hold: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                                                 \
		}                                                                                            \
	} while (0)

static inline void *
fuzz_memory(size_t length)
{
	void *memory = malloc(length > 0 ? length : 1);

	MUST(memory != NULL);
	return memory;
}

static inline void *
fuzz_copy(const void *from, size_t length)
{
	void *copy = fuzz_memory(length);

	if (length > 0)
		memcpy(copy, from, length);
	return copy;
}

extern int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* TSEC_FUZZ_H */
