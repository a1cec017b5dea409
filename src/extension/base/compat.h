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

#include "catalog/pg_class.h"
#include "utils/acl.h"

/* 16 made one function of the many that ask for ownership. */
static inline bool
compat_owns_relation(Oid relation, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(RelationRelationId, relation, role);
#else
	return pg_class_ownercheck(relation, role);
#endif
}

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

#endif /* TSEC_COMPAT_H */
