/*
 * convert.c
 *		twin.encrypt_column(): a plain column of a live table becomes an
 *		encrypted one.
 *
 * How it goes, each step a transaction or many:
 *	 1. Everything that stands in the way is refused before anything changes.
 *	 2. An encrypted column is added, empty, with a trigger that seals whatever
 *		is written to the plain one.  (A moment's exclusive lock.)
 *	 3. Rows that nobody writes are sealed in batches (rewrite.c).
 *	 4. Indexes are built concurrently, NOT NULL is validated.
 *	 5. The encrypted column takes the plain one's place.  (Again a moment.)
 *	 6. What is left of the plaintext on disk is overwritten (scrub.c).
 * Clients read and write the plain column until 5, and the encrypted one from
 * then on; expressions such as email::text mean the same before and after.
 *
 * The catalogs are the only record of how far it is: the trigger names the
 * two columns.  So after a crash at any moment the same CALL goes on.
 */
#include "cipher/convert.h"

#include "catalog/pg_class.h"
#include "executor/spi.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(tsec_encrypt_column);
PG_FUNCTION_INFO_V1(tsec_cancel_encryption);

/* Adds the encrypted column and the trigger. */
static void
prepare(Conversion *conversion)
{
	char *type = psprintf("%s.%s(%s)", TSEC_SCHEMA, type_name(conversion->type),
						  quote_literal_cstr(psprintf("#%08x", conversion->modifier)));

	conversion_check_obstacles(conversion);
	conversion_check_writers(conversion);
	conversion_lock(conversion->relation);
	conversion_check_obstacles(conversion); /* again, now that nothing can come in between */
	convert_run_all(DatumGetArrayTypeP(convert_ask("encrypt_prepare", 4, ObjectIdGetDatum(conversion->relation),
												   NameGetDatum(&conversion->column),
												   NameGetDatum(&conversion->shadow), CStringGetTextDatum(type))));
	rewrite_commit();
}

/* Seals one row that has been there before the trigger was. */
static RowAction
seal_row(RewriteJob *job, Datum source, bool source_null, Datum target, bool target_null, Datum *value, bool *null)
{
	Conversion *conversion = job->extra;

	if (source_null || !target_null)
		return ROW_KEEP;
	*value = PointerGetDatum(
		value_seal_unasked(conversion->type, conversion_base(conversion, source), conversion->modifier));
	*null = false;
	return ROW_CHANGE;
}

static void
fill(Conversion *conversion, RewriteJob *job)
{
	job->relation = conversion->relation;
	job->column = conversion->shadow;
	job->source = conversion->column;
	job->type = conversion->type;
	job->modifier = conversion->modifier;
	job->make = seal_row;
	job->extra = conversion;
	rewrite_run(job);
}

/* Checks NOT NULL without keeping writers out. */
static void
validate_not_null(const Conversion *conversion)
{
	Datum has = convert_ask("encrypt_has_check", 2, ObjectIdGetDatum(conversion->relation),
							NameGetDatum(&conversion->shadow));

	if (!DatumGetBool(has))
		return;
	progress_phase("validating NOT NULL", 0, -1);
	convert_run(psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s",
						 quote_qualified_identifier(get_namespace_name(get_rel_namespace(conversion->relation)),
													get_rel_name(conversion->relation)),
						 quote_identifier(NameStr(conversion->shadow))));
	rewrite_commit();
}

/* Puts the encrypted column in the plain one's place. */
static void
swap(Conversion *conversion)
{
	char *carried;
	Datum arguments[4];
	bool nulls[4] = {false};

	progress_phase("swapping columns", 0, -1);
	conversion_lock(conversion->relation);
	if (!DatumGetBool(convert_ask("encrypt_trigger_fires", 1, ObjectIdGetDatum(conversion->relation))))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the trigger \"%s\" was disabled or changed during the conversion", CONVERSION_TRIGGER),
				 errdetail("What was written meanwhile may not have been encrypted."),
				 errhint("Give the conversion up with twin.cancel_encryption() and begin anew.")));
	carried = conversion_default(conversion);
	arguments[0] = ObjectIdGetDatum(conversion->relation);
	arguments[1] = NameGetDatum(&conversion->column);
	arguments[2] = NameGetDatum(&conversion->shadow);
	arguments[3] = carried ? CStringGetTextDatum(carried) : (Datum) 0;
	nulls[3] = carried == NULL;
	convert_run_all(DatumGetArrayTypeP(convert_ask_nullable("encrypt_swap", 4, arguments, nulls)));
	rewrite_commit();
}

/* encrypt_column(rel regclass, column_name name, key_name text, searchable boolean, batch_rows integer, max_rows_per_second integer) */
Datum
tsec_encrypt_column(PG_FUNCTION_ARGS)
{
	Conversion conversion = {0};
	RewriteJob job = {0};
	ConversionState state;
	int64 unscrubbed;

	rewrite_require_nonatomic(fcinfo, "encrypt_column");
	for (int i = 0; i < 4; i++)
		if (PG_ARGISNULL(i))
			ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
							errmsg("table, column, key and searchable must be given")));
	conversion.relation = PG_GETARG_OID(0);
	conversion.column = *PG_GETARG_NAME(1);
	job.batch_rows = rewrite_batch_rows(fcinfo, 4);
	job.rows_per_second = rewrite_rows_per_second(fcinfo, 5);
	rewrite_require_owner(conversion.relation);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	rewrite_lock(conversion.relation);
	state = conversion_state(&conversion, text_to_cstring(PG_GETARG_TEXT_PP(2)), PG_GETARG_BOOL(3));
	progress_begin("preparing", conversion.relation, NameStr(conversion.column), -1);
	if (state == CONVERSION_PLAIN)
		prepare(&conversion);
	if (state != CONVERSION_SWAPPED)
	{
		progress_phase("encrypting", 0, rewrite_estimate(conversion.relation));
		fill(&conversion, &job);
		conversion_build_indexes(&conversion);
		validate_not_null(&conversion);
		swap(&conversion);
	}
	unscrubbed = scrub_run(conversion.relation, NameStr(conversion.column));
	if (unscrubbed > 0)
		ereport(
			WARNING,
			(errmsg("%lld deleted rows with old values may still be read by old snapshots", (long long) unscrubbed),
			 errhint("CALL it again when these have ended (see pg_replication_slots, pg_prepared_xacts and "
					 "hot_standby_feedback): it overwrites the rest.")));
	progress_end();
	rewrite_unlock(conversion.relation);
	SPI_finish();
	PG_RETURN_VOID();
}

/* cancel_encryption(rel regclass, column_name name) */
Datum
tsec_cancel_encryption(PG_FUNCTION_ARGS)
{
	Oid relation = PG_GETARG_OID(0);
	Datum statements;

	rewrite_require_owner(relation);
	rewrite_lock_in_transaction(relation);
	SPI_connect();
	statements = convert_ask("encrypt_cancel", 2, ObjectIdGetDatum(relation), PG_GETARG_DATUM(1));
	if (ArrayGetNItems(ARR_NDIM(DatumGetArrayTypeP(statements)), ARR_DIMS(DatumGetArrayTypeP(statements))) == 0)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("column \"%s\" of \"%s\" is not being converted", NameStr(*PG_GETARG_NAME(1)),
							   get_rel_name(relation))));
	convert_run_all(DatumGetArrayTypeP(statements));
	SPI_finish();
	PG_RETURN_VOID();
}
