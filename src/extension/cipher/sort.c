/*
 * sort.c
 *		Sorting encrypted values, each opened once.
 *
 * A sort keeps, beside each tuple, a key made when the tuple comes in: here
 * the opened value itself, or the address of an opened value in memory.  Keys
 * decide alone.  Tuples that spill to disk are written without them, as
 * ciphertext; merging the runs opens values again, once each time they are
 * read, with a small store of those at hand.
 *
 * Equal values must have equal keys (the server's DISTINCT aggregates rely on
 * it), so values whose canonical bytes are equal share one address.  Of a value
 * that lies outside its tuple only the digest of these bytes is kept.
 *
 * Generations: tuples in memory come to less than work_mem, and leave it all
 * at once when a run is written.  So of two generations of opened values the
 * older can go when the tuples of the younger come to more than work_mem: its
 * own have been written by then.  A bounded sort, which keeps old tuples,
 * never uses keys.
 */
#include "cipher/private.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/pg_locale.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_order_sortsupport);

#define ADDRESSES_FIRST 1024

/* Values at hand in a merge of runs; larger ones than this are opened each time. */
#define RECENT_COUNT 4096
#define RECENT_SIZE_MAX 1024

/* An opened value that tuples in memory have as key. */
typedef struct Kept
{
	Datum value;  /* the opened value, or the pointer to one outside its tuple */
	bool outside; /* which of the two */
	uint32 size;  /* of the canonical bytes, or the digest of those of a value outside */
	const uint8 *canonical;
} Kept;

typedef struct Generation
{
	MemoryContext context;
	Kept **addresses;     /* open addressing by hash of the canonical bytes; equal ones once */
	uint32 address_count; /* a power of two */
	uint32 filled;
	Size tuple_bytes; /* size of the values in tuples since it began, less than the tuples take in the sort */
} Generation;

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
	Generation generations[2];
	int young;             /* which of them */
	MemoryContext scratch; /* of the value or the two values at hand */
	MemoryContext context; /* of the recent values */
	Recent *recent;        /* NULL until asked for */
} EncryptedSort;

/* ---- values opened lately ---- */

/* The opened value; it stays until the scratch context is reset, or two more were asked for. */
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
		sort->recent = MemoryContextAllocZero(sort->context, sizeof(Recent) * RECENT_COUNT);
	recent = &sort->recent[bytes_get_u16(envelope.nonce) % RECENT_COUNT];
	tag = bytes_get_u32(envelope.tag);
	if (recent->filled && recent->tag == tag &&
		memcmp(recent->nonce, envelope.nonce, AEAD_NONCE_SIZE) == 0) /* public: nonces */
		return sort->by_value ? recent->plain : datumCopy(recent->plain, false, sort->length);

	plain = value_open(sort->type, stored, NO_MODIFIER);
	if (sort->by_value || datumGetSize(plain, false, sort->length) <= RECENT_SIZE_MAX)
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
	}
	return plain;
}

/* ---- generations ---- */

static void
begin_generation(Generation *generation)
{
	MemoryContextReset(generation->context);
	generation->address_count = ADDRESSES_FIRST;
	generation->filled = 0;
	generation->tuple_bytes = 0;
	generation->addresses = MemoryContextAllocZero(generation->context, sizeof(Kept *) * generation->address_count);
}

/* Where a value with these canonical bytes is kept, or belongs. */
static Kept **
find_address(const Generation *generation, const uint8 *canonical, uint32 size, bool outside)
{
	uint32 at = DatumGetUInt32(hash_any(canonical, (int) size));

	for (;; at++)
	{
		Kept **address = &generation->addresses[at & (generation->address_count - 1)];
		const Kept *kept = *address;

		if (kept == NULL || (kept->size == size && kept->outside == outside &&
							 memcmp(kept->canonical, canonical, size) == 0)) /* public: a sort tells equality */
			return address;
	}
}

static void
grow_addresses(Generation *generation)
{
	Kept **old = generation->addresses;
	uint32 count = generation->address_count;

	generation->address_count *= 2;
	generation->addresses = MemoryContextAllocExtended(
		generation->context, sizeof(Kept *) * (Size) generation->address_count, MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 0; i < count; i++)
		if (old[i] != NULL)
			*find_address(generation, old[i]->canonical, old[i]->size, old[i]->outside) = old[i];
	pfree(old);
}

/* The generation that a tuple with a value of a size belongs to. */
static Generation *
generation_for(EncryptedSort *sort, Size size)
{
	Generation *generation = &sort->generations[sort->young];

	if (generation->tuple_bytes > sort->work_bytes)
	{
		sort->young = 1 - sort->young;
		generation = &sort->generations[sort->young];
		begin_generation(generation);
	}
	generation->tuple_bytes += size;
	return generation;
}

/* The address of an opened value, kept for as long as its tuple can be in memory. */
static Datum
address_of(EncryptedSort *sort, Datum value, Datum plain)
{
	bool outside = VARATT_IS_EXTERNAL(DatumGetPointer(value));
	Generation *generation = generation_for(sort, VARSIZE_ANY(DatumGetPointer(value)));
	const Codec *codec = sort->type->codec;
	uint8 digest[DIGEST_SIZE];
	Plain canonical;
	Kept **address;
	Kept *kept;
	MemoryContext old;

	if (codec->is_bytes)
	{
		canonical.data = (const uint8 *) VARDATA_ANY(DatumGetPointer(plain));
		canonical.length = VARSIZE_ANY_EXHDR(DatumGetPointer(plain));
	}
	else if (codec->canonical)
		codec->canonical(plain, &canonical);
	else
		codec->encode(plain, &canonical);
	if (outside)
	{
		base_check(digest_sha256(bytes_of(canonical.data, canonical.length), digest));
		canonical.data = digest;
		canonical.length = sizeof(digest);
	}

	if (generation->filled >= generation->address_count / 2)
		grow_addresses(generation);
	address = find_address(generation, canonical.data, (uint32) canonical.length, outside);
	if (*address != NULL)
		return PointerGetDatum(*address);

	old = MemoryContextSwitchTo(generation->context);
	kept = palloc(sizeof(Kept));
	kept->outside = outside;
	kept->value = outside ? datumCopy(value, false, -1) : datumCopy(plain, false, sort->length);
	kept->size = (uint32) canonical.length;
	if (codec->is_bytes && !outside)
		kept->canonical = (const uint8 *) VARDATA_ANY(DatumGetPointer(kept->value));
	else
		kept->canonical = memcpy(palloc(canonical.length + 1), canonical.data, canonical.length);
	MemoryContextSwitchTo(old);
	*address = kept;
	generation->filled++;
	return PointerGetDatum(kept);
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

	/* keys that were equal; in a merge of runs there are none any more */
	if (ssup->abbrev_converter != NULL)
		return 0;
	MemoryContextReset(sort->scratch);
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

/* The value of a key that is an address. */
static inline Datum
value_at(EncryptedSort *sort, const Kept *kept)
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

/* Compares keys that are addresses. */
static int
compare_addresses(Datum a, Datum b, SortSupport ssup)
{
	EncryptedSort *sort = ssup->ssup_extra;
	const Kept *x = (const Kept *) DatumGetPointer(a);
	const Kept *y = (const Kept *) DatumGetPointer(b);

	if (x == y)
		return 0;
	if (unlikely(x->outside || y->outside))
		MemoryContextReset(sort->scratch);
	return sort->inner.comparator(value_at(sort, x), value_at(sort, y), &sort->inner);
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
		key = address_of(sort, value, key);
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
	if (can_have_keys(ssup))
	{
		ssup->abbrev_converter = make_key;
		ssup->abbrev_abort = keep_keys;
		ssup->abbrev_full_comparator = compare_full;
		if (looks_at_keys_alone(sort->inner.comparator) && sort->by_value)
			ssup->comparator = sort->inner.comparator;
		else
			ssup->comparator = sort->by_value ? compare_values : compare_addresses;
		for (int i = 0; !sort->by_value && i < 2; i++)
		{
			sort->generations[i].context =
				AllocSetContextCreate(ssup->ssup_cxt, "twin_security sort values", ALLOCSET_DEFAULT_SIZES);
			begin_generation(&sort->generations[i]);
		}
	}
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
