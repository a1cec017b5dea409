/*
 * argument.c
 *		A text argument that may be a password: its first bytes as UTF-8 in
 *		memory that is wiped however the statement ends.
 *
 * No error quotes it: the server's own conversion errors would.  What the
 * executor holds (the datum itself, a query's constants) is not ours to wipe.
 */
#include "password/private.h"

#include "common/secret.h"

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
#include "utils/memutils.h"

static void
wipe_argument(void *pointer)
{
	Argument *argument = pointer;

	if (argument->source != NULL)
		secret_wipe(VARDATA_ANY(argument->source), VARSIZE_ANY_EXHDR(argument->source));
	secret_wipe(argument->bytes, sizeof(argument->bytes));
}

/* Converts to UTF-8; an SQL_ASCII database knows no encoding, and its bytes are taken as they are. */
static void
convert(Argument *argument, const char *from, int length)
{
	int encoding = GetDatabaseEncoding();
	Oid conversion;

	if (encoding == PG_UTF8 || encoding == PG_SQL_ASCII)
	{
		memcpy(argument->bytes, from, length);
		argument->length = length;
		return;
	}
	conversion = FindDefaultConversionProc(encoding, PG_UTF8);
	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, encoding, PG_UTF8, (unsigned char *) from, length,
									  (unsigned char *) argument->bytes, sizeof(argument->bytes), true) != length)
		base_throw(TSEC_PASSWORD_NOT_TEXT);
	argument->length = strlen(argument->bytes);
}

Argument *
argument_read(Datum datum)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "password", ALLOCSET_SMALL_SIZES);
	MemoryContext previous = MemoryContextSwitchTo(context);
	Argument *argument = palloc0(sizeof(Argument));
	Size length = toast_raw_datum_size(datum) - VARHDRSZ;

	argument->context = context;
	argument->wipe.func = wipe_argument;
	argument->wipe.arg = argument;
	MemoryContextRegisterResetCallback(context, &argument->wipe);

	argument->was_cut = length > ARGUMENT_SOURCE_MAX;
	argument->source = PG_DETOAST_DATUM_SLICE(datum, 0, Min(length, ARGUMENT_SOURCE_MAX));
	length = VARSIZE_ANY_EXHDR(argument->source);
	if (argument->was_cut)
		length = pg_mbcliplen(VARDATA_ANY(argument->source), (int) length, (int) length);
	convert(argument, VARDATA_ANY(argument->source), (int) length);
	argument->bytes[argument->length] = '\0';
	MemoryContextSwitchTo(previous);
	return argument;
}

void
argument_free(Argument *argument)
{
	MemoryContextDelete(argument->context);
}
