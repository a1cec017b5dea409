/*
 * windows.c
 *		The windows of rules and subjects in shared memory.
 *
 * They are a cache of the log.  A place per database says up to which leaf they reflect it; while a batch is being counted
 * it says that nobody knows, so what a rollback or a crash leaves behind is forgotten, and counted again from the log, as
 * far back as RECOUNT_LEAVES.
 *
 * One region of buckets for all databases, the bucket chosen by a keyed hash.  Each bucket belongs to one of PARTITIONS
 * LWLocks by its number; a lock is held for one look at one bucket, and nothing raises under it.  Only the writer of a
 * database, of which there is one, comes to the windows of that database.
 */
#include "monitor/rule.h"

#include "common/siphash.h"

#include "access/htup_details.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "port/atomics.h"
#include "storage/lwlock.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_stat_windows);

#define PARTITIONS 64
#define RECOUNT_LEAVES 100000
#define NOBODY_KNOWS (-1)

/* A database's windows. */
typedef struct WindowOwner
{
	Oid database;
	int64 leaf; /* they reflect the log up to here */
	uint64 used_at;
	StreamTrouble trouble; /* beside them: of the database's stream */
} WindowOwner;

typedef struct WindowTable
{
	uint8 hash_key[SIPHASH_KEY_SIZE];
	uint64 buckets;
	uint64 uses;
	pg_atomic_uint64 displaced;
	LWLockPadded owners_lock;
	LWLockPadded locks[PARTITIONS];
	WindowOwner owners[FLEXIBLE_ARRAY_MEMBER]; /* twin_security.max_databases; behind them the buckets */
} WindowTable;

static WindowTable *table = NULL;

static Size
head_size(void)
{
	return MAXALIGN(offsetof(WindowTable, owners) + (Size) setting_max_databases * sizeof(WindowOwner));
}

static uint64
bucket_count(void)
{
	return (uint64) setting_monitor_memory * 1024 / (WINDOW_WAYS * sizeof(WindowEntry));
}

static Size
area_size(void)
{
	return add_size(head_size(), mul_size(bucket_count(), WINDOW_WAYS * sizeof(WindowEntry)));
}

static void
initialise(void *memory)
{
	WindowTable *fresh = memory;
	int tranche = LWLockNewTrancheId();

	memset(fresh, 0, area_size());
	fresh->buckets = bucket_count();
	if (!pg_strong_random(fresh->hash_key, sizeof(fresh->hash_key)))
		base_throw(TSEC_NO_RANDOM);
	pg_atomic_init_u64(&fresh->displaced, 0);
	LWLockRegisterTranche(tranche, "twin_security_windows"); /* inherited by every process */
	LWLockInitialize(&fresh->owners_lock.lock, tranche);
	for (int i = 0; i < PARTITIONS; i++)
		LWLockInitialize(&fresh->locks[i].lock, tranche);
}

static SharedArea area = {"twin_security windows", 0, initialise, (void **) &table};

void
windows_init(void)
{
	area.size = area_size();
	base_register_area(&area);
}

/* ---- which leaf ---- */

/* This database's place; the one that was not used for longest makes room, and loses its windows. */
static WindowOwner *
own_place(void)
{
	WindowOwner *oldest = &table->owners[0];

	for (int i = 0; i < setting_max_databases; i++)
	{
		WindowOwner *owner = &table->owners[i];

		if (owner->database == MyDatabaseId)
			return owner;
		if (owner->used_at < oldest->used_at)
			oldest = owner;
	}
	*oldest = (WindowOwner){.database = MyDatabaseId, .leaf = NOBODY_KNOWS, .trouble = {.leaf = NOBODY_KNOWS}};
	return oldest;
}

static int64
read_leaf(void)
{
	int64 leaf;

	LWLockAcquire(&table->owners_lock.lock, LW_EXCLUSIVE);
	leaf = own_place()->leaf;
	LWLockRelease(&table->owners_lock.lock);
	return leaf;
}

static void
note_leaf(int64 leaf)
{
	WindowOwner *owner;

	LWLockAcquire(&table->owners_lock.lock, LW_EXCLUSIVE);
	owner = own_place();
	owner->leaf = leaf;
	owner->used_at = ++table->uses;
	LWLockRelease(&table->owners_lock.lock);
}

static WindowEntry *
entries_of(uint64 bucket)
{
	return (WindowEntry *) ((char *) table + head_size()) + bucket * WINDOW_WAYS;
}

static LWLock *
lock_of(uint64 bucket)
{
	return &table->locks[bucket % PARTITIONS].lock;
}

static void
forget_all(void)
{
	for (uint64 bucket = 0; bucket < table->buckets; bucket++)
	{
		WindowEntry *entries = entries_of(bucket);

		LWLockAcquire(lock_of(bucket), LW_EXCLUSIVE);
		for (int i = 0; i < WINDOW_WAYS; i++)
			if (entries[i].database == MyDatabaseId)
				memset(&entries[i], 0, sizeof(entries[i]));
		LWLockRelease(lock_of(bucket));
	}
}

int64
windows_leaf(int64 position)
{
	int64 leaf = read_leaf();

	if (leaf != NOBODY_KNOWS && leaf <= position)
		return leaf;
	forget_all();
	leaf = Max(position - RECOUNT_LEAVES, 0);
	note_leaf(leaf);
	return leaf;
}

void
windows_begin(void)
{
	note_leaf(NOBODY_KNOWS);
}

void
windows_settle(int64 next_leaf)
{
	note_leaf(next_leaf);
}

StreamTrouble
windows_trouble(int64 leaf)
{
	StreamTrouble trouble;

	LWLockAcquire(&table->owners_lock.lock, LW_EXCLUSIVE);
	trouble = own_place()->trouble;
	LWLockRelease(&table->owners_lock.lock);
	return trouble.leaf == leaf ? trouble : (StreamTrouble){.leaf = leaf};
}

void
windows_note_trouble(const StreamTrouble *trouble)
{
	LWLockAcquire(&table->owners_lock.lock, LW_EXCLUSIVE);
	own_place()->trouble = *trouble;
	LWLockRelease(&table->owners_lock.lock);
}

/* ---- counting ---- */

uint64
windows_hash(const void *data, Size length)
{
	return siphash(table->hash_key, data, length);
}

/* Takes the bucket of a subject; no error may be raised until its lock is released. */
static WindowEntry *
hold(uint64 hash, LWLock **lock)
{
	uint64 bucket = (hash >> 32) * table->buckets >> 32;

	*lock = lock_of(bucket);
	LWLockAcquire(*lock, LW_EXCLUSIVE);
	return entries_of(bucket);
}

bool
windows_count(uint64 hash, const WindowPolicy *policy, int64 cooldown, const WindowEvent *event, WindowCount *reached)
{
	int64 latest = GetCurrentTimestamp() + EVENT_CLOCK_STEP_MS * INT64CONST(1000);
	LWLock *lock;
	bool displaced;
	WindowEntry *entry = window_place(hold(hash, &lock), hash, MyDatabaseId, event->time, &displaced);
	bool is_enough;

	window_forget_after(&entry->window, latest);
	is_enough = window_add(&entry->window, policy, event, reached) &&
				(reached->last >= entry->quiet_until || entry->quiet_until > latest + cooldown);
	entry->expires = Max(Min(entry->expires, latest + policy->period), event->time + policy->period);
	LWLockRelease(lock);
	if (displaced)
		pg_atomic_fetch_add_u64(&table->displaced, 1);
	return is_enough;
}

void
windows_quiet(uint64 hash, int64 until)
{
	LWLock *lock;
	WindowEntry *entry = window_find(hold(hash, &lock), hash, MyDatabaseId);

	if (entry != NULL)
		entry->quiet_until = until;
	LWLockRelease(lock);
}

/* ---- statistics ---- */

static int64
count_own(void)
{
	int64 own = 0;

	for (uint64 bucket = 0; bucket < table->buckets; bucket++)
	{
		const WindowEntry *entries = entries_of(bucket);

		CHECK_FOR_INTERRUPTS();
		LWLockAcquire(lock_of(bucket), LW_SHARED);
		for (int i = 0; i < WINDOW_WAYS; i++)
			own += entries[i].tag != 0 && entries[i].database == MyDatabaseId;
		LWLockRelease(lock_of(bucket));
	}
	return own;
}

/* stat_windows(): subjects that are counted here, how many fit in, how many were displaced */
Datum
tsec_stat_windows(PG_FUNCTION_ARGS)
{
	TupleDesc shape;
	Datum values[3];
	bool nulls[3] = {false};

	base_require_preload("counting of events");
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: a row is asked for");
	values[0] = Int64GetDatum(count_own());
	values[1] = Int64GetDatum((int64) (table->buckets * WINDOW_WAYS));
	values[2] = Int64GetDatum((int64) pg_atomic_read_u64(&table->displaced));
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
