/*
 * archive_output.c
 *		A file that is written under a hidden name, reaches the disk, and is renamed:
 *		it is whole or not there.  Its lock says that it is being written.
 */
#include "retention/archive.h"

#include "common/cryptohash.h"
#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/memutils.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MODE 0640 /* for the folder's group to read */

struct ArchiveOutput
{
	char beside[MAXPGPATH + ARCHIVE_FILE_NAME_SIZE];
	char path[MAXPGPATH + ARCHIVE_FILE_NAME_SIZE];
	int file; /* locked as long as it is open */
	bool is_there;
	pg_cryptohash_ctx *hash;
	uint64 bytes;
	MemoryContextCallback callback;
};

/* Takes it back where it did not get its name.  At an error the server has closed it already, and freed the digest. */
static void
abandon(void *argument)
{
	ArchiveOutput *output = argument;

	if (output->is_there)
		(void) unlink(output->beside);
}

ArchiveOutput *
archive_output_begin(const char *base, const char *name)
{
	ArchiveOutput *output = palloc0(sizeof(ArchiveOutput));
	struct stat opened;
	struct stat named;

	snprintf(output->beside, sizeof(output->beside), "%s/.%s.new", base, name);
	snprintf(output->path, sizeof(output->path), "%s/%s", base, name);
	output->callback.func = abandon;
	output->callback.arg = output;
	MemoryContextRegisterResetCallback(CurrentMemoryContext, &output->callback);
	output->file = OpenTransientFile(output->beside, O_WRONLY | O_CREAT | O_NOFOLLOW | PG_BINARY);
	if (output->file < 0)
		archive_refuse(output->beside, "cannot create");
	/* whoever held the lock may have renamed or removed it since it was opened */
	if (flock(output->file, LOCK_EX | LOCK_NB) != 0 || fstat(output->file, &opened) != 0 ||
		lstat(output->beside, &named) != 0 || opened.st_ino != named.st_ino || opened.st_dev != named.st_dev)
	{
		(void) CloseTransientFile(output->file);
		return NULL;
	}
	output->is_there = true;
	if (archive_is_taken(base, name))
	{
		/* it was renamed, and what has the hidden name now is ours, and empty */
		abandon(output);
		output->is_there = false;
		(void) CloseTransientFile(output->file);
		return NULL;
	}
	if (ftruncate(output->file, 0) != 0 || fchmod(output->file, FILE_MODE) != 0)
		archive_refuse(output->beside, "cannot write");
	output->hash = pg_cryptohash_create(PG_SHA256);
	if (pg_cryptohash_init(output->hash) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	return output;
}

void
archive_output_write(void *argument, Bytes bytes)
{
	ArchiveOutput *output = argument;

	if (pg_cryptohash_update(output->hash, bytes.data, bytes.length) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	if (!base_write_file(output->file, bytes.data, bytes.length))
		archive_refuse(output->path, "cannot write");
	output->bytes += bytes.length;
	CHECK_FOR_INTERRUPTS();
}

void
archive_output_end(ArchiveOutput *output, uint64 *bytes, uint8 sha256[DIGEST_SIZE])
{
	if (pg_fsync(output->file) != 0)
		archive_refuse(output->path, "cannot bring to the disk");
	if (pg_cryptohash_final(output->hash, sha256, DIGEST_SIZE) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	pg_cryptohash_free(output->hash);
	*bytes = output->bytes;
}

void
archive_output_publish(ArchiveOutput *output)
{
	struct stat status;

	/* whoever else writes this name needs the lock that we hold */
	if (lstat(output->path, &status) == 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_FILE), errmsg("there is a file \"%s\" already", output->path)));
	if (rename(output->beside, output->path) != 0)
		archive_refuse(output->path, "cannot give its name to");
	output->is_there = false;
	if (CloseTransientFile(output->file) != 0)
		archive_refuse(output->path, "cannot close");
}
