/*
 * feed_fuzz.c
 *		The feed in shared memory, as a row of steps: a byte that says which, and
 *		two for how much.
 *
 * A reader gets every entry in order and whole, or learns that he was overtaken
 * and goes on from the oldest, from whose number he knows how many he missed.
 * With the memory damaged nothing of this holds, but no byte outside of it is
 * touched.
 */
#include "fuzz.h"

#include "common/feed.h"

#define SIZE ((size_t) 512)
#define READERS 3

static uint8_t
mark_of(uint64_t number, size_t length)
{
	return (uint8_t) (number * 7 + length);
}

/* What an entry of a number was appended with; longer ones than half the feed are empty. */
static size_t
length_of(uint64_t number)
{
	return (size_t) (number * number * 37 % (SIZE / 2 + 40));
}

static void
append(Feed feed, bool is_damaged, uint64_t *next)
{
	size_t length = length_of(*next);
	uint8_t *entry = fuzz_memory(length);
	uint64_t number;

	memset(entry, mark_of(*next, length), length);
	number = feed_append(feed, bytes_of(entry, length));
	free(entry);
	if (!is_damaged)
		MUST(number == (*next)++);
}

static void
take(Feed feed, FeedCursor *cursor, bool is_damaged, size_t room)
{
	FeedCursor before = *cursor;
	uint8_t *buffer = fuzz_memory(room);
	size_t length = SIZE_MAX;
	FeedAnswer answer = feed_read(feed, cursor, buffer, room, &length);

	MUST(feed_behind(feed, cursor->position) >= 0 && feed_behind(feed, cursor->position) <= 1);
	MUST(answer != FEED_ENTRY || length <= room);
	if (answer == FEED_OVERTAKEN)
	{
		FeedCursor oldest;

		/* under the writers' lock all is published */
		feed_publish(feed);
		oldest = feed_oldest(feed);
		/* what is longer than the room stays where it is */
		MUST(is_damaged || oldest.number > before.number || length_of(before.number) > room);
		*cursor = oldest.number == before.number ? feed_newest(feed) : oldest;
	}
	else if (answer == FEED_ENTRY && !is_damaged)
	{
		size_t expected = length_of(before.number);

		if (feed_room(expected) > SIZE / 2)
			expected = 0;
		MUST(length == expected && cursor->number == before.number + 1);
		for (size_t i = 0; i < length; i++)
			MUST(buffer[i] == mark_of(before.number, length));
	}
	free(buffer);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* the last bytes of the last cache line are nobody's */
	uint8_t *memory = aligned_alloc(FEED_CACHE_LINE, feed_memory_size(SIZE));
	Feed feed = {(FeedMemory *) memory, SIZE};
	FeedCursor cursors[READERS];
	uint64_t next = 1;
	bool is_damaged = false;

	MUST(memory != NULL);
	feed_init(feed, next);
	for (int i = 0; i < READERS; i++)
		cursors[i] = feed_newest(feed);
	for (; size >= 3; data += 3, size -= 3)
	{
		size_t amount = data[1] | (size_t) data[2] << 8;

		switch (data[0] % 5)
		{
			case 0:
				append(feed, is_damaged, &next);
				break;
			case 1:
				feed_publish(feed);
				break;
			case 2:
			case 3:
				take(feed, &cursors[amount % READERS], is_damaged, amount % 3 == 0 ? amount % SIZE : SIZE);
				break;
			default:
				if (data[0] <= 240)
					break;
				memory[amount % feed_memory_size(SIZE)] ^= data[0];
				is_damaged = true;
		}
	}
	free(memory);
	return 0;
}
