/*
 * feed.h
 *		A feed in shared memory: writers append in turn, any number of readers
 *		follow at their own pace, and the oldest entries are overwritten.
 *
 * Positions count bytes from the beginning of time and never wrap (64 bits).
 * Writers hold a lock of the caller's against each other; readers hold none,
 * so nobody who reads keeps anybody who writes waiting: a reader copies first
 * and then looks whether what it copied was still there.  Entries are numbered
 * without gaps, so a reader that was overtaken knows how many it missed.
 *
 * Shared memory is not trusted with memory safety: the size comes from the
 * caller, and lengths found in it are checked.
 */
#ifndef TSEC_FEED_H
#define TSEC_FEED_H

#include "bytes.h"

#include <stdatomic.h>
#include <stdbool.h>

#define FEED_CACHE_LINE 64
#define FEED_ALIGNMENT 16

/* What stands before an entry's bytes; it never wraps. */
typedef struct FeedHeader
{
	uint64_t number;
	uint32_t length;
	uint32_t unused;
} FeedHeader;

/* What lies in shared memory. */
typedef struct FeedMemory
{
	_Alignas(FEED_CACHE_LINE) _Atomic uint64_t head; /* entries before it may be read */
	_Alignas(FEED_CACHE_LINE) _Atomic uint64_t tail; /* entries from it on are whole */
	uint64_t end;                                    /* the writers': behind the newest entry, published or not */
	uint64_t next_number;                            /* the writers': of the next entry */
	_Alignas(FEED_CACHE_LINE) uint8_t bytes[];
} FeedMemory;

/* One process's view of a feed. */
typedef struct Feed
{
	FeedMemory *memory; /* aligned to FEED_CACHE_LINE */
	size_t size;        /* bytes for entries: a multiple of FEED_ALIGNMENT */
} Feed;

/* Where a reader is: before the entry of that number. */
typedef struct FeedCursor
{
	uint64_t position;
	uint64_t number;
} FeedCursor;

typedef enum FeedAnswer
{
	FEED_ENTRY,    /* an entry was copied, and the cursor is behind it */
	FEED_EMPTY,    /* there is none beyond the cursor */
	FEED_OVERTAKEN /* what stood at the cursor is overwritten, or is no entry: go on from feed_oldest() */
} FeedAnswer;

/* Bytes of shared memory that a feed takes. */
extern size_t feed_memory_size(size_t size);

/* Makes an empty feed; before anybody else sees it. */
extern void feed_init(Feed feed, uint64_t first_number);

/* Bytes that an entry of a length takes in the feed. */
extern size_t feed_room(size_t length);

/*
 * Appends an entry whose feed_room() is at most half the feed's size, and
 * returns its number.  Under the writers' lock; readers see it after
 * feed_publish().  Cannot fail: what is longer is appended empty.
 */
extern uint64_t feed_append(Feed feed, Bytes entry);
extern void feed_publish(Feed feed);

/* Before the oldest entry that is there; behind the newest.  Under the writers' lock. */
extern FeedCursor feed_oldest(Feed feed);
extern FeedCursor feed_newest(Feed feed);

/* Copies the entry at the cursor into a buffer, and moves the cursor behind it.  An entry longer than room counts as overtaken. */
extern FeedAnswer feed_read(Feed feed, FeedCursor *cursor, uint8_t *buffer, size_t room, size_t *length);

/* How much of the feed lies behind a position: 0 nothing, 1 all of it. */
extern double feed_behind(Feed feed, uint64_t position);

#endif /* TSEC_FEED_H */
