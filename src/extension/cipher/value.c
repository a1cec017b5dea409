/*
 * value.c
 *		Sealing and opening one value.
 *
 * Authenticated with the ciphertext: every header byte (algorithm, flags, key
 * id, blind tag, nonce), the base type's number and the key's context.  So a
 * value does not open after a changed bit, as another type, or under another
 * key; one that states another algorithm than its key's is not even tried.
 * Where the expression tells which key the column declares, a value
 * under any other key is refused as well: that is what stops a value copied
 * from a neighbouring column.  A swap between rows of one column, or columns
 * under one key, is not detected: a stated limit.
 */
#include "cipher/private.h"

#include "common/secret.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

#define ASSOCIATED_MAX (ENVELOPE_HEADER_MAX + 2 + KEY_CONTEXT_SIZE)

/* Puts together what is authenticated. */
static Bytes
associated_bytes(const EncryptedType *type, const Key *key, Bytes header, uint8 *buffer)
{
	memcpy(buffer, header.data, header.length);
	bytes_put_u16(buffer + header.length, type->number);
	memcpy(buffer + header.length + 2, key->context, KEY_CONTEXT_SIZE);
	return bytes_of(buffer, header.length + 2 + KEY_CONTEXT_SIZE);
}

static uint8
flags_of(const EncryptedType *type)
{
	return type->searchable ? ENVELOPE_HAS_BLIND_TAG : 0;
}

void
value_parse(const EncryptedType *type, const struct varlena *stored, Envelope *envelope)
{
	base_check(envelope_parse(bytes_of(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)), envelope));
	if (envelope->flags != flags_of(type))
	{
		Key *key = keyring_find(envelope->key_id);

		if (key != NULL)
			keyring_note_failure(key);
		base_throw_detail(TSEC_INTEGRITY, "The value is not one of type %s.", type_name(type));
	}
}

/* Refuses a value that states another algorithm than its key's: none was ever sealed so. */
static void
check_algorithm(const Envelope *envelope, Key *key)
{
	if (likely(envelope->algorithm == key->algorithm))
		return;
	keyring_note_failure(key);
	base_throw_detail(TSEC_INTEGRITY, "The value states another algorithm than that of key \"%s\".",
					  keyring_name(key));
}

/* Seals bytes with a key whose grants were checked. */
static struct varlena *
seal(const EncryptedType *type, Key *key, const uint8 *tag, Bytes plain)
{
	uint8 flags = flags_of(type);
	size_t size;
	struct varlena *stored;
	uint8 *at;
	uint8 nonce[AEAD_NONCE_MAX];
	uint8 associated[ASSOCIATED_MAX];
	size_t header;

	if (plain.length > MaxAllocSize - VARHDRSZ - ENVELOPE_OVERHEAD_MAX)
		base_throw(TSEC_TOO_LONG);
	size = VARHDRSZ + envelope_size(key->algorithm, flags, plain.length);
	stored = palloc(size);
	SET_VARSIZE(stored, size);
	at = (uint8 *) VARDATA(stored);

	keyring_begin_seal(key, nonce);
	header = envelope_write_header(at, key->algorithm, flags, key->id, tag, nonce);
	base_check(aead_seal(key->aead, nonce, associated_bytes(type, key, bytes_of(at, header), associated), plain,
						 at + header, at + header + plain.length));
	return stored;
}

/* Opens into a buffer of the ciphertext's length; counts, and raises for what is not whole. */
static void
open_into(const EncryptedType *type, Key *key, const Envelope *envelope, uint8 *plain)
{
	uint8 associated[ASSOCIATED_MAX];
	Status status = aead_open(key->aead, envelope->nonce, associated_bytes(type, key, envelope->header, associated),
							  envelope->cipher, envelope->tag, plain);

	if (likely(status == TSEC_OK))
		keyring_note_open(key);
	else
	{
		if (status == TSEC_INTEGRITY)
			keyring_note_failure(key);
		base_throw_detail(status, "Key \"%s\", version %d.", keyring_name(key), key->version);
	}
}

void
value_blind_tag(const EncryptedType *type, Datum base, uint8 tag[BLIND_TAG_SIZE])
{
	HmacKey *key = keyring_index_key(type->slot, type->base_name);
	uint8 digest[DIGEST_SIZE];
	Plain plain;

	if (type->codec->canonical)
		type->codec->canonical(base, &plain);
	else
		type->codec->encode(base, &plain);
	base_check(hmac_sha256(key, bytes_of(plain.data, plain.length), digest));
	memcpy(tag, digest, BLIND_TAG_SIZE);
}

struct varlena *
value_probe(const EncryptedType *type, Datum base)
{
	uint8 flags = ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE;
	size_t size = VARHDRSZ + envelope_size(AEAD_AES_256_GCM, flags, 0);
	struct varlena *probe = palloc(size);
	uint8 tag[BLIND_TAG_SIZE];

	value_blind_tag(type, base, tag);
	SET_VARSIZE(probe, size);
	(void) envelope_write_header((uint8 *) VARDATA(probe), AEAD_AES_256_GCM, flags, 0, tag, NULL);
	return probe;
}

/* The key for a modifier, with the grant checked; without a modifier the literal key, which is everybody's. */
static Key *
key_to_seal_with(int32 modifier)
{
	Key *key;

	if (modifier == NO_MODIFIER)
		return keyring_literal_key();
	key = keyring_sealing_key(modifier);
	if (!key->is_column_key)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no column may hold values under the key \"%s\"", keyring_name(key))));
	keyring_require(key, KEY_ENCRYPT);
	return key;
}

/* Seals a base value; asks for the grant, or not. */
static struct varlena *
seal_base(const EncryptedType *type, Datum base, int32 modifier, Key *(*find_key)(int32 modifier))
{
	uint8 tag[BLIND_TAG_SIZE];
	Plain plain;

	/* first what may touch the keyring, then the key that is used: see keyring.h */
	if (type->searchable)
		value_blind_tag(type, base, tag);
	type->codec->encode(base, &plain);
	return seal(type, find_key(modifier), tag, bytes_of(plain.data, plain.length));
}

struct varlena *
value_seal(const EncryptedType *type, Datum base, int32 modifier)
{
	return seal_base(type, base, modifier, key_to_seal_with);
}

struct varlena *
value_seal_unasked(const EncryptedType *type, Datum base, int32 modifier)
{
	return seal_base(type, base, modifier, keyring_sealing_key);
}

/* Refuses a value that lies under another key than its column declares. */
static void
check_expected(const Key *key, int32 expected)
{
	if (likely(expected == NO_MODIFIER || key->modifier == expected))
		return;
	keyring_note_failure(unconstify(Key *, key));
	base_throw_detail(TSEC_INTEGRITY, "The value lies under key \"%s\", which is not the key of its column.",
					  keyring_name(key));
}

const Key *
value_key(const EncryptedType *type, const struct varlena *stored)
{
	Envelope envelope;

	value_parse(type, stored, &envelope);
	return keyring_opening_key(envelope.key_id);
}

/* Takes a value apart and finds its key, which the current role may use and the value's column declares. */
static Key *
key_to_open_with(const EncryptedType *type, const struct varlena *stored, int32 expected, KeyPrivilege privilege,
				 Envelope *envelope)
{
	Key *key;

	value_parse(type, stored, envelope);
	key = keyring_opening_key(envelope->key_id);
	keyring_require(key, privilege);
	check_algorithm(envelope, key);
	check_expected(key, expected);
	return key;
}

/* Opens into memory of its own, or into the small buffer. */
static void
open_plain(const EncryptedType *type, Key *key, const Envelope *envelope, Opened *opened)
{
	opened->length = envelope->cipher.length;
	opened->data = opened->length <= sizeof(opened->small) ? opened->small : palloc(opened->length);
	open_into(type, key, envelope, opened->data);
}

void
value_open_plain(const EncryptedType *type, const struct varlena *stored, int32 expected, KeyPrivilege privilege,
				 Opened *opened)
{
	Envelope envelope;
	Key *key = key_to_open_with(type, stored, expected, privilege, &envelope);

	open_plain(type, key, &envelope, opened);
}

void
value_wipe(Opened *opened)
{
	secret_wipe(opened->data, opened->length);
	if (opened->data != opened->small)
		pfree(opened->data);
	opened->data = NULL;
}

/* Opens a value with a key that was checked. */
static Datum
open_base(const EncryptedType *type, Key *key, const Envelope *envelope)
{
	Opened opened;
	Datum result;

	if (type->codec->is_bytes)
	{
		struct varlena *bytes = palloc(VARHDRSZ + envelope->cipher.length);

		open_into(type, key, envelope, (uint8 *) VARDATA(bytes));
		return PointerGetDatum(codec_finish_bytes(type->codec, bytes, envelope->cipher.length));
	}
	open_plain(type, key, envelope, &opened);
	result = type->codec->decode(opened.data, opened.length);
	value_wipe(&opened);
	return result;
}

Datum
value_open(const EncryptedType *type, const struct varlena *stored, int32 expected)
{
	Envelope envelope;
	Key *key = key_to_open_with(type, stored, expected, KEY_DECRYPT, &envelope);

	return open_base(type, key, &envelope);
}

bool
value_open_if_allowed(const EncryptedType *type, const struct varlena *stored, int32 expected, Datum *value)
{
	Envelope envelope;
	Key *key;

	value_parse(type, stored, &envelope);
	key = keyring_opening_key(envelope.key_id);
	if (!keyring_allows(key, KEY_DECRYPT))
		return false;
	check_algorithm(&envelope, key);
	check_expected(key, expected);
	*value = open_base(type, key, &envelope);
	return true;
}

char *
cipher_open_text_unasked(const struct varlena *stored)
{
	const EncryptedType *type = type_for_base(TEXTOID, true);
	Envelope envelope;
	Key *key;
	text *opened;
	char *plain;

	value_parse(type, stored, &envelope);
	key = keyring_opening_key(envelope.key_id);
	check_algorithm(&envelope, key);
	opened = DatumGetTextPP(open_base(type, key, &envelope));
	plain = text_to_cstring(opened);
	secret_wipe(VARDATA_ANY(opened), VARSIZE_ANY_EXHDR(opened));
	return plain;
}

/* The base value of opened bytes, which stay where they are. */
static Datum
base_of_bytes(const EncryptedType *type, const uint8 *plain, size_t length)
{
	struct varlena *bytes;

	if (!type->codec->is_bytes)
		return type->codec->decode(plain, length);
	bytes = palloc(VARHDRSZ + length);
	memcpy(VARDATA(bytes), plain, length);
	return PointerGetDatum(codec_finish_bytes(type->codec, bytes, length));
}

struct varlena *
value_rekey(const EncryptedType *from, const EncryptedType *to, struct varlena *stored, int32 modifier)
{
	Envelope envelope;
	Key *source;
	uint8 *plain;
	const uint8 *tag;
	uint8 made_tag[BLIND_TAG_SIZE];
	struct varlena *result;
	bool is_literal;

	value_parse(from, stored, &envelope);
	source = keyring_find(envelope.key_id);
	/* a subscription may apply what came before a retirement that another one has brought already */
	if (source != NULL && source->is_retired && SessionReplicationRole != SESSION_REPLICATION_ROLE_REPLICA)
		base_throw_detail(TSEC_KEY_RETIRED, "Key \"%s\", version %d.", keyring_name(source), source->version);

	if (source != NULL)
		check_algorithm(&envelope, source);

	/* a key nobody knows here is a restore's business: the value stays as it came */
	if (from == to &&
		(modifier == NO_MODIFIER || source == NULL || (source->modifier == modifier && source->is_column_key)))
		return stored;
	/* another type without a modifier keeps its key: the literal key would open the value to everybody */
	if (modifier == NO_MODIFIER && source != NULL && !source->is_literal)
		modifier = source->modifier;
	source = keyring_opening_key(envelope.key_id);
	keyring_require(source, KEY_DECRYPT);
	is_literal = source->is_literal;

	plain = palloc(envelope.cipher.length + 1);
	open_into(from, source, &envelope, plain);
	tag = envelope.blind_tag;
	/* a literal may be older than the index key: a column's default, say */
	if (to->searchable && (tag == NULL || is_literal))
	{
		value_blind_tag(to, base_of_bytes(to, plain, envelope.cipher.length), made_tag);
		tag = made_tag;
	}

	result = seal(to, key_to_seal_with(modifier), tag, bytes_of(plain, envelope.cipher.length));
	secret_wipe(plain, envelope.cipher.length);
	pfree(plain);
	return result;
}

struct varlena *
value_reseal(const EncryptedType *type, const struct varlena *stored, int32 modifier, bool retag)
{
	Envelope envelope;
	uint8 tag[BLIND_TAG_SIZE];
	uint8 *plain;
	struct varlena *result;
	Key *key;

	value_parse(type, stored, &envelope);
	key = keyring_opening_key(envelope.key_id);
	check_algorithm(&envelope, key);
	check_expected(key, modifier);
	plain = palloc(envelope.cipher.length + 1);
	open_into(type, key, &envelope, plain);
	if (retag && type->searchable)
		value_blind_tag(type, base_of_bytes(type, plain, envelope.cipher.length), tag);
	else if (type->searchable)
		memcpy(tag, envelope.blind_tag, BLIND_TAG_SIZE);
	result = seal(type, keyring_sealing_key(modifier), tag, bytes_of(plain, envelope.cipher.length));
	secret_wipe(plain, envelope.cipher.length);
	pfree(plain);
	return result;
}
