/*
 * cipher.h
 *		The encrypted column types.
 *
 * What a user gets: columns whose values are sealed on every way in, print as
 * armor on every way out, and open only through an explicit cast or
 * twin.decrypt() by a role that holds a grant on the key.  The type modifier
 * names the key.  A value without one (a literal, a parameter) is sealed under
 * the built-in key "literal" until it reaches a column.
 *
 * Hard cases, each with its file:
 *	 - a restore loads armor before any key exists			io.c
 *	 - a cast must not turn an encrypt grant into a decrypt	casts.c
 *	 - a value copied under another key or type must fail	value.c
 *	 - equality and indexes without a key					equality.c
 *	 - a column without a key must not come to be			ddl.c
 *	 - a mask must not be a way to the plaintext			mask*.c
 *	 - a key must not be retired while values use it		census.c, constants.c
 */
#ifndef TSEC_CIPHER_H
#define TSEC_CIPHER_H

#include "base/base.h"

#include "utils/array.h"

extern void cipher_init(void);

/*
 * Opens a value of type twin.encrypted_text_eq of a table of the extension's
 * own, for what it does by itself: zero terminated, in the database's encoding.
 * Asks for no grant, so nothing of it may reach whoever made it do so; the
 * caller wipes it.  Raises as a cast does.
 */
extern char *cipher_open_text_unasked(const struct varlena *stored);

/* Whether a type is one of the encrypted ones. */
extern bool cipher_is_encrypted(Oid type);

/* ---- which versions of keys values lie under, by their headers alone ---- */

typedef struct KeyCount CipherKeys;

extern CipherKeys *cipher_keys_new(void);

/* Whether values of a type can hold encrypted ones; and takes what one of them lies under. */
extern bool cipher_keys_concern(Oid type);
extern void cipher_keys_add(CipherKeys *keys, Datum value, Oid type);

/* Their ids, as integer[]. */
extern ArrayType *cipher_keys_ids(const CipherKeys *keys);

#endif /* TSEC_CIPHER_H */
