/*
 * area_push.c
 *		Events go into the ring of their database: who wakes whom, and how much of a
 *		ring is whose.
 *
 * Locking: none, see area.c.
 */
#include "event/private.h"

#include "miscadmin.h"
#include "utils/timestamp.h"

/*
 * Wakes who takes the event on: the reader; else the launcher, unless it has a time set for this ring already and every
 * event of a flood would only make it look around in vain.
 */
static void
wake_for(EventRing *ring)
{
	if (pg_atomic_read_u64(&ring->reader_latch) != 0)
		area_wake_reader(ring);
	else if (base_has_come((TimestampTz) pg_atomic_read_u64(&ring->retry_at), launcher_delay_ms(PG_UINT32_MAX)))
		area_wake_launcher();
}

TimestampTz
area_waiting_since(EventRing *ring)
{
	return ring_fill(area_queue(ring)) == 0 ? 0 : (TimestampTz) pg_atomic_read_u64(&ring->waiting_since);
}

/* Notes when the first event came into an empty ring. */
static void
note_waiting(EventRing *ring)
{
	uint64 none = 0;

	if (pg_atomic_read_u64(&ring->waiting_since) == 0)
		(void) pg_atomic_compare_exchange_u64(&ring->waiting_since, &none, (uint64) GetCurrentTimestamp());
}

void
area_note_taken(EventRing *ring, TimestampTz rest_waits_since)
{
	pg_atomic_write_u64(&ring->waiting_since, 0);
	pg_memory_barrier(); /* whose event is not seen below sees the 0 */
	if (ring_fill(area_queue(ring)) > 0)
		pg_atomic_write_u64(&ring->waiting_since, (uint64) rest_waits_since);
}

void
area_note_reported(EventRing *ring, uint64 drops)
{
	if (drops == 0)
		return;
	pg_atomic_write_u64(&ring->reported, drops);
	pg_atomic_fetch_add_u64(&ring->emitted, 1);
	pg_atomic_fetch_add_u64(&ring->written, 1);
}

/* Whether events of a share may have no more of a ring for now. */
static bool
is_full_for(EventShare share, Ring queue)
{
	static const uint64 quarters[SHARES] = {[SHARE_OWN] = 4, [SHARE_ANYBODY] = 3, [SHARE_APPLICATION] = 2};

	return share != SHARE_OWN && ring_fill(queue) >= queue.slots / 4 * quarters[share];
}

/* How many events this process has pushed. */
static uint64 pushed = 0;

static bool
push(Oid database, Bytes record, EventShare share)
{
	EventRing *ring;
	Ring queue;
	bool taken;

	/* what no database is to record, as before the one of twin_security.cluster_database is made, is not recorded */
	if (area_count() == 0 || !OidIsValid(database))
		return false;
	ring = area_ring_for(database);
	pushed++;
	if (ring == NULL)
	{
		area_count_homeless();
		return false;
	}
	pg_atomic_fetch_add_u64(&ring->emitted, 1);
	counted_pushed(area_counted(ring), record);
	queue = area_queue(ring);
	taken = !is_full_for(share, queue) && ring_push(queue, record);
	if (taken)
		note_waiting(ring);
	else
		pg_atomic_fetch_add_u64(&ring->dropped, 1);
	wake_for(ring);
	return taken;
}

double
area_fill(void)
{
	EventRing *ring = area_count() == 0 || !OidIsValid(MyDatabaseId) ? NULL : area_ring_for(MyDatabaseId);

	return ring == NULL ? 0 : (double) ring_fill(area_queue(ring)) / setting_event_ring_size;
}

bool
area_push(Bytes record, EventShare share)
{
	return push(OidIsValid(MyDatabaseId) || area_count() == 0 ? MyDatabaseId : area_cluster_database(), record,
				share);
}

bool
area_push_to_cluster(Bytes record, EventShare share)
{
	return push(area_count() == 0 ? InvalidOid : area_cluster_database(), record, share);
}

void
area_count_lost(uint64 count)
{
	EventRing *ring = area_count() == 0 ? NULL : area_own();

	if (ring == NULL)
		return;
	pg_atomic_fetch_add_u64(&ring->emitted, (int64) count);
	pg_atomic_fetch_add_u64(&ring->dropped, (int64) count);
	wake_for(ring);
}

bool
area_is_crowded(void)
{
	EventRing *ring = area_find(MyDatabaseId);

	return ring != NULL && is_full_for(SHARE_APPLICATION, area_queue(ring));
}

bool
area_has_room(uint64 *taken_up_to)
{
	EventRing *ring = area_find(MyDatabaseId);
	Ring queue;

	/* nobody waits for himself */
	if (ring == NULL || area_is_reader())
		return true;
	queue = area_queue(ring);
	*taken_up_to = ring_begin(queue);
	return ring_fill(queue) < queue.slots / 16 * 7;
}

uint64
area_pushed(void)
{
	return pushed;
}
