/*
 * convert.h
 *		Private to the cipher: the parts of converting a plain column.
 */
#ifndef TSEC_CONVERT_H
#define TSEC_CONVERT_H

#include "cipher/rewrite.h"

#include "utils/array.h"

/* A conversion: which column becomes what. */
typedef struct Conversion
{
	Oid relation;
	NameData column;
	const char *key_name; /* key and searchable as the caller gave them */
	bool searchable;
	NameData shadow; /* the encrypted column until it takes the plain one's place */
	const EncryptedType *type;
	int32 modifier;
	Oid plain_type;      /* of the plain column */
	bool converts;       /* whether its values need a function to become the base type's */
	FmgrInfo conversion; /* that function */
} Conversion;

typedef enum ConversionState
{
	CONVERSION_PLAIN,   /* not begun */
	CONVERSION_FILLING, /* begun, interrupted or going on */
	CONVERSION_SWAPPED  /* the column is encrypted; plaintext may still lie in dropped columns */
} ConversionState;

#define CONVERSION_TRIGGER "~~twin_security_encrypt"

/* The state of a column; raises when a conversion with other arguments has begun. */
extern ConversionState conversion_state(Conversion *conversion);

/* Finds the encrypted type for the column's plain one; raises when there is none.  What it needs lives in a context. */
extern void conversion_find_type(Conversion *conversion, Oid plain_type, bool searchable, MemoryContext context);

/* The value of the plain column as one of the base type. */
extern Datum conversion_base(Conversion *conversion, Datum plain);

/* ---- convert_ask.c ---- */

/*
 * Calls a function of convert_*.sql, which nobody else can name, and returns a copy of its answer.  No answer means
 * that what was asked about has gone meanwhile: the first raises then, the second returns false.
 */
extern Datum convert_ask(const char *function, int count, ...);
extern bool convert_ask_nullable(const char *function, int count, const Datum *arguments, const bool *nulls,
								 Datum *answer);

/* Runs the statements of an array of text, as the caller, with a search path that no other object can get into. */
extern void convert_run(Datum statements);

/* ---- convert_check.c ---- */

/* Refuses what could not be carried over; also when it came after the conversion had begun. */
extern void conversion_check_obstacles(const Conversion *conversion);

/* Refuses to begin what would make the table's writers fail. */
extern void conversion_check_writers(const Conversion *conversion);

/* ---- convert_lock.c ---- */

/* Takes the table and its partitions for itself, patiently; commits between attempts. */
extern void conversion_lock(Oid relation);

/* ---- convert_index.c ---- */

/* Makes the indexes that the plain column has, one after another, while others write. */
extern void conversion_build_indexes(Conversion *conversion);

/* ---- convert_default.c ---- */

/* The plain column's default as that of the encrypted one; NULL when there is none. */
extern char *conversion_default(Conversion *conversion);

/* ---- scrub.c ---- */

/*
 * Overwrites what dropped columns, deleted rows and free space still hold of
 * old values, in a table and all its partitions, their TOAST tables, and the
 * catalogs where values end up.  Commits as it goes; returns the number of
 * deleted rows of these catalogs that had to be left for old snapshots.
 */
extern int64 scrub_run(Oid relation);

/* ---- index_worker.c ---- */

/* Runs a statement that cannot run in a procedure, such as CREATE INDEX CONCURRENTLY, and raises its error. */
extern void worker_run_statement(const char *statement, const char *hint);

#endif /* TSEC_CONVERT_H */
