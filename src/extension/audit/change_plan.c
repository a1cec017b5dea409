/*
 * change_plan.c
 *		How each column of an audited table is written, remembered until the
 *		table, a type or what is audited changes.
 *
 * A plan that is void while a statement works by it goes when that ends.
 */
#include "audit/change.h"

#include "cipher/cipher.h"

#include "access/htup_details.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"

typedef struct PlanEntry
{
	Oid relation;
	ChangePlan *plan;
} PlanEntry;

/* Plans of so many relations are kept before those of relations that are gone are looked for. */
#define PLANS_SWEPT 64

static HTAB *plans = NULL;
static long sweep_at = PLANS_SWEPT;

/* Who knows which columns hold data of persons. */
static AuditPersonal personal = NULL;

/* News counted, so that what came in while a plan was being made makes it void. */
static uint64 news = 0;

/* Types whose values are written as they lie in memory, or nearly. */
static const struct
{
	Oid type;
	ColumnWay way;
	ChangeForm form;
} simple_types[] = {
	{BOOLOID, WAY_BOOLEAN, CHANGE_BOOLEAN},
	{INT2OID, WAY_2, CHANGE_INTEGER},
	{INT4OID, WAY_4, CHANGE_INTEGER},
	{INT8OID, WAY_8, CHANGE_INTEGER},
	{FLOAT4OID, WAY_FLOAT4, CHANGE_FLOAT},
	{FLOAT8OID, WAY_FLOAT8, CHANGE_FLOAT},
	{DATEOID, WAY_4, CHANGE_DATE},
	{TIMESTAMPOID, WAY_8, CHANGE_TIMESTAMP},
	{TIMESTAMPTZOID, WAY_8, CHANGE_TIMESTAMPTZ},
	{UUIDOID, WAY_UUID, CHANGE_UUID},
	{TEXTOID, WAY_VARLENA, CHANGE_TEXT},
	{VARCHAROID, WAY_VARLENA, CHANGE_TEXT},
	{BPCHAROID, WAY_VARLENA, CHANGE_TEXT},
	{BYTEAOID, WAY_VARLENA, CHANGE_BYTES},
	{JSONOID, WAY_VARLENA, CHANGE_JSON},
};

/* Others that print the same whatever the session's settings are. */
static const Oid steady_types[] = {NUMERICOID, JSONBOID, NAMEOID, OIDOID, INETOID, CIDROID, MACADDROID, CHAROID};

static void
forget(PlanEntry *entry)
{
	if (entry->plan != NULL)
		entry->plan->is_current = false;
}

static void
forget_all(void)
{
	HASH_SEQ_STATUS all;
	PlanEntry *entry;

	if (plans == NULL)
		return;
	hash_seq_init(&all, plans);
	while ((entry = hash_seq_search(&all)) != NULL)
		forget(entry);
}

/* A relation changed: its own plan is void; and all, when it may be one that says what is audited or how it is called. */
static void
relation_changed(Datum argument, Oid relation)
{
	PlanEntry *entry = plans && OidIsValid(relation) ? hash_search(plans, &relation, HASH_FIND, NULL) : NULL;
	HASH_SEQ_STATUS all;

	news++;
	if (entry != NULL)
		forget(entry);
	if (!OidIsValid(relation) || relation == audited_catalog())
		forget_all();
	else if (plans != NULL)
	{
		hash_seq_init(&all, plans);
		while ((entry = hash_seq_search(&all)) != NULL)
			if (entry->plan != NULL && entry->plan->audited_as == relation)
				forget(entry);
	}
}

static void
catalog_changed(Datum argument, int cache, uint32 hash)
{
	news++;
	forget_all();
}

static bool
is_among(const NameData *names, int count, const char *name)
{
	for (int i = 0; i < count; i++)
		if (strcmp(NameStr(names[i]), name) == 0)
			return true;
	return false;
}

static bool
is_listed(const List *names, const char *name)
{
	ListCell *cell;

	foreach(cell, names)
		if (strcmp(lfirst(cell), name) == 0) /* public: names of columns */
			return true;
	return false;
}

static bool
is_steady(Oid type)
{
	for (int i = 0; i < (int) lengthof(steady_types); i++)
		if (steady_types[i] == type)
			return true;
	return get_typtype(type) == TYPTYPE_ENUM;
}

/* Fills in how values of a type are written. */
static ChangeForm
choose_way(ChangePlan *plan, ChangePlanColumn *column, Oid type)
{
	Oid base = getBaseType(type);
	Oid output;
	bool is_varlena;

	if (cipher_is_encrypted(base))
	{
		column->way = WAY_VARLENA;
		column->is_digest = true;
		return CHANGE_TEXT;
	}
	for (int i = 0; i < (int) lengthof(simple_types); i++)
		if (simple_types[i].type == base)
		{
			column->way = simple_types[i].way;
			return simple_types[i].form;
		}
	column->way = WAY_OUTPUT;
	getTypeOutputInfo(type, &output, &is_varlena);
	fmgr_info_cxt(output, &column->output, plan->memory);
	plan->needs_pins |= !is_steady(base);
	return base == JSONBOID ? CHANGE_JSON : base == NUMERICOID ? CHANGE_NUMBER : CHANGE_TEXT;
}

/* Adds a column to the bytes that describe them. */
static void
describe(StringInfo to, ChangeForm form, bool is_key, const char *name, const char *type)
{
	uint8 piece[CHANGE_PIECE_HEAD];

	appendStringInfoChar(to, (char) form);
	appendStringInfoChar(to, is_key ? CHANGE_KEY : 0);
	appendBinaryStringInfo(to, (char *) piece, (int) (change_put_length(piece, strlen(name)) - piece));
	appendStringInfoString(to, name);
	appendBinaryStringInfo(to, (char *) piece, (int) (change_put_length(piece, strlen(type)) - piece));
	appendStringInfoString(to, type);
}

/* Notes the columns of the primary key, in its order. */
static void
find_key(ChangePlan *plan, Relation relation)
{
	HeapTuple tuple;
	Form_pg_index index;

	list_free(RelationGetIndexList(relation));
	if (!OidIsValid(relation->rd_pkindex))
		return;
	tuple = SearchSysCache1(INDEXRELID, ObjectIdGetDatum(relation->rd_pkindex));
	if (!HeapTupleIsValid(tuple))
		return;
	index = (Form_pg_index) GETSTRUCT(tuple);
	plan->key = palloc(sizeof(AttrNumber) * index->indnkeyatts);
	plan->key_count = index->indnkeyatts;
	for (int i = 0; i < index->indnkeyatts; i++)
		plan->key[i] = index->indkey.values[i];
	ReleaseSysCache(tuple);
}

static bool
is_key(const ChangePlan *plan, AttrNumber number)
{
	for (int i = 0; i < plan->key_count; i++)
		if (plan->key[i] == number)
			return true;
	return false;
}

/* Lays out the columns of a relation. */
static void
lay_out(ChangePlan *plan, Relation relation, const AuditedTable *table)
{
	TupleDesc shape = RelationGetDescr(relation);
	List *of_persons = personal ? personal(RelationGetRelid(relation)) : NIL;
	StringInfoData described;
	uint8 number[2];

	initStringInfo(&described);
	appendBinaryStringInfo(&described, "\0\0", 2);
	plan->columns = palloc0(sizeof(ChangePlanColumn) * Max(shape->natts, 1));
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape, i);
		const char *name = NameStr(attribute->attname);
		ChangePlanColumn *column = &plan->columns[plan->count];
		ChangeForm form;

		if (attribute->attisdropped || compat_is_virtual(attribute) ||
			is_among(table->skipped, table->skipped_count, name))
			continue;
		column->index = i;
		column->by_value = attribute->attbyval;
		column->length = attribute->attlen;
		namestrcpy(&column->name, name);
		form = choose_way(plan, column, attribute->atttypid);
		if (is_among(table->digests, table->digest_count, name))
			column->is_digest = true;
		else if (!column->is_digest && change_is_secret_name(bytes_of(name, strlen(name))))
			column->way = WAY_REDACTED;
		else if (is_listed(of_persons, name))
			column->is_digest = true;
		plan->allocates |= column->is_digest || column->way == WAY_OUTPUT || column->way == WAY_VARLENA;
		plan->fixed += CHANGE_MARK_MAX + CHANGE_PIECE_HEAD;
		describe(&described, form, is_key(plan, attribute->attnum), name, audited_type_name(attribute->atttypid));
		plan->count++;
	}
	bytes_put_u16(number, (uint16) plan->count);
	memcpy(described.data, number, sizeof(number));
	plan->columns_bytes = (uint8 *) described.data;
	plan->columns_length = (size_t) described.len;
}

static ChangePlan *
make_plan(Relation relation, const AuditedTable *table)
{
	MemoryContext memory =
		AllocSetContextCreate(CurrentMemoryContext, "twin_security audited table", ALLOCSET_SMALL_SIZES);
	MemoryContext before = MemoryContextSwitchTo(memory);
	ChangePlan *plan = palloc0(sizeof(ChangePlan));

	plan->memory = memory;
	plan->relation = RelationGetRelid(relation);
	plan->audited_as = table->audited_as;
	plan->mode = table->mode;
	find_key(plan, relation);
	lay_out(plan, relation, table);
	plan->resource = audited_name(table->audited_as);
	if (table->audited_as != plan->relation)
		plan->partition = audited_name(plan->relation);
	MemoryContextSwitchTo(before);
	return plan;
}

void
change_plan_release(ChangePlan *plan)
{
	plan->users--;
	if (plan->users <= 0 && !plan->is_current && plan->is_forgotten)
		MemoryContextDelete(plan->memory);
}

/* Takes a void plan out of the entry; it goes now, or with its last user. */
static void
drop(PlanEntry *entry)
{
	ChangePlan *plan = entry->plan;

	entry->plan = NULL;
	plan->is_current = false;
	plan->is_forgotten = true;
	if (plan->users <= 0)
		MemoryContextDelete(plan->memory);
}

/* Lets go of what is kept of relations that changed and were not asked for again: mostly they are gone. */
static void
sweep(void)
{
	HASH_SEQ_STATUS all;
	PlanEntry *entry;

	if (hash_get_num_entries(plans) < sweep_at)
		return;
	hash_seq_init(&all, plans);
	while ((entry = hash_seq_search(&all)) != NULL)
	{
		if (entry->plan != NULL && !entry->plan->is_current)
			drop(entry);
		if (entry->plan == NULL)
			(void) hash_search(plans, &entry->relation, HASH_REMOVE, NULL);
	}
	sweep_at = Max(PLANS_SWEPT, 2 * hash_get_num_entries(plans));
}

ChangePlan *
change_plan_of(Relation relation)
{
	Oid oid = RelationGetRelid(relation);
	PlanEntry *entry;
	bool found;

	if (plans == NULL)
	{
		HASHCTL control = {.keysize = sizeof(Oid), .entrysize = sizeof(PlanEntry), .hcxt = CacheMemoryContext};

		plans = hash_create("twin_security audited columns", 16, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	}
	if (hash_search(plans, &oid, HASH_FIND, NULL) == NULL)
		sweep();
	entry = hash_search(plans, &oid, HASH_ENTER, &found);
	if (!found)
		entry->plan = NULL;
	if (entry->plan != NULL && !entry->plan->is_current)
		drop(entry);
	if (entry->plan == NULL)
	{
		uint64 before = news;
		const AuditedTable *table = audit_table_of(oid);
		ChangePlan *plan = table ? make_plan(relation, table) : NULL;

		if (plan == NULL)
			return NULL;
		plan->is_current = before == news;
		MemoryContextSetParent(plan->memory, CacheMemoryContext);
		entry->plan = plan;
	}
	entry->plan->users++;
	return entry->plan;
}

void
audit_set_personal(AuditPersonal source)
{
	personal = source;
}

void
change_plan_init(void)
{
	base_watch_relations(relation_changed);
	CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, (Datum) 0);
	CacheRegisterSyscacheCallback(NAMESPACEOID, catalog_changed, (Datum) 0);
}
