/*
 * ring_test.c
 *		The queue of security events: order, room, entries over several slots,
 *		pushers that died, damage, and threads against one reader.
 *
 * Data races are looked for by ThreadSanitizer:
 *		make -C test/unit check TESTS=ring SANITIZE=-fsanitize=thread BUILD=/tmp/tsan
 */
#include "unit.h"

#include "common/ring.h"

#include <pthread.h>

static Ring
new_ring(uint32_t slots)
{
	Ring ring = {aligned_alloc(RING_CACHE_LINE, ring_size(slots)), slots};

	if (ring.memory == NULL)
		abort();
	memset(ring.memory, 0xa5, ring_size(slots)); /* what shared memory holds before */
	ring_init(ring);
	return ring;
}

/* An entry that says who made it, which one it is and how long, filled with what follows from these. */
typedef struct Mark
{
	uint32_t pusher;
	uint32_t number;
	uint32_t length;
} Mark;

static size_t
make_entry(uint8_t *entry, uint32_t pusher, uint32_t number, uint32_t length)
{
	Mark mark = {pusher, number, length < sizeof(Mark) ? (uint32_t) sizeof(Mark) : length};

	unit_fill(entry, mark.length, pusher * 7919 + number);
	memcpy(entry, &mark, sizeof(mark));
	return mark.length;
}

static bool
push(Ring ring, uint32_t pusher, uint32_t number, uint32_t length)
{
	uint8_t entry[RING_ENTRY_MAX];

	return ring_push(ring, bytes_of(entry, make_entry(entry, pusher, number, length)));
}

/* Whether bytes are an entry as make_entry makes it; says which. */
static bool
is_entry(const uint8_t *bytes, size_t length, Mark *mark)
{
	uint8_t again[RING_ENTRY_MAX];

	if (length < sizeof(Mark))
		return false;
	memcpy(mark, bytes, sizeof(*mark));
	return mark->length == length && mark->length <= sizeof(again) &&
		   make_entry(again, mark->pusher, mark->number, mark->length) == length && memcmp(again, bytes, length) == 0;
}

static bool
reads(Ring ring, uint64_t *cursor, uint32_t number)
{
	uint8_t buffer[RING_ENTRY_MAX];
	size_t length;
	Mark mark;

	return ring_read(ring, cursor, buffer, &length) == RING_ENTRY && is_entry(buffer, length, &mark) &&
		   mark.number == number;
}

static RingAnswer
answer(Ring ring, uint64_t *cursor)
{
	uint8_t buffer[RING_ENTRY_MAX];
	size_t length;

	return ring_read(ring, cursor, buffer, &length);
}

static void
sizes(void)
{
	Ring ring = new_ring(40);
	uint8_t *big = unit_memory(RING_ENTRY_MAX + 1);
	uint64_t cursor = ring_begin(ring);
	static const uint32_t lengths[] = {12,
									   13,
									   RING_SLOT_PAYLOAD - 1,
									   RING_SLOT_PAYLOAD,
									   RING_SLOT_PAYLOAD + 1,
									   3 * RING_SLOT_PAYLOAD,
									   RING_ENTRY_MAX - 1,
									   RING_ENTRY_MAX};

	memset(big, 1, RING_ENTRY_MAX + 1);
	CHECK(!ring_push(ring, bytes_of(big, 0)));
	CHECK(!ring_push(ring, bytes_of(big, RING_ENTRY_MAX + 1)));
	CHECK(ring_fill(ring) == 0);
	CHECK(answer(ring, &cursor) == RING_EMPTY);
	for (uint32_t lap = 0; lap < 50; lap++)
		for (uint32_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		{
			CHECK(push(ring, 1, lap * 100 + i, lengths[i]), "lap %u length %u", lap, lengths[i]);
			CHECK(reads(ring, &cursor, lap * 100 + i), "lap %u length %u", lap, lengths[i]);
			ring_consume(ring, cursor);
			CHECK(ring_fill(ring) == 0);
		}
	free(big);
	free(ring.memory);
}

static void
full(void)
{
	Ring ring = new_ring(20);
	uint64_t cursor = ring_begin(ring);
	uint32_t pushed = 0;

	while (push(ring, 1, pushed, RING_SLOT_PAYLOAD + 1))
		pushed++;
	CHECK(pushed == 10, "%u", pushed);
	CHECK(ring_fill(ring) == 20);
	CHECK(!push(ring, 1, 99, 12));
	CHECK(reads(ring, &cursor, 0));
	CHECK(!push(ring, 1, 99, 12), "read is not given back");
	ring_consume(ring, cursor);
	CHECK(!push(ring, 1, 99, 2 * RING_SLOT_PAYLOAD + 1), "three slots where two are free");
	CHECK(push(ring, 1, 10, 12));
	CHECK(push(ring, 1, 11, 12));
	CHECK(!push(ring, 1, 99, 12));
	for (uint32_t i = 1; i < 12; i++)
		CHECK(reads(ring, &cursor, i), "%u", i);
	CHECK(answer(ring, &cursor) == RING_EMPTY);

	/* what was not given back is read again */
	cursor = ring_begin(ring);
	CHECK(reads(ring, &cursor, 1));
	free(ring.memory);
}

/* Reserves as a pusher that dies before it publishes. */
static void
die_while_pushing(Ring ring, uint64_t slots)
{
	atomic_fetch_add(&ring.memory->head, slots);
}

static void
dead_pushers(void)
{
	Ring ring = new_ring(20);
	uint64_t cursor;
	uint64_t limit;
	uint32_t number = 0;

	for (int lap = 0; lap < 40; lap++)
	{
		cursor = ring_begin(ring);
		CHECK(push(ring, 1, number++, 2000));
		die_while_pushing(ring, 1 + (uint64_t) lap % RING_ENTRY_SLOTS_MAX);
		CHECK(push(ring, 1, number++, 12));
		die_while_pushing(ring, 3);
		CHECK(reads(ring, &cursor, number - 2));
		CHECK(answer(ring, &cursor) == RING_UNREADY, "lap %d", lap);
		limit = ring_end(ring);
		ring_skip(ring, &cursor, limit);
		CHECK(reads(ring, &cursor, number - 1), "lap %d", lap);
		CHECK(answer(ring, &cursor) == RING_UNREADY);
		CHECK(push(ring, 1, number++, 12));
		ring_skip(ring, &cursor, limit);
		CHECK(cursor == limit, "not beyond those that are known to be dead");
		CHECK(reads(ring, &cursor, number - 1));
		CHECK(answer(ring, &cursor) == RING_EMPTY);
		ring_consume(ring, cursor);
	}
	free(ring.memory);
}

/* Those that died after they had written how long their entries are can be told apart. */
static void
dead_entries(void)
{
	Ring ring = new_ring(20);
	uint64_t cursor;

	for (int lap = 0; lap < 40; lap++)
	{
		uint64_t begin = ring_end(ring);

		cursor = ring_begin(ring);
		die_while_pushing(ring, 2 + 1 + 3);
		ring.memory->slot[begin % 20].length = RING_SLOT_PAYLOAD + 1;
		ring.memory->slot[(begin + 2) % 20].length = 1;
		ring.memory->slot[(begin + 3) % 20].length = 3 * RING_SLOT_PAYLOAD;
		CHECK(push(ring, 1, (uint32_t) lap, 12));
		CHECK(ring_skip(ring, &cursor, ring_end(ring)) == 3, "lap %d", lap);
		CHECK(reads(ring, &cursor, (uint32_t) lap), "lap %d", lap);
		ring_consume(ring, cursor);
	}
	free(ring.memory);
}

static void
late_pusher(void)
{
	Ring ring = new_ring(16);
	uint64_t cursor = ring_begin(ring);

	/* it reserved position 0, was given up, and publishes a lap later */
	die_while_pushing(ring, 1);
	ring_skip(ring, &cursor, ring_end(ring));
	ring_consume(ring, cursor);
	for (uint32_t i = 0; i < 15; i++)
		CHECK(push(ring, 1, i, 12) && reads(ring, &cursor, i));
	ring_consume(ring, cursor);
	CHECK(push(ring, 1, 15, 12));
	atomic_store(&ring.memory->slot[0].sequence, 1);
	CHECK(answer(ring, &cursor) == RING_UNREADY, "its entry is lost, and nothing else is");
	ring_skip(ring, &cursor, ring_end(ring));
	ring_consume(ring, cursor);
	CHECK(push(ring, 1, 16, 12) && reads(ring, &cursor, 16));
	free(ring.memory);
}

static void
damage(void)
{
	static const uint32_t lengths[] = {0, RING_ENTRY_MAX + 1, UINT32_MAX, RING_SLOT_PAYLOAD + 1};

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
	{
		Ring ring = new_ring(16);
		uint64_t cursor = ring_begin(ring);

		CHECK(push(ring, 1, 1, 12));
		ring.memory->slot[0].length = lengths[i];
		CHECK(answer(ring, &cursor) == RING_DAMAGED, "length %u", lengths[i]);
		CHECK(answer(ring, &cursor) == RING_EMPTY);
		ring_consume(ring, cursor);
		CHECK(push(ring, 1, 2, 5000) && reads(ring, &cursor, 2));

		/* counters that lie make it full or empty, no worse */
		atomic_store(&ring.memory->tail, UINT64_MAX - 3);
		CHECK(!push(ring, 1, 3, 12));
		CHECK(ring_fill(ring) == 0);
		atomic_store(&ring.memory->tail, 0);
		atomic_store(&ring.memory->head, UINT64_MAX / 2);
		CHECK(!push(ring, 1, 3, 12));
		free(ring.memory);
	}
}

/* ---- threads ---- */

#define PUSHERS 4
#define ENTRIES 20000

typedef struct Pusher
{
	Ring ring;
	uint32_t id;
	uint32_t refused;
	_Atomic uint32_t *running;
	pthread_t thread;
} Pusher;

static void *
push_many(void *argument)
{
	Pusher *self = argument;

	for (uint32_t i = 0; i < ENTRIES; i++)
	{
		uint32_t length = (i * 2654435761u + self->id) % RING_ENTRY_MAX + 1;

		if (i % 8 != 0)
			length %= 600;
		self->refused += !push(self->ring, self->id, i, length);
	}
	atomic_fetch_sub(self->running, 1);
	return NULL;
}

/* Every entry comes out whole, each pusher's in their order, and none that was accepted is missing. */
static void
threads(void)
{
	Ring ring = new_ring(64);
	Pusher pushers[PUSHERS];
	int64_t last[PUSHERS];
	uint32_t seen = 0;
	uint32_t refused = 0;
	uint64_t cursor = ring_begin(ring);
	uint8_t buffer[RING_ENTRY_MAX];
	_Atomic uint32_t running = PUSHERS;

	for (uint32_t i = 0; i < PUSHERS; i++)
	{
		pushers[i] = (Pusher){.ring = ring, .id = i, .running = &running};
		last[i] = -1;
		if (pthread_create(&pushers[i].thread, NULL, push_many, &pushers[i]) != 0)
			abort();
	}
	for (;;)
	{
		bool over = atomic_load(&running) == 0;
		size_t length;
		RingAnswer got = ring_read(ring, &cursor, buffer, &length);
		Mark mark;

		if (got == RING_ENTRY)
		{
			seen++;
			if (CHECK(is_entry(buffer, length, &mark), "an entry that nobody pushed") && CHECK(mark.pusher < PUSHERS))
			{
				CHECK((int64_t) mark.number > last[mark.pusher], "pusher %u", mark.pusher);
				last[mark.pusher] = mark.number;
			}
			if (seen % 7 != 0)
				continue;
		}
		else if (got == RING_EMPTY && over)
			break;
		else
			CHECK(got == RING_EMPTY || got == RING_UNREADY, "%d", (int) got);
		ring_consume(ring, cursor);
	}
	for (uint32_t i = 0; i < PUSHERS; i++)
	{
		(void) pthread_join(pushers[i].thread, NULL);
		refused += pushers[i].refused;
	}
	CHECK(seen + refused == PUSHERS * ENTRIES, "%u read, %u refused", seen, refused);
	CHECK(seen > 0);
	free(ring.memory);
}

static const UnitCase cases[] = {
	{"entries of every size come out as they went in", sizes},
	{"a full ring refuses, and takes again what was given back", full},
	{"dead pushers cost their own entries only", dead_pushers},
	{"dead entries are counted", dead_entries},
	{"a very late pusher costs one entry", late_pusher},
	{"damaged shared memory is never followed", damage},
	{"threads push while one reads", threads},
};

UNIT_MAIN(cases)
