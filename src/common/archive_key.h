/*
 * archive_key.h
 *		The key of one encrypted archive as text, for who reads the archive without
 *		the database: base64 of the identity that stands in the archive's header and
 *		of the key.  So a key of another archive is told from an archive that was
 *		altered.
 */
#ifndef TSEC_ARCHIVE_KEY_H
#define TSEC_ARCHIVE_KEY_H

#include "archive_file.h"

#define ARCHIVE_KEY_TEXT 64 /* characters, without a final zero */

extern void archive_key_write(const uint8_t identity[ARCHIVE_IDENTITY_SIZE], const uint8_t key[AEAD_KEY_SIZE],
							  char text[ARCHIVE_KEY_TEXT]);

typedef enum ArchiveKeyFound
{
	ARCHIVE_KEY_FOUND,
	ARCHIVE_KEY_NONE, /* all lines are keys, of other archives */
	ARCHIVE_KEY_BAD   /* a line is no key, or there is none */
} ArchiveKeyFound;

/* Looks for the key of an archive among lines of them; empty ones, and what # begins, are passed over. */
extern ArchiveKeyFound archive_key_find(Bytes lines, const uint8_t identity[ARCHIVE_IDENTITY_SIZE],
										uint8_t key[AEAD_KEY_SIZE]);

#endif /* TSEC_ARCHIVE_KEY_H */
