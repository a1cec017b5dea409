/*
 * secret.c
 *		How strong the secret of the tokens is: numbers, and nothing of the secret.
 */
#include "compliance/compliance.h"

#include "access/htup_details.h"
#include "datatype/timestamp.h"
#include "funcapi.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_token_lifetime);
PG_FUNCTION_INFO_V1(tsec_token_secret_strength);

/* token_secret_strength(previous boolean) -> (bytes integer, bits double precision); nulls where there is no such secret */
Datum
tsec_token_secret_strength(PG_FUNCTION_ARGS)
{
	TokenSecretStrength strength;
	Datum values[2] = {0};
	bool nulls[2] = {true, true};
	TupleDesc shape;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "return type must be a row type");
	if (token_secret_strength(PG_GETARG_BOOL(0), &strength))
	{
		values[0] = Int32GetDatum((int32) strength.length);
		values[1] = Float8GetDatum(strength.bits);
		nulls[0] = nulls[1] = false;
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}

/* token_lifetime() -> interval: of access tokens; raises 55000 where the environment says what is no number */
Datum
tsec_token_lifetime(PG_FUNCTION_ARGS)
{
	Interval *lifetime = palloc0(sizeof(Interval));

	lifetime->time = token_default_lifetime() * USECS_PER_SEC;
	PG_RETURN_INTERVAL_P(lifetime);
}
