/*
 * partition.c
 *		Whether there is a partition for an event: asked of the partition bounds
 *		themselves, whatever the partitions are called and whoever made them.
 */
#include "event/private.h"

#include "access/table.h"
#include "catalog/namespace.h"
#include "partitioning/partbounds.h"
#include "partitioning/partdesc.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/partcache.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_event_partition_covers);

/* The table that holds a class's partitions; InvalidOid for anything else of that name. */
static Oid
class_relation(const char *class_name)
{
	char name[NAMEDATALEN];
	Oid relation;

	snprintf(name, sizeof(name), "events_%s", class_name);
	relation = get_relname_relid(name, get_namespace_oid(TSEC_INTERNAL_SCHEMA, false));
	return OidIsValid(relation) && get_rel_relkind(relation) == RELKIND_PARTITIONED_TABLE ? relation : InvalidOid;
}

bool
partition_covers(const char *class_name, TimestampTz at)
{
	Oid oid = class_relation(class_name);
	Relation relation;
	PartitionKey key;
	PartitionDesc partitions;
	Datum value = TimestampTzGetDatum(at);
	bool covered = false;

	if (!OidIsValid(oid))
		return false;
	relation = table_open(oid, AccessShareLock);
	key = RelationGetPartitionKey(relation);
	partitions = RelationGetPartitionDesc(relation, true);
	if (key->strategy == PARTITION_STRATEGY_RANGE && key->partnatts == 1 && key->parttypid[0] == TIMESTAMPTZOID &&
		partitions->nparts > 0)
	{
		PartitionBoundInfo bounds = partitions->boundinfo;
		bool equal;
		int below = partition_range_datum_bsearch(key->partsupfunc, key->partcollation, bounds, 1, &value, &equal);

		/* a default partition takes whatever the others do not */
		covered = bounds->indexes[below + 1] >= 0 || partition_bound_has_default(bounds);
	}
	table_close(relation, AccessShareLock);
	return covered;
}

/* event_partition_covers(class text, at timestamptz) -> boolean */
Datum
tsec_event_partition_covers(PG_FUNCTION_ARGS)
{
	PG_RETURN_BOOL(partition_covers(text_to_cstring(PG_GETARG_TEXT_PP(0)), PG_GETARG_TIMESTAMPTZ(1)));
}
