/*
 * private.h
 *		What the files of the keyring share among themselves.
 */
#ifndef TSEC_KEYRING_PRIVATE_H
#define TSEC_KEYRING_PRIVATE_H

#include "keyring/keyring.h"

#include "nodes/pg_list.h"

#define MASTER_ID_SIZE 16
#define WRAPPED_SIZE (1 + AEAD_NONCE_SIZE + AEAD_KEY_SIZE + AEAD_TAG_SIZE)

/* ---- master.c: what comes from the environment ---- */

typedef struct MasterKey
{
	Status status;                 /* TSEC_OK, or why the rest is empty */
	uint8 id[MASTER_ID_SIZE];      /* public fingerprint, stored beside what it wrapped */
	uint8 wrapping[AEAD_KEY_SIZE]; /* wraps data and index keys */
	uint8 whole[AEAD_KEY_SIZE];    /* the key itself, for whole values */
} MasterKey;

extern void master_init(void);
extern const MasterKey *master_current(void); /* its status may be anything */
extern const MasterKey *master_previous(void);
extern const MasterKey *master_require(void); /* raises unless usable */

/* ---- wrap.c ---- */

/* What a wrapped key is bound to. */
typedef struct WrapBinding
{
	uint32 id;
	int32 modifier;
	const char *kind;
	int16 algorithm;
	uint8 context[KEY_CONTEXT_SIZE];
} WrapBinding;

/* Opens a wrapped key with whichever master key wrapped it. */
extern Status wrap_open(const WrapBinding *binding, Bytes wrapped, Bytes wrapping_id, uint8 key[AEAD_KEY_SIZE]);

/* ---- catalog.c: the rows, read without SQL and without privileges ---- */

typedef enum KeyState
{
	KEY_STATE_PUBLISHED,
	KEY_STATE_PRIMARY,
	KEY_STATE_DECRYPT_ONLY,
	KEY_STATE_RETIRED,
	KEY_STATE_DESTROYED
} KeyState;

typedef struct KeyRow
{
	NameData name;
	int32 modifier;
	char kind[16];
	int16 algorithm; /* as the table says: proved by opening the wrapped key */
	uint8 context[KEY_CONTEXT_SIZE];
} KeyRow;

typedef struct VersionRow
{
	uint32 id;
	NameData name;
	int version;
	KeyState state;
	bool has_wrapped;
	uint8 wrapped[WRAPPED_SIZE];
	uint8 wrapping_id[MASTER_ID_SIZE];
	TransactionId written_by; /* who wrote the row as it is */
} VersionRow;

typedef struct GrantRow
{
	Oid grantee;      /* a role, or else ... */
	char *permission; /* ... whoever holds this permission */
	int privileges;   /* KeyPrivilege bits */
} GrantRow;

extern bool catalog_read_key_by_name(const char *name, KeyRow *row);
extern bool catalog_read_key_by_modifier(int32 modifier, KeyRow *row);
extern bool catalog_read_version(uint32 id, VersionRow *row);
extern bool catalog_read_primary(const char *name, VersionRow *row);
extern bool catalog_read_environment_version(const uint8 master_id[MASTER_ID_SIZE], VersionRow *row);
extern List *catalog_read_grants(const uint8 context[KEY_CONTEXT_SIZE]); /* of GrantRow pointers */

/* Adds to a version's reserved messages, at most up to a ceiling; returns the new total and how many were given. */
extern uint64 catalog_reserve_messages(uint32 id, uint64 wanted, uint64 ceiling, uint64 *given);

/* A version's reserved messages; false when it has no count, or there are no tables any more. */
extern bool catalog_read_messages(uint32 id, uint64 *messages);

/* The relation whose invalidation means "read everything again"; InvalidOid without the extension. */
extern Oid catalog_signal_relation(void);
extern bool catalog_uses(Oid relation); /* looks nothing up: safe in an invalidation callback */
extern void catalog_forget(void);

/* ---- grants.c ---- */

typedef struct GrantMemo
{
	Oid current_user;
	Oid authenticated_user;
	uint64 generation; /* of roles */
	uint64 asker;      /* of who is asking */
	int allowed;       /* KeyPrivilege bits; valid where asked says so */
	int asked;
} GrantMemo;

extern void grants_init(void);
extern bool grants_allow(List *grants, GrantMemo *memo, KeyPrivilege privilege);
extern bool grants_depend_on_asker(List *grants);
extern bool grants_allow_role(List *grants, Oid role, KeyPrivilege privilege);
extern TSEC_NORETURN void grants_refuse(const char *key_name, KeyPrivilege privilege);

/* ---- cache.c: entries live until cache_refresh() drops them ---- */

struct KeyName
{
	NameData name; /* hash key */
	KeyRow row;
	List *grants; /* of GrantRow pointers */
	GrantMemo memo;
	struct KeyEntry *primary; /* NULL until asked for */
};

typedef struct KeyEntry
{
	Key key; /* first: its id is the hash key */
	VersionRow row;
	struct KeyEntry *next; /* all entries, for wiping */
} KeyEntry;

extern void cache_init(void);

/* Drops everything, keys wiped, when there is news.  For the functions of keyring.h to begin with, and nobody else. */
extern void cache_refresh(void);

/* Between these two nothing is dropped, whatever is called; entries in use stay good. */
extern void cache_hold(void);
extern void cache_let_go(void);

/* Each NULL when there is none. */
extern KeyName *cache_name(const char *name);
extern KeyName *cache_name_of_modifier(int32 modifier);
extern KeyEntry *cache_version(uint32 id);
extern KeyEntry *cache_primary_of_modifier(int32 modifier);

/* Raises when all versions are destroyed. */
extern KeyEntry *cache_primary_of(KeyName *name);

/* Where the index key of a slot is kept. */
extern HmacKey **cache_index_key(int slot);

/* ---- keys.c ---- */

/* A key that exists from CREATE EXTENSION on; raises when it was not made. */
extern KeyName *keys_builtin(const char *name);
extern void keys_require(KeyName *name, KeyPrivilege privilege);

/* ---- meter.c ---- */

/* What a key seals; whole values have no version to rotate to. */
typedef enum MeterUse
{
	METER_COLUMNS,
	METER_LITERALS,
	METER_WHOLE_VALUES
} MeterUse;

extern void meter_init(void);
extern KeyMeter *meter_of(uint32 key_id, AeadAlgorithm algorithm);
extern void meter_describe(KeyMeter *meter, const char *key_name, int version, bool is_literal);
extern void meter_begin_seal(KeyMeter *meter, const char *key_name, MeterUse use);
extern void meter_note_open(KeyMeter *meter);
extern void meter_note_failure(KeyMeter *meter);

/* ---- tell.c: news for the log of security events ---- */

extern void tell_denied(const char *key_name, const char *action);
extern void tell_integrity_failure(const char *key_name);
extern void tell_unwrap_failure(Status status, const char *key_name); /* tells nothing of other statuses */

/* ---- spool_key.c ---- */

extern void spool_key_init(void);

/* ---- rotation.c ---- */

/* Has a background worker rotate a key whose primary version is still the stated one, if one is free. */
extern void rotation_request(const char *key_name, uint32 key_id);

#endif /* TSEC_KEYRING_PRIVATE_H */
