/*
 * export_note.c
 *		Checkpoints as files, in a folder that a person chose: for each log a file
 *		LOG.note with the newest, and LOG/YYYY-MM-DD/SIZE.note with every one.
 *
 * LOG is the last part of the origin, 32 hexadecimal digits.  A file is written
 * beside its place, reaches the disk, and is renamed, so it is whole or not there.
 */
#include "ledger/private.h"

#include "miscadmin.h"
#include "storage/fd.h"
#include "utils/timestamp.h"

#include <sys/stat.h>
#include <unistd.h>

#define LOG_LENGTH 32
#define FOLDER_MODE 0755
#define FILE_MODE 0644 /* they are for others to read */

static void
complain(const char *path)
{
	ereport(LOG, (errcode_for_file_access(),
				  errmsg("a checkpoint of the audit log cannot be exported to \"%s\": %m", path)));
}

bool
export_note_wanted(void)
{
	char real[PATH_MAX];
	char data[PATH_MAX];

	if (setting_checkpoint_directory == NULL || setting_checkpoint_directory[0] == '\0')
		return false;
	if (realpath(setting_checkpoint_directory, real) == NULL)
	{
		complain(setting_checkpoint_directory);
		return false;
	}
	/* the setting's check saw the path, not where links lead */
	if (realpath(DataDir, data) != NULL && path_is_prefix_of_path(data, real))
	{
		ereport(LOG, (errmsg("\"%s\" lies in the data folder: checkpoints are not exported",
							 setting_checkpoint_directory)));
		return false;
	}
	return true;
}

/* The log's name among files: hexadecimal digits, or nothing else than a refusal. */
static const char *
log_name(const char *origin)
{
	const char *name = strrchr(origin, '/');

	if (name == NULL || strlen(name + 1) != LOG_LENGTH || strspn(name + 1, "0123456789abcdef") != LOG_LENGTH)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("the origin of the audit log is not one of ours")));
	return name + 1;
}

void
export_note_newest(const char *origin, char note[NOTE_SIZE_MAX])
{
	char path[MAXPGPATH];
	int file;
	ssize_t length;

	note[0] = '\0';
	snprintf(path, sizeof(path), "%s/%s.note", setting_checkpoint_directory, log_name(origin));
	file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	if (file < 0)
	{
		if (errno != ENOENT)
			complain(path);
		return;
	}
	length = read(file, note, NOTE_SIZE_MAX - 1);
	CloseTransientFile(file);
	note[length < 0 ? 0 : length] = '\0';
	/* what is there and is empty contradicts, as what was cut does */
	if (length <= 0)
		strlcpy(note, "unreadable", NOTE_SIZE_MAX);
}

static bool
make_folder(const char *path)
{
	if (mkdir(path, FOLDER_MODE) == 0)
		return chmod(path, FOLDER_MODE) == 0; /* the server's umask is strict */
	return errno == EEXIST;
}

/* Writes a file atomically. */
static bool
write_file(const char *path, const char *text)
{
	char beside[MAXPGPATH + 8];
	size_t length = strlen(text);
	int file;
	bool written;

	snprintf(beside, sizeof(beside), "%s.new", path);
	file = OpenTransientFile(beside, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY);
	if (file < 0)
		return false;
	errno = 0;
	written = write(file, text, length) == (ssize_t) length && fchmod(file, FILE_MODE) == 0;
	if (!written && errno == 0)
		errno = ENOSPC;
	if (CloseTransientFile(file) != 0)
		written = false;
	/* brings file and folder to the disk */
	return written && durable_rename(beside, path, LOG) == 0;
}

bool
export_note_write(const char *origin, uint64 size, TimestampTz created_at, const char *note)
{
	const char *name = log_name(origin);
	char path[MAXPGPATH];
	char day[16];
	pg_time_t at = timestamptz_to_time_t(created_at);

	pg_strftime(day, sizeof(day), "%Y-%m-%d", pg_gmtime(&at));
	snprintf(path, sizeof(path), "%s/%s", setting_checkpoint_directory, name);
	if (!make_folder(path))
	{
		complain(path);
		return false;
	}
	snprintf(path, sizeof(path), "%s/%s/%s", setting_checkpoint_directory, name, day);
	if (!make_folder(path))
	{
		complain(path);
		return false;
	}
	snprintf(path, sizeof(path), "%s/%s/%s/%020llu.note", setting_checkpoint_directory, name, day,
			 (unsigned long long) size);
	if (!write_file(path, note))
	{
		complain(path);
		return false;
	}
	snprintf(path, sizeof(path), "%s/%s.note", setting_checkpoint_directory, name);
	if (!write_file(path, note))
	{
		complain(path);
		return false;
	}
	return true;
}
