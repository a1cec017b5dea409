/*
 * live_read.c
 *		What a subscriber is told of a table's change: the row, read again as that
 *		subscriber.
 *
 * His token is authenticated and his role taken on in a subtransaction, as a
 * request does it in a transaction; the row is read with a new snapshot under
 * row-level security and with the columns he may read; then all of it is
 * rolled back.  Of a row that is not there for him he is told, by its key, only
 * when he was shown it before: that it is gone, whatever became of it.
 */
#include "audit/audit.h"
#include "audit/live.h"

#include "identity/identity.h"
#include "topic/topic.h"

#include "access/relation.h"
#include "access/xact.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "common/hashfn.h"
#include "executor/spi.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/resowner.h"
#include "utils/snapmgr.h"

#define PLANS_MAX 256

/* What a change says. */
typedef struct Told
{
	Oid relation;
	const char *action;
	const char *key; /* JSON; NULL when no row is named */
	Datum values;    /* text[] */
	uint64 row;
} Told;

/* ---- how a table's row is read ---- */

typedef struct ReadPlanName
{
	Oid relation;
	Oid role;
} ReadPlanName;

typedef struct ReadPlan
{
	ReadPlanName name;
	SPIPlanPtr plan;
	int values;
} ReadPlan;

static HTAB *plans = NULL;
static bool is_stale = false; /* some table changed: made anew when next used */

static void
note_relation(Datum argument, Oid relation)
{
	is_stale = true;
}

static void
forget_plans(void)
{
	HASH_SEQ_STATUS all;
	ReadPlan *plan;

	is_stale = false;
	if (plans == NULL)
		return;
	hash_seq_init(&all, plans);
	while ((plan = hash_seq_search(&all)) != NULL)
	{
		SPIPlanPtr kept = plan->plan;

		(void) hash_search(plans, &plan->name, HASH_REMOVE, NULL);
		SPI_freeplan(kept);
	}
}

/* SELECT of one row by its key, of the columns that the current role may read; NULL where it may read none. */
static char *
write_query(Relation relation, int *values)
{
	TupleDesc shape = RelationGetDescr(relation);
	Bitmapset *key = RelationGetIndexAttrBitmap(relation, INDEX_ATTR_BITMAP_PRIMARY_KEY);
	bool reads_all = pg_class_aclcheck(RelationGetRelid(relation), GetUserId(), ACL_SELECT) == ACLCHECK_OK;
	StringInfoData columns;
	StringInfoData where;
	int column = -1;

	initStringInfo(&columns);
	initStringInfo(&where);
	for (int i = 0; i < shape->natts; i++)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape, i);

		if (attribute->attisdropped ||
			(!reads_all && pg_attribute_aclcheck(RelationGetRelid(relation), attribute->attnum, GetUserId(),
												 ACL_SELECT) != ACLCHECK_OK))
			continue;
		appendStringInfo(&columns, "%st.%s", columns.len > 0 ? ", " : "",
						 quote_identifier(NameStr(attribute->attname)));
	}
	*values = 0;
	while ((column = bms_next_member(key, column)) >= 0)
	{
		Form_pg_attribute attribute = TupleDescAttr(shape, column + FirstLowInvalidHeapAttributeNumber - 1);

		appendStringInfo(&where, "%s t.%s = ($1::pg_catalog.text[])[%d]::%s", *values > 0 ? " AND" : "",
						 quote_identifier(NameStr(attribute->attname)), *values + 1,
						 format_type_extended(attribute->atttypid, attribute->atttypmod,
											  FORMAT_TYPE_TYPEMOD_GIVEN | FORMAT_TYPE_FORCE_QUALIFY));
		(*values)++;
	}
	if (columns.len == 0 || *values == 0)
		return NULL;
	return psprintf("SELECT pg_catalog.to_jsonb(r)::pg_catalog.text FROM (SELECT %s FROM %s t WHERE%s) r",
					columns.data,
					quote_qualified_identifier(get_namespace_name(RelationGetNamespace(relation)),
											   RelationGetRelationName(relation)),
					where.data);
}

/* The plan for a table and the current role; NULL where there is nothing to be read. */
static SPIPlanPtr
find_plan(const Told *told, int value_count)
{
	HASHCTL layout = {.keysize = sizeof(ReadPlanName), .entrysize = sizeof(ReadPlan)};
	ReadPlanName name = {told->relation, GetUserId()};
	Relation relation;
	ReadPlan *plan;
	char *query;
	int values;
	SPIPlanPtr made;

	if (is_stale || (plans != NULL && hash_get_num_entries(plans) >= PLANS_MAX))
		forget_plans();
	if (plans == NULL)
		plans = hash_create("twin_security live plans", 16, &layout, HASH_ELEM | HASH_BLOBS);
	plan = hash_search(plans, &name, HASH_FIND, NULL);
	if (plan != NULL)
		return plan->values == value_count ? plan->plan : NULL;
	relation = try_relation_open(told->relation, AccessShareLock);
	if (relation == NULL)
		return NULL;
	query = relation->rd_rel->relkind == RELKIND_RELATION || relation->rd_rel->relkind == RELKIND_PARTITIONED_TABLE
				? write_query(relation, &values)
				: NULL;
	relation_close(relation, NoLock);
	if (query == NULL || values != value_count)
		return NULL;
	made = SPI_prepare(query, 1, (Oid[]){TEXTARRAYOID});
	if (made == NULL || SPI_keepplan(made) != 0)
		elog(ERROR, "twin_security: a table's row cannot be read again");
	plan = hash_search(plans, &name, HASH_ENTER, NULL);
	plan->plan = made;
	plan->values = values;
	return made;
}

/* ---- reading ---- */

/* Takes on who the token says it is; false when nobody. */
static bool
become(const TopicReader *reader)
{
	Oid role;

	if (identity_authenticate(reader->token, reader->token_length) != TSEC_OK)
		return false;
	role = identity_database_role();
	if (!OidIsValid(role) || !compat_may_become(GetSessionUserId(), role))
		return false;
	(void) set_config_option("role", GetUserNameFromId(role, false), PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL,
							 true, ERROR, false);
	(void) set_config_option("transaction_read_only", "on", PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, ERROR,
							 false);
	identity_seal_role();
	return true;
}

/* Reads the row as JSON text, in the caller's memory; NULL when it is not there for him. */
static char *
read_row(const Told *told, MemoryContext memory)
{
	char *row = NULL;
	SPIPlanPtr plan;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	plan = find_plan(
		told, ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(told->values)), ARR_DIMS(DatumGetArrayTypeP(told->values))));
	if (plan != NULL)
	{
		Datum values[] = {told->values};

		PushActiveSnapshot(GetLatestSnapshot());
		if (SPI_execute_plan(plan, values, NULL, true, 1) == SPI_OK_SELECT && SPI_processed == 1)
		{
			char *text = SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1);

			row = text != NULL ? MemoryContextStrdup(memory, text) : NULL;
		}
		PopActiveSnapshot();
	}
	SPI_finish();
	return row;
}

/* Reads the row in a subtransaction that leaves nothing; an error in it is as if the row were not there. */
static char *
read_as(const TopicReader *reader, const Told *told)
{
	MemoryContext memory = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	char *volatile row = NULL;

	BeginInternalSubTransaction("twin_security live");
	MemoryContextSwitchTo(memory);
	PG_TRY();
	{
		if (become(reader))
			row = read_row(told, memory);
	}
	PG_CATCH();
	{
		ErrorData *error;

		MemoryContextSwitchTo(memory);
		error = CopyErrorData();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		CurrentResourceOwner = owner;
		MemoryContextSwitchTo(memory);
		/* whoever stops this session stops it */
		if (error->sqlerrcode == ERRCODE_QUERY_CANCELED || error->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN)
			ReThrowError(error);
		ereport(DEBUG1, (errmsg("a changed row could not be read for a subscriber: SQLSTATE %s",
								unpack_sql_state(error->sqlerrcode))));
		FreeErrorData(error);
		return NULL;
	}
	PG_END_TRY();
	RollbackAndReleaseCurrentSubTransaction();
	CurrentResourceOwner = owner;
	MemoryContextSwitchTo(memory);
	return row;
}

/* ---- telling ---- */

static JsonbValue *
member(Jsonb *object, const char *name)
{
	JsonbValue key = {.type = jbvString, .val.string = {.len = (int) strlen(name), .val = (char *) name}};

	return findJsonbValueFromContainer(&object->root, JB_FOBJECT, &key);
}

/* The values of the key, as text[]. */
static Datum
read_values(JsonbContainer *list)
{
	Datum values[INDEX_MAX_KEYS];
	int count = Min(JsonContainerSize(list), INDEX_MAX_KEYS);

	for (int i = 0; i < count; i++)
	{
		JsonbValue *value = getIthJsonbValueFromContainer(list, (uint32) i);

		values[i] = value->type == jbvString
						? PointerGetDatum(cstring_to_text_with_len(value->val.string.val, value->val.string.len))
						: CStringGetTextDatum("");
	}
	return PointerGetDatum(construct_array(values, count, TEXTOID, -1, false, TYPALIGN_INT));
}

/* Reads what live.c wrote; false when it is not that. */
static bool
read_change(const char *payload, Told *told)
{
	Jsonb *change = DatumGetJsonbP(DirectFunctionCall1(jsonb_in, CStringGetDatum(payload)));
	JsonbValue *relation = JB_ROOT_IS_OBJECT(change) ? member(change, "relation") : NULL;
	JsonbValue *action = relation != NULL ? member(change, "action") : NULL;
	JsonbValue *key;
	JsonbValue *values;

	if (action == NULL || relation->type != jbvNumeric || action->type != jbvString)
		return false;
	told->relation = (Oid) DatumGetInt64(DirectFunctionCall1(numeric_int8, NumericGetDatum(relation->val.numeric)));
	told->action = pnstrdup(action->val.string.val, (Size) action->val.string.len);
	key = member(change, "key");
	values = member(change, "values");
	if (key == NULL || values == NULL || key->type != jbvBinary || values->type != jbvBinary ||
		!JsonContainerIsArray(values->val.binary.data))
		return true;
	told->key = JsonbToCString(NULL, key->val.binary.data, key->val.binary.len);
	told->values = read_values(values->val.binary.data);
	told->row = hash_bytes_extended((const unsigned char *) told->key, (int) strlen(told->key), told->relation);
	/* 0 marks a free place */
	told->row = told->row != 0 ? told->row : 1;
	return true;
}

static char *
live_reread(const TopicReader *reader, const char *payload)
{
	Told told = {0};
	char *row = NULL;

	if (!read_change(payload, &told))
		return NULL;
	if (told.key == NULL)
		return pstrdup("{\"action\": \"many\"}");
	/* public: what was done */
	if (strcmp(told.action, "delete") != 0)
		row = read_as(reader, &told);
	if (row != NULL)
	{
		live_note_shown(reader, told.row);
		return psprintf("{\"action\": \"%s\", \"key\": %s, \"row\": %s}", told.action, told.key, row);
	}
	if (!live_was_shown(reader, told.row))
		return NULL;
	live_forget_shown(reader, told.row);
	return psprintf("{\"action\": \"delete\", \"key\": %s}", told.key);
}

void
live_init(void)
{
	topic_set_reread(live_reread);
	base_watch_relations(note_relation);
}
