/*
 * bcrypt.h
 *		The text of a bcrypt hash (Provos and Mazieres 1999, crypt(5)), and what
 *		may be hashed at all.  No hashing: that is libcrypt's.
 *
 *		$2b$12$ + 22 characters of salt + 31 of the result, 60 in all
 *
 * Parsing is strict, because what a library makes of a damaged setting is
 * anything from a wrong answer to hours of work: the cost is compared with the
 * caller's ceiling before anybody hashes, and spare bits must be zero, so that
 * one hash has exactly one spelling.
 */
#ifndef TSEC_BCRYPT_H
#define TSEC_BCRYPT_H

#include "status.h"

#include <stddef.h>
#include <stdint.h>

#define BCRYPT_HASH_LENGTH 60    /* characters, without a final zero */
#define BCRYPT_SETTING_LENGTH 29 /* of these the first: kind, cost and salt */
#define BCRYPT_SALT_SIZE 16      /* bytes */
#define BCRYPT_PASSWORD_MAX 72   /* bytes; the algorithm reads no more */
#define BCRYPT_COST_LEAST 4
#define BCRYPT_COST_MOST 31

typedef struct BcryptHash
{
	char variant; /* 'a', 'b' or 'y': $2a$, $2b$, $2y$ */
	int cost;     /* binary logarithm of the number of rounds */
} BcryptHash;

/*
 * Takes a hash apart.  TSEC_HASH_MALFORMED, TSEC_HASH_KIND for $2x$ (hashes of
 * a program with a sign extension bug) and TSEC_HASH_COST for a cost above the
 * ceiling.
 */
extern Status bcrypt_parse(const char *text, size_t length, int ceiling, BcryptHash *result);

/* Whether a password may be hashed: TSEC_PASSWORD_TOO_LONG, TSEC_PASSWORD_HAS_ZERO. */
extern Status bcrypt_check_password(const char *password, size_t length);

/* Writes a setting of kind $2b$ with a final zero.  The cost is from BCRYPT_COST_LEAST to BCRYPT_COST_MOST. */
extern void bcrypt_write_setting(int cost, const uint8_t salt[BCRYPT_SALT_SIZE],
								 char setting[BCRYPT_SETTING_LENGTH + 1]);

#endif /* TSEC_BCRYPT_H */
