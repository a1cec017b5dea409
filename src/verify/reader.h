/*
 * reader.h
 *		A file that is read once, from its beginning to its end, through a window;
 *		its SHA-256 is known then.
 */
#ifndef TWIN_VERIFY_READER_H
#define TWIN_VERIFY_READER_H

#include "common/bytes.h"
#include "common/digest.h"

#include <stdbool.h>

typedef struct Reader Reader;

/* Opens a regular file: in a folder, never through a symbolic link, or (AT_FDCWD) by path.  NULL: errno says why. */
extern Reader *reader_open(int folder, const char *name);

/* Bytes that the file had when it was opened. */
extern uint64_t reader_size(const Reader *reader);

/* What is at hand, at least the wanted bytes unless the file ends before; stays until the next call. */
extern Bytes reader_need(Reader *reader, size_t wanted);

/* Moves on over bytes that are at hand. */
extern void reader_take(Reader *reader, size_t length);

/* Whether reading failed (and not the file ended), or memory was out. */
extern bool reader_failed(const Reader *reader);

/* Reads what is left, and says the SHA-256 of all. */
extern bool reader_finish(Reader *reader, uint8_t sha256[DIGEST_SIZE]);

extern void reader_close(Reader *reader);

/* A whole file of at most so many bytes, which the caller frees; NULL: errno says why (EFBIG: it is larger). */
extern uint8_t *reader_whole(int folder, const char *name, size_t limit, size_t *length, uint8_t sha256[DIGEST_SIZE]);

#endif /* TWIN_VERIFY_READER_H */
