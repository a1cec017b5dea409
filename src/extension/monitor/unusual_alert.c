/*
 * unusual_alert.c
 *		Tells of unusual access: an alert whose details say in words and numbers what
 *		was unusual about which hour.
 */
#include "monitor/unusual.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/json.h"
#include "utils/timestamp.h"

#include <math.h>

#define INT8_ARRAY_OID 1016 /* pg_type has no name for it */

/* Reasons that are told: as many at most, and none that adds less to the score. */
#define REASONS_MAX 4
#define PART_LEAST 0.2f

static TimestampTz
time_of_hour(uint32 hour)
{
	return (TimestampTz) hour * USECS_PER_HOUR - (POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE) * USECS_PER_DAY;
}

/* ---- words ---- */

/* What an amount usually is, rounded. */
static uint64
usual_amount(const AnomalyUsual *usual)
{
	double amount = exp2(Min(usual->mean, 60)) - 1;

	return amount > 0 ? (uint64) (amount + 0.5) : 0;
}

static void
say_amount(StringInfo to, const AnomalyProfile *profile, AnomalyAmount amount, const char *what)
{
	const AnomalyUsual *usual = &profile->usual[amount];

	appendStringInfo(to, UINT64_FORMAT " %s in this hour, ", profile->window.amounts[amount], what);
	if (usual->count > 0)
		appendStringInfo(to, "where about " UINT64_FORMAT " are usual", usual_amount(usual));
	else
		appendStringInfoString(to, "where none are usual");
}

static const char *
weekday_of(uint32 hour)
{
	static const char *const names[] = {"Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday"};

	return names[hour / 24 % 7]; /* 1970 began on a Thursday */
}

static int
keys_of(const AnomalyWindow *window, AnomalySort sort)
{
	int count = 0;

	for (int i = 0; i < window->key_count; i++)
		count += window->keys[i].sort == sort;
	return count;
}

static uint32
pause_days(const AnomalyProfile *profile)
{
	uint32 hours = profile->window.hour > profile->last ? profile->window.hour - profile->last : 0;

	return hours >= 7 * 24 ? hours / 24 : (uint32) profile->pause;
}

static void
say(StringInfo to, AnomalyFeature feature, const AnomalyProfile *profile)
{
	const AnomalyWindow *window = &profile->window;

	switch (feature)
	{
		case ANOMALY_HOUR:
			appendStringInfo(to, "active on %s at %02u:00 UTC, which is rare", weekday_of(window->hour),
							 window->hour % 24);
			break;
		case ANOMALY_PAUSE:
			appendStringInfo(to, "back after %u days without activity", pause_days(profile));
			break;
		case ANOMALY_NETWORK:
			appendStringInfoString(to, "from a network that is new to the user, and that few others use");
			break;
		case ANOMALY_OBJECT:
			appendStringInfo(to, "of %d tables and keys used, some are new to the user",
							 keys_of(window, ANOMALY_OBJECTS));
			break;
		case ANOMALY_ACTION:
			appendStringInfo(to, "of %d kinds of action, some are new to the user", keys_of(window, ANOMALY_ACTIONS));
			break;
		case ANOMALY_ROWS:
			say_amount(to, profile, ANOMALY_AMOUNT_ROWS, "rows read");
			break;
		case ANOMALY_TREND:
			appendStringInfoString(to, "for many hours, each time more rows read than usual");
			break;
		case ANOMALY_VALUES:
			say_amount(to, profile, ANOMALY_AMOUNT_VALUES, "values decrypted");
			break;
		case ANOMALY_CHANGES:
			say_amount(to, profile, ANOMALY_AMOUNT_CHANGES, "rows changed");
			break;
		case ANOMALY_DENIALS:
			appendStringInfo(to, "%u denials in this hour", window->denials);
			break;
		default:
			break;
	}
}

/* ---- the alert ---- */

/* Features in the order of what they add to the score. */
static void
order_features(const AnomalyScore *score, int order[ANOMALY_FEATURES])
{
	for (int i = 0; i < ANOMALY_FEATURES; i++)
	{
		int at = i;

		for (; at > 0 && score->parts[order[at - 1]] < score->parts[i]; at--)
			order[at] = order[at - 1];
		order[at] = i;
	}
}

/* {"features": {"hour": 0.0, ...}, "because": ["...", ...]} and the rest, as text */
static char *
details_of(const UnusualProfile *kept, const AnomalyScore *score)
{
	const AnomalyWindow *window = &kept->profile.window;
	int order[ANOMALY_FEATURES];
	StringInfoData json;
	StringInfoData words;

	initStringInfo(&json);
	initStringInfo(&words);
	appendStringInfo(
		&json,
		"{\"subject_is\": \"%s\", \"score\": %.1f, \"hours_known\": %u, \"events\": %u, \"rows_read\": " UINT64_FORMAT
		", \"values_decrypted\": " UINT64_FORMAT ", \"rows_changed\": " UINT64_FORMAT ", \"denials\": %u, "
		"\"window_hour\": %u, \"features\": {",
		kept->user.is_role ? "role" : "user", score->score, kept->profile.windows, window->events,
		window->amounts[ANOMALY_AMOUNT_ROWS], window->amounts[ANOMALY_AMOUNT_VALUES],
		window->amounts[ANOMALY_AMOUNT_CHANGES], window->denials, window->hour);
	for (int i = 0; i < ANOMALY_FEATURES; i++)
		appendStringInfo(&json, "%s\"%s\": %.2f", i == 0 ? "" : ", ", anomaly_feature_names[i], score->features[i]);
	appendStringInfoString(&json, "}, \"because\": [");
	order_features(score, order);
	for (int i = 0; i < REASONS_MAX && (i == 0 || score->parts[order[i]] >= PART_LEAST); i++)
	{
		resetStringInfo(&words);
		say(&words, (AnomalyFeature) order[i], &kept->profile);
		appendStringInfoString(&json, i == 0 ? "" : ", ");
		escape_json(&json, words.data);
	}
	appendStringInfoString(&json, "]}");
	return json.data;
}

/* The rule's severity; NULL while it raises nothing about the user in this hour. */
static char *
severity_of(const UnusualProfile *kept)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, TIMESTAMPTZOID, TIMESTAMPTZOID};
	Datum values[] = {CStringGetTextDatum(UNUSUAL_RULE), CStringGetTextDatum(kept->user.name),
					  CStringGetTextDatum(kept->user.is_role ? "role" : "user"),
					  TimestampTzGetDatum(time_of_hour(kept->profile.window.hour)),
					  TimestampTzGetDatum(kept->last_active)};

	/* once in an hour, however short the cooldown is */
	stream_run(
		&plan,
		"SELECT r.severity FROM twin.alert_rules r WHERE r.rule_name = $1 AND r.enabled AND NOT EXISTS (SELECT FROM "
		"twin_internal.alerts a WHERE a.rule_name = $1 AND a.subject = $2 AND a.details->>'subject_is' = $3 AND "
		"(a.event_time BETWEEN $4 AND $5 OR a.event_time <= $5 AND a.event_time + r.cooldown > $5))",
		5, types, values, NULL, SPI_OK_SELECT);
	return SPI_processed == 1 ? SPI_getvalue(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1) : NULL;
}

void
unusual_alert(const UnusualProfile *kept, const AnomalyModel *model)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TEXTOID, TEXTOID, TEXTOID, INT8OID, INT8_ARRAY_OID, TEXTOID, TIMESTAMPTZOID};
	char *severity = severity_of(kept);
	Datum ids[UNUSUAL_EVENTS];
	Datum values[7];
	AnomalyScore score;

	if (severity == NULL)
		return;
	anomaly_score(model, &kept->profile, true, &score);
	for (int i = 0; i < kept->event_count; i++)
		ids[i] = Int64GetDatum(kept->events[i]);
	values[0] = CStringGetTextDatum(UNUSUAL_RULE);
	values[1] = CStringGetTextDatum(severity);
	values[2] = CStringGetTextDatum(kept->user.name);
	values[3] = Int64GetDatum(kept->profile.window.events);
	values[4] = PointerGetDatum(
		construct_array(ids, kept->event_count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
	values[5] = CStringGetTextDatum(details_of(kept, &score));
	values[6] = TimestampTzGetDatum(kept->last_active);
	stream_run(&plan, "SELECT twin_internal.raise_alert($1, $2, $3, $4, $5, $6::jsonb, $7)", 7, types, values, NULL,
			   SPI_OK_SELECT);
}
