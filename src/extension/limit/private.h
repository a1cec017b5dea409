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
	return kind == LIMIT_ACCOUNT || kind == LIMIT_ADDRESS;
}

#endif /* TSEC_LIMIT_PRIVATE_H */
