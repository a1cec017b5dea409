/*
 * export_file.c
 *		Where exports are written: in the folder that the server's administrator
 *		named for them, never in the data folder, under names of one plain part.
 *
 * Group and mode are for auditors to read by: a folder with the set-group-id bit
 * gives its group to what is made in it; others see nothing.
 */
#include "ledger/export.h"

#include "common/cryptohash.h"
#include "miscadmin.h"
#include "storage/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_MAX_LENGTH 100
#define FOLDER_MODE 0750
#define FILE_MODE 0640
#define BUFFER_SIZE (256 * 1024)

struct ExportFolder
{
	char base[MAXPGPATH]; /* the administrator's folder, without symbolic links */
	char place[MAXPGPATH];
	char beside[MAXPGPATH];
	char path[MAXPGPATH]; /* of the file that is open */
	char name[MANIFEST_NAME_SIZE];
	int file; /* -1: none is */
	bool is_finished;
	pg_cryptohash_ctx *hash;
	uint64 bytes;
	size_t held;
	List *written; /* names */
	uint8 buffer[BUFFER_SIZE];
};

static void
refuse(const char *path)
{
	ereport(ERROR, (errcode_for_file_access(), errmsg("the audit log cannot be exported to \"%s\": %m", path)));
}

static void
check_name(const char *name)
{
	size_t length = strlen(name);

	if (length == 0 || length > NAME_MAX_LENGTH || name[0] == '.' ||
		strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != length)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("not a name that an export can have"),
						errdetail("It has 1 to %d letters, digits, dots, dashes and underscores, and does not begin "
								  "with a dot.",
								  NAME_MAX_LENGTH)));
}

/* The administrator's folder, wherever links lead. */
static void
find_base(ExportFolder *folder)
{
	if (setting_export_directory == NULL || setting_export_directory[0] == '\0')
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("exports of the audit log are switched off"),
						errhint("An administrator of the server names a folder in twin_security.export_directory.")));
	if (!base_find_folder("twin_security.export_directory", setting_export_directory, folder->base))
		refuse(setting_export_directory);
}

ExportFolder *
export_folder_make(const char *name)
{
	ExportFolder *folder = palloc0(sizeof(ExportFolder));
	struct stat status;
	uint32 mark;

	check_name(name);
	folder->file = -1;
	find_base(folder);
	snprintf(folder->place, sizeof(folder->place), "%.*s/%s", MAXPGPATH / 2, folder->base, name);
	if (lstat(folder->place, &status) == 0)
		ereport(ERROR, (errcode(ERRCODE_DUPLICATE_FILE), errmsg("there is an export \"%s\" already", name)));
	if (errno != ENOENT)
		refuse(folder->place);
	if (!pg_strong_random(&mark, sizeof(mark)))
		base_throw(TSEC_NO_RANDOM);
	snprintf(folder->beside, sizeof(folder->beside), "%.*s/.%s.%08x", MAXPGPATH / 2, folder->base, name, mark);
	/* the server's umask is strict */
	if (mkdir(folder->beside, S_IRWXU) != 0 || chmod(folder->beside, FOLDER_MODE) != 0)
		refuse(folder->beside);
	return folder;
}

static void
write_out(ExportFolder *folder)
{
	if (pg_cryptohash_update(folder->hash, folder->buffer, folder->held) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	if (!base_write_file(folder->file, folder->buffer, folder->held))
		refuse(folder->path);
	folder->bytes += folder->held;
	folder->held = 0;
	CHECK_FOR_INTERRUPTS();
}

void
export_file_begin(ExportFolder *folder, const char *name)
{
	strlcpy(folder->name, name, sizeof(folder->name));
	snprintf(folder->path, sizeof(folder->path), "%.*s/%s", MAXPGPATH - MANIFEST_NAME_SIZE - 2, folder->beside, name);
	folder->file = OpenTransientFile(folder->path, O_WRONLY | O_CREAT | O_EXCL | PG_BINARY);
	if (folder->file < 0)
		refuse(folder->path);
	folder->written = lappend(folder->written, pstrdup(name));
	if (fchmod(folder->file, FILE_MODE) != 0)
		refuse(folder->path);
	folder->hash = pg_cryptohash_create(PG_SHA256);
	if (pg_cryptohash_init(folder->hash) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	folder->bytes = 0;
	folder->held = 0;
}

void
export_file_write(ExportFolder *folder, const void *bytes, size_t length)
{
	const uint8 *from = bytes;

	while (length > 0)
	{
		size_t some = Min(length, BUFFER_SIZE - folder->held);

		memcpy(folder->buffer + folder->held, from, some);
		folder->held += some;
		from += some;
		length -= some;
		if (folder->held == BUFFER_SIZE)
			write_out(folder);
	}
}

void
export_file_end(ExportFolder *folder, ManifestFile *file)
{
	int closed;

	write_out(folder);
	if (pg_fsync(folder->file) != 0)
		refuse(folder->path);
	closed = CloseTransientFile(folder->file);
	folder->file = -1;
	if (closed != 0)
		refuse(folder->path);
	strlcpy(file->name, folder->name, sizeof(file->name));
	file->bytes = folder->bytes;
	if (pg_cryptohash_final(folder->hash, file->sha256, sizeof(file->sha256)) < 0)
		base_throw(TSEC_LIBRARY_FAILURE);
	pg_cryptohash_free(folder->hash);
	folder->hash = NULL;
}

static void
sync_folder(const char *path)
{
	if (!base_sync_folder(path))
		refuse(path);
}

void
export_folder_finish(ExportFolder *folder)
{
	sync_folder(folder->beside);
	/* a folder never takes the place of a file, or of a folder that holds something */
	if (rename(folder->beside, folder->place) != 0)
		refuse(folder->place);
	folder->is_finished = true;
	sync_folder(folder->base);
}

void
export_folder_abandon(ExportFolder *folder)
{
	ListCell *cell;

	if (folder->is_finished)
		return;
	if (folder->file >= 0)
		(void) CloseTransientFile(folder->file);
	if (folder->hash != NULL)
		pg_cryptohash_free(folder->hash);
	foreach(cell, folder->written)
	{
		snprintf(folder->path, sizeof(folder->path), "%.*s/%s", MAXPGPATH - MANIFEST_NAME_SIZE - 2, folder->beside,
				 (const char *) lfirst(cell));
		(void) unlink(folder->path);
	}
	(void) rmdir(folder->beside);
}
