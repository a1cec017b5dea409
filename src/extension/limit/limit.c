/*
 * limit.c
 *		The table of limits in shared memory.
 *
 * One region of buckets per kind.  A subject's place and name are its keyed
 * hash, the key drawn when shared memory is laid out, so nobody can aim at a
 * bucket, and neither names nor addresses lie in shared memory.
 *
 * Locking: each bucket belongs to one of PARTITIONS LWLocks, by its number.  A
 * lock is held for one look at one bucket, and nothing raises under it.  Time
 * is CLOCK_MONOTONIC, the same in every process, so setting the wall clock
 * neither opens nor prolongs a lock.
 */
#include "limit/private.h"

#include "common/siphash.h"

#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

#include <time.h>

#define PARTITIONS 128

typedef struct LimitTable
{
	uint8 hash_key[SIPHASH_KEY_SIZE];
	uint64 buckets; /* of one kind */
	pg_atomic_uint64 evicted[LIMIT_KINDS];
	LWLockPadded locks[PARTITIONS];
	LimitEntry entries[FLEXIBLE_ARRAY_MEMBER]; /* LIMIT_KINDS times buckets times LIMIT_WAYS */
} LimitTable;

StaticAssertDecl(sizeof(LimitEntry) == 40, "the description of twin_security.limit_entries states the size");

static LimitTable *table = NULL;

/* A bucket that is held. */
typedef struct Held
{
	LimitEntry *bucket;
	uint64 hash;
	LWLock *lock;
	int64 now;
} Held;

static uint64
bucket_count(void)
{
	return ((uint64) setting_limit_entries + LIMIT_WAYS - 1) / LIMIT_WAYS;
}

static void
initialise_table(void *memory)
{
	LimitTable *fresh = memory;
	int tranche = LWLockNewTrancheId();

	memset(fresh, 0, sizeof(LimitTable));
	fresh->buckets = bucket_count();
	memset(fresh->entries, 0, LIMIT_KINDS * fresh->buckets * LIMIT_WAYS * sizeof(LimitEntry));
	if (!pg_strong_random(fresh->hash_key, sizeof(fresh->hash_key)))
		elog(ERROR, "twin_security: no random bytes for the key of the limits");
	for (int i = 0; i < LIMIT_KINDS; i++)
		pg_atomic_init_u64(&fresh->evicted[i], 0);
	LWLockRegisterTranche(tranche, "twin_security_limits"); /* inherited by every process */
	for (int i = 0; i < PARTITIONS; i++)
		LWLockInitialize(&fresh->locks[i].lock, tranche);
}

static SharedArea area = {"twin_security limits", 0, initialise_table, (void **) &table};

void
limit_init(void)
{
	area.size = offsetof(LimitTable, entries) +
				mul_size(LIMIT_KINDS * LIMIT_WAYS * sizeof(LimitEntry), (Size) bucket_count());
	base_register_area(&area);
	limit_blocked_init();
	limit_clients_init();
}

static int64
clock_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64) now.tv_sec * LIMIT_SECOND + now.tv_nsec;
}

/* The wall clock's time of a moment. */
static TimestampTz
wall_time(int64 moment, int64 now)
{
	return GetCurrentTimestamp() + (moment - now) / 1000;
}

/* The hash of a subject of this database. */
static uint64
hash_of(LimitKind kind, const void *subject, Size length)
{
	struct
	{
		uint64 hash;
		uint32 database;
		uint32 kind;
	} whole = {siphash(table->hash_key, subject, length), MyDatabaseId, kind};

	return siphash(table->hash_key, &whole, sizeof(whole));
}

/* Takes the bucket of a subject; no error may be raised until it is released. */
static Held
hold(LimitKind kind, const void *subject, Size length, LWLockMode mode)
{
	Held held;
	size_t bucket;

	base_require_preload("a limit");
	held.hash = hash_of(kind, subject, length);
	bucket = kind * table->buckets + limit_bucket_of(held.hash, table->buckets);
	held.bucket = &table->entries[bucket * LIMIT_WAYS];
	held.lock = &table->locks[bucket % PARTITIONS].lock;
	LWLockAcquire(held.lock, mode);
	held.now = clock_now(); /* after the wait for the lock, so that later ones see later times */
	return held;
}

/* The subject's entry in a bucket that is held, made when there is none. */
static LimitEntry *
place(const Held *held, LimitKind kind, const FailurePolicy *policy)
{
	bool evicted;
	LimitEntry *entry = limit_place(held->bucket, held->hash, MyDatabaseId, policy, held->now, &evicted);

	if (evicted)
		pg_atomic_fetch_add_u64(&table->evicted[kind], 1);
	return entry;
}

FailurePolicy
limit_login_policy(void)
{
	FailurePolicy policy = {.max_failures = setting_login_max_failures,
							.lockout = setting_login_lockout,
							.max_lockout = setting_login_max_lockout,
							.forget_after = setting_login_forget_after};

	return policy;
}

/* What a state means at a moment. */
static FailureVerdict
judge(const FailureState *state, const FailurePolicy *policy, int64 now)
{
	int64 lock_end = failure_lock_end(state, policy, now);
	FailureVerdict verdict = {.failures = failure_is_forgotten(state, policy, now) ? 0 : state->failures,
							  .is_locked = lock_end > now};

	if (verdict.is_locked)
		verdict.locked_until = wall_time(lock_end, now);
	return verdict;
}

FailureVerdict
limit_note_failure(LimitKind kind, const void *subject, Size length, const FailurePolicy *policy)
{
	Held held = hold(kind, subject, length, LW_EXCLUSIVE);
	LimitEntry *entry = place(&held, kind, policy);
	bool counted = failure_note(&entry->state, policy, held.now);
	FailureState state = entry->state;
	FailureVerdict verdict;

	LWLockRelease(held.lock);
	verdict = judge(&state, policy, held.now);
	verdict.counted = counted;
	return verdict;
}

FailureVerdict
limit_failures_of(LimitKind kind, const void *subject, Size length, const FailurePolicy *policy)
{
	Held held = hold(kind, subject, length, LW_SHARED);
	LimitEntry *entry = limit_find(held.bucket, held.hash);
	FailureState state = {.failures = 0};

	if (entry != NULL)
		state = entry->state;
	LWLockRelease(held.lock);
	return judge(&state, policy, held.now);
}

void
limit_take_back(LimitKind kind, const void *subject, Size length)
{
	Held held = hold(kind, subject, length, LW_EXCLUSIVE);
	LimitEntry *entry = limit_find(held.bucket, held.hash);

	if (entry != NULL)
		failure_take_back(&entry->state, held.now);
	LWLockRelease(held.lock);
}

void
limit_forget(LimitKind kind, const void *subject, Size length)
{
	Held held = hold(kind, subject, length, LW_EXCLUSIVE);
	LimitEntry *entry = limit_find(held.bucket, held.hash);

	if (entry != NULL)
		memset(entry, 0, sizeof(LimitEntry));
	LWLockRelease(held.lock);
}

void
limit_seed(LimitKind kind, const void *subject, Size length, uint32 failures, TimestampTz locked_until,
		   const FailurePolicy *policy)
{
	int64 left = 0;
	Held held;
	FailureState *state;

	if (locked_until != 0)
		left = Min(Max(locked_until - GetCurrentTimestamp(), 0), LIMIT_TIME_MAX / 1000) * 1000;
	held = hold(kind, subject, length, LW_EXCLUSIVE);
	state = &place(&held, kind, policy)->state;
	if (failure_is_forgotten(state, policy, held.now))
		state->failures = 0;
	if (failures > state->failures)
	{
		state->failures = failures;
		state->last = held.now;
	}
	state->until = Max(state->until, held.now + left);
	LWLockRelease(held.lock);
}

uint64
limit_hash(const void *subject, Size length)
{
	base_require_preload("a limit");
	return siphash(table->hash_key, subject, length);
}

RateVerdict
limit_take(LimitKind kind, const void *subject, Size length, const RateLimit *rate)
{
	Held held = hold(kind, subject, length, LW_EXCLUSIVE);
	LimitEntry *entry = place(&held, kind, NULL);
	RateVerdict verdict = rate_take(&entry->state.until, rate, held.now);

	entry->state.last = held.now;
	LWLockRelease(held.lock);
	return verdict;
}

void
limit_give_back(LimitKind kind, const void *subject, Size length, const RateLimit *rate)
{
	Held held = hold(kind, subject, length, LW_EXCLUSIVE);
	LimitEntry *entry = limit_find(held.bucket, held.hash);

	if (entry != NULL)
		rate_give_back(&entry->state.until, rate);
	LWLockRelease(held.lock);
}

LimitStatistics
limit_statistics(LimitKind kind, const FailurePolicy *policy)
{
	LimitStatistics statistics = {.evicted = (int64) pg_atomic_read_u64(&table->evicted[kind])};

	for (uint64 bucket = kind * table->buckets; bucket < (kind + 1) * table->buckets; bucket++)
	{
		LWLock *lock = &table->locks[bucket % PARTITIONS].lock;
		int64 now;

		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(lock, LW_SHARED);
		now = clock_now();
		for (int i = 0; i < LIMIT_WAYS; i++)
		{
			LimitEntry *entry = &table->entries[bucket * LIMIT_WAYS + i];

			if (entry->database != MyDatabaseId || limit_is_void(entry, policy, now))
				continue;
			statistics.entries++;
			statistics.locked += policy != NULL && failure_lock_end(&entry->state, policy, now) > now;
		}
		LWLockRelease(lock);
	}
	return statistics;
}

void
limit_forget_database(void)
{
	for (uint64 bucket = 0; bucket < LIMIT_KINDS * table->buckets; bucket++)
	{
		LWLock *lock = &table->locks[bucket % PARTITIONS].lock;

		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(lock, LW_EXCLUSIVE);
		for (int i = 0; i < LIMIT_WAYS; i++)
		{
			LimitEntry *entry = &table->entries[bucket * LIMIT_WAYS + i];

			if (entry->database == MyDatabaseId)
				memset(entry, 0, sizeof(LimitEntry));
		}
		LWLockRelease(lock);
	}
}
