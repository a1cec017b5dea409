/*
 * io.c
 *		Values as text and as binary messages, and the type modifier.
 *
 * Output is armor or the stored bytes, whatever the role, setting or key.
 * Input takes armor, whose structure is checked and which is kept byte for
 * byte without any key, or a plaintext of the base type, which is sealed at
 * once.  With a modifier (COPY gives the column's) a value under another known
 * key is brought under the column's, as assignment would.
 *
 * A plaintext that is refused must not appear in the error: neither in the
 * base type's message, nor in the context line COPY adds.
 */
#include "cipher/private.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "libpq/pqformat.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/elog.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_encrypted_in);
PG_FUNCTION_INFO_V1(tsec_encrypted_out);
PG_FUNCTION_INFO_V1(tsec_encrypted_recv);
PG_FUNCTION_INFO_V1(tsec_encrypted_send);
PG_FUNCTION_INFO_V1(tsec_key_modifier_in);
PG_FUNCTION_INFO_V1(tsec_key_modifier_out);

/* What an input function remembers between calls. */
typedef struct InputCache
{
	const EncryptedType *type;
	FmgrInfo base_input;
	Oid base_parameter;
} InputCache;

static InputCache *
input_cache(FmgrInfo *flinfo, Oid type)
{
	InputCache *cache = flinfo->fn_extra;

	if (likely(cache != NULL))
		return cache;
	cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(InputCache));
	cache->type = type_of_oid(type);
	if (cache->type == NULL)
		elog(ERROR, "twin_security: type %u is not an encrypted type", type);
	if (cache->type->codec != &codec_text)
	{
		Oid function;

		getTypeInputInfo(cache->type->codec->base_type, &function, &cache->base_parameter);
		fmgr_info_cxt(function, &cache->base_input, flinfo->fn_mcxt);
	}
	flinfo->fn_extra = cache;
	return cache;
}

/* Reads a plaintext with the base type's input function, without ever quoting it. */
static Datum
read_plaintext(InputCache *cache, char *string)
{
	if (cache->type->codec == &codec_text)
		return PointerGetDatum(cstring_to_text(string));
	return codec_input_hiding(&cache->base_input, string, cache->base_parameter, type_name(cache->type));
}

/* Takes stored bytes in: the right type, and not a probe. */
static struct varlena *
accept(const EncryptedType *type, struct varlena *stored, int32 modifier, int sqlstate)
{
	Envelope envelope;

	base_check(envelope_parse(bytes_of(VARDATA_ANY(stored), VARSIZE_ANY_EXHDR(stored)), &envelope));
	if (envelope.flags != (type->searchable ? ENVELOPE_HAS_BLIND_TAG : 0))
		ereport(ERROR, (errcode(sqlstate), errmsg("encrypted value is not one of type %s", type_name(type)),
						errdetail("Searchable values carry a blind tag, storage-only values do not.")));
	return value_rekey(type, type, stored, modifier);
}

/* encrypted_in(cstring, oid, integer) */
Datum
tsec_encrypted_in(PG_FUNCTION_ARGS)
{
	char *string = PG_GETARG_CSTRING(0);
	int32 modifier = PG_GETARG_INT32(2);
	size_t length = strlen(string);
	InputCache *cache = input_cache(fcinfo->flinfo, PG_GETARG_OID(1));
	ErrorContextCallback *saved;
	struct varlena *result;

	if (armor_looks_like(string, length))
	{
		size_t size;

		result = palloc(VARHDRSZ + armor_value_bound(length));
		base_check(armor_read(string, length, (uint8 *) VARDATA(result), &size));
		SET_VARSIZE(result, VARHDRSZ + size);
		PG_RETURN_POINTER(accept(cache->type, result, modifier, ERRCODE_INVALID_TEXT_REPRESENTATION));
	}

	/* whatever goes wrong from here on, COPY's context line would show the plaintext */
	saved = error_context_stack;
	error_context_stack = NULL;
	result = value_seal(cache->type, read_plaintext(cache, string), modifier);
	error_context_stack = saved;
	PG_RETURN_POINTER(result);
}

/* encrypted_out(encrypted) */
Datum
tsec_encrypted_out(PG_FUNCTION_ARGS)
{
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	size_t length = VARSIZE_ANY_EXHDR(stored);
	char *armor;

	if (armor_size(length) >= MaxAllocSize)
		base_throw(TSEC_TOO_LONG);
	armor = palloc(armor_size(length) + 1);
	armor_write(bytes_of(VARDATA_ANY(stored), length), armor);
	armor[armor_size(length)] = '\0';
	PG_RETURN_CSTRING(armor);
}

/* encrypted_recv(internal, oid, integer) */
Datum
tsec_encrypted_recv(PG_FUNCTION_ARGS)
{
	StringInfo message = (StringInfo) PG_GETARG_POINTER(0);
	int32 modifier = PG_GETARG_INT32(2);
	const EncryptedType *type = fcinfo->flinfo->fn_extra;
	int length = message->len - message->cursor;
	struct varlena *result;

	if (type == NULL)
	{
		type = type_of_oid(PG_GETARG_OID(1));
		if (type == NULL)
			elog(ERROR, "twin_security: type %u is not an encrypted type", PG_GETARG_OID(1));
		fcinfo->flinfo->fn_extra = (void *) type;
	}
	result = palloc(VARHDRSZ + length);
	SET_VARSIZE(result, VARHDRSZ + length);
	pq_copymsgbytes(message, VARDATA(result), length);
	PG_RETURN_POINTER(accept(type, result, modifier, ERRCODE_INVALID_BINARY_REPRESENTATION));
}

/* encrypted_send(encrypted) */
Datum
tsec_encrypted_send(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(PG_DETOAST_DATUM_COPY(PG_GETARG_DATUM(0)));
}

/* Parses '#' and exactly eight hexadecimal digits. */
static bool
parse_hex_modifier(const char *word, int32 *modifier)
{
	char *end;
	unsigned long number;

	if (word[0] != '#' || strspn(word + 1, "0123456789abcdefABCDEF") != 8 || word[9] != '\0')
		return false;
	number = strtoul(word + 1, &end, 16);
	if (number > PG_INT32_MAX)
		return false;
	*modifier = (int32) number;
	return true;
}

/* key_modifier_in(cstring[]) -> integer; reads no catalog: a restore creates tables before the keys exist */
Datum
tsec_key_modifier_in(PG_FUNCTION_ARGS)
{
	ArrayType *array = PG_GETARG_ARRAYTYPE_P(0);
	Datum *words;
	char *word;
	int count;
	int32 modifier;

	deconstruct_array(array, CSTRINGOID, -2, false, TYPALIGN_CHAR, &words, NULL, &count);
	if (count != 1)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("an encrypted type takes one modifier, the name of its key"),
						errhint("For example: twin.encrypted_text(main).")));
	word = DatumGetCString(words[0]);
	if (word[0] == '#')
	{
		if (!parse_hex_modifier(word, &modifier))
			ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("invalid key modifier \"%s\"", word),
							errhint("A modifier in numbers is '#' and eight hexadecimal digits.")));
	}
	else
		modifier = keyring_modifier_of(word);
	if (modifier == keyring_modifier_of(KEY_NAME_LITERAL) || modifier == keyring_modifier_of(KEY_NAME_ENVIRONMENT) ||
		pg_strncasecmp(word, KEY_NAME_INDEX_PREFIX, strlen(KEY_NAME_INDEX_PREFIX)) == 0) /* public: a name */
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no column may hold values under the key \"%s\"", word),
						errhint("Name a key made by twin.create_key(), or (main).")));
	PG_RETURN_INT32(modifier);
}

/* key_modifier_out(integer) -> cstring: the key's name, or '#hex' where no key has the modifier */
Datum
tsec_key_modifier_out(PG_FUNCTION_ARGS)
{
	int32 modifier = PG_GETARG_INT32(0);
	const char *name;

	if (modifier < 0)
		PG_RETURN_CSTRING(pstrdup(""));
	name = keyring_name_of(modifier);
	PG_RETURN_CSTRING(name ? psprintf("(%s)", quote_identifier(name)) : psprintf("('#%08x')", modifier));
}
