/*
 * audited.h
 *		Which tables are audited, and how: what twin.audit_table() wrote down,
 *		remembered per relation until it changes.
 */
#ifndef TSEC_AUDIT_AUDITED_H
#define TSEC_AUDIT_AUDITED_H

#include "audit/audit.h"

typedef enum AuditMode
{
	AUDIT_IMAGE, /* rows as they were and became */
	AUDIT_DIGEST /* of a statement's rows their number, range and root */
} AuditMode;

typedef struct AuditedTable
{
	Oid relation;
	Oid audited_as; /* itself, or the partitioned table that it is audited with; InvalidOid: it is not audited */
	bool known;     /* false: read again */
	bool reads;
	AuditMode mode;
	int skipped_count;
	int digest_count;
	NameData *skipped; /* columns */
	NameData *digests;
} AuditedTable;

extern void audited_init(void);

/* How a relation is audited; NULL when it is not.  Good until the next call.  Reads catalogs when it does not know. */
extern const AuditedTable *audit_table_of(Oid relation);

/* The table that says which tables are audited, as far as this process knows it. */
extern Oid audited_catalog(void);

/* Whether reads of a relation are to be recorded. */
extern bool audit_reads(Oid relation);

#endif /* TSEC_AUDIT_AUDITED_H */
