/*
 * view_plan.c
 *		How a decrypted view lies over its table, and the statements that write
 *		its rows, kept per view.
 *
 * What a view's columns are is read from its own query, so that renaming the
 * table or a column, or moving either, changes nothing.  Names come quoted from
 * the catalogs, values are parameters, always.  A writer is described anew when
 * the view or the table changed, or a kept plan became void, as it does when a
 * schema is renamed.
 */
#include "cipher/view.h"

#include "access/table.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/nodeFuncs.h"
#include "parser/parsetree.h"
#include "rewrite/rewriteHandler.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

/* Updates of different columns have different plans: so many are kept for one view. */
#define PLANS_MAX 64

typedef struct ViewPlan
{
	ViewStatement statement;
	Bitmapset *written;
	Bitmapset *returned;
	SPIPlanPtr plan;
} ViewPlan;

typedef struct ViewEntry
{
	Oid view; /* hash key */
	ViewWriter *writer;
} ViewEntry;

static HTAB *writers = NULL;

/* Marks what was described from a relation. */
static void
note_relation_change(Datum argument, Oid relation)
{
	HASH_SEQ_STATUS scan;
	ViewEntry *entry;

	if (writers == NULL)
		return;
	hash_seq_init(&scan, writers);
	while ((entry = hash_seq_search(&scan)) != NULL)
		if (!OidIsValid(relation) || relation == entry->view || relation == entry->writer->table)
			entry->writer->valid = false;
}

void
view_init(void)
{
	base_watch_relations(note_relation_change);
}

/* ---- describing a view ---- */

/* Raises for a view that twin.create_decrypted_view() would not have made. */
static TSEC_NORETURN void
refuse_view(Relation view, const char *why)
{
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					errmsg("view \"%s\" cannot be written", RelationGetRelationName(view)), errdetail("%s", why),
					errhint("Drop it and make it again with twin.create_decrypted_view().")));
}

/* The table below a view of the form SELECT columns FROM table, and the index of its range table entry. */
static Oid
table_below(Relation view, const Query *query, int *index)
{
	RangeTblEntry *entry;

	if (query->setOperations != NULL || query->groupClause != NIL || query->hasAggs || query->distinctClause != NIL ||
		query->limitCount != NULL || query->limitOffset != NULL || query->hasTargetSRFs ||
		list_length(query->jointree->fromlist) != 1 || !IsA(linitial(query->jointree->fromlist), RangeTblRef))
		refuse_view(view, "It is not a plain view of one table.");
	*index = ((RangeTblRef *) linitial(query->jointree->fromlist))->rtindex;
	entry = rt_fetch(*index, query->rtable);
	if (entry->rtekind != RTE_RELATION)
		refuse_view(view, "It is not a plain view of one table.");
	return entry->relid;
}

/* A name with its schema, as SQL. */
static const char *
qualified_name(Oid schema, const char *name)
{
	return quote_qualified_identifier(get_namespace_name(schema), name);
}

/* Finds the table's column behind one of the view. */
static void
describe_column(Relation view, Relation table, int table_index, TargetEntry *entry, ViewColumn *column)
{
	Form_pg_attribute shown = TupleDescAttr(RelationGetDescr(view), entry->resno - 1);
	FuncExpr *call = opened_call((Node *) entry->expr);
	Form_pg_attribute stored;
	Var *from = NULL;

	if (call != NULL && exprType((Node *) entry->expr) == call->funcresulttype)
		from = opened_column(call);
	else if (IsA(entry->expr, Var))
		from = (Var *) entry->expr;
	if (from == NULL || from->varno != table_index || from->varlevelsup != 0 || from->varattno <= 0)
		refuse_view(view, psprintf("Its column \"%s\" is no column of the table.", NameStr(shown->attname)));
	stored = TupleDescAttr(RelationGetDescr(table), from->varattno - 1);

	column->name = pstrdup(NameStr(shown->attname));
	column->into = pstrdup(quote_identifier(NameStr(stored->attname)));
	column->shown = column->into;
	column->stored = from->varattno;
	column->type = shown->atttypid;
	column->length = shown->attlen;
	column->by_value = shown->attbyval;
	column->identity = stored->attidentity;
	column->generated = stored->attgenerated;
	column->modifier = NO_MODIFIER;
	if (call != NULL)
	{
		column->encrypted = true;
		(void) opened_type(call, &column->modifier);
		column->shown = psprintf(
			"%s(%s)", qualified_name(get_func_namespace(call->funcid), get_func_name(call->funcid)), column->into);
	}
}

/* The condition that finds a row by the old values of its key. */
static void
describe_key(ViewWriter *writer, Relation table)
{
	List *key = view_find_key(table);
	StringInfoData condition;
	ListCell *cell;

	initStringInfo(&condition);
	foreach(cell, key)
	{
		ViewKeyColumn *part = lfirst(cell);
		Form_pg_attribute stored = TupleDescAttr(RelationGetDescr(table), part->stored - 1);
		char parameter[16];
		int i = 0;

		while (i < writer->count && writer->columns[i].stored != part->stored)
			i++;
		if (i == writer->count)
			return; /* the view does not show it */
		snprintf(parameter, sizeof(parameter), "$%d", i + 1);
		if (condition.len > 0)
			appendStringInfoString(&condition, " AND ");
		if (writer->columns[i].encrypted)
			appendStringInfo(&condition, "%s OPERATOR(pg_catalog.=) %s", writer->columns[i].into, parameter);
		else
			generate_operator_clause(&condition, writer->columns[i].into, stored->atttypid, part->equal, parameter,
									 writer->columns[i].type);
		writer->key_columns = bms_add_member(writer->key_columns, i);
	}
	if (key != NIL)
		writer->key = condition.data;
}

/* A new writer for a view, in a context of its own below the current one. */
static ViewWriter *
describe(Relation view, Relation table, const Query *query, int table_index)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "twin_security view", ALLOCSET_SMALL_SIZES);
	MemoryContext old = MemoryContextSwitchTo(context);
	ViewWriter *writer = palloc0(sizeof(ViewWriter));
	ListCell *cell;

	writer->context = context;
	writer->table = RelationGetRelid(table);
	writer->table_name = qualified_name(RelationGetNamespace(table), RelationGetRelationName(table));
	writer->count = RelationGetDescr(view)->natts;
	writer->columns = palloc0(sizeof(ViewColumn) * writer->count);
	foreach(cell, query->targetList)
	{
		TargetEntry *entry = lfirst(cell);

		if (!entry->resjunk)
			describe_column(view, table, table_index, entry, &writer->columns[entry->resno - 1]);
	}
	describe_key(writer, table);
	MemoryContextSwitchTo(old);
	return writer;
}

/* ---- keeping writers ---- */

/* Whether every kept plan still stands. */
static bool
plans_are_valid(const ViewWriter *writer)
{
	ListCell *cell;

	foreach(cell, writer->plans)
		if (!SPI_plan_is_valid(((ViewPlan *) lfirst(cell))->plan))
			return false;
	return true;
}

/* Frees all kept plans. */
static void
forget_plans(ViewWriter *writer)
{
	ListCell *cell;

	foreach(cell, writer->plans)
		(void) SPI_freeplan(((ViewPlan *) lfirst(cell))->plan);
	list_free(writer->plans);
	writer->plans = NIL;
}

/* Frees a writer that nobody uses. */
static void
free_writer(ViewWriter *writer)
{
	forget_plans(writer);
	MemoryContextDelete(writer->context);
}

/* The entry of a view, whose writer is NULL or still good. */
static ViewEntry *
find_entry(Oid view, Oid table)
{
	ViewEntry *entry;
	bool found;

	if (writers == NULL)
	{
		HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(ViewEntry), .hcxt = CacheMemoryContext};

		writers = hash_create("twin_security views", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	entry = hash_search(writers, &view, HASH_FIND, &found);
	if (found && (!entry->writer->valid || entry->writer->table != table || !plans_are_valid(entry->writer)))
	{
		ViewWriter *old = entry->writer;

		(void) hash_search(writers, &view, HASH_REMOVE, NULL);
		/* a trigger of the table writes through the view again: whoever is in the middle of it frees it */
		old->kept = false;
		if (old->users == 0)
			free_writer(old);
		entry = NULL;
	}
	return entry;
}

ViewWriter *
view_writer(Relation view, Relation *table)
{
	Query *query = get_view_query(view);
	int table_index;
	Oid below = table_below(view, query, &table_index);
	Oid oid = RelationGetRelid(view);
	ViewEntry *entry;
	ViewWriter *writer;
	bool found;

	/* first the lock, which brings the news, then what the news may void */
	*table = table_open(below, RowExclusiveLock);
	entry = find_entry(oid, below);
	if (entry != NULL)
		writer = entry->writer;
	else
	{
		writer = describe(view, *table, query, table_index);
		entry = hash_search(writers, &oid, HASH_ENTER, &found);
		entry->writer = writer;
		writer->valid = true;
		writer->kept = true;
		MemoryContextSetParent(writer->context, CacheMemoryContext);
	}
	writer->users++;
	return writer;
}

void
view_release(ViewWriter *writer)
{
	writer->users--;
	if (writer->users == 0 && !writer->kept)
		free_writer(writer);
}

SPIPlanPtr
view_plan(ViewWriter *writer, ViewStatement statement, const Bitmapset *written, const Bitmapset *returned)
{
	ListCell *cell;
	Oid *types;
	SPIPlanPtr plan;
	ViewPlan *kept;
	MemoryContext old;

	foreach(cell, writer->plans)
	{
		kept = lfirst(cell);
		if (kept->statement == statement && bms_equal(kept->written, written) && bms_equal(kept->returned, returned))
			return kept->plan;
	}
	if (list_length(writer->plans) >= PLANS_MAX && writer->users == 1)
		forget_plans(writer);

	types = palloc(sizeof(Oid) * writer->count * 2);
	for (int i = 0; i < writer->count; i++)
		types[i] = types[writer->count + i] = writer->columns[i].type;
	/* a generic plan from the start: rows are found by their key, so there is nothing to choose */
	plan = SPI_prepare_cursor(view_statement(writer, statement, written, returned), writer->count * 2, types,
							  CURSOR_OPT_GENERIC_PLAN);
	if (plan == NULL)
		elog(ERROR, "twin_security: a view's statement was not prepared: %s", SPI_result_code_string(SPI_result));

	old = MemoryContextSwitchTo(writer->context);
	kept = palloc(sizeof(ViewPlan));
	kept->statement = statement;
	kept->written = bms_copy(written);
	kept->returned = bms_copy(returned);
	writer->plans = lappend(writer->plans, kept);
	kept->plan = plan;
	MemoryContextSwitchTo(old);
	if (SPI_keepplan(plan) != 0)
		elog(ERROR, "twin_security: a view's plan was not kept");
	return plan;
}
