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

/* How far the clock may be behind the last rotation, in microseconds. */
#define CLOCK_GRACE_TOLERANCE USECS_PER_SEC

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

/* What follows: whoever holds the last one and the random part gets the same, and nobody else can. */
static Rotation
next_of(const Rotation *last, const Session *session, const uint8 mixed_in[ROTATION_BYTES])
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

/* Whether the last token may still be served; not where the clock was set back since, for nobody knows for how long. */
static bool
in_grace(const Session *session)
{
	int64 since = GetCurrentTimestamp() - session->rotated_at;

	return since >= -CLOCK_GRACE_TOLERANCE && since <= (int64) setting_refresh_token_grace * USECS_PER_SEC;
}

/* Rotates the session, or serves the last rotation again; false when neither may be: the token was copied. */
static bool
rotate(const Session *session, const Rotation *presented, Rotation *next)
{
	uint8 digest[DIGEST_SIZE];

	rotation_digest(presented, digest);
	if (secret_equal(digest, session->current, sizeof(digest)))
	{
		uint8 mixed_in[ROTATION_BYTES];

		base_check(random_secret(mixed_in, sizeof(mixed_in)));
		*next = next_of(presented, session, mixed_in);
		rotation_digest(next, digest);
		store_rotate_session(session, digest, mixed_in);
		return true;
	}
	if (!session->was_rotated || !secret_equal(digest, session->previous, sizeof(digest)) || !in_grace(session))
		return false;
	*next = next_of(presented, session, session->mixed_in);
	store_touch_session(session);
	return true;
}

bool
rotation_advance(const Session *session, const Rotation *presented, Rotation *next)
{
	if (!limit_failures_of(LIMIT_SESSION, session->id, SESSION_ID_LENGTH, &to_the_end).is_locked &&
		rotate(session, presented, next))
		return true;
	/* whatever becomes of the transaction, to the session's end */
	limit_seed(LIMIT_SESSION, session->id, SESSION_ID_LENGTH, 1, session->expires_at, &to_the_end);
	return false;
}
