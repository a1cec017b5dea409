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
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/timestamp.h"

#define INT8_ARRAY_OID 1016 /* pg_type has no name for it */

/* Profiles there are at most; and how many of those least recently active give way at once. */
#define PROFILES_MAX 10000
#define DISPLACED 100

#define LEARNED_MUCH 64 /* windows */
#define LONG_AGO_MS (10 * 60 * 1000)

static AnomalyModel *model = NULL;
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

AnomalyModel *
unusual_model(void)
{
	static bool is_read = false;

	if (model == NULL)
	{
		model = MemoryContextAllocHuge(TopMemoryContext, sizeof(AnomalyModel));
		is_read = false;
	}
	if (!is_read || unwritten < 0)
	{
		is_read = false;
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
	if (unwritten == 0 || (unwritten < LEARNED_MUCH && !TimestampDifferenceExceeds(written_at, now, LONG_AGO_MS)))
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
		unwritten = -1; /* a restore brought another: it is read again */
}

/* ---- profiles ---- */

static void
take_events(UnusualProfile *kept, Datum value)
{
	ArrayType *array = DatumGetArrayTypeP(value);
	Datum *ids;
	int count;

	deconstruct_array(array, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE, &ids, NULL, &count);
	for (int i = 0; i < count && i < UNUSUAL_EVENTS; i++)
		kept->events[kept->event_count++] = DatumGetInt64(ids[i]);
}

/* Reads a user's profile, and keeps others from changing it until the batch is committed. */
void
unusual_load(UnusualProfile *kept)
{
	static SPIPlanPtr plan = NULL;
	Oid types[] = {TEXTOID, BOOLOID};
	Datum values[] = {CStringGetTextDatum(kept->user.name), BoolGetDatum(kept->user.is_role)};
	bool null;
	Datum events;

	kept->is_stored = kept->is_fresh = false;
	kept->event_count = 0;
	kept->last_active = PG_INT64_MIN;
	anomaly_profile_init(&kept->profile);
	stream_run(&plan,
			   "SELECT p.profile, p.window_events, p.last_active FROM twin_internal.access_profiles p WHERE "
			   "p.username = $1 AND p.is_role "
			   "= $2 FOR UPDATE",
			   2, types, values, NULL, SPI_OK_SELECT);
	if (SPI_processed != 1)
		return;
	kept->is_stored = true;
	kept->last_active = DatumGetTimestampTz(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 3, &null));
	if (!anomaly_read_profile(bytes_of_column(1, &null), &kept->profile))
	{
		ereport(LOG, (errmsg("what was learned of somebody's access cannot be read, and is learned anew"),
					  errdetail_log("This concerns \"%s\".", kept->user.name)));
		anomaly_profile_init(&kept->profile);
		return;
	}
	events = SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 2, &null);
	if (!null)
		take_events(kept, events);
}

/* Makes room for one more. */
static void
make_room(void)
{
	static SPIPlanPtr count_plan = NULL;
	static SPIPlanPtr delete_plan = NULL;
	Oid types[] = {INT4OID};
	Datum values[] = {Int32GetDatum(DISPLACED)};
	bool null;

	if (profiles < 0 || profiles >= PROFILES_MAX)
	{
		stream_run(&count_plan, "SELECT count(*) FROM twin_internal.access_profiles", 0, NULL, NULL, NULL,
				   SPI_OK_SELECT);
		profiles = DatumGetInt64(SPI_getbinval(SPI_tuptable->vals[0], SPI_tuptable->tupdesc, 1, &null));
	}
	if (profiles >= PROFILES_MAX)
	{
		stream_run(
			&delete_plan,
			"DELETE FROM twin_internal.access_profiles p USING (SELECT q.username, q.is_role FROM "
			"twin_internal.access_profiles q ORDER BY q.last_active LIMIT $1) old WHERE p.username = old.username "
			"AND p.is_role = old.is_role",
			1, types, values, NULL, SPI_OK_DELETE);
		profiles -= (int64) SPI_processed;
	}
	profiles++;
}

static Datum
events_of(const UnusualProfile *kept)
{
	Datum ids[UNUSUAL_EVENTS];

	for (int i = 0; i < kept->event_count; i++)
		ids[i] = Int64GetDatum(kept->events[i]);
	return PointerGetDatum(
		construct_array(ids, kept->event_count, INT8OID, sizeof(int64), FLOAT8PASSBYVAL, TYPALIGN_DOUBLE));
}

void
unusual_store(UnusualProfile *kept)
{
	static SPIPlanPtr update_plan = NULL;
	static SPIPlanPtr insert_plan = NULL;
	Oid types[] = {TEXTOID, BOOLOID, BYTEAOID, INT8_ARRAY_OID, INT8OID, TIMESTAMPTZOID, FLOAT4OID};
	bytea *bytes = palloc(VARHDRSZ + ANOMALY_PROFILE_SIZE);
	Datum values[] = {CStringGetTextDatum(kept->user.name),
					  BoolGetDatum(kept->user.is_role),
					  PointerGetDatum(bytes),
					  events_of(kept),
					  Int64GetDatum(kept->profile.windows),
					  TimestampTzGetDatum(kept->last_active),
					  Float4GetDatum(kept->profile.last_score)};

	SET_VARSIZE(bytes, VARHDRSZ + ANOMALY_PROFILE_SIZE);
	anomaly_write_profile(&kept->profile, (uint8 *) VARDATA(bytes));
	if (kept->is_stored)
	{
		stream_run(&update_plan,
				   "UPDATE twin_internal.access_profiles SET profile = $3, window_events = $4, windows = $5, "
				   "last_active = $6, last_score = $7 WHERE username = $1 AND is_role = $2",
				   7, types, values, NULL, SPI_OK_UPDATE);
		return;
	}
	make_room();
	stream_run(
		&insert_plan,
		"INSERT INTO twin_internal.access_profiles (username, is_role, profile, window_events, windows, last_active, "
		"last_score, since) VALUES ($1, $2, $3, $4, $5, $6, $7, $6)",
		7, types, values, NULL, SPI_OK_INSERT);
	kept->is_stored = true;
}
