/*
 * archive_write.c
 *		A partition, or a range of a table's rows, becomes an archive: records into
 *		the file, what they amount to into the manifest, and names for both when both
 *		are on the disk.  The manifest gets its name last: without it nothing counts.
 *
 * An archive of the same rows that is there already is taken as it is, after all
 * of it was compared.  Whatever else has the name stays, and the new one gets a
 * number.
 */
#include "retention/archive.h"

#include "access/table.h"
#include "catalog/partition.h"
#include "commands/dbcommands.h"
#include "common/leaf.h"
#include "common/secret.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/rel.h"
#include "utils/timestamp.h"

PG_FUNCTION_INFO_V1(tsec_write_archive);

typedef struct Writing
{
	char base[MAXPGPATH];
	char name[ARCHIVE_FILE_NAME_SIZE]; /* of both files, without what they end with */
	Relation relation;
	ArchiveRange range;
	ArchiveManifest manifest;
	ArchiveHeader header;
	ArchiveTally tally;
	ArchiveWriter *writer;
	CipherKeys *keys; /* that encrypted values of its rows lie under */
	Bytes leaf_set;   /* data NULL: none */
	MemoryContextCallback callback;
} Writing;

static void
release(void *argument)
{
	Writing *writing = argument;

	archive_tally_free(&writing->tally);
	archive_writer_free(writing->writer);
}

/* ---- records ---- */

static void
put_record(Writing *writing, const ArchiveRecord *record, const MerkleHash *hash)
{
	uint8 head[ARCHIVE_GAP_SIZE];
	size_t length = ARCHIVE_GAP_SIZE;
	const char *fault = archive_tally_record(&writing->tally, record, hash);

	if (fault != NULL)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("\"%s\" cannot be archived", RelationGetRelationName(writing->relation)),
						errdetail_internal("%s.", fault)));
	if (record->kind == ARCHIVE_GAP)
		archive_put_gap(record->level, &record->node, head);
	else
	{
		archive_put_head(record->kind, record->bytes.length, head);
		length = ARCHIVE_RECORD_HEAD;
	}
	base_check(archive_write(writing->writer, head, length));
	if (record->kind != ARCHIVE_GAP)
		base_check(archive_write(writing->writer, record->bytes.data, record->bytes.length));
}

/* Puts roots of the largest full subtrees up to a leaf. */
static void
put_gaps(Writing *writing, LedgerArchive *archive, uint64 to)
{
	while (writing->tally.edge.size < to)
	{
		ArchiveRecord record = {.kind = ARCHIVE_GAP, .level = 0};
		uint64 at = writing->tally.edge.size;

		while (at % (UINT64CONST(2) << record.level) == 0 && at + (UINT64CONST(2) << record.level) <= to)
			record.level++;
		ledger_archive_node(archive, record.level, at >> record.level, &record.node);
		put_record(writing, &record, NULL);
	}
}

static void
put_leaves(Writing *writing)
{
	ArchiveManifest *manifest = &writing->manifest;
	LedgerArchived archived;
	LedgerArchive *archive = ledger_archive_open(RelationGetRelid(writing->relation), &archived);
	LedgerLeaf leaf;
	int level;

	manifest->checkpoint = archived.note;
	manifest->public_key = pstrdup(archived.key);
	manifest->first_leaf = archived.first_leaf;
	manifest->last_leaf = archived.last_leaf;
	if (archived.rows > 0)
	{
		archive_subtree(archived.first_leaf, archived.last_leaf, archived.checkpoint.size, &manifest->subtree_first,
						&level, &manifest->subtree_leaves);
		archive_tally_expect(&writing->tally, manifest->subtree_first, level);
	}
	while (ledger_archive_next(archive, &leaf))
	{
		ArchiveRecord record = {.kind = leaf.begins_row ? ARCHIVE_LEAF : ARCHIVE_MORE, .bytes = leaf.bytes};

		put_gaps(writing, archive, leaf.index);
		if (writing->tally.edge.size != leaf.index)
			base_throw(TSEC_TREE_INCOMPLETE);
		put_record(writing, &record, leaf.hash);
	}
	put_gaps(writing, archive, archived.checkpoint.size);
	ledger_archive_close(archive);
	if (writing->tally.rows != archived.rows)
		base_throw(TSEC_TREE_INCOMPLETE);
}

static void
put_row(void *argument, Bytes row)
{
	ArchiveRecord record = {.kind = ARCHIVE_ROW, .bytes = row};

	put_record(argument, &record, NULL);
	CHECK_FOR_INTERRUPTS();
}

/* Takes what the records amount to into the manifest. */
static void
take_tally(Writing *writing)
{
	ArchiveManifest *manifest = &writing->manifest;
	MerkleHash root;
	Bytes leaf_set;
	const char *fault = archive_tally_end(&writing->tally, &root, &leaf_set);
	Checkpoint checkpoint;

	if (fault == NULL && manifest->kind == ARCHIVE_LEAVES &&
		(!note_read(bytes_of(manifest->checkpoint, strlen(manifest->checkpoint)), &checkpoint) ||
		 memcmp(checkpoint.root.bytes, root.bytes, DIGEST_SIZE) != 0)) /* public: roots of the log */
		fault = "The log's tree is not the one that its checkpoint was signed for";
	if (fault != NULL)
		ereport(ERROR,
				(errcode(ERRCODE_DATA_CORRUPTED),
				 errmsg("\"%s\" cannot be archived", RelationGetRelationName(writing->relation)),
				 errdetail_internal("%s.", fault), errhint("twin.verify_audit_log() says what else was changed.")));
	manifest->rows = writing->tally.rows;
	manifest->root = root;
	if (manifest->kind != ARCHIVE_LEAVES)
		return;
	manifest->leaves = writing->tally.set.summary.leaves;
	manifest->subtree_root = writing->tally.subtree_root;
	base_check(digest_sha256(leaf_set, manifest->leaf_set_sha256));
	writing->leaf_set = leaf_set;
}

/* ---- files ---- */

static ArchiveOutput *
write_manifest(Writing *writing)
{
	size_t length = archive_manifest_write(&writing->manifest, NULL, 0);
	char *text = palloc_extended(length, MCXT_ALLOC_HUGE);
	ArchiveOutput *output =
		archive_output_begin(writing->base, psprintf("%s" ARCHIVE_MANIFEST_SUFFIX, writing->name));
	uint64 bytes;
	uint8 sha256[DIGEST_SIZE];

	/* whoever has the file's name has the manifest's, too */
	if (output == NULL)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_IN_USE),
						errmsg("another process is writing the manifest of \"%s\"", writing->name)));
	if (length > ARCHIVE_MANIFEST_MAX)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the archive's manifest would be too long")));
	(void) archive_manifest_write(&writing->manifest, text, length);
	archive_output_write(output, bytes_of(text, length));
	archive_output_end(output, &bytes, sha256);
	return output;
}

static void
write_files(Writing *writing, ArchiveOutput *file)
{
	uint8 key[AEAD_KEY_SIZE];
	ArchiveOutput *manifest;
	Status status;

	writing->header.kind = writing->manifest.kind;
	archive_secret_make(&writing->manifest, &writing->header, key);
	status = archive_writer_new(&writing->header, key, archive_output_write, file, &writing->writer);
	secret_wipe(key, sizeof(key));
	base_check(status);
	if (!archive_tally_begin(&writing->tally, writing->manifest.kind, writing->manifest.column_count))
		base_throw(TSEC_NO_MEMORY);
	if (writing->manifest.kind == ARCHIVE_LEAVES)
		put_leaves(writing);
	else
		archive_visit_rows(writing->relation, &writing->range, writing->keys, put_row, writing);
	base_check(archive_writer_end(writing->writer));
	archive_output_end(file, &writing->manifest.bytes, writing->manifest.sha256);
	take_tally(writing);
	manifest = write_manifest(writing);
	archive_output_publish(file);
	archive_output_publish(manifest);
	if (!base_sync_folder(writing->base))
		archive_refuse(writing->base, "cannot bring to the disk");
}

/* ---- what is there already ---- */

static bool
same_text(const char *one, const char *other)
{
	return one == NULL || other == NULL ? one == other : strcmp(one, other) == 0; /* public: names and times */
}

/* Whether an archive is there that holds these rows and nothing else; its manifest is taken then. */
static bool
take_existing(Writing *writing)
{
	ArchiveManifest *wanted = &writing->manifest;
	ArchiveInput *input = archive_input_open(psprintf("%s" ARCHIVE_SUFFIX, writing->name));
	const char *difference = input->fault;

	if (difference == NULL &&
		(input->manifest.kind != wanted->kind || !same_text(input->manifest.relation, wanted->relation) ||
		 !same_text(input->manifest.time_column, wanted->time_column) ||
		 !same_text(input->manifest.from, wanted->from) || !same_text(input->manifest.to, wanted->to) ||
		 !archive_is_own(&input->manifest)))
		difference = "it is of something else";
	if (difference == NULL)
	{
		archive_input_unseal(input, false);
		difference = archive_input_begin(input)
						 ? archive_compare(input, RelationGetRelid(writing->relation), &writing->range, writing->keys)
						 : input->fault;
	}
	archive_input_close(input);
	if (difference != NULL)
	{
		ereport(LOG, (errmsg("archive \"%s\" is there already and is left as it is", input->path),
					  errdetail_internal("%s.", difference)));
		return false;
	}
	wanted->rows = input->manifest.rows;
	wanted->leaves = input->manifest.leaves;
	wanted->key_name = input->manifest.key_name;
	wanted->key_id = input->manifest.key_id;
	memcpy(wanted->sha256, input->manifest.sha256, DIGEST_SIZE);
	if (wanted->kind == ARCHIVE_LEAVES)
		writing->leaf_set = bytes_of(input->judge.tally.runs, input->judge.tally.runs_length);
	return true;
}

/* Takes the first name that nobody has or is writing; NULL: an archive is there that is what would be written. */
static ArchiveOutput *
choose_name(Writing *writing)
{
	for (int number = 1; number <= ARCHIVE_NUMBER_MAX; number++)
	{
		bool has_manifest;
		bool has_file;
		ArchiveOutput *output;

		writing->manifest.number = number;
		if (!archive_name(&writing->manifest, writing->name))
			elog(ERROR, "twin_security: an archive has no name");
		has_manifest = archive_is_taken(writing->base, psprintf("%s" ARCHIVE_MANIFEST_SUFFIX, writing->name));
		has_file = archive_is_taken(writing->base, psprintf("%s" ARCHIVE_SUFFIX, writing->name));
		if (!has_manifest && !has_file)
		{
			output = archive_output_begin(writing->base, psprintf("%s" ARCHIVE_SUFFIX, writing->name));
			if (output != NULL)
				return output;
		}
		/* one without the other is somebody's, or was cut off between two renames */
		if (has_manifest && has_file && take_existing(writing))
		{
			/* whoever wrote it may have ended before its names were on the disk */
			if (!base_sync_folder(writing->base))
				archive_refuse(writing->base, "cannot bring to the disk");
			return NULL;
		}
		CHECK_FOR_INTERRUPTS();
	}
	ereport(ERROR,
			(errcode(ERRCODE_DUPLICATE_FILE), errmsg("there are too many archives \"%s\" already", writing->name),
			 errhint("Move those that are kept elsewhere out of twin_security.archive_directory.")));
}

/* ---- what is asked for ---- */

static const char *
time_text(TimestampTz time)
{
	char text[LEAF_TIME_SIZE];

	leaf_time(time, text);
	return pstrdup(text);
}

static void
describe(Writing *writing)
{
	Relation relation = writing->relation;
	ArchiveManifest *manifest = &writing->manifest;
	Oid parent = RelationGetRelid(relation);
	char origin[NOTE_ORIGIN_MAX + 1];

	if (relation->rd_rel->relispartition)
		parent = get_partition_parent(parent, true);
	manifest->kind = ledger_is_partition(RelationGetRelid(relation)) ? ARCHIVE_LEAVES : ARCHIVE_ROWS;
	manifest->database = archive_utf8(get_database_name(MyDatabaseId));
	manifest->log = ledger_origin(origin) ? pstrdup(origin) : NULL;
	manifest->schema = archive_utf8(get_namespace_name(RelationGetNamespace(relation)));
	manifest->partition = archive_utf8(RelationGetRelationName(relation));
	manifest->relation =
		archive_utf8(quote_qualified_identifier(get_namespace_name(get_rel_namespace(parent)), get_rel_name(parent)));
	manifest->time_column = writing->range.column != NULL ? archive_utf8(writing->range.column) : NULL;
	manifest->from = writing->range.has_from ? time_text(writing->range.from) : NULL;
	manifest->to = writing->range.has_to ? time_text(writing->range.to) : NULL;
	if (manifest->kind == ARCHIVE_LEAVES && writing->range.column != NULL)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("partitions of the audit log are archived as a whole")));
	if (manifest->kind == ARCHIVE_ROWS)
		archive_take_columns(relation, manifest);
}

static Datum
bytea_of(Bytes bytes)
{
	bytea *made = palloc_extended(VARHDRSZ + bytes.length, MCXT_ALLOC_HUGE);

	if (bytes.length > MaxAllocSize - VARHDRSZ)
		ereport(ERROR, (errcode(ERRCODE_PROGRAM_LIMIT_EXCEEDED), errmsg("the set of archived leaves is too large")));
	SET_VARSIZE(made, VARHDRSZ + bytes.length);
	memcpy(VARDATA(made), bytes.data, bytes.length);
	return PointerGetDatum(made);
}

/* write_archive(partition, from_time, to_time, time_column) -> (file, rows, sha256, leaf_set, key_id, value_key_ids) */
Datum
tsec_write_archive(PG_FUNCTION_ARGS)
{
	MemoryContext outer = CurrentMemoryContext;
	MemoryContext context = AllocSetContextCreate(outer, "archive", ALLOCSET_DEFAULT_SIZES);
	Writing *writing;
	TupleDesc shape;
	Datum values[6] = {0};
	bool nulls[6] = {false};
	HeapTuple tuple;
	ArchiveOutput *output;

	if (PG_ARGISNULL(0))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a partition is needed")));
	if (get_call_result_type(fcinfo, NULL, &shape) != TYPEFUNC_COMPOSITE)
		elog(ERROR, "twin_security: write_archive() returns a row");
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	MemoryContextSwitchTo(context);
	writing = palloc0(sizeof(Writing));
	writing->callback.func = release;
	writing->callback.arg = writing;
	MemoryContextRegisterResetCallback(context, &writing->callback);
	archive_find_folder(writing->base);
	archive_clean_folder(writing->base);
	writing->range.has_from = !PG_ARGISNULL(1);
	writing->range.has_to = !PG_ARGISNULL(2);
	writing->range.from = PG_ARGISNULL(1) ? 0 : PG_GETARG_TIMESTAMPTZ(1);
	writing->range.to = PG_ARGISNULL(2) ? 0 : PG_GETARG_TIMESTAMPTZ(2);
	writing->range.column = PG_ARGISNULL(3) ? NULL : pstrdup(NameStr(*PG_GETARG_NAME(3)));
	writing->keys = cipher_keys_new();
	writing->relation = table_open(PG_GETARG_OID(0), AccessShareLock);
	describe(writing);
	output = choose_name(writing);
	if (output != NULL)
		write_files(writing, output);
	table_close(writing->relation, NoLock);
	MemoryContextSwitchTo(outer);
	values[0] = CStringGetTextDatum(psprintf("%s" ARCHIVE_SUFFIX, writing->name));
	values[1] = Int64GetDatum((int64) archive_manifest_rows(&writing->manifest));
	values[2] = bytea_of(bytes_of(writing->manifest.sha256, DIGEST_SIZE));
	nulls[3] = writing->leaf_set.data == NULL;
	if (!nulls[3])
		values[3] = bytea_of(writing->leaf_set);
	nulls[4] = writing->manifest.key_name == NULL;
	values[4] = Int32GetDatum((int32) writing->manifest.key_id);
	values[5] = PointerGetDatum(cipher_keys_ids(writing->keys));
	tuple = heap_form_tuple(BlessTupleDesc(shape), values, nulls);
	MemoryContextDelete(context);
	SPI_finish();
	PG_RETURN_DATUM(HeapTupleGetDatum(tuple));
}
