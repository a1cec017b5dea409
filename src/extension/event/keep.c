/*
 * keep.c
 *		Events that nobody could write before the server was shut down, kept in a
 *		file for the next start.
 *
 * A writer that waits for a lock or a full disk is still waiting when the
 * server stops; without this a clean restart would lose what is in the rings,
 * in silence.  The postmaster writes the file when all its children are gone,
 * and reads and removes it before it has any.  A crash keeps nothing, as it
 * keeps nothing of the rings.
 *
 * The file: MAGIC, per event the database's OID, the length (four bytes each,
 * big-endian) and the record, and a CRC-32C of all before it.  It holds what
 * the table will, and is read like everything else from a disk: with mistrust.
 */
#include "event/private.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "port/pg_crc32c.h"
#include "storage/fd.h"
#include "storage/ipc.h"

#include <unistd.h>

#define KEEP_FILE PGSTAT_STAT_PERMANENT_DIRECTORY "/twin_security_events"
#define KEEP_FILE_NEW KEEP_FILE ".new"
#define MAGIC "tsecev01"
#define MAGIC_SIZE 8
#define ENTRY_HEAD 8

/* A file that is being written or read. */
typedef struct Keep
{
	FILE *file;
	pg_crc32c crc;
	bool failed;
	int failure; /* errno of the first */
} Keep;

/* Notes that it cannot be written, and why. */
static void
fail(Keep *keep)
{
	if (!keep->failed)
		keep->failure = errno;
	keep->failed = true;
}

static void
put(Keep *keep, const void *bytes, size_t length)
{
	if (!keep->failed && fwrite(bytes, 1, length, keep->file) != length)
		fail(keep);
	COMP_CRC32C(keep->crc, bytes, length);
}

static bool
get(Keep *keep, void *bytes, size_t length)
{
	if (fread(bytes, 1, length, keep->file) != length)
		return false;
	COMP_CRC32C(keep->crc, bytes, length);
	return true;
}

/* Writes what a ring holds; returns how many. */
static uint64
put_ring(Keep *keep, EventRing *ring)
{
	Ring queue = area_queue(ring);
	uint64 cursor = ring_begin(queue);
	uint64 limit = ring_end(queue);
	uint8 record[RING_ENTRY_MAX];
	uint8 head[ENTRY_HEAD];
	size_t length;
	uint64 count = 0;

	while (cursor < limit)
	{
		RingAnswer answer = ring_read(queue, &cursor, record, &length);

		if (answer == RING_EMPTY || answer == RING_UNREADY)
			break; /* somebody died over it */
		if (answer != RING_ENTRY)
			continue;
		bytes_put_u32(head, pg_atomic_read_u32(&ring->database));
		bytes_put_u32(head + 4, (uint32) length);
		put(keep, head, sizeof(head));
		put(keep, record, length);
		count++;
	}
	return count;
}

static bool
something_waits(void)
{
	for (int i = 0; i < area_count(); i++)
		if (OidIsValid(pg_atomic_read_u32(&area_ring(i)->database)) && ring_fill(area_queue(area_ring(i))) > 0)
			return true;
	return false;
}

/* At the end of the postmaster, unless it is a crash. */
static void
save(int code, Datum argument)
{
	Keep keep = {.failed = false};
	uint64 count = 0;
	uint8 crc[4];

	if (code != 0 || !something_waits())
		return;
	INIT_CRC32C(keep.crc);
	keep.file = AllocateFile(KEEP_FILE_NEW, PG_BINARY_W);
	if (keep.file == NULL)
		fail(&keep);
	put(&keep, MAGIC, MAGIC_SIZE);
	for (int i = 0; i < area_count(); i++)
		if (OidIsValid(pg_atomic_read_u32(&area_ring(i)->database)))
			count += put_ring(&keep, area_ring(i));
	FIN_CRC32C(keep.crc);
	bytes_put_u32(crc, keep.crc);
	put(&keep, crc, sizeof(crc));
	if (keep.file != NULL && FreeFile(keep.file) != 0)
		fail(&keep);
	if (!keep.failed && durable_rename(KEEP_FILE_NEW, KEEP_FILE, LOG) != 0)
		fail(&keep);
	if (keep.failed)
	{
		errno = keep.failure;
		ereport(LOG, (errcode_for_file_access(),
					  errmsg(UINT64_FORMAT
							 " security events that wait to be written are lost: \"%s\" cannot be written: %m",
							 count, KEEP_FILE)));
		(void) unlink(KEEP_FILE_NEW);
		return;
	}
	ereport(LOG, (errmsg(UINT64_FORMAT " security events wait to be written after the next start", count)));
}

/* Takes one event into its database's ring; false at the end of the file, and where it is damaged. */
static bool
take(Keep *keep, bool only_look, uint64 *count)
{
	uint8 head[ENTRY_HEAD];
	uint8 bytes[RING_ENTRY_MAX];
	uint32 length;
	EventRecord record;
	EventRing *ring;

	if (!get(keep, head, sizeof(head)))
		return false;
	length = bytes_get_u32(head + 4);
	if (length == 0 || length > sizeof(bytes) || !get(keep, bytes, length) ||
		!event_record_decode(bytes_of(bytes, length), &record))
		return false;
	if (only_look)
		return true;
	ring = area_ring_of(bytes_get_u32(head));
	if (ring == NULL)
		return true;
	pg_atomic_fetch_add_u64(&ring->emitted, 1);
	if (ring_push(area_queue(ring), bytes_of(bytes, length)))
		(*count)++;
	else
		pg_atomic_fetch_add_u64(&ring->dropped, 1);
	return true;
}

/* Reads a file from its beginning to where its entries end. */
static bool
read_entries(Keep *keep, off_t end, bool only_look, uint64 *count)
{
	char magic[MAGIC_SIZE];

	INIT_CRC32C(keep->crc);
	if (fseeko(keep->file, 0, SEEK_SET) != 0 || !get(keep, magic, sizeof(magic)) ||
		memcmp(magic, MAGIC, MAGIC_SIZE) != 0) /* public: a file's first bytes */
		return false;
	while (ftello(keep->file) < end)
		if (!take(keep, only_look, count))
			return false;
	FIN_CRC32C(keep->crc);
	return ftello(keep->file) == end;
}

/* Whether all of a file is as it was written. */
static bool
is_whole(Keep *keep, off_t end)
{
	uint8 crc[4];
	uint64 none = 0;

	return end >= MAGIC_SIZE && read_entries(keep, end, true, &none) &&
		   fread(crc, 1, sizeof(crc), keep->file) == sizeof(crc) && bytes_get_u32(crc) == keep->crc;
}

static void
load(void)
{
	Keep keep = {.file = AllocateFile(KEEP_FILE, PG_BINARY_R)};
	uint64 count = 0;
	off_t end;

	if (keep.file == NULL)
	{
		if (errno != ENOENT)
			ereport(LOG, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", KEEP_FILE)));
		return;
	}
	end = fseeko(keep.file, 0, SEEK_END) == 0 ? ftello(keep.file) - 4 : -1;
	if (is_whole(&keep, end))
	{
		(void) read_entries(&keep, end, false, &count);
		ereport(LOG, (errmsg(UINT64_FORMAT " security events of before the last stop wait to be written", count)));
	}
	else
		ereport(LOG, (errmsg("security events of before the last stop are lost: \"%s\" is damaged", KEEP_FILE)));
	(void) FreeFile(keep.file);
	(void) unlink(KEEP_FILE);
}

void
keep_start(void)
{
	if (IsUnderPostmaster)
		return;
	load();
	on_shmem_exit(save, (Datum) 0);
}
