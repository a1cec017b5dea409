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

/* Sets a column's statistics target to 0; from 17 on the target is a column that may be null. */
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/indexing.h"
#include "catalog/pg_attribute.h"
#include "utils/rel.h"
#include "utils/syscache.h"
static inline void
compat_keep_no_statistics(Oid relation, AttrNumber column)
{
	Relation attributes = table_open(AttributeRelationId, RowExclusiveLock);
	HeapTuple old = SearchSysCache2(ATTNUM, ObjectIdGetDatum(relation), Int16GetDatum(column));
	Datum values[Natts_pg_attribute] = {0};
	bool nulls[Natts_pg_attribute] = {0};
	bool replaces[Natts_pg_attribute] = {0};
	bool is_null = false;
	Datum target;

	if (!HeapTupleIsValid(old))
		elog(ERROR, "twin_security: no column %d in relation %u", column, relation);
	target = SysCacheGetAttr(ATTNUM, old, Anum_pg_attribute_attstattarget, &is_null);
#if PG_VERSION_NUM >= 170000
	if (is_null || DatumGetInt16(target) != 0)
#else
	if (DatumGetInt32(target) != 0)
#endif
	{
		HeapTuple tuple;

		replaces[Anum_pg_attribute_attstattarget - 1] = true; /* by 0, as a number of either size */
		tuple = heap_modify_tuple(old, RelationGetDescr(attributes), values, nulls, replaces);
		CatalogTupleUpdate(attributes, &tuple->t_self, tuple);
		heap_freetuple(tuple);
	}
	ReleaseSysCache(old);
	table_close(attributes, RowExclusiveLock);
}

/* 18 tells the delay point whether it serves ANALYZE. */
#if PG_VERSION_NUM >= 180000
#define TSEC_VACUUM_DELAY_POINT() vacuum_delay_point(true)
#else
#define TSEC_VACUUM_DELAY_POINT() vacuum_delay_point()
#endif

#include "catalog/pg_class.h"
#include "catalog/pg_database.h"
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

static inline bool
compat_owns_database(Oid database, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return object_ownercheck(DatabaseRelationId, database, role);
#else
	return pg_database_ownercheck(database, role);
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

/* 16 tells which kinds of indexes a new row version needs entries in. */
#include "access/sysattr.h"
#include "access/tableam.h"
#include "executor/executor.h"
#if PG_VERSION_NUM >= 160000
typedef TU_UpdateIndexes TsecUpdateIndexes;
#else
typedef bool TsecUpdateIndexes;
#endif

/*
 * Gives an executor state the one relation it works on, of which one column is
 * updated: from that the indexes learn which of them a new row version leaves
 * logically unchanged.
 */
#include "nodes/makefuncs.h"
#include "nodes/parsenodes.h"
#include "parser/parse_relation.h"
#include "utils/rel.h"
static inline void
compat_init_range_table(EState *estate, Relation relation, AttrNumber updated)
{
	RangeTblEntry *entry = makeNode(RangeTblEntry);
	Bitmapset *columns = bms_make_singleton(updated - FirstLowInvalidHeapAttributeNumber);
#if PG_VERSION_NUM >= 160000
	List *permissions = NIL;
	RTEPermissionInfo *permission;
#endif

	entry->rtekind = RTE_RELATION;
	entry->relid = RelationGetRelid(relation);
	entry->relkind = relation->rd_rel->relkind;
	entry->rellockmode = RowExclusiveLock;
#if PG_VERSION_NUM >= 160000
	permission = addRTEPermissionInfo(&permissions, entry);
	permission->updatedCols = columns;
#if PG_VERSION_NUM >= 180000
	ExecInitRangeTable(estate, list_make1(entry), permissions, bms_make_singleton(1));
#else
	ExecInitRangeTable(estate, list_make1(entry), permissions);
#endif
#else
	entry->updatedCols = columns;
	ExecInitRangeTable(estate, list_make1(entry));
#endif
}

/* Makes index entries for a row version that an update wrote, where it needs any. */
static inline void
compat_insert_index_tuples(ResultRelInfo *result, TupleTableSlot *slot, EState *estate, TsecUpdateIndexes needed)
{
#if PG_VERSION_NUM >= 160000
	if (result->ri_NumIndices > 0 && needed != TU_None)
		(void) ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL, needed == TU_Summarizing);
#else
	if (result->ri_NumIndices > 0 && needed)
		(void) ExecInsertIndexTuples(result, slot, estate, true, false, NULL, NIL);
#endif
}

/* Makes index entries for a new row. */
static inline void
compat_insert_new_index_tuples(ResultRelInfo *result, TupleTableSlot *slot, EState *estate)
{
	if (result->ri_NumIndices == 0)
		return;
#if PG_VERSION_NUM >= 160000
	(void) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL, false);
#else
	(void) ExecInsertIndexTuples(result, slot, estate, false, false, NULL, NIL);
#endif
}

/*
 * From 17 on a sort of single values does not count the memory of those that
 * are passed by reference (seen on 17.11: it holds more than work_mem).
 */
#define COMPAT_DATUM_SORT_COUNTS_MEMORY (PG_VERSION_NUM < 170000)

/* 18 lets a scan count what it does. */
#include "access/genam.h"
static inline IndexScanDesc
compat_index_beginscan(Relation heap, Relation index, Snapshot snapshot, int keys)
{
#if PG_VERSION_NUM >= 180000
	return index_beginscan(heap, index, snapshot, NULL, keys, 0);
#else
	return index_beginscan(heap, index, snapshot, keys, 0);
#endif
}

/* 18 lets a portal be run but once. */
#include "tcop/pquery.h"
static inline bool
compat_portal_run(Portal portal, DestReceiver *receiver, QueryCompletion *completion)
{
#if PG_VERSION_NUM >= 180000
	return PortalRun(portal, FETCH_ALL, true, receiver, receiver, completion);
#else
	return PortalRun(portal, FETCH_ALL, true, true, receiver, receiver, completion);
#endif
}

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

/* 16 gives a list of the settings made for the caller. */
#include "utils/guc_tables.h"
static inline struct config_generic **
compat_settings(int *count)
{
#if PG_VERSION_NUM >= 160000
	return get_guc_variables(count);
#else
	*count = GetNumConfigOptions();
	return get_guc_variables();
#endif
}

/* NULL where this version has none of that name. */
static inline struct config_generic *
compat_find_setting_if_any(const char *name)
{
	int count;
	struct config_generic **settings = compat_settings(&count);

	for (int i = 0; i < count; i++)
		if (pg_strcasecmp(settings[i]->name, name) == 0)
			return settings[i];
	return NULL;
}

static inline struct config_generic *
compat_find_setting(const char *name)
{
	struct config_generic *setting = compat_find_setting_if_any(name);

	if (setting == NULL)
		elog(ERROR, "twin_security: setting \"%s\" is missing", name);
	return setting;
}

/*
 * Whether a role may take another on, by a membership and not as superuser.
 * From 16 on a membership may be one that only passes it on, or only inherits.
 */
static inline bool
compat_may_become(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return is_member_of_role_nosuper(member, role) && member_can_set_role(member, role);
#else
	return is_member_of_role_nosuper(member, role);
#endif
}

/* Whether a role stands above another: has its rights, or may take it on. */
static inline bool
compat_stands_above(Oid member, Oid role)
{
#if PG_VERSION_NUM >= 160000
	return is_member_of_role_nosuper(member, role) &&
		   (has_privs_of_role(member, role) || member_can_set_role(member, role));
#else
	return is_member_of_role_nosuper(member, role);
#endif
}

/* 18 lets columns be that are made when they are read, and lie in no row. */
static inline bool
compat_is_virtual(const FormData_pg_attribute *column)
{
#if PG_VERSION_NUM >= 180000
	return column->attgenerated == ATTRIBUTE_GENERATED_VIRTUAL;
#else
	return false;
#endif
}

/* 18 lets a library say what it is: pg_get_loaded_modules() tells. */
#if PG_VERSION_NUM >= 180000
#define COMPAT_MODULE_MAGIC(of_name, of_version) PG_MODULE_MAGIC_EXT(.name = of_name, .version = of_version)
#else
#define COMPAT_MODULE_MAGIC(of_name, of_version) PG_MODULE_MAGIC
#endif

/* 16 keeps apart from the connection who its client turned out to be. */
#if PG_VERSION_NUM >= 160000
#define COMPAT_CLIENT_IDENTITY(port) (MyClientConnectionInfo.authn_id)
#else
#define COMPAT_CLIENT_IDENTITY(port) ((port)->authn_id)
#endif

/* 18 took away what told a statement's only run. */
#if PG_VERSION_NUM >= 180000
#define TSEC_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count
#define TSEC_RUN_ARGUMENTS query, direction, count
#else
#define TSEC_RUN_PARAMETERS QueryDesc *query, ScanDirection direction, uint64 count, bool once
#define TSEC_RUN_ARGUMENTS query, direction, count, once
#endif

/*
 * The role by whose rights a relation of a plan is read, InvalidOid for the current one: a view's owner.  From 16 on a
 * table's children say nothing of it, so their parents are asked.
 */
#include "nodes/pathnodes.h"
#include "nodes/plannodes.h"
#include "parser/parsetree.h"
static inline Oid
compat_read_as(PlannedStmt *planned, Index number)
{
#if PG_VERSION_NUM >= 160000
	RangeTblEntry *entry = rt_fetch(number, planned->rtable);

	while (entry->perminfoindex == 0)
	{
		AppendRelInfo *of_child = NULL;
		ListCell *cell;

		foreach(cell, planned->appendRelations)
			if (lfirst_node(AppendRelInfo, cell)->child_relid == number)
				of_child = lfirst_node(AppendRelInfo, cell);
		if (of_child == NULL)
			return InvalidOid;
		number = of_child->parent_relid;
		entry = rt_fetch(number, planned->rtable);
	}
	return getRTEPermissionInfo(planned->permInfos, entry)->checkAsUser;
#else
	return rt_fetch(number, planned->rtable)->checkAsUser;
#endif
}

#endif /* TSEC_COMPAT_H */
