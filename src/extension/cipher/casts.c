/*
 * casts.c
 *		Base value to encrypted, encrypted to encrypted, encrypted to base.
 *
 * The cast of a type to itself is what PostgreSQL calls for a type modifier:
 * it brings a value under the column's key.  It is volatile, so one literal
 * spread over many rows is sealed anew for each.  It needs encrypt on the
 * column's key and, unless the value is a literal, decrypt on the value's:
 * else an encrypt grant on a key of one's own would open everybody's values.
 */
#include "cipher/private.h"

#include "catalog/pg_type.h"
#include "parser/parse_coerce.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_seal);
PG_FUNCTION_INFO_V1(tsec_rekey);
PG_FUNCTION_INFO_V1(tsec_decrypt);
PG_FUNCTION_INFO_V1(tsec_decrypt_to_text);

/* What a sealing cast remembers: the type, and how the argument becomes the base type. */
typedef struct SealCache
{
	const EncryptedType *type;
	bool converts;
	FmgrInfo conversion;
} SealCache;

static SealCache *
seal_cache(FmgrInfo *flinfo)
{
	SealCache *cache = flinfo->fn_extra;
	Oid *arguments;
	int count;
	Oid function;

	if (likely(cache != NULL))
		return cache;
	cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(SealCache));
	cache->type = type_of_oid(get_func_signature(flinfo->fn_oid, &arguments, &count));
	if (cache->type == NULL || count < 1)
		elog(ERROR, "twin_security: function %u does not return an encrypted type", flinfo->fn_oid);
	if (arguments[0] != cache->type->codec->base_type)
	{
		switch (find_coercion_pathway(cache->type->codec->base_type, arguments[0], COERCION_ASSIGNMENT, &function))
		{
			case COERCION_PATH_RELABELTYPE:
				break;
			case COERCION_PATH_FUNC:
				fmgr_info_cxt(function, &cache->conversion, flinfo->fn_mcxt);
				cache->converts = true;
				break;
			default:
				elog(ERROR, "twin_security: no conversion to the base type of %s", type_name(cache->type));
		}
	}
	flinfo->fn_extra = cache;
	return cache;
}

/* encrypted_X(base, modifier integer, explicit boolean) */
Datum
tsec_seal(PG_FUNCTION_ARGS)
{
	SealCache *cache = seal_cache(fcinfo->flinfo);
	Datum value = PG_GETARG_DATUM(0);
	int32 modifier = PG_GETARG_INT32(1);

	if (cache->converts)
		value = codec_call_hiding(&cache->conversion, value, type_name(cache->type));
	if (cache->type->codec == &codec_text)
	{
		struct varlena *text = PG_DETOAST_DATUM_PACKED(value);

		/*
		 * Text is a plaintext, whoever wrote it.  Taken as a value, armor that a client copied from a row he may not
		 * read would be opened for him by whoever may: the application's own parameter would be the oracle.
		 */
		if (unlikely(armor_looks_like(VARDATA_ANY(text), VARSIZE_ANY_EXHDR(text))))
			ereport(ERROR,
					(errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("text that looks like armor is not encrypted"),
					 errhint("To keep an encrypted value as it is, give it as the encrypted type.")));
		value = PointerGetDatum(text);
	}
	PG_RETURN_POINTER(value_seal(cache->type, value, modifier));
}

/* What a cast between encrypted types remembers. */
typedef struct RekeyCache
{
	const EncryptedType *from;
	const EncryptedType *to;
} RekeyCache;

/* encrypted_X(encrypted, modifier integer, explicit boolean) */
Datum
tsec_rekey(PG_FUNCTION_ARGS)
{
	RekeyCache *cache = fcinfo->flinfo->fn_extra;

	if (unlikely(cache == NULL))
	{
		Oid *arguments;
		int count;
		Oid result = get_func_signature(fcinfo->flinfo->fn_oid, &arguments, &count);

		cache = MemoryContextAlloc(fcinfo->flinfo->fn_mcxt, sizeof(RekeyCache));
		cache->from = count > 0 ? type_of_oid(arguments[0]) : NULL;
		cache->to = type_of_oid(result);
		if (cache->from == NULL || cache->to == NULL || cache->from->slot != cache->to->slot)
			elog(ERROR, "twin_security: function %u does not cast between encrypted types", fcinfo->flinfo->fn_oid);
		fcinfo->flinfo->fn_extra = cache;
	}
	PG_RETURN_POINTER(
		value_rekey(cache->from, cache->to, PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), PG_GETARG_INT32(1)));
}

/* What a decrypting function remembers. */
typedef struct OpenCache
{
	const EncryptedType *type;
	int32 expected;   /* the modifier its argument declares, or NO_MODIFIER */
	FmgrInfo to_text; /* the base type's cast to text, or its output function */
	bool casts;       /* which of the two */
} OpenCache;

static OpenCache *
open_cache(FmgrInfo *flinfo)
{
	OpenCache *cache = flinfo->fn_extra;
	Oid *arguments;
	int count;

	if (likely(cache != NULL))
		return cache;
	(void) get_func_signature(flinfo->fn_oid, &arguments, &count);
	cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(OpenCache));
	cache->type = count > 0 ? type_of_oid(arguments[0]) : NULL;
	if (cache->type == NULL)
		elog(ERROR, "twin_security: function %u does not take an encrypted type", flinfo->fn_oid);
	cache->expected = declared_modifier(flinfo->fn_expr, 0);
	if (cache->type->codec != &codec_text)
	{
		Oid base = cache->type->codec->base_type;
		Oid function;
		bool varlena;

		/* boolean and inet have casts to text that write other than their output functions */
		cache->casts = find_coercion_pathway(TEXTOID, base, COERCION_EXPLICIT, &function) == COERCION_PATH_FUNC;
		if (!cache->casts)
			getTypeOutputInfo(base, &function, &varlena);
		fmgr_info_cxt(function, &cache->to_text, flinfo->fn_mcxt);
	}
	flinfo->fn_extra = cache;
	return cache;
}

/* decrypt(encrypted) -> base type */
Datum
tsec_decrypt(PG_FUNCTION_ARGS)
{
	OpenCache *cache = open_cache(fcinfo->flinfo);

	return value_open(cache->type, PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), cache->expected);
}

/* text(encrypted) -> the base value as text */
Datum
tsec_decrypt_to_text(PG_FUNCTION_ARGS)
{
	OpenCache *cache = open_cache(fcinfo->flinfo);
	Datum base = value_open(cache->type, PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), cache->expected);

	if (cache->type->codec == &codec_text)
		return base;
	if (cache->casts)
		return FunctionCall1(&cache->to_text, base);
	PG_RETURN_TEXT_P(cstring_to_text(OutputFunctionCall(&cache->to_text, base)));
}
