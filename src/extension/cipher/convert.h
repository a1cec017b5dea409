/*
 * convert.h
 *		Private to the cipher: the parts of converting a plain column.
 */
#ifndef TSEC_CONVERT_H
#define TSEC_CONVERT_H

#include "cipher/rewrite.h"

/* A conversion: which column becomes what. */
typedef struct Conversion
{
	Oid relation;
	NameData column;
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
extern ConversionState conversion_state(Conversion *conversion, const char *key_name, bool searchable);

/* Finds the encrypted type for the column's plain one; raises when there is none. */
extern void conversion_find_type(Conversion *conversion, Oid plain_type, bool searchable);

/* The value of the plain column as one of the base type. */
extern Datum conversion_base(Conversion *conversion, Datum plain);

/* Calls a function of convert.sql, which nobody else can name, and returns a copy of its answer, which is not null. */
extern Datum convert_ask(const char *function, int count, ...);
extern Datum convert_ask_nullable(const char *function, int count, const Datum *arguments, const bool *nulls);

/* ---- scrub.c ---- */

/*
 * Overwrites what dropped columns, deleted rows and free space still hold of
 * old values, in a table and all its partitions, their TOAST tables, and the
 * catalogs where values end up.  Commits as it goes; the number of deleted
 * rows that old snapshots may still read is returned.
 */
extern int64 scrub_run(Oid relation, const char *column);

/* ---- index_worker.c ---- */

/* Runs a statement that cannot run in a procedure, such as CREATE INDEX CONCURRENTLY, and raises its error. */
extern void worker_run_statement(const char *statement, const char *hint);

#endif /* TSEC_CONVERT_H */
