/*
 * unusual_store.c
 *		Profiles and the model, in their tables: see unusual.sql.
 *
 * Profiles are written in the transaction that moves the position in the log, so
 * none counts an event twice or not at all.  The model, which is large and what
 * everybody taught it together, is written now and then: what it learned since
 * is lost with the process, and comes again.
 */
#include "monitor/unusual.h"

#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

/* pg_type has no names for these */
#define BOOL_ARRAY_OID 1000
#define BYTEA_ARRAY_OID 1001
#define TIMESTAMPTZ_ARRAY_OID 1185

/* Profiles there are at most; and how many of those least recently active give way at once. */
#define PROFILES_MAX 10000
#define DISPLACED 100

#define LEARNED_MUCH 64 /* windows */
#define LONG_AGO_MS (10 * 60 * 1000)

static AnomalyModel *model = NULL;
static bool is_read = false;
static int unwritten = 0; /* windows that it learned since it was written */
static TimestampTz written_at = 0;
static int64 profiles = -1; /* about how many there are; -1: not counted yet */

/* ---- the model ---- */

static bytea *
model_bytes(void)
{
	bytea *bytes = palloc(VARHDRSZ + ANOMALY_MODEL_SIZE);

	SET_VARSIZE(bytes, VARHDRSZ + ANOMALY_MODEL_SIZE);
	anomaly_write_model(model, (uint8 *) VARDATA(bytes));
	return bytes;
}

static Bytes
bytes_of_column(int column, bool *null)
{
	Datum value = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, column, null);
	bytea *bytes = *null ? NULL : DatumGetByteaPP(value);

	return *null ? bytes_of(NULL, 0) : bytes_of(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes));
}

/* Puts a model in the table where there is none; false: there is one of another seed. */
static bool
insert_model(void)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, BYTEAOID};
	Datum values[] = {Int64GetDatum((int64) model->seed), PointerGetDatum(model_bytes())};

	stream_run(&plan,
			   "INSERT INTO twin_internal.access_model (seed, model) SELECT $1, $2 WHERE NOT EXISTS (SELECT FROM "
			   "twin_internal.access_model)",
			   2, types, values, NULL, SPI_OK_INSERT);
	return SPI_processed == 1;
}

static void
begin_model(void)
{
	static SPIPlanPtr plan = NULL;
	uint64 seed;

	if (!pg_strong_random(&seed, sizeof(seed)))
		ereport(ERROR, (errcode(ERRCODE_INTERNAL_ERROR), errmsg("could not get random numbers")));
	anomaly_model_init(model, seed);
	stream_run(&plan, "DELETE FROM twin_internal.access_model", 0, NULL, NULL, NULL, SPI_OK_DELETE);
	(void) insert_model();
}

/* Reads it; begins anew where there is none, or none that can be read. */
static void
read_model(void)
{
	static SPIPlanPtr plan = NULL;
	bool null;

	stream_run(&plan, "SELECT m.model FROM twin_internal.access_model m", 0, NULL, NULL, NULL, SPI_OK_SELECT);
	if (SPI_processed == 1 && anomaly_read_model(bytes_of_column(1, &null), model))
		return;
	if (SPI_processed == 1)
		ereport(LOG, (errmsg("what was learned of everybody's access cannot be read, and is learned anew")));
	begin_model();
}

void
unusual_forget_model(void)
{
	is_read = false;
}

AnomalyModel *
unusual_model(void)
{
	if (model == NULL)
		model = MemoryContextAllocHuge(TopMemoryContext, sizeof(AnomalyModel));
	if (!is_read)
	{
		read_model();
		is_read = true;
		unwritten = 0;
		written_at = GetCurrentTimestamp();
	}
	return model;
}

void
unusual_keep_model(int windows_learned)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {INT8OID, BYTEAOID};
	TimestampTz now = GetCurrentTimestamp();
	Datum values[2];

	unwritten += windows_learned;
	if (unwritten == 0 || (unwritten < LEARNED_MUCH &&
						   !base_has_come(TimestampTzPlusMilliseconds(written_at, LONG_AGO_MS), LONG_AGO_MS)))
		return;
	values[0] = Int64GetDatum((int64) model->seed);
	values[1] = PointerGetDatum(model_bytes());
	stream_run(&plan, "UPDATE twin_internal.access_model SET model = $2 WHERE seed = $1", 2, types, values, NULL,
			   SPI_OK_UPDATE);
	if (SPI_processed == 1 || insert_model())
	{
		unwritten = 0;
		written_at = now;
	}
	else
		unusual_forget_model(); /* a restore brought another */
}

/* ---- profiles: of a whole batch at once ---- */

/* An array of what a function makes of each profile. */
static Datum
column_of(UnusualProfile **kept, int count, Datum (*value_of)(const UnusualProfile *kept), Oid type)
{
	Datum *values = palloc(count * sizeof(Datum));
	int16 length;
	bool by_value;
	char align;

	get_typlenbyvalalign(type, &length, &by_value, &align);
	for (int i = 0; i < count; i++)
		values[i] = value_of(kept[i]);
	return PointerGetDatum(construct_array(values, count, type, length, by_value, align));
}

static Datum
name_value(const UnusualProfile *kept)
{
	return CStringGetTextDatum(kept->user.name);
}

static Datum
is_role_value(const UnusualProfile *kept)
{
	return BoolGetDatum(kept->user.is_role);
}

static Datum
profile_value(const UnusualProfile *kept)
{
	bytea *bytes = palloc(VARHDRSZ + ANOMALY_PROFILE_SIZE);

	SET_VARSIZE(bytes, VARHDRSZ + ANOMALY_PROFILE_SIZE);
	anomaly_write_profile(&kept->profile, (uint8 *) VARDATA(bytes));
	return PointerGetDatum(bytes);
}

/* As a text: there are no arrays of arrays of different lengths. */
static Datum
events_value(const UnusualProfile *kept)
{
	StringInfoData list;

	initStringInfo(&list);
	for (int i = 0; i < kept->event_count; i++)
		appendStringInfo(&list, "%c" INT64_FORMAT, i == 0 ? '{' : ',', kept->events[i]);
	appendStringInfoString(&list, kept->event_count == 0 ? "{}" : "}");
	return CStringGetTextDatum(list.data);
}

static Datum
windows_value(const UnusualProfile *kept)
{
	return Int64GetDatum(kept->profile.windows);
}

static Datum
last_active_value(const UnusualProfile *kept)
{
	return TimestampTzGetDatum(kept->last_active);
}

static Datum
last_score_value(const UnusualProfile *kept)
{
	return Float4GetDatum(kept->profile.last_score);
}

static void
take_events(UnusualProfile *kept, Datum value)
{
	Datum *ids;
	int count;

	deconstruct_array(DatumGetArrayTypeP(value), INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, NULL,
					  &count);
	for (int i = 0; i < count && i < UNUSUAL_EVENTS; i++)
		kept->events[kept->event_count++] = DatumGetInt64(ids[i]);
}

/* Takes a row: number, profile, window_events, last_active. */
static void
take_row(UnusualProfile *kept, uint64 row)
{
	bool null;
	bytea *bytes = DatumGetByteaPP(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 2, &null));
	Datum events = SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 3, &null);

	kept->is_stored = true;
	kept->last_active = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 4, &null));
	if (anomaly_read_profile(bytes_of(VARDATA_ANY(bytes), VARSIZE_ANY_EXHDR(bytes)), &kept->profile))
	{
		take_events(kept, events);
		return;
	}
	ereport(LOG, (errmsg("what was learned of somebody's access cannot be read, and is learned anew"),
				  errdetail_log("This concerns \"%s\".", kept->user.name)));
	anomaly_profile_init(&kept->profile);
}

/* Takes what analysts said of these users into their profiles; a word that cannot be read says nothing. */
static void
take_excuses(UnusualProfile **kept, Oid types[], Datum values[])
{
	static SPIPlanPtr plan = NULL;
	bool null;

	stream_run(
		&plan,
		"DELETE FROM twin_internal.access_excuses e USING unnest($1, $2) WITH ORDINALITY u (username, is_role, "
		"number) WHERE e.username = u.username AND e.is_role = u.is_role RETURNING u.number, e.details",
		2, types, values, NULL, SPI_OK_DELETE_RETURNING);
	for (uint64 row = 0; row < SPI_processed; row++)
	{
		HeapTuple tuple = SPI_tuptable->vals[row];
		int64 number = DatumGetInt64(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 1, &null));
		Jsonb *details = DatumGetJsonbP(SPI_getbinval(tuple, SPI_tuptable->tupdesc, 2, &null));

		(void) unusual_excuse(&kept[number - 1]->profile, details);
	}
}

void
unusual_load(UnusualProfile **kept, int count)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TEXTARRAYOID, BOOL_ARRAY_OID};
	Datum values[] = {column_of(kept, count, name_value, TEXTOID), column_of(kept, count, is_role_value, BOOLOID)};
	bool null;

	for (int i = 0; i < count; i++)
	{
		anomaly_profile_init(&kept[i]->profile);
		kept[i]->is_stored = kept[i]->is_fresh = false;
		kept[i]->event_count = 0;
		kept[i]->last_active = PG_INT64_MIN;
	}
	stream_run(&plan,
			   "SELECT u.number, p.profile, p.window_events, p.last_active FROM unnest($1, $2) WITH ORDINALITY "
			   "u (username, is_role, number) JOIN twin_internal.access_profiles p USING (username, is_role) FOR "
			   "UPDATE OF p",
			   2, types, values, NULL, SPI_OK_SELECT);
	for (uint64 row = 0; row < SPI_processed; row++)
		take_row(kept[DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[row], SPI_tuptable->tupdesc, 1, &null)) - 1],
				 row);
	take_excuses(kept, types, values);
}

/* Makes room for some more. */
static void
make_room(int count)
{
	static SPIPlanPtr count_plan = NULL;
	static SPIPlanPtr delete_plan = NULL;
	Oid types[] = {INT8OID};
	Datum values[1];
	bool null;

	if (profiles < 0 || profiles + count > PROFILES_MAX)
	{
		stream_run(&count_plan, "SELECT count(*) FROM twin_internal.access_profiles", 0, NULL, NULL, NULL,
				   SPI_OK_SELECT);
		profiles = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	}
	if (profiles + count > PROFILES_MAX)
	{
		values[0] = Int64GetDatum(profiles + count - PROFILES_MAX + DISPLACED);
		stream_run(
			&delete_plan,
			"DELETE FROM twin_internal.access_profiles p USING (SELECT q.username, q.is_role FROM "
			"twin_internal.access_profiles q ORDER BY q.last_active LIMIT $1) old WHERE p.username = old.username "
			"AND p.is_role = old.is_role",
			1, types, values, NULL, SPI_OK_DELETE);
		profiles -= (int64) SPI_processed;
	}
	profiles += count;
}

#define STORED_TYPES \
	TEXTARRAYOID, BOOL_ARRAY_OID, BYTEA_ARRAY_OID, TEXTARRAYOID, INT8ARRAYOID, TIMESTAMPTZ_ARRAY_OID, FLOAT4ARRAYOID
#define STORED_ROWS                                                                                           \
	"unnest($1, $2, $3, $4, $5, $6, $7) u (username, is_role, profile, window_events, windows, last_active, " \
	"last_score)"

static void
store(UnusualProfile **kept, int count, bool are_stored)
{
	static SPIPlanPtr update_plan = NULL;
	static SPIPlanPtr insert_plan = NULL;
	Oid types[] = {STORED_TYPES};
	Datum values[] = {
		column_of(kept, count, name_value, TEXTOID),        column_of(kept, count, is_role_value, BOOLOID),
		column_of(kept, count, profile_value, BYTEAOID),    column_of(kept, count, events_value, TEXTOID),
		column_of(kept, count, windows_value, INT8OID),     column_of(kept, count, last_active_value, TIMESTAMPTZOID),
		column_of(kept, count, last_score_value, FLOAT4OID)};

	if (are_stored)
		stream_run(
			&update_plan,
			"UPDATE twin_internal.access_profiles p SET profile = u.profile, window_events = "
			"u.window_events::bigint[], windows = u.windows, last_active = u.last_active, last_score = u.last_score "
			"FROM " STORED_ROWS " WHERE p.username = u.username AND p.is_role = u.is_role",
			7, types, values, NULL, SPI_OK_UPDATE);
	else
		stream_run(
			&insert_plan,
			"INSERT INTO twin_internal.access_profiles (username, is_role, profile, window_events, windows, "
			"last_active, last_score, since) SELECT u.username, u.is_role, u.profile, u.window_events::bigint[], "
			"u.windows, u.last_active, u.last_score, u.last_active FROM " STORED_ROWS,
			7, types, values, NULL, SPI_OK_INSERT);
}

void
unusual_store(UnusualProfile **kept, int count)
{
	UnusualProfile **some = palloc(count * sizeof(UnusualProfile *));

	for (int are_stored = 0; are_stored < 2; are_stored++)
	{
		int found = 0;

		for (int i = 0; i < count; i++)
			if (kept[i]->is_stored == (are_stored == 1))
				some[found++] = kept[i];
		if (found == 0)
			continue;
		if (are_stored == 0)
			make_room(found);
		store(some, found, are_stored == 1);
	}
}
