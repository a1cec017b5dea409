/*
 * sort_kept.c
 *		Opened values that a sort keeps in memory, and the keys that stand for
 *		them: a generation and a number in it.
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
#include "cipher/sort.h"

#include "common/hashfn.h"
#include "utils/datum.h"
#include "utils/memutils.h"

#define KEPT_FIRST 1024
#define KEPT_BUDGET 2 /* times work_mem, where there is one generation */

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

struct KeptValues
{
	const EncryptedType *type;
	int16 length; /* of the base type, as in pg_type */
	Size work_bytes;
	bool one_generation;
	Generation generations[2];
	int young;      /* which of them */
	uint32 last_id; /* given to a generation */
};

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

/* The generation that a tuple with a value of a size belongs to. */
static Generation *
generation_for(KeptValues *values, Size size)
{
	Generation *generation = &values->generations[values->young];

	if (values->one_generation)
		return generation;
	if (generation->tuple_bytes > values->work_bytes && values->last_id < PG_UINT32_MAX)
	{
		values->young = 1 - values->young;
		generation = &values->generations[values->young];
		begin_generation(generation, ++values->last_id);
	}
	generation->tuple_bytes += size;
	return generation;
}

/* Whether nothing more is to be kept: the only generation has used its budget. */
static bool
is_full(const KeptValues *values, const Generation *generation)
{
	return values->one_generation &&
		   MemoryContextMemAllocated(generation->context, false) > values->work_bytes * KEPT_BUDGET;
}

/* Keeps an opened value and returns its number. */
static uint32
keep(const KeptValues *values, Generation *generation, Datum value, Datum plain, const Plain *canonical, bool outside)
{
	MemoryContext old;
	Kept *kept;

	if (generation->count == generation->room)
		make_room(generation);
	kept = &generation->kept[generation->count];
	old = MemoryContextSwitchTo(generation->context);
	kept->outside = outside;
	kept->value = outside ? datumCopy(value, false, -1) : datumCopy(plain, false, values->length);
	kept->size = (uint32) canonical->length;
	if (values->type->codec->is_bytes && !outside)
		kept->canonical = (const uint8 *) VARDATA_ANY(DatumGetPointer(kept->value));
	else
		kept->canonical = memcpy(palloc(canonical->length + 1), canonical->data, canonical->length);
	MemoryContextSwitchTo(old);
	*find_place(generation, kept->canonical, kept->size, outside) = generation->count;
	return generation->count++;
}

/* The canonical bytes of an opened value, or for a value outside its tuple their digest. */
static void
make_canonical(const KeptValues *values, Datum plain, bool outside, uint8 digest[DIGEST_SIZE], Plain *canonical)
{
	const Codec *codec = values->type->codec;

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

Datum
kept_key(KeptValues *values, Datum value, Datum plain)
{
	bool outside = VARATT_IS_EXTERNAL(DatumGetPointer(value));
	Generation *generation = generation_for(values, VARSIZE_ANY(DatumGetPointer(value)));
	uint8 digest[DIGEST_SIZE];
	Plain canonical;
	uint32 number;

	make_canonical(values, plain, outside, digest, &canonical);
	number = *find_place(generation, canonical.data, (uint32) canonical.length, outside);
	if (number == 0 && !is_full(values, generation))
		number = keep(values, generation, value, plain, &canonical, outside);
	return number == 0 ? (Datum) 0 : UInt64GetDatum((uint64) generation->id << 32 | number);
}

const Kept *
kept_find(const KeptValues *values, Datum key)
{
	uint32 id = (uint32) (DatumGetUInt64(key) >> 32);
	uint32 number = (uint32) DatumGetUInt64(key);

	for (int i = 0; i < 2; i++)
		if (values->generations[i].id == id && number != 0 && number < values->generations[i].count)
			return &values->generations[i].kept[number];
	return NULL;
}

KeptValues *
kept_new(MemoryContext parent, const EncryptedType *type, int16 length, Size work_bytes, bool one_generation)
{
	KeptValues *values = MemoryContextAllocZero(parent, sizeof(KeptValues));

	values->type = type;
	values->length = length;
	values->work_bytes = work_bytes;
	values->one_generation = one_generation;
	for (int i = 0; i < 2; i++)
	{
		values->generations[i].context =
			AllocSetContextCreate(parent, "twin_security sort values", ALLOCSET_DEFAULT_SIZES);
		begin_generation(&values->generations[i], ++values->last_id);
	}
	return values;
}
