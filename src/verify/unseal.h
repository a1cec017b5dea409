/*
 * unseal.h
 *		Keys of encrypted archives, as an auditor was given them.
 */
#ifndef TWIN_VERIFY_UNSEAL_H
#define TWIN_VERIFY_UNSEAL_H

#include "common/archive_key.h"

#define UNSEAL_ENVIRONMENT "TWIN_ARCHIVE_KEYS"

/* Lines of keys; begins with all zero. */
typedef struct ArchiveKeys
{
	char *text; /* NULL: none were given */
	size_t length;
	size_t room;
} ArchiveKeys;

/* Reads them from a file, which must be nobody else's to read, or a pipe.  False: *why says so. */
extern bool unseal_read_file(ArchiveKeys *keys, const char *path, const char **why);

/* Takes them out of the environment; none there is no fault. */
extern bool unseal_take_environment(ArchiveKeys *keys, const char **why);

/* Gives an archive that is sealed its key.  False: it is not among them, and *why says so. */
extern bool unseal_archive(const ArchiveKeys *keys, ArchiveReader *reader, const char **why);
extern void unseal_free(ArchiveKeys *keys);

#endif /* TWIN_VERIFY_UNSEAL_H */
