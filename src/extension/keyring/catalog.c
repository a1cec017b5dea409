/*
 * catalog.c
 *		The keyring's tables, read with index scans and no privilege checks,
 *		and the one counter that is written outside of transactions.
 *
 * Reads use a catalog snapshot: always the newest committed state plus the
 * caller's own changes, whatever the transaction's isolation.
 *
 * The message counter is updated in place (as vacuum does with pg_class): it
 * is WAL-logged, immediately visible, and a rollback does not lower it.
 */
#include "keyring/private.h"

#include "access/genam.h"
#include "access/htup_details.h"
#include "access/table.h"
#include "access/xlog.h"
#include "catalog/indexing.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/uuid.h"

/* Columns, in the order of keyring.sql. */
enum
{
	KEYS_NAME = 1,
	KEYS_MODIFIER,
	KEYS_KIND,
	KEYS_ALGORITHM,
	KEYS_CONTEXT
};

enum
{
	VERSIONS_ID = 1,
	VERSIONS_NAME,
	VERSIONS_VERSION,
	VERSIONS_STATE,
	VERSIONS_WRAPPED,
	VERSIONS_WRAPPING_ID
};

enum
{
	USAGE_ID = 1,
	USAGE_MESSAGES
};

enum
{
	GRANTS_CONTEXT = 1,
	GRANTS_GRANTEE,
	GRANTS_PRIVILEGE
};

enum
{
	PERMISSIONS_CONTEXT = 1,
	PERMISSIONS_NAME,
	PERMISSIONS_PRIVILEGE
};

/* Relations and indexes by name; their OIDs are looked up once until something changes. */
typedef enum CatalogObject
{
	OBJECT_KEYS,
	OBJECT_KEYS_PKEY,
	OBJECT_KEYS_MODIFIER_KEY,
	OBJECT_VERSIONS,
	OBJECT_VERSIONS_PKEY,
	OBJECT_VERSIONS_NAME_KEY,
	OBJECT_VERSIONS_PRIMARY,
	OBJECT_USAGE,
	OBJECT_USAGE_PKEY,
	OBJECT_GRANTS,
	OBJECT_GRANTS_PKEY,
	OBJECT_PERMISSIONS,
	OBJECT_PERMISSIONS_PKEY,
	OBJECT_COUNT
} CatalogObject;

static const char *const object_names[OBJECT_COUNT] = {
	"keys",
	"keys_pkey",
	"keys_modifier_key",
	"key_versions",
	"key_versions_pkey",
	"key_versions_key_name_version_key",
	"key_versions_primary",
	"key_usage",
	"key_usage_pkey",
	"key_grants",
	"key_grants_pkey",
	"key_permissions",
	"key_permissions_pkey",
};

static Oid object_oids[OBJECT_COUNT];

void
catalog_forget(void)
{
	memset(object_oids, 0, sizeof(object_oids));
}

static Oid
object_oid(CatalogObject object)
{
	if (!OidIsValid(object_oids[object]))
	{
		Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);

		if (OidIsValid(schema))
			object_oids[object] = get_relname_relid(object_names[object], schema);
	}
	return object_oids[object];
}

Oid
catalog_signal_relation(void)
{
	return object_oid(OBJECT_KEYS);
}

bool
catalog_uses(Oid relation)
{
	for (int i = 0; i < OBJECT_COUNT; i++)
		if (object_oids[i] == relation)
			return true;
	return false;
}

/* A scan over one of the tables by one indexed column. */
typedef struct Lookup
{
	Relation relation;
	SysScanDesc scan;
} Lookup;

/* Begins a scan; false when the extension's tables are not there (half-way through CREATE EXTENSION). */
static bool
lookup_begin(Lookup *lookup, CatalogObject table, CatalogObject index, AttrNumber column, RegProcedure equal,
			 Datum value)
{
	ScanKeyData key;

	if (!OidIsValid(object_oid(table)) || !OidIsValid(object_oid(index)))
		return false;
	lookup->relation = table_open(object_oid(table), AccessShareLock);
	ScanKeyInit(&key, column, BTEqualStrategyNumber, equal, value);
	lookup->scan = systable_beginscan(lookup->relation, object_oid(index), true, NULL, 1, &key);
	return true;
}

static HeapTuple
lookup_next(Lookup *lookup)
{
	return systable_getnext(lookup->scan);
}

static void
lookup_end(Lookup *lookup)
{
	systable_endscan(lookup->scan);
	table_close(lookup->relation, AccessShareLock);
}

static Datum
column_of(const Lookup *lookup, HeapTuple tuple, AttrNumber column, bool *isnull)
{
	bool null;
	Datum value = heap_getattr(tuple, column, RelationGetDescr(lookup->relation), &null);

	if (isnull)
		*isnull = null;
	else if (null)
		elog(ERROR, "twin_security: unexpected null in column %d of \"%s\"", column,
			 RelationGetRelationName(lookup->relation));
	return value;
}

/* Copies a text column into a buffer, cut at its size. */
static void
copy_text(Datum value, char *buffer, size_t size)
{
	char *string = TextDatumGetCString(value);

	strlcpy(buffer, string, size);
	pfree(string);
}

/* Copies a bytea column of exactly the stated size; false for any other. */
static bool
copy_bytes(Datum value, uint8 *buffer, size_t size)
{
	bytea *bytes = DatumGetByteaPP(value);

	if (VARSIZE_ANY_EXHDR(bytes) != size)
		return false;
	memcpy(buffer, VARDATA_ANY(bytes), size);
	return true;
}

static bool
read_key(CatalogObject index, AttrNumber column, RegProcedure equal, Datum value, KeyRow *row)
{
	Lookup lookup;
	HeapTuple tuple;

	if (!lookup_begin(&lookup, OBJECT_KEYS, index, column, equal, value))
		return false;
	tuple = lookup_next(&lookup);
	if (HeapTupleIsValid(tuple))
	{
		row->name = *DatumGetName(column_of(&lookup, tuple, KEYS_NAME, NULL));
		row->modifier = DatumGetInt32(column_of(&lookup, tuple, KEYS_MODIFIER, NULL));
		copy_text(column_of(&lookup, tuple, KEYS_KIND, NULL), row->kind, sizeof(row->kind));
		row->algorithm = DatumGetInt16(column_of(&lookup, tuple, KEYS_ALGORITHM, NULL));
		memcpy(row->context, DatumGetUUIDP(column_of(&lookup, tuple, KEYS_CONTEXT, NULL))->data, KEY_CONTEXT_SIZE);
	}
	lookup_end(&lookup);
	return HeapTupleIsValid(tuple);
}

bool
catalog_read_key_by_name(const char *name, KeyRow *row)
{
	NameData key;

	namestrcpy(&key, name);
	return read_key(OBJECT_KEYS_PKEY, KEYS_NAME, F_NAMEEQ, NameGetDatum(&key), row);
}

bool
catalog_read_key_by_modifier(int32 modifier, KeyRow *row)
{
	return read_key(OBJECT_KEYS_MODIFIER_KEY, KEYS_MODIFIER, F_INT4EQ, Int32GetDatum(modifier), row);
}

static KeyState
parse_state(Datum value)
{
	static const char *const names[] = {"published", "primary", "decrypt-only", "retired", "destroyed"};
	char state[16];

	copy_text(value, state, sizeof(state));
	for (int i = 0; i < (int) lengthof(names); i++)
		if (strcmp(state, names[i]) == 0)
			return (KeyState) i;
	elog(ERROR, "twin_security: unknown key state");
}

static void
fill_version(const Lookup *lookup, HeapTuple tuple, VersionRow *row)
{
	bool no_wrapped;
	bool no_id;
	Datum wrapped = column_of(lookup, tuple, VERSIONS_WRAPPED, &no_wrapped);
	Datum wrapping_id = column_of(lookup, tuple, VERSIONS_WRAPPING_ID, &no_id);

	row->id = (uint32) DatumGetInt32(column_of(lookup, tuple, VERSIONS_ID, NULL));
	row->name = *DatumGetName(column_of(lookup, tuple, VERSIONS_NAME, NULL));
	row->version = DatumGetInt32(column_of(lookup, tuple, VERSIONS_VERSION, NULL));
	row->state = parse_state(column_of(lookup, tuple, VERSIONS_STATE, NULL));
	row->has_wrapped = !no_wrapped && !no_id && copy_bytes(wrapped, row->wrapped, WRAPPED_SIZE) &&
					   copy_bytes(wrapping_id, row->wrapping_id, MASTER_ID_SIZE);
	row->written_by = HeapTupleHeaderGetXmin(tuple->t_data);
}

bool
catalog_read_version(uint32 id, VersionRow *row)
{
	Lookup lookup;
	HeapTuple tuple;

	if (!lookup_begin(&lookup, OBJECT_VERSIONS, OBJECT_VERSIONS_PKEY, VERSIONS_ID, F_INT4EQ,
					  Int32GetDatum((int32) id)))
		return false;
	tuple = lookup_next(&lookup);
	if (HeapTupleIsValid(tuple))
		fill_version(&lookup, tuple, row);
	lookup_end(&lookup);
	return HeapTupleIsValid(tuple);
}

bool
catalog_read_primary(const char *name, VersionRow *row)
{
	Lookup lookup;
	NameData key;
	HeapTuple tuple;

	namestrcpy(&key, name);
	if (!lookup_begin(&lookup, OBJECT_VERSIONS, OBJECT_VERSIONS_PRIMARY, VERSIONS_NAME, F_NAMEEQ, NameGetDatum(&key)))
		return false;
	tuple = lookup_next(&lookup);
	if (HeapTupleIsValid(tuple))
		fill_version(&lookup, tuple, row);
	lookup_end(&lookup);
	return HeapTupleIsValid(tuple);
}

bool
catalog_read_environment_version(const uint8 master_id[MASTER_ID_SIZE], VersionRow *row)
{
	Lookup lookup;
	NameData key;
	HeapTuple tuple;
	bool found = false;

	namestrcpy(&key, KEY_NAME_ENVIRONMENT);
	if (!lookup_begin(&lookup, OBJECT_VERSIONS, OBJECT_VERSIONS_NAME_KEY, VERSIONS_NAME, F_NAMEEQ,
					  NameGetDatum(&key)))
		return false;
	while (!found && HeapTupleIsValid(tuple = lookup_next(&lookup)))
	{
		bool null;
		Datum id = column_of(&lookup, tuple, VERSIONS_WRAPPING_ID, &null);

		if (null || !copy_bytes(id, row->wrapping_id, MASTER_ID_SIZE) ||
			memcmp(row->wrapping_id, master_id, MASTER_ID_SIZE) != 0) /* public: fingerprint */
			continue;
		fill_version(&lookup, tuple, row);
		found = true;
	}
	lookup_end(&lookup);
	return found;
}

/* The bits of a privilege's name; what decrypts masks as well. */
static int
privilege_bits(Datum name)
{
	char privilege[16];

	copy_text(name, privilege, sizeof(privilege));
	if (strcmp(privilege, "encrypt") == 0)
		return KEY_ENCRYPT;
	return strcmp(privilege, "decrypt") == 0 ? KEY_DECRYPT | KEY_MASK : KEY_MASK;
}

List *
catalog_read_grants(const uint8 context[KEY_CONTEXT_SIZE])
{
	Datum wanted = UUIDPGetDatum((const pg_uuid_t *) context);
	List *grants = NIL;
	Lookup lookup;
	HeapTuple tuple;

	if (lookup_begin(&lookup, OBJECT_GRANTS, OBJECT_GRANTS_PKEY, GRANTS_CONTEXT, F_UUID_EQ, wanted))
	{
		while (HeapTupleIsValid(tuple = lookup_next(&lookup)))
		{
			GrantRow *grant = palloc0(sizeof(GrantRow));

			grant->grantee = DatumGetObjectId(column_of(&lookup, tuple, GRANTS_GRANTEE, NULL));
			grant->privileges = privilege_bits(column_of(&lookup, tuple, GRANTS_PRIVILEGE, NULL));
			grants = lappend(grants, grant);
		}
		lookup_end(&lookup);
	}
	if (lookup_begin(&lookup, OBJECT_PERMISSIONS, OBJECT_PERMISSIONS_PKEY, PERMISSIONS_CONTEXT, F_UUID_EQ, wanted))
	{
		while (HeapTupleIsValid(tuple = lookup_next(&lookup)))
		{
			GrantRow *grant = palloc0(sizeof(GrantRow));

			grant->permission = TextDatumGetCString(column_of(&lookup, tuple, PERMISSIONS_NAME, NULL));
			grant->privileges = privilege_bits(column_of(&lookup, tuple, PERMISSIONS_PRIVILEGE, NULL));
			grants = lappend(grants, grant);
		}
		lookup_end(&lookup);
	}
	return grants;
}

bool
catalog_read_messages(uint32 id, uint64 *messages)
{
	Lookup lookup;
	HeapTuple tuple;

	if (!lookup_begin(&lookup, OBJECT_USAGE, OBJECT_USAGE_PKEY, USAGE_ID, F_INT4EQ, Int32GetDatum((int32) id)))
		return false;
	tuple = lookup_next(&lookup);
	if (HeapTupleIsValid(tuple))
		*messages = (uint64) DatumGetInt64(column_of(&lookup, tuple, USAGE_MESSAGES, NULL));
	lookup_end(&lookup);
	return HeapTupleIsValid(tuple);
}

uint64
catalog_reserve_messages(uint32 id, uint64 wanted, uint64 ceiling, uint64 *given)
{
	Relation relation;
	ScanKeyData key;
	HeapTuple tuple;
	void *state;
	Datum value;
	bool null;
	uint64 total;

	if (!OidIsValid(object_oid(OBJECT_USAGE)) || !OidIsValid(object_oid(OBJECT_USAGE_PKEY)))
		base_throw(TSEC_KEY_UNKNOWN);
	relation = table_open(object_oid(OBJECT_USAGE), RowExclusiveLock);
	ScanKeyInit(&key, USAGE_ID, BTEqualStrategyNumber, F_INT4EQ, Int32GetDatum((int32) id));

	/* returns with the row's buffer locked: nothing between here and finish or cancel may raise */
	systable_inplace_update_begin(relation, object_oid(OBJECT_USAGE_PKEY), true, NULL, 1, &key, &tuple, &state);
	if (!HeapTupleIsValid(tuple))
		base_throw_detail(TSEC_KEY_UNKNOWN, "No usage is recorded for key version %d.", (int32) id);
	value = heap_getattr(tuple, USAGE_MESSAGES, RelationGetDescr(relation), &null);
	total = null ? ceiling : (uint64) DatumGetInt64(value);
	*given = total >= ceiling ? 0 : Min(wanted, ceiling - total);
	if (*given == 0)
		systable_inplace_update_cancel(state);
	else
	{
		/* the row is an integer and a bigint: the counter stands at the second column's fixed place */
		char *counter = (char *) tuple->t_data + tuple->t_data->t_hoff + MAXALIGN(sizeof(int32));
		int64 next = (int64) (total + *given);

		memcpy(counter, &next, sizeof(next));
		systable_inplace_update_finish(state, tuple);
		total = (uint64) next;
	}
	table_close(relation, RowExclusiveLock);

	/* what is sealed now may reach a client before anything else flushes: a crash must not lower the count */
	if (*given > 0)
		XLogFlush(XactLastRecEnd);
	return total;
}
