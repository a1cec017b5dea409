/*
 * catalog.c
 *		The token part's tables, read with index scans and no privilege checks.
 *
 * Reads use a catalog snapshot: always the newest committed state plus the
 * caller's own changes, whatever the transaction's isolation.  All of it works
 * in read-only transactions, in parallel workers and on standbys.  What is not
 * there refuses: without its table no token counts as not revoked.
 */
#include "token/private.h"

#include "access/genam.h"
#include "access/hash.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/namespace.h"
#include "catalog/pg_collation.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns, in the order of keys.sql and revocations.sql. */
enum
{
	KEYS_KID = 1,
	KEYS_IS_OWN,
	KEYS_ALGORITHM,
	KEYS_STATE,
	KEYS_PUBLIC_KEY,
	KEYS_ISSUER,
	KEYS_AUDIENCE,
	KEYS_CLAIM_MAP,
	KEYS_MAX_LIFETIME
};

enum
{
	REVOCATIONS_NAME = 1,
	REVOCATIONS_LAST_SECOND
};

/* Relations by name; their OIDs are looked up once until something changes. */
typedef enum CatalogObject
{
	OBJECT_KEYS,
	OBJECT_REVOCATIONS,
	OBJECT_REVOCATIONS_HASH,
	OBJECT_REVOCATIONS_PKEY,
	OBJECT_KEY_SIGNAL,
	OBJECT_REVOCATION_SIGNAL,
	OBJECT_COUNT
} CatalogObject;

/*
 * Changes are signalled on the two views and not on the tables: nobody opens
 * the views to verify a token, so no session has to read a table's definition
 * anew after each revocation.
 */
static const struct
{
	const char *schema;
	const char *name;
} objects[OBJECT_COUNT] = {
	[OBJECT_KEYS] = {TSEC_INTERNAL_SCHEMA, "token_keys"},
	[OBJECT_REVOCATIONS] = {TSEC_INTERNAL_SCHEMA, "revocations"},
	[OBJECT_REVOCATIONS_HASH] = {TSEC_INTERNAL_SCHEMA, "revocations_name_hash"},
	[OBJECT_REVOCATIONS_PKEY] = {TSEC_INTERNAL_SCHEMA, "revocations_pkey"},
	[OBJECT_KEY_SIGNAL] = {TSEC_SCHEMA, "verification_keys"},
	[OBJECT_REVOCATION_SIGNAL] = {TSEC_SCHEMA, "revocations"},
};

static Oid object_oids[OBJECT_COUNT];

void
token_catalog_forget(void)
{
	memset(object_oids, 0, sizeof(object_oids));
}

static Oid
object_oid(CatalogObject object)
{
	if (unlikely(!OidIsValid(object_oids[object])))
	{
		Oid schema = get_namespace_oid(objects[object].schema, true);
		Oid found = OidIsValid(schema) ? get_relname_relid(objects[object].name, schema) : InvalidOid;

		/* only now: looking up may itself bring news that forgets all */
		object_oids[object] = found;
	}
	return object_oids[object];
}

static Oid
require_object(CatalogObject object)
{
	Oid found = object_oid(object);

	if (unlikely(!OidIsValid(found)))
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_TABLE), errmsg("the tables of twin_security are not in this database"),
				 errhint("Run CREATE EXTENSION twin_security.")));
	return found;
}

Oid
token_catalog_key_signal(void)
{
	return object_oid(OBJECT_KEY_SIGNAL);
}

Oid
token_catalog_revocation_signal(void)
{
	return object_oid(OBJECT_REVOCATION_SIGNAL);
}

bool
token_catalog_is_key_signal(Oid relation)
{
	return relation == object_oids[OBJECT_KEY_SIGNAL];
}

bool
token_catalog_is_revocation_signal(Oid relation)
{
	return relation == object_oids[OBJECT_REVOCATION_SIGNAL];
}

bool
token_catalog_uses(Oid relation)
{
	for (int i = 0; i < OBJECT_COUNT; i++)
		if (object_oids[i] == relation)
			return true;
	return false;
}

/* A text column in UTF-8, as tokens are; NULL for null. */
static char *
text_of(HeapTuple tuple, AttrNumber column, TupleDesc shape)
{
	bool null;
	Datum value = heap_getattr(tuple, column, shape, &null);
	char *string;

	if (null)
		return NULL;
	string = TextDatumGetCString(value);
	return pg_server_to_any(string, (int) strlen(string), PG_UTF8);
}

/* The same of a jsonb column. */
static char *
json_of(HeapTuple tuple, AttrNumber column, TupleDesc shape)
{
	bool null;
	Datum value = heap_getattr(tuple, column, shape, &null);
	Jsonb *json;
	char *text;

	if (null)
		return NULL;
	json = DatumGetJsonbP(value);
	text = JsonbToCString(NULL, &json->root, (int) VARSIZE(json));
	return pg_server_to_any(text, (int) strlen(text), PG_UTF8);
}

static TokenKeyState
state_of(const char *text)
{
	static const char *const names[] = {"published", "signing", "verifying", "retired"};

	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(names[i], text) == 0)
			return (TokenKeyState) i;
	elog(ERROR, "twin_security: unknown state of a token key");
}

static TokenKeyRow *
key_row_of(HeapTuple tuple, TupleDesc shape)
{
	TokenKeyRow *row = palloc0(sizeof(TokenKeyRow));
	bool null;

	row->kid = text_of(tuple, KEYS_KID, shape);
	row->is_own = DatumGetBool(heap_getattr(tuple, KEYS_IS_OWN, shape, &null));
	if (!jwt_algorithm_find(text_of(tuple, KEYS_ALGORITHM, shape), &row->algorithm))
		elog(ERROR, "twin_security: unknown algorithm of a token key");
	row->state = state_of(text_of(tuple, KEYS_STATE, shape));
	row->public_text = json_of(tuple, KEYS_PUBLIC_KEY, shape);
	row->issuer = text_of(tuple, KEYS_ISSUER, shape);
	row->audience = text_of(tuple, KEYS_AUDIENCE, shape);
	row->claim_map = json_of(tuple, KEYS_CLAIM_MAP, shape);
	row->max_lifetime = DatumGetInt64(heap_getattr(tuple, KEYS_MAX_LIFETIME, shape, &null));
	return row;
}

List *
token_catalog_keys(void)
{
	Relation relation = table_open(require_object(OBJECT_KEYS), AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	List *rows = NIL;
	HeapTuple tuple;

	/* known from now on, so that their invalidation is noticed */
	(void) token_catalog_key_signal();
	while (HeapTupleIsValid(tuple = systable_getnext(scan)))
		rows = lappend(rows, key_row_of(tuple, RelationGetDescr(relation)));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return rows;
}

/*
 * A look into the revocations by name, over the hash index: however many there
 * are, it reads one page (measured with a million: a btree takes 2.6 us more
 * than an empty one).  One scan serves several names.
 */
typedef struct Lookup
{
	Relation relation;
	Relation index;
	IndexScanDesc scan;
	Snapshot snapshot;
	TupleTableSlot *slot; /* made when there is something to fetch: there hardly ever is */
} Lookup;

static void
lookup_begin(Lookup *lookup)
{
	Oid table = require_object(OBJECT_REVOCATIONS);
	Oid index = require_object(OBJECT_REVOCATIONS_HASH);

	(void) token_catalog_revocation_signal();
	lookup->relation = table_open(table, AccessShareLock);
	lookup->index = index_open(index, AccessShareLock);
	lookup->snapshot = RegisterSnapshot(GetCatalogSnapshot(table));
	lookup->scan = index_beginscan(lookup->relation, lookup->index, lookup->snapshot, 1, 0);
	lookup->slot = NULL;
}

static void
lookup_end(Lookup *lookup)
{
	if (lookup->slot != NULL)
		ExecDropSingleTupleTableSlot(lookup->slot);
	index_endscan(lookup->scan);
	UnregisterSnapshot(lookup->snapshot);
	index_close(lookup->index, AccessShareLock);
	table_close(lookup->relation, AccessShareLock);
}

/* Whether there is anything but single tokens to look for, as of some news. */
typedef struct RevokedKinds
{
	uint64 generation;
	bool sessions;
	bool users;
} RevokedKinds;

/* Whether a name is revoked, and until which second of issue (the largest number where all are). */
static bool
lookup_find(Lookup *lookup, char kind, const char *subject, int64 *last_second)
{
	union
	{
		struct varlena header;
		char bytes[VARHDRSZ + 2 + CLAIM_TEXT_MAX * 4];
	} name;
	size_t length = strlen(subject);
	ScanKeyData key;
	bool null;
	Datum value;

	if (length > CLAIM_TEXT_MAX * 4)
		elog(ERROR, "twin_security: the subject of a revocation is too long");
	SET_VARSIZE(&name, VARHDRSZ + 2 + length);
	VARDATA(&name)[0] = kind;
	VARDATA(&name)[1] = ':';
	memcpy(VARDATA(&name) + 2, subject, length);
	ScanKeyInit(&key, REVOCATIONS_NAME, HTEqualStrategyNumber, F_TEXTEQ, PointerGetDatum(&name));
	index_rescan(lookup->scan, &key, 1, NULL, 0);
	while (index_getnext_tid(lookup->scan, ForwardScanDirection) != NULL)
	{
		if (lookup->slot == NULL)
			lookup->slot = table_slot_create(lookup->relation, NULL);
		if (!index_fetch_heap(lookup->scan, lookup->slot))
			continue;
		/* the index knows hashes only */
		value = slot_getattr(lookup->slot, REVOCATIONS_NAME, &null);
		if (null || !DatumGetBool(DirectFunctionCall2Coll(texteq, C_COLLATION_OID, value, PointerGetDatum(&name))))
			continue;
		value = slot_getattr(lookup->slot, REVOCATIONS_LAST_SECOND, &null);
		*last_second = null ? PG_INT64_MAX : DatumGetInt64(value);
		return true;
	}
	return false;
}

/* Whether there is any revocation of a kind. */
static bool
any_of_kind(char kind)
{
	Relation relation = table_open(require_object(OBJECT_REVOCATIONS), AccessShareLock);
	char from[] = {kind, ':', '\0'};
	char to[] = {kind, ':' + 1, '\0'};
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool found;

	ScanKeyInit(&keys[0], REVOCATIONS_NAME, BTGreaterEqualStrategyNumber, F_TEXT_GE, CStringGetTextDatum(from));
	ScanKeyInit(&keys[1], REVOCATIONS_NAME, BTLessStrategyNumber, F_TEXT_LT, CStringGetTextDatum(to));
	scan = systable_beginscan(relation, require_object(OBJECT_REVOCATIONS_PKEY), true, NULL, 2, keys);
	found = HeapTupleIsValid(systable_getnext(scan));
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return found;
}

/* Sessions and users are rarely revoked: whether any is is asked once after each news, and not for every token. */
static const RevokedKinds *
kinds_now(void)
{
	static RevokedKinds kinds;
	uint64 generation = token_revocation_generation();

	if (unlikely(kinds.generation != generation))
	{
		kinds.generation = 0;
		kinds.sessions = any_of_kind('s');
		kinds.users = any_of_kind('u');
		kinds.generation = generation;
	}
	return &kinds;
}

bool
token_catalog_is_revoked(const VerifiedToken *token, const char *name)
{
	RevokedKinds kinds = *kinds_now();
	Lookup lookup;
	int64 last_second;
	bool revoked;

	lookup_begin(&lookup);
	revoked = lookup_find(&lookup, 't', name, &last_second) ||
			  (kinds.sessions && token->session != NULL && lookup_find(&lookup, 's', token->session, &last_second)) ||
			  (kinds.users && token->user != NULL && lookup_find(&lookup, 'u', token->user, &last_second) &&
			   token->issued_at <= last_second);
	lookup_end(&lookup);
	return revoked;
}

int64
token_catalog_user_revoked(const char *user)
{
	Lookup lookup;
	int64 last_second = 0;

	lookup_begin(&lookup);
	if (!lookup_find(&lookup, 'u', user, &last_second))
		last_second = 0;
	lookup_end(&lookup);
	return last_second;
}

/* Appends a text with its length in front, so that no two rows have one spelling; absent differs from empty. */
static uint8 *
put_text(uint8 *at, const char *text)
{
	size_t length = text ? strlen(text) : 0;

	bytes_put_u32(at, text ? (uint32) length : PG_UINT32_MAX);
	if (length > 0)
		memcpy(at + 4, text, length);
	return at + 4 + length;
}

void
token_key_binding(const TokenKeyRow *row, uint8 binding[DIGEST_SIZE])
{
	const char *const texts[] = {row->kid,
								 row->is_own ? "own" : "outside",
								 jwt_algorithm_name(row->algorithm),
								 row->public_text,
								 row->issuer,
								 row->audience,
								 row->claim_map};
	size_t size = 8;
	uint8 *buffer;
	uint8 *at;

	for (int i = 0; i < (int) lengthof(texts); i++)
		size += 4 + (texts[i] ? strlen(texts[i]) : 0);
	at = buffer = palloc(size);
	bytes_put_u64(at, (uint64) row->max_lifetime);
	at += 8;
	for (int i = 0; i < (int) lengthof(texts); i++)
		at = put_text(at, texts[i]);
	base_check(digest_sha256(bytes_of(buffer, size), binding));
	pfree(buffer);
}
