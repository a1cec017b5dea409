/*
 * unusual_excuse.c
 *		An analyst's word that an alert was none: see mark_alert_false() in unusual.sql.
 */
#include "monitor/unusual.h"

#include "utils/builtins.h"

PG_FUNCTION_INFO_V1(tsec_excuse_access);

/* The features that an alert's details name, one that they do not name as always; false where there are none. */
static bool
take_features(const Jsonb *details, float features[ANOMALY_FEATURES])
{
	JsonbValue space;
	JsonbValue *all = !JB_ROOT_IS_OBJECT(details)
						  ? NULL
						  : getKeyJsonValueFromContainer(unconstify(JsonbContainer *, &details->root), "features",
														 strlen("features"), &space);

	if (all == NULL || all->type != jbvBinary || !JsonContainerIsObject(all->val.binary.data))
		return false;
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		features[i] =
			(float) Min(unusual_number(all->val.binary.data, anomaly_feature_names[i]), (double) ANOMALY_FEATURE_MAX);
	return true;
}

bool
unusual_excuse(AnomalyProfile *profile, const Jsonb *details)
{
	float features[ANOMALY_FEATURES];

	if (!take_features(details, features))
		return false;
	anomaly_excuse(profile, (uint32) Min(unusual_number(&details->root, "window_hour"), PG_INT32_MAX), features);
	return true;
}

/* excuse_access(profile bytea, details jsonb) -> bytea: to the profile an alert's features are as always from its hour on */
Datum
tsec_excuse_access(PG_FUNCTION_ARGS)
{
	bytea *bytes = PG_GETARG_BYTEA_PP(0);
	Jsonb *details = PG_GETARG_JSONB_P(1);
	bytea *result = palloc(VARHDRSZ + ANOMALY_PROFILE_SIZE);
	float features[ANOMALY_FEATURES];
	AnomalyProfile profile;

	if (!take_features(details, features))
		ereport(ERROR, (errcode(ERRCODE_DATA_EXCEPTION), errmsg("an alert of unusual access names no features")));
	if (!anomaly_read_profile(bytes_of(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)), &profile))
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("a profile of somebody's access is damaged")));
	(void) unusual_excuse(&profile, details);
	SET_VARSIZE(result, VARHDRSZ + ANOMALY_PROFILE_SIZE);
	anomaly_write_profile(&profile, (uint8 *) VARDATA(result));
	PG_RETURN_BYTEA_P(result);
}
