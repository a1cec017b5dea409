/*
 * whole.c
 *		Whole values: base64(nonce 12 + ciphertext + tag 16) directly under
 *		ENCRYPTION_KEY, so that any AES-256-GCM library exchanges values with us;
 *		and making such a key.
 *
 * Grants and counts hang on the pseudo-key "environment", which has one
 * version per ENCRYPTION_KEY ever in force.
 */
#include "keyring/private.h"

#include "common/encode.h"
#include "common/secret.h"

#include "mb/pg_wchar.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_generate_key);
PG_FUNCTION_INFO_V1(tsec_encrypt_data);
PG_FUNCTION_INFO_V1(tsec_decrypt_data);

/* The keys of the environment, expanded: one key for the process's life, so they are never dropped. */
static AeadKey *current_key = NULL;
static AeadKey *previous_key = NULL;

static NoncePool nonces;

static void
wipe_at_exit(int code, Datum argument)
{
	aead_free(current_key);
	aead_free(previous_key);
	current_key = previous_key = NULL;
}

static void
make_ready(void)
{
	const MasterKey *master = master_require();

	if (current_key != NULL)
		return;
	on_proc_exit(wipe_at_exit, (Datum) 0);
	base_check(aead_new(master->whole, &current_key));
	if (master_previous()->status == TSEC_OK)
		base_check(aead_new(master_previous()->whole, &previous_key));
}

/* The counts of the present ENCRYPTION_KEY; NULL while it is new to this database. */
static KeyMeter *
environment_meter(void)
{
	static uint32 version_id = 0;
	static int version = 0;
	static uint64 found_in = 0;
	KeyMeter *meter;

	if (found_in != keyring_generation())
	{
		VersionRow row = {0};

		version_id = catalog_read_environment_version(master_require()->id, &row) ? row.id : 0;
		version = row.version;
		found_in = keyring_generation();
	}
	if (version_id == 0)
		return NULL;
	meter = meter_of(version_id, AEAD_AES_256_GCM);
	meter_describe(meter, KEY_NAME_ENVIRONMENT, version, false);
	return meter;
}

/* generate_key() -> text */
Datum
tsec_generate_key(PG_FUNCTION_ARGS)
{
	uint8 key[AEAD_KEY_SIZE];
	char base64[48];
	size_t length = encode_base64_size(AEAD_KEY_SIZE);
	text *result;

	base_check(random_secret(key, sizeof(key)));
	encode_base64(key, sizeof(key), base64);
	secret_wipe(key, sizeof(key));
	result = cstring_to_text_with_len(base64, (int) length);
	secret_wipe(base64, sizeof(base64));
	PG_RETURN_TEXT_P(result);
}

/* encrypt_data(plaintext text) -> text */
Datum
tsec_encrypt_data(PG_FUNCTION_ARGS)
{
	text *plain = PG_GETARG_TEXT_PP(0);
	size_t length = VARSIZE_ANY_EXHDR(plain);
	size_t sealed_size = AEAD_NONCE_SIZE + length + AEAD_TAG_SIZE;
	KeyMeter *meter;
	uint8 *sealed;
	text *result;

	keys_require(keys_builtin(KEY_NAME_ENVIRONMENT), KEY_ENCRYPT);
	make_ready();
	meter = environment_meter();
	if (meter == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE), errmsg("ENCRYPTION_KEY is new to this database"),
				 errdetail("Messages are counted per key, and no count was begun for this one."),
				 errhint("Call twin.rotate_master_key().")));
	if (encode_base64_size(sealed_size) > MaxAllocSize - VARHDRSZ)
		base_throw(TSEC_TOO_LONG);
	sealed = palloc(sealed_size);
	meter_begin_seal(meter, KEY_NAME_ENVIRONMENT, METER_WHOLE_VALUES);
	base_check(nonce_take(&nonces, sealed));
	base_check(aead_seal(current_key, sealed, bytes_of(NULL, 0), bytes_of(VARDATA_ANY(plain), length),
						 sealed + AEAD_NONCE_SIZE, sealed + AEAD_NONCE_SIZE + length));

	result = palloc(VARHDRSZ + encode_base64_size(sealed_size));
	SET_VARSIZE(result, VARHDRSZ + encode_base64_size(sealed_size));
	encode_base64(sealed, sealed_size, VARDATA(result));
	pfree(sealed);
	PG_RETURN_TEXT_P(result);
}

/* decrypt_data(ciphertext text) -> text */
Datum
tsec_decrypt_data(PG_FUNCTION_ARGS)
{
	text *armor = PG_GETARG_TEXT_PP(0);
	size_t length = VARSIZE_ANY_EXHDR(armor);
	size_t sealed_size = 0;
	size_t plain_size;
	uint8 *sealed;
	KeyMeter *meter;
	text *result;
	Status status = TSEC_INTEGRITY;

	keys_require(keys_builtin(KEY_NAME_ENVIRONMENT), KEY_DECRYPT);
	make_ready();
	meter = environment_meter();
	sealed = palloc(decode_base64_bound(length));
	if (decode_base64(VARDATA_ANY(armor), length, sealed, &sealed_size) != TSEC_OK ||
		sealed_size < AEAD_NONCE_SIZE + AEAD_TAG_SIZE)
		base_throw_detail(TSEC_INTEGRITY, "It is not base64 of a nonce, a ciphertext and a tag.");

	plain_size = sealed_size - AEAD_NONCE_SIZE - AEAD_TAG_SIZE;
	result = palloc(VARHDRSZ + plain_size);
	SET_VARSIZE(result, VARHDRSZ + plain_size);
	for (int i = 0; i < 2 && status == TSEC_INTEGRITY; i++)
	{
		AeadKey *key = i == 0 ? current_key : previous_key;

		if (key == NULL)
			break;
		status = aead_open(key, sealed, bytes_of(NULL, 0), bytes_of(sealed + AEAD_NONCE_SIZE, plain_size),
						   sealed + AEAD_NONCE_SIZE + plain_size, (uint8 *) VARDATA(result));
	}
	if (meter != NULL && status == TSEC_OK)
		meter_note_open(meter);
	else if (meter != NULL && status == TSEC_INTEGRITY)
		meter_note_failure(meter);
	if (status == TSEC_INTEGRITY)
		tell_integrity_failure(KEY_NAME_ENVIRONMENT);
	base_check(status);
	pfree(sealed);

	/* the server's own message would quote the bytes */
	if (!pg_verifymbstr(VARDATA(result), (int) plain_size, true))
	{
		secret_wipe(VARDATA(result), plain_size);
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						errmsg("the decrypted value is no text in this database's encoding")));
	}
	PG_RETURN_TEXT_P(result);
}
