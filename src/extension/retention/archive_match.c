/*
 * archive_match.c
 *		An archive against what is in the table now: every record against the leaf or
 *		row that it should be, in the same order.  What retention asks before it drops.
 */
#include "retention/archive.h"

#include "access/table.h"
#include "mb/pg_wchar.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"

PG_FUNCTION_INFO_V1(tsec_archive_matches);
PG_FUNCTION_INFO_V1(tsec_archive_unchanged);

typedef struct Comparison
{
	ArchiveInput *input;
	CipherKeys *keys;
	MemoryContext context;  /* for the difference, for rows are looked at in one that goes with their query */
	const char *difference; /* NULL: none so far */
} Comparison;

/* The next record that is not a gap; false at the end. */
static bool
next_record(ArchiveInput *input, ArchiveRecord *record)
{
	while (archive_judge_next(&input->judge, record))
		if (record->kind != ARCHIVE_GAP)
			return true;
	return false;
}

static bool
same_bytes(Bytes one, Bytes other)
{
	/* public: how long it takes says where two rows differ to who may read both */
	return one.length == other.length && memcmp(one.data, other.data, one.length) == 0;
}

static void
compare_leaves(Comparison *comparison, Oid partition)
{
	ArchiveInput *input = comparison->input;
	LedgerArchived archived;
	LedgerArchive *archive = ledger_archive_open(partition, &archived);
	LedgerLeaf leaf;
	ArchiveRecord record;

	while (comparison->difference == NULL && ledger_archive_next(archive, &leaf))
		if (!next_record(input, &record) || input->judge.tally.edge.size - 1 != leaf.index ||
			!same_bytes(record.bytes, leaf.bytes) || (record.kind == ARCHIVE_LEAF) != leaf.begins_row)
			comparison->difference =
				psprintf("leaf " UINT64_FORMAT " is not in it as it is in the table", leaf.index);
	ledger_archive_close(archive);
}

static void
compare_row(void *argument, Bytes row)
{
	Comparison *comparison = argument;
	ArchiveInput *input = comparison->input;
	ArchiveRecord record;

	if (comparison->difference == NULL && (!next_record(input, &record) || !same_bytes(record.bytes, row)))
	{
		MemoryContext outer = MemoryContextSwitchTo(comparison->context);

		comparison->difference =
			psprintf("row " UINT64_FORMAT " of it is not as it is in the table", input->judge.tally.rows);
		MemoryContextSwitchTo(outer);
	}
	CHECK_FOR_INTERRUPTS();
}

static bool
same_columns(const ArchiveManifest *one, const ArchiveManifest *other)
{
	if (one->column_count != other->column_count)
		return false;
	for (int i = 0; i < one->column_count; i++)
		/* public: names of columns and types */
		if (strcmp(one->columns[i].name, other->columns[i].name) != 0 ||
			strcmp(one->columns[i].type, other->columns[i].type) != 0)
			return false;
	return true;
}

static void
compare_rows(Comparison *comparison, Oid table, const ArchiveRange *range)
{
	Relation relation = table_open(table, AccessShareLock);
	ArchiveManifest now = {.kind = ARCHIVE_ROWS};

	archive_take_columns(relation, &now);
	if (!same_columns(&now, &comparison->input->manifest))
		comparison->difference = "the table has other columns now";
	else
		archive_visit_rows(relation, range, comparison->keys, compare_row, comparison);
	table_close(relation, NoLock);
}

const char *
archive_compare(ArchiveInput *input, Oid relation, const ArchiveRange *range, CipherKeys *keys)
{
	Comparison comparison = {.input = input, .keys = keys, .context = CurrentMemoryContext};
	ArchiveRecord record;

	if (input->manifest.kind == ARCHIVE_LEAVES)
		compare_leaves(&comparison, relation);
	else
		compare_rows(&comparison, relation, range);
	if (comparison.difference == NULL && next_record(input, &record))
		comparison.difference = "it holds rows that are not in the table";
	/* what is wrong with the file comes before what it lacks then */
	if (input->judge.fault != NULL || comparison.difference == NULL)
	{
		const char *fault = archive_input_end(input);

		return fault != NULL ? fault : comparison.difference;
	}
	return comparison.difference;
}

void
archive_range_of(const ArchiveManifest *manifest, ArchiveRange *range)
{
	memset(range, 0, sizeof(*range));
	range->column = manifest->time_column;
	if (range->column == NULL)
		return;
	range->column = pg_any_to_server(manifest->time_column, (int) strlen(manifest->time_column), PG_UTF8);
	range->has_from = manifest->from != NULL && archive_time(manifest->from, &range->from);
	range->has_to = manifest->to != NULL && archive_time(manifest->to, &range->to);
}

/* archive_matches(file text, partition regclass) -> void */
Datum
tsec_archive_matches(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	Oid relation = PG_GETARG_OID(1);
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext, "archive", ALLOCSET_DEFAULT_SIZES);
	MemoryContext outer = CurrentMemoryContext;
	ArchiveInput *input;
	ArchiveRange range;
	const char *reason;

	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	MemoryContextSwitchTo(context);
	input = archive_input_open(name);
	archive_input_unseal(input, false);
	reason = input->fault;
	if (archive_input_begin(input))
	{
		archive_range_of(&input->manifest, &range);
		reason = archive_compare(input, relation, &range, NULL);
	}
	else
		reason = input->fault;
	if (reason != NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("archive \"%s\" is not what \"%s\" holds", name, get_rel_name(relation)),
						errdetail_internal("%s.", reason),
						errhint("Nothing is dropped; move the archive away, and it is written again.")));
	archive_input_close(input);
	MemoryContextSwitchTo(outer);
	SPI_finish();
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}

/* archive_unchanged(file text, sha256 bytea) -> void */
Datum
tsec_archive_unchanged(PG_FUNCTION_ARGS)
{
	char *name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	bytea *sha256 = PG_GETARG_BYTEA_PP(1);
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "archive", ALLOCSET_DEFAULT_SIZES);
	ArchiveInput *input;
	const char *reason;

	MemoryContextSwitchTo(context);
	input = archive_input_open(name);
	reason = archive_input_digest(input);
	if (reason == NULL && !same_bytes(bytes_of(VARDATA_ANY(sha256), VARSIZE_ANY_EXHDR(sha256)),
									  bytes_of(input->manifest.sha256, DIGEST_SIZE)))
		reason = "it is another archive than the one that was verified";
	if (reason != NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED), errmsg("archive \"%s\" is not what it was", name),
						errdetail_internal("%s.", reason)));
	archive_input_close(input);
	MemoryContextSwitchTo(outer);
	MemoryContextDelete(context);
	PG_RETURN_VOID();
}
