/*
 * audit.h
 *		What is recorded without anybody asking for it: changes of audited tables,
 *		reads, decryptions, refusals, commands of administrators.
 */
#ifndef TSEC_AUDIT_H
#define TSEC_AUDIT_H

#include "event/event.h"

#include "nodes/pg_list.h"

extern void audit_init(void);

/*
 * For a part above that knows which columns of a table hold data of persons: names, as C strings.  Of their values the
 * log has digests.  It is asked again once twin_internal.audited_tables_changed() was called by a trigger of its own.
 */
typedef List *(*AuditPersonal)(Oid relation);
extern void audit_set_personal(AuditPersonal source);

#endif /* TSEC_AUDIT_H */
