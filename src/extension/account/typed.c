/*
 * typed.c
 *		What a user typed as his password: its bytes as UTF-8, in memory that is
 *		wiped however the statement ends.
 *
 * A login must answer to anything that was typed as it does to a wrong
 * password, and as slowly; so nothing is refused here, and what cannot be a
 * password is cut to what can be hashed.
 */
#include "account/private.h"

#include "common/bcrypt.h"
#include "common/secret.h"

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

/* Longer than any password in any encoding of the server that UTF-8 has room for. */
#define SOURCE_MAX (BCRYPT_PASSWORD_MAX + 8)

StaticAssertDecl(SOURCE_MAX *MAX_CONVERSION_GROWTH <= TYPED_MAX, "a conversion has room");

static void
wipe_typed(void *pointer)
{
	Typed *typed = pointer;

	if (typed->source != NULL)
		secret_wipe(VARDATA_ANY(typed->source), VARSIZE_ANY_EXHDR(typed->source));
	secret_wipe(typed->bytes, sizeof(typed->bytes));
}

/* Converts the beginning of what was typed; false when it is no text. */
static bool
convert(Typed *typed, int length)
{
	char *from = VARDATA_ANY(typed->source);
	int encoding = GetDatabaseEncoding();
	Oid conversion;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		memcpy(typed->bytes, from, length);
		typed->length = length;
		return memchr(from, '\0', length) == NULL;
	}
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8, (unsigned char *) from, length,
									  (unsigned char *) typed->bytes, TYPED_MAX + 1, true) != length)
		return false;
	typed->length = strlen(typed->bytes);
	return true;
}

Typed *
typed_read(NullableDatum argument)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "typed password", ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Typed *typed = palloc0(sizeof(Typed));
	Size length;

	typed->context = context;
	typed->wipe.func = wipe_typed;
	typed->wipe.arg = typed;
	MemoryContextRegisterResetCallback(context, &typed->wipe);
	if (!argument.isnull)
	{
		length = toast_raw_datum_size(argument.value) - VARHDRSZ;
		typed->possible = length <= SOURCE_MAX;
		typed->source = PG_DETOAST_DATUM_SLICE(argument.value, 0, Min(length, SOURCE_MAX));
		length = VARSIZE_ANY_EXHDR(typed->source);
		if (!typed->possible)
			length = pg_mbcliplen(VARDATA_ANY(typed->source), (int) length, (int) length);
		typed->possible = convert(typed, (int) length) && typed->possible && typed->length <= BCRYPT_PASSWORD_MAX;
	}
	if (!typed->possible)
	{
		/* as much work as any other */
		typed->length = Min(typed->length, BCRYPT_PASSWORD_MAX);
		memset(typed->bytes, 'x', typed->length);
	}
	typed->bytes[typed->length] = '\0';
	MemoryContextSwitchTo(previous);
	return typed;
}

void
typed_free(Typed *typed)
{
	MemoryContextDelete(typed->context);
}
