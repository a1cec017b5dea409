/*
 * user_name.h
 *		What may be the name of an account.
 *
 * A name is read by people, in lists and logs: whoever sees one must see all
 * of it.  So controls, format characters (RFC 8264, 9.13 and 9.14: zero width,
 * direction marks, tags), blanks other than U+0020, private use and code points
 * that can never be characters are refused.  What looks like another letter
 * (Latin a, Cyrillic a) is not: no table tells these apart for everybody.
 */
#ifndef TSEC_USER_NAME_H
#define TSEC_USER_NAME_H

#include "bytes.h"

#include <stdbool.h>
#include <stddef.h>

#define USER_NAME_CHARACTERS_MAX 64
#define USER_NAME_BYTES_MAX (4 * USER_NAME_CHARACTERS_MAX)

/*
 * Whether all of a name can be seen: valid UTF-8 (RFC 3629) of 1 to so many
 * characters, none of those above, and no blank at either end.
 */
extern bool user_name_visible(Bytes name, size_t characters_max);

/* Whether bytes are the name of an account: one of at most 64 characters. */
extern bool user_name_acceptable(Bytes name);

#endif /* TSEC_USER_NAME_H */
