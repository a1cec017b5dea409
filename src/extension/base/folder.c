/*
 * folder.c
 *		Folders that the server's administrator named for files of ours, and files
 *		that reach the disk whole.
 */
#include "base/base.h"

#include "miscadmin.h"
#include "storage/fd.h"

#include <fcntl.h>
#include <unistd.h>

bool
base_find_folder(const char *setting, const char *path, char real[MAXPGPATH])
{
	char found[PATH_MAX];
	char data[PATH_MAX];

	if (realpath(path, found) == NULL)
		return false;
	if (strlen(found) >= MAXPGPATH / 2)
	{
		errno = ENAMETOOLONG;
		return false;
	}
	/* the setting's check saw the path, not where links lead */
	if (realpath(DataDir, data) == NULL || path_is_prefix_of_path(data, found))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("%s lies in the data folder", setting)));
	strlcpy(real, found, MAXPGPATH);
	return true;
}

bool
base_write_file(int file, const void *bytes, size_t length)
{
	const uint8 *from = bytes;

	while (length > 0)
	{
		ssize_t written;

		errno = 0;
		written = write(file, from, length);
		if (written <= 0 && errno == EINTR)
			continue;
		if (written <= 0)
		{
			if (errno == 0)
				errno = ENOSPC;
			return false;
		}
		from += written;
		length -= (size_t) written;
	}
	return true;
}

/*
 * The server's own function would end the whole server when this fails, which is
 * for its data and not for files of ours.
 */
bool
base_sync_folder(const char *path)
{
	int file = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	bool synced;

	if (file < 0)
		return false;
	/* some file systems have no such thing for folders */
	synced = pg_fsync(file) == 0 || errno == EBADF || errno == EINVAL;
	(void) CloseTransientFile(file);
	return synced;
}
