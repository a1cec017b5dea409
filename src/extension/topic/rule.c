/*
 * rule.c
 *		twin.topics, as this session last read it: which permission a topic needs.
 *
 * Read whole, with a catalog snapshot: the newest committed state plus the
 * transaction's own changes.  A trigger on the table invalidates it in every
 * session's relation cache; that is the news upon which it is read again.
 *
 * Only twin_admin may write it; a row that could not be there grants nothing.
 */
#include "topic/private.h"

#include "event/event.h"
#include "identity/identity.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsec_topics_changed);
PG_FUNCTION_INFO_V1(tsec_require_topic_reach);
PG_FUNCTION_INFO_V1(tsec_topic_acceptable);

#define TABLE_NAME "topics"

/* Columns, in the order of tables.sql. */
enum
{
	TOPICS_TOPIC = 1,
	TOPICS_SUBSCRIBE,
	TOPICS_PUBLISH,
	TOPICS_BOUND,
	TOPICS_ENABLED
};

static HTAB *rules = NULL;
static Oid topics_relation = InvalidOid;
static bool known = false;
static uint64 generation = 1;

static void
note_relation_change(Datum argument, Oid relation)
{
	if (OidIsValid(relation) && OidIsValid(topics_relation) && relation != topics_relation)
		return;
	known = false;
	topics_relation = InvalidOid;
	generation++;
}

void
topic_rule_init(void)
{
	base_watch_relations(note_relation_change);
}

uint64
topic_rule_generation(void)
{
	return generation;
}

static Oid
find_table(void)
{
	Oid schema = get_namespace_oid(TSEC_SCHEMA, true);

	return OidIsValid(schema) ? get_relname_relid(TABLE_NAME, schema) : InvalidOid;
}

/* Copies a column of type text; false when it is null or does not fit. */
static bool
take_text(TupleDesc shape, HeapTuple row, AttrNumber column, char *to, size_t size)
{
	bool null;
	Datum value = heap_getattr(row, column, shape, &null);
	char *string;

	to[0] = '\0';
	if (null)
		return false;
	string = TextDatumGetCString(value);
	return strlcpy(to, string, size) < size;
}

static void
take_row(TupleDesc shape, HeapTuple row)
{
	TopicRule rule;
	bool null;
	bool found;

	if (!take_text(shape, row, TOPICS_TOPIC, rule.name, sizeof(rule.name)) ||
		!take_text(shape, row, TOPICS_SUBSCRIBE, rule.subscribe, sizeof(rule.subscribe)))
		return;
	if (!take_text(shape, row, TOPICS_PUBLISH, rule.publish, sizeof(rule.publish)))
		rule.publish[0] = '\0';
	rule.is_bound = DatumGetBool(heap_getattr(row, TOPICS_BOUND, shape, &null)) || null;
	rule.is_enabled = DatumGetBool(heap_getattr(row, TOPICS_ENABLED, shape, &null)) && !null;
	*(TopicRule *) hash_search(rules, rule.name, HASH_ENTER, &found) = rule;
}

/* Reads everything when there is news. */
static void
refresh(void)
{
	HASHCTL control = {.keysize = TOPIC_NAME_MAX + 1, .entrysize = sizeof(TopicRule), .hcxt = TopMemoryContext};
	uint64 before = generation; /* opening the table may itself bring news */
	MemoryContext scratch;
	MemoryContext outer;
	Relation relation;
	SysScanDesc scan;
	HeapTuple row;
	Oid oid;

	if (likely(known))
		return;
	if (rules != NULL)
		hash_destroy(rules);
	rules = NULL;
	rules = hash_create("twin_security topics", 64, &control, HASH_ELEM | HASH_STRINGS | HASH_CONTEXT);
	oid = find_table();
	if (!OidIsValid(oid))
		return;
	scratch = AllocSetContextCreate(CurrentMemoryContext, "twin_security topics", ALLOCSET_SMALL_SIZES);
	outer = MemoryContextSwitchTo(scratch);
	relation = table_open(oid, AccessShareLock);
	scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	while (HeapTupleIsValid(row = systable_getnext(scan)))
		take_row(RelationGetDescr(relation), row);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(scratch);
	topics_relation = oid;
	known = before == generation;
}

bool
topic_rule_find(const char *topic, TopicRule *rule)
{
	char key[TOPIC_NAME_MAX + 1];
	const TopicRule *found;

	refresh();
	strlcpy(key, topic, sizeof(key));
	do
	{
		found = hash_search(rules, key, HASH_FIND, NULL);
	} while (found == NULL && topic_wider(bytes_of(key, strlen(key)), key) > 0);
	if (found == NULL || !found->is_enabled)
		return false;
	*rule = *found;
	return true;
}

char *
topic_name_argument(text *value, bool may_be_pattern)
{
	Bytes name = bytes_of(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value));

	if (!(may_be_pattern ? topic_pattern_valid(name) : topic_name_valid(name)))
		ereport(
			ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid topic"),
			 errhint("A topic has up to %d parts of letters, digits, \"_\", \"-\" and \":\", joined by \".\", in %d "
					 "bytes%s.",
					 TOPIC_PARTS_MAX, TOPIC_NAME_MAX,
					 may_be_pattern ? "; \"units.*\" means all that begin with \"units.\"" : "")));
	return text_to_cstring(value);
}

void
topic_throw_unknown(const char *topic)
{
	ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("topic \"%s\" does not exist", topic),
					errhint("An administrator can add it, or a pattern that covers it, to twin.topics.")));
}

/* topics_changed(): trigger that tells every session to read twin.topics again */
Datum
tsec_topics_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "topics_changed");
	base_tell_sessions(find_table());
	PG_RETURN_POINTER(NULL);
}

/* require_topic_reach(): trigger that keeps twin.topics from whoever may not decide for all tenants */
Datum
tsec_require_topic_reach(PG_FUNCTION_ARGS)
{
	const Identity *identity;

	base_require_trigger(fcinfo, "require_topic_reach");
	identity = identity_current();
	if (identity_has_warrant() && (identity == NULL || !identity->has_tenant))
		PG_RETURN_POINTER(NULL);
	event_emit(&(SecurityEvent){.type = "permission_denied",
								.class = EVENT_ACCESS,
								.severity = EVENT_MEDIUM,
								.outcome = EVENT_DENIED,
								.action = "administer",
								.resource = TABLE_NAME,
								.is_anybodys = true});
	ereport(ERROR,
			(errcode(ERRCODE_INSUFFICIENT_PRIVILEGE), errmsg("permission denied for topics"),
			 identity != NULL && identity->has_tenant
				 ? errdetail("The authenticated user belongs to a tenant, and this concerns all of them.")
				 : errdetail("This login is token-only, and no verified token warrants the role it acts in.")));
}

/* topic_acceptable(topic text) -> boolean: whether it is a name or pattern of topics */
Datum
tsec_topic_acceptable(PG_FUNCTION_ARGS)
{
	text *value = PG_GETARG_TEXT_PP(0);

	PG_RETURN_BOOL(topic_pattern_valid(bytes_of(VARDATA_ANY(value), VARSIZE_ANY_EXHDR(value))));
}
