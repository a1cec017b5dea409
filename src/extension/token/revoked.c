/*
 * revoked.c
 *		Whether the table of revocations refuses a token.
 *
 * However many there are, a look reads one page of a hash index and, unless
 * there is something, no row.  Like the keys, revocations are read with a
 * catalog snapshot: what is committed counts whatever the transaction sees.
 */
#include "token/private.h"

#include "access/genam.h"
#include "access/hash.h"
#include "access/relscan.h"
#include "access/table.h"
#include "access/tableam.h"
#include "catalog/pg_collation.h"
#include "executor/tuptable.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/fmgrprotos.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"

/* Columns, in the order of revocations.sql. */
enum
{
	REVOCATIONS_NAME = 1,
	REVOCATIONS_LAST_SECOND
};

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
	Oid table = token_catalog_require(TOKEN_OBJECT_REVOCATIONS);
	Oid index = token_catalog_require(TOKEN_OBJECT_REVOCATIONS_HASH);

	lookup->relation = table_open(table, AccessShareLock);
	lookup->index = index_open(index, AccessShareLock);
	lookup->snapshot = RegisterSnapshot(GetCatalogSnapshot(table));
	lookup->scan = compat_index_beginscan(lookup->relation, lookup->index, lookup->snapshot, 1);
	lookup->slot = NULL;
}

static void
lookup_end(Lookup *lookup)
{
	if (lookup->slot != NULL)
		ExecDropSingleTupleTableSlot(lookup->slot);
	index_endscan(lookup->scan);
	UnregisterSnapshot(lookup->snapshot);
	/* the locks stay until the transaction ends, as those of any query do: taking them again costs less */
	index_close(lookup->index, NoLock);
	table_close(lookup->relation, NoLock);
}

/* Whether there is anything but single tokens to look for, as of some news. */
typedef struct RevokedKinds
{
	uint64 generation;
	bool sessions;
	bool users;
	bool leavers; /* users who logged out everywhere */
} RevokedKinds;

/* Whether a name is revoked, and until which second of issue (the largest number where all are); 0 when it is not. */
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
	bool found = false;
	bool null;
	Datum value;

	*last_second = 0;
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
		/* of users who left there may be several rows */
		*last_second = null ? PG_INT64_MAX : Max(*last_second, DatumGetInt64(value));
		found = true;
	}
	return found;
}

/* Whether there is any revocation of a kind. */
static bool
any_of_kind(char kind)
{
	Relation relation = table_open(token_catalog_require(TOKEN_OBJECT_REVOCATIONS), AccessShareLock);
	char from[] = {kind, ':', '\0'};
	char to[] = {kind, ':' + 1, '\0'};
	ScanKeyData keys[2];
	SysScanDesc scan;
	bool found;

	ScanKeyInit(&keys[0], REVOCATIONS_NAME, BTGreaterEqualStrategyNumber, F_TEXT_GE, CStringGetTextDatum(from));
	ScanKeyInit(&keys[1], REVOCATIONS_NAME, BTLessStrategyNumber, F_TEXT_LT, CStringGetTextDatum(to));
	scan = systable_beginscan(relation, token_catalog_require(TOKEN_OBJECT_REVOCATIONS_PKEY), true, NULL, 2, keys);
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
		kinds.leavers = any_of_kind('v');
		kinds.generation = generation;
	}
	return &kinds;
}

bool
token_catalog_is_revoked(const VerifiedToken *token, const char *name)
{
	RevokedKinds kinds = *kinds_now();
	const char *session = token->is_own ? token->session : NULL;
	const char *user =
		token->is_own ? token->user : NULL; /* an outside issuer's user of that name is somebody else */
	Lookup lookup;
	int64 last_second;
	bool revoked;

	lookup_begin(&lookup);
	revoked = lookup_find(&lookup, 't', name, &last_second) ||
			  (kinds.sessions && session != NULL && lookup_find(&lookup, 's', session, &last_second)) ||
			  (kinds.users && user != NULL && lookup_find(&lookup, 'u', user, &last_second) &&
			   token->issued_at <= last_second) ||
			  (kinds.leavers && user != NULL && lookup_find(&lookup, 'v', user, &last_second) &&
			   token->issued_at <= last_second);
	lookup_end(&lookup);
	return revoked;
}

int64
token_catalog_user_revoked(const char *user)
{
	Lookup lookup;
	int64 by_others;
	int64 by_himself;

	lookup_begin(&lookup);
	(void) lookup_find(&lookup, 'u', user, &by_others);
	(void) lookup_find(&lookup, 'v', user, &by_himself);
	lookup_end(&lookup);
	return Max(by_others, by_himself);
}
