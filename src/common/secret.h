/*
 * secret.h
 *		Where raw keys lie, and the only two things one may do to a secret
 *		besides using it: compare in constant time, and wipe.
 */
#ifndef TSEC_SECRET_H
#define TSEC_SECRET_H

#include "status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Overwrites memory in a way the compiler cannot leave out. */
extern void secret_wipe(void *memory, size_t length);

/* Whether two secrets of the same length are equal, in time that depends on the length alone. */
extern bool secret_equal(const void *a, const void *b, size_t length);

/*
 * Takes zeroed memory of its own pages: locked against swapping as far as
 * RLIMIT_MEMLOCK allows, left out of core dumps, kept across fork.  Returns
 * NULL when the system has none.  *locked tells whether the lock was granted.
 */
extern void *secret_pages_new(size_t length, bool *locked);

/* Wipes and returns pages taken with secret_pages_new. */
extern void secret_pages_free(void *pages, size_t length);

/* Locks inherited pages again: memory locks do not survive fork. */
extern bool secret_pages_lock(void *pages, size_t length);

/*
 * Removes a variable from the environment and gives its value to the caller,
 * who owns the copy (of the stated length, zero terminated, in the given
 * buffer).  Both places that hold the value are wiped: the string getenv()
 * finds and the block the kernel shows as /proc/PID/environ.
 *
 * Returns the value's length, 0 when the variable is absent or empty, and
 * size + 1 when the value does not fit (it is wiped all the same); the buffer
 * then holds an empty string.
 */
extern size_t secret_take_environment(const char *name, char *buffer, size_t size);

/* Forbids core dumps and other processes' access to this process's memory (Linux: PR_SET_DUMPABLE). */
extern void secret_forbid_dumps(void);

#endif /* TSEC_SECRET_H */
