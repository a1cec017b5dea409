/*
 * sort.c
 *		Sorting encrypted values, each opened once.
 *
 * A sort keeps, beside each tuple, a key made when the tuple comes in: here
 * the opened value itself, or what stands for one kept in memory (sort_kept.c).
 * Keys decide alone.  Tuples that spill to disk are written without them, as
 * ciphertext; merging the runs opens values again, with a store of those
 * opened lately.
 */
#include "cipher/sort.h"

#include <math.h>

#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_order_sortsupport);

/* Values opened lately: at least so many, one more per so much work_mem; larger values are opened each time. */
#define RECENT_LEAST 4096
#define RECENT_MOST 1048576
#define RECENT_PER_BYTES 256
#define RECENT_SIZE_MAX 1024

/* A value opened lately, by the nonce it was sealed with and the beginning of its authentication tag. */
typedef struct Recent
{
	uint8 nonce[AEAD_NONCE_SIZE];
	uint32 tag;
	bool filled;
	Datum plain;
} Recent;

typedef struct EncryptedSort
{
	const EncryptedType *type;
	int16 length; /* of the base type, as in pg_type */
	bool by_value;
	SortSupportData inner; /* the base type's */
	Size work_bytes;       /* of work_mem */
	MemoryContext scratch; /* of the value or the two values at hand */
	MemoryContext context; /* of the recent values */
	Recent *recent;        /* NULL until asked for */
	uint32 recent_count;
	Recent *in_use;    /* by the comparison at hand */
	KeptValues *kept;  /* NULL where keys are the values themselves */
	bool keys_decided; /* whether the values of the keys compared last were both there */
} EncryptedSort;

/* ---- values opened lately ---- */

/* Forgets the values of the comparison before. */
static inline void
begin_comparison(EncryptedSort *sort)
{
	MemoryContextReset(sort->scratch);
	sort->in_use = NULL;
}

/* The opened value; it and one more asked for after it stay until the next comparison. */
static Datum
recent_value(EncryptedSort *sort, Datum value)
{
	struct varlena *stored = PG_DETOAST_DATUM_PACKED(value);
	Envelope envelope;
	Recent *recent;
	uint32 tag;
	Datum plain;

	value_parse(sort->type, stored, &envelope);
	if (unlikely(sort->recent == NULL))
	{
		sort->recent_count = (uint32) Min(Max(sort->work_bytes / RECENT_PER_BYTES, RECENT_LEAST), RECENT_MOST);
		sort->recent = MemoryContextAllocZero(sort->context, sizeof(Recent) * sort->recent_count);
	}
	recent = &sort->recent[bytes_get_u32(envelope.nonce) % sort->recent_count];
	tag = bytes_get_u32(envelope.tag);
	if (recent->filled && recent->tag == tag &&
		memcmp(recent->nonce, envelope.nonce, AEAD_NONCE_SIZE) == 0) /* public: nonces */
	{
		sort->in_use = recent;
		return recent->plain;
	}
	plain = value_open(sort->type, stored, NO_MODIFIER);
	if (recent != sort->in_use && (sort->by_value || datumGetSize(plain, false, sort->length) <= RECENT_SIZE_MAX))
	{
		MemoryContext old = MemoryContextSwitchTo(sort->context);

		if (recent->filled && !sort->by_value)
			pfree(DatumGetPointer(recent->plain));
		recent->filled = false;
		recent->plain = datumCopy(plain, sort->by_value, sort->length);
		MemoryContextSwitchTo(old);
		memcpy(recent->nonce, envelope.nonce, AEAD_NONCE_SIZE);
		recent->tag = tag;
		recent->filled = true;
		sort->in_use = recent;
		return recent->plain;
	}
	return plain;
}

/* ---- what the sort calls ---- */

/* Compares whole values. */
static int
compare_full(Datum a, Datum b, SortSupport ssup)
{
	EncryptedSort *sort = ssup->ssup_extra;
	MemoryContext old;
	Datum x;
	Datum y;

	/* equal keys are equal values; but in a merge of runs there are no keys any more */
	if (ssup->abbrev_converter != NULL && (sort->by_value || sort->keys_decided))
		return 0;
	begin_comparison(sort);
	old = MemoryContextSwitchTo(sort->scratch);
	x = recent_value(sort, a);
	y = recent_value(sort, b);
	MemoryContextSwitchTo(old);
	return sort->inner.comparator(x, y, &sort->inner);
}

/* Compares keys that are values whose comparator wants the base type's SortSupport. */
static int
compare_values(Datum a, Datum b, SortSupport ssup)
{
	EncryptedSort *sort = ssup->ssup_extra;

	return sort->inner.comparator(a, b, &sort->inner);
}

/* The value that is kept, or lies outside its tuple. */
static inline Datum
value_of(EncryptedSort *sort, const Kept *kept)
{
	MemoryContext old;
	Datum value;

	if (likely(!kept->outside))
		return kept->value;
	old = MemoryContextSwitchTo(sort->scratch);
	value = recent_value(sort, kept->value);
	MemoryContextSwitchTo(old);
	return value;
}

/* Compares keys that stand for values; where one is not there the whole values decide, which the server compares next. */
static int
compare_keys(Datum a, Datum b, SortSupport ssup)
{
	EncryptedSort *sort = ssup->ssup_extra;
	const Kept *x = kept_find(sort->kept, a);
	const Kept *y = kept_find(sort->kept, b);
	Datum left;
	Datum right;

	sort->keys_decided = x != NULL && y != NULL;
	if (x == y || !sort->keys_decided)
		return 0;
	begin_comparison(sort);
	left = value_of(sort, x);
	right = value_of(sort, y);
	return sort->inner.comparator(left, right, &sort->inner);
}

/* Equal numbers have equal keys, whatever their bits. */
static Datum
float8_key(Datum value)
{
	float8 number = DatumGetFloat8(value);

	if (isnan(number))
		return Float8GetDatum(get_float8_nan());
	return Float8GetDatum(number == 0 ? 0 : number);
}

/* The key of a value that comes in. */
static Datum
make_key(Datum value, SortSupport ssup)
{
	EncryptedSort *sort = ssup->ssup_extra;
	MemoryContext old;
	Datum key;

	MemoryContextReset(sort->scratch);
	old = MemoryContextSwitchTo(sort->scratch);
	key = value_open(sort->type, PG_DETOAST_DATUM_PACKED(value), NO_MODIFIER);
	if (!sort->by_value)
		key = kept_key(sort->kept, value, key);
	else if (sort->type->codec == &codec_float8)
		key = float8_key(key);
	MemoryContextSwitchTo(old);
	return key;
}

/* Keys are never given up. */
static bool
keep_keys(int count, SortSupport ssup)
{
	return false;
}

/* The server sorts faster with these three, which look at the keys alone. */
static bool
looks_at_keys_alone(int (*comparator)(Datum x, Datum y, SortSupport ssup))
{
	return comparator == ssup_datum_unsigned_cmp || comparator == ssup_datum_int32_cmp
#if SIZEOF_DATUM >= 8
		   || comparator == ssup_datum_signed_cmp
#endif
		;
}

/* Whether keys can be used: not where texts may be equal whose bytes differ, since equal values must have equal keys. */
static bool
can_have_keys(SortSupport ssup)
{
	return ssup->abbreviate &&
		   (!OidIsValid(ssup->ssup_collation) || get_collation_isdeterministic(ssup->ssup_collation));
}

static EncryptedSort *
make_sort(const EncryptedType *type, SortSupport ssup)
{
	EncryptedSort *sort = MemoryContextAllocZero(ssup->ssup_cxt, sizeof(EncryptedSort));

	sort->type = type;
	get_typlenbyval(type->codec->base_type, &sort->length, &sort->by_value);
	sort->work_bytes = (Size) work_mem * 1024;
	sort->context = ssup->ssup_cxt;
	sort->scratch = AllocSetContextCreate(ssup->ssup_cxt, "twin_security sort scratch", ALLOCSET_SMALL_SIZES);
	sort->inner.ssup_cxt = ssup->ssup_cxt;
	sort->inner.ssup_collation = ssup->ssup_collation;
	PrepareSortSupportFromOrderingOp(lookup_type_cache(type->codec->base_type, TYPECACHE_LT_OPR)->lt_opr,
									 &sort->inner);
	return sort;
}

/* order_sortsupport(internal) -> void */
Datum
tsec_order_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);
	MemoryContext old = MemoryContextSwitchTo(ssup->ssup_cxt);
	EncryptedSort *sort = make_sort(type_of_function_name(fcinfo->flinfo->fn_oid, "_order_sortsupport"), ssup);

	ssup->ssup_extra = sort;
	ssup->comparator = compare_full;
	if (can_have_keys(ssup) && (sort->by_value || sizeof(Datum) >= sizeof(uint64)))
	{
		ssup->abbrev_converter = make_key;
		ssup->abbrev_abort = keep_keys;
		ssup->abbrev_full_comparator = compare_full;
		if (looks_at_keys_alone(sort->inner.comparator) && sort->by_value)
			ssup->comparator = sort->inner.comparator;
		else
			ssup->comparator = sort->by_value ? compare_values : compare_keys;
		if (!sort->by_value)
			sort->kept = kept_new(ssup->ssup_cxt, sort->type, sort->length, sort->work_bytes,
								  ssup->ssup_attno == 0 && !COMPAT_DATUM_SORT_COUNTS_MEMORY);
	}
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
