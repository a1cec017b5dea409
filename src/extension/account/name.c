/*
 * name.c
 *		Usernames: kept as they were given, in NFC; compared by a key in which
 *		letters of either case, and of any width or style, are the same.
 *
 * The key is NFKC, lower case by Unicode's simple mapping, NFKC again (close to
 * RFC 8265's UsernameCaseMapped).  It is computed by the C library's C.UTF-8
 * and stored, so it depends neither on the database's locale nor on a later
 * version of either.  A name may be a password typed into the wrong field:
 * no error quotes it before it is known to be a name.
 */
#include "account/private.h"

#include "common/user_name.h"

#include "access/detoast.h"
#include "catalog/namespace.h"
#include "common/unicode_norm.h"
#include "funcapi.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"

#include <locale.h>
#include <wctype.h>

PG_FUNCTION_INFO_V1(tsec_account_name);
PG_FUNCTION_INFO_V1(tsec_tenant_name_acceptable);

#ifndef __STDC_ISO_10646__
#error "wide characters of the C library must be those of Unicode"
#endif

#define TENANT_NAME_BYTES_MAX 256

/* Characters of a key; compatibility forms of one character may have eighteen. */
#define KEY_CHARACTERS_MAX 256

/* The C library's own locale of Unicode; kept for as long as the process lives. */
static locale_t
unicode_locale(void)
{
	static locale_t locale = (locale_t) 0;

	if (locale == (locale_t) 0)
		locale = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t) 0);
	if (locale == (locale_t) 0)
		elog(ERROR, "twin_security: the C library has no locale \"C.UTF-8\"");
	return locale;
}

/* Converts between UTF-8 and the database's encoding; NULL when it cannot. */
static char *
convert(const char *text, size_t length, int from, int to)
{
	size_t room = length * MAX_CONVERSION_GROWTH + 1;
	char *converted = palloc(room);
	Oid conversion;

	if (from == to || from == PG_SQL_ASCII || to == PG_SQL_ASCII)
	{
		memcpy(converted, text, length);
		converted[length] = '\0';
		return converted;
	}
	conversion = FindDefaultConversionProc(from, to);
	if (!OidIsValid(conversion) ||
		pg_do_encoding_conversion_buf(conversion, from, to, (unsigned char *) text, (int) length,
									  (unsigned char *) converted, (int) room, true) != (int) length)
		return NULL;
	return converted;
}

/* Characters of valid UTF-8, with a final zero. */
static pg_wchar *
characters_of(const char *utf8)
{
	pg_wchar *characters = palloc(sizeof(pg_wchar) * (strlen(utf8) + 1));
	int count = 0;

	for (const unsigned char *at = (const unsigned char *) utf8; *at != '\0'; at += pg_utf_mblen(at))
		characters[count++] = utf8_to_unicode(at);
	characters[count] = 0;
	return characters;
}

static int
count_of(const pg_wchar *characters)
{
	int count = 0;

	while (characters[count] != 0)
		count++;
	return count;
}

static char *
utf8_of(const pg_wchar *characters)
{
	char *utf8 = palloc(4 * count_of(characters) + 1);
	char *to = utf8;

	for (; *characters != 0; characters++)
	{
		unicode_to_utf8(*characters, (unsigned char *) to);
		to += pg_utf_mblen((unsigned char *) to);
	}
	*to = '\0';
	return utf8;
}

/* The form in which names are compared; NULL when it is too long. */
static pg_wchar *
fold(const pg_wchar *characters)
{
	locale_t locale = unicode_locale();
	pg_wchar *folded = unicode_normalize(UNICODE_NFKC, characters);

	for (int i = 0; folded[i] != 0; i++)
		folded[i] = (pg_wchar) towlower_l((wint_t) folded[i], locale);
	folded = unicode_normalize(UNICODE_NFKC, folded);
	return count_of(folded) <= KEY_CHARACTERS_MAX ? folded : NULL;
}

bool
name_read(Datum given, AccountName *name)
{
	int encoding = GetDatabaseEncoding();
	text *source;
	char *utf8;
	pg_wchar *composed;
	pg_wchar *folded;

	/* in no encoding of the server has a character more than 4 bytes */
	if (toast_raw_datum_size(given) - VARHDRSZ > USER_NAME_BYTES_MAX)
		return false;
	source = DatumGetTextPP(given);
	utf8 = convert(VARDATA_ANY(source), VARSIZE_ANY_EXHDR(source), encoding, PG_UTF8);
	if (utf8 == NULL || !user_name_acceptable(bytes_of(utf8, strlen(utf8))))
		return false;
	composed = unicode_normalize(UNICODE_NFC, characters_of(utf8));
	utf8 = utf8_of(composed);
	/* composing may lengthen a name, and bring forth what is refused */
	if (!user_name_acceptable(bytes_of(utf8, strlen(utf8))))
		return false;
	name->username = convert(utf8, strlen(utf8), PG_UTF8, encoding);
	folded = fold(composed);
	if (name->username == NULL || folded == NULL)
		return false;
	utf8 = utf8_of(folded);
	name->key = convert(utf8, strlen(utf8), PG_UTF8, encoding);
	return name->key != NULL;
}

/* account_name(given text) -> (username, username_key): raises for what cannot be a name */
Datum
tsec_account_name(PG_FUNCTION_ARGS)
{
	AccountName name;
	TupleDesc shape;
	Datum values[2];
	bool nulls[2] = {false, false};

	if (PG_ARGISNULL(0) || !name_read(PG_GETARG_DATUM(0), &name))
		base_throw(TSEC_USERNAME_INVALID);
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: account_name must return a row");
	values[0] = CStringGetTextDatum(name.username);
	values[1] = CStringGetTextDatum(name.key);
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/* tenant_name_acceptable(tenant_name text) -> boolean */
Datum
tsec_tenant_name_acceptable(PG_FUNCTION_ARGS)
{
	text *given;
	char *utf8;

	if (toast_raw_datum_size(PG_GETARG_DATUM(0)) - VARHDRSZ > TENANT_NAME_BYTES_MAX)
		PG_RETURN_BOOL(false);
	given = PG_GETARG_TEXT_PP(0);
	utf8 = convert(VARDATA_ANY(given), VARSIZE_ANY_EXHDR(given), GetDatabaseEncoding(), PG_UTF8);
	/* in UTF-8 it may be longer */
	PG_RETURN_BOOL(utf8 != NULL &&
				   user_name_visible(bytes_of(utf8, strlen(utf8)), TENANT_NAME_BYTES_MAX * MAX_CONVERSION_GROWTH));
}
