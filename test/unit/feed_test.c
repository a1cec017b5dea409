/*
 * feed_test.c
 *		The feed of messages: order, numbers, the turn at its end, readers that
 *		are overtaken, damage, and a writer in front of several readers.
 */
#include "unit.h"

#include "common/feed.h"

#include <pthread.h>

#define ROOM 4096

static Feed
new_feed(size_t size, uint64_t first)
{
	Feed feed = {aligned_alloc(FEED_CACHE_LINE, feed_memory_size(size)), size};

	if (feed.memory == NULL)
		abort();
	memset(feed.memory, 0xa5, feed_memory_size(size)); /* what shared memory holds before */
	feed_init(feed, first);
	return feed;
}

/* An entry whose content follows from its number and length. */
static size_t
make_entry(uint8_t *entry, uint64_t number, size_t length)
{
	unit_fill(entry, length, (unsigned) (number * 31 + length));
	return length;
}

static bool
is_entry(const uint8_t *entry, uint64_t number, size_t length)
{
	uint8_t expected[ROOM];

	make_entry(expected, number, length);
	return memcmp(expected, entry, length) == 0;
}

static uint64_t
append(Feed feed, uint64_t number, size_t length)
{
	uint8_t entry[ROOM];

	return feed_append(feed, bytes_of(entry, make_entry(entry, number, length)));
}

static void
order_and_numbers(void)
{
	Feed feed = new_feed(1024, 1000);
	FeedCursor cursor = feed_newest(feed);
	uint8_t buffer[ROOM];
	size_t length;
	uint64_t written = 1000;
	uint64_t read = 1000;

	CHECK(cursor.number == 1000 && feed_read(feed, &cursor, buffer, ROOM, &length) == FEED_EMPTY);
	for (int round = 0; round < 500; round++)
	{
		size_t sizes[] = {(size_t) (round % 97), (size_t) (round * 7 % 131 + 1)};

		for (int i = 0; i < 2; i++)
			CHECK(append(feed, written, sizes[i]) == written), written++;
		CHECK(feed_read(feed, &cursor, buffer, ROOM, &length) == FEED_EMPTY, "unpublished in round %d", round);
		feed_publish(feed);
		for (int i = 0; i < 2; i++)
		{
			CHECK(feed_read(feed, &cursor, buffer, ROOM, &length) == FEED_ENTRY && length == sizes[i], "round %d",
				  round);
			CHECK(is_entry(buffer, read, length), "round %d", round);
			read++;
			CHECK(cursor.number == read);
		}
		CHECK(feed_read(feed, &cursor, buffer, ROOM, &length) == FEED_EMPTY);
	}
	CHECK(feed_behind(feed, cursor.position) == 0);
	free(feed.memory);
}

static void
overtaken(void)
{
	Feed feed = new_feed(1024, 1);
	FeedCursor cursor = feed_newest(feed);
	FeedCursor oldest;
	uint8_t buffer[ROOM];
	size_t length;

	for (uint64_t number = 1; number <= 100; number++)
		append(feed, number, 48); /* 64 bytes each: 16 fit */
	feed_publish(feed);
	CHECK(feed_behind(feed, cursor.position) == 1);
	CHECK(feed_read(feed, &cursor, buffer, ROOM, &length) == FEED_OVERTAKEN && cursor.number == 1);
	oldest = feed_oldest(feed);
	CHECK(oldest.number == 85 && feed_newest(feed).number == 101);
	for (uint64_t number = 85; number <= 100; number++)
		CHECK(feed_read(feed, &oldest, buffer, ROOM, &length) == FEED_ENTRY && is_entry(buffer, number, 48));
	CHECK(feed_read(feed, &oldest, buffer, ROOM, &length) == FEED_EMPTY);
	/* one that needs half of all pushes out as much as it needs, and no more */
	append(feed, 101, 496);
	feed_publish(feed);
	CHECK(feed_oldest(feed).number == 93);
	CHECK(feed_read(feed, &oldest, buffer, 495, &length) == FEED_OVERTAKEN, "no room in the buffer");
	CHECK(feed_read(feed, &oldest, buffer, 496, &length) == FEED_ENTRY && length == 496 &&
		  is_entry(buffer, 101, 496));
	/* what is too long takes a number all the same */
	CHECK(append(feed, 102, 497) == 102);
	feed_publish(feed);
	CHECK(feed_read(feed, &oldest, buffer, ROOM, &length) == FEED_ENTRY && length == 0);
	free(feed.memory);
}

static void
damage(void)
{
	for (unsigned seed = 0; seed < 2000; seed++)
	{
		Feed feed = new_feed(1024, 1);
		FeedCursor cursor = feed_newest(feed);
		uint8_t *buffer = malloc(64);
		uint8_t garbage[16];
		size_t length;

		for (uint64_t number = 1; number <= 10; number++)
			append(feed, number, 48);
		feed_publish(feed);
		unit_fill(garbage, sizeof(garbage), seed);
		memcpy(feed.memory->bytes + seed % 40 * 16, garbage, sizeof(garbage));
		if (seed % 3 == 0)
			feed.memory->head = (uint64_t) seed * 977;
		if (seed % 5 == 0)
			feed.memory->tail = (uint64_t) seed * 31;
		for (int i = 0; i < 20; i++)
		{
			FeedAnswer answer = feed_read(feed, &cursor, buffer, 64, &length);

			CHECK(answer != FEED_ENTRY || length <= 64);
			if (answer == FEED_OVERTAKEN)
				cursor = feed_newest(feed);
		}
		for (uint64_t number = 11; number <= 60; number++)
			append(feed, number, 48);
		feed_publish(feed);
		cursor = feed_newest(feed);
		append(feed, 61, 8);
		feed_publish(feed);
		if (seed % 5 != 0)
			CHECK(feed_read(feed, &cursor, buffer, 64, &length) == FEED_ENTRY && is_entry(buffer, 61, 8), "seed %u",
				  seed);
		free(buffer);
		free(feed.memory);
	}
}

/* ---- one writer, several readers ---- */

#define ENTRIES 400000

typedef struct Follower
{
	Feed feed;
	pthread_mutex_t *lock;
	uint64_t read;
	uint64_t lost;
	uint64_t wrong;
} Follower;

static void *
follow(void *argument)
{
	Follower *own = argument;
	FeedCursor cursor = {0, 1};
	uint8_t buffer[ROOM];
	size_t length;

	while (cursor.number <= ENTRIES)
	{
		uint64_t number = cursor.number;

		switch (feed_read(own->feed, &cursor, buffer, ROOM, &length))
		{
			case FEED_ENTRY:
				own->read++;
				own->wrong += length != number % 200 || !is_entry(buffer, number, length);
				break;
			case FEED_OVERTAKEN:
				pthread_mutex_lock(own->lock);
				cursor = feed_oldest(own->feed);
				pthread_mutex_unlock(own->lock);
				own->lost += cursor.number - number;
				own->wrong += cursor.number <= number;
				break;
			case FEED_EMPTY:
				break;
		}
	}
	return NULL;
}

static void
threads(void)
{
	Feed feed = new_feed(8192, 1);
	pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
	pthread_t thread[3];
	Follower followers[3] = {0};

	for (int i = 0; i < 3; i++)
	{
		followers[i].feed = feed;
		followers[i].lock = &lock;
		pthread_create(&thread[i], NULL, follow, &followers[i]);
	}
	for (uint64_t number = 1; number <= ENTRIES; number++)
	{
		pthread_mutex_lock(&lock);
		append(feed, number, number % 200);
		feed_publish(feed);
		pthread_mutex_unlock(&lock);
	}
	for (int i = 0; i < 3; i++)
	{
		pthread_join(thread[i], NULL);
		CHECK(followers[i].wrong == 0, "%llu wrong", (unsigned long long) followers[i].wrong);
		CHECK(followers[i].read + followers[i].lost == ENTRIES, "%llu read, %llu lost",
			  (unsigned long long) followers[i].read, (unsigned long long) followers[i].lost);
	}
	free(feed.memory);
}

static const UnitCase cases[] = {
	{"what is published is read, in order and by number", order_and_numbers},
	{"a reader that is too slow is told, and goes on with the oldest", overtaken},
	{"damaged memory is not followed", damage},
	{"several readers behind a writer get whole entries or are told", threads},
};

UNIT_MAIN(cases)
