/*
 * spool.c
 *		Events of a standby out of the rings into files, one file of each ring at a
 *		time; in the spooler's process.
 *
 * They leave a ring once they are on the disk; what finds no room there stays in
 * memory, and is dropped and counted when that is full, too.  How many were
 * dropped is written down as soon as something can be.
 */
#include "event/spool.h"

#include "access/xlog.h"
#include "storage/fd.h"
#include "utils/guc.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#include <fcntl.h>
#include <unistd.h>

#define COMPLAIN_MS 60000

/* A ring's file. */
typedef struct Spool
{
	bool is_begun;
	SpoolName name;
	SpoolChain chain;
	uint64 size;
} Spool;

static Spool *spools = NULL; /* one per ring */

/* What is to be appended to a file, and what it stands for. */
typedef struct Batch
{
	SpoolChain chain; /* behind it */
	StringInfoData bytes;
	TimestampTz began;
	uint64 cursor;
	uint64 events;
	uint64 damaged;
	uint64 reported; /* drops told, 0 when none were */
} Batch;

/* Says in the log what keeps events from being written down, now and then. */
static void
complain(const char *what, int failure)
{
	static int64 last = 0;
	int64 now = base_uptime_ms();

	if (last != 0 && now - last < COMPLAIN_MS)
		return;
	last = now;
	errno = failure;
	ereport(WARNING, (failure != 0 ? errcode_for_file_access() : errcode(ERRCODE_CONFIGURATION_LIMIT_EXCEEDED),
					  failure != 0 ? errmsg("security events of this standby wait in memory: %s: %m", what)
								   : errmsg("security events of this standby wait in memory: %s", what),
					  errhint("Have the primary take what waits (twin.accept_standby_events), or raise "
							  "twin_security.standby_spool_size.")));
}

/* ---- one file ---- */

/* A stream is one database's, from a start of the server on; nobody else has the secret that its name is made of. */
static void
name_stream(Oid database, uint8 stream[SPOOL_STREAM_SIZE])
{
	static const char purpose[] = "standby spool";
	uint8 text[sizeof(purpose) + AREA_SECRET_SIZE + 4];
	uint8 digest[DIGEST_SIZE];

	memcpy(text, purpose, sizeof(purpose));
	memcpy(text + sizeof(purpose), area_secret(), AREA_SECRET_SIZE);
	bytes_put_u32(text + sizeof(purpose) + AREA_SECRET_SIZE, database);
	base_check(digest_sha256(bytes_of(text, sizeof(text)), digest));
	memcpy(stream, digest, SPOOL_STREAM_SIZE);
}

/* Writes behind what is known to be there, on the disk when this returns; false: errno says why not. */
static bool
append(const Spool *spool, Bytes bytes)
{
	char path[MAXPGPATH];
	bool written;
	int failure;
	int file;

	spool_path(&spool->name, path);
	file = OpenTransientFile(path, O_WRONLY | O_CREAT | PG_BINARY);
	if (file < 0)
		return false;
	/* what a failure left behind the end goes first */
	written = ftruncate(file, (off_t) spool->size) == 0 && lseek(file, (off_t) spool->size, SEEK_SET) >= 0 &&
			  base_write_file(file, bytes.data, bytes.length) && pg_fsync(file) == 0;
	failure = errno;
	if (CloseTransientFile(file) != 0 && written)
	{
		written = false;
		failure = errno;
	}
	if (written && spool->size == 0 && !base_sync_folder(SPOOL_FOLDER))
	{
		written = false;
		failure = errno;
	}
	errno = failure;
	return written;
}

/* Begins a file in memory: its header stands in the batch. */
static bool
begin(Spool *spool, EventRing *ring, Batch *batch)
{
	uint8 bytes[SPOOL_HEADER_SIZE];
	SpoolHeader header = {.cluster = GetSystemIdentifier(),
						  .database = pg_atomic_read_u32(&ring->database),
						  .after = pg_atomic_read_u64(&ring->spooled)};

	if (!spool_make_folder())
	{
		complain("the folder \"" SPOOL_FOLDER "\" cannot be made", errno);
		return false;
	}
	if (!spool_has_room(header.database))
	{
		complain(psprintf("as many of database %u as twin_security.standby_spool_size allows are written down",
						  header.database),
				 0);
		return false;
	}
	name_stream(header.database, header.stream);
	strlcpy(header.server, cluster_name, SPOOL_SERVER_SIZE);
	spool->name = spool_name_of(&header);
	spool->name.state = SPOOL_OPEN;
	spool->size = 0;
	base_check(spool_begin(&spool->chain, spool_writing_key(), &header, bytes));
	batch->chain = spool->chain;
	appendBinaryStringInfo(&batch->bytes, (const char *) bytes, sizeof(bytes));
	return true;
}

static void
add(Batch *batch, Bytes record)
{
	uint8 entry[SPOOL_ENTRY_MAX];
	size_t length;

	base_check(spool_add(&batch->chain, record, entry, &length));
	appendBinaryStringInfo(&batch->bytes, (const char *) entry, (int) length);
}

/* Ends a file, if there is one: from now on it does not change. */
static void
finish(Spool *spool)
{
	uint8 end[SPOOL_END_SIZE];

	if (!spool->is_begun)
		return;
	spool->is_begun = false;
	base_check(spool_end(&spool->chain, end));
	/* without an end it is read as well, and said to have been cut off */
	if (!append(spool, bytes_of(end, sizeof(end))))
		complain("a file cannot be ended", errno);
	(void) spool_set_state(&spool->name, SPOOL_FINISHED);
}

/* ---- one ring ---- */

static bool
has_drops(EventRing *ring)
{
	return pg_atomic_read_u64(&ring->dropped) > pg_atomic_read_u64(&ring->reported);
}

/* Takes what the ring holds, as much as fits the file. */
static void
fill(const Spool *spool, EventRing *ring, Batch *batch)
{
	Ring queue = area_queue(ring);
	uint8 bytes[RING_ENTRY_MAX];
	size_t length;

	if (has_drops(ring))
	{
		batch->reported = pg_atomic_read_u64(&ring->dropped);
		add(batch, writer_drops(batch->reported - pg_atomic_read_u64(&ring->reported), bytes));
	}
	batch->cursor = ring_begin(queue);
	while (spool->size + (uint64) batch->bytes.len < SPOOL_FILE_FULL)
	{
		RingAnswer answer = ring_read(queue, &batch->cursor, bytes, &length);

		if (answer == RING_EMPTY || answer == RING_UNREADY)
			return;
		if (answer == RING_ENTRY && length <= SPOOL_RECORD_MAX)
		{
			add(batch, bytes_of(bytes, length));
			batch->events++;
		}
		else
			batch->damaged++;
	}
}

/* Once they are on the disk: the ring may have its slots back. */
static void
settle(EventRing *ring, const Batch *batch)
{
	ring_consume(area_queue(ring), batch->cursor);
	area_note_reported(ring, batch->reported);
	pg_atomic_fetch_add_u64(&ring->written, (int64) batch->events);
	pg_atomic_fetch_add_u64(&ring->dropped, (int64) batch->damaged);
	pg_atomic_write_u64(&ring->spooled, batch->chain.number);
	area_note_taken(ring, batch->began);
}

/* Writes down some of a ring's events; false when that cannot be done now. */
static bool
spool_some(EventRing *ring, Spool *spool)
{
	Batch batch = {.began = GetCurrentTimestamp(), .chain = spool->chain};

	initStringInfo(&batch.bytes);
	if (!spool->is_begun && !begin(spool, ring, &batch))
		return false;
	fill(spool, ring, &batch);
	if (batch.events == 0 && batch.reported == 0)
	{
		settle(ring, &batch); /* nothing, or what is damaged */
		return batch.damaged > 0;
	}
	if (!append(spool, bytes_of(batch.bytes.data, (size_t) batch.bytes.len)))
	{
		complain("a file cannot be written", errno);
		return false;
	}
	spool->is_begun = true;
	spool->chain = batch.chain;
	spool->size += (uint64) batch.bytes.len;
	settle(ring, &batch);
	if (spool->size >= SPOOL_FILE_FULL)
		finish(spool);
	return true;
}

bool
spool_write_down(void)
{
	bool done = true;

	if (spools == NULL)
		spools = MemoryContextAllocZero(TopMemoryContext, sizeof(Spool) * (Size) area_count());
	for (int i = 0; i < area_count(); i++)
	{
		EventRing *ring = area_ring(i);

		if (!OidIsValid(pg_atomic_read_u32(&ring->database)) ||
			(pg_atomic_read_u32(&ring->reader) == 0 && !area_become_reader(ring)))
			continue;
		/* once recovery has ended it is the writers' */
		while (RecoveryInProgress() && (ring_fill(area_queue(ring)) > 0 || has_drops(ring)))
			if (!spool_some(ring, &spools[i]))
			{
				done = false;
				break;
			}
	}
	return done;
}

void
spool_finish_files(void)
{
	for (int i = 0; i < area_count() && spools != NULL; i++)
		finish(&spools[i]);
}
