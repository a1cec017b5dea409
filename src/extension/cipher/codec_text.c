/*
 * codec_text.c
 *		Text, bytea and jsonb as bytes, and errors that would quote a plaintext.
 *
 *	 text, jsonb		their text in UTF-8, whatever the database's encoding
 *	 bytea				its bytes
 *
 * What comes out of a value can be authentic and still be no text here: it is
 * checked like any input, and never shown in an error.
 */
#include "cipher/private.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "mb/pg_wchar.h"
#include "utils/builtins.h"
#include "utils/jsonb.h"
#include "utils/numeric.h"

/* Raises what was caught, without its text, when it may quote the value; else raises it as it is. */
static TSEC_NORETURN void
raise_hiding(MemoryContext context, const char *type)
{
	int code = geterrcode();

	if (ERRCODE_TO_CATEGORY(code) != ERRCODE_DATA_EXCEPTION &&
		ERRCODE_TO_CATEGORY(code) != ERRCODE_PROGRAM_LIMIT_EXCEEDED)
		PG_RE_THROW();
	MemoryContextSwitchTo(context);
	FlushErrorState();
	ereport(ERROR, (errcode(code), errmsg("invalid input for type %s", type),
					errdetail("The value is neither armor nor valid for the base type; it is not shown.")));
}

Datum
codec_input_hiding(FmgrInfo *input, char *string, Oid parameter, const char *type)
{
	MemoryContext context = CurrentMemoryContext;
	volatile Datum value = (Datum) 0;

	PG_TRY();
	{
		value = InputFunctionCall(input, string, parameter, -1);
	}
	PG_CATCH();
	{
		raise_hiding(context, type);
	}
	PG_END_TRY();
	return value;
}

Datum
codec_call_hiding(FmgrInfo *function, Datum argument, const char *type)
{
	MemoryContext context = CurrentMemoryContext;
	volatile Datum value = (Datum) 0;

	PG_TRY();
	{
		value = FunctionCall1(function, argument);
	}
	PG_CATCH();
	{
		raise_hiding(context, type);
	}
	PG_END_TRY();
	return value;
}

/* ---- text and bytea ---- */

/* Text in the server's encoding as UTF-8; the same bytes where the server's is that. */
static void
use_utf8(const char *text, int length, Plain *plain)
{
	char *converted = pg_server_to_any(text, length, PG_UTF8);

	plain->data = (const uint8 *) converted;
	plain->length = converted == text ? (size_t) length : strlen(converted);
}

/* Converts from UTF-8; NULL when a character has no equivalent. */
static char *
convert_from_utf8(const char *text, int length)
{
	MemoryContext context = CurrentMemoryContext;
	char *volatile converted = NULL;

	PG_TRY();
	{
		converted = pg_any_to_server(text, length, PG_UTF8);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(context);
		FlushErrorState();
		converted = NULL;
	}
	PG_END_TRY();
	return converted;
}

char *
codec_from_utf8(char *text, int length)
{
	if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
		return pg_verifymbstr(text, length, true) ? text : NULL;
	return convert_from_utf8(text, length);
}

/* The same raising what fits nowhere; the server's own messages would quote it. */
static char *
from_utf8(char *text, int length)
{
	char *result = codec_from_utf8(text, length);

	if (result == NULL)
		ereport(ERROR, (errcode(ERRCODE_CHARACTER_NOT_IN_REPERTOIRE),
						errmsg("the decrypted value is no text in this database's encoding")));
	return result;
}

static void
text_encode(Datum value, Plain *plain)
{
	struct varlena *text = PG_DETOAST_DATUM_PACKED(value);

	use_utf8(VARDATA_ANY(text), (int) VARSIZE_ANY_EXHDR(text), plain);
}

struct varlena *
codec_finish_bytes(const Codec *codec, struct varlena *opened, size_t length)
{
	char *text;

	SET_VARSIZE(opened, VARHDRSZ + length);
	if (codec != &codec_text)
		return opened;
	text = from_utf8(VARDATA(opened), (int) length);
	return text == VARDATA(opened) ? opened : cstring_to_text(text);
}

static void
bytes_encode(Datum value, Plain *plain)
{
	struct varlena *bytes = PG_DETOAST_DATUM_PACKED(value);

	plain->data = (const uint8 *) VARDATA_ANY(bytes);
	plain->length = VARSIZE_ANY_EXHDR(bytes);
}

const Codec codec_text = {.base_type = TEXTOID, .is_bytes = true, .encode = text_encode};
const Codec codec_bytea = {.base_type = BYTEAOID, .is_bytes = true, .encode = bytes_encode};

/* ---- jsonb ---- */

static void
jsonb_encode(Datum value, Plain *plain)
{
	Jsonb *json = DatumGetJsonbP(value);
	StringInfo text = makeStringInfo();

	(void) JsonbToCString(text, &json->root, VARSIZE(json));
	use_utf8(text->data, text->len, plain);
}

/* Appends a kind, a length and the bytes, so that no two documents run together alike. */
static void
append_part(StringInfo to, char kind, const char *data, int length)
{
	appendStringInfoChar(to, kind);
	pq_sendint32(to, (uint32) length);
	appendBinaryStringInfo(to, data, length);
}

/* Walks the document in its stored order, which is canonical, and writes numbers without their scale. */
static void
jsonb_canonical(Datum value, Plain *plain)
{
	Jsonb *json = DatumGetJsonbP(value);
	StringInfo parts = makeStringInfo();
	JsonbIterator *iterator = JsonbIteratorInit(&json->root);
	JsonbIteratorToken token;
	JsonbValue item;

	while ((token = JsonbIteratorNext(&iterator, &item, false)) != WJB_DONE)
	{
		appendStringInfoChar(parts, (char) token);
		if (token == WJB_BEGIN_ARRAY)
			appendStringInfoChar(parts, item.val.array.rawScalar ? 1 : 0);
		if (token != WJB_KEY && token != WJB_VALUE && token != WJB_ELEM)
			continue;
		switch (item.type)
		{
			case jbvString:
			{
				Plain utf8;

				use_utf8(item.val.string.val, item.val.string.len, &utf8);
				append_part(parts, 's', (const char *) utf8.data, (int) utf8.length);
			}
			break;
			case jbvNumeric:
			{
				char *digits = numeric_normalize(item.val.numeric);

				append_part(parts, 'n', digits, (int) strlen(digits));
				break;
			}
			case jbvBool:
				append_part(parts, item.val.boolean ? 't' : 'f', "", 0);
				break;
			default:
				append_part(parts, '0', "", 0);
				break;
		}
	}
	plain->data = (const uint8 *) parts->data;
	plain->length = (size_t) parts->len;
}

static Datum
jsonb_decode(const uint8 *data, size_t length)
{
	char *text = pnstrdup((const char *) data, length);

	return DirectFunctionCall1(jsonb_in, CStringGetDatum(from_utf8(text, (int) length)));
}

const Codec codec_jsonb = {
	.base_type = JSONBOID, .encode = jsonb_encode, .decode = jsonb_decode, .canonical = jsonb_canonical};
