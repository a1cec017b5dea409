/*
 * analyze.c
 *		Statistics of encrypted columns: null fraction, width, number of distinct
 *		values.  No value is ever stored, not even as armor: a list of the most
 *		common ones would tell their frequencies to every reader of pg_stats.
 */
#include "cipher/private.h"

#include <math.h>

#include "catalog/pg_statistic.h"
#include "commands/vacuum.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_encrypted_analyze);

#define TARGET_DEFAULT_ROWS 300

static int
compare_words(const void *a, const void *b)
{
	uint64 left = *(const uint64 *) a;
	uint64 right = *(const uint64 *) b;

	return left < right ? -1 : left > right;
}

/* Number of distinct values by the estimator of Haas and Stokes (1998), as the server's own analyze does. */
static double
estimate_distinct(uint64 *tags, int count, double total_rows, double null_fraction)
{
	int distinct = 0;
	int once = 0;
	double rows = total_rows * (1 - null_fraction);
	double estimate;

	qsort(tags, count, sizeof(uint64), compare_words);
	for (int i = 0; i < count;)
	{
		int run = 1;

		while (i + run < count && tags[i + run] == tags[i])
			run++;
		distinct++;
		once += run == 1;
		i += run;
	}
	if (once == count)
		return -(1 - null_fraction); /* all different: scales with the table */
	if (once == 0)
		return distinct;
	estimate = (double) count * distinct / ((count - once) + (double) once * count / Max(rows, 1));
	estimate = Min(Max(estimate, distinct), rows);
	return estimate > 0.1 * total_rows ? -estimate / total_rows : floor(estimate + 0.5);
}

static void
compute_statistics(VacAttrStats *stats, AnalyzeAttrFetchFunc fetch, int sampled, double total_rows)
{
	const EncryptedType *type = stats->extra_data;
	uint64 *tags = palloc(sizeof(uint64) * Max(sampled, 1));
	int count = 0;
	int nulls = 0;
	double width = 0;

	for (int i = 0; i < sampled; i++)
	{
		bool isnull;
		Datum value = fetch(stats, i, &isnull);

		TSEC_VACUUM_DELAY_POINT();
		if (isnull)
		{
			nulls++;
			continue;
		}
		width += VARSIZE_ANY(DatumGetPointer(value));
		if (type->searchable)
			tags[count] = DatumGetUInt64(DirectFunctionCall2(tsec_tag_hash_extended, value, Int64GetDatum(0)));
		count++;
	}
	if (sampled == 0)
		return;
	stats->stats_valid = true;
	stats->stanullfrac = (float4) nulls / sampled;
	stats->stawidth = count > 0 ? (int32) (width / count) : 0;
	if (count == 0)
		stats->stadistinct = 0;
	else if (type->searchable)
		stats->stadistinct = (float4) estimate_distinct(tags, count, total_rows, stats->stanullfrac);
	else
		stats->stadistinct = -1 + stats->stanullfrac; /* no two sealed values are alike */
	pfree(tags);
}

/* encrypted_analyze(internal) -> boolean */
Datum
tsec_encrypted_analyze(PG_FUNCTION_ARGS)
{
	VacAttrStats *stats = (VacAttrStats *) PG_GETARG_POINTER(0);
	int target = TSEC_STATISTICS_TARGET(stats);
	int32 modifier = -1;
	const EncryptedType *type = type_of_oid(getBaseTypeAndTypmod(stats->attrtypid, &modifier));

	if (type == NULL)
		PG_RETURN_BOOL(false);
	if (target < 0)
		target = TSEC_STATISTICS_TARGET(stats) = default_statistics_target;
	stats->extra_data = (void *) type;
	stats->compute_stats = compute_statistics;
	stats->minrows = TARGET_DEFAULT_ROWS * target;
	PG_RETURN_BOOL(true);
}
