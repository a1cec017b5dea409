/*
 * order.c
 *		Comparing encrypted values by what they hold: < <= >= > and ==.
 *
 * Every comparison opens both sides, so it needs decrypt on their keys, is
 * stable and never leakproof, and says what the base type's own operator says
 * (text under the collation in force).  == exists because a sort order needs
 * an equality of its own: "=" of the searchable types compares blind tags, and
 * as a member of this family it would invite merge joins that decrypt.
 *
 * A side that stays the same throughout a statement, such as the literal of a
 * BETWEEN, is opened once.
 */
#include "cipher/private.h"

#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_less);
PG_FUNCTION_INFO_V1(tsec_less_or_equal);
PG_FUNCTION_INFO_V1(tsec_greater_or_equal);
PG_FUNCTION_INFO_V1(tsec_greater);
PG_FUNCTION_INFO_V1(tsec_same);
PG_FUNCTION_INFO_V1(tsec_compare);
PG_FUNCTION_INFO_V1(tsec_order_options);

/* One side of a comparison. */
typedef struct Side
{
	const EncryptedType *type; /* NULL: a plain value */
	int32 expected;            /* the modifier its expression declares */
	bool keeps;                /* the same value at every call of a statement */
	uint64 generation;         /* of the keyring, when it was opened */
	struct varlena *stored;    /* what was opened last, NULL at first */
	Datum plain;
} Side;

/* What a comparison remembers between calls. */
typedef struct OrderCache
{
	Side sides[2];
	FmgrInfo compare; /* of the base type */
	int16 length;     /* of the base type, as in pg_type */
	bool by_value;
} OrderCache;

static OrderCache *
make_cache(FmgrInfo *flinfo)
{
	OrderCache *cache = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(OrderCache));
	const EncryptedType *type = NULL;
	Oid *arguments;
	int count;

	(void) get_func_signature(flinfo->fn_oid, &arguments, &count);
	for (int i = 0; i < 2; i++)
	{
		Side *side = &cache->sides[i];

		side->type = count == 2 ? type_of_oid(arguments[i]) : NULL;
		if (side->type == NULL)
			continue;
		type = side->type;
		side->expected = declared_modifier(flinfo->fn_expr, i);
		side->keeps = get_fn_expr_arg_stable(flinfo, i);
	}
	if (type == NULL)
		elog(ERROR, "twin_security: function %u does not compare encrypted values", flinfo->fn_oid);
	get_typlenbyval(type->codec->base_type, &cache->length, &cache->by_value);
	type_base_compare(type, &cache->compare, flinfo->fn_mcxt);
	flinfo->fn_extra = cache;
	return cache;
}

/* Whether two stored values are the same, byte for byte. */
static bool
are_same_bytes(const struct varlena *left, const struct varlena *right)
{
	return VARSIZE_ANY_EXHDR(left) == VARSIZE_ANY_EXHDR(right) &&
		   memcmp(VARDATA_ANY(left), VARDATA_ANY(right), VARSIZE_ANY_EXHDR(left)) == 0; /* public: stored bytes */
}

/* Opens a side that keeps its value, unless it was opened before. */
static Datum
kept_value(OrderCache *cache, Side *side, struct varlena *stored, MemoryContext context)
{
	uint64 generation = keyring_generation();
	MemoryContext old;
	Datum plain;

	if (likely(side->stored != NULL && side->generation == generation && are_same_bytes(side->stored, stored)))
		return side->plain;

	plain = value_open(side->type, stored, side->expected);
	if (side->stored != NULL)
	{
		if (!cache->by_value)
			pfree(DatumGetPointer(side->plain));
		pfree(side->stored);
		side->stored = NULL;
	}
	old = MemoryContextSwitchTo(context);
	side->plain = datumCopy(plain, cache->by_value, cache->length);
	side->stored = (struct varlena *) DatumGetPointer(datumCopy(PointerGetDatum(stored), false, -1));
	side->generation = generation;
	MemoryContextSwitchTo(old);
	return side->plain;
}

static Datum
side_value(FunctionCallInfo fcinfo, OrderCache *cache, int n)
{
	Side *side = &cache->sides[n];
	struct varlena *stored;

	if (side->type == NULL)
		return PG_GETARG_DATUM(n);
	stored = PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(n));
	if (side->keeps)
		return kept_value(cache, side, stored, fcinfo->flinfo->fn_mcxt);
	return value_open(side->type, stored, side->expected);
}

/* Compares the two arguments by the base type's order: below, at or above zero. */
static int
compare(FunctionCallInfo fcinfo)
{
	OrderCache *cache = fcinfo->flinfo->fn_extra;
	Datum left;
	Datum right;

	if (unlikely(cache == NULL))
		cache = make_cache(fcinfo->flinfo);
	left = side_value(fcinfo, cache, 0);
	right = side_value(fcinfo, cache, 1);
	return DatumGetInt32(FunctionCall2Coll(&cache->compare, PG_GET_COLLATION(), left, right));
}

Datum
tsec_less(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) < 0);
}

Datum
tsec_less_or_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) <= 0);
}

Datum
tsec_greater_or_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) >= 0);
}

Datum
tsec_greater(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare(fcinfo) > 0);
}

/* Whether both arguments are encrypted, and the same stored value. */
static bool
have_same_bytes(FunctionCallInfo fcinfo, const OrderCache *cache)
{
	return cache->sides[0].type != NULL && cache->sides[1].type != NULL &&
		   are_same_bytes(PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(0)), PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(1)));
}

/* A subscriber without the key finds replicated rows by this: they are what the publisher has, to the byte. */
Datum
tsec_same(PG_FUNCTION_ARGS)
{
	if (fcinfo->flinfo->fn_extra == NULL)
		(void) make_cache(fcinfo->flinfo);
	PG_RETURN_BOOL(have_same_bytes(fcinfo, fcinfo->flinfo->fn_extra) || compare(fcinfo) == 0);
}

Datum
tsec_compare(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare(fcinfo));
}

/*
 * order_options(internal) -> void: what the server asks of an operator class whenever an index uses it, and never when
 * it sorts.  An index in plaintext order would tell the order to whoever reads the disk, and no row could be written
 * or restored without the key.  Raised here, the refusal also ends CREATE INDEX CONCURRENTLY before it commits anything.
 */
Datum
tsec_order_options(PG_FUNCTION_ARGS)
{
	ereport(ERROR,
			(errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			 errmsg("encrypted columns cannot be indexed by the order of what they hold"),
			 errdetail("Such an index would tell the order of the values to whoever reads the disk."),
			 errhint("For equality, give the column a searchable type (twin.encrypted_..._eq) and index that.")));
}
