/*
 * rotation.c
 *		What tells one refresh token of a session from another, and the memory
 *		of a copied one.
 *
 * Each carries 16 random bytes, of which the session's row keeps a digest.
 * The next ones are an HMAC of the random part that the row got at the
 * rotation, keyed by the last ones: whoever holds the last token gets them
 * again within the grace, and the row alone tells them to nobody.
 */
#include "account/private.h"

#include "common/aead.h"
#include "common/encode.h"
#include "common/secret.h"

#include "utils/timestamp.h"

#define SESSION_ID_LENGTH 36

/* A session that lasts for longer does not exist: see twin_security.session_max_lifetime. */
static const FailurePolicy to_the_end = {
	.max_failures = 1, .lockout = 366 * 86400, .max_lockout = 366 * 86400, .forget_after = 1};

Rotation
rotation_first(void)
{
	uint8 bytes[ROTATION_BYTES];
	Rotation first = {.value = ""};

	base_check(random_secret(bytes, sizeof(bytes)));
	encode_base64url(bytes, sizeof(bytes), first.value);
	return first;
}

Rotation
rotation_next(const Rotation *last, const Session *session, const uint8 mixed_in[ROTATION_BYTES])
{
	uint8 message[SESSION_ID_LENGTH + ROTATION_BYTES];
	uint8 code[DIGEST_SIZE];
	Rotation next = {.value = ""};
	HmacKey *key;
	Status status = hmac_new(bytes_of(last->value, ROTATION_CHARACTERS), &key);

	memcpy(message, session->id, SESSION_ID_LENGTH);
	memcpy(message + SESSION_ID_LENGTH, mixed_in, ROTATION_BYTES);
	if (status == TSEC_OK)
	{
		status = hmac_sha256(key, bytes_of(message, sizeof(message)), code);
		hmac_free(key);
	}
	base_check(status);
	encode_base64url(code, ROTATION_BYTES, next.value);
	secret_wipe(code, sizeof(code));
	return next;
}

void
rotation_digest(const Rotation *rotation, uint8 digest[DIGEST_SIZE])
{
	base_check(digest_sha256(bytes_of(rotation->value, ROTATION_CHARACTERS), digest));
}

void
rotation_note_copy(const Session *session)
{
	limit_seed(LIMIT_SESSION, session->id, SESSION_ID_LENGTH, 1, session->expires_at, &to_the_end);
}

bool
rotation_was_copied(const Session *session)
{
	return limit_failures_of(LIMIT_SESSION, session->id, SESSION_ID_LENGTH, &to_the_end).is_locked;
}
