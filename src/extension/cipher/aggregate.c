/*
 * aggregate.c
 *		min, max, sum and avg of encrypted values: each value is opened and given
 *		to the transition function of the base type's own aggregate.
 *
 * The SQL function's name ends with that of the server's function it hands
 * over to (aggregate_list.txt): encrypted_bigint_int8larger opens and calls
 * int8larger.  States, final, combining and serialising functions are the
 * server's, so partial aggregation in parallel workers comes with them.
 */
#include "cipher/private.h"

#include "utils/lsyscache.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_accumulate);

/* What a transition function remembers. */
typedef struct Transition
{
	const EncryptedType *type;
	int32 expected; /* the modifier the aggregate's argument declares */
	FmgrInfo next;  /* the base type's transition function */
} Transition;

/* The modifier of an aggregate's argument; not known of a window function's. */
static int32
modifier_of_argument(FunctionCallInfo fcinfo)
{
	Aggref *aggregate = AggGetAggref(fcinfo);

	if (aggregate == NULL || aggregate->args == NIL)
		return NO_MODIFIER;
	return modifier_of_expression((Node *) linitial_node(TargetEntry, aggregate->args)->expr);
}

static Transition *
make_transition(FunctionCallInfo fcinfo)
{
	FmgrInfo *flinfo = fcinfo->flinfo;
	Transition *transition = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Transition));
	char *name = get_func_name(flinfo->fn_oid);
	Oid next;

	transition->type = type_of_argument(flinfo->fn_oid, 1);
	/* the name is twin's own: encrypted_TYPE[_eq]_NEXT */
	next = name ? fmgr_internal_function(name + strlen(type_name(transition->type)) + 1) : InvalidOid;
	if (!OidIsValid(next))
		elog(ERROR, "twin_security: function %u has no transition function to hand over to", flinfo->fn_oid);
	fmgr_info_cxt(next, &transition->next, flinfo->fn_mcxt);
	transition->expected = modifier_of_argument(fcinfo);
	flinfo->fn_extra = transition;
	return transition;
}

/* encrypted_X_NEXT(state, encrypted) -> state */
Datum
tsec_accumulate(PG_FUNCTION_ARGS)
{
	Transition *transition = fcinfo->flinfo->fn_extra;
	LOCAL_FCINFO(next, 2);
	Datum plain;
	Datum state;

	if (!AggCheckCallContext(fcinfo, NULL))
		elog(ERROR, "twin_security: aggregate function called in non-aggregate context");
	if (PG_ARGISNULL(1))
	{
		if (PG_ARGISNULL(0))
			PG_RETURN_NULL();
		return PG_GETARG_DATUM(0);
	}
	if (unlikely(transition == NULL))
		transition = make_transition(fcinfo);
	plain = value_open(transition->type, PG_DETOAST_DATUM_PACKED(PG_GETARG_DATUM(1)), transition->expected);
	if (PG_ARGISNULL(0) && transition->next.fn_strict)
		return plain;

	InitFunctionCallInfoData(*next, &transition->next, 2, PG_GET_COLLATION(), fcinfo->context, NULL);
	next->args[0] = fcinfo->args[0];
	next->args[1].value = plain;
	next->args[1].isnull = false;
	state = FunctionCallInvoke(next);
	fcinfo->isnull = next->isnull;
	return state;
}
