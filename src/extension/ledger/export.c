/*
 * export.c
 *		The log as files, for twin_verify and whoever keeps them: leaves with the
 *		hashes that were sealed, signed checkpoints, verifier keys, a manifest.
 *
 * What is written is what the tables say, right or wrong: a row that was changed
 * or is missing shows in the files, and the verifier names it.  The export itself
 * judges nothing and stops at nothing that somebody changed.
 */
#include "ledger/export.h"

#include "common/dropped.h"

#include "catalog/pg_type.h"
#include "miscadmin.h"
#include "storage/ipc.h"
#include "utils/builtins.h"
#include "utils/memutils.h"

PG_FUNCTION_INFO_V1(tsec_export_audit_log);

#define NOTES_FETCH 1000

typedef struct Export
{
	ExportFolder *folder;
	TileSet *set;
	ManifestHead head;
	ManifestFile *files;
	uint64 file_count;
	uint64 next; /* leaf to be written */
	SegmentHeader segment;
} Export;

/* ---- which leaves ---- */

/* The tree's size, and that of the first checkpoint at or after a size (null: the newest). */
static uint64
choose_end(Datum to, bool to_is_null)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT s.size, CASE WHEN $1 IS NULL THEN (SELECT max(c.size) FROM twin_internal.checkpoints_of_log c) "
		"ELSE (SELECT min(c.size) FROM twin_internal.checkpoints_of_log c WHERE c.size >= $1) END "
		"FROM twin_internal.ledger_state s",
		INT8OID);
	const char nulls[] = {to_is_null ? 'n' : ' ', '\0'};
	Datum values[] = {to};
	bool null = true;
	int64 size = 0;
	int64 end = 0;

	plan_run(&plan, values, nulls, true, SPI_OK_SELECT);
	if (SPI_processed == 1)
	{
		size = DatumGetInt64(plan_value(0, 1, NULL));
		end = DatumGetInt64(plan_value(0, 2, &null));
	}
	if (null)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						to_is_null ? errmsg("the audit log has no signed checkpoint yet")
								   : errmsg("no signed checkpoint of the audit log covers leaf " INT64_FORMAT " yet",
											DatumGetInt64(to) - 1),
						errhint("Checkpoints are signed every twin_security.checkpoint_interval, when the library is "
								"preloaded and ENCRYPTION_KEY is set.")));
	if (end < 0 || end > size)
		ereport(ERROR, (errcode(ERRCODE_DATA_CORRUPTED),
						errmsg("the audit log's newest checkpoint is of more leaves than its tree has"),
						errhint("twin.verify_audit_log() says what else was changed.")));
	return (uint64) end;
}

static void
choose_leaves(Export *export, int64 from, Datum to, bool to_is_null)
{
	uint64 end;

	if (from < 0 || (!to_is_null && DatumGetInt64(to) < from))
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE), errmsg("there are no such leaves"),
						errdetail("Leaves are counted from 0, and the last is not before the first.")));
	end = choose_end(to, to_is_null);
	if ((uint64) from > end)
		ereport(ERROR, (errcode(ERRCODE_INVALID_PARAMETER_VALUE),
						errmsg("the audit log's newest checkpoint covers " UINT64_FORMAT " leaves", end)));
	export->head.first_leaf = (uint64) from;
	export->head.leaves = end - (uint64) from;
	base_check(tile_edge(export->set, (uint64) from, &export->head.left));
}

/* ---- files ---- */

static void
end_file(Export *export)
{
	export_file_end(export->folder, &export->files[export->file_count++]);
}

/* Writes the next leaf; data NULL: its event is not there. */
static void
write_leaf(Export *export, Bytes leaf, const MerkleHash *by_row)
{
	SegmentRecord record = {.leaf = leaf};
	uint8 begin[SEGMENT_RECORD_SIZE];
	char name[MANIFEST_NAME_SIZE];

	if (export->next == export->segment.first + export->segment.count)
	{
		uint8 header[SEGMENT_HEADER_SIZE];

		if (export->file_count > 0 || export->segment.count > 0)
			end_file(export);
		manifest_file_name(&export->head, export->file_count, name, &export->segment);
		export_file_begin(export->folder, name);
		segment_write_header(&export->segment, header);
		export_file_write(export->folder, header, sizeof(header));
	}
	/* where the sealed hash is lost the row's own stands in: the tree above it shows what that is worth */
	if (!tile_source(export->set, 0, export->next, &record.hash) && by_row != NULL)
		record.hash = *by_row;
	if (leaf.length > SEGMENT_LEAF_MAX)
		record.leaf = bytes_of(NULL, 0);
	segment_write_record(&record, begin);
	export_file_write(export->folder, begin, sizeof(begin));
	export_file_write(export->folder, record.leaf.data, record.leaf.data != NULL ? record.leaf.length : 0);
	export->next++;
}

static void
write_missing(Export *export, uint64 end)
{
	while (export->next < end)
	{
		write_leaf(export, bytes_of(NULL, 0), NULL);
		CHECK_FOR_INTERRUPTS();
	}
}

static void
write_leaves(Export *export)
{
	uint64 end = export->head.first_leaf + export->head.leaves;
	RetiredReader *retired;
	WindowReader *reader;
	const Window *window;

	export->next = export->head.first_leaf;
	export->segment = (SegmentHeader){export->next, 0};
	if (export->head.leaves == 0)
		return;
	retired = retired_open((int64) export->next, (int64) end);
	reader = window_open((int64) export->next, (int64) end, true);
	while ((window = window_next(reader)) != NULL)
		for (int i = 0; i < window->count; i++)
		{
			const SealedRow *row = &window->rows[i];
			/* a copy stands for what was dropped, and for nothing that somebody deleted */
			bool is_gone = row->is_kept && retired_find(retired, (uint64) Max(row->first_leaf, 0),
														(uint64) Max(row->leaves, 1)) == NULL;

			for (int j = 0; j < Min(row->leaves, EVENT_ID_STEP); j++)
			{
				uint64 leaf = (uint64) row->first_leaf + (uint64) j;

				/* rows that overlap or leave a hole were changed */
				if (leaf < export->next || leaf >= end)
					continue;
				write_missing(export, leaf);
				write_leaf(export, is_gone ? bytes_of(NULL, 0) : window->leaves[row->place + j],
						   &window->hashes[row->place + j]);
			}
		}
	window_close(reader);
	(void) retired_close(retired);
	write_missing(export, end);
	end_file(export);
}

static void
write_checkpoints(Export *export)
{
	static LedgerPlan plan = LEDGER_PLAN(
		"SELECT c.note FROM twin_internal.checkpoints_of_log c WHERE c.size BETWEEN $1 AND $2 ORDER BY c.size",
		INT8OID, INT8OID);
	Datum values[] = {Int64GetDatum((int64) export->head.first_leaf),
					  Int64GetDatum((int64) (export->head.first_leaf + export->head.leaves))};
	Portal portal = plan_open(&plan, values, NULL, true);

	export_file_begin(export->folder, MANIFEST_CHECKPOINTS);
	for (;;)
	{
		SPI_cursor_fetch(portal, true, NOTES_FETCH);
		if (SPI_processed == 0)
			break;
		for (uint64 i = 0; i < SPI_processed; i++)
		{
			Bytes note = plan_bytes(plan_value(i, 1, NULL)); /* text lies as bytea does */

			export_file_write(export->folder, note.data, note.length);
		}
		SPI_freetuptable(SPI_tuptable);
	}
	SPI_cursor_close(portal);
	end_file(export);
}

static void
write_keys(Export *export)
{
	static LedgerPlan plan =
		LEDGER_PLAN("SELECT greatest(e.first_leaf, $1), e.origin, e.public_key FROM twin_internal.epochs e "
					"WHERE EXISTS (SELECT FROM twin_internal.checkpoints_of_log c "
					"WHERE c.epoch = e.epoch AND c.size BETWEEN $1 AND $2) ORDER BY e.epoch",
					INT8OID, INT8OID);
	Datum values[] = {Int64GetDatum((int64) export->head.first_leaf),
					  Int64GetDatum((int64) (export->head.first_leaf + export->head.leaves))};

	export_file_begin(export->folder, MANIFEST_KEYS);
	plan_run(&plan, values, NULL, true, SPI_OK_SELECT);
	for (uint64 i = 0; i < SPI_processed; i++)
	{
		char key[NOTE_KEY_SIZE_MAX];
		char line[NOTE_KEY_SIZE_MAX + 32];
		bool null;
		Datum public_key = plan_value(i, 3, &null);
		Bytes bytes = null ? bytes_of(NULL, 0) : plan_bytes(public_key);

		/* what is no key is no line: the verifier says which checkpoints have none */
		if (bytes.length != NOTE_PUBLIC_SIZE ||
			note_write_key(TextDatumGetCString(plan_value(i, 2, NULL)), bytes.data, key) != TSEC_OK)
			continue;
		snprintf(line, sizeof(line), INT64_FORMAT " %s\n", DatumGetInt64(plan_value(i, 1, NULL)), key);
		export_file_write(export->folder, line, strlen(line));
	}
	SPI_freetuptable(SPI_tuptable);
	end_file(export);
}

static void
write_bytes(Export *export, Bytes bytes)
{
	export_file_write(export->folder, bytes.data, bytes.length);
}

/* Proves an event that lies behind the export's last leaf, by the newest checkpoint. */
static void
prove_event(const Export *export, const RetiredSet *set, DroppedRecord *record)
{
	LedgerCheckpoint newest;
	MerkleHash path[MERKLE_PROOF_MAX];
	int length;

	if (!set->is_sealed || !checkpoint_newest(0, true, &newest) || newest.size <= set->event_leaf)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						errmsg("no signed checkpoint covers event " INT64_FORMAT
							   " yet, which says that events of the export were dropped",
							   set->event_id),
						errhint("Checkpoints are signed every twin_security.checkpoint_interval.")));
	base_check(merkle_inclusion(set->event_leaf, newest.size, tile_source, export->set, path, &length));
	record->path = bytes_of(memcpy(palloc(sizeof(path)), path, sizeof(path)), (size_t) length * DIGEST_SIZE);
	record->note = bytes_of(newest.note, strlen(newest.note));
}

/* Which of the leaves went with partitions. */
static void
write_dropped(Export *export)
{
	uint64 end = export->head.first_leaf + export->head.leaves;
	RetiredReader *reader = retired_open((int64) export->head.first_leaf, (int64) end);
	uint8 header[DROPPED_HEADER_SIZE];
	const RetiredSet *set;

	export_file_begin(export->folder, MANIFEST_DROPPED);
	dropped_write_header(header);
	export_file_write(export->folder, header, sizeof(header));
	while (export->head.leaves > 0 && (set = retired_next(reader)) != NULL)
	{
		DroppedRecord record = {.event_leaf = set->event_leaf, .event = set->event, .set = set->bytes};
		uint8 begin[DROPPED_RECORD_SIZE];

		if (!set->is_sealed || set->event_leaf >= end)
			prove_event(export, set, &record);
		dropped_write_record(&record, begin);
		export_file_write(export->folder, begin, sizeof(begin));
		write_bytes(export, record.event);
		write_bytes(export, record.set);
		write_bytes(export, record.path);
		write_bytes(export, record.note);
	}
	(void) retired_close(reader);
	end_file(export);
}

static void
write_manifest(Export *export)
{
	char text[MANIFEST_HEAD_MAX];
	ManifestFile self;

	export_file_begin(export->folder, MANIFEST_NAME);
	export_file_write(export->folder, text, manifest_write_head(&export->head, text));
	for (uint64 i = 0; i < export->file_count; i++)
		export_file_write(export->folder, text,
						  manifest_write_file(&export->files[i], i + 1 == export->file_count, text));
	export_file_write(export->folder, MANIFEST_TAIL, strlen(MANIFEST_TAIL));
	export_file_end(export->folder, &self);
}

/* Others shall know that the log left the database. */
static void
tell(const Export *export, const char *name)
{
	char details[256] = "";
	char first[24];
	char leaves[24];
	SecurityEvent event = {.type = "audit_export",
						   .severity = EVENT_LOW,
						   .resource = "audit log",
						   .action = "export",
						   .details = details};

	snprintf(first, sizeof(first), UINT64_FORMAT, export->head.first_leaf);
	snprintf(leaves, sizeof(leaves), UINT64_FORMAT, export->head.leaves);
	(void) event_json_add(details, sizeof(details), "name", name);
	(void) event_json_add(details, sizeof(details), "first_leaf", first);
	(void) event_json_add(details, sizeof(details), "leaves", leaves);
	(void) event_emit(&event);
}

/* Takes the folder back, also when the session is terminated. */
static void
abandon(int code, Datum folder)
{
	export_folder_abandon((ExportFolder *) DatumGetPointer(folder));
}

/* export_audit_log(directory_name, from_leaf, to_leaf) -> leaves written */
Datum
tsec_export_audit_log(PG_FUNCTION_ARGS)
{
	char *name;
	Export export = {.file_count = 0};

	if (PG_ARGISNULL(0) || PG_ARGISNULL(1))
		ereport(ERROR, (errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED), errmsg("a name and a first leaf are needed")));
	name = text_to_cstring(PG_GETARG_TEXT_PP(0));
	if (SPI_connect() != SPI_OK_CONNECT)
		elog(ERROR, "twin_security: the server's programming interface is not to be had");
	export.set = tile_new_set(true);
	export.folder = export_folder_make(name);
	PG_ENSURE_ERROR_CLEANUP(abandon, PointerGetDatum(export.folder));
	{
		choose_leaves(&export, PG_GETARG_INT64(1), PG_ARGISNULL(2) ? (Datum) 0 : PG_GETARG_DATUM(2), PG_ARGISNULL(2));
		export.files =
			MemoryContextAllocHuge(CurrentMemoryContext, manifest_files(&export.head) * sizeof(ManifestFile));
		write_leaves(&export);
		write_checkpoints(&export);
		write_keys(&export);
		write_dropped(&export);
		write_manifest(&export);
		export_folder_finish(export.folder);
	}
	PG_END_ENSURE_ERROR_CLEANUP(abandon, PointerGetDatum(export.folder));
	tell(&export, name);
	SPI_finish();
	PG_RETURN_INT64((int64) export.head.leaves);
}
