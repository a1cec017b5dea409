/*
 * compat.h
 *		Differences between PostgreSQL 15 (the base) and 16 to 18, in one place,
 *		so that no function of the house holds a version #if.
 */
#ifndef TSEC_COMPAT_H
#define TSEC_COMPAT_H

#include "postgres.h"

#if PG_VERSION_NUM < 150000
#error "twin_security needs PostgreSQL 15 or newer"
#endif

/* 16 took the varlena macros out of postgres.h. */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* 18 replaced the attribute by a keyword-like macro. */
#if PG_VERSION_NUM >= 180000
#define TSEC_NORETURN pg_noreturn
#else
#define TSEC_NORETURN pg_attribute_noreturn()
#endif

/* 17 moved the statistics target out of the attribute's fixed part. */
#if PG_VERSION_NUM >= 170000
#define TSEC_STATISTICS_TARGET(stats) ((stats)->attstattarget)
#else
#define TSEC_STATISTICS_TARGET(stats) ((stats)->attr->attstattarget)
#endif

/* 18 tells the delay point whether it serves ANALYZE. */
#if PG_VERSION_NUM >= 180000
#define TSEC_VACUUM_DELAY_POINT() vacuum_delay_point(true)
#else
#define TSEC_VACUUM_DELAY_POINT() vacuum_delay_point()
#endif

#include "storage/lock.h"
#if PG_VERSION_NUM >= 170000
#include "storage/procarray.h"
#else
#include "storage/sinvaladt.h"
#endif

/* A running transaction's id and oldest visible id; both invalid when it has written nothing and holds no snapshot. */
static inline void
compat_transaction_ids(VirtualTransactionId running, TransactionId *xid, TransactionId *xmin)
{
#if PG_VERSION_NUM >= 170000
	int count;
	bool overflowed;

	ProcNumberGetTransactionIds(running.procNumber, xid, xmin, &count, &overflowed);
#elif PG_VERSION_NUM >= 160000
	int count;
	bool overflowed;

	BackendIdGetTransactionIds(running.backendId, xid, xmin, &count, &overflowed);
#else
	BackendIdGetTransactionIds(running.backendId, xid, xmin);
#endif
}

#include "nodes/parsenodes.h"

/* What a column of a join stands for; 18 also lets grouped expressions be columns of an entry of their own. */
static inline Node *
compat_alias_of(RangeTblEntry *entry, AttrNumber column)
{
	List *aliases = entry->rtekind == RTE_JOIN ? entry->joinaliasvars : NIL;

#if PG_VERSION_NUM >= 180000
	if (entry->rtekind == RTE_GROUP)
		aliases = entry->groupexprs;
#endif
	return column <= list_length(aliases) ? (Node *) list_nth(aliases, column - 1) : NULL;
}

#endif /* TSEC_COMPAT_H */
