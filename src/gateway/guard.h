/*
 * guard.h
 *		What the process gives up before it talks to anybody.
 */
#ifndef GATEWAY_GUARD_H
#define GATEWAY_GUARD_H

#include <stdbool.h>

/*
 * Leaves root for a user (NULL: stays who it is, but root is refused), with
 * that user's groups and no way back; no new privileges, no core dumps, not
 * to be traced by others of the same user.  False and why.
 */
extern bool guard_drop(const char *user, const char **why);

/* Raises the bound on open files as far as this process may; false when so many are still too many. */
extern bool guard_files(unsigned long wanted);

/* From here on only what a network program needs: no new programs, no other processes, no mounts (seccomp). */
extern bool guard_calls(const char **why);

#endif /* GATEWAY_GUARD_H */
