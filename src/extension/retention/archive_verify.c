/*
 * archive_verify.c
 *		Whether an archive is what it says, and whether this database's log says so,
 *		too.  A bad archive is an answer, never an error.
 */
#include "retention/archive.h"

#include "catalog/pg_type.h"
#include "funcapi.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_verify_archive);

/* Whether the audit log names another digest of a file that held a dropped partition. */
static bool
is_other_file(const ArchiveInput *input, const char *name)
{
	Oid types[] = {TEXTOID, BYTEAOID};
	Datum values[2] = {CStringGetTextDatum(name)};
	bytea *sha256 = palloc(VARHDRSZ + DIGEST_SIZE);

	SET_VARSIZE(sha256, VARHDRSZ + DIGEST_SIZE);
	memcpy(VARDATA(sha256), input->manifest.sha256, DIGEST_SIZE);
	values[1] = PointerGetDatum(sha256);
	if (SPI_execute_with_args(
			"SELECT FROM (SELECT r.archive_sha256 FROM twin_internal.retired_leaves r WHERE r.archive_file = $1 "
			"ORDER BY r.event_id DESC LIMIT 1) r WHERE r.archive_sha256 <> $2",
			2, types, values, NULL, true, 0) != SPI_OK_SELECT)
		elog(ERROR, "twin_security: dropped partitions cannot be looked up");
	return SPI_processed > 0;
}

/* What the tree of this database says of an archive of its log; *is_own: it is one. */
static const char *
contradiction(const ArchiveInput *input, const char *name, bool *is_own)
{
	const Checkpoint *checkpoint = &input->judge.checkpoint;
	MerkleHash root;

	*is_own = archive_is_own(&input->manifest);
	if (!*is_own || input->manifest.kind != ARCHIVE_LEAVES)
		return NULL;
	if (!ledger_root_at(checkpoint->size, &root) ||
		memcmp(root.bytes, checkpoint->root.bytes, DIGEST_SIZE) != 0) /* public: roots of the log */
		return "the log of this database has not the tree of the archive's checkpoint";
	if (is_other_file(input, name))
		return "the audit log says that the archive of the dropped partition had another SHA-256";
	return NULL;
}

/* verify_archive(file) -> (ok, rows, reason) */
Datum
tsec_verify_archive(PG_FUNCTION_ARGS)
{
	ReturnSetInfo *result = (ReturnSetInfo *) fcinfo->resultinfo;
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "archive", ALLOCSET_DEFAULT_SIZES);
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	ArchiveRecord record;
	ArchiveInput *input;
	const char *reason;
	bool is_own = false;
	Datum values[3];
	bool nulls[3] = {false, false, false};

	InitMaterializedSRF(fcinfo, 0);
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	MemoryContextSwitchTo(context);
	input = archive_input_open(name);
	archive_input_unseal(input, false);
	if (archive_input_begin(input))
		while (archive_judge_next(&input->judge, &record))
			;
	reason = archive_input_end(input);
	if (reason == NULL)
		reason = contradiction(input, name, &is_own);
	values[0] = BoolGetDatum(reason == NULL);
	values[1] = Int64GetDatum((int64) archive_tally_rows(&input->judge.tally));
	if (reason == NULL && !is_own)
		reason = "it is whole, but no archive of this database's log";
	nulls[2] = reason == NULL;
	if (reason != NULL)
		values[2] = CStringGetTextDatum(reason);
	tuplestore_putvalues(result->setResult, result->setDesc, values, nulls);
	archive_input_close(input);
	MemoryContextSwitchTo(outer);
	SPI_finish();
	MemoryContextDelete(context);
	return (Datum) 0;
}
