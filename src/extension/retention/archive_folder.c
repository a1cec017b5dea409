/*
 * archive_folder.c
 *		The folder for archives.  It may be one for several databases, and servers:
 *		no name that is taken is ever written over, and what is being written is
 *		locked, so that only what nobody writes any more is removed.
 */
#include "retention/archive.h"

#include "storage/fd.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void
archive_refuse(const char *path, const char *what)
{
	bool is_full = errno == ENOSPC || errno == EDQUOT;

	ereport(ERROR, (errcode_for_file_access(), errmsg("%s \"%s\": %m", what, path),
					is_full ? errhint("Free space there, or name another folder in "
									  "twin_security.archive_directory; nothing was dropped.")
							: 0));
}

void
archive_find_folder(char base[MAXPGPATH])
{
	if (setting_archive_directory == NULL || setting_archive_directory[0] == '\0')
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("archives are switched off"),
				 errhint("An administrator of the server names a folder in twin_security.archive_directory.")));
	if (!base_find_folder("twin_security.archive_directory", setting_archive_directory, base))
		archive_refuse(setting_archive_directory, "there is no folder for archives at");
}

bool
archive_is_taken(const char *base, const char *name)
{
	char path[MAXPGPATH + ARCHIVE_FILE_NAME_SIZE];
	struct stat status;

	snprintf(path, sizeof(path), "%s/%s", base, name);
	if (lstat(path, &status) == 0)
		return true;
	if (errno != ENOENT)
		archive_refuse(path, "cannot look at");
	return false;
}

/* Removes a file unless somebody holds its lock. */
static void
remove_unless_locked(const char *path)
{
	int file = OpenTransientFile(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | PG_BINARY);

	if (file < 0)
		return;
	if (flock(file, LOCK_EX | LOCK_NB) == 0 && unlink(path) != 0)
		ereport(LOG, (errcode_for_file_access(), errmsg("cannot remove \"%s\": %m", path)));
	(void) CloseTransientFile(file);
}

void
archive_clean_folder(const char *base)
{
	static const char suffix[] = ".new";
	DIR *entries = AllocateDir(base);
	struct dirent *entry;

	while ((entry = ReadDir(entries, base)) != NULL)
	{
		char path[MAXPGPATH + ARCHIVE_FILE_NAME_SIZE];
		size_t length = strlen(entry->d_name);

		/* public: names of files */
		if (entry->d_name[0] != '.' || length < sizeof(suffix) || length >= ARCHIVE_FILE_NAME_SIZE ||
			strcmp(entry->d_name + length - strlen(suffix), suffix) != 0 ||
			(strstr(entry->d_name, ARCHIVE_SUFFIX) == NULL && strstr(entry->d_name, ARCHIVE_MANIFEST_SUFFIX) == NULL))
			continue;
		snprintf(path, sizeof(path), "%s/%s", base, entry->d_name);
		remove_unless_locked(path);
	}
	FreeDir(entries);
}
