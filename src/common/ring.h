/*
 * ring.h
 *		A bounded queue of byte strings in shared memory: many processes push,
 *		one takes out, nobody ever waits and nobody holds a lock.
 *
 * An entry takes 1 to RING_ENTRY_SLOTS_MAX consecutive slots.  Positions count
 * slots from the beginning of time and never wrap (64 bits); a position stands
 * in slot "position modulo slots".  A pusher reserves positions by moving
 * head, copies, and publishes by writing position + 1 as the first slot's
 * sequence.  The one reader gives slots back by moving tail.
 *
 * Shared memory is not trusted with memory safety: the number of slots comes
 * from the caller, lengths are checked, and a pusher that died or is very late
 * costs entries, never more.
 */
#ifndef TSEC_RING_H
#define TSEC_RING_H

#include "bytes.h"

#include <stdatomic.h>
#include <stdbool.h>

#define RING_SLOT_SIZE 1024
#define RING_SLOT_PAYLOAD (RING_SLOT_SIZE - 16)
#define RING_ENTRY_SLOTS_MAX 8
#define RING_ENTRY_MAX ((size_t) RING_ENTRY_SLOTS_MAX * RING_SLOT_PAYLOAD)
#define RING_SLOTS_MIN (2 * RING_ENTRY_SLOTS_MAX)
#define RING_CACHE_LINE 64

typedef struct RingSlot
{
	_Atomic uint64_t sequence; /* position + 1 once the entry that begins here may be read */
	uint32_t length;           /* of the whole entry, in bytes */
	uint32_t unused;
	uint8_t payload[RING_SLOT_PAYLOAD];
} RingSlot;

/* What lies in shared memory; each counter in a cache line of its own. */
typedef struct RingMemory
{
	_Alignas(RING_CACHE_LINE) _Atomic uint64_t head; /* the next position to be reserved */
	_Alignas(RING_CACHE_LINE) _Atomic uint64_t tail; /* everything before it may be overwritten */
	_Alignas(RING_CACHE_LINE) RingSlot slot[];
} RingMemory;

/* One process's view of a ring: where it lies and how long it is. */
typedef struct Ring
{
	RingMemory *memory; /* aligned to RING_CACHE_LINE */
	uint32_t slots;     /* RING_SLOTS_MIN at least */
} Ring;

typedef enum RingAnswer
{
	RING_ENTRY,   /* an entry was copied */
	RING_EMPTY,   /* nothing was pushed beyond the cursor */
	RING_UNREADY, /* somebody reserved the cursor's position and has not published yet */
	RING_DAMAGED  /* what stands at the cursor is no entry; one slot was passed over */
} RingAnswer;

/* Bytes of shared memory that a ring of so many slots takes, a multiple of RING_CACHE_LINE. */
extern size_t ring_size(uint32_t slots);

/* Makes an empty ring; before anybody else sees it. */
extern void ring_init(Ring ring);

/*
 * Pushes an entry of 1 to RING_ENTRY_MAX bytes.  False when there is no room,
 * or for any other length.  Safe in signal handlers and in any process.
 */
extern bool ring_push(Ring ring, Bytes entry);

/* Where the reader begins: the first position that was not given back. */
extern uint64_t ring_begin(Ring ring);

/*
 * Copies the entry at the cursor into a buffer of RING_ENTRY_MAX bytes and
 * moves the cursor behind it.  The slots stay occupied until ring_consume().
 */
extern RingAnswer ring_read(Ring ring, uint64_t *cursor, uint8_t *buffer, size_t *length);

/* The position that will be reserved next: whoever reserved before it did so before this call. */
extern uint64_t ring_end(Ring ring);

/*
 * Moves the cursor from an unready position to the next that can be read, at
 * most to the limit.  The limit is a ring_end() of so long ago that whoever
 * reserved before it and has not published is dead.  Returns how many
 * entries it passed over, as far as their lengths were still written.
 */
extern uint64_t ring_skip(Ring ring, uint64_t *cursor, uint64_t limit);

/* Gives back everything before the cursor. */
extern void ring_consume(Ring ring, uint64_t cursor);

/* Slots taken at the moment; 0 when the ring is empty. */
extern uint64_t ring_fill(Ring ring);

#endif /* TSEC_RING_H */
