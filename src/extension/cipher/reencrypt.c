/*
 * reencrypt.c
 *		Bringing a column's values under the primary version of its key, and its
 *		blind tags under the present index key.
 *
 * Nobody sees a plaintext, so no grant on the key is needed: the table's owner
 * may do it.  Values under a destroyed version cannot be opened by anybody any
 * more: they stay, and a warning says how many.
 */
#include "cipher/rewrite.h"

#include "access/htup_details.h"
#include "access/relation.h"
#include "executor/spi.h"
#include "storage/lmgr.h"
#include "utils/builtins.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"

PG_FUNCTION_INFO_V1(tsec_reencrypt_column);
PG_FUNCTION_INFO_V1(tsec_retag_column);
PG_FUNCTION_INFO_V1(tsec_lock_relation);

/* Whether a value lies under another version than the primary one. */
static RowAction
judge_value(const RewriteJob *job, bool source_null, Datum target, bool target_null)
{
	struct varlena *header;
	const Key *key;
	uint32 id;

	if (target_null)
		return ROW_KEEP;
	header = (struct varlena *) PG_DETOAST_DATUM_SLICE(target, 0, ENVELOPE_FIXED_SIZE);
	if (VARSIZE_ANY_EXHDR(header) < ENVELOPE_FIXED_SIZE)
		base_throw(TSEC_VALUE_TRUNCATED);
	id = bytes_get_u32((const uint8 *) VARDATA_ANY(header) + 2);
	key = keyring_find(id);
	if (key != NULL && key->is_destroyed)
		return ROW_LEAVE;
	if (!job->retag && keyring_sealing_key(job->modifier)->id == id)
		return ROW_KEEP;
	return ROW_CHANGE;
}

/* Seals one value again. */
static Datum
reseal_value(const RewriteJob *job, Datum source, Datum target)
{
	return PointerGetDatum(value_reseal(job->type, PG_DETOAST_DATUM_PACKED(target), job->modifier, job->retag));
}

/* Fills a job from a table's column, which must be of an encrypted type that names a key. */
static void
describe_column(RewriteJob *job, Oid relation, const char *column)
{
	AttrNumber number = get_attnum(relation, column);
	Oid type;
	Oid collation;

	if (number <= 0)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_COLUMN),
						errmsg("column \"%s\" of \"%s\" does not exist", column, get_rel_name(relation))));
	get_atttypetypmodcoll(relation, number, &type, &job->modifier, &collation);
	job->column_type = job->source_type = type;
	type = getBaseTypeAndTypmod(type, &job->modifier);
	job->type = type_of_oid(type);
	if (job->type == NULL)
		ereport(
			ERROR,
			(errcode(ERRCODE_WRONG_OBJECT_TYPE),
			 errmsg("column \"%s\" of \"%s\" is not of an encrypted type", column, get_rel_name(relation)),
			 errhint("twin.encrypt_column() converts plain columns; values in arrays and rows are re-encrypted by "
					 "assigning them anew.")));
	job->relation = relation;
	strlcpy(NameStr(job->column), column, NAMEDATALEN);
	job->source = job->column;
	job->judge = judge_value;
	job->make = reseal_value;
}

/* reencrypt_column(rel regclass, column_name name, batch_rows integer, max_rows_per_second integer) */
Datum
tsec_reencrypt_column(PG_FUNCTION_ARGS)
{
	Oid relation = PG_ARGISNULL(0) ? InvalidOid : PG_GETARG_OID(0);
	RewriteJob job = {0};
	NameData column;

	rewrite_require_nonatomic(fcinfo, "reencrypt_column");
	if (PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a column must be named")));
	column = *PG_GETARG_NAME(1);
	job.batch_rows = rewrite_batch_rows(fcinfo, 2);
	job.rows_per_second = rewrite_rows_per_second(fcinfo, 3);
	rewrite_require_owner(relation);
	describe_column(&job, relation, NameStr(column));
	(void) keyring_sealing_key(job.modifier); /* raises early when there is no usable key */

	SPI_connect_ext(SPI_OPT_NONATOMIC);
	rewrite_lock(relation);
	progress_begin("re-encrypting", relation, NameStr(column), rewrite_estimate(relation));
	rewrite_run(&job);
	if (job.left > 0)
		ereport(WARNING,
				(errmsg("%lld values lie under destroyed key versions and stay as they are", (long long) job.left)));
	progress_end();
	rewrite_unlock(relation);
	SPI_finish();
	PG_RETURN_VOID();
}

/* retag_column(rel regclass, column_name name) -> bigint: under a lock of the caller's that keeps writers out */
Datum
tsec_retag_column(PG_FUNCTION_ARGS)
{
	RewriteJob job = {.retag = true};

	describe_column(&job, PG_GETARG_OID(0), NameStr(*PG_GETARG_NAME(1)));
	rewrite_at_once(&job);
	/* kept plans hold literals with tags of the old key, of an empty table as well */
	CacheInvalidateRelcacheByRelid(job.relation);
	if (job.left > 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("%lld values of \"%s\" lie under destroyed key versions", (long long) job.left,
						get_rel_name(job.relation)),
				 errdetail("Their blind tags cannot be made anew."), errhint("Overwrite them with NULL first.")));
	PG_RETURN_INT64(job.changed);
}

/* lock_relation(rel regclass) -> void: keeps everybody out of a table or materialised view, which LOCK TABLE does not take */
Datum
tsec_lock_relation(PG_FUNCTION_ARGS)
{
	LockRelationOid(PG_GETARG_OID(0), AccessExclusiveLock);
	PG_RETURN_VOID();
}
