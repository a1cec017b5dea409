/*
 * area.c
 *		The rings in shared memory, one per database, and who reads them.
 *
 * Locking: none.  A ring is claimed for a database by compare-and-swap and
 * released by the launcher when that database is gone, so nobody who emitted
 * into it is left.  Only the process whose pid stands in "reader" takes events
 * out or releases; it is put there by compare-and-swap as well.  Latches are
 * those of PGPROC, which stay where they are: waking one that belongs to
 * another process meanwhile does no harm.
 */
#include "event/private.h"

#include "miscadmin.h"
#include "storage/ipc.h"
#include "storage/latch.h"
#include "utils/timestamp.h"

typedef struct EventArea
{
	pg_atomic_uint64 launcher_latch;
	pg_atomic_uint64 launcher_round;    /* when it last looked around */
	pg_atomic_uint64 homeless;          /* events of databases without a ring */
	pg_atomic_uint64 homeless_reported; /* how many of them stand in a log */
	pg_atomic_uint64 homeless_rest;     /* until when the launcher is not woken for them */
	pg_atomic_uint32 cluster_database;
	pg_atomic_uint64 reserve_latch; /* of the writer in reserve, while it has nothing to do; else 0 */
	pg_atomic_uint32 reserve_ring;  /* which ring it is to serve, from 1 on; 0: none */
	pg_atomic_uint32 reserve_asked; /* whether others wait for it */
	pg_atomic_uint64 spooler_latch; /* of the process that puts events into files, 0 where it is not there */
	pg_atomic_uint64 spooler_asked;
	pg_atomic_uint64 spooler_done;
	uint8 secret[AREA_SECRET_SIZE]; /* made with the area, and never again */
} EventArea;

/* How long the launcher, once it looked for a ring in vain, is left alone by events without one. */
#define HOMELESS_REST_MS 100

#define AREA_HEAD TYPEALIGN(RING_CACHE_LINE, sizeof(EventArea))
#define RING_HEAD TYPEALIGN(RING_CACHE_LINE, sizeof(EventRing))

StaticAssertDecl(sizeof(EventRing) <= 384, "what lies in front of a ring takes six cache lines at most");
StaticAssertDecl(PG_CACHE_LINE_SIZE % RING_CACHE_LINE == 0, "shared memory areas begin where rings may");

static EventArea *area = NULL;
static SharedArea shared;

/* How many rings of how many slots there are: settings that cannot change while the server runs. */
static Size
ring_stride(void)
{
	return RING_HEAD + TYPEALIGN(RING_CACHE_LINE, ring_size((uint32) setting_event_ring_size)) + counted_size();
}

bool
area_exists(void)
{
	return area != NULL && !IsBinaryUpgrade;
}

int
area_count(void)
{
	return area == NULL ? 0 : setting_max_databases;
}

EventRing *
area_ring(int index)
{
	if (index < 0 || index >= area_count())
		return NULL;
	return (EventRing *) ((char *) area + AREA_HEAD + (Size) index * ring_stride());
}

Ring
area_queue(EventRing *owner)
{
	Ring ring = {(RingMemory *) ((char *) owner + RING_HEAD), (uint32) setting_event_ring_size};

	return ring;
}

Counted *
area_counted(EventRing *owner)
{
	return (Counted *) ((char *) owner + ring_stride() - counted_size());
}

/* Forgets everything about a ring but its owner and its reader. */
static void
reset_counters(EventRing *ring)
{
	pg_atomic_write_u64(&ring->emitted, 0);
	pg_atomic_write_u64(&ring->written, 0);
	pg_atomic_write_u64(&ring->dropped, 0);
	pg_atomic_write_u64(&ring->reported, 0);
	pg_atomic_write_u64(&ring->retry_at, 0);
	pg_atomic_write_u64(&ring->absent_since, 0);
	pg_atomic_write_u64(&ring->maintain_at, 0);
	pg_atomic_write_u64(&ring->follow_at, 0);
	pg_atomic_write_u32(&ring->failures, 0);
	follow_forget(ring);
	pg_atomic_write_u32(&ring->id_sequence, 0);
	pg_atomic_write_u32(&ring->written_table, 0);
	pg_atomic_write_u64(&ring->written_from, 0);
	pg_atomic_write_u64(&ring->written_sum, 0);
	pg_atomic_write_u64(&ring->round_sum, 0);
	pg_atomic_write_u64(&ring->sealed_sum, 0);
	pg_atomic_write_u64(&ring->last_id, 0);
	pg_atomic_write_u64(&ring->waiting_since, 0);
	pg_atomic_write_u64(&ring->served_at, 0);
	pg_atomic_write_u64(&ring->spooled, 0);
	clock_begin(ring);
	counted_forget(area_counted(ring));
}

static void
initialise(void *memory)
{
	area = memory;
	pg_atomic_init_u64(&area->launcher_latch, 0);
	pg_atomic_init_u64(&area->launcher_round, 0);
	pg_atomic_init_u64(&area->homeless, 0);
	pg_atomic_init_u64(&area->homeless_reported, 0);
	pg_atomic_init_u64(&area->homeless_rest, 0);
	pg_atomic_init_u32(&area->cluster_database, InvalidOid);
	pg_atomic_init_u64(&area->reserve_latch, 0);
	pg_atomic_init_u32(&area->reserve_ring, 0);
	pg_atomic_init_u32(&area->reserve_asked, 0);
	pg_atomic_init_u64(&area->spooler_latch, 0);
	pg_atomic_init_u64(&area->spooler_asked, 0);
	pg_atomic_init_u64(&area->spooler_done, 0);
	if (!pg_strong_random(area->secret, AREA_SECRET_SIZE))
		base_throw(TSEC_NO_RANDOM);
	for (int i = 0; i < setting_max_databases; i++)
	{
		EventRing *ring = area_ring(i);

		pg_atomic_init_u32(&ring->database, InvalidOid);
		pg_atomic_init_u32(&ring->reader, 0);
		pg_atomic_init_u64(&ring->reader_latch, 0);
		pg_atomic_init_u64(&ring->emitted, 0);
		pg_atomic_init_u64(&ring->written, 0);
		pg_atomic_init_u64(&ring->dropped, 0);
		pg_atomic_init_u64(&ring->reported, 0);
		pg_atomic_init_u64(&ring->retry_at, 0);
		pg_atomic_init_u64(&ring->absent_since, 0);
		pg_atomic_init_u64(&ring->maintain_at, 0);
		pg_atomic_init_u64(&ring->follow_at, 0);
		pg_atomic_init_u32(&ring->failures, 0);
		follow_forget(ring);
		pg_atomic_init_u32(&ring->id_sequence, 0);
		pg_atomic_init_u32(&ring->written_table, 0);
		pg_atomic_init_u64(&ring->written_from, 0);
		pg_atomic_init_u64(&ring->written_sum, 0);
		pg_atomic_init_u64(&ring->round_sum, 0);
		pg_atomic_init_u64(&ring->sealed_sum, 0);
		pg_atomic_init_u64(&ring->last_id, 0);
		pg_atomic_init_u64(&ring->waiting_since, 0);
		pg_atomic_init_u64(&ring->served_at, 0);
		pg_atomic_init_u64(&ring->spooled, 0);
		clock_begin(ring);
		counted_begin(area_counted(ring));
		ring_init(area_queue(ring));
	}
	keep_start();
}

void
area_init(void)
{
	shared.name = "twin_security events";
	shared.size = AREA_HEAD + mul_size((Size) setting_max_databases, ring_stride());
	shared.initialise = initialise;
	shared.address = (void **) &area;
	base_register_area(&shared);
}

/* ---- rings and their databases ---- */

EventRing *
area_find(Oid database)
{
	for (int i = 0; i < area_count(); i++)
		if (pg_atomic_read_u32(&area_ring(i)->database) == database)
			return area_ring(i);
	return NULL;
}

EventRing *
area_ring_of(Oid database)
{
	EventRing *ring;

	if (!OidIsValid(database) || (ring = area_find(database)) != NULL)
		return OidIsValid(database) ? ring : NULL;
	/* sessions of one database try in the same order, so they claim two only while another is being released: no harm */
	for (int i = 0; i < area_count(); i++)
	{
		uint32 owner = InvalidOid;

		ring = area_ring(i);
		if (pg_atomic_compare_exchange_u32(&ring->database, &owner, database) || owner == database)
			return ring;
	}
	return NULL;
}

EventRing *
area_ring_for(Oid database)
{
	static EventRing *own = NULL;

	if (own == NULL || pg_atomic_read_u32(&own->database) != database)
		own = area_ring_of(database);
	return own;
}

EventRing *
area_own(void)
{
	return area_ring_for(OidIsValid(MyDatabaseId) ? MyDatabaseId : area_cluster_database());
}

static void
wake(pg_atomic_uint64 *place)
{
	Latch *latch = (Latch *) (uintptr_t) pg_atomic_read_u64(place);

	if (latch != NULL)
		SetLatch(latch);
}

void
area_wake_reader(EventRing *ring)
{
	wake(&ring->reader_latch);
}

const uint8 *
area_secret(void)
{
	return area->secret;
}

/* Whether this process is the ring's reader. */
static bool
reads_it(EventRing *ring)
{
	return pg_atomic_read_u32(&ring->reader) == (uint32) MyProcPid;
}

void
area_count_homeless(void)
{
	TimestampTz now = GetCurrentTimestamp();

	pg_atomic_fetch_add_u64(&area->homeless, 1);
	if (!base_has_come((TimestampTz) pg_atomic_read_u64(&area->homeless_rest), HOMELESS_REST_MS))
		return;
	/* it may find a ring to take back */
	pg_atomic_write_u64(&area->homeless_rest, (uint64) TimestampTzPlusMilliseconds(now, HOMELESS_REST_MS));
	area_wake_launcher();
}

uint64
area_homeless(void)
{
	return pg_atomic_read_u64(&area->homeless) - pg_atomic_read_u64(&area->homeless_reported);
}

void
area_note_homeless(uint64 reported)
{
	pg_atomic_fetch_add_u64(&area->homeless_reported, (int64) reported);
}

/* ---- readers ---- */

bool
area_become_reader(EventRing *ring)
{
	uint32 none = 0;

	if (!pg_atomic_compare_exchange_u32(&ring->reader, &none, (uint32) MyProcPid))
		return false;
	pg_atomic_write_u64(&ring->reader_latch, (uint64) (uintptr_t) MyLatch);
	return true;
}

bool
area_is_reader(void)
{
	EventRing *ring = area == NULL ? NULL : area_find(MyDatabaseId);

	return ring != NULL && reads_it(ring);
}

void
area_end_reading(EventRing *ring)
{
	if (!reads_it(ring))
		return;
	pg_atomic_write_u64(&ring->reader_latch, 0);
	pg_memory_barrier(); /* emitters see no latch before there is no reader */
	pg_atomic_write_u32(&ring->reader, 0);
	/* what came after this reader last looked, and when its followers are called next */
	if (ring_fill(area_queue(ring)) > 0 || pg_atomic_read_u64(&ring->follow_at) != 0)
		area_wake_launcher();
}

void
area_discard(EventRing *ring)
{
	Ring queue = area_queue(ring);
	uint64 cursor = ring_begin(queue);
	uint64 limit = ring_end(queue);
	uint8 record[RING_ENTRY_MAX];
	size_t length;
	uint64 count = 0;

	while (cursor < limit)
	{
		RingAnswer answer = ring_read(queue, &cursor, record, &length);

		if (answer == RING_EMPTY || answer == RING_UNREADY)
			break; /* the next round finds it published, or dead */
		count++;
	}
	ring_consume(queue, cursor);
	pg_atomic_fetch_add_u64(&ring->dropped, (int64) count);
}

void
area_release(EventRing *ring)
{
	Ring queue = area_queue(ring);

	ring_consume(queue, ring_end(queue));
	reset_counters(ring);
	pg_atomic_write_u32(&ring->database, InvalidOid);
}

/* ---- the launcher ---- */

static void
forget_launcher(int code, Datum argument)
{
	area_set_launcher(false);
}

void
area_set_launcher(bool present)
{
	pg_atomic_write_u64(&area->launcher_latch, present ? (uint64) (uintptr_t) MyLatch : 0);
	if (present)
		before_shmem_exit(forget_launcher, (Datum) 0);
}

void
area_wake_launcher(void)
{
	wake(&area->launcher_latch);
}

void
area_note_round(void)
{
	pg_atomic_write_u64(&area->launcher_round, (uint64) GetCurrentTimestamp());
}

TimestampTz
area_launcher_round(void)
{
	return pg_atomic_read_u64(&area->launcher_latch) == 0 ? 0
														  : (TimestampTz) pg_atomic_read_u64(&area->launcher_round);
}

void
area_set_cluster_database(Oid database)
{
	pg_atomic_write_u32(&area->cluster_database, database);
}

Oid
area_cluster_database(void)
{
	return pg_atomic_read_u32(&area->cluster_database);
}

/* ---- the writer in reserve ---- */

static void
forget_reserve(int code, Datum argument)
{
	pg_atomic_write_u64(&area->reserve_latch, 0);
}

void
area_offer_reserve(void)
{
	pg_atomic_write_u32(&area->reserve_ring, 0);
	pg_atomic_write_u32(&area->reserve_asked, 0);
	pg_atomic_write_u64(&area->reserve_latch, (uint64) (uintptr_t) MyLatch);
	before_shmem_exit(forget_reserve, (Datum) 0);
	area_wake_launcher();
}

int
area_reserve_ring(void)
{
	uint32 number = pg_atomic_read_u32(&area->reserve_ring);

	if (number == 0)
		return -1;
	pg_atomic_write_u64(&area->reserve_latch, 0);
	return (int) number - 1;
}

bool
area_call_reserve(int index)
{
	uint32 none = 0;

	if (pg_atomic_read_u64(&area->reserve_latch) == 0 ||
		!pg_atomic_compare_exchange_u32(&area->reserve_ring, &none, (uint32) index + 1))
	{
		pg_atomic_write_u32(&area->reserve_asked, 1);
		return false;
	}
	wake(&area->reserve_latch);
	return true;
}

bool
area_reserve_is_asked(void)
{
	return pg_atomic_read_u32(&area->reserve_asked) != 0;
}

/* ---- the process that puts a standby's events into files ---- */

static void
forget_spooler(int code, Datum argument)
{
	pg_atomic_write_u64(&area->spooler_latch, 0);
}

void
area_offer_spooler(void)
{
	pg_atomic_write_u64(&area->spooler_latch, (uint64) (uintptr_t) MyLatch);
	before_shmem_exit(forget_spooler, (Datum) 0);
}

uint64
area_ask_spooler(void)
{
	uint64 number;

	if (pg_atomic_read_u64(&area->spooler_latch) == 0)
		return 0;
	number = pg_atomic_add_fetch_u64(&area->spooler_asked, 1);
	wake(&area->spooler_latch);
	return number;
}

uint64
area_spooler_asked(void)
{
	return pg_atomic_read_u64(&area->spooler_asked);
}

void
area_note_spooled(uint64 asked)
{
	pg_atomic_write_u64(&area->spooler_done, asked);
}

uint64
area_spooler_done(void)
{
	return pg_atomic_read_u64(&area->spooler_done);
}
