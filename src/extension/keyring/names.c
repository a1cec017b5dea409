/*
 * names.c
 *		Key names and the type modifiers that stand for them.
 *
 * A modifier is a pure function of the name: 31 bits of SHA-256 of the folded
 * name.  It must be, because a restore runs the DDL of tables before the rows
 * of the keyring exist.  create_key refuses a name whose modifier is taken.
 */
#include "keyring/private.h"

#include "utils/builtins.h"

#define MODIFIER_BITS 0x7fffffff

PG_FUNCTION_INFO_V1(tsec_key_modifier);

int32
keyring_modifier_of(const char *name)
{
	char folded[NAMEDATALEN];
	uint8 digest[DIGEST_SIZE];
	size_t length = strlen(name);

	if (length == 0 || length >= NAMEDATALEN)
		ereport(ERROR, (errcode(ERRCODE_INVALID_NAME), errmsg("a key name has 1 to %d bytes", NAMEDATALEN - 1)));
	for (size_t i = 0; i < length; i++)
		folded[i] = (char) pg_ascii_tolower((unsigned char) name[i]);
	base_check(digest_sha256(bytes_of(folded, length), digest));
	return (int32) (bytes_get_u32(digest) & MODIFIER_BITS);
}

/* key_modifier(text) -> integer */
Datum
tsec_key_modifier(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(keyring_modifier_of(text_to_cstring(PG_GETARG_TEXT_PP(0))));
}
