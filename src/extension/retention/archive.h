/*
 * archive.h
 *		What the files of archives share.  Whatever these functions hold of files,
 *		library contexts and keys belongs to a memory context and goes with it, so
 *		errors and cancels leave nothing behind.
 */
#ifndef TSEC_RETENTION_ARCHIVE_H
#define TSEC_RETENTION_ARCHIVE_H

#include "retention/private.h"

#include "cipher/cipher.h"
#include "common/archive_tally.h"

#include "executor/spi.h"
#include "utils/relcache.h"

/* ---- archive_folder.c: the administrator's folder, and names in it ---- */

/* Raises 55000 where archives are switched off. */
extern void archive_find_folder(char base[MAXPGPATH]);

/* Removes what was begun and not finished by processes that are no more. */
extern void archive_clean_folder(const char *base);

/* Whether a name is taken, by whatever it may be. */
extern bool archive_is_taken(const char *base, const char *name);

extern TSEC_NORETURN void archive_refuse(const char *path, const char *what);

/* ---- archive_output.c: a file that is written beside its place and gets its name when it is whole ---- */

typedef struct ArchiveOutput ArchiveOutput;

/* NULL where another process is writing that name, or has just written it. */
extern ArchiveOutput *archive_output_begin(const char *base, const char *name);
extern void archive_output_write(void *output, Bytes bytes); /* an ArchiveSink */
extern void archive_output_end(ArchiveOutput *output, uint64 *bytes, uint8 sha256[DIGEST_SIZE]);

/* Gives it its name, which must not be taken; the folder is not brought to the disk. */
extern void archive_output_publish(ArchiveOutput *output);

/* ---- archive_input.c: an archive that is read ---- */

typedef struct ArchiveInput
{
	char base[MAXPGPATH];
	char path[MAXPGPATH + ARCHIVE_FILE_NAME_SIZE];
	ArchiveManifest manifest; /* good where fault is NULL */
	bool has_manifest;
	int file; /* -1: none */
	struct pg_cryptohash_ctx *hash;
	uint64 bytes; /* that were read */
	ArchiveReader *reader;
	ArchiveJudge judge;
	const char *fault; /* why it is not what it should be, NULL for nothing yet */
	MemoryContextCallback callback;
} ArchiveInput;

/* Opens an archive by its file's name; what is wrong with it is its fault.  Raises for names that no archive has. */
extern ArchiveInput *archive_input_open(const char *name);

/* Reads the manifest alone; false: it is none of this file. */
extern bool archive_input_manifest(ArchiveInput *input, const char *name);

/* Sets the key of one that is sealed; asks: only where the current role may decrypt with it, else raises 42501. */
extern void archive_input_unseal(ArchiveInput *input, bool asks);

/* Begins to read records; then archive_judge_next(), and what is wrong at the end, NULL for nothing. */
extern bool archive_input_begin(ArchiveInput *input);
extern const char *archive_input_end(ArchiveInput *input);

/* Instead of records: reads it to its end, and looks only whether it has the SHA-256 of its manifest. */
extern const char *archive_input_digest(ArchiveInput *input);
extern void archive_input_close(ArchiveInput *input);

/* Whether the log of this database wrote it; of rows: or would have, had it been signing. */
extern bool archive_is_own(const ArchiveManifest *manifest);

/* ---- archive_secret.c: keys of files, sealed under a key of the keyring ---- */

/* Makes a key where twin_security.archive_key names one to seal it with. */
extern void archive_secret_make(ArchiveManifest *manifest, ArchiveHeader *header, uint8 key[AEAD_KEY_SIZE]);

/* Opens it; what is wrong with it, NULL for nothing. */
extern const char *archive_secret_open(const ArchiveManifest *manifest, const ArchiveHeader *header, bool asks,
									   uint8 key[AEAD_KEY_SIZE]);

/* ---- archive_rows.c: rows of a table as bytes ---- */

typedef void (*ArchiveRowVisitor)(void *argument, Bytes row);

/* Text of this database as UTF-8, in a copy. */
extern const char *archive_utf8(const char *text);

/* Columns of a table. */
extern void archive_take_columns(Relation relation, ArchiveManifest *manifest);

/* Which rows: all, or those whose column says from <= t < to. */
typedef struct ArchiveRange
{
	const char *column; /* NULL: all */
	bool has_from;
	bool has_to;
	TimestampTz from;
	TimestampTz to;
} ArchiveRange;

/* Visits them; keys gets what their encrypted values lie under, NULL: nobody asks. */
extern void archive_visit_rows(Relation relation, const ArchiveRange *range, CipherKeys *keys,
							   ArchiveRowVisitor visitor, void *argument);

/* ---- archive_match.c ---- */

/*
 * How an archive differs from what is in a table now, NULL: it does not.  The input is one that was begun; keys as of
 * archive_visit_rows().
 */
extern const char *archive_compare(ArchiveInput *input, Oid relation, const ArchiveRange *range, CipherKeys *keys);

/* Which rows of a table an archive is of. */
extern void archive_range_of(const ArchiveManifest *manifest, ArchiveRange *range);

#endif /* TSEC_RETENTION_ARCHIVE_H */
