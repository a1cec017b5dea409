/*
 * view.h
 *		What the files of the decrypted views share: how a view's columns lie in
 *		its table, and the statements that write them.
 */
#ifndef TSEC_CIPHER_VIEW_H
#define TSEC_CIPHER_VIEW_H

#include "cipher/private.h"

#include "executor/spi.h"
#include "nodes/bitmapset.h"
#include "utils/rel.h"

/* One column of a view. */
typedef struct ViewColumn
{
	const char *name;  /* the view's, for messages */
	const char *into;  /* the table's, as SQL */
	const char *shown; /* the expression over the table, as SQL */
	AttrNumber stored; /* number in the table */
	Oid type;          /* as shown */
	int16 length;      /* of that type */
	bool by_value;
	bool encrypted;
	int32 modifier; /* of an encrypted column's key */
	char identity;  /* as in pg_attribute */
	char generated;
} ViewColumn;

typedef enum ViewStatement
{
	VIEW_INSERT,
	VIEW_UPDATE,  /* of a row that is still as it was read */
	VIEW_READ,    /* the row as it is now, for one who may update it */
	VIEW_CHANGED, /* whether the row is there, but not as it was read */
} ViewStatement;

/* A view whose rows are written; lives until the view, its table, or a name they use changes. */
typedef struct ViewWriter
{
	Oid table;
	bool valid;             /* nothing it was described from has changed */
	bool kept;              /* found again by view_writer() */
	int users;              /* more than one when a trigger of the table writes through the view */
	MemoryContext context;  /* holds the writer itself */
	const char *table_name; /* as SQL */
	int count;
	ViewColumn *columns;
	const char *key;        /* the condition that finds a row by its old values, as SQL; NULL without a key */
	Bitmapset *key_columns; /* indexes of columns */
	List *plans;            /* of ViewPlan pointers */

	/* what the role of these may see, as last asked */
	Oid user;
	Oid authenticated;
	uint64 generation;
	TimestampTz asked_at;
	Bitmapset *readable;  /* columns that may come back */
	Bitmapset *plaintext; /* columns shown as they are, not as masks */
} ViewWriter;

/* ---- view_plan.c ---- */

/* The writer of a view, whose table is locked for writing; the caller releases the one and closes the other. */
extern ViewWriter *view_writer(Relation view, Relation *table);
extern void view_release(ViewWriter *writer);

/*
 * The kept plan of a statement.  Parameters: the row's old values, then its new ones.  written: indexes of the columns
 * that are assigned; returned: of those that come back.
 */
extern SPIPlanPtr view_plan(ViewWriter *writer, ViewStatement statement, const Bitmapset *written,
							const Bitmapset *returned);

/* ---- view_sql.c ---- */

/* The text of a statement, as view_plan() keeps it. */
extern char *view_statement(const ViewWriter *writer, ViewStatement statement, const Bitmapset *written,
							const Bitmapset *returned);

/* ---- view_key.c ---- */

/* One column of the key that finds a table's rows. */
typedef struct ViewKeyColumn
{
	AttrNumber stored;
	Oid equal; /* operator */
} ViewKeyColumn;

/*
 * The key of a table as a list of ViewKeyColumn pointers: its primary key's columns, or else those of a unique index
 * whose columns are never null, rather without encrypted ones; NIL when there is none.
 */
extern List *view_find_key(Relation table);

#endif /* TSEC_CIPHER_VIEW_H */
