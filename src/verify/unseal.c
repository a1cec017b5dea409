/*
 * unseal.c
 *		Keys of encrypted archives: from a file that nobody else reads, or from the
 *		environment.  Never from arguments, which every user of a machine sees.
 */
#include "verify/unseal.h"

#include "common/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEYS_MAX ((size_t) 1 << 20)
#define ENVIRONMENT_MAX ((size_t) 1 << 16)

/* Reads all of a file, at most so many bytes; false: *why says so. */
static bool
read_all(int file, ArchiveKeys *keys, const char **why)
{
	*why = "there is not enough memory";
	keys->text = malloc(KEYS_MAX + 1);
	if (keys->text == NULL)
		return false;
	keys->room = KEYS_MAX + 1;
	while (keys->length < keys->room)
	{
		ssize_t some = read(file, keys->text + keys->length, keys->room - keys->length);

		if (some < 0 && errno == EINTR)
			continue;
		if (some < 0)
		{
			*why = strerror(errno);
			return false;
		}
		if (some == 0)
			return true;
		keys->length += (size_t) some;
	}
	*why = "a file of archives' keys has at most a megabyte";
	return false;
}

bool
unseal_read_file(ArchiveKeys *keys, const char *path, const char **why)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	bool good = false;

	unseal_free(keys);
	secret_forbid_dumps();
	if (file < 0 || fstat(file, &status) != 0)
		*why = strerror(errno);
	else if (S_ISREG(status.st_mode) && (status.st_mode & 077) != 0)
		*why = "others may read the file of archives' keys; its mode is to be 0600";
	else if (S_ISDIR(status.st_mode))
		*why = strerror(EISDIR);
	else
		good = read_all(file, keys, why);
	if (file >= 0)
		(void) close(file);
	if (!good)
		unseal_free(keys);
	return good;
}

bool
unseal_take_environment(ArchiveKeys *keys, const char **why)
{
	if (getenv(UNSEAL_ENVIRONMENT) == NULL)
		return true;
	secret_forbid_dumps();
	*why = "there is not enough memory";
	keys->text = malloc(ENVIRONMENT_MAX);
	if (keys->text == NULL)
		return false;
	keys->room = ENVIRONMENT_MAX;
	keys->length = secret_take_environment(UNSEAL_ENVIRONMENT, keys->text, ENVIRONMENT_MAX);
	if (keys->length < keys->room)
		return true;
	*why = UNSEAL_ENVIRONMENT " is longer than it may be";
	unseal_free(keys);
	return false;
}

bool
unseal_archive(const ArchiveKeys *keys, ArchiveReader *reader, const char **why)
{
	uint8_t key[AEAD_KEY_SIZE];
	Status status;

	switch (archive_key_find(bytes_of(keys->text, keys->length), archive_header(reader)->identity, key))
	{
		case ARCHIVE_KEY_BAD:
			*why = "what was given as archives' keys is not as twin.export_archive_key() prints them";
			return false;
		case ARCHIVE_KEY_NONE:
			*why = "none of the archives' keys that were given is this one's";
			return false;
		case ARCHIVE_KEY_FOUND:
			break;
	}
	status = archive_reader_unseal(reader, key);
	secret_wipe(key, sizeof(key));
	*why = "there is not enough memory";
	return status == TSEC_OK;
}

void
unseal_free(ArchiveKeys *keys)
{
	if (keys->text != NULL)
		secret_wipe(keys->text, keys->room);
	free(keys->text);
	*keys = (ArchiveKeys){NULL, 0, 0};
}
