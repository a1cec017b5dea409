/*
 * feed.c
 *		The feed of feed.h.
 *
 * Order of memory: a writer moves tail before it overwrites (release fence),
 * and a reader looks at tail again after it copied (acquire fence), so a copy
 * that mixes old and new is never taken; publishing releases head, which the
 * reader acquires before it copies.
 */
#include "feed.h"

#include <string.h>

_Static_assert(sizeof(FeedHeader) == FEED_ALIGNMENT, "a header fits before any end of the feed");
_Static_assert(offsetof(FeedMemory, bytes) % FEED_CACHE_LINE == 0, "entries begin at a cache line");
_Static_assert(ATOMIC_LLONG_LOCK_FREE == 2, "64-bit atomics take no lock, which processes would not share");

size_t
feed_memory_size(size_t size)
{
	size_t whole = offsetof(FeedMemory, bytes) + size;

	return (whole + FEED_CACHE_LINE - 1) / FEED_CACHE_LINE * FEED_CACHE_LINE;
}

void
feed_init(Feed feed, uint64_t first_number)
{
	atomic_init(&feed.memory->head, 0);
	atomic_init(&feed.memory->tail, 0);
	feed.memory->end = 0;
	feed.memory->next_number = first_number;
}

size_t
feed_room(size_t length)
{
	return sizeof(FeedHeader) + (length + FEED_ALIGNMENT - 1) / FEED_ALIGNMENT * FEED_ALIGNMENT;
}

/* Copies bytes into the feed, around its end. */
static void
put(Feed feed, uint64_t position, const void *from, size_t length)
{
	size_t at = (size_t) (position % feed.size);
	size_t first = length < feed.size - at ? length : feed.size - at;

	memcpy(feed.memory->bytes + at, from, first);
	if (first < length)
		memcpy(feed.memory->bytes, (const uint8_t *) from + first, length - first);
}

/* Copies bytes out of the feed, around its end. */
static void
get(Feed feed, uint64_t position, void *to, size_t length)
{
	size_t at = (size_t) (position % feed.size);
	size_t first = length < feed.size - at ? length : feed.size - at;

	memcpy(to, feed.memory->bytes + at, first);
	if (first < length)
		memcpy((uint8_t *) to + first, feed.memory->bytes, length - first);
}

/* Gives up the oldest entries until so many bytes are free. */
static void
make_room(Feed feed, size_t wanted)
{
	FeedMemory *memory = feed.memory;
	uint64_t tail = atomic_load_explicit(&memory->tail, memory_order_relaxed);
	uint64_t before = tail;

	if (memory->end - tail > feed.size)
		tail = memory->end; /* damaged: more than there is room for */
	while (memory->end - tail > feed.size - wanted)
	{
		FeedHeader header = {.length = UINT32_MAX};

		if (tail < memory->end)
			get(feed, tail, &header, sizeof(header));
		if (header.length > feed.size || feed_room(header.length) > memory->end - tail)
			tail = memory->end; /* damaged: nothing of it is kept */
		else
			tail += feed_room(header.length);
	}
	if (tail == before)
		return;
	atomic_store_explicit(&memory->tail, tail, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

uint64_t
feed_append(Feed feed, Bytes entry)
{
	FeedMemory *memory = feed.memory;
	FeedHeader header = {.number = memory->next_number++};
	size_t room = feed_room(entry.length);

	if (entry.length > feed.size || room > feed.size / 2)
	{
		entry.length = 0;
		room = feed_room(0);
	}
	header.length = (uint32_t) entry.length;
	make_room(feed, room);
	put(feed, memory->end, &header, sizeof(header));
	put(feed, memory->end + sizeof(header), entry.data, entry.length);
	memory->end += room;
	return header.number;
}

void
feed_publish(Feed feed)
{
	atomic_store_explicit(&feed.memory->head, feed.memory->end, memory_order_release);
}

FeedCursor
feed_newest(Feed feed)
{
	return (FeedCursor){feed.memory->end, feed.memory->next_number};
}

FeedCursor
feed_oldest(Feed feed)
{
	uint64_t tail = atomic_load_explicit(&feed.memory->tail, memory_order_relaxed);
	FeedHeader header;

	if (tail >= feed.memory->end)
		return feed_newest(feed);
	get(feed, tail, &header, sizeof(header));
	return (FeedCursor){tail, header.number};
}

FeedAnswer
feed_read(Feed feed, FeedCursor *cursor, uint8_t *buffer, size_t room, size_t *length)
{
	uint64_t head = atomic_load_explicit(&feed.memory->head, memory_order_acquire);
	FeedHeader header;
	bool is_entry;

	if (cursor->position == head)
		return FEED_EMPTY;
	if (cursor->position > head || cursor->position < atomic_load_explicit(&feed.memory->tail, memory_order_acquire))
		return FEED_OVERTAKEN;
	get(feed, cursor->position, &header, sizeof(header));
	is_entry = header.number == cursor->number && header.length <= room && header.length <= feed.size &&
			   feed_room(header.length) <= head - cursor->position;
	if (is_entry)
		get(feed, cursor->position + sizeof(header), buffer, header.length);
	atomic_thread_fence(memory_order_acquire);
	if (!is_entry || cursor->position < atomic_load_explicit(&feed.memory->tail, memory_order_relaxed))
		return FEED_OVERTAKEN;
	*length = header.length;
	cursor->position += feed_room(header.length);
	cursor->number++;
	return FEED_ENTRY;
}

double
feed_behind(Feed feed, uint64_t position)
{
	uint64_t head = atomic_load_explicit(&feed.memory->head, memory_order_relaxed);

	if (position >= head)
		return 0;
	return head - position >= feed.size ? 1 : (double) (head - position) / (double) feed.size;
}
