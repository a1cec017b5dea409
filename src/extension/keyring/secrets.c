/*
 * secrets.c
 *		Secrets of the parts above, kept as keys are: AES-256-GCM under the key
 *		derived from ENCRYPTION_KEY, and rewrapped with it.
 *
 * Wrapped form: version 1, nonce 12, ciphertext, tag 16.  Authenticated along
 * with it are a purpose, a name, and a digest of whatever else the part wants
 * the secret to be inseparable from.  The digest stands in the row only so that
 * rotate_master_key() can rewrap without asking the part; who opens a secret
 * states his own, so an edited row does not open.
 */
#include "keyring/private.h"

#include "common/secret.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/namespace.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/fmgroids.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"

#define SECRET_VERSION 1
#define SECRET_LABEL "twin_security wrapped secret"
#define SECRET_AAD_MAX (sizeof(SECRET_LABEL) + 1 + KEYRING_SECRET_NAME_MAX * 2 + 2 + DIGEST_SIZE)

/* Columns, in the order of secrets.sql. */
enum
{
	SECRETS_PURPOSE = 1,
	SECRETS_NAME,
	SECRETS_BINDING,
	SECRETS_WRAPPED,
	SECRETS_WRAPPING_ID
};

PG_FUNCTION_INFO_V1(tsec_rewrap_secret);

/* Writes what is authenticated along with a secret: each text ends in a zero, so no two bindings have one spelling. */
static Bytes
binding_bytes(const KeyringSecret *secret, uint8 buffer[SECRET_AAD_MAX])
{
	const char *const texts[] = {SECRET_LABEL, secret->purpose, secret->name};
	uint8 *at = buffer;

	*at++ = SECRET_VERSION;
	for (int i = 0; i < (int) lengthof(texts); i++)
	{
		size_t length = strlen(texts[i]);

		if (i > 0 && length > KEYRING_SECRET_NAME_MAX)
			elog(ERROR, "twin_security: the name of a secret is too long");
		memcpy(at, texts[i], length + 1);
		at += length + 1;
	}
	memcpy(at, secret->binding, DIGEST_SIZE);
	return bytes_of(buffer, (size_t) (at + DIGEST_SIZE - buffer));
}

static bytea *
new_bytea(size_t length)
{
	bytea *made = palloc(VARHDRSZ + length);

	SET_VARSIZE(made, VARHDRSZ + length);
	return made;
}

Status
keyring_secrets_status(void)
{
	return master_current()->status;
}

void
keyring_wrap_secret(const KeyringSecret *secret, Bytes bytes, bytea **wrapped, bytea **wrapping_id)
{
	const MasterKey *master = master_require();
	uint8 aad[SECRET_AAD_MAX];
	Bytes associated = binding_bytes(secret, aad);
	uint8 *at;
	AeadKey *aead;
	Status status;

	if (bytes.length > KEYRING_SECRET_MAX)
		elog(ERROR, "twin_security: the secret is too long");
	*wrapped = new_bytea(1 + AEAD_NONCE_SIZE + bytes.length + AEAD_TAG_SIZE);
	*wrapping_id = new_bytea(MASTER_ID_SIZE);
	memcpy(VARDATA(*wrapping_id), master->id, MASTER_ID_SIZE);
	at = (uint8 *) VARDATA(*wrapped);
	at[0] = SECRET_VERSION;
	base_check(aead_new(master->wrapping, &aead));
	status = random_bytes(at + 1, AEAD_NONCE_SIZE);
	if (status == TSEC_OK)
		status = aead_seal(aead, at + 1, associated, bytes, at + 1 + AEAD_NONCE_SIZE,
						   at + 1 + AEAD_NONCE_SIZE + bytes.length);
	aead_free(aead);
	base_check(status);
}

/* Opens a wrapped secret with whichever master key wrapped it. */
static Status
open_wrapped(Bytes associated, Bytes wrapped, Bytes wrapping_id, uint8 bytes[KEYRING_SECRET_MAX], size_t *length)
{
	const MasterKey *candidates[] = {master_current(), master_previous()};
	const uint8 *nonce = wrapped.data + 1;
	const size_t overhead = 1 + AEAD_NONCE_SIZE + AEAD_TAG_SIZE;

	*length = 0;
	if (wrapped.length < overhead || wrapped.length - overhead > KEYRING_SECRET_MAX ||
		wrapping_id.length != MASTER_ID_SIZE || wrapped.data[0] != SECRET_VERSION)
		return TSEC_KEYRING_TAMPERED;
	for (int i = 0; i < (int) lengthof(candidates); i++)
	{
		const MasterKey *master = candidates[i];
		const uint8 *cipher = nonce + AEAD_NONCE_SIZE;
		size_t size = wrapped.length - overhead;
		AeadKey *aead;
		Status status;

		if (master->status != TSEC_OK ||
			memcmp(master->id, wrapping_id.data, MASTER_ID_SIZE) != 0) /* public: fingerprint */
			continue;
		status = aead_new(master->wrapping, &aead);
		if (status != TSEC_OK)
			return status;
		status = aead_open(aead, nonce, associated, bytes_of(cipher, size), cipher + size, bytes);
		aead_free(aead);
		if (status == TSEC_OK)
			*length = size;
		return status == TSEC_INTEGRITY ? TSEC_KEYRING_TAMPERED : status;
	}
	return candidates[0]->status == TSEC_OK ? TSEC_WRONG_KEY : candidates[0]->status;
}

static Bytes
column_bytes(HeapTuple tuple, AttrNumber column, TupleDesc shape)
{
	bool null;
	Datum value = heap_getattr(tuple, column, shape, &null);
	bytea *bytes;

	if (null)
		return bytes_of(NULL, 0);
	bytes = DatumGetByteaPP(value);
	return bytes_of(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

Status
keyring_open_secret(const KeyringSecret *secret, uint8 bytes[KEYRING_SECRET_MAX], size_t *length)
{
	Oid schema = get_namespace_oid(TSEC_INTERNAL_SCHEMA, true);
	Oid table = OidIsValid(schema) ? get_relname_relid("wrapped_secrets", schema) : InvalidOid;
	Oid index = OidIsValid(schema) ? get_relname_relid("wrapped_secrets_pkey", schema) : InvalidOid;
	uint8 aad[SECRET_AAD_MAX];
	Bytes associated = binding_bytes(secret, aad);
	Status status = TSEC_KEYRING_TAMPERED;
	Relation relation;
	SysScanDesc scan;
	ScanKeyData keys[2];
	HeapTuple tuple;

	*length = 0;
	if (!OidIsValid(table) || !OidIsValid(index))
		return status;
	relation = table_open(table, AccessShareLock);
	ScanKeyInit(&keys[0], SECRETS_PURPOSE, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(secret->purpose));
	ScanKeyInit(&keys[1], SECRETS_NAME, BTEqualStrategyNumber, F_TEXTEQ, CStringGetTextDatum(secret->name));
	scan = systable_beginscan(relation, index, true, NULL, 2, keys);
	tuple = systable_getnext(scan);
	if (HeapTupleIsValid(tuple))
		status = open_wrapped(associated, column_bytes(tuple, SECRETS_WRAPPED, RelationGetDescr(relation)),
							  column_bytes(tuple, SECRETS_WRAPPING_ID, RelationGetDescr(relation)), bytes, length);
	systable_endscan(scan);
	table_close(relation, AccessShareLock);
	return status;
}

/* rewrap_secret(purpose, name, binding, wrapped, wrapping_id) -> (wrapped, wrapping_id) */
Datum
tsec_rewrap_secret(PG_FUNCTION_ARGS)
{
	bytea *binding = PG_GETARG_BYTEA_PP(2);
	bytea *old = PG_GETARG_BYTEA_PP(3);
	bytea *old_id = PG_GETARG_BYTEA_PP(4);
	KeyringSecret secret = {.purpose = text_to_cstring(PG_GETARG_TEXT_PP(0)),
							.name = text_to_cstring(PG_GETARG_TEXT_PP(1))};
	uint8 aad[SECRET_AAD_MAX];
	uint8 bytes[KEYRING_SECRET_MAX];
	size_t length;
	bytea *wrapped;
	bytea *wrapping_id;
	Datum values[2];
	bool nulls[2] = {false, false};
	TupleDesc shape;
	Status status;

	(void) master_require();
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	if (VARSIZE_ANY_EXHDR(binding) != DIGEST_SIZE)
		base_throw(TSEC_KEYRING_TAMPERED);
	memcpy(secret.binding, VARDATA_ANY(binding), DIGEST_SIZE);
	status = open_wrapped(binding_bytes(&secret, aad), bytes_of(VARDATA_ANY(old), VARSIZE_ANY_EXHDR(old)),
						  bytes_of(VARDATA_ANY(old_id), VARSIZE_ANY_EXHDR(old_id)), bytes, &length);
	if (status != TSEC_OK)
		base_throw_detail(status, "The secret is \"%s\" of %s.", secret.name, secret.purpose);
	PG_TRY();
	{
		keyring_wrap_secret(&secret, bytes_of(bytes, length), &wrapped, &wrapping_id);
	}
	PG_FINALLY();
	{
		secret_wipe(bytes, sizeof(bytes));
	}
	PG_END_TRY();
	values[0] = PointerGetDatum(wrapped);
	values[1] = PointerGetDatum(wrapping_id);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}
