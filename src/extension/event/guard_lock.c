/*
 * guard_lock.c
 *		Nobody holds the log up: LOCK TABLE of its tables is refused where it would
 *		keep them from being written, directly or through a view.
 *
 * LOCK is no command that event triggers see, so this stands in the hook of all
 * commands.  What else keeps rows locked (FOR UPDATE, building an index) is not
 * refused: the sealer tells when it is held up, and what became of rows meanwhile.
 */
#include "event/private.h"

#include "access/relation.h"
#include "catalog/namespace.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "nodes/parsenodes.h"
#include "rewrite/rewriteHandler.h"
#include "storage/lockdefs.h"
#include "tcop/utility.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

static ProcessUtility_hook_type previous_utility = NULL;

static void spare_relation(Oid oid);

/* Looks at what a view reads, as LOCK does. */
static bool
spare_query(Node *node, void *context)
{
	if (node == NULL)
		return false;
	if (IsA(node, Query))
	{
		ListCell *cell;

		foreach(cell, ((Query *) node)->rtable)
		{
			RangeTblEntry *entry = lfirst_node(RangeTblEntry, cell);

			/* a view's own name stands there as OLD and NEW */
			if (entry->rtekind == RTE_RELATION && entry->relid != *(Oid *) context)
				spare_relation(entry->relid);
		}
		return query_tree_walker((Query *) node, spare_query, context, 0);
	}
	return expression_tree_walker(node, spare_query, context);
}

/* Raises when locking a relation locks a table of the log. */
static void
spare_relation(Oid oid)
{
	Relation relation;

	check_stack_depth();
	if (guard_is_log_table(oid))
		guard_refuse(get_rel_name(oid));
	if (get_rel_relkind(oid) != RELKIND_VIEW)
		return;
	relation = try_relation_open(oid, AccessShareLock);
	if (relation == NULL)
		return;
	(void) spare_query((Node *) get_view_query(relation), &oid);
	relation_close(relation, AccessShareLock);
}

static void
spare_locked(const LockStmt *lock)
{
	ListCell *cell;

	foreach(cell, lock->relations)
	{
		RangeVar *name = lfirst_node(RangeVar, cell);
		Oid oid = RangeVarGetRelid(name, NoLock, true);

		if (!OidIsValid(oid))
			continue;
		spare_relation(oid);
		if (name->inh)
		{
			ListCell *child;

			foreach(child, find_all_inheritors(oid, NoLock, NULL))
				if (guard_is_log_table(lfirst_oid(child)))
					guard_refuse(get_rel_name(lfirst_oid(child)));
		}
	}
}

static void
run_command(PlannedStmt *planned, const char *text, bool read_only_tree, ProcessUtilityContext context,
			ParamListInfo parameters, QueryEnvironment *environment, DestReceiver *receiver,
			QueryCompletion *completion)
{
	if (unlikely(IsA(planned->utilityStmt, LockStmt)))
	{
		LockStmt *lock = (LockStmt *) planned->utilityStmt;

		/* what writers of rows hold is RowExclusiveLock; pg_dump takes AccessShareLock */
		if (lock->mode >= ShareLock && !guard_is_open())
			spare_locked(lock);
	}
	(previous_utility ? previous_utility : standard_ProcessUtility)(planned, text, read_only_tree, context,
																	parameters, environment, receiver, completion);
}

void
guard_lock_init(void)
{
	previous_utility = ProcessUtility_hook;
	ProcessUtility_hook = run_command;
}
