/*
 * note_key.c
 *		Keys and signatures of notes: Ed25519 (RFC 8032) in the forms of C2SP
 *		signed-note.  OpenSSL's objects live within one call each.
 */
#include "note.h"

#include "encode.h"
#include "library.h"
#include "secret.h"

#include <openssl/evp.h>

#include <stdio.h>
#include <string.h>

#define ALGORITHM_ED25519 0x01
#define KEY_ID_SIZE 4
#define SIGNATURE_SIZE 64
#define KEY_TEXT 44       /* base64 of the algorithm and a public key */
#define SIGNATURE_TEXT 92 /* base64 of a key id and a signature */
#define MARK "\xe2\x80\x94 "

_Static_assert(NOTE_ORIGIN_MAX + 1 + 2 * KEY_ID_SIZE + 1 + KEY_TEXT < NOTE_KEY_SIZE_MAX, "a verifier key fits");
_Static_assert(sizeof(MARK) + NOTE_ORIGIN_MAX + 1 + SIGNATURE_TEXT + 1 < NOTE_KEY_SIZE_MAX, "a signature fits");
_Static_assert(NOTE_ORIGIN_MAX + 1 + 20 + 1 + 44 + 2 + NOTE_KEY_SIZE_MAX < NOTE_SIZE_MAX, "a checkpoint fits");

bool
note_name_valid(const char *name)
{
	const char *end = memchr(name, '\0', NOTE_ORIGIN_MAX + 1);

	if (end == NULL || end == name)
		return false;
	for (; name < end; name++)
		if (*name <= ' ' || *name > '~' || *name == '+')
			return false;
	return true;
}

/* The beginning of SHA-256 of the name, a line end, the algorithm and the key. */
static Status
key_id(const char *name, const uint8_t public_key[NOTE_PUBLIC_SIZE], uint8_t id[KEY_ID_SIZE])
{
	uint8_t bytes[NOTE_ORIGIN_MAX + 2 + NOTE_PUBLIC_SIZE];
	uint8_t digest[DIGEST_SIZE];
	size_t length = strlen(name);
	Status status;

	memcpy(bytes, name, length);
	bytes[length++] = '\n';
	bytes[length++] = ALGORITHM_ED25519;
	memcpy(bytes + length, public_key, NOTE_PUBLIC_SIZE);
	status = digest_sha256(bytes_of(bytes, length + NOTE_PUBLIC_SIZE), digest);
	memcpy(id, digest, KEY_ID_SIZE);
	return status;
}

static Status
raw_public_key(EVP_PKEY *pkey, uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	size_t length = NOTE_PUBLIC_SIZE;

	return EVP_PKEY_get_raw_public_key(pkey, public_key, &length) == 1 && length == NOTE_PUBLIC_SIZE
			   ? TSEC_OK
			   : TSEC_LIBRARY_FAILURE;
}

Status
note_public_key(const uint8_t seed[NOTE_SEED_SIZE], uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NOTE_SEED_SIZE);
	Status status = pkey != NULL ? raw_public_key(pkey, public_key) : TSEC_LIBRARY_FAILURE;

	EVP_PKEY_free(pkey);
	return status;
}

Status
note_make_key(uint8_t seed[NOTE_SEED_SIZE], uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	size_t length = NOTE_SEED_SIZE;
	Status status = TSEC_NO_RANDOM;

	if (pkey != NULL && EVP_PKEY_get_raw_private_key(pkey, seed, &length) == 1 && length == NOTE_SEED_SIZE)
		status = raw_public_key(pkey, public_key);
	EVP_PKEY_free(pkey);
	if (status != TSEC_OK)
		secret_wipe(seed, NOTE_SEED_SIZE);
	return status;
}

Status
note_write_key(const char *name, const uint8_t public_key[NOTE_PUBLIC_SIZE], char text[NOTE_KEY_SIZE_MAX])
{
	uint8_t bytes[1 + NOTE_PUBLIC_SIZE] = {ALGORITHM_ED25519};
	char encoded[KEY_TEXT + 1];
	uint8_t id[KEY_ID_SIZE];
	Status status;

	if (!note_name_valid(name))
		return TSEC_ORIGIN_INVALID;
	status = key_id(name, public_key, id);
	if (status != TSEC_OK)
		return status;
	memcpy(bytes + 1, public_key, NOTE_PUBLIC_SIZE);
	encode_base64(bytes, sizeof(bytes), encoded);
	encoded[KEY_TEXT] = '\0';
	(void) snprintf(text, NOTE_KEY_SIZE_MAX, "%s+%02x%02x%02x%02x+%s", name, id[0], id[1], id[2], id[3], encoded);
	return TSEC_OK;
}

bool
note_read_key(Bytes text, char name[NOTE_ORIGIN_MAX + 1], uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	const uint8_t *plus = text.length > 0 ? memchr(text.data, '+', text.length) : NULL;
	size_t length = plus != NULL ? (size_t) (plus - text.data) : 0;
	uint8_t bytes[KEY_TEXT / 4 * 3 + 3];
	char again[NOTE_KEY_SIZE_MAX];
	size_t written;

	if (length == 0 || length > NOTE_ORIGIN_MAX || text.length != length + 1 + 2 * KEY_ID_SIZE + 1 + KEY_TEXT)
		return false;
	if (decode_base64((const char *) text.data + text.length - KEY_TEXT, KEY_TEXT, bytes, &written) != TSEC_OK ||
		written != 1 + NOTE_PUBLIC_SIZE || bytes[0] != ALGORITHM_ED25519)
		return false;
	memcpy(name, text.data, length);
	name[length] = '\0';
	memcpy(public_key, bytes + 1, NOTE_PUBLIC_SIZE);
	/* a key has one spelling, its id included */
	return note_write_key(name, public_key, again) == TSEC_OK &&
		   memcmp(again, text.data, text.length) == 0; /* public: a verifier key */
}

Status
note_sign_text(Bytes text, const char *name, const uint8_t seed[NOTE_SEED_SIZE], char line[NOTE_KEY_SIZE_MAX])
{
	EVP_PKEY *pkey;
	EVP_MD_CTX *context;
	uint8_t bytes[KEY_ID_SIZE + SIGNATURE_SIZE];
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	char encoded[SIGNATURE_TEXT + 1];
	size_t length = SIGNATURE_SIZE;
	Status status;

	line[0] = '\0';
	if (!note_name_valid(name))
		return TSEC_ORIGIN_INVALID;
	pkey = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, seed, NOTE_SEED_SIZE);
	context = EVP_MD_CTX_new();
	status = pkey != NULL && context != NULL ? raw_public_key(pkey, public_key) : TSEC_NO_MEMORY;
	if (status == TSEC_OK)
		status = key_id(name, public_key, bytes);
	if (status == TSEC_OK && (EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) != 1 ||
							  EVP_DigestSign(context, bytes + KEY_ID_SIZE, &length, text.data, text.length) != 1 ||
							  length != SIGNATURE_SIZE))
		status = TSEC_LIBRARY_FAILURE;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	if (status != TSEC_OK)
		return status;
	encode_base64(bytes, sizeof(bytes), encoded);
	encoded[SIGNATURE_TEXT] = '\0';
	(void) snprintf(line, NOTE_KEY_SIZE_MAX, MARK "%s %s\n", name, encoded);
	return TSEC_OK;
}

static bool ran_out = false;

bool
note_ran_out(void)
{
	bool was = ran_out;

	ran_out = false;
	return was;
}

/* can: whether it could be asked at all. */
static bool
verify_once(Bytes text, const uint8_t signature[SIGNATURE_SIZE], const uint8_t public_key[NOTE_PUBLIC_SIZE],
			bool *can)
{
	EVP_PKEY *pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, NOTE_PUBLIC_SIZE);
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	bool good;

	*can = pkey != NULL && context != NULL && EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1;
	good = *can && EVP_DigestVerify(context, signature, SIGNATURE_SIZE, text.data, text.length) == 1;
	EVP_MD_CTX_free(context);
	EVP_PKEY_free(pkey);
	return good;
}

/* OpenSSL's Ed25519 may find a signature bad where it had no memory for a hash, and leave no error: so it is asked twice. */
static bool
signature_is_good(Bytes text, const uint8_t signature[SIGNATURE_SIZE], const uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	bool can;

	if (verify_once(text, signature, public_key, &can) || verify_once(text, signature, public_key, &can))
		return true;
	if (library_failure(TSEC_OK) == TSEC_NO_MEMORY || !can)
		ran_out = true;
	return false;
}

bool
note_signed_by(Bytes text, Bytes signatures, const char *name, const uint8_t public_key[NOTE_PUBLIC_SIZE])
{
	char begin[sizeof(MARK) + NOTE_ORIGIN_MAX + 1];
	uint8_t bytes[SIGNATURE_TEXT / 4 * 3 + 3];
	uint8_t id[KEY_ID_SIZE];
	size_t begin_length;
	size_t written;

	ran_out = false;
	if (!note_name_valid(name))
		return false;
	if (key_id(name, public_key, id) != TSEC_OK)
	{
		ran_out = true;
		return false;
	}
	begin_length = (size_t) snprintf(begin, sizeof(begin), MARK "%s ", name);
	while (signatures.length > 0)
	{
		const uint8_t *end = memchr(signatures.data, '\n', signatures.length);
		Bytes line = bytes_of(signatures.data, end != NULL ? (size_t) (end - signatures.data) : signatures.length);
		size_t taken = end != NULL ? line.length + 1 : line.length;

		signatures = bytes_of(signatures.data + taken, signatures.length - taken);
		if (line.length != begin_length + SIGNATURE_TEXT ||
			memcmp(line.data, begin, begin_length) != 0) /* public: a name */
			continue;
		if (decode_base64((const char *) line.data + begin_length, SIGNATURE_TEXT, bytes, &written) == TSEC_OK &&
			written == KEY_ID_SIZE + SIGNATURE_SIZE && memcmp(bytes, id, KEY_ID_SIZE) == 0 && /* public: a key's id */
			signature_is_good(text, bytes + KEY_ID_SIZE, public_key))
			return true;
	}
	return false;
}
