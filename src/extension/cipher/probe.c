/*
 * probe.c
 *		Comparing a searchable column with a plain value: email = $1::text.
 *
 * The plain side becomes a probe, a value that holds a blind tag and nothing
 * else.  The planner is told to rewrite "column = plain" into "column =
 * probe(plain)", whose "=" is the immutable one of equality.c, so indexes and
 * row security treat it as any other equality; probe() is stable and computed
 * once per index scan.  Where it is called per row, and where the operator is
 * run as written (= ANY of an array), the last tag is remembered.
 */
#include "cipher/private.h"

#include "nodes/makefuncs.h"
#include "nodes/nodeFuncs.h"
#include "nodes/supportnodes.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/lsyscache.h"
#include "utils/typcache.h"

PG_FUNCTION_INFO_V1(tsec_probe);
PG_FUNCTION_INFO_V1(tsec_probe_array);
PG_FUNCTION_INFO_V1(tsec_equal_plain);
PG_FUNCTION_INFO_V1(tsec_not_equal_plain);
PG_FUNCTION_INFO_V1(tsec_plain_equal);
PG_FUNCTION_INFO_V1(tsec_plain_not_equal);
PG_FUNCTION_INFO_V1(tsec_probe_support);

/* The last plain value seen at a place of a query, and its probe. */
typedef struct ProbeMemo
{
	const EncryptedType *type;
	int16 length; /* of the base type, as in pg_type */
	bool by_value;
	bool filled;
	uint64 generation;
	Datum plain;
	struct varlena *probe;
} ProbeMemo;

static struct varlena *
remembered_probe(FmgrInfo *flinfo, const EncryptedType *type, Datum plain)
{
	ProbeMemo *memo = flinfo->fn_extra;
	struct varlena *probe;
	MemoryContext old;

	if (!memo->by_value && memo->length == -1)
		plain = PointerGetDatum(PG_DETOAST_DATUM_PACKED(plain));
	if (memo->filled && memo->generation == keyring_generation() &&
		datum_image_eq(memo->plain, plain, memo->by_value, memo->length))
		return memo->probe;

	if (memo->filled)
	{
		memo->filled = false;
		if (!memo->by_value)
			pfree(DatumGetPointer(memo->plain));
		pfree(memo->probe);
	}
	probe = value_probe(type, plain);
	old = MemoryContextSwitchTo(flinfo->fn_mcxt);
	memo->probe = palloc(VARSIZE(probe));
	memcpy(memo->probe, probe, VARSIZE(probe));
	memo->plain = datumCopy(plain, memo->by_value, memo->length);
	memo->generation = keyring_generation();
	memo->filled = true;
	MemoryContextSwitchTo(old);
	return memo->probe;
}

static ProbeMemo *
make_memo(FmgrInfo *flinfo, const EncryptedType *type)
{
	ProbeMemo *memo = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(ProbeMemo));

	memo->type = type;
	get_typlenbyval(type->codec->base_type, &memo->length, &memo->by_value);
	flinfo->fn_extra = memo;
	return memo;
}

/* probe(base) -> encrypted */
Datum
tsec_probe(PG_FUNCTION_ARGS)
{
	ProbeMemo *memo = fcinfo->flinfo->fn_extra;
	struct varlena *probe;
	struct varlena *copy;

	if (unlikely(memo == NULL))
		memo = make_memo(fcinfo->flinfo, type_of_result(fcinfo->flinfo->fn_oid));
	probe = remembered_probe(fcinfo->flinfo, memo->type, PG_GETARG_DATUM(0));
	copy = palloc(VARSIZE(probe));
	memcpy(copy, probe, VARSIZE(probe));
	PG_RETURN_POINTER(copy);
}

/* Compares the encrypted argument with the plain one; which is which differs by operator. */
static bool
equal_plain(FunctionCallInfo fcinfo, int encrypted, int plain)
{
	ProbeMemo *memo = fcinfo->flinfo->fn_extra;

	if (unlikely(memo == NULL))
		memo = make_memo(fcinfo->flinfo, type_of_argument(fcinfo->flinfo->fn_oid, encrypted));
	return DatumGetBool(
		DirectFunctionCall2(tsec_equal, PG_GETARG_DATUM(encrypted),
							PointerGetDatum(remembered_probe(fcinfo->flinfo, memo->type, PG_GETARG_DATUM(plain)))));
}

Datum
tsec_equal_plain(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(equal_plain(fcinfo, 0, 1));
}

Datum
tsec_not_equal_plain(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!equal_plain(fcinfo, 0, 1));
}

Datum
tsec_plain_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(equal_plain(fcinfo, 1, 0));
}

Datum
tsec_plain_not_equal(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(!equal_plain(fcinfo, 1, 0));
}

/* An array of probes of the base values of an array; NULL elements, which nothing equals, are left out. */
static ArrayType *
probes_of(const EncryptedType *type, ArrayType *plain)
{
	Oid element = type_oid(type);
	Oid base = type->codec->base_type;
	int16 length;
	bool by_value;
	char alignment;
	Datum *values;
	bool *nulls;
	int given;
	int made = 0;

	get_typlenbyvalalign(base, &length, &by_value, &alignment);
	deconstruct_array(plain, base, length, by_value, alignment, &values, &nulls, &given);
	for (int i = 0; i < given; i++)
		if (!nulls[i])
			values[made++] = PointerGetDatum(value_probe(type, values[i]));
	return construct_array(values, made, element, -1, false, TYPALIGN_INT);
}

/* probe_array(base[]) -> encrypted[] */
Datum
tsec_probe_array(PG_FUNCTION_ARGS)
{
	const EncryptedType *type = fcinfo->flinfo->fn_extra;

	if (unlikely(type == NULL))
		fcinfo->flinfo->fn_extra = unconstify(
			EncryptedType *, type = type_of_oid(get_element_type(get_func_rettype(fcinfo->flinfo->fn_oid))));
	if (type == NULL)
		elog(ERROR, "twin_security: function %u does not return encrypted values", fcinfo->flinfo->fn_oid);
	PG_RETURN_ARRAYTYPE_P(probes_of(type, PG_GETARG_ARRAYTYPE_P(0)));
}

/* What EXPLAIN and whatever else prints the plan shows of a constant's probe is armor instead of the plaintext. */
Expr *
probe_expression(const EncryptedType *type, Node *plain, bool is_array)
{
	char name[NAMEDATALEN];
	Oid from = is_array ? get_array_type(type->codec->base_type) : type->codec->base_type;
	Oid to = is_array ? get_array_type(type_oid(type)) : type_oid(type);
	Oid function;

	if (IsA(plain, Const) && ((Const *) plain)->consttype == from && !((Const *) plain)->constisnull)
	{
		Datum value = ((Const *) plain)->constvalue;

		value = is_array ? PointerGetDatum(probes_of(type, DatumGetArrayTypeP(value)))
						 : PointerGetDatum(value_probe(type, value));
		return (Expr *) makeConst(to, -1, InvalidOid, -1, value, false, false);
	}

	snprintf(name, sizeof(name), "probe_%s", type_name(type));
	function = base_internal_function(name, &from, 1);
	if (!OidIsValid(function))
		return NULL;
	return (Expr *) makeFuncExpr(function, to, list_make1(plain), InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL);
}

/* Planner support of the mixed operators: column = plain becomes column = probe(plain). */
Datum
tsec_probe_support(PG_FUNCTION_ARGS)
{
	Node *raw = (Node *) PG_GETARG_POINTER(0);
	SupportRequestSimplify *request;
	const EncryptedType *type;
	TypeCacheEntry *cache;
	Node *encrypted;
	Node *plain;
	Expr *probe;
	Oid operator;
	char *name;

	if (!IsA(raw, SupportRequestSimplify))
		PG_RETURN_POINTER(NULL);
	request = (SupportRequestSimplify *) raw;
	if (list_length(request->fcall->args) != 2)
		PG_RETURN_POINTER(NULL);

	encrypted = linitial(request->fcall->args);
	plain = lsecond(request->fcall->args);
	type = type_of_oid(exprType(encrypted));
	if (type == NULL)
	{
		Node *swap = encrypted;

		encrypted = plain;
		plain = swap;
		type = type_of_oid(exprType(encrypted));
	}
	if (type == NULL || !type->searchable)
		PG_RETURN_POINTER(NULL);

	cache = lookup_type_cache(exprType(encrypted), TYPECACHE_EQ_OPR);
	operator= cache->eq_opr;
	name = get_func_name(request->fcall->funcid);
	if (name != NULL && strncmp(name, "ne_", 3) == 0)
		operator= get_negator(operator);
	probe = probe_expression(type, plain, false);
	if (!OidIsValid(operator) || probe == NULL)
		PG_RETURN_POINTER(NULL);
	/* the collation means nothing to the operator, but an index is only looked at under its own */
	PG_RETURN_POINTER(
		make_opclause(operator, BOOLOID, false, (Expr *) encrypted, probe, InvalidOid, request->fcall->inputcollid));
}
