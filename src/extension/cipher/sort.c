/*
 * sort.c
 *		Sorting encrypted values, each opened once.
 *
 * A sort keeps, beside each tuple, a key made when the tuple comes in: here
 * the opened value itself, or the number of an opened value kept in memory.
 * Keys decide alone.  Tuples that spill to disk are written without them, as
 * ciphertext; merging the runs opens values again, with a store of those
 * opened lately.
 *
 * Equal values must have equal keys (the server's DISTINCT aggregates rely on
 * it), so values whose canonical bytes are equal share one number.  Of a value
 * that lies outside its tuple only the digest of these bytes is kept.
 *
 * Generations: tuples in memory come to less than work_mem, and leave it all at
 * once when a run is written.  So of two generations of kept values the older
 * can go when the tuples of the younger come to more than work_mem: its own
 * have been written by then.  Nothing is at stake if a server thinks otherwise:
 * a key names its generation, and where one has gone, or was never kept, the
 * whole values are compared.  Only the number of equal keys would be wrong, so
 * where a server does not count what it holds (compat.h) there is but one
 * generation, and values that come when it is full have the key 0.
 */
#include "cipher/private.h"

#include <math.h>

#include "common/hashfn.h"
#include "miscadmin.h"
#include "utils/datum.h"
#include "utils/float.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/sortsupport.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_order_sortsupport);

#define KEPT_FIRST 1024
#define KEPT_BUDGET 2 /* times work_mem, where there is one generation */

/* Values opened lately: at least so many, one more per so much work_mem; larger values are opened each time. */
#define RECENT_LEAST 4096
#define RECENT_MOST 1048576
#define RECENT_PER_BYTES 256
#define RECENT_SIZE_MAX 1024

/* An opened value, found by its canonical bytes and by its number. */
typedef struct Kept
{
	Datum value;  /* the opened value, or the pointer to one outside its tuple */
	bool outside; /* which of the two */
	uint32 size;  /* of the canonical bytes, or the digest of those of a value outside */
	const uint8 *canonical;
} Kept;

typedef struct Generation
{
	uint32 id; /* never 0; stands in the keys */
	MemoryContext context;
	Kept *kept;       /* by number; 0 is none */
	uint32 count;     /* the next number */
	uint32 room;      /* a power of two */
	uint32 *places;   /* numbers by hash of the canonical bytes; twice as many as there is room */
	Size tuple_bytes; /* of the values in tuples since it began, less than the tuples take in the sort */
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
	MemoryContext scratch; /* of the value or the two values at hand */
	MemoryContext context; /* of the recent values */
	Recent *recent;        /* NULL until asked for */
	uint32 recent_count;
	Recent *in_use; /* by the comparison at hand */
	Generation generations[2];
	int young;      /* which of them */
	uint32 last_id; /* given to a generation */
	bool one_generation;
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

/* ---- kept values ---- */

/* Where the number of a value with these canonical bytes stands, or belongs. */
static uint32 *
find_place(const Generation *generation, const uint8 *canonical, uint32 size, bool outside)
{
	uint32 at = DatumGetUInt32(hash_any(canonical, (int) size));

	for (;; at++)
	{
		uint32 *place = &generation->places[at & (2 * generation->room - 1)];
		const Kept *kept = &generation->kept[*place];

		if (*place == 0 || (kept->size == size && kept->outside == outside &&
							memcmp(kept->canonical, canonical, size) == 0)) /* public: a sort tells equality */
			return place;
	}
}

/* Doubles the room, or makes the first. */
static void
make_room(Generation *generation)
{
	uint32 room = generation->room ? generation->room * 2 : KEPT_FIRST;
	Kept *kept = MemoryContextAllocHuge(generation->context, sizeof(Kept) * (Size) room);

	if (generation->room != 0)
	{
		memcpy(kept, generation->kept, sizeof(Kept) * generation->count);
		pfree(generation->kept);
		pfree(generation->places);
	}
	generation->kept = kept;
	generation->room = room;
	generation->places = MemoryContextAllocExtended(generation->context, sizeof(uint32) * 2 * (Size) room,
													MCXT_ALLOC_HUGE | MCXT_ALLOC_ZERO);
	for (uint32 i = 1; i < generation->count; i++)
		*find_place(generation, kept[i].canonical, kept[i].size, kept[i].outside) = i;
}

static void
begin_generation(Generation *generation, uint32 id)
{
	MemoryContextReset(generation->context);
	generation->id = id;
	generation->room = 0;
	generation->count = 1;
	generation->tuple_bytes = 0;
	make_room(generation);
}

/* The generation that a tuple with a value of a size belongs to; NULL when there is but one and it is full. */
static Generation *
generation_for(EncryptedSort *sort, Size size)
{
	Generation *generation = &sort->generations[sort->young];

	if (sort->one_generation)
		return MemoryContextMemAllocated(generation->context, false) > sort->work_bytes * KEPT_BUDGET ? NULL
																									  : generation;
	if (generation->tuple_bytes > sort->work_bytes && sort->last_id < PG_UINT32_MAX)
	{
		sort->young = 1 - sort->young;
		begin_generation(&sort->generations[sort->young], ++sort->last_id);
		generation = &sort->generations[sort->young];
	}
	generation->tuple_bytes += size;
	return generation;
}

/* Keeps an opened value and returns its number. */
static uint32
keep(EncryptedSort *sort, Generation *generation, Datum value, Datum plain, const Plain *canonical, bool outside)
{
	MemoryContext old;
	Kept *kept;

	if (generation->count == generation->room)
		make_room(generation);
	kept = &generation->kept[generation->count];
	old = MemoryContextSwitchTo(generation->context);
	kept->outside = outside;
	kept->value = outside ? datumCopy(value, false, -1) : datumCopy(plain, false, sort->length);
	kept->size = (uint32) canonical->length;
	if (sort->type->codec->is_bytes && !outside)
		kept->canonical = (const uint8 *) VARDATA_ANY(DatumGetPointer(kept->value));
	else
		kept->canonical = memcpy(palloc(canonical->length + 1), canonical->data, canonical->length);
	MemoryContextSwitchTo(old);
	*find_place(generation, kept->canonical, kept->size, outside) = generation->count;
	return generation->count++;
}

/* The canonical bytes of an opened value, or for a value outside its tuple their digest. */
static void
make_canonical(const EncryptedSort *sort, Datum plain, bool outside, uint8 digest[DIGEST_SIZE], Plain *canonical)
{
	const Codec *codec = sort->type->codec;

	if (codec->is_bytes)
	{
		canonical->data = (const uint8 *) VARDATA_ANY(DatumGetPointer(plain));
		canonical->length = VARSIZE_ANY_EXHDR(DatumGetPointer(plain));
	}
	else if (codec->canonical)
		codec->canonical(plain, canonical);
	else
		codec->encode(plain, canonical);
	if (!outside)
		return;
	base_check(digest_sha256(bytes_of(canonical->data, canonical->length), digest));
	canonical->data = digest;
	canonical->length = DIGEST_SIZE;
}

/* The key of an opened value: its generation and its number there, or 0. */
static Datum
key_of(EncryptedSort *sort, Datum value, Datum plain)
{
	bool outside = VARATT_IS_EXTERNAL(DatumGetPointer(value));
	Generation *generation = generation_for(sort, VARSIZE_ANY(DatumGetPointer(value)));
	uint8 digest[DIGEST_SIZE];
	Plain canonical;
	uint32 number;

	make_canonical(sort, plain, outside, digest, &canonical);
	if (generation == NULL)
	{
		generation = &sort->generations[sort->young];
		number = *find_place(generation, canonical.data, (uint32) canonical.length, outside);
		return number == 0 ? (Datum) 0 : UInt64GetDatum((uint64) generation->id << 32 | number);
	}
	number = *find_place(generation, canonical.data, (uint32) canonical.length, outside);
	if (number == 0)
		number = keep(sort, generation, value, plain, &canonical, outside);
	return UInt64GetDatum((uint64) generation->id << 32 | number);
}

/* The value a key stands for; NULL when it is not, or no longer, there. */
static const Kept *
kept_of(const EncryptedSort *sort, Datum key)
{
	uint32 id = (uint32) (DatumGetUInt64(key) >> 32);
	uint32 number = (uint32) DatumGetUInt64(key);

	for (int i = 0; i < 2; i++)
		if (sort->generations[i].id == id && number != 0 && number < sort->generations[i].count)
			return &sort->generations[i].kept[number];
	return NULL;
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
	const Kept *x = kept_of(sort, a);
	const Kept *y = kept_of(sort, b);
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
		key = key_of(sort, value, key);
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
			ssup->comparator = sort->by_value ? compare_values : compare_keys;
		sort->one_generation = ssup->ssup_attno == 0 && !COMPAT_DATUM_SORT_COUNTS_MEMORY;
		for (int i = 0; !sort->by_value && i < 2; i++)
		{
			sort->generations[i].context =
				AllocSetContextCreate(ssup->ssup_cxt, "twin_security sort values", ALLOCSET_DEFAULT_SIZES);
			begin_generation(&sort->generations[i], ++sort->last_id);
		}
	}
	MemoryContextSwitchTo(old);
	PG_RETURN_VOID();
}
