/*
 * wrap.c
 *		Data and index keys at rest: AES-256-GCM under a key derived from
 *		ENCRYPTION_KEY, bound to the row they stand in.
 *
 * Wrapped form: version 1, nonce 12, ciphertext 32, tag 16.  The row's id, its
 * name's modifier, its kind, its algorithm and its context are authenticated, so
 * a wrapped key copied to another row, or a row declared to be of another kind
 * or algorithm, does not open.
 */
#include "keyring/private.h"

#include "common/secret.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/uuid.h"

#define WRAP_VERSION 1
#define WRAP_KIND_MAX 16
#define WRAP_LABEL "twin_security wrapped key"
#define WRAP_ALGORITHM_SIZE 3
#define WRAP_AAD_MAX (sizeof(WRAP_LABEL) + 1 + 4 + 4 + KEY_CONTEXT_SIZE + WRAP_KIND_MAX + WRAP_ALGORITHM_SIZE)

StaticAssertDecl(WRAPPED_SIZE == 61, "the wrapped form is on disk and in a CHECK of the table");

PG_FUNCTION_INFO_V1(tsec_wrap_new_key);
PG_FUNCTION_INFO_V1(tsec_rewrap_key);
PG_FUNCTION_INFO_V1(tsec_master_key_id);
PG_FUNCTION_INFO_V1(tsec_master_key_present);
PG_FUNCTION_INFO_V1(tsec_check_master_key);

/*
 * Writes what is authenticated along with a wrapped key.  AES-256-GCM adds
 * nothing, as before there was another algorithm; any other adds a zero, which
 * ends the kind, and its number.
 */
static Bytes
binding_bytes(const WrapBinding *binding, uint8 *buffer)
{
	uint8 *at = buffer;

	memcpy(at, WRAP_LABEL, sizeof(WRAP_LABEL));
	at += sizeof(WRAP_LABEL);
	*at++ = WRAP_VERSION;
	bytes_put_u32(at, binding->id);
	bytes_put_u32(at + 4, (uint32) binding->modifier);
	at += 8;
	memcpy(at, binding->context, KEY_CONTEXT_SIZE);
	at += KEY_CONTEXT_SIZE;
	for (const char *c = binding->kind; *c && at < buffer + WRAP_AAD_MAX - WRAP_ALGORITHM_SIZE; c++)
		*at++ = (uint8) *c;
	if (binding->algorithm != AEAD_AES_256_GCM)
	{
		*at = 0;
		bytes_put_u16(at + 1, (uint16) binding->algorithm);
		at += WRAP_ALGORITHM_SIZE;
	}
	return bytes_of(buffer, (size_t) (at - buffer));
}

static Status
wrap_seal(const WrapBinding *binding, const MasterKey *master, const uint8 key[AEAD_KEY_SIZE],
		  uint8 wrapped[WRAPPED_SIZE])
{
	uint8 aad[WRAP_AAD_MAX];
	uint8 *nonce = wrapped + 1;
	uint8 *cipher = nonce + AEAD_NONCE_SIZE;
	AeadKey *aead;
	Status status = aead_new(master->wrapping, &aead);

	if (status != TSEC_OK)
		return status;
	wrapped[0] = WRAP_VERSION;
	status = random_bytes(nonce, AEAD_NONCE_SIZE);
	if (status == TSEC_OK)
		status = aead_seal(aead, nonce, binding_bytes(binding, aad), bytes_of(key, AEAD_KEY_SIZE), cipher,
						   cipher + AEAD_KEY_SIZE);
	aead_free(aead);
	return status;
}

Status
wrap_open(const WrapBinding *binding, Bytes wrapped, Bytes wrapping_id, uint8 key[AEAD_KEY_SIZE])
{
	const MasterKey *candidates[] = {master_current(), master_previous()};
	const uint8 *nonce = wrapped.data + 1;
	const uint8 *cipher = nonce + AEAD_NONCE_SIZE;
	uint8 aad[WRAP_AAD_MAX];

	if (wrapped.length != WRAPPED_SIZE || wrapping_id.length != MASTER_ID_SIZE || wrapped.data[0] != WRAP_VERSION)
		return TSEC_KEYRING_TAMPERED;
	for (int i = 0; i < (int) lengthof(candidates); i++)
	{
		const MasterKey *master = candidates[i];
		AeadKey *aead;
		Status status;

		/* the fingerprint is public: it stands in the table */
		if (master->status != TSEC_OK ||
			memcmp(master->id, wrapping_id.data, MASTER_ID_SIZE) != 0) /* public: fingerprint */
			continue;
		status = aead_new(master->wrapping, &aead);
		if (status != TSEC_OK)
			return status;
		status = aead_open(aead, nonce, binding_bytes(binding, aad), bytes_of(cipher, AEAD_KEY_SIZE),
						   cipher + AEAD_KEY_SIZE, key);
		aead_free(aead);
		return status == TSEC_INTEGRITY ? TSEC_KEYRING_TAMPERED : status;
	}
	return candidates[0]->status == TSEC_OK ? TSEC_WRONG_KEY : candidates[0]->status;
}

/*
 * Reads the binding from an SQL call's arguments, starting with the modifier.
 * The algorithm comes last; a function declared without it means AES-256-GCM.
 */
static void
binding_from_arguments(FunctionCallInfo fcinfo, int first, int algorithm, uint32 id, WrapBinding *binding)
{
	binding->id = id;
	binding->algorithm = PG_NARGS() > algorithm ? PG_GETARG_INT16(algorithm) : AEAD_AES_256_GCM;
	binding->modifier = PG_GETARG_INT32(first);
	binding->kind = text_to_cstring(PG_GETARG_TEXT_PP(first + 1));
	if (strlen(binding->kind) > WRAP_KIND_MAX)
		elog(ERROR, "twin_security: unknown kind of key");
	memcpy(binding->context, PG_GETARG_UUID_P(first + 2)->data, KEY_CONTEXT_SIZE);
}

static bytea *
make_bytea(const uint8 *data, size_t length)
{
	bytea *made = palloc(VARHDRSZ + length);

	SET_VARSIZE(made, VARHDRSZ + length);
	memcpy(VARDATA(made), data, length);
	return made;
}

static Datum
make_row(FunctionCallInfo fcinfo, Datum *values)
{
	TupleDesc shape;
	bool nulls[3] = {false, false, false};

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* wrap_new_key(modifier, kind, context, algorithm) -> (key_id, wrapped, wrapping_id) */
Datum
tsec_wrap_new_key(PG_FUNCTION_ARGS)
{
	const MasterKey *master = master_require();
	WrapBinding binding;
	uint8 id_bytes[4];
	uint8 key[AEAD_KEY_SIZE];
	uint8 wrapped[WRAPPED_SIZE];
	uint32 id;
	Datum values[3];
	Status status;

	do
	{
		base_check(random_bytes(id_bytes, sizeof(id_bytes)));
		id = bytes_get_u32(id_bytes);
	} while (id == 0);

	binding_from_arguments(fcinfo, 0, 3, id, &binding);
	status = random_secret(key, sizeof(key));
	if (status == TSEC_OK)
		status = wrap_seal(&binding, master, key, wrapped);
	secret_wipe(key, sizeof(key));
	base_check(status);

	values[0] = Int32GetDatum((int32) id);
	values[1] = PointerGetDatum(make_bytea(wrapped, sizeof(wrapped)));
	values[2] = PointerGetDatum(make_bytea(master->id, MASTER_ID_SIZE));
	return make_row(fcinfo, values);
}

/* rewrap_key(key_id, modifier, kind, context, wrapped, wrapping_id, algorithm) -> (wrapped, wrapping_id) */
Datum
tsec_rewrap_key(PG_FUNCTION_ARGS)
{
	const MasterKey *master = master_require();
	bytea *old = PG_GETARG_BYTEA_PP(4);
	bytea *old_id = PG_GETARG_BYTEA_PP(5);
	WrapBinding binding;
	uint8 key[AEAD_KEY_SIZE];
	uint8 wrapped[WRAPPED_SIZE];
	Datum values[3];
	Status status;

	binding_from_arguments(fcinfo, 1, 6, (uint32) PG_GETARG_INT32(0), &binding);
	status = wrap_open(&binding, bytes_of(VARDATA_ANY(old), VARSIZE_ANY_EXHDR(old)),
					   bytes_of(VARDATA_ANY(old_id), VARSIZE_ANY_EXHDR(old_id)), key);
	if (status == TSEC_OK)
		status = wrap_seal(&binding, master, key, wrapped);
	secret_wipe(key, sizeof(key));
	base_check(status);

	values[0] = PointerGetDatum(make_bytea(wrapped, sizeof(wrapped)));
	values[1] = PointerGetDatum(make_bytea(master->id, MASTER_ID_SIZE));
	return make_row(fcinfo, values);
}

/* master_key_id() -> bytea */
Datum
tsec_master_key_id(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(make_bytea(master_require()->id, MASTER_ID_SIZE));
}

/* master_key_present() -> boolean */
Datum
tsec_master_key_present(PG_FUNCTION_ARGS)
{
	const MasterKey *master = master_current();

	if (master->status != TSEC_KEY_MISSING)
		base_check(master->status);
	PG_RETURN_BOOL(master->status == TSEC_OK);
}

/* check_master_key(wrapping_ids bytea[]) -> void: raises unless each is that of the present or the previous key */
Datum
tsec_check_master_key(PG_FUNCTION_ARGS)
{
	const MasterKey *candidates[] = {master_require(), master_previous()};
	Datum *ids;
	bool *nulls;
	int count;

	deconstruct_array(PG_GETARG_ARRAYTYPE_P(0), BYTEAOID, -1, false, TYPALIGN_INT, &ids, &nulls, &count);
	for (int i = 0; i < count; i++)
	{
		bytea *id = nulls[i] ? NULL : DatumGetByteaPP(ids[i]);
		bool known = false;

		for (int k = 0; k < (int) lengthof(candidates); k++)
			if (id != NULL && candidates[k]->status == TSEC_OK && VARSIZE_ANY_EXHDR(id) == MASTER_ID_SIZE &&
				memcmp(candidates[k]->id, VARDATA_ANY(id), MASTER_ID_SIZE) == 0) /* public: fingerprint */
				known = true;
		if (!known)
		{
			tell_unwrap_failure(TSEC_WRONG_KEY, NULL);
			base_throw(TSEC_WRONG_KEY);
		}
	}
	PG_RETURN_VOID();
}
