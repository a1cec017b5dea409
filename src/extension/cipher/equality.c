/*
 * equality.c
 *		Equality, hashing and the tag order of the searchable types.
 *
 * All of it compares blind tags as they are stored: no key, no error, nothing
 * that depends on the session.  That is why these functions are immutable and
 * truthfully leakproof, and why indexes keep working under row security, on a
 * standby without the key, and during a restore.  The order is that of the
 * tags and means nothing; it exists for btree indexes and merge joins.
 */
#include "cipher/private.h"

#include "common/hashfn.h"
#include "port/pg_bswap.h"
#include "utils/builtins.h"
#include "utils/sortsupport.h"

PG_FUNCTION_INFO_V1(tsec_equal);
PG_FUNCTION_INFO_V1(tsec_not_equal);
PG_FUNCTION_INFO_V1(tsec_tag_less);
PG_FUNCTION_INFO_V1(tsec_tag_less_or_equal);
PG_FUNCTION_INFO_V1(tsec_tag_greater_or_equal);
PG_FUNCTION_INFO_V1(tsec_tag_greater);
PG_FUNCTION_INFO_V1(tsec_tag_compare);
PG_FUNCTION_INFO_V1(tsec_tag_hash);
PG_FUNCTION_INFO_V1(tsec_tag_hash_extended);
PG_FUNCTION_INFO_V1(tsec_tag_sortsupport);
PG_FUNCTION_INFO_V1(tsec_blind_tag);

#define TAG_END (ENVELOPE_FIXED_SIZE + BLIND_TAG_SIZE)

/*
 * Copies a value's blind tag.  Of a toasted value only the first bytes are
 * fetched.  A damaged value that is too short gives zeroes: raising here would
 * tell something about a row that a policy hides.
 */
static inline void
copy_tag(Datum value, uint8 tag[BLIND_TAG_SIZE])
{
	struct varlena *stored = (struct varlena *) DatumGetPointer(value);

	if (unlikely(VARATT_IS_EXTERNAL(stored) || VARATT_IS_COMPRESSED(stored)))
		stored = PG_DETOAST_DATUM_SLICE(value, 0, TAG_END);
	if (likely(VARSIZE_ANY_EXHDR(stored) >= TAG_END))
		memcpy(tag, VARDATA_ANY(stored) + ENVELOPE_FIXED_SIZE, BLIND_TAG_SIZE);
	else
		memset(tag, 0, BLIND_TAG_SIZE);
	if (unlikely(stored != (struct varlena *) DatumGetPointer(value)))
		pfree(stored);
}

static inline int
compare_tags(Datum a, Datum b)
{
	uint8 left[BLIND_TAG_SIZE];
	uint8 right[BLIND_TAG_SIZE];

	copy_tag(a, left);
	copy_tag(b, right);
	return memcmp(left, right, BLIND_TAG_SIZE); /* public: stored tags */
}

Datum
tsec_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) == 0);
}

Datum
tsec_not_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) != 0);
}

Datum
tsec_tag_less(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) < 0);
}

Datum
tsec_tag_less_or_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) <= 0);
}

Datum
tsec_tag_greater_or_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) >= 0);
}

Datum
tsec_tag_greater(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)) > 0);
}

Datum
tsec_tag_compare(PG_FUNCTION_ARGS)
{
	PG_RETURN_INT32(compare_tags(PG_GETARG_DATUM(0), PG_GETARG_DATUM(1)));
}

Datum
tsec_tag_hash(PG_FUNCTION_ARGS)
{
	uint8 tag[BLIND_TAG_SIZE];

	copy_tag(PG_GETARG_DATUM(0), tag);
	return hash_any(tag, BLIND_TAG_SIZE);
}

Datum
tsec_tag_hash_extended(PG_FUNCTION_ARGS)
{
	uint8 tag[BLIND_TAG_SIZE];

	copy_tag(PG_GETARG_DATUM(0), tag);
	return hash_any_extended(tag, BLIND_TAG_SIZE, PG_GETARG_INT64(1));
}

/* ---- sorting by tag: the first eight bytes as an abbreviated key decide nearly always ---- */

static int
compare_full(Datum a, Datum b, SortSupport ssup)
{
	return compare_tags(a, b);
}

static Datum
abbreviate(Datum value, SortSupport ssup)
{
	uint8 tag[BLIND_TAG_SIZE];

	copy_tag(value, tag);
	return (Datum) bytes_get_u64(tag);
}

/* Tags are uniform, so abbreviation never has to be given up. */
static bool
keep_abbreviating(int count, SortSupport ssup)
{
	return false;
}

Datum
tsec_tag_sortsupport(PG_FUNCTION_ARGS)
{
	SortSupport ssup = (SortSupport) PG_GETARG_POINTER(0);

	order_by_refuse_early();
	ssup->comparator = compare_full;
	if (ssup->abbreviate && sizeof(Datum) == 8)
	{
		ssup->comparator = ssup_datum_unsigned_cmp;
		ssup->abbrev_converter = abbreviate;
		ssup->abbrev_abort = keep_abbreviating;
		ssup->abbrev_full_comparator = compare_full;
	}
	PG_RETURN_VOID();
}

/* blind_tag(encrypted) -> bytea: for a unique index over values too long for a btree entry */
Datum
tsec_blind_tag(PG_FUNCTION_ARGS)
{
	bytea *tag = palloc(VARHDRSZ + BLIND_TAG_SIZE);

	SET_VARSIZE(tag, VARHDRSZ + BLIND_TAG_SIZE);
	copy_tag(PG_GETARG_DATUM(0), (uint8 *) VARDATA(tag));
	PG_RETURN_BYTEA_P(tag);
}
