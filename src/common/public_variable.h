/*
 * public_variable.h
 *		Which variables of the environment may be shown to SQL: by name, and then
 *		by what stands in them.
 *
 * Keys come to the server by its environment, so a list of names alone is no
 * fence: whoever may edit it could write ENCRYPTION_KEY into it, or rename the
 * variable.  A name that speaks of a secret is refused whatever the list says,
 * and so is a value that looks like one.
 */
#ifndef TSEC_PUBLIC_VARIABLE_H
#define TSEC_PUBLIC_VARIABLE_H

#include "bytes.h"

#include <stdbool.h>

#define PUBLIC_VARIABLE_NAME_MAX 64
#define PUBLIC_VARIABLE_NAMES_MAX 64
#define PUBLIC_VARIABLE_VALUE_MAX 4096

typedef enum PublicVariable
{
	PUBLIC_VARIABLE_GOOD,
	PUBLIC_VARIABLE_MALFORMED, /* no name: 1 to 64 of A-Z a-z 0-9 _, no digit first; or too many of them */
	PUBLIC_VARIABLE_SECRET     /* a name that speaks of a secret */
} PublicVariable;

extern PublicVariable public_variable_name(Bytes name);

/*
 * Judges a comma-separated list of names, blanks around them allowed; the empty
 * list is good.  Otherwise *culprit (within the list) is the first name to blame.
 */
extern PublicVariable public_variable_list(Bytes list, Bytes *culprit);

/* Whether a name stands in such a list, byte for byte. */
extern bool public_variable_listed(Bytes list, Bytes name);

/*
 * Whether a value holds something that looks like a secret: what redact.h knows
 * by its look (tokens, hashes, private keys, passwords in addresses), 32 or more
 * hexadecimal digits in a row, or 40 or more of base64 as random bytes have them.
 */
extern bool public_variable_looks_secret(Bytes value);

#endif /* TSEC_PUBLIC_VARIABLE_H */
