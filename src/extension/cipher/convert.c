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

#include "access/htup_details.h"
#include "access/relation.h"
#include "access/xact.h"
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "executor/spi.h"
#include "miscadmin.h"
#include "optimizer/optimizer.h"
#include "parser/parse_coerce.h"
#include "rewrite/rewriteHandler.h"
#include "storage/latch.h"
#include "storage/lmgr.h"
#include "utils/acl.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/datum.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/snapmgr.h"
#include "utils/wait_event.h"

PG_FUNCTION_INFO_V1(tsec_encrypt_column);
PG_FUNCTION_INFO_V1(tsec_encrypt_on_write);
PG_FUNCTION_INFO_V1(tsec_cancel_encryption);

/* How often, and for how many milliseconds each time, an exclusive lock is waited for while others queue behind. */
#define LOCK_ATTEMPTS 30
#define LOCK_PATIENCE "1000"
#define LOCK_PAUSE 1000

/* ---- what SQL decides ---- */

static void
run(const char *statement)
{
	if (SPI_execute(statement, false, 0) < 0)
		elog(ERROR, "twin_security: a statement of the conversion failed: %s", statement);
	CommandCounterIncrement();
}

static void
run_all(ArrayType *statements)
{
	Datum *words;
	int count;

	deconstruct_array(statements, TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &count);
	for (int i = 0; i < count; i++)
		run(TextDatumGetCString(words[i]));
}

/* Refuses what could not be carried over. */
static void
check_obstacles(const Conversion *conversion)
{
	Datum found =
		convert_ask("encrypt_obstacles", 4, ObjectIdGetDatum(conversion->relation), NameGetDatum(&conversion->column),
					NameGetDatum(&conversion->shadow), BoolGetDatum(conversion->type->searchable));
	Datum *reasons;
	int count;
	StringInfoData detail;

	deconstruct_array(DatumGetArrayTypeP(found), TEXTOID, -1, false, TYPALIGN_INT, &reasons, NULL, &count);
	if (count == 0)
		return;
	initStringInfo(&detail);
	for (int i = 0; i < count; i++)
		appendStringInfo(&detail, "%s%s", i > 0 ? "; " : "", TextDatumGetCString(reasons[i]));
	ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
					errmsg("column \"%s\" of \"%s\" cannot be converted as it is", NameStr(conversion->column),
						   get_rel_name(conversion->relation)),
					errdetail("%s.", detail.data),
					errhint("Drop or change these first, and make them anew afterwards where they still make sense; "
							"nothing has been changed.")));
}

/* Refuses to begin what would make the table's writers fail. */
static void
check_writers(const Conversion *conversion)
{
	Datum found =
		convert_ask("encrypt_writers", 2, ObjectIdGetDatum(conversion->relation), NameGetDatum(&conversion->column));
	Datum *roles;
	int count;
	Key *key = keyring_sealing_key(conversion->modifier);

	if (!key->is_column_key)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("no column may hold values under the key \"%s\"", keyring_name(key))));
	keyring_require(key, KEY_ENCRYPT);
	deconstruct_array(DatumGetArrayTypeP(found), OIDOID, sizeof(Oid), true, TYPALIGN_INT, &roles, NULL, &count);
	for (int i = 0; i < count; i++)
	{
		key = keyring_sealing_key(conversion->modifier);
		if (!keyring_allows_role(key, DatumGetObjectId(roles[i]), KEY_ENCRYPT))
			ereport(ERROR, (errcode(ERRCODE_INSUFFICIENT_PRIVILEGE),
							errmsg("role \"%s\" may write to \"%s\" but not encrypt with key \"%s\"",
								   GetUserNameFromId(DatumGetObjectId(roles[i]), false),
								   get_rel_name(conversion->relation), keyring_name(key)),
							errdetail("Its writes would fail as soon as the conversion begins."),
							errhint("SELECT twin.grant_key('%s', '%s', 'encrypt');", keyring_name(key),
									GetUserNameFromId(DatumGetObjectId(roles[i]), false))));
	}
}

/* ---- locks ---- */

/* Tries for an exclusive lock, for a moment; others queue behind it only that long. */
static bool
try_lock(Oid relation)
{
	MemoryContext context = CurrentMemoryContext;
	ResourceOwner owner = CurrentResourceOwner;
	volatile bool got = true;

	BeginInternalSubTransaction(NULL);
	MemoryContextSwitchTo(context);
	PG_TRY();
	{
		LockRelationOid(relation, AccessExclusiveLock);
		ReleaseCurrentSubTransaction();
	}
	PG_CATCH();
	{
		int code = geterrcode();

		MemoryContextSwitchTo(context);
		if (code != ERRCODE_LOCK_NOT_AVAILABLE)
			PG_RE_THROW();
		FlushErrorState();
		RollbackAndReleaseCurrentSubTransaction();
		got = false;
	}
	PG_END_TRY();
	MemoryContextSwitchTo(context);
	CurrentResourceOwner = owner;
	return got;
}

/* Takes the table for itself, patiently; commits between attempts. */
static void
lock_exclusively(Oid relation)
{
	for (int attempt = 0; attempt < LOCK_ATTEMPTS; attempt++)
	{
		(void) set_config_option("lock_timeout", LOCK_PATIENCE, PGC_USERSET, PGC_S_SESSION, GUC_ACTION_LOCAL, true, 0,
								 false);
		if (try_lock(relation))
			return;
		rewrite_commit();
		(void) WaitLatch(MyLatch, WL_LATCH_SET | WL_TIMEOUT | WL_EXIT_ON_PM_DEATH, LOCK_PAUSE, PG_WAIT_EXTENSION);
		ResetLatch(MyLatch);
		CHECK_FOR_INTERRUPTS();
	}
	ereport(ERROR,
			(errcode(ERRCODE_LOCK_NOT_AVAILABLE),
			 errmsg("\"%s\" could not be locked for the moment the conversion needs it", get_rel_name(relation)),
			 errdetail("Some transaction uses it for longer than a second, again and again."),
			 errhint("CALL it again at a quieter time: it goes on where it is.")));
}

/* ---- the steps ---- */

/* Adds the encrypted column and the trigger. */
static void
prepare(Conversion *conversion)
{
	char *type = psprintf("%s.%s(%s)", TSEC_SCHEMA, type_name(conversion->type),
						  quote_literal_cstr(psprintf("#%08x", conversion->modifier)));

	check_obstacles(conversion);
	check_writers(conversion);
	lock_exclusively(conversion->relation);
	check_obstacles(conversion); /* again, now that nothing can come in between */
	run_all(DatumGetArrayTypeP(convert_ask("encrypt_prepare", 4, ObjectIdGetDatum(conversion->relation),
										   NameGetDatum(&conversion->column), NameGetDatum(&conversion->shadow),
										   CStringGetTextDatum(type))));
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

/* Makes the indexes that the plain column has, one after another, while others write. */
static void
build_indexes(Conversion *conversion)
{
	Datum *words;
	int count;
	MemoryContext old;
	MemoryContext context =
		AllocSetContextCreate(CurrentMemoryContext, "twin_security indexes", ALLOCSET_SMALL_SIZES);

	old = MemoryContextSwitchTo(context);
	deconstruct_array(
		DatumGetArrayTypeP(convert_ask("encrypt_missing_indexes", 3, ObjectIdGetDatum(conversion->relation),
									   NameGetDatum(&conversion->column), NameGetDatum(&conversion->shadow))),
		TEXTOID, -1, false, TYPALIGN_INT, &words, NULL, &count);
	MemoryContextSwitchTo(old);
	for (int i = 0; i + 1 < count; i += 2)
	{
		char *statement = TextDatumGetCString(words[i + 1]);

		progress_phase("building indexes", i / 2, count / 2);
		/* what an interrupted build left is invalid */
		if (OidIsValid(DatumGetObjectId(convert_ask("encrypt_index", 1, words[i]))))
			run(psprintf("DROP INDEX %s", TextDatumGetCString(words[i])));
		if (get_rel_relkind(conversion->relation) == RELKIND_PARTITIONED_TABLE)
			run(statement);
		rewrite_commit();
		if (get_rel_relkind(conversion->relation) != RELKIND_PARTITIONED_TABLE)
			worker_run_statement(statement, "CALL it again: it goes on where it is.");
	}
	MemoryContextDelete(context);
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
	run(psprintf("ALTER TABLE %s VALIDATE CONSTRAINT %s",
				 quote_qualified_identifier(get_namespace_name(get_rel_namespace(conversion->relation)),
											get_rel_name(conversion->relation)),
				 quote_identifier(NameStr(conversion->shadow))));
	rewrite_commit();
}

/*
 * The plain column's default as that of the encrypted one; NULL when there is
 * none.  A constant is sealed: its plaintext must not stay in the catalog.
 */
static char *
carried_default(Conversion *conversion)
{
	Relation relation = relation_open(conversion->relation, NoLock);
	AttrNumber number = get_attnum(conversion->relation, NameStr(conversion->column));
	Node *expression = TupleDescAttr(RelationGetDescr(relation), number - 1)->atthasdef
						   ? build_column_default(relation, number)
						   : NULL;
	char *result = NULL;

	relation_close(relation, NoLock);
	if (expression == NULL)
		return NULL;
	expression = eval_const_expressions(NULL, expression);
	if (!IsA(expression, Const))
		return TextDatumGetCString(convert_ask("encrypt_default", 2, ObjectIdGetDatum(conversion->relation),
											   NameGetDatum(&conversion->column)));
	if (!((Const *) expression)->constisnull)
	{
		Datum value = conversion_base(conversion, ((Const *) expression)->constvalue);
		struct varlena *sealed = value_seal(conversion->type, value, NO_MODIFIER);

		Oid output;
		bool varlena;

		getTypeOutputInfo(type_oid(conversion->type), &output, &varlena);
		result = quote_literal_cstr(OidOutputFunctionCall(output, PointerGetDatum(sealed)));
	}
	return result;
}

/* Puts the encrypted column in the plain one's place. */
static void
swap(Conversion *conversion)
{
	char *carried;
	Datum arguments[4];
	bool nulls[4] = {false};

	progress_phase("swapping columns", 0, -1);
	lock_exclusively(conversion->relation);
	if (!DatumGetBool(convert_ask("encrypt_trigger_fires", 1, ObjectIdGetDatum(conversion->relation))))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("the trigger \"%s\" was disabled or changed during the conversion", CONVERSION_TRIGGER),
				 errdetail("What was written meanwhile may not have been encrypted."),
				 errhint("Give the conversion up with twin.cancel_encryption() and begin anew.")));
	carried = carried_default(conversion);
	arguments[0] = ObjectIdGetDatum(conversion->relation);
	arguments[1] = NameGetDatum(&conversion->column);
	arguments[2] = NameGetDatum(&conversion->shadow);
	arguments[3] = carried ? CStringGetTextDatum(carried) : (Datum) 0;
	nulls[3] = carried == NULL;
	run_all(DatumGetArrayTypeP(convert_ask_nullable("encrypt_swap", 4, arguments, nulls)));
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
		build_indexes(&conversion);
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

/* ---- the trigger ---- */

/* Whether a column holds the same bytes in two rows. */
static bool
is_unchanged(TupleDesc shape, HeapTuple old, HeapTuple new, AttrNumber number)
{
	bool old_null;
	bool new_null;
	Datum before = heap_getattr(old, number, shape, &old_null);
	Datum after = heap_getattr(new, number, shape, &new_null);
	Form_pg_attribute column = TupleDescAttr(shape, number - 1);

	if (old_null || new_null)
		return old_null && new_null;
	return datum_image_eq(before, after, column->attbyval, column->attlen);
}

/* Begins what the trigger function keeps between rows. */
static Conversion *
begin_trigger(FmgrInfo *flinfo, const TriggerData *data)
{
	Conversion *conversion = MemoryContextAllocZero(flinfo->fn_mcxt, sizeof(Conversion));
	TupleDesc shape = RelationGetDescr(data->tg_relation);
	AttrNumber shadow;
	AttrNumber plain;

	if (data->tg_trigger->tgnargs != 2)
		ereport(ERROR,
				(errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED), errmsg("encrypt_on_write takes two columns")));
	conversion->relation = RelationGetRelid(data->tg_relation);
	namestrcpy(&conversion->column, data->tg_trigger->tgargs[0]);
	namestrcpy(&conversion->shadow, data->tg_trigger->tgargs[1]);
	plain = SPI_fnumber(shape, NameStr(conversion->column));
	shadow = SPI_fnumber(shape, NameStr(conversion->shadow));
	if (plain <= 0 || shadow <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN), errmsg("a column of the conversion is missing"),
						errhint("Was it renamed? Give it back its name, or call twin.cancel_encryption().")));
	conversion->modifier = TupleDescAttr(shape, shadow - 1)->atttypmod;
	conversion->type = type_of_oid(TupleDescAttr(shape, shadow - 1)->atttypid);
	if (conversion->type == NULL)
		ereport(ERROR, (errcode(ERRCODE_WRONG_OBJECT_TYPE),
						errmsg("column \"%s\" is not of an encrypted type", NameStr(conversion->shadow))));
	conversion_find_type(conversion, TupleDescAttr(shape, plain - 1)->atttypid, conversion->type->searchable);
	flinfo->fn_extra = conversion;
	return conversion;
}

Datum
tsec_encrypt_on_write(PG_FUNCTION_ARGS)
{
	TriggerData *data = (TriggerData *) fcinfo->context;
	Conversion *conversion = fcinfo->flinfo->fn_extra;
	TupleDesc shape;
	HeapTuple row;
	int plain;
	int shadow;
	Datum value;
	bool null;
	bool sealed_null;

	if (!CALLED_AS_TRIGGER(fcinfo) || !TRIGGER_FIRED_BEFORE(data->tg_event) ||
		!TRIGGER_FIRED_FOR_ROW(data->tg_event) || TRIGGER_FIRED_BY_DELETE(data->tg_event))
		ereport(ERROR, (errcode(ERRCODE_E_R_I_E_TRIGGER_PROTOCOL_VIOLATED),
						errmsg("encrypt_on_write is a trigger before insert or update of rows")));
	if (conversion == NULL)
		conversion = begin_trigger(fcinfo->flinfo, data);
	shape = RelationGetDescr(data->tg_relation);
	row = TRIGGER_FIRED_BY_UPDATE(data->tg_event) ? data->tg_newtuple : data->tg_trigtuple;
	plain = SPI_fnumber(shape, NameStr(conversion->column));
	shadow = SPI_fnumber(shape, NameStr(conversion->shadow));
	value = heap_getattr(row, plain, shape, &null);
	(void) heap_getattr(row, shadow, shape, &sealed_null);

	/* what is there stays: sealing again would only cost */
	if (TRIGGER_FIRED_BY_UPDATE(data->tg_event) && null == sealed_null &&
		is_unchanged(shape, data->tg_trigtuple, row, (AttrNumber) plain) &&
		is_unchanged(shape, data->tg_trigtuple, row, (AttrNumber) shadow))
		return PointerGetDatum(row);
	if (!null)
		value =
			PointerGetDatum(value_seal(conversion->type, conversion_base(conversion, value), conversion->modifier));
	return PointerGetDatum(heap_modify_tuple_by_cols(row, shape, 1, &shadow, &value, &null));
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
	run_all(DatumGetArrayTypeP(statements));
	SPI_finish();
	PG_RETURN_VOID();
}
