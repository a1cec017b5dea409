/*
 * cache.c
 *		This session's view of the keyring: names, versions and contexts that
 *		hold expanded keys.
 *
 * Entries are read on first need and all dropped, keys wiped, when another
 * transaction changed the keyring.  The news comes two ways: relcache
 * invalidation of twin_internal.keys (sent by triggers on the tables, also where
 * a subscription changes them; reaches standbys through WAL), and, with preloading, a generation number in shared
 * memory that is looked at on every use, so that a revocation also reaches a
 * statement that is already running.
 *
 * Dropping frees every entry, and reading a catalog can bring news at any
 * time.  So the news is only noted when it comes, and acted upon in one place:
 * cache_refresh(), which every function of keyring.h calls first and nothing
 * below it calls again.  Asking who is asking reads tables and may unwrap keys of
 * other parts in the middle of that: it is done between cache_hold() and
 * cache_let_go(), where nothing is dropped.
 */
#include "keyring/private.h"

#include "access/xact.h"
#include "port/atomics.h"
#include "storage/ipc.h"
#include "utils/hsearch.h"
#include "utils/inval.h"
#include "utils/memutils.h"

#define MEMO_COUNT 64

PG_FUNCTION_INFO_V1(tsec_keyring_changed);

/* What the last lookups by id and by modifier found; NULL = nothing known. */
typedef struct KeyMemo
{
	uint32 wanted;
	bool answered;
	KeyEntry *entry;
} KeyMemo;

typedef struct KeyringShared
{
	pg_atomic_uint64 generation;
} KeyringShared;

static KeyringShared *shared = NULL;
static uint64 shared_seen = 0;
static uint64 local_generation = 1;
static bool stale = true;
static bool changed_here = false;
static int holds = 0; /* back to 0 wherever an error may have passed a hold */

static MemoryContext cache_context = NULL;
static HTAB *names = NULL;
static HTAB *versions = NULL;
static KeyEntry *all_entries = NULL;
static HmacKey *index_keys[KEYRING_INDEX_SLOTS];
static KeyMemo by_id[MEMO_COUNT];
static KeyMemo by_modifier[MEMO_COUNT];

static void
initialise_shared(void *memory)
{
	pg_atomic_init_u64(&((KeyringShared *) memory)->generation, 1);
}

static const SharedArea area = {"twin_security keyring", sizeof(KeyringShared), initialise_shared, (void **) &shared};

static void
note_relation_change(Datum argument, Oid relation)
{
	if (relation != InvalidOid && !catalog_uses(relation))
		return;
	stale = true;
	catalog_forget(); /* the extension may have been dropped, or an index rebuilt */

	/* passes the news on to sessions in the middle of a statement: it may be of COMMIT PREPARED, or a replayed one */
	if (relation != InvalidOid && shared != NULL)
		pg_atomic_fetch_add_u64(&shared->generation, 1);
}

/* After a commit that changed the keyring, tells the sessions that are in the middle of a statement. */
static void
note_transaction_end(XactEvent event, void *argument)
{
	holds = 0;
	if (!changed_here)
		return;
	if (event == XACT_EVENT_COMMIT && shared != NULL)
		pg_atomic_fetch_add_u64(&shared->generation, 1);
	if (event == XACT_EVENT_COMMIT || event == XACT_EVENT_ABORT || event == XACT_EVENT_PREPARE)
	{
		changed_here = false;
		stale = true;
	}
}

static void
note_savepoint_end(SubXactEvent event, SubTransactionId own, SubTransactionId parent, void *argument)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		holds = 0;
}

/* Frees every context that holds a key; OpenSSL wipes them. */
static void
wipe_contexts(void)
{
	for (KeyEntry *entry = all_entries; entry != NULL; entry = entry->next)
	{
		aead_free(entry->key.aead);
		entry->key.aead = NULL;
	}
	all_entries = NULL;
	for (int i = 0; i < KEYRING_INDEX_SLOTS; i++)
	{
		hmac_free(index_keys[i]);
		index_keys[i] = NULL;
	}
}

static void
wipe_at_exit(int code, Datum argument)
{
	wipe_contexts();
}

void
cache_init(void)
{
	base_register_area(&area);
	base_watch_relations(note_relation_change);
	RegisterXactCallback(note_transaction_end, NULL);
	RegisterSubXactCallback(note_savepoint_end, NULL);
}

/* Drops everything and begins anew. */
static void
start_over(void)
{
	HASHCTL control = {0};

	if (cache_context == NULL)
	{
		cache_context = AllocSetContextCreate(TopMemoryContext, "twin_security keyring", ALLOCSET_SMALL_SIZES);
		before_shmem_exit(wipe_at_exit, (Datum) 0);
	}
	/* first what is known, then what is read: news that arrives meanwhile makes it stale once more */
	if (shared != NULL)
		shared_seen = pg_atomic_read_u64(&shared->generation);
	stale = false;

	wipe_contexts();
	memset(by_id, 0, sizeof(by_id));
	memset(by_modifier, 0, sizeof(by_modifier));
	names = versions = NULL;
	MemoryContextReset(cache_context);
	local_generation++;
	catalog_forget();
	(void) catalog_signal_relation();

	control.hcxt = cache_context;
	control.keysize = NAMEDATALEN;
	control.entrysize = sizeof(KeyName);
	names = hash_create("twin_security key names", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
	control.keysize = sizeof(uint32);
	control.entrysize = sizeof(KeyEntry);
	versions = hash_create("twin_security key versions", 32, &control, HASH_ELEM | HASH_BLOBS | HASH_CONTEXT);
}

/*
 * A statement that locks no table would not hear of changes of the keyring, or
 * of roles, before its transaction ends: so it listens itself, once.
 */
static void
listen(void)
{
	static TimestampTz listened = 0;
	TimestampTz statement = GetCurrentStatementStartTimestamp();

	if (likely(statement == listened))
		return;
	listened = statement;
	AcceptInvalidationMessages();
}

void
cache_hold(void)
{
	holds++;
}

void
cache_let_go(void)
{
	holds--;
}

void
cache_refresh(void)
{
	if (unlikely(holds > 0))
		return;
	listen();
	/* no versions: never begun, or out of memory while beginning anew */
	if (unlikely(stale || versions == NULL ||
				 (shared != NULL && pg_atomic_read_u64(&shared->generation) != shared_seen)))
		start_over();
}

uint64
keyring_generation(void)
{
	cache_refresh();
	return local_generation;
}

/* Keeps a row under its name. */
static KeyName *
remember_name(const KeyRow *row)
{
	KeyName *name = hash_search(names, &row->name, HASH_FIND, NULL);
	MemoryContext old;
	List *grants;

	if (name != NULL)
		return name;
	old = MemoryContextSwitchTo(cache_context);
	grants = catalog_read_grants(row->context);
	MemoryContextSwitchTo(old);
	name = hash_search(names, &row->name, HASH_ENTER, NULL);
	name->row = *row;
	name->grants = grants;
	name->primary = NULL;
	memset(&name->memo, 0, sizeof(name->memo));
	return name;
}

KeyName *
cache_name(const char *wanted)
{
	NameData key = {{0}};
	KeyName *name;
	KeyRow row;

	strlcpy(NameStr(key), wanted, NAMEDATALEN);
	name = hash_search(names, &key, HASH_FIND, NULL);
	if (name == NULL && catalog_read_key_by_name(wanted, &row))
		name = remember_name(&row);
	return name;
}

/* Keeps a version; NULL when its name's row is gone. */
static KeyEntry *
remember_version(const VersionRow *row)
{
	KeyName *name = cache_name(NameStr(row->name));
	KeyMeter *meter;
	KeyEntry *entry;
	bool found;

	if (name == NULL)
		return NULL;
	meter = meter_of(row->id, (AeadAlgorithm) name->row.algorithm);
	entry = hash_search(versions, &row->id, HASH_ENTER, &found);
	if (!found)
	{
		entry->key.modifier = name->row.modifier;
		entry->key.version = row->version;
		entry->key.algorithm = (AeadAlgorithm) name->row.algorithm;
		entry->key.is_literal = strcmp(name->row.kind, "literal") == 0;
		entry->key.is_column_key = strcmp(name->row.kind, "data") == 0;
		entry->key.is_retired = row->state == KEY_STATE_RETIRED;
		entry->key.is_destroyed = row->state == KEY_STATE_DESTROYED;
		memcpy(entry->key.context, name->row.context, KEY_CONTEXT_SIZE);
		entry->key.aead = NULL;
		entry->key.name = name;
		entry->key.meter = meter;
		meter_describe(meter, NameStr(name->row.name), row->version, entry->key.is_literal);
		entry->row = *row;
		entry->next = all_entries;
		all_entries = entry;
	}
	return entry;
}

KeyEntry *
cache_version(uint32 id)
{
	KeyMemo *memo = &by_id[id % MEMO_COUNT];
	KeyEntry *entry;
	VersionRow row;

	if (likely(memo->answered && memo->wanted == id))
		return memo->entry;
	entry = hash_search(versions, &id, HASH_FIND, NULL);
	if (entry == NULL && catalog_read_version(id, &row))
		entry = remember_version(&row);
	memo->wanted = id;
	memo->entry = entry;
	memo->answered = true;
	return entry;
}

KeyEntry *
cache_primary_of(KeyName *name)
{
	VersionRow row;

	if (name->primary == NULL)
	{
		if (!catalog_read_primary(NameStr(name->row.name), &row))
			base_throw_detail(TSEC_KEY_DESTROYED, "Key \"%s\" has no version left that seals.",
							  NameStr(name->row.name));
		name->primary = remember_version(&row);
	}
	return name->primary;
}

KeyName *
cache_name_of_modifier(int32 modifier)
{
	KeyRow row;

	return catalog_read_key_by_modifier(modifier, &row) ? remember_name(&row) : NULL;
}

KeyEntry *
cache_primary_of_modifier(int32 modifier)
{
	KeyMemo *memo = &by_modifier[(uint32) modifier % MEMO_COUNT];

	if (unlikely(!memo->answered || memo->wanted != (uint32) modifier))
	{
		KeyName *name = cache_name_of_modifier(modifier);

		memo->entry = name ? cache_primary_of(name) : NULL;
		memo->wanted = (uint32) modifier;
		memo->answered = true;
	}
	return memo->entry;
}

HmacKey **
cache_index_key(int slot)
{
	Assert(slot >= 0 && slot < KEYRING_INDEX_SLOTS);
	return &index_keys[slot];
}

/* keyring_changed(): trigger after any change of the keyring's tables */
Datum
tsec_keyring_changed(PG_FUNCTION_ARGS)
{
	base_require_trigger(fcinfo, "keyring_changed");
	base_tell_sessions(catalog_signal_relation());
	changed_here = true;
	stale = true;
	return PointerGetDatum(NULL);
}
