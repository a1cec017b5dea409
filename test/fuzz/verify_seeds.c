/*
 * verify_seeds.c
 *		Writes what the targets of twin_verify start from: exports of the made log, and
 *		leaves, checkpoints, proofs and keys of it.
 *
 *		verify_seeds FOLDER
 */
#define _GNU_SOURCE
#include "made_log.h"

#include "common/archive_manifest.h"
#include "common/archive_tally.h"

static const char *seeds;

typedef struct Input
{
	uint8_t bytes[32768];
	size_t length;
} Input;

static void
put_piece(Input *input, uint8_t which, const void *bytes, size_t length)
{
	MUST(length <= 0xffff && input->length + MADE_PIECE_HEAD + length <= sizeof(input->bytes));
	input->bytes[input->length++] = which;
	input->bytes[input->length++] = (uint8_t) (length >> 8);
	input->bytes[input->length++] = (uint8_t) length;
	memcpy(input->bytes + input->length, bytes, length);
	input->length += length;
}

static void
write_input(const char *kind, int number, const Input *input)
{
	char name[100];

	(void) snprintf(name, sizeof(name), "%s-%d", kind, number);
	log_write_file(seeds, name, input->bytes, input->length);
}

static void
write_export(const Log *log, uint64_t from, int number)
{
	static const char *const names[] = {MANIFEST_NAME, MANIFEST_CHECKPOINTS, MANIFEST_KEYS, MANIFEST_DROPPED};
	Input *input = fuzz_memory(sizeof(Input));
	const char *folder = made_folder();
	char segment[MANIFEST_NAME_SIZE];

	input->length = 0;
	log_export(log, from, folder);
	(void) snprintf(segment, sizeof(segment), "leaves-%019u.seg", (unsigned) from);
	for (int i = 0; i < 5; i++)
	{
		size_t length;
		uint8_t *bytes = log_read_file(folder, i < 4 ? names[i] : segment, &length);

		put_piece(input, i < 4 ? (uint8_t) i : (uint8_t) (4 + from), bytes, length);
		free(bytes);
	}
	write_input("verify_export", number, input);
	free(input);
}

static bool
node_of(void *argument, int level, uint64_t index, MerkleHash *hash)
{
	const Log *log = argument;
	MerkleEdge edge = {0};

	for (uint64_t i = index << level; i < (index + 1) << level; i++)
		MUST(merkle_append(&edge, &log->leaves[i].hash, NULL, NULL) == TSEC_OK);
	return merkle_root(&edge, hash) == TSEC_OK;
}

static size_t
write_path(char *to, const MerkleHash *path, int length)
{
	char *at = to;

	at += sprintf(at, "[");
	for (int i = 0; i < length; i++)
	{
		at += sprintf(at, "%s\"\\\\x", i > 0 ? "," : "");
		for (size_t j = 0; j < sizeof(path[i].bytes); j++)
			at += sprintf(at, "%02x", path[i].bytes[j]);
		at += sprintf(at, "\"");
	}
	at += sprintf(at, "]");
	return (size_t) (at - to);
}

/* Proofs for the newest checkpoint, of some leaves and from every older checkpoint. */
static void
write_proofs(Log *log)
{
	const LogCheckpoint *newest = &log->checkpoints[log->checkpoint_count - 1];
	Input *input = fuzz_memory(sizeof(Input));
	MerkleHash path[MERKLE_PROOF_MAX];
	char array[8192];
	char text[9000];
	int length;

	for (int i = 0; i < MADE_LEAVES; i += 5)
	{
		MUST(merkle_inclusion((uint64_t) i, newest->size, node_of, log, path, &length) == TSEC_OK);
		(void) write_path(array, path, length);
		(void) snprintf(text, sizeof(text), "{\"leaf_index\":%d,\"tree_size\":%d,\"path\":%s}", i, (int) newest->size,
						array);
		input->length = 0;
		put_piece(input, 0, log->leaves[i].bytes, log->leaves[i].length);
		put_piece(input, 0, text, strlen(text));
		put_piece(input, 0, newest->note, strlen(newest->note));
		write_input("verify_leaf", i, input);
	}
	for (int i = 0; i < log->checkpoint_count; i++)
	{
		const LogCheckpoint *old = &log->checkpoints[i];

		MUST(merkle_consistency(old->size, newest->size, node_of, log, path, &length) == TSEC_OK);
		input->length = 0;
		put_piece(input, 1, old->note, strlen(old->note));
		put_piece(input, 0, array, write_path(array, path, length));
		put_piece(input, 0, newest->note, strlen(newest->note));
		write_input("verify_growth", i, input);
	}
	free(input);
}

static void
write_keys(const Log *log)
{
	Input *input = fuzz_memory(sizeof(Input));
	char text[NOTE_SIZE_MAX] = "# a comment\n";

	MUST(note_write_key(log->epochs[0].name, log->epochs[0].public_key, text + strlen(text)) == TSEC_OK);
	input->length = 0;
	put_piece(input, 3, text, strlen(text));
	write_input("verify_keys", 0, input);
	free(input);
}

static void
take(void *argument, Bytes bytes)
{
	Input *file = argument;

	memcpy(file->bytes + file->length, bytes.data, bytes.length);
	file->length += bytes.length;
}

/* An archive of one row, with its manifest. */
static void
write_archive(void)
{
	static const char row[] = "\0\0\0\1x";
	static const ArchiveColumn columns[] = {{"a", "text"}};
	ArchiveHeader header = {ARCHIVE_ROWS, false, {0}};
	ArchiveManifest manifest = {.kind = ARCHIVE_ROWS,
								.database = "d",
								.schema = "s",
								.partition = "p",
								.relation = "s.p",
								.number = 1,
								.rows = 1,
								.columns = columns,
								.column_count = 1};
	Input *input = fuzz_memory(sizeof(Input));
	Input *file = fuzz_memory(sizeof(Input));
	uint8_t record[ARCHIVE_RECORD_HEAD];
	char text[4096];
	ArchiveWriter *writer;
	ArchiveTally tally;
	const ArchiveRecord put = {.kind = ARCHIVE_ROW, .bytes = bytes_of(row, sizeof(row) - 1)};
	Bytes set;

	file->length = 0;
	MUST(archive_writer_new(&header, NULL, take, file, &writer) == TSEC_OK);
	archive_put_head(ARCHIVE_ROW, sizeof(row) - 1, record);
	MUST(archive_write(writer, record, sizeof(record)) == TSEC_OK);
	MUST(archive_write(writer, row, sizeof(row) - 1) == TSEC_OK && archive_writer_end(writer) == TSEC_OK);
	archive_writer_free(writer);
	MUST(archive_tally_begin(&tally, ARCHIVE_ROWS, 1) && archive_tally_record(&tally, &put, NULL) == NULL);
	MUST(archive_tally_end(&tally, &manifest.root, &set) == NULL);
	archive_tally_free(&tally);
	manifest.bytes = file->length;
	MUST(digest_sha256(bytes_of(file->bytes, file->length), manifest.sha256) == TSEC_OK);
	input->length = 0;
	put_piece(input, 2, file->bytes, file->length);
	put_piece(input, 0, text, archive_manifest_write(&manifest, text, sizeof(text)));
	write_input("verify_archive", 0, input);
	free(file);
	free(input);
}

int
main(int count, char **arguments)
{
	Log *log;

	if (count != 2)
		return 2;
	seeds = arguments[1];
	log = made_log();
	write_export(log, 0, 0);
	write_export(log, 6, 1);
	write_export(log, MADE_LEAVES - 1, 2);
	write_proofs(log);
	write_keys(log);
	write_archive();
	log_free(log);
	return 0;
}
