/*
 * written.c
 *		That what the writer wrote is what was sealed: an event lies in its table
 *		for a second before it is, and longer where somebody holds the sealer up.
 *
 * A sum of keyed digests, in shared memory, of all rows that writers committed,
 * and one of those that were sealed.  The writer's process does both, one after the
 * other, so at the end of a round of sealing the second is what the first was at
 * its beginning, unless somebody changed, removed or added rows.  The key never
 * leaves memory, so nobody can make rows that do not show.
 *
 * Rows of changes, and of transactions with many commands, are written by the
 * sessions that make them, and not counted; who edits those has opened the log, or
 * done worse, which is an event that is.
 */
#include "event/private.h"

#include "access/transam.h"
#include "common/digest.h"

void
written_begin(EventRing *ring, Oid table)
{
	if (pg_atomic_read_u32(&ring->written_table) == table && pg_atomic_read_u64(&ring->written_from) != 0)
		return;
	/* of what was written before nobody knows, or the extension was made anew */
	pg_atomic_write_u64(&ring->written_sum, 0);
	pg_atomic_write_u64(&ring->round_sum, 0);
	pg_atomic_write_u64(&ring->sealed_sum, 0);
	pg_atomic_write_u64(&ring->written_from, U64FromFullTransactionId(ReadNextFullTransactionId()));
	pg_atomic_write_u32(&ring->written_table, table);
}

uint64
written_mark(const uint8 *digest)
{
	uint8 keyed[AREA_SECRET_SIZE + DIGEST_SIZE];
	uint8 mark[DIGEST_SIZE];

	memcpy(keyed, area_secret(), AREA_SECRET_SIZE);
	memcpy(keyed + AREA_SECRET_SIZE, digest, DIGEST_SIZE);
	base_check(digest_sha256(bytes_of(keyed, sizeof(keyed)), mark));
	return bytes_get_u64(mark);
}

static EventRing *
own_ring(void)
{
	return area_exists() ? area_own() : NULL;
}

void
event_sealing_begins(void)
{
	EventRing *ring = own_ring();

	if (ring == NULL)
		return;
	written_begin(ring, rows_table());
	pg_atomic_write_u64(&ring->round_sum, pg_atomic_read_u64(&ring->written_sum));
}

uint64
event_sealing_mark(uint64 writer_xid, const uint8 digest[EVENT_WITNESS_SIZE])
{
	EventRing *ring = own_ring();
	uint64 from = ring == NULL ? 0 : pg_atomic_read_u64(&ring->written_from);

	return from != 0 && writer_xid >= from ? written_mark(digest) : 0;
}

bool
event_sealing_differs(uint64 sum)
{
	EventRing *ring = own_ring();

	return ring != NULL && pg_atomic_read_u64(&ring->sealed_sum) + sum != pg_atomic_read_u64(&ring->round_sum);
}

void
event_sealing_settle(uint64 sum, bool was_told)
{
	EventRing *ring = own_ring();

	if (ring == NULL)
		return;
	pg_atomic_fetch_add_u64(&ring->sealed_sum, (int64) sum);
	if (was_told)
		pg_atomic_write_u64(&ring->sealed_sum, pg_atomic_read_u64(&ring->round_sum));
}
