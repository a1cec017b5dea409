/*
 * ring.c
 *		The rings in shared memory, one per database, and who listens.
 *
 * Locking: a ring's lock is held exclusively by whoever appends to its feed,
 * takes a seat, or asks where the feed begins and ends; never across anything
 * that may raise.  Readers of the feed hold none.  Rings are claimed, and taken
 * from databases that are gone, under the area's lock.  A seat is left without
 * a lock by its process alone.  Latches are those of PGPROC, which stay where
 * they are: waking one that belongs to another process meanwhile does no harm.
 */
#include "topic/private.h"

#include "common/secret.h"

#include "funcapi.h"
#include "miscadmin.h"
#include "storage/latch.h"
#include "storage/shmem.h"
#include "utils/builtins.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_stat_topics);

typedef struct TopicArea
{
	LWLock lock;
} TopicArea;

#define AREA_HEAD TYPEALIGN(FEED_CACHE_LINE, sizeof(TopicArea))
#define RING_HEAD TYPEALIGN(FEED_CACHE_LINE, sizeof(TopicRing))

StaticAssertDecl(PG_CACHE_LINE_SIZE % FEED_CACHE_LINE == 0, "shared memory areas begin where feeds may");

static TopicArea *area = NULL;
static SharedArea shared;

static Size
ring_stride(void)
{
	return RING_HEAD + feed_memory_size((size_t) setting_topic_ring_size * 1024);
}

static TopicRing *
ring_at(int index)
{
	return (TopicRing *) ((char *) area + AREA_HEAD + (Size) index * ring_stride());
}

Feed
topic_ring_feed(TopicRing *ring)
{
	return (Feed){(FeedMemory *) ((char *) ring + RING_HEAD), (size_t) setting_topic_ring_size * 1024};
}

static void
initialise(void *memory)
{
	int tranche = LWLockNewTrancheId();
	/* numbers go on growing over a restart: microseconds since 1970, which JavaScript holds exactly */
	uint64 first = (uint64) (GetCurrentTimestamp() + (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY);

	area = memory;
	LWLockRegisterTranche(tranche, "twin_security_topics"); /* inherited by every process */
	LWLockInitialize(&area->lock, tranche);
	for (int i = 0; i < setting_max_databases; i++)
	{
		TopicRing *ring = ring_at(i);

		LWLockInitialize(&ring->lock, tranche);
		pg_atomic_init_u32(&ring->database, InvalidOid);
		pg_atomic_init_u64(&ring->published, 0);
		pg_atomic_init_u64(&ring->delivered, 0);
		pg_atomic_init_u64(&ring->lost, 0);
		for (int j = 0; j < TOPIC_LISTENERS_MAX; j++)
		{
			TopicSeat *seat = &ring->seats[j];

			pg_atomic_init_u32(&seat->pid, 0);
			pg_atomic_init_u32(&seat->woken, 0);
			pg_atomic_init_u32(&seat->subscriptions, 0);
			pg_atomic_init_u64(&seat->latch, 0);
			pg_atomic_init_u64(&seat->position, 0);
		}
		feed_init(topic_ring_feed(ring), first);
	}
}

void
topic_ring_init(void)
{
	shared.name = "twin_security topics";
	shared.size = AREA_HEAD + mul_size((Size) setting_max_databases, ring_stride());
	shared.initialise = initialise;
	shared.address = (void **) &area;
	base_register_area(&shared);
}

/* ---- rings and their databases ---- */

TopicRing *
topic_ring_find(void)
{
	for (int i = 0; area != NULL && i < setting_max_databases; i++)
		if (pg_atomic_read_u32(&ring_at(i)->database) == MyDatabaseId)
			return ring_at(i);
	return NULL;
}

/* Gives a ring that is nobody's, or that of a database that is gone, to this one; the caller holds the area's lock. */
static TopicRing *
claim(const Oid *gone)
{
	TopicRing *ring = topic_ring_find();

	for (int i = 0; ring == NULL && i < setting_max_databases; i++)
	{
		Oid owner = pg_atomic_read_u32(&ring_at(i)->database);

		if (OidIsValid(owner) && owner != gone[i])
			continue;
		ring = ring_at(i);
		/* messages of the one before are not read: who listens begins at the end */
		pg_atomic_write_u64(&ring->published, 0);
		pg_atomic_write_u64(&ring->delivered, 0);
		pg_atomic_write_u64(&ring->lost, 0);
		pg_atomic_write_u32(&ring->database, MyDatabaseId);
	}
	return ring;
}

TopicRing *
topic_ring_require(void)
{
	TopicRing *ring;
	Oid *gone;

	base_require_preload("delivering messages to subscribers");
	ring = topic_ring_find();
	if (likely(ring != NULL))
		return ring;
	/* nobody is connected to a database that is gone, and none of these has a ring before it is there */
	gone = palloc0(sizeof(Oid) * setting_max_databases);
	for (int i = 0; i < setting_max_databases; i++)
	{
		Oid owner = pg_atomic_read_u32(&ring_at(i)->database);

		if (OidIsValid(owner) && !SearchSysCacheExists1(DATABASEOID, ObjectIdGetDatum(owner)))
			gone[i] = owner;
	}
	LWLockAcquire(&area->lock, LW_EXCLUSIVE);
	ring = claim(gone);
	LWLockRelease(&area->lock);
	pfree(gone);
	if (ring == NULL)
		ereport(ERROR, (errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
						errmsg("no shared memory is left for messages of this database"),
						errhint("Raise twin_security.max_databases.")));
	return ring;
}

/* ---- who listens ---- */

void
topic_ring_wake(TopicRing *ring)
{
	/* what was published is seen by whoever is found asleep */
	pg_memory_barrier();
	for (int i = 0; i < TOPIC_LISTENERS_MAX; i++)
	{
		TopicSeat *seat = &ring->seats[i];
		Latch *latch;

		if (pg_atomic_read_u32(&seat->subscriptions) == 0)
			continue;
		latch = (Latch *) (uintptr_t) pg_atomic_read_u64(&seat->latch);
		if (latch != NULL)
			SetLatch(latch);
	}
}

TopicSeat *
topic_seat_take(TopicRing *ring)
{
	TopicSeat *taken = NULL;
	uint8 secret[TOPIC_SECRET_SIZE];

	if (!pg_strong_random(secret, sizeof(secret)))
		base_throw(TSEC_NO_RANDOM);
	LWLockAcquire(&ring->lock, LW_EXCLUSIVE);
	for (int i = 0; taken == NULL && i < TOPIC_LISTENERS_MAX; i++)
		if (pg_atomic_read_u32(&ring->seats[i].pid) == 0)
			taken = &ring->seats[i];
	if (taken != NULL)
	{
		memcpy(taken->secret, secret, sizeof(secret));
		pg_atomic_write_u32(&taken->woken, 0);
		pg_atomic_write_u32(&taken->subscriptions, 0);
		pg_atomic_write_u64(&taken->position, feed_newest(topic_ring_feed(ring)).position);
		pg_atomic_write_u64(&taken->latch, (uint64) (uintptr_t) MyLatch);
		pg_atomic_write_u32(&taken->pid, (uint32) MyProcPid);
	}
	LWLockRelease(&ring->lock);
	return taken;
}

void
topic_seat_leave(TopicSeat *seat)
{
	pg_atomic_write_u32(&seat->subscriptions, 0);
	pg_atomic_write_u64(&seat->latch, 0);
	secret_wipe(seat->secret, sizeof(seat->secret));
	pg_memory_barrier(); /* whoever takes it next finds it left */
	pg_atomic_write_u32(&seat->pid, 0);
}

/* stat_topics(): counters of this database since the server started */
Datum
tsec_stat_topics(PG_FUNCTION_ARGS)
{
	TupleDesc shape;
	Datum values[6];
	bool nulls[6] = {0};
	TopicRing *ring;
	int64 listeners = 0;
	int64 subscriptions = 0;
	double fill = 0;

	base_require_preload("counting messages");
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: stat_topics() returns a row");
	ring = topic_ring_find();
	for (int i = 0; ring != NULL && i < TOPIC_LISTENERS_MAX; i++)
	{
		TopicSeat *seat = &ring->seats[i];
		uint32 count = pg_atomic_read_u32(&seat->subscriptions);

		if (pg_atomic_read_u32(&seat->pid) == 0)
			continue;
		listeners++;
		subscriptions += count;
		if (count > 0)
			fill = Max(fill, feed_behind(topic_ring_feed(ring), pg_atomic_read_u64(&seat->position)));
	}
	values[0] = Int64GetDatum(ring == NULL ? 0 : (int64) pg_atomic_read_u64(&ring->published));
	values[1] = Int64GetDatum(ring == NULL ? 0 : (int64) pg_atomic_read_u64(&ring->delivered));
	values[2] = Int64GetDatum(ring == NULL ? 0 : (int64) pg_atomic_read_u64(&ring->lost));
	values[3] = Int64GetDatum(listeners);
	values[4] = Int64GetDatum(subscriptions);
	values[5] = Float8GetDatum(fill);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
