/*
 * archive.c
 *		An archive from its two files alone: what it holds is what its manifest says,
 *		and of the audit log what was sealed when its checkpoint was signed.
 */
#include "verify/reader.h"
#include "verify/report.h"

#include "common/archive_tally.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

typedef struct ArchiveCheck
{
	const VerifyOptions *options;
	Report *report;
	const char *name; /* of the file, without folders */
	ArchiveManifest manifest;
	Reader *file;
} ArchiveCheck;

static size_t
read_some(void *argument, uint8_t *to, size_t wanted)
{
	ArchiveCheck *check = argument;
	Bytes at_hand = reader_need(check->file, wanted);
	size_t some = at_hand.length < wanted ? at_hand.length : wanted;

	memcpy(to, at_hand.data, some);
	reader_take(check->file, some);
	return some;
}

/* Opens a file; what cannot be is written down. */
static bool
complain_of_opening(Report *report, const char *name, const char *what)
{
	bool is_tampering = errno == ENOENT || errno == EINVAL || errno == EFBIG;

	report_problem(report, is_tampering ? VERDICT_TAMPERED : VERDICT_UNREADABLE, name, "%s cannot be opened: %s",
				   what, strerror(errno));
	return false;
}

static bool
read_manifest(ArchiveCheck *check, const char *path)
{
	size_t length = strlen(path) - strlen(ARCHIVE_SUFFIX);
	char *name = malloc(length + sizeof(ARCHIVE_MANIFEST_SUFFIX));
	char expected[ARCHIVE_FILE_NAME_SIZE];
	uint8_t sha256[DIGEST_SIZE];
	uint8_t *text = NULL;
	bool is_one;

	if (name != NULL)
	{
		memcpy(name, path, length);
		strcpy(name + length, ARCHIVE_MANIFEST_SUFFIX);
		text = reader_whole(AT_FDCWD, name, ARCHIVE_MANIFEST_MAX, &length, sha256);
	}
	free(name);
	if (text == NULL)
		return complain_of_opening(check->report, check->name, "the manifest");
	is_one = archive_manifest_read(bytes_of(text, length), &check->manifest);
	free(text);
	if (!is_one)
	{
		report_problem(check->report, VERDICT_TAMPERED, check->name,
					   "the manifest is not as an archive of version 1 has it");
		return false;
	}
	if (!archive_name(&check->manifest, expected) || strncmp(check->name, expected, strlen(expected)) != 0 ||
		strcmp(check->name + strlen(expected), ARCHIVE_SUFFIX) != 0) /* public: names of files */
	{
		report_problem(check->report, VERDICT_TAMPERED, check->name, "the manifest is that of another archive");
		return false;
	}
	return true;
}

/* Writes an event as a line of JSON, with its leaf. */
static void
write_event(const ArchiveCheck *check, uint64_t index, const Leaf *leaf)
{
	FILE *events = check->options->events;
	size_t length;
	char *json;

	if (events == NULL)
		return;
	length = leaf_json(leaf, NULL, 0);
	json = malloc(length);
	if (json == NULL)
		return;
	(void) leaf_json(leaf, json, length);
	(void) fprintf(events, "{\"leaf_index\":%" PRIu64 ",", index);
	(void) fwrite(json + 1, 1, length - 1, events);
	(void) fputc('\n', events);
	free(json);
}

static void
look_at_record(const ArchiveCheck *check, uint64_t index, const ArchiveRecord *record)
{
	Leaf leaf;

	if ((record->kind != ARCHIVE_LEAF && record->kind != ARCHIVE_MORE) || !leaf_decode(record->bytes, &leaf))
		return;
	write_event(check, index, &leaf);
	gap_leaf(check->report, &leaf);
}

/* Says what of an archive that holds is not proven. */
static void
say_unproven(ArchiveCheck *check, const ArchiveJudge *judge)
{
	char name[NOTE_ORIGIN_MAX + 1];
	uint8_t key[NOTE_PUBLIC_SIZE];

	if (judge->is_skimmed)
		report_unproven(check->report, "what the archive holds: it is encrypted, and no key was given "
									   "(--archive-keys); its form and its SHA-256 were looked at");
	if (check->manifest.kind == ARCHIVE_ROWS)
	{
		report_unproven(check->report,
						"that the rows were those of the table: compare the file's SHA-256 with that of "
						"the event partition_archived or rows_expired in the audit log");
		return;
	}
	if (check->options->keys.count == 0)
		report_unproven(check->report, "no key was given (--key): that the checkpoint is the log's own; it only fits "
									   "the key in the manifest");
	else if (note_read_key(bytes_of(check->manifest.public_key, strlen(check->manifest.public_key)), name, key) &&
			 !keys_hold(&check->options->keys, key))
		report_problem(check->report, VERDICT_TAMPERED, check->name,
					   "its checkpoint is signed by a key that was not given");
}

static void
judge_file(ArchiveCheck *check, ArchiveReader *reader)
{
	ArchiveJudge judge;
	ArchiveRecord record;
	uint8_t sha256[DIGEST_SIZE];
	Verdict verdict;
	const char *why;

	if (!archive_reader_begin(reader))
	{
		report_problem(check->report, VERDICT_TAMPERED, check->name, "it does not begin as an archive of version 1");
		return;
	}
	if (check->options->archive_keys.text != NULL && archive_header(reader)->is_sealed &&
		!unseal_archive(&check->options->archive_keys, reader, &why))
	{
		report_problem(check->report, VERDICT_UNREADABLE, check->name, "%s", why);
		return;
	}
	if (archive_judge_begin(&judge, reader, &check->manifest))
	{
		while (archive_judge_next(&judge, &record))
			look_at_record(check, judge.tally.edge.size - 1, &record);
		(void) archive_judge_end(&judge);
	}
	check->report->rows =
		judge.is_skimmed ? archive_manifest_rows(&check->manifest) : archive_tally_rows(&judge.tally);
	check->report->first_leaf = check->manifest.first_leaf;
	check->report->leaves = check->manifest.leaves;
	verdict = reader_failed(check->file) ? VERDICT_UNREADABLE : VERDICT_TAMPERED;
	if (judge.fault != NULL && judge.chunk > 0)
		report_problem(check->report, verdict, check->name, "%s (chunk %" PRIu64 ", behind row %" PRIu64 ")",
					   judge.fault, judge.chunk, judge.tally.rows);
	else if (judge.fault != NULL)
		report_problem(check->report, verdict, check->name, "%s", judge.fault);
	else if (!reader_finish(check->file, sha256))
		report_problem(check->report, VERDICT_UNREADABLE, check->name, "the file cannot be read");
	else if (memcmp(sha256, check->manifest.sha256, DIGEST_SIZE) != 0) /* public: a digest of a file */
		report_problem(check->report, VERDICT_TAMPERED, check->name,
					   "the file's SHA-256 is not what its manifest says");
	else
		say_unproven(check, &judge);
	if (check->manifest.kind == ARCHIVE_LEAVES)
	{
		check->report->newest = judge.checkpoint;
		check->report->has_newest = judge.fault == NULL;
	}
	archive_judge_free(&judge);
}

void
verify_archive(const char *file, const VerifyOptions *options, Report *report)
{
	const char *slash = strrchr(file, '/');
	ArchiveCheck check = {.options = options, .report = report, .name = slash != NULL ? slash + 1 : file};
	ArchiveReader *reader;

	if (!archive_name_valid(check.name))
	{
		report_problem(report, VERDICT_UNREADABLE, check.name, "not the name of an archive, which ends with %s",
					   ARCHIVE_SUFFIX);
		return;
	}
	if (!read_manifest(&check, file))
	{
		archive_manifest_free(&check.manifest);
		return;
	}
	check.file = reader_open(AT_FDCWD, file);
	reader = archive_reader_new(read_some, &check);
	if (check.file == NULL)
		(void) complain_of_opening(report, check.name, "the file");
	else if (reader == NULL)
		report_problem(report, VERDICT_UNREADABLE, "", "there is not enough memory");
	else if (reader_size(check.file) != check.manifest.bytes)
		report_problem(report, VERDICT_TAMPERED, check.name,
					   "the file has %" PRIu64 " bytes, its manifest says %" PRIu64, reader_size(check.file),
					   check.manifest.bytes);
	else
		judge_file(&check, reader);
	archive_reader_free(reader);
	reader_close(check.file);
	archive_manifest_free(&check.manifest);
}
