/*
 * mask.c
 *		twin.mask() and twin.reveal(): what a role sees that may mask, and no more.
 *
 * A value is opened here and wiped here; only its mask leaves.  The pattern
 * comes from the column's label, put in by the planner (mask_plan.c), never
 * from the caller.  Where no pattern came, a value under a key that has masked
 * columns is masked fully: it may have been copied out of one of them.
 *
 * reveal() gives the value itself to whom decrypt was granted, else its mask as
 * a value of the base type: applications and views see one type of column.
 */
#include "cipher/mask_private.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_mask);
PG_FUNCTION_INFO_V1(tsec_reveal);

typedef struct MaskCache
{
	const EncryptedType *type;
	const MaskForm *form;
	int32 expected;
} MaskCache;

static MaskCache *
mask_cache(FmgrInfo *flinfo)
{
	MaskCache *cache = flinfo->fn_extra;

	if (likely(cache != NULL))
		return cache;
	cache = MemoryContextAlloc(flinfo->fn_mcxt, sizeof(MaskCache));
	cache->type = type_of_argument(flinfo->fn_oid, 0);
	cache->form = mask_form_of(cache->type);
	cache->expected = declared_modifier(flinfo->fn_expr, 0);
	flinfo->fn_extra = cache;
	return cache;
}

/* The pattern that applies: the planner's, or the default; what is wrong in any way hides everything. */
static void
choose_pattern(FunctionCallInfo fcinfo, const MaskCache *cache, const struct varlena *stored, MaskPattern *pattern)
{
	const Key *key = value_key(cache->type, stored);

	*pattern = (MaskPattern){.kind = MASK_DEFAULT};
	if (PG_NARGS() > 1)
	{
		text *word = PG_GETARG_TEXT_PP(1);

		if (!mask_parse(VARDATA_ANY(word), VARSIZE_ANY_EXHDR(word), pattern) || !mask_fits(cache->form, pattern))
			pattern->kind = MASK_FULL;
	}
	else if (!key->is_literal && mask_label_on_key(key->modifier))
		pattern->kind = MASK_FULL;
}

/* Opens a value and gives its mask, as text or as the base type; the plaintext is wiped however this ends. */
static Datum
open_and_mask(const MaskCache *cache, const struct varlena *stored, const MaskPattern *pattern, bool as_text,
			  bool *isnull)
{
	volatile Datum result = (Datum) 0;
	Opened opened;

	value_open_plain(cache->type, stored, cache->expected, KEY_MASK, &opened);
	PG_TRY();
	{
		Bytes plain = bytes_of(opened.data, opened.length);

		if (as_text)
			result = PointerGetDatum(cache->form->mask(cache->type->codec, pattern, plain));
		else
			result = cache->form->reveal(cache->type->codec, pattern, plain, isnull);
	}
	PG_FINALLY();
	{
		value_wipe(&opened);
	}
	PG_END_TRY();
	return result;
}

/* mask(encrypted), mask_as(encrypted, pattern) -> text */
Datum
tsec_mask(PG_FUNCTION_ARGS)
{
	const MaskCache *cache = mask_cache(fcinfo->flinfo);
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	MaskPattern pattern;
	const char *masked;

	choose_pattern(fcinfo, cache, stored, &pattern);
	masked = DatumGetPointer(open_and_mask(cache, stored, &pattern, true, NULL));
	PG_RETURN_TEXT_P(cstring_to_text(masked != NULL ? masked : MASK_FULL_TEXT));
}

/* reveal(encrypted), reveal_as(encrypted, pattern) -> base type */
Datum
tsec_reveal(PG_FUNCTION_ARGS)
{
	const MaskCache *cache = mask_cache(fcinfo->flinfo);
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0));
	MaskPattern pattern;
	Datum value;

	if (value_open_if_allowed(cache->type, stored, cache->expected, &value))
		return value;
	choose_pattern(fcinfo, cache, stored, &pattern);
	return open_and_mask(cache, stored, &pattern, false, &fcinfo->isnull);
}
