/*
 * limit_table.c
 *		Finding an entry of a bucket, and whose turn it is to go.
 */
#include "limit_table.h"

#include <string.h>

/* 0 marks a free entry. */
static uint64_t
tag_of(uint64_t hash)
{
	return hash == 0 ? 1 : hash;
}

LimitEntry *
limit_find(LimitEntry bucket[LIMIT_WAYS], uint64_t hash)
{
	uint64_t tag = tag_of(hash);

	for (int i = 0; i < LIMIT_WAYS; i++)
	{
		if (bucket[i].tag == tag)
			return &bucket[i];
	}
	return NULL;
}

bool
limit_is_void(const LimitEntry *entry, const FailurePolicy *policy, int64_t now)
{
	if (entry->tag == 0)
		return true;
	if (policy == NULL)
		return entry->state.until <= now;
	/* a lock may be known without its failures */
	return failure_lock_end(&entry->state, policy, now) <= now && failure_is_forgotten(&entry->state, policy, now);
}

/* Whether a is worth less than b. */
static bool
is_worth_less(const LimitEntry *a, const LimitEntry *b, const FailurePolicy *policy, int64_t now)
{
	bool a_void = limit_is_void(a, policy, now);
	bool b_void = limit_is_void(b, policy, now);
	bool a_locked = a->state.until > now;
	bool b_locked = b->state.until > now;

	if (a_void || b_void)
		return a_void && !b_void;
	if (a_locked != b_locked)
		return b_locked;
	if (a_locked)
		return a->state.until < b->state.until;
	if (a->state.failures != b->state.failures)
		return a->state.failures < b->state.failures;
	return a->state.last < b->state.last;
}

LimitEntry *
limit_place(LimitEntry bucket[LIMIT_WAYS], uint64_t hash, uint32_t database, const FailurePolicy *policy, int64_t now,
			bool *evicted)
{
	LimitEntry *entry = limit_find(bucket, hash);

	*evicted = false;
	if (entry != NULL)
		return entry;
	entry = &bucket[0];
	for (int i = 1; i < LIMIT_WAYS; i++)
	{
		if (is_worth_less(&bucket[i], entry, policy, now))
			entry = &bucket[i];
	}
	*evicted = !limit_is_void(entry, policy, now);
	memset(entry, 0, sizeof(*entry));
	entry->tag = tag_of(hash);
	entry->database = database;
	return entry;
}
