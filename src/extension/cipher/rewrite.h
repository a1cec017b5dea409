/*
 * rewrite.h
 *		Private to the cipher: passing over a live table and changing one column
 *		of its rows, in batches with commits.
 */
#ifndef TSEC_REWRITE_H
#define TSEC_REWRITE_H

#include "cipher/private.h"

#include "executor/tuptable.h"
#include "nodes/pg_list.h"
#include "utils/relcache.h"
#include "utils/snapshot.h"

typedef enum RowAction
{
	ROW_KEEP,   /* nothing to do */
	ROW_CHANGE, /* write a new value */
	ROW_LEAVE   /* cannot be done and never will be: counted */
} RowAction;

/* A job over one column of a table and all its partitions. */
typedef struct RewriteJob
{
	Oid relation;
	NameData column; /* the one that is written; its number may differ between partitions */
	NameData source; /* the one it is made from; the same where there is but one */
	Oid column_type; /* as declared; the job ends with an error when they have become others */
	Oid source_type;
	const EncryptedType *type;
	int32 modifier;
	/* What is to be done with a row; looks at no more than a value's header. */
	RowAction (*judge)(const struct RewriteJob *job, bool source_null, Datum target, bool target_null);
	/* The new value of a row that is to be changed. */
	Datum (*make)(const struct RewriteJob *job, Datum source, Datum target);
	int batch_rows;      /* changed rows per transaction */
	int rows_per_second; /* 0: no limit */
	bool retag;          /* make blind tags anew */
	void *extra;         /* of the job's maker */
	int64 changed;       /* totals of the job */
	int64 left;
	/* between batches */
	BlockNumber next_block;
	BlockNumber end_block;
	int passes; /* done so far */
	int64 pass_skipped;
	bool at_once; /* in the caller's transaction, with one snapshot: see rewrite_at_once() */
	bool waits;   /* for rows that others are writing; one row a batch then */
	TimestampTz began;
} RewriteJob;

/* ---- rewrite.c ---- */

/* Goes on from the job's next block for a batch, in the current transaction. */
extern void rewrite_batch(RewriteJob *job, Relation relation);

/* Whether no row that a snapshot sees is to be changed; counts those that are left as they are. */
extern bool rewrite_is_done(RewriteJob *job, Relation relation, Snapshot snapshot);

/* ---- rewrite_pass.c ---- */

/*
 * Passes over the table until nothing is left to do.  Commits after each
 * batch, so it is for procedures in a non-atomic context only; no relation may
 * be open and no snapshot active that is needed afterwards.
 */
extern void rewrite_run(RewriteJob *job);

/* The same in the caller's transaction, in one go, under a lock the caller holds that keeps writers out. */
extern void rewrite_at_once(RewriteJob *job);

/* ---- rewrite_command.c ---- */

/* Raises 42501 unless the current role owns a table; raises for what is not an ordinary or a partitioned table. */
extern void rewrite_require_owner(Oid relation);

/* One command at a time on a table, for as long as the session lasts or until it is given back. */
extern void rewrite_lock(Oid relation);
extern void rewrite_unlock(Oid relation);
extern void rewrite_lock_in_transaction(Oid relation);

/* Rows in a table and its partitions as the planner knows them; -1 when it does not. */
extern int64 rewrite_estimate(Oid relation);

/* Commits the running transaction of a procedure and begins another. */
extern void rewrite_commit(void);

/* Raises unless the procedure was called where it can write and commit. */
extern void rewrite_require_nonatomic(FunctionCallInfo fcinfo, const char *procedure);

/* An argument of a procedure: 1 to 1,000,000 rows a batch, NULL for 10,000; rows a second, NULL for no limit. */
extern int rewrite_batch_rows(FunctionCallInfo fcinfo, int n);
extern int rewrite_rows_per_second(FunctionCallInfo fcinfo, int n);

/* The tables that hold rows: the table itself or its partitions; raises when it has been dropped. */
extern List *rewrite_tables(Oid relation);

#endif /* TSEC_REWRITE_H */
