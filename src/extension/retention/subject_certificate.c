/*
 * subject_certificate.c
 *		Certificates of erasure: an event that stands in the transaction that
 *		erases, and names the person by a digest alone.
 *
 * The digest is HMAC-SHA256 under a secret of this database, over a label, the
 * certificate's number and the subject's text: who has both and the database can
 * show whom a certificate is about; nobody can guess it from the log, and two
 * certificates of one person do not look alike.
 */
#include "retention/private.h"

#include "common/digest.h"
#include "common/secret.h"
#include "keyring/keyring.h"

#include "access/xact.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/uuid.h"

PG_FUNCTION_INFO_V1(tsec_wrap_subject_secret);
PG_FUNCTION_INFO_V1(tsec_subject_mark);
PG_FUNCTION_INFO_V1(tsec_write_certificate);

#define MARK_LABEL "twin_security subject"
#define SUBJECT_BYTES_MAX 1000

/* Bound to nothing else; subject.sql stores it under the same names. */
static const KeyringSecret subject_secret = {.purpose = "subjects", .name = "certificates"};

/* wrap_subject_secret() -> (wrapped, wrapping_id): of a new secret, for store_secret() */
Datum
tsec_wrap_subject_secret(PG_FUNCTION_ARGS)
{
	uint8 secret[DIGEST_SIZE];
	bytea *wrapped = NULL;
	bytea *wrapping_id = NULL;
	Datum values[2];
	bool nulls[2] = {false, false};
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: function called without a row type");
	base_check(random_bytes(secret, sizeof(secret)));
	PG_TRY();
	{
		keyring_wrap_secret(&subject_secret, bytes_of(secret, sizeof(secret)), &wrapped, &wrapping_id);
	}
	PG_FINALLY();
	{
		secret_wipe(secret, sizeof(secret));
	}
	PG_END_TRY();
	values[0] = PointerGetDatum(wrapped);
	values[1] = PointerGetDatum(wrapping_id);
	return HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls));
}

/* Prepares the secret of this database; raises where it is missing, or cannot be opened. */
static HmacKey *
open_secret(void)
{
	uint8 secret[KEYRING_SECRET_MAX];
	size_t length;
	HmacKey *key = NULL;
	Status status = keyring_open_secret(&subject_secret, secret, &length);

	if (status == TSEC_OK && length != DIGEST_SIZE)
		status = TSEC_KEYRING_TAMPERED;
	if (status == TSEC_OK)
		status = hmac_new(bytes_of(secret, length), &key);
	secret_wipe(secret, sizeof(secret));
	base_check(status);
	return key;
}

/* subject_mark(certificate uuid, subject text) -> bytea: the digest by which a certificate names somebody */
Datum
tsec_subject_mark(PG_FUNCTION_ARGS)
{
	pg_uuid_t *certificate = PG_GETARG_UUID_P(0);
	text *subject = PG_GETARG_TEXT_PP(1);
	size_t length = VARSIZE_ANY_EXHDR(subject);
	uint8 input[sizeof(MARK_LABEL) + UUID_LEN + SUBJECT_BYTES_MAX];
	bytea *mark = palloc(VARHDRSZ + DIGEST_SIZE);
	HmacKey *key;
	Status status;

	if (length > SUBJECT_BYTES_MAX)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("a subject has 1 to %d bytes", SUBJECT_BYTES_MAX)));
	memcpy(input, MARK_LABEL, sizeof(MARK_LABEL));
	memcpy(input + sizeof(MARK_LABEL), certificate->data, UUID_LEN);
	memcpy(input + sizeof(MARK_LABEL) + UUID_LEN, VARDATA_ANY(subject), length);
	key = open_secret();
	SET_VARSIZE(mark, VARHDRSZ + DIGEST_SIZE);
	status = hmac_sha256(key, bytes_of(input, sizeof(MARK_LABEL) + UUID_LEN + length), (uint8 *) VARDATA(mark));
	hmac_free(key);
	base_check(status);
	PG_RETURN_BYTEA_P(mark);
}

/* write_certificate(details jsonb): writes the event subject_erased in this transaction, whether or not there are workers */
Datum
tsec_write_certificate(PG_FUNCTION_ARGS)
{
	Jsonb *given = PG_GETARG_JSONB_P(0);
	char *details = JsonbToCString(NULL, &given->root, VARSIZE(given));
	SecurityEvent event = {.type = "subject_erased", .severity = EVENT_HIGH, .action = "erase_subject"};
	EventStore *store;
	EventRecord record;
	EventRow row;

	if (strlen(details) > EVENT_DETAILS_MAX)
		elog(ERROR, "twin_security: a certificate is too long");
	(void) GetTopFullTransactionId(); /* so that the event has it */
	store = event_store_open(EVENT_AUDIT);
	event_capture(&event, &record);
	record.text[EVENT_DETAILS] = bytes_of(details, strlen(details));
	event_fill_row(&record, event_store_time(store), false, &row);
	row.values[EVENT_COLUMN_ID] = Int64GetDatum(event_take_id());
	row.nulls[EVENT_COLUMN_ID] = false;
	event_store_insert(store, &row);
	event_store_close(store);
	PG_RETURN_VOID();
}
