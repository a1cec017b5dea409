/*
 * init.c
 *		Starts the keyring, and the nonces and counts that go with every seal.
 */
#include "keyring/private.h"

static NoncePool nonces;

void
keyring_init(void)
{
	master_init();
	cache_init();
	meter_init();
	grants_init();
	spool_key_init();
}

void
keyring_begin_seal(Key *key, uint8 nonce[AEAD_NONCE_MAX])
{
	meter_begin_seal(key->meter, keyring_name(key), key->is_literal ? METER_LITERALS : METER_COLUMNS);
	base_check(nonce_take_for(key->algorithm, &nonces, nonce));
}

void
keyring_note_open(Key *key)
{
	meter_note_open(key->meter);
}

void
keyring_note_failure(Key *key)
{
	meter_note_failure(key->meter);
	tell_integrity_failure(keyring_name(key));
}
