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

/* Whether reads of any relation are to be recorded.  May read the catalog. */
extern bool audit_reads_any(void);

/* ---- enhanced.c ---- */

extern void enhanced_init(void);

/* Whether reads of every audited table are to be recorded at present.  May read the catalog. */
extern bool audit_reads_enhanced(void);

/* ---- audited_trigger.c ---- */

/* Whether a function is what triggers of audited tables call. */
extern bool audited_is_trigger(Oid function);

/* Whether such a trigger fires when it should: its tgenabled. */
extern bool audited_fires_rightly(const char *name, char enabled);

/* ---- audited_guard.c ---- */

extern void audited_guard_init(void);

/* A row of pg_trigger as a snapshot sees it. */
typedef struct AuditTriggerState
{
	bool found;
	Oid relation;
	Oid function;
	char enabled;
	NameData name;
	ItemPointerData place; /* of this version */
} AuditTriggerState;

extern AuditTriggerState audited_read_trigger(Oid trigger, Snapshot snapshot);

/* ---- audited_name.c ---- */

/* The name of a relation with its schema, as SQL writes it under whatever settings; its OID where it has none. */
extern char *audited_name(Oid relation);
extern char *audited_type_name(Oid type);

#endif /* TSEC_AUDIT_AUDITED_H */
