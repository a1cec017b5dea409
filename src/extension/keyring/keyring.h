/*
 * keyring.h
 *		The keys of this database, ready to be used.
 *
 * A Key pointer is good until the next call into the keyring that may read
 * the catalog (keyring_opening_key, keyring_sealing_key, ...): any of these
 * may find that another session changed the keyring and drop everything.
 * Ask, use, forget; never store one.
 */
#ifndef TSEC_KEYRING_H
#define TSEC_KEYRING_H

#include "base/base.h"
#include "common/aead.h"
#include "common/digest.h"

#define KEY_CONTEXT_SIZE 16

/* Names of the keys that exist without anybody creating them. */
#define KEY_NAME_LITERAL "literal"
#define KEY_NAME_ENVIRONMENT "environment"
#define KEY_NAME_INDEX_PREFIX "index."

typedef enum KeyPrivilege
{
	KEY_ENCRYPT = 1,
	KEY_DECRYPT = 2,
	KEY_MASK = 4 /* comes with KEY_DECRYPT */
} KeyPrivilege;

typedef struct KeyName KeyName;   /* private */
typedef struct KeyMeter KeyMeter; /* private */

/* One version of a key. */
typedef struct Key
{
	uint32 id;      /* stands in every value sealed under it */
	int32 modifier; /* of the key's name */
	int version;
	AeadAlgorithm algorithm;         /* of every value sealed under it */
	bool is_literal;                 /* the built-in key of values without a column */
	bool is_column_key;              /* one that columns may name */
	bool is_retired;                 /* proved to be in no stored value */
	bool is_destroyed;               /* what it sealed can never be opened again */
	uint8 context[KEY_CONTEXT_SIZE]; /* authenticated with every value */
	AeadKey *aead;                   /* NULL until opening or sealing */
	KeyMeter *meter;
	KeyName *name;
} Key;

extern void keyring_init(void);

/* Number that changes whenever cached knowledge about keys became void; for caches of other parts. */
extern uint64 keyring_generation(void);

/*
 * The version a stored value names, with its key unwrapped.  Raises when the
 * database does not hold it, or it was retired or destroyed, or the master
 * key is missing or wrong.  Checks no privilege.
 */
extern Key *keyring_opening_key(uint32 id);

/* The primary version of the key a type modifier stands for, unwrapped.  Raises likewise.  Checks no privilege. */
extern Key *keyring_sealing_key(int32 modifier);

/* The primary version of the key of values without a column. */
extern Key *keyring_literal_key(void);

/* The version a stored value names, without unwrapping anything; NULL when this database does not hold it. */
extern Key *keyring_find(uint32 id);

/* The index key of a base type, for blind tags.  slot is the caller's stable small number for the type. */
extern HmacKey *keyring_index_key(int slot, const char *base_type);

#define KEYRING_INDEX_SLOTS 32

/* The same for digests that no row is found by: NULL, without raising, where there is no such key or no master key. */
extern HmacKey *keyring_index_key_if_any(int slot, const char *base_type);

/* Whether the current role may use a key, and the same raising 42501. */
extern bool keyring_allows(const Key *key, KeyPrivilege privilege);
extern void keyring_require(const Key *key, KeyPrivilege privilege);

/* The same for another role than the current one. */
extern bool keyring_allows_role(const Key *key, Oid role, KeyPrivilege privilege);

/* The same for the key a type modifier stands for; false when no such key exists.  Needs no master key. */
extern bool keyring_allows_modifier(int32 modifier, KeyPrivilege privilege);

/* The relation whose relcache invalidation tells that keys or grants changed, for plans that depend on a grant. */
extern Oid keyring_signal_relation(void);

/* Whether, in this session, it depends on who is asking what may be done with a key. */
extern bool keyring_depends_on_asker(int32 modifier);

/*
 * What a part above knows about who is asking.  Its functions may read tables and use the keyring, and raise only
 * where the server itself fails.
 */
typedef struct KeyringAsker
{
	uint64 (*generation)(void);                       /* changes whenever the answers below may have */
	bool (*grants_count)(void);                       /* whether grants to roles count in this session now */
	bool (*holds_permission)(const char *permission); /* whether the verified identity holds one */
	bool (*may_change)(void);                         /* whether grants_count may say another thing in this session */
} KeyringAsker;
extern void keyring_set_asker(const KeyringAsker *asker);

/* For that part to call when somebody else is asking, and for a part above that plans by what he may: its function is called then. */
extern void keyring_note_new_asker(void);
extern void keyring_when_new_asker(void (*listener)(void));

extern const char *keyring_name(const Key *key);

/* Type modifiers: folds and hashes a name; finds the name of a modifier (NULL when no such key exists). */
extern int32 keyring_modifier_of(const char *name);
extern const char *keyring_name_of(int32 modifier);

/* Counts one message before it is sealed; raises TW104 when the key is exhausted.  The algorithm's nonce comes along. */
extern void keyring_begin_seal(Key *key, uint8 nonce[AEAD_NONCE_MAX]);

/* Counts one value opened, or one that failed its integrity check, which is also a security event. */
extern void keyring_note_open(Key *key);
extern void keyring_note_failure(Key *key);

/*
 * For a part above that accounts for opened values.  Its function is called before the first one that is opened after
 * the last keyring_take_opens(), and before one that is opened by another role or under another token than those
 * before it; it raises nothing.  Values under the key "literal" are not told of: anybody may open them.
 */
extern void keyring_when_opened(void (*listener)(void));

/* Calls for every key version under which this process opened values since this was last called.  Raises nothing. */
typedef void (*KeyringOpensVisitor)(void *argument, uint32 key_id, const char *key_name, int version, uint64 opens);
extern void keyring_take_opens(KeyringOpensVisitor visitor, void *argument, bool in_handler);

/* ---- secrets.c: secrets of the parts above, wrapped and rewrapped as keys are ---- */

#define KEYRING_SECRET_MAX 8192
#define KEYRING_SECRET_NAME_MAX 255

/* What a secret is bound to. */
typedef struct KeyringSecret
{
	const char *purpose;
	const char *name;
	uint8 binding[DIGEST_SIZE]; /* of all else that it must be inseparable from */
} KeyringSecret;

/* Wraps at most KEYRING_SECRET_MAX bytes, for twin_internal.store_secret().  Raises when there is no ENCRYPTION_KEY. */
extern void keyring_wrap_secret(const KeyringSecret *secret, Bytes bytes, bytea **wrapped, bytea **wrapping_id);

/* Whether an ENCRYPTION_KEY is at hand that secrets can be wrapped with: TSEC_OK, or what is wrong with it. */
extern Status keyring_secrets_status(void);

/* Opens what store_secret() kept: TSEC_KEYRING_TAMPERED when there is none or anything differs, TSEC_WRONG_KEY, TSEC_KEY_MISSING. */
extern Status keyring_open_secret(const KeyringSecret *secret, uint8 bytes[KEYRING_SECRET_MAX], size_t *length);

#endif /* TSEC_KEYRING_H */
