/*
 * freed.h
 *		Looks at memory in the moment it is given back to the heap, to prove
 *		that no secret lies in it any more.  The program is linked with
 *		-Wl,--wrap=free, so that every free() of src/common comes by here.
 */
#ifndef TSEC_FREED_H
#define TSEC_FREED_H

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* What to look for, and in how many freed blocks it was found. */
static struct
{
	const void *secret; /* NULL: look for nothing */
	size_t length;
	unsigned found;
} freed;

extern void __real_free(void *memory);
extern void __wrap_free(void *memory);

void
__wrap_free(void *memory)
{
	if (memory != NULL && freed.secret != NULL &&
		memmem(memory, malloc_usable_size(memory), freed.secret, freed.length) != NULL)
		freed.found++;
	__real_free(memory);
}

#endif /* TSEC_FREED_H */
