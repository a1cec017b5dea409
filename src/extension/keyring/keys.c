/*
 * keys.c
 *		Keys for the parts above: found, unwrapped and allowed, or the reason why
 *		not.  An expanded key stays in its entry until the cache drops it.
 */
#include "keyring/private.h"

#include "common/secret.h"

#include "access/transam.h"
#include "access/xact.h"
#include "utils/snapmgr.h"

/* By slot: the transaction that wrote the index key, while it may be news to this session's. */
static TransactionId index_key_writers[KEYRING_INDEX_SLOTS];

/* Opens a version's wrapped key; what is wrong is told, the key wiped. */
static Status
open_version(KeyEntry *entry, uint8 key[AEAD_KEY_SIZE])
{
	const KeyRow *parent = &entry->key.name->row;
	WrapBinding binding = {
		.id = entry->row.id, .modifier = parent->modifier, .kind = parent->kind, .algorithm = parent->algorithm};
	Status status;

	if (entry->row.state == KEY_STATE_DESTROYED)
		status = TSEC_KEY_DESTROYED;
	else if (entry->row.state == KEY_STATE_RETIRED)
		status = TSEC_KEY_RETIRED;
	else if (!entry->row.has_wrapped)
		status = TSEC_KEYRING_TAMPERED;
	else
	{
		memcpy(binding.context, parent->context, KEY_CONTEXT_SIZE);
		status = wrap_open(&binding, bytes_of(entry->row.wrapped, WRAPPED_SIZE),
						   bytes_of(entry->row.wrapping_id, MASTER_ID_SIZE), key);
	}
	if (status != TSEC_OK)
	{
		secret_wipe(key, AEAD_KEY_SIZE);
		tell_unwrap_failure(status, NameStr(parent->name));
	}
	return status;
}

/* The same, raising. */
static void
unwrap(KeyEntry *entry, uint8 key[AEAD_KEY_SIZE])
{
	Status status = open_version(entry, key);

	if (status != TSEC_OK)
		base_throw_detail(status, "Key \"%s\", version %d.", NameStr(entry->key.name->row.name), entry->row.version);
}

static void
make_ready(KeyEntry *entry)
{
	uint8 key[AEAD_KEY_SIZE];
	Status status;

	if (likely(entry->key.aead != NULL))
		return;
	unwrap(entry, key);
	status = aead_new_for(entry->key.algorithm, key, &entry->key.aead);
	secret_wipe(key, sizeof(key));
	base_check(status);
}

Key *
keyring_find(uint32 id)
{
	KeyEntry *entry;

	cache_refresh();
	entry = cache_version(id);
	return entry ? &entry->key : NULL;
}

Key *
keyring_opening_key(uint32 id)
{
	KeyEntry *entry;

	cache_refresh();
	entry = cache_version(id);
	if (unlikely(entry == NULL))
		base_throw_detail(TSEC_KEY_UNKNOWN, "The key's id is %d.", (int32) id);
	make_ready(entry);
	return &entry->key;
}

/* Raises for a key that ought to exist from CREATE EXTENSION on. */
static TSEC_NORETURN void
throw_no_builtin_key(void)
{
	(void) master_require();
	ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("the built-in keys have not been made"),
					errdetail("There was no ENCRYPTION_KEY when the extension was created."),
					errhint("Restore the keys from a dump, or call twin.create_builtin_keys().")));
}

KeyName *
keys_builtin(const char *wanted)
{
	KeyName *name;

	cache_refresh();
	name = cache_name(wanted);
	if (name == NULL)
		throw_no_builtin_key();
	return name;
}

Key *
keyring_sealing_key(int32 modifier)
{
	KeyEntry *entry;

	cache_refresh();
	entry = cache_primary_of_modifier(modifier);
	if (unlikely(entry == NULL))
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_OBJECT), errmsg("the column's key does not exist"),
						errdetail("No key has the type modifier #%08x.", modifier),
						errhint("Create the key with twin.create_key().")));
	make_ready(entry);
	return &entry->key;
}

Key *
keyring_literal_key(void)
{
	KeyEntry *entry = cache_primary_of(keys_builtin(KEY_NAME_LITERAL));

	make_ready(entry);
	return &entry->key;
}

/*
 * Refuses an index key that is newer than what a repeatable-read transaction sees: the rows it sees have tags of the key
 * before, and none of them would be found.
 */
static void
refuse_newer_index_key(int slot, const char *base_type)
{
	TransactionId writer = index_key_writers[slot];
	Snapshot snapshot;

	if (!TransactionIdIsNormal(writer) || !ActiveSnapshotSet() || TransactionIdIsCurrentTransactionId(writer))
		return;
	snapshot = GetActiveSnapshot();
	if (IsMVCCSnapshot(snapshot) && XidInMVCCSnapshot(writer, snapshot))
		ereport(ERROR, (errcode(ERRCODE_T_R_SERIALIZATION_FAILURE),
						errmsg("could not serialize access due to a rotation of the index key of %s", base_type),
						errdetail("The transaction sees rows with blind tags of the key before."),
						errhint("Run the transaction again.")));
	/* later snapshots see it as well, and transaction ids are not to be compared for ever */
	index_key_writers[slot] = FrozenTransactionId;
}

HmacKey *
keyring_index_key(int slot, const char *base_type)
{
	HmacKey **place = cache_index_key(slot);
	uint8 key[AEAD_KEY_SIZE];
	char wanted[NAMEDATALEN];
	KeyEntry *entry;
	Status status;

	cache_refresh();
	if (likely(*place != NULL))
	{
		if (IsolationUsesXactSnapshot())
			refuse_newer_index_key(slot, base_type);
		return *place;
	}
	snprintf(wanted, sizeof(wanted), KEY_NAME_INDEX_PREFIX "%s", base_type);
	entry = cache_primary_of(keys_builtin(wanted));
	index_key_writers[slot] = entry->row.written_by;
	if (IsolationUsesXactSnapshot())
		refuse_newer_index_key(slot, base_type);
	unwrap(entry, key);
	status = hmac_new(bytes_of(key, sizeof(key)), place);
	secret_wipe(key, sizeof(key));
	base_check(status);
	return *place;
}

HmacKey *
keyring_index_key_if_any(int slot, const char *base_type)
{
	HmacKey **place = cache_index_key(slot);
	uint8 key[AEAD_KEY_SIZE];
	char wanted[NAMEDATALEN];
	KeyName *name;
	KeyEntry *entry;
	Status status;

	cache_refresh();
	if (likely(*place != NULL))
		return *place;
	snprintf(wanted, sizeof(wanted), KEY_NAME_INDEX_PREFIX "%s", base_type);
	name = cache_name(wanted);
	entry = name ? cache_primary_of(name) : NULL;
	if (entry == NULL || open_version(entry, key) != TSEC_OK)
		return NULL;
	status = hmac_new(bytes_of(key, sizeof(key)), place);
	secret_wipe(key, sizeof(key));
	base_check(status);
	return *place;
}

bool
keyring_allows(const Key *key, KeyPrivilege privilege)
{
	return key->is_literal || grants_allow(key->name->grants, &key->name->memo, privilege);
}

bool
keyring_allows_role(const Key *key, Oid role, KeyPrivilege privilege)
{
	return key->is_literal || grants_allow_role(key->name->grants, role, privilege);
}

void
keyring_require(const Key *key, KeyPrivilege privilege)
{
	if (unlikely(!keyring_allows(key, privilege)))
		grants_refuse(keyring_name(key), privilege);
}

bool
keyring_allows_modifier(int32 modifier, KeyPrivilege privilege)
{
	KeyName *name;

	cache_refresh();
	name = cache_name_of_modifier(modifier);
	return name != NULL && grants_allow(name->grants, &name->memo, privilege);
}

bool
keyring_depends_on_asker(int32 modifier)
{
	KeyName *name;

	cache_refresh();
	name = cache_name_of_modifier(modifier);
	return name != NULL && grants_depend_on_asker(name->grants);
}

Oid
keyring_signal_relation(void)
{
	return catalog_signal_relation();
}

void
keys_require(KeyName *name, KeyPrivilege privilege)
{
	if (!grants_allow(name->grants, &name->memo, privilege))
		grants_refuse(NameStr(name->row.name), privilege);
}

const char *
keyring_name(const Key *key)
{
	return NameStr(key->name->row.name);
}

const char *
keyring_name_of(int32 modifier)
{
	KeyName *name;

	cache_refresh();
	name = cache_name_of_modifier(modifier);
	return name ? NameStr(name->row.name) : NULL;
}
