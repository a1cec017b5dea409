/*
 * ring.c
 *		The queue of ring.h.
 *
 * Order of memory: a pusher's copy is seen by the reader because publishing
 * releases the sequence that the reader acquires; the reader's copy is done
 * before a pusher overwrites it because consuming releases tail, which the
 * pusher acquires before it reserves.
 */
#include "ring.h"

#include <string.h>

_Static_assert(sizeof(RingSlot) == RING_SLOT_SIZE, "a slot is 1 KiB of shared memory");
_Static_assert(offsetof(RingSlot, payload) == 16, "the payload begins behind sequence and length");
_Static_assert(offsetof(RingMemory, slot) % RING_CACHE_LINE == 0, "slots begin at a cache line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock, which processes would not share");

static RingSlot *
slot_at(Ring ring, uint64_t position)
{
	return &ring.memory->slot[position % ring.slots];
}

static uint64_t
slots_of(size_t length)
{
	return (length + RING_SLOT_PAYLOAD - 1) / RING_SLOT_PAYLOAD;
}

size_t
ring_size(uint32_t slots)
{
	return offsetof(RingMemory, slot) + (size_t) slots * sizeof(RingSlot);
}

void
ring_init(Ring ring)
{
	atomic_init(&ring.memory->head, 0);
	atomic_init(&ring.memory->tail, 0);
	for (uint32_t i = 0; i < ring.slots; i++)
	{
		atomic_init(&ring.memory->slot[i].sequence, 0);
		ring.memory->slot[i].length = 0;
		ring.memory->slot[i].unused = 0;
	}
}

/* Reserves consecutive positions; false when there is no room. */
static bool
reserve(Ring ring, uint64_t wanted, uint64_t *position)
{
	uint64_t head = atomic_load_explicit(&ring.memory->head, memory_order_relaxed);

	for (;;)
	{
		uint64_t tail = atomic_load_explicit(&ring.memory->tail, memory_order_acquire);

		if (tail > head)
		{
			/* others have pushed and the reader has followed since head was read */
			uint64_t newer = atomic_load_explicit(&ring.memory->head, memory_order_relaxed);

			if (newer <= head)
				return false; /* damaged: tail never passes head */
			head = newer;
			continue;
		}
		if (head - tail > ring.slots || wanted > ring.slots - (head - tail))
			return false;
		if (atomic_compare_exchange_weak_explicit(&ring.memory->head, &head, head + wanted, memory_order_relaxed,
												  memory_order_relaxed))
		{
			*position = head;
			return true;
		}
	}
}

bool
ring_push(Ring ring, Bytes entry)
{
	uint64_t position;
	RingSlot *first;
	size_t done = 0;

	if (entry.length == 0 || entry.length > RING_ENTRY_MAX || !reserve(ring, slots_of(entry.length), &position))
		return false;
	first = slot_at(ring, position);
	first->length = (uint32_t) entry.length;
	for (uint64_t at = position; done < entry.length; at++)
	{
		size_t part = entry.length - done < RING_SLOT_PAYLOAD ? entry.length - done : RING_SLOT_PAYLOAD;

		memcpy(slot_at(ring, at)->payload, entry.data + done, part);
		done += part;
	}
	atomic_store_explicit(&first->sequence, position + 1, memory_order_release);
	return true;
}

uint64_t
ring_begin(Ring ring)
{
	return atomic_load_explicit(&ring.memory->tail, memory_order_relaxed);
}

/* Whether an entry that begins at a position was published. */
static bool
is_ready(Ring ring, uint64_t position)
{
	return atomic_load_explicit(&slot_at(ring, position)->sequence, memory_order_acquire) == position + 1;
}

RingAnswer
ring_read(Ring ring, uint64_t *cursor, uint8_t *buffer, size_t *length)
{
	uint64_t head = atomic_load_explicit(&ring.memory->head, memory_order_acquire);
	size_t done = 0;
	size_t size;

	if (*cursor >= head)
		return RING_EMPTY;
	if (!is_ready(ring, *cursor))
		return RING_UNREADY;
	size = slot_at(ring, *cursor)->length; /* read once: what is checked is what is used */
	if (size == 0 || size > RING_ENTRY_MAX || slots_of(size) > head - *cursor)
	{
		(*cursor)++;
		return RING_DAMAGED;
	}
	for (uint64_t at = *cursor; done < size; at++)
	{
		size_t part = size - done < RING_SLOT_PAYLOAD ? size - done : RING_SLOT_PAYLOAD;

		memcpy(buffer + done, slot_at(ring, at)->payload, part);
		done += part;
	}
	*cursor += slots_of(size);
	*length = size;
	return RING_ENTRY;
}

uint64_t
ring_end(Ring ring)
{
	return atomic_load_explicit(&ring.memory->head, memory_order_acquire);
}

uint64_t
ring_skip(Ring ring, uint64_t *cursor, uint64_t limit)
{
	uint64_t entries = 0;
	uint64_t next = *cursor; /* where the entry that is passed over ends */

	while (*cursor < limit)
	{
		if (*cursor >= next)
		{
			/* its pusher wrote the length first, unless it died before even that */
			size_t size = slot_at(ring, *cursor)->length;

			next = *cursor + (size > 0 && size <= RING_ENTRY_MAX ? slots_of(size) : 1);
			entries++;
		}
		(*cursor)++;
		if (*cursor < limit && is_ready(ring, *cursor))
			break;
	}
	return entries;
}

void
ring_consume(Ring ring, uint64_t cursor)
{
	atomic_store_explicit(&ring.memory->tail, cursor, memory_order_release);
}

uint64_t
ring_fill(Ring ring)
{
	uint64_t tail = atomic_load_explicit(&ring.memory->tail, memory_order_relaxed);
	uint64_t head = atomic_load_explicit(&ring.memory->head, memory_order_relaxed);

	return head > tail ? head - tail : 0;
}
