/*
 * archive_file.h
 *		The bytes of an archive: a header, then what is archived in chunks, each
 *		compressed by itself (zstd) and, where there is a key, sealed.
 *
 * Form, version 1 (numbers big-endian): "TWINARCH", version 2, kind 1, whether it
 * is sealed 1, identity 16 (random where it is sealed, else zero).  Then
 * each chunk: its plain length 4, whose highest bit says that it is the last; its
 * length here 4; and so many bytes, a zstd frame with its checksum.  Every chunk
 * but the last holds ARCHIVE_CHUNK bytes, the last at most as many, and behind it
 * the file ends.
 *
 * Sealed, the bytes of a chunk are AES-256-GCM of the frame, and the tag.  The key
 * is the file's alone.  Nonce: the chunk's number 8 and whether it is the last 4;
 * associated data: the file's header and the chunk's lengths.  So no chunk can be
 * left out, moved, doubled, cut off or taken from another file.
 *
 * Reading trusts nothing: no length makes it take more memory than a chunk needs,
 *
 * and what is expanded is never longer than its chunk may be.
 */
#ifndef TSEC_ARCHIVE_FILE_H
#define TSEC_ARCHIVE_FILE_H

#include "aead.h"
#include "bytes.h"
#include "status.h"

#include <stdbool.h>

#define ARCHIVE_HEADER_SIZE 28
#define ARCHIVE_IDENTITY_SIZE 16
#define ARCHIVE_CHUNK_HEAD 8
#define ARCHIVE_CHUNK ((size_t) 1 << 20) /* plain bytes */

typedef enum ArchiveKind
{
	ARCHIVE_LEAVES = 1, /* of the audit log, with what proves them */
	ARCHIVE_ROWS        /* of another table */
} ArchiveKind;

typedef struct ArchiveHeader
{
	ArchiveKind kind;
	bool is_sealed;
	uint8_t identity[ARCHIVE_IDENTITY_SIZE];
} ArchiveHeader;

extern void archive_write_header(const ArchiveHeader *header, uint8_t to[ARCHIVE_HEADER_SIZE]);

/* False when these are not the beginning of an archive, of this version. */
extern bool archive_read_header(const uint8_t from[ARCHIVE_HEADER_SIZE], ArchiveHeader *header);

/* ---- writing ---- */

typedef struct ArchiveWriter ArchiveWriter;

/* Takes bytes of the file, in their order; it may leave by longjmp(). */
typedef void (*ArchiveSink)(void *argument, Bytes bytes);

/* The key, of AEAD_KEY_SIZE bytes that were never used before, where the header says sealed; it is not needed afterwards. */
extern Status archive_writer_new(const ArchiveHeader *header, const uint8_t *key, ArchiveSink sink, void *argument,
								 ArchiveWriter **result);
extern Status archive_write(ArchiveWriter *writer, const void *bytes, size_t length);

/* Writes what was not written, as the last chunk. */
extern Status archive_writer_end(ArchiveWriter *writer);
extern void archive_writer_free(ArchiveWriter *writer);

/* ---- reading ---- */

typedef struct ArchiveReader ArchiveReader;

/* Gives the file's next bytes, as many as are wanted unless it ends before; it may leave by longjmp(). */
typedef size_t (*ArchiveSource)(void *argument, uint8_t *to, size_t wanted);

/* NULL when memory is out. */
extern ArchiveReader *archive_reader_new(ArchiveSource source, void *argument);

/* Reads the header, before anything else; false: it is no archive. */
extern bool archive_reader_begin(ArchiveReader *reader);
extern const ArchiveHeader *archive_header(const ArchiveReader *reader);

/* The key of a file that is sealed. */
extern Status archive_reader_unseal(ArchiveReader *reader, const uint8_t key[AEAD_KEY_SIZE]);
extern bool archive_lacks_key(const ArchiveReader *reader);

/*
 * What of the archived bytes is at hand, at least the wanted ones unless these are
 * all there are; good until the next call.  False: the file is not whole, or not
 * what was written, and archive_fault() says what is wrong with it.
 */
extern bool archive_need(ArchiveReader *reader, size_t wanted, Bytes *at_hand);

/* Moves on over bytes that are at hand. */
extern void archive_take(ArchiveReader *reader, size_t length);

/* Looks at the lengths of all chunks from here on and at nothing else: what is left to do without the key. */
extern bool archive_skim(ArchiveReader *reader);

/* What is wrong with the file, NULL for nothing yet; and the chunk, counted from 1 on, 0: none. */
extern const char *archive_fault(const ArchiveReader *reader, uint64_t *chunk);

/* Whether what is wrong is that there was no memory, which says nothing of the file. */
extern bool archive_ran_out(const ArchiveReader *reader);
extern void archive_reader_free(ArchiveReader *reader);

#endif /* TSEC_ARCHIVE_FILE_H */
