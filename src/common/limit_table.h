/*
 * limit_table.h
 *		A table of fixed size for what is remembered about subjects: buckets of a
 *		few entries, the bucket chosen by a keyed hash, so that a stranger cannot
 *		aim at anybody's bucket.
 *
 * When a bucket is full, the entry that is worth least makes room:
 *
 *	1. one that says nothing any more (forgotten, refilled)
 *	2. one that is not locked, with the fewest failures; of these the oldest
 *	3. a locked one, whose lock ends first
 *
 * So a flood of fresh subjects has one failure each and pushes out one
 * another, never who is being guessed at and never a lock: that takes a bucket
 * full of locks, each of which costs its failures.
 */
#ifndef TSEC_LIMIT_TABLE_H
#define TSEC_LIMIT_TABLE_H

#include "limit_math.h"

#include <stddef.h>

#define LIMIT_WAYS 16 /* entries of a bucket */

/* One subject.  Which one is known by its hash alone: no name or address lies here. */
typedef struct LimitEntry
{
	uint64_t tag;       /* the whole hash; 0 while free */
	FailureState state; /* of a rate: until is the arrival time, last the latest request, failures 0 */
	uint32_t database;
} LimitEntry;

/* The bucket of a hash, of a number of buckets. */
static inline size_t
limit_bucket_of(uint64_t hash, size_t buckets)
{
	return (size_t) ((hash >> 32) * (uint64_t) buckets >> 32);
}

/* The entry of a hash in its bucket; NULL when there is none. */
extern LimitEntry *limit_find(LimitEntry bucket[LIMIT_WAYS], uint64_t hash);

/*
 * The same, made when there is none.  *evicted tells whether an entry that
 * still said something had to go.  policy is NULL for rates.
 */
extern LimitEntry *limit_place(LimitEntry bucket[LIMIT_WAYS], uint64_t hash, uint32_t database,
							   const FailurePolicy *policy, int64_t now, bool *evicted);

/* Whether an entry says nothing any more. */
extern bool limit_is_void(const LimitEntry *entry, const FailurePolicy *policy, int64_t now);

#endif /* TSEC_LIMIT_TABLE_H */
