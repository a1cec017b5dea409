/*
 * private.h
 *		What the files of the limit part share among themselves.
 */
#ifndef TSEC_LIMIT_PRIVATE_H
#define TSEC_LIMIT_PRIVATE_H

#include "limit/limit.h"

#include "common/limit_table.h"

/* What one kind holds for this database. */
typedef struct LimitStatistics
{
	int64 entries; /* subjects about which something is known */
	int64 locked;
	int64 evicted; /* of all databases, since the server started */
} LimitStatistics;

/* Forgets everything about this database. */
extern void limit_forget_database(void);

extern LimitStatistics limit_statistics(LimitKind kind, const FailurePolicy *policy);

/* Whether a kind counts failures, not requests. */
static inline bool
limit_is_of_failures(LimitKind kind)
{
	return kind == LIMIT_ACCOUNT || kind == LIMIT_ADDRESS || kind == LIMIT_SESSION;
}

/* ---- blocked.c, client.c ---- */

extern void limit_blocked_init(void);
extern void limit_clients_init(void);

/* Whether an address is blocked now; counts nothing. */
extern bool limit_holds_block(const NetAddress *address);

/* Notes who is at the other end of this connection, until the process ends. */
extern void limit_note_client(const NetAddress *address);

/* ---- blocked_file.c: what is blocked, on disk ---- */

/* Fills a set from the file, before anybody can connect; what is over, or damaged, stays out. */
extern void limit_load_blocks(AddressSet *set);

/* Opens it for changes; -1 and errno where that fails. */
extern int limit_open_blocks(void);

/* Writes the entry at a place; false and errno where that fails. */
extern bool limit_write_block(int file, const AddressSet *set, uint32 place);

/* Has it reach the disk; closes it.  Says in the log what failed, now or before (error: an errno, or 0). */
extern void limit_close_blocks(int file, int error);

#endif /* TSEC_LIMIT_PRIVATE_H */
