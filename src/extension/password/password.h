/*
 * password.h
 *		Passwords: bcrypt by libxcrypt, strength, generation.
 *
 * A password is bytes of UTF-8, exactly as the user typed it: it is neither
 * normalised nor cut (OWASP ASVS 5.0, 6.2.8), so that any bcrypt library
 * agrees.  The caller wipes what it passes.  Every function that hashes waits
 * for its turn among the sessions of the cluster (twin_security.max_concurrent_hashes)
 * and can be cancelled while it waits, before and after hashing, which raises
 * as CHECK_FOR_INTERRUPTS() does; one hash itself cannot be interrupted.
 */
#ifndef TSEC_PASSWORD_H
#define TSEC_PASSWORD_H

#include "base/base.h"
#include "common/bcrypt.h"

#include "nodes/pg_list.h"

/* The highest cost that is hashed or verified: seconds of work that cannot be cancelled. */
#define PASSWORD_COST_CEILING 15

#define PASSWORD_HASH_SIZE (BCRYPT_HASH_LENGTH + 1)

extern void password_init(void);

/*
 * Hashes a password into "$2b$..." with a final zero, with a fresh salt, at a
 * cost from 4 to PASSWORD_COST_CEILING, or the present one
 * (twin_security.bcrypt_cost) for 0.
 *
 * TSEC_PASSWORD_TOO_LONG, TSEC_PASSWORD_HAS_ZERO, TSEC_HASH_COST,
 * TSEC_HASHES_BUSY (503), TSEC_NO_RANDOM, TSEC_LIBRARY_FAILURE.
 */
extern Status password_hash(const char *password, size_t length, int cost, char hash[PASSWORD_HASH_SIZE]);

/*
 * Whether a stored hash (zero terminated; $2a$, $2b$ or $2y$) is that of a
 * password, compared in constant time.  Besides the above: TSEC_HASH_MALFORMED,
 * TSEC_HASH_KIND.  *matches is false unless TSEC_OK is returned.
 */
extern Status password_verify(const char *password, size_t length, const char *hash, bool *matches);

/* The same without waiting for a turn: TSEC_HASHES_BUSY where others hash. */
extern Status password_verify_at_once(const char *password, size_t length, const char *hash, bool *matches);

/*
 * The same for a login, whose time must not tell who exists: a NULL hash (no
 * such user, no password) never matches and takes the time of *like*, another
 * hash, or, where that is NULL, of one at the present cost; and so does one that
 * is none (the status says so afterwards).  A hash of a lower cost takes the
 * time of the present cost, one of a higher cost its own.
 */
extern Status password_verify_login(const char *password, size_t length, const char *hash, const char *like,
									bool *matches);

/* Whether a hash should be made anew when the password is at hand: lower cost than the present one, or not $2b$. */
extern Status password_needs_rehash(const char *hash, bool *needs);

/* Whether it has another cost than the present one, higher or lower, or is not $2b$: for a login, whose time tells the cost. */
extern Status password_is_outdated(const char *hash, bool *outdated);

/* How strong a password is, for people: bounded work, nothing is logged. */
typedef struct PasswordStrength
{
	bool acceptable; /* by the settings and the list of common passwords */
	int score;       /* 0 to 4 */
	List *reasons;   /* of char *, sentences; NIL when acceptable */
} PasswordStrength;

/* username and email may be NULL; zero terminated UTF-8 of any length. */
extern PasswordStrength password_strength(const char *password, size_t length, const char *username,
										  const char *email);

#endif /* TSEC_PASSWORD_H */
