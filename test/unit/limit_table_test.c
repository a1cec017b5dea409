/*
 * limit_table_test.c
 *		Who makes room when a bucket is full: a million strangers push out one
 *		another, not who is being guessed at, and no lock.
 */
#include "unit.h"

#include "common/limit_table.h"
#include "common/siphash.h"

#define SECOND LIMIT_SECOND
#define NOW (1000000 * SECOND)
#define BUCKETS 64

static const FailurePolicy policy = {.max_failures = 5, .lockout = 60, .max_lockout = 3600, .forget_after = 86400};
static const uint8_t hash_key[SIPHASH_KEY_SIZE] = {1, 2, 3};

/* One failure of a subject in a table; returns whether somebody had to go. */
static bool
fail(LimitEntry *table, uint64_t subject, int64_t now)
{
	uint64_t hash = siphash(hash_key, &subject, sizeof(subject));
	bool evicted;
	LimitEntry *entry =
		limit_place(&table[limit_bucket_of(hash, BUCKETS) * LIMIT_WAYS], hash, 1, &policy, now, &evicted);

	failure_note(&entry->state, &policy, now);
	return evicted;
}

static const LimitEntry *
find(LimitEntry *table, uint64_t subject)
{
	uint64_t hash = siphash(hash_key, &subject, sizeof(subject));

	return limit_find(&table[limit_bucket_of(hash, BUCKETS) * LIMIT_WAYS], hash);
}

static void
subjects_are_found_again(void)
{
	LimitEntry *table = calloc(BUCKETS * LIMIT_WAYS, sizeof(LimitEntry));

	for (uint64_t subject = 0; subject < 200; subject++)
		CHECK(find(table, subject) == NULL);
	for (uint64_t subject = 0; subject < 200; subject++)
	{
		CHECK(!fail(table, subject, NOW));
		CHECK(!fail(table, subject, NOW));
	}
	for (uint64_t subject = 0; subject < 200; subject++)
		CHECK(find(table, subject) != NULL && find(table, subject)->state.failures == 2);
	free(table);
}

/* The hash 0 is a subject like any other, though 0 marks a free entry. */
static void
no_hash_is_taken_for_a_free_entry(void)
{
	LimitEntry bucket[LIMIT_WAYS] = {{0}};
	bool evicted;

	CHECK(limit_find(bucket, 0) == NULL);
	CHECK(limit_place(bucket, 0, 1, &policy, NOW, &evicted) == limit_find(bucket, 0));
	CHECK(limit_find(bucket, 0) != NULL);
}

static void
hashes_fall_into_every_bucket(void)
{
	CHECK(limit_bucket_of(0, BUCKETS) == 0);
	CHECK(limit_bucket_of(UINT64_MAX, BUCKETS) == BUCKETS - 1);
	CHECK(limit_bucket_of(UINT64_MAX, 1) == 0);
	CHECK(limit_bucket_of(UINT64_MAX, 1048576) == 1048575);
}

static void
a_million_strangers_push_out_no_lock(void)
{
	LimitEntry *table = calloc(BUCKETS * LIMIT_WAYS, sizeof(LimitEntry));
	uint64_t evictions = 0;

	/* 100 locked, 100 with three failures, in a table for 1024 */
	for (uint64_t subject = 0; subject < 200; subject++)
	{
		for (int i = 0; i < (subject < 100 ? 5 : 3); i++)
			fail(table, subject, NOW);
	}
	for (uint64_t stranger = 0; stranger < 1000000; stranger++)
		evictions += fail(table, 1000 + stranger, NOW + (int64_t) stranger);
	CHECK(evictions > 990000, "%llu", (unsigned long long) evictions);
	for (uint64_t subject = 0; subject < 200; subject++)
	{
		const LimitEntry *entry = find(table, subject);

		CHECK(entry != NULL && entry->state.failures == (subject < 100 ? 5 : 3), "subject %llu",
			  (unsigned long long) subject);
		CHECK(entry != NULL && (entry->state.until > NOW) == (subject < 100));
	}
	free(table);
}

/* Puts a state into an entry of a bucket. */
static void
set(LimitEntry *bucket, int at, uint32_t failures, int64_t last, int64_t until)
{
	bucket[at] =
		(LimitEntry){.tag = 100 + (uint64_t) at, .state = {.failures = failures, .last = last, .until = until}};
}

/* The place a newcomer gets in a full bucket. */
static int
victim(LimitEntry *bucket, const FailurePolicy *of, bool *evicted)
{
	LimitEntry copy[LIMIT_WAYS];

	memcpy(copy, bucket, sizeof(copy));
	return (int) (limit_place(copy, 7, 1, of, NOW, evicted) - copy);
}

static void
the_least_valuable_goes_first(void)
{
	LimitEntry bucket[LIMIT_WAYS];
	bool evicted;

	for (int i = 0; i < LIMIT_WAYS; i++)
		set(bucket, i, 5, NOW - i, NOW + (100 + i) * SECOND);
	CHECK(victim(bucket, &policy, &evicted) == 0 && evicted, "all locked: whose lock ends first");
	set(bucket, 9, 4, NOW, 0);
	CHECK(victim(bucket, &policy, &evicted) == 9 && evicted, "rather one that is not locked");
	set(bucket, 4, 1, NOW, 0);
	CHECK(victim(bucket, &policy, &evicted) == 4 && evicted, "with the fewest failures");
	set(bucket, 11, 1, NOW - SECOND, 0);
	CHECK(victim(bucket, &policy, &evicted) == 11 && evicted, "the oldest of these");
	set(bucket, 13, 50, NOW - 86400 * SECOND, 0);
	CHECK(victim(bucket, &policy, &evicted) == 13 && !evicted, "first of all what is forgotten anyway");
	set(bucket, 13, 0, 0, NOW + 200 * SECOND);
	CHECK(victim(bucket, &policy, &evicted) == 11, "a lock without failures is a lock");
	memset(&bucket[2], 0, sizeof(bucket[2]));
	CHECK(victim(bucket, &policy, &evicted) == 2 && !evicted, "a free entry");
}

static void
of_rates_the_fullest_goes_first(void)
{
	LimitEntry bucket[LIMIT_WAYS];
	bool evicted;

	for (int i = 0; i < LIMIT_WAYS; i++)
		set(bucket, i, 0, NOW, NOW + (100 - i) * SECOND);
	CHECK(victim(bucket, NULL, &evicted) == LIMIT_WAYS - 1 && evicted, "who has taken least");
	set(bucket, 3, 0, NOW - SECOND, NOW);
	CHECK(victim(bucket, NULL, &evicted) == 3 && !evicted, "who has all of his burst again loses nothing");
}

static const UnitCase cases[] = {
	{"subjects are found again", subjects_are_found_again},
	{"no hash is taken for a free entry", no_hash_is_taken_for_a_free_entry},
	{"hashes fall into every bucket", hashes_fall_into_every_bucket},
	{"a million strangers push out no lock and nobody with more failures", a_million_strangers_push_out_no_lock},
	{"the least valuable goes first", the_least_valuable_goes_first},
	{"of rates the fullest goes first", of_rates_the_fullest_goes_first},
};

UNIT_MAIN(cases)
