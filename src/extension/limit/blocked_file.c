/*
 * blocked_file.c
 *		What is blocked, on disk, so that after a restart or a crash nobody is let
 *		in before the tables can be read.
 *
 * The file mirrors the set in shared memory place by place; each record has a
 * checksum and lies within one sector, so a crash in the middle of a write
 * damages one record at most.  The tables are the truth: what is missing here is
 * put in when they are read, soon after the start.
 */
#include "limit/private.h"

#include "miscadmin.h"
#include "pgstat.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include <unistd.h>

#define BLOCKS_FILE PGSTAT_STAT_PERMANENT_DIRECTORY "/twin_security_blocks"
#define BLOCKS_FILE_NEW BLOCKS_FILE ".new"

static const uint8 no_record[ADDRESS_RECORD_SIZE];

int
limit_open_blocks(void)
{
	/* raises nothing, unlike the functions that remember what they opened */
	return BasicOpenFile(BLOCKS_FILE, O_RDWR | O_CREAT | PG_BINARY);
}

bool
limit_write_block(int file, const AddressSet *set, uint32 place)
{
	uint8 record[ADDRESS_RECORD_SIZE] = {0};

	if (set->entries[place].kind != ADDRESS_FREE)
		address_record_write(&set->entries[place], record);
	errno = 0;
	if (pg_pwrite(file, record, sizeof(record), (off_t) place * ADDRESS_RECORD_SIZE) == sizeof(record))
		return true;
	if (errno == 0)
		errno = ENOSPC;
	return false;
}

void
limit_close_blocks(int file, int error)
{
	if (file >= 0 && pg_fsync(file) != 0 && error == 0)
		error = errno;
	if (file >= 0)
		(void) close(file);
	if (error == 0)
		return;
	errno = error;
	ereport(LOG, (errcode_for_file_access(), errmsg("could not write file \"%s\": %m", BLOCKS_FILE),
				  errdetail("Blocked addresses are in force, but a moment late after the next start.")));
}

/* Takes in one record; false where it is damaged. */
static bool
take_record(AddressSet *set, const uint8 *record, TimestampTz now, uint32 *lost)
{
	AddressEntry entry;
	uint32 place;

	if (memcmp(record, no_record, ADDRESS_RECORD_SIZE) == 0) /* public: zeros */
		return true;
	if (!address_record_read(record, &entry))
		return false;
	if (entry.until <= now)
		return true;
	place = address_set_put(set, &entry.network, (AddressKind) entry.kind, entry.owner, entry.until);
	if (place == ADDRESS_NONE)
		(*lost)++;
	return true;
}

static void
read_records(FILE *file, AddressSet *set)
{
	TimestampTz now = GetCurrentTimestamp();
	uint8 record[ADDRESS_RECORD_SIZE];
	uint32 damaged = 0;
	uint32 lost = 0;
	size_t length;

	while ((length = fread(record, 1, sizeof(record), file)) == sizeof(record))
		damaged += !take_record(set, record, now, &lost);
	damaged += length > 0;
	if (ferror(file))
		ereport(LOG, (errcode_for_file_access(), errmsg("could not read file \"%s\": %m", BLOCKS_FILE)));
	if (damaged > 0)
		ereport(LOG, (errmsg("%u records of file \"%s\" are damaged", damaged, BLOCKS_FILE),
					  errdetail("What they blocked is blocked again when the tables are read.")));
	if (lost > 0)
		ereport(LOG, (errmsg("%u networks are not blocked: there is no room for them", lost),
					  errhint("Raise twin_security.max_blocks.")));
}

/* Writes the file anew, each entry where it lies in the set now. */
static void
write_records(const AddressSet *set)
{
	FILE *file = AllocateFile(BLOCKS_FILE_NEW, PG_BINARY_W);
	bool failed = file == NULL;
	uint8 record[ADDRESS_RECORD_SIZE];

	/* a set that was just filled has no gaps */
	for (uint32 place = 0; !failed && place < set->used; place++)
	{
		address_record_write(&set->entries[place], record);
		failed = fwrite(record, 1, sizeof(record), file) != sizeof(record);
	}
	if (file != NULL && FreeFile(file) != 0)
		failed = true;
	if (failed || durable_rename(BLOCKS_FILE_NEW, BLOCKS_FILE, LOG) != 0)
	{
		ereport(LOG, (errcode_for_file_access(), errmsg("could not write file \"%s\": %m", BLOCKS_FILE_NEW)));
		(void) unlink(BLOCKS_FILE_NEW);
		/* records that lie elsewhere in the set must not stay behind the ones to come */
		(void) unlink(BLOCKS_FILE);
	}
}

void
limit_load_blocks(AddressSet *set)
{
	FILE *file;

	if (IsUnderPostmaster || IsBinaryUpgrade)
		return;
	file = AllocateFile(BLOCKS_FILE, PG_BINARY_R);
	if (file == NULL)
	{
		if (errno != ENOENT)
			ereport(LOG, (errcode_for_file_access(), errmsg("could not open file \"%s\": %m", BLOCKS_FILE)));
	}
	else
	{
		read_records(file, set);
		(void) FreeFile(file);
	}
	write_records(set);
}
