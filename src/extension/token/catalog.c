/*
 * catalog.c
 *		The token part's tables by name, and the keys, read without privilege
 *		checks.
 *
 * Reads use a catalog snapshot: always the newest committed state plus the
 * caller's own changes, whatever the transaction's isolation.  All of it works
 * in read-only transactions, in parallel workers and on standbys.  What is not
 * there refuses: without its table no token counts as not revoked.
 */
#include "token/private.h"

#include "common/encode.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

/* Columns, in the order of keys.sql. */
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

/*
 * Changes are signalled on the two views and not on the tables: nobody opens
 * the views to verify a token, so no session has to read a table's definition
 * anew after each revocation.
 */
static const struct
{
	const char *schema;
	const char *name;
} objects[TOKEN_OBJECT_COUNT] = {
	[TOKEN_OBJECT_KEYS] = {TSEC_INTERNAL_SCHEMA, "token_keys"},
	[TOKEN_OBJECT_INSTALLATION] = {TSEC_INTERNAL_SCHEMA, "installation"},
	[TOKEN_OBJECT_REVOCATIONS] = {TSEC_INTERNAL_SCHEMA, "revocations"},
	[TOKEN_OBJECT_REVOCATIONS_HASH] = {TSEC_INTERNAL_SCHEMA, "revocations_name_hash"},
	[TOKEN_OBJECT_REVOCATIONS_PKEY] = {TSEC_INTERNAL_SCHEMA, "revocations_pkey"},
	[TOKEN_OBJECT_KEY_SIGNAL] = {TSEC_SCHEMA, "verification_keys"},
	[TOKEN_OBJECT_REVOCATION_SIGNAL] = {TSEC_SCHEMA, "revocations"},
};

static Oid object_oids[TOKEN_OBJECT_COUNT];

void
token_catalog_forget(void)
{
	memset(object_oids, 0, sizeof(object_oids));
}

static Oid
object_oid(TokenObject object)
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

Oid
token_catalog_require(TokenObject object)
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
	return object_oid(TOKEN_OBJECT_KEY_SIGNAL);
}

Oid
token_catalog_revocation_signal(void)
{
	return object_oid(TOKEN_OBJECT_REVOCATION_SIGNAL);
}

bool
token_catalog_is_key_signal(Oid relation)
{
	return relation == object_oids[TOKEN_OBJECT_KEY_SIGNAL];
}

bool
token_catalog_is_revocation_signal(Oid relation)
{
	return relation == object_oids[TOKEN_OBJECT_REVOCATION_SIGNAL];
}

bool
token_catalog_uses(Oid relation)
{
	for (int i = 0; i < TOKEN_OBJECT_COUNT; i++)
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
	Relation relation = table_open(token_catalog_require(TOKEN_OBJECT_KEYS), AccessShareLock);
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

/* Columns of the table that marks this database, in the order of base.sql. */
enum
{
	INSTALLATION_IS_HERE = 1,
	INSTALLATION_MARK
};

char *
token_catalog_local_kid(const TokenSecret *secret)
{
	Relation relation = table_open(token_catalog_require(TOKEN_OBJECT_INSTALLATION), AccessShareLock);
	SysScanDesc scan = systable_beginscan(relation, InvalidOid, false, NULL, 0, NULL);
	HeapTuple tuple = systable_getnext(scan);
	uint8 marked[JWK_SECRET_KID_SIZE + UUID_LEN + 4] = {0};
	uint8 digest[DIGEST_SIZE];
	char *kid = palloc(JWK_SECRET_KID_SIZE);
	bool null;

	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "twin_security: the mark of this database is missing");
	strlcpy((char *) marked, secret->kid, JWK_SECRET_KID_SIZE);
	memcpy(marked + JWK_SECRET_KID_SIZE,
		   DatumGetUUIDP(heap_getattr(tuple, INSTALLATION_MARK, RelationGetDescr(relation), &null))->data, UUID_LEN);
	/* a copy made with CREATE DATABASE ... TEMPLATE holds the same mark */
	bytes_put_u32(marked + JWK_SECRET_KID_SIZE + UUID_LEN, MyDatabaseId);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	base_check(digest_sha256(bytes_of(marked, sizeof(marked)), digest));
	encode_base64url(digest, 16, kid);
	kid[encode_base64url_size(16)] = '\0';
	return kid;
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
