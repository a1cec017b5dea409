/*
 * private.h
 *		What the files of the password part share among themselves.
 */
#ifndef TSEC_PASSWORD_PRIVATE_H
#define TSEC_PASSWORD_PRIVATE_H

#include "password/password.h"

/* ---- argument.c: a text argument as UTF-8, wiped when its memory goes ---- */

/* More bytes of an argument are never looked at; a password has BCRYPT_PASSWORD_MAX at most. */
#define ARGUMENT_SOURCE_MAX 256
#define ARGUMENT_MAX (4 * ARGUMENT_SOURCE_MAX)

typedef struct Argument
{
	MemoryContext context;
	MemoryContextCallback wipe;
	struct varlena *source; /* the detoasted beginning */
	size_t length;          /* bytes */
	bool was_cut;           /* there was more */
	char bytes[ARGUMENT_MAX + 8];
} Argument;

/* Reads an argument of type text.  Raises 22021, without quoting it, when it is no UTF-8 in any way. */
extern Argument *argument_read(Datum datum);

/* Wipes and frees it; an error does the same when the transaction ends. */
extern void argument_free(Argument *argument);

/* ---- slots.c: how many hash at once ---- */

extern void slots_init(void);

/* Waits for a turn; TSEC_HASHES_BUSY after twin_security.hash_wait_timeout.  Nothing may raise until it is given back. */
extern Status slots_take(void);

/* The same without waiting. */
extern Status slots_take_at_once(void);

extern void slots_return(void);

/* ---- common.c ---- */

/* Whether a password is among the most common ones that libzxcvbn does not know to be. */
extern bool common_holds(const char *password, size_t length);

#endif /* TSEC_PASSWORD_PRIVATE_H */
