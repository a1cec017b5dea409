/*
 * range.c
 *		From when to when a partition is, by its own bounds.
 */
#include "retention/private.h"

#include "access/htup_details.h"
#include "catalog/pg_class.h"
#include "catalog/pg_type.h"
#include "funcapi.h"
#include "nodes/parsenodes.h"
#include "nodes/primnodes.h"
#include "utils/builtins.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/syscache.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_partition_range);

/* One bound as a time; false where there is none, or it is not a time.  What has no time zone is read in the session's. */
static bool
bound_time(List *bounds, Datum *time)
{
	PartitionRangeDatum *bound = list_length(bounds) == 1 ? linitial_node(PartitionRangeDatum, bounds) : NULL;
	Const *value;

	if (bound == NULL || bound->kind != PARTITION_RANGE_DATUM_VALUE)
		return false;
	value = castNode(Const, bound->value);
	if (value->constisnull)
		return false;
	switch (value->consttype)
	{
		case TIMESTAMPTZOID:
			*time = value->constvalue;
			return true;
		case TIMESTAMPOID:
			*time = DirectFunctionCall1(timestamp_timestamptz, value->constvalue);
			return true;
		case DATEOID:
			*time = DirectFunctionCall1(date_timestamptz, value->constvalue);
			return true;
		default:
			return false;
	}
}

/* partition_range(partition regclass) -> (from_time, to_time) */
Datum
tsec_partition_range(PG_FUNCTION_ARGS)
{
	HeapTuple tuple = SearchSysCache1(RELOID, ObjectIdGetDatum(PG_GETARG_OID(0)));
	TupleDesc shape;
	Datum values[2] = {0};
	bool nulls[2] = {true, true};
	bool is_null = true;
	Datum bounds = 0;

	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: return type must be a row type");
	if (HeapTupleIsValid(tuple))
	{
		bounds = SysCacheGetAttr(RELOID, tuple, Anum_pg_class_relpartbound, &is_null);
		if (!is_null)
		{
			Node *node = stringToNode(TextDatumGetCString(bounds));
			PartitionBoundSpec *spec = castNode(PartitionBoundSpec, node);

			if (spec->strategy == PARTITION_STRATEGY_RANGE && !spec->is_default)
			{
				nulls[0] = !bound_time(spec->lowerdatums, &values[0]);
				nulls[1] = !bound_time(spec->upperdatums, &values[1]);
			}
		}
		ReleaseSysCache(tuple);
	}
	PG_RETURN_DATUM(HeapTupleGetDatum(heap_form_tuple(BlessTupleDesc(shape), values, nulls)));
}
