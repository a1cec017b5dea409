/*
 * implied.c
 *		Lets "reveal(email) = 'x'" use the index on email.
 *
 * The server cannot see that such a comparison implies one of blind tags, so a
 * planner hook adds that one beside it: where the column is opened in the same
 * query, or below, in the subquery that a view became.  The comparison as
 * written stays as a filter; what is added may only leave out rows that the
 * filter would leave out too, or the answer would change.  So it is added
 *	 - for the base type's own equality, and of text under a deterministic
 *	   collation: equal values have equal tags;
 *	 - for conjuncts that decide about rows (WHERE and the ON of joins), into
 *	   subqueries that only filter and join;
 *	 - only when the current role may decrypt with the column's key.  For a role
 *	   that gets masks the filter compares masks; for one without a grant it
 *	   raises; and a comparison of tags would let both test guesses.
 *
 * Such a plan is made again when the role changes, or keys and grants do, or
 * memberships, or when somebody else is asking who may do other things.  Where a plan outlives all that (a cursor that another role
 * fetches from), readable_probe() raises instead of comparing.
 */
#include "cipher/implied.h"

#include "access/table.h"
#include "catalog/pg_trigger.h"
#include "commands/trigger.h"
#include "miscadmin.h"
#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/pathnodes.h"
#include "optimizer/optimizer.h"
#include "optimizer/planner.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteManip.h"
#include "storage/lmgr.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/plancache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

static planner_hook_type previous_planner = NULL;

/* Whether this session holds plans that depend on who may decrypt. */
static bool has_dependent_plans = false;

/*
 * The keys whose use depends on who is asking, and whether he who asked might
 * decrypt when the last plan was made.  More keys than fit make all plans new.
 */
#define ASKED_MAX 32

static struct
{
	int32 modifier;
	bool allowed;
} asked[ASKED_MAX];
static int asked_count = 0;

static void improve_query(Planning *planning, Query *query, bool in_exists);

/* ---- where comparisons stand ---- */

/* Adds a condition with AND. */
static void
add_condition(Node **quals, Expr *condition)
{
	*quals = make_and_qual(*quals, (Node *) condition);
}

/* Looks at one comparison, from one side; adds what it implies here or below. */
static bool
try_comparison(Level *level, const Comparison *comparison, bool descend, Node **quals)
{
	Query *place;
	Expr *implied = implied_by(level, comparison, descend, &place);

	if (implied == NULL)
		return false;
	add_condition(place == level->query ? quals : &place->jointree->quals, implied);
	return true;
}

/* Looks at one condition: goes into AND, and adds to *quals what its comparisons imply. */
static void
improve_condition(Level *level, Node *node, bool descend, Node **quals)
{
	check_stack_depth();
	if (node == NULL)
		return;
	if (is_andclause(node))
	{
		ListCell *cell;

		foreach(cell, ((BoolExpr *) node)->args)
			improve_condition(level, lfirst(cell), descend, quals);
	}
	else if (IsA(node, OpExpr) && list_length(((OpExpr *) node)->args) == 2)
	{
		OpExpr *operation = (OpExpr *) node;
		Comparison comparison = {operation->opno, operation->inputcollid, linitial(operation->args),
								 lsecond(operation->args), false};

		if (try_comparison(level, &comparison, descend, quals))
			return;
		comparison.operator= get_commutator(operation->opno);
		comparison.column = lsecond(operation->args);
		comparison.plain = linitial(operation->args);
		if (OidIsValid(comparison.operator))
			(void) try_comparison(level, &comparison, descend, quals);
	}
	else if (IsA(node, ScalarArrayOpExpr) && ((ScalarArrayOpExpr *) node)->useOr)
	{
		ScalarArrayOpExpr *any = (ScalarArrayOpExpr *) node;
		Comparison comparison = {any->opno, any->inputcollid, linitial(any->args), lsecond(any->args), true};

		(void) try_comparison(level, &comparison, descend, quals);
	}
}

/* Goes through a join tree.  Below an outer join's own condition nothing is filtered, so there nothing descends. */
static void
improve_joins(Level *level, Node *node)
{
	check_stack_depth();
	if (node == NULL)
		return;
	if (IsA(node, FromExpr))
	{
		FromExpr *from = (FromExpr *) node;
		ListCell *cell;

		foreach(cell, from->fromlist)
			improve_joins(level, lfirst(cell));
		/* MERGE keeps its join condition here, which decides about matches and not about rows */
		improve_condition(level, from->quals, level->query->commandType != CMD_MERGE, &from->quals);
	}
	else if (IsA(node, JoinExpr))
	{
		JoinExpr *join = (JoinExpr *) node;

		improve_joins(level, join->larg);
		improve_joins(level, join->rarg);
		improve_condition(level, join->quals, join->jointype == JOIN_INNER, &join->quals);
	}
}

/* Improves the queries inside a query's expressions. */
static bool
improve_sublinks(Node *node, void *context)
{
	Planning *planning = context;

	if (node == NULL)
		return false;
	if (IsA(node, SubLink))
	{
		SubLink *link = (SubLink *) node;

		improve_query(planning, castNode(Query, link->subselect), link->subLinkType == EXISTS_SUBLINK);
		return improve_sublinks(link->testexpr, planning);
	}
	return expression_tree_walker(node, improve_sublinks, planning);
}

/* ---- rows that an update through a view is about to write ---- */

/* Whether updates of a relation are written by write_decrypted_view(). */
static bool
writes_by_trigger(Oid view)
{
	Relation relation = table_open(view, NoLock);
	TriggerDesc *triggers =
		CopyTriggerDesc(relation->trigdesc); /* looking up a function may bring news, which frees it */
	bool found = false;

	for (int i = 0; triggers != NULL && triggers->trig_update_instead_row && i < triggers->numtriggers; i++)
		found = found || (TRIGGER_TYPE_MATCHES(triggers->triggers[i].tgtype, TRIGGER_TYPE_ROW, TRIGGER_TYPE_INSTEAD,
											   TRIGGER_TYPE_UPDATE) &&
						  opened_is_function(triggers->triggers[i].tgfoid, VIEW_TRIGGER));
	FreeTriggerDesc(triggers);
	table_close(relation, NoLock);
	return found;
}

/*
 * Makes an update of a decrypted view lock each row where it is read, as the update of a table does, so that new values
 * are computed from the latest ones: SET n = n + 1 loses nothing.  Only where the WHERE is sure to go below the lock;
 * else rows would be locked that it leaves out.  The trigger notices by itself what was changed meanwhile.
 */
static void
lock_updated_rows(Query *query)
{
	RangeTblEntry *target = rt_fetch(query->resultRelation, query->rtable);
	RangeTblEntry *source;
	RangeTblEntry *table;
	RowMarkClause *mark;
	Query *view;
	Node *from;

	if (target->rtekind != RTE_RELATION || target->relkind != RELKIND_VIEW ||
		list_length(query->jointree->fromlist) != 1)
		return;
	from = linitial(query->jointree->fromlist);
	if (!IsA(from, RangeTblRef))
		return;
	source = rt_fetch(((RangeTblRef *) from)->rtindex, query->rtable);
	if (source->rtekind != RTE_SUBQUERY || source->security_barrier || !implied_only_filters(source->subquery))
		return;
	view = source->subquery;
	if (view->rowMarks != NIL || list_length(view->jointree->fromlist) != 1 ||
		!IsA(linitial(view->jointree->fromlist), RangeTblRef))
		return;
	mark = makeNode(RowMarkClause);
	mark->rti = ((RangeTblRef *) linitial(view->jointree->fromlist))->rtindex;
	table = rt_fetch(mark->rti, view->rtable);
	if (table->rtekind != RTE_RELATION ||
		(table->relkind != RELKIND_RELATION && table->relkind != RELKIND_PARTITIONED_TABLE))
		return;
	if (contain_volatile_functions(query->jointree->quals) || checkExprHasSubLink(query->jointree->quals) ||
		!writes_by_trigger(target->relid))
		return;

	LockRelationOid(table->relid, RowShareLock);
	table->rellockmode = RowShareLock;
	mark->strength = LCS_FORNOKEYUPDATE;
	mark->waitPolicy = LockWaitBlock;
	mark->pushedDown = true;
	view->rowMarks = list_make1(mark);
	view->hasForUpdate = true;
}

/* ---- the hook ---- */

/* Improves a query and all below it.  Of a query without subqueries only the conditions' top is looked at. */
static void
improve_query(Planning *planning, Query *query, bool in_exists)
{
	Level level = {planning, query, in_exists};
	ListCell *cell;

	check_stack_depth();
	if (query->commandType == CMD_UTILITY)
		return;
	foreach(cell, query->rtable)
	{
		RangeTblEntry *entry = lfirst(cell);

		if (entry->rtekind == RTE_SUBQUERY && entry->subquery != NULL)
			improve_query(planning, entry->subquery, false);
	}
	foreach(cell, query->cteList)
	{
		CommonTableExpr *cte = lfirst(cell);

		improve_query(planning, castNode(Query, cte->ctequery), false);
	}
	if (query->hasSubLinks)
		(void) query_tree_walker(query, improve_sublinks, planning, QTW_IGNORE_RC_SUBQUERIES);
	improve_joins(&level, (Node *) query->jointree);
	if (query->commandType == CMD_UPDATE && query->resultRelation > 0)
		lock_updated_rows(query);
}

/* The planner hook.  A plan that looked at grants is registered for their changes. */
static PlannedStmt *
plan_with_implied(Query *parse, const char *text, int options, ParamListInfo params)
{
	Planning planning = {.params = params};
	PlannerGlobal inlined = {.type = T_PlannerGlobal, .boundParams = params};
	PlannedStmt *plan;

	if (types_exist())
	{
		inline_functions(parse, &inlined);
		order_by_contents(parse);
		improve_query(&planning, parse, false);
	}
	plan = previous_planner ? previous_planner(parse, text, options, params)
							: standard_planner(parse, text, options, params);
	plan->invalItems = list_concat(plan->invalItems, inlined.invalItems);
	plan->dependsOnRole |= inlined.dependsOnRole;
	if (planning.depends_on_grants)
	{
		has_dependent_plans = true;
		plan->dependsOnRole = true;
		plan->relationOids = lappend_oid(plan->relationOids, keyring_signal_relation());
	}
	return plan;
}

/* Roles and memberships: no plan is registered for their changes, so all are made again. */
static void
note_role_change(Datum argument, int cache, uint32 hash)
{
	if (has_dependent_plans)
		ResetPlanCache();
}

void
implied_note_asker(int32 modifier, bool allowed)
{
	int i = 0;

	while (i < asked_count && asked[i].modifier != modifier)
		i++;
	if (i == ASKED_MAX)
	{
		ResetPlanCache();
		asked_count = i = 0;
	}
	asked[i].modifier = modifier;
	asked[i].allowed = allowed;
	if (i == asked_count)
		asked_count++;
}

/* Whether a key that was asked for is one for somebody else. */
static bool
answers_differ(void)
{
	for (int i = 0; i < asked_count; i++)
		if (keyring_allows_modifier(asked[i].modifier, KEY_DECRYPT) != asked[i].allowed)
			return true;
	return false;
}

/* Another one is asking: where he may do other things than the one before, plans are made again. */
static void
note_new_asker(void)
{
	static bool is_asking = false;
	static bool is_another = false; /* asking may bring news of him, which is told here: once, not for ever */
	volatile bool differs = false;

	is_another = is_asking;
	if (is_asking || asked_count == 0)
		return;
	is_asking = true;
	PG_TRY();
	{
		differs = answers_differ();
	}
	PG_FINALLY();
	{
		is_asking = false;
	}
	PG_END_TRY();
	if (!differs && !is_another)
		return;
	asked_count = 0;
	ResetPlanCache();
}

void
implied_init(void)
{
	keyring_when_new_asker(note_new_asker);
	previous_planner = planner_hook;
	planner_hook = plan_with_implied;
	CacheRegisterSyscacheCallback(AUTHMEMMEMROLE, note_role_change, (Datum) 0);
	CacheRegisterSyscacheCallback(AUTHOID, note_role_change, (Datum) 0);
}
