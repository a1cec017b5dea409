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
 *	 5. When no older snapshot is left, the encrypted column takes the plain
 *		one's place.  (Again a moment.)
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
	Oid plain_type = conversion->plain_type;

	conversion_check_obstacles(conversion);
	conversion_check_writers(conversion);
	conversion_lock(conversion->relation);
	/* again, now that nothing can come in between */
	if (conversion_state(conversion) != CONVERSION_PLAIN || conversion->plain_type != plain_type)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("column \"%s\" was changed by somebody else meanwhile", NameStr(conversion->column))));
	rewrite_require_owner(conversion->relation);
	conversion_check_obstacles(conversion);
	convert_run(convert_ask("encrypt_prepare", 4, ObjectIdGetDatum(conversion->relation),
							NameGetDatum(&conversion->column), NameGetDatum(&conversion->shadow),
							CStringGetTextDatum(type)));
	rewrite_commit();
}

/* Whether a row has been there before the trigger was. */
static RowAction
judge_row(const RewriteJob *job, bool source_null, Datum target, bool target_null)
{
	return source_null || !target_null ? ROW_KEEP : ROW_CHANGE;
}

/* Seals what such a row holds. */
static Datum
seal_row(const RewriteJob *job, Datum source, Datum target)
{
	Conversion *conversion = job->extra;

	return PointerGetDatum(
		value_seal_unasked(conversion->type, conversion_base(conversion, source), conversion->modifier));
}

static void
fill(Conversion *conversion, RewriteJob *job)
{
	progress_phase("encrypting", 0, rewrite_estimate(conversion->relation));
	job->relation = conversion->relation;
	job->column = conversion->shadow;
	job->source = conversion->column;
	job->column_type = type_oid(conversion->type);
	job->source_type = conversion->plain_type;
	job->type = conversion->type;
	job->modifier = conversion->modifier;
	job->judge = judge_row;
	job->make = seal_row;
	job->extra = conversion;
	rewrite_run(job);
}

/* Checks NOT NULL without keeping writers out. */
static void
validate_not_null(const Conversion *conversion)
{
	progress_phase("validating NOT NULL", 0, -1);
	convert_run(convert_ask("encrypt_validate", 2, ObjectIdGetDatum(conversion->relation),
							NameGetDatum(&conversion->shadow)));
	rewrite_commit();
}

/* Raises unless the conversion is still what it was, now that nobody can change it. */
static void
check_before_swap(Conversion *conversion)
{
	Conversion now = *conversion;

	rewrite_require_owner(now.relation);
	if (conversion_state(&now) != CONVERSION_FILLING || now.plain_type != conversion->plain_type ||
		strcmp(NameStr(now.shadow), NameStr(conversion->shadow)) != 0 ||
		!DatumGetBool(convert_ask("encrypt_trigger_fires", 1, ObjectIdGetDatum(now.relation))))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the trigger \"%s\" was disabled or changed during the conversion", CONVERSION_TRIGGER),
				 errdetail("What was written meanwhile may not have been encrypted."),
				 errhint("Give the conversion up with twin.cancel_encryption() and begin anew.")));
	NameStr(now.shadow)[0] = '\0';
	conversion_check_obstacles(&now);
}

/*
 * Puts the encrypted column in the plain one's place; false when the table has
 * got partitions since its rows were encrypted.
 */
static bool
swap(Conversion *conversion, List *tables)
{
	char *carried;
	Datum arguments[4];
	bool nulls[4] = {false};
	Datum statements;

	/* whoever has an older snapshot would still see rows in which the encrypted column is empty */
	progress_phase("waiting for old snapshots", 0, -1);
	census_wait_for_transactions();
	progress_phase("swapping columns", 0, -1);
	conversion_lock(conversion->relation);
	if (list_difference_oid(rewrite_tables(conversion->relation), tables) != NIL)
	{
		rewrite_commit();
		return false;
	}
	check_before_swap(conversion);
	carried = conversion_default(conversion);
	arguments[0] = ObjectIdGetDatum(conversion->relation);
	arguments[1] = NameGetDatum(&conversion->column);
	arguments[2] = NameGetDatum(&conversion->shadow);
	arguments[3] = carried ? CStringGetTextDatum(carried) : (Datum) 0;
	nulls[3] = carried == NULL;
	if (convert_ask_nullable("encrypt_swap", 4, arguments, nulls, &statements))
		convert_run(statements);
	rewrite_commit();
	return true;
}

/* Fills the encrypted column and puts it in the plain one's place. */
static void
convert(Conversion *conversion, RewriteJob *job)
{
	List *tables;

	do
	{
		tables = rewrite_tables(conversion->relation);
		fill(conversion, job);
		conversion_build_indexes(conversion);
		validate_not_null(conversion);
	} while (!swap(conversion, tables));
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
	conversion.searchable = PG_GETARG_BOOL(3);
	job.batch_rows = rewrite_batch_rows(fcinfo, 4);
	job.rows_per_second = rewrite_rows_per_second(fcinfo, 5);
	rewrite_require_owner(conversion.relation);

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	conversion.key_name = text_to_cstring(PG_GETARG_TEXT_PP(2));
	rewrite_lock(conversion.relation);
	state = conversion_state(&conversion);
	progress_begin("preparing", conversion.relation, NameStr(conversion.column), -1);
	if (state == CONVERSION_PLAIN)
		prepare(&conversion);
	if (state != CONVERSION_SWAPPED)
		convert(&conversion, &job);
	unscrubbed = scrub_run(conversion.relation);
	if (unscrubbed > 0)
		ereport(WARNING,
				(errmsg("%lld deleted rows of the catalogs about \"%s\" may still be read by old snapshots",
						(long long) unscrubbed, get_rel_name(conversion.relation)),
				 errdetail("Statistics and defaults of the plain column may be among them."),
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
	convert_run(statements);
	SPI_finish();
	PG_RETURN_VOID();
}
