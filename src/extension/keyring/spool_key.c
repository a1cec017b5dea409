/*
 * spool_key.c
 *		The key by which a primary knows what its standbys wrote down: derived from
 *		the master key, which they share and nobody else has.
 *
 * Kept for the life of the process, prepared, so that no raw key is.
 */
#include "keyring/private.h"

#include "common/secret.h"

#include "event/event.h"

#define PURPOSE "events of a standby, version 1"

/* Derives it from one master key; NULL where that is not to be had. */
static HmacKey *
derive(const MasterKey *master)
{
	uint8 raw[DIGEST_SIZE];
	HmacKey *key = NULL;
	Status status = master->status;

	if (status == TSEC_OK)
		status = hkdf_sha256(bytes_of(master->wrapping, AEAD_KEY_SIZE), bytes_of(master->id, MASTER_ID_SIZE), PURPOSE,
							 raw, sizeof(raw));
	if (status == TSEC_OK && hmac_new(bytes_of(raw, sizeof(raw)), &key) != TSEC_OK)
		key = NULL;
	secret_wipe(raw, sizeof(raw));
	return key;
}

/* An EventSpoolKey. */
static HmacKey *
spool_key(bool previous)
{
	static HmacKey *keys[2];

	if (keys[previous] == NULL)
		keys[previous] = derive(previous ? master_previous() : master_current());
	return keys[previous];
}

void
spool_key_init(void)
{
	event_set_spool_key(spool_key);
}
