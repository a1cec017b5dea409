/*
 * ledger.h
 *		The log of events, provable: every event becomes a leaf of one tree, whose
 *		root is signed and exported.
 */
#ifndef TSEC_LEDGER_H
#define TSEC_LEDGER_H

#include "event/event.h"

#include "common/note.h"

extern void ledger_init(void);

/*
 * ---- archive.c: the leaves of one partition with what proves them, for archives.
 * For functions that run as the owner of the tables, connected to SPI; they read
 * with the snapshot of the statement that asks.
 */

typedef struct LedgerArchive LedgerArchive;

/* What is known before the first leaf. */
typedef struct LedgerArchived
{
	uint64 rows;
	uint64 first_leaf; /* 0 as the next where there are none */
	uint64 last_leaf;
	Checkpoint checkpoint;       /* the first one that covers them all */
	const char *note;            /* signed */
	char key[NOTE_KEY_SIZE_MAX]; /* verifier key */
} LedgerArchived;

typedef struct LedgerLeaf
{
	uint64 index;
	bool begins_row;
	const MerkleHash *hash;
	Bytes bytes; /* good until the next one */
} LedgerLeaf;

/* Whether a table is a partition of the log. */
extern bool ledger_is_partition(Oid relation);

/* Raises 55000 where rows are not sealed yet, or no checkpoint covers them. */
extern LedgerArchive *ledger_archive_open(Oid partition, LedgerArchived *archived);

/* The next leaf in the tree's order; false at the end.  Raises XX001 where a row is not what was sealed. */
extern bool ledger_archive_next(LedgerArchive *archive, LedgerLeaf *leaf);

/* A node of the tree; raises XX001 where it is missing. */
extern void ledger_archive_node(LedgerArchive *archive, int level, uint64 index, MerkleHash *node);
extern void ledger_archive_close(LedgerArchive *archive);

/* What this database's log is called now; false: it has none yet. */
extern bool ledger_origin(char origin[NOTE_ORIGIN_MAX + 1]);

/* The root that this database's tree had with so many leaves; false: it has not so many, or not all of its nodes. */
extern bool ledger_root_at(uint64 size, MerkleHash *root);

#endif /* TSEC_LEDGER_H */
