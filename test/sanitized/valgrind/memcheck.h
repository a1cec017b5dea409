/*
 * memcheck.h
 *		Takes the place of valgrind's header when a server is built with
 *		AddressSanitizer and -DUSE_VALGRIND (test/sanitized/server): what the server
 *		tells valgrind of its memory is told to AddressSanitizer.
 *
 * So it sees the first byte beyond what palloc() gave and what pfree() took back,
 * though both lie in the middle of a block of malloc(), and buffers of pages that
 * are not pinned.  Whether memory was ever written is not known to it.
 */
#ifndef TWIN_MEMCHECK_H
#define TWIN_MEMCHECK_H

#include <sanitizer/asan_interface.h>

#define VALGRIND_MAKE_MEM_NOACCESS(address, size) ASAN_POISON_MEMORY_REGION(address, size)
#define VALGRIND_MAKE_MEM_UNDEFINED(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define VALGRIND_MAKE_MEM_DEFINED(address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)

/* a freed chunk is told before: wipe_mem() */
#define VALGRIND_MEMPOOL_ALLOC(pool, address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define VALGRIND_MEMPOOL_CHANGE(pool, old, address, size) ASAN_UNPOISON_MEMORY_REGION(address, size)
#define VALGRIND_MEMPOOL_FREE(pool, address) ((void) 0)
#define VALGRIND_CREATE_MEMPOOL(pool, redzones, zeroed) ((void) 0)
#define VALGRIND_DESTROY_MEMPOOL(pool) ((void) 0)

#define VALGRIND_CHECK_MEM_IS_DEFINED(address, size) ((void) 0)
#define VALGRIND_GET_VBITS(address, bits, size) (0)
#define VALGRIND_COUNT_ERRORS (0u)
#define VALGRIND_PRINTF(...) ((void) 0)

#endif /* TWIN_MEMCHECK_H */
