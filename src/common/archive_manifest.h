/*
 * archive_manifest.h
 *		What an archive is of, and what proves it: a file of JSON beside it, of one
 *		spelling, so that it holds nothing that is not checked.
 *
 *		{
 *		"format":"twin_security archive","version":1,"kind":"leaves",
 *		"database":"plant","log":"twin_security/audit/plant/5f0c...",
 *		"schema":"twin_internal","partition":"events_audit_2016_01","relation":"twin_internal.events_audit",
 *		"time_column":null,"from":"2016-01-01T00:00:00.000000Z","to":"2016-02-01T00:00:00.000000Z","number":1,
 *		"rows":1000,"leaves":1000,"first_leaf":5,"last_leaf":1210,"leaf_set_sha256":"ab...",
 *		"subtree":{"first":0,"leaves":2048,"root":"base64"},"root":null,
 *		"checkpoint":"a signed note","public_key":"a verifier key",
 *		"columns":[],
 *		"compression":"zstd",
 *		"encryption":{"key":"archive","version":1,"key_id":7,"wrapped":"base64"},
 *		"bytes":100000,"sha256":"cd..."
 *		}
 *
 * (each member in a line of its own).  Of another table than the log: kind is
 * "rows", "root" the tree over its rows, "columns" their names and types,
 * and what tells of leaves is null.  Without a key "encryption" is null.  "log" is
 * the log of the database that wrote it, null where it had none.
 *
 * Reading takes the members and writes them again: what is not the same text is
 * no manifest.
 */
#ifndef TSEC_ARCHIVE_MANIFEST_H
#define TSEC_ARCHIVE_MANIFEST_H

#include "archive_file.h"
#include "note.h"

#define ARCHIVE_MANIFEST_MAX ((size_t) 2 << 20)
#define ARCHIVE_COLUMNS_MAX 1600
#define ARCHIVE_NAME_MAX 64   /* of an identifier, with its final zero, in the server's encoding; in UTF-8: */
#define ARCHIVE_NAME_SIZE 256 /* up to four times as much */
#define ARCHIVE_WRAPPED_MAX 512
#define ARCHIVE_NUMBER_MAX 999

typedef struct ArchiveColumn
{
	const char *name;
	const char *type; /* as format_type() has it */
} ArchiveColumn;

typedef struct ArchiveManifest
{
	ArchiveKind kind;
	const char *database;
	const char *log; /* NULL: none */
	const char *schema;
	const char *partition;
	const char *relation;    /* SCHEMA.TABLE as SQL writes it: whose partition it is, or itself */
	const char *time_column; /* NULL: all rows */
	const char *from;        /* as leaf_time() writes it; NULL: from the beginning */
	const char *to;          /* NULL: to the end */
	int number;              /* of archives of this name: 1, and more where one was there already */
	uint64_t rows;
	/* of leaves */
	uint64_t leaves;
	uint64_t first_leaf; /* 0 as the next where there are no leaves */
	uint64_t last_leaf;
	uint8_t leaf_set_sha256[DIGEST_SIZE];
	uint64_t subtree_first; /* the smallest aligned subtree that holds them, cut at the checkpoint's size */
	uint64_t subtree_leaves;
	MerkleHash subtree_root;
	const char *checkpoint;
	const char *public_key;
	/* of rows */
	MerkleHash root;
	const ArchiveColumn *columns;
	int column_count;
	/* of a file that is sealed */
	const char *key_name; /* NULL: it is not */
	int key_version;
	uint32_t key_id;
	uint8_t wrapped[ARCHIVE_WRAPPED_MAX];
	size_t wrapped_length;
	/* of the file */
	uint64_t bytes;
	uint8_t sha256[DIGEST_SIZE];
	bool ran_out; /* of memory, where it could not be read */
	void *owned;  /* what reading keeps the texts in */
	void *owned_columns;
} ArchiveManifest;

/* Rows as people count them: of the log its events, of which a stored row may be many. */
static inline uint64_t
archive_manifest_rows(const ArchiveManifest *manifest)
{
	return manifest->kind == ARCHIVE_LEAVES ? manifest->leaves : manifest->rows;
}

/* Writes it, without a final zero, and returns its bytes; when these are more than room, what was written is of no use. */
extern size_t archive_manifest_write(const ArchiveManifest *manifest, char *to, size_t room);

/* Reads one; false when it is none.  Texts stay until archive_manifest_free(), which is for what was read alone. */
extern bool archive_manifest_read(Bytes text, ArchiveManifest *manifest);
extern void archive_manifest_free(ArchiveManifest *manifest);

/* Reads a time as leaf_time() writes it, and in no other way. */
extern bool archive_time(const char *text, int64_t *time);

/* ---- names of files ---- */

#define ARCHIVE_SUFFIX ".tsarc"
#define ARCHIVE_MANIFEST_SUFFIX ".manifest.json"
#define ARCHIVE_FILE_NAME_SIZE 256 /* with its final zero, and with any suffix */

/*
 * SCHEMA.PARTITION.FROM-TO, and .NUMBER from 2 on: what the names of both files
 * begin with.  Other characters than letters, digits, underscores and dollar signs
 * stand as % and two digits of each byte; what would be too long is cut and ends
 * with a digest.  False: there is no such name.
 */
extern bool archive_name(const ArchiveManifest *manifest, char name[ARCHIVE_FILE_NAME_SIZE]);

/* Whether a name is one that an archive's file can have: its letters, and .tsarc at the end. */
extern bool archive_name_valid(const char *file);

/* The name of the manifest of an archive's file. */
extern void archive_manifest_name(const char *file, char name[ARCHIVE_FILE_NAME_SIZE]);

#endif /* TSEC_ARCHIVE_MANIFEST_H */
