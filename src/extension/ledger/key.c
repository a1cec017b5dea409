/*
 * key.c
 *		The key that signs checkpoints: made when first needed, kept wrapped like
 *		other secrets, bound to its public half, opened for one signature and wiped.
 *
 * One key serves all epochs of a log, so whoever trusts it can go on after a
 * restore or a promotion; its name, the origin, differs.  A subscriber's log is
 * another log and has another key.
 */
#include "ledger/private.h"

#include "keyring/keyring.h"

#include "common/secret.h"

#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "replication/logicalworker.h"
#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_keep_log_key);

#define KEY_PURPOSE "audit log"
#define KEY_NAME "checkpoint key"

/* What the secret is bound to. */
static KeyringSecret
secret_of(const uint8 public_key[NOTE_PUBLIC_SIZE])
{
	KeyringSecret secret = {.purpose = KEY_PURPOSE, .name = KEY_NAME};

	base_check(digest_sha256(bytes_of(public_key, NOTE_PUBLIC_SIZE), secret.binding));
	return secret;
}

static void
store_public(int32 number, const uint8 public_key[NOTE_PUBLIC_SIZE])
{
	static LedgerPlan plan = LEDGER_PLAN(
		"UPDATE twin_internal.epochs SET public_key = $2 WHERE epoch = $1 AND public_key IS NULL", INT4OID, BYTEAOID);
	Datum values[] = {Int32GetDatum(number), plan_bytea(bytes_of(public_key, NOTE_PUBLIC_SIZE))};

	plan_run(&plan, values, NULL, false, SPI_OK_UPDATE);
	if (SPI_processed != 1)
		elog(ERROR, "twin_security: the audit log's key found no epoch");
}

static void
store_seed(const KeyringSecret *secret, const uint8 seed[NOTE_SEED_SIZE])
{
	static LedgerPlan plan = LEDGER_PLAN("SELECT twin_internal.store_secret($1, $2, $3, $4, $5)", TEXTOID, TEXTOID,
										 BYTEAOID, BYTEAOID, BYTEAOID);
	bytea *wrapped;
	bytea *wrapping_id;
	Datum values[5];

	keyring_wrap_secret(secret, bytes_of(seed, NOTE_SEED_SIZE), &wrapped, &wrapping_id);
	values[0] = CStringGetTextDatum(secret->purpose);
	values[1] = CStringGetTextDatum(secret->name);
	values[2] = plan_bytea(bytes_of(secret->binding, DIGEST_SIZE));
	values[3] = PointerGetDatum(wrapped);
	values[4] = PointerGetDatum(wrapping_id);
	plan_run(&plan, values, NULL, false, SPI_OK_SELECT);
}

static void
store_new(int32 number, LedgerEpoch *epoch, uint8 seed[NOTE_SEED_SIZE])
{
	KeyringSecret secret;

	base_check(note_make_key(seed, epoch->public_key));
	secret = secret_of(epoch->public_key);
	store_seed(&secret, seed);
	store_public(number, epoch->public_key);
	epoch->has_key = true;
}

/* Makes the log's key and keeps it. */
static void
make_key(int32 number, LedgerEpoch *epoch)
{
	uint8 *volatile seed = palloc(NOTE_SEED_SIZE);

	PG_TRY();
	{
		store_new(number, epoch, seed);
	}
	PG_FINALLY();
	{
		secret_wipe(seed, NOTE_SEED_SIZE);
	}
	PG_END_TRY();
}

bool
key_verify(Bytes note, const uint8 public_key[NOTE_PUBLIC_SIZE], Checkpoint *checkpoint)
{
	bool holds = note_verify(note, public_key, checkpoint);

	if (!holds && note_ran_out())
		base_throw(TSEC_NO_MEMORY);
	return holds;
}

Status
key_sign(int32 number, LedgerEpoch *epoch, const Checkpoint *checkpoint, char text[NOTE_SIZE_MAX])
{
	uint8 seed[KEYRING_SECRET_MAX];
	KeyringSecret secret;
	size_t length;
	Status status = keyring_secrets_status();

	if (status != TSEC_OK)
		return status;
	if (!epoch->has_key)
		make_key(number, epoch);
	secret = secret_of(epoch->public_key);
	status = keyring_open_secret(&secret, seed, &length);
	if (status == TSEC_OK && length != NOTE_SEED_SIZE)
		status = TSEC_KEYRING_TAMPERED;
	if (status == TSEC_OK)
		status = note_sign(checkpoint, seed, text);
	secret_wipe(seed, sizeof(seed));
	return status;
}

/* keep_log_key(): trigger before rows of wrapped_secrets that are the log's key: none comes or goes by a subscription */
Datum
tsec_keep_log_key(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;

	base_require_trigger(fcinfo, "keep_log_key");
	if (!TRIGGER_FIRED_BEFORE(data->tg_event) || !TRIGGER_FIRED_FOR_ROW(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("keep_log_key must be fired before each row")));
	if (IsLogicalWorker())
		return PointerGetDatum(NULL);
	return PointerGetDatum(TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple);
}
