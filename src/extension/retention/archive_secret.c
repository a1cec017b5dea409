/*
 * archive_secret.c
 *		The key of one archive's file: random, sealed under a key of the keyring, and
 *		bound to that file.  Rotating the keyring's key leaves archives as they are;
 *		destroying the version that sealed one destroys the archive.
 */
#include "retention/archive.h"

#include "common/secret.h"
#include "keyring/keyring.h"

#define PURPOSE "twin_security archive"

typedef struct Bound
{
	uint8 purpose[sizeof(PURPOSE)];
	uint8 context[KEY_CONTEXT_SIZE];
	uint8 header[ARCHIVE_HEADER_SIZE];
} Bound;

/* What the sealed key is inseparable from. */
static Bytes
bind(const Key *key, const ArchiveHeader *header, Bound *bound)
{
	memcpy(bound->purpose, PURPOSE, sizeof(PURPOSE));
	memcpy(bound->context, key->context, KEY_CONTEXT_SIZE);
	archive_write_header(header, bound->header);
	return bytes_of(bound, sizeof(*bound));
}

void
archive_secret_make(ArchiveManifest *manifest, ArchiveHeader *header, uint8 key[AEAD_KEY_SIZE])
{
	int32 modifier;
	Key *sealing;
	size_t nonce_size;
	uint8 nonce[AEAD_NONCE_MAX];
	Bound bound;

	if (setting_archive_key == NULL || setting_archive_key[0] == '\0')
		return;
	modifier = keyring_modifier_of(setting_archive_key);
	if (keyring_name_of(modifier) == NULL)
		ereport(ERROR,
				(errcode(ERRCODE_UNDEFINED_OBJECT),
				 errmsg("twin_security.archive_key names no key of this database: \"%s\"", setting_archive_key),
				 errhint("Create it with twin.create_key().")));
	sealing = keyring_sealing_key(modifier);
	if (!sealing->is_column_key)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("archives cannot be encrypted with the built-in key \"%s\"", setting_archive_key)));
	header->is_sealed = true;
	base_check(random_bytes(header->identity, ARCHIVE_IDENTITY_SIZE));
	base_check(random_secret(key, AEAD_KEY_SIZE));
	nonce_size = aead_nonce_size(sealing->algorithm);
	keyring_begin_seal(sealing, nonce);
	memcpy(manifest->wrapped, nonce, nonce_size);
	base_check(aead_seal(sealing->aead, nonce, bind(sealing, header, &bound), bytes_of(key, AEAD_KEY_SIZE),
						 manifest->wrapped + nonce_size, manifest->wrapped + nonce_size + AEAD_KEY_SIZE));
	manifest->wrapped_length = nonce_size + AEAD_KEY_SIZE + AEAD_TAG_SIZE;
	manifest->key_name = pstrdup(keyring_name(sealing));
	manifest->key_version = sealing->version;
	manifest->key_id = sealing->id;
}

const char *
archive_secret_open(const ArchiveManifest *manifest, const ArchiveHeader *header, bool asks, uint8 key[AEAD_KEY_SIZE])
{
	Key *opening = keyring_find(manifest->key_id);
	size_t nonce_size;
	Bound bound;

	/* what a manifest names is not asked of keys that are no column's */
	if (opening == NULL || !opening->is_column_key)
		return "the archive's key is not one of this database";
	if (asks)
		keyring_require(opening, KEY_DECRYPT);
	if (opening->is_destroyed)
		return "the archive's key has been destroyed";
	if (opening->is_retired)
		return "the archive's key has been retired";
	opening = keyring_opening_key(manifest->key_id);
	nonce_size = aead_nonce_size(opening->algorithm);
	if (manifest->wrapped_length != nonce_size + AEAD_KEY_SIZE + AEAD_TAG_SIZE ||
		aead_open(opening->aead, manifest->wrapped, bind(opening, header, &bound),
				  bytes_of(manifest->wrapped + nonce_size, AEAD_KEY_SIZE),
				  manifest->wrapped + nonce_size + AEAD_KEY_SIZE, key) != TSEC_OK)
		return "the key in the manifest is not that of this file";
	return NULL;
}
