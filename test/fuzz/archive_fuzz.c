/*
 * archive_fuzz.c
 *		Archives of strangers: files, records and manifests.
 *
 * A file that is read to its end is one of ours byte for byte, but for the frames
 * of zstd; records lie inside of it; a manifest that is read is written again as
 * it was; and a file is never said to be what a manifest says by chance.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/archive_key.h"
#include "common/archive_tally.h"
#include "common/leaf.h"

typedef struct File
{
	Bytes rest;
} File;

static size_t
source(void *argument, uint8_t *to, size_t wanted)
{
	File *file = argument;
	size_t some = file->rest.length < wanted ? file->rest.length : wanted;

	memcpy(to, file->rest.data, some);
	file->rest = bytes_of(file->rest.data + some, file->rest.length - some);
	return some;
}

static void
check_file(Bytes bytes, bool is_whole)
{
	static const ArchiveColumn columns[] = {{"a", "text"}, {"b", "text"}};
	uint8_t header[AEAD_KEY_SIZE] = {0}; /* is the key, too: what seeds.c seals with */
	ArchiveManifest manifest = {.kind = ARCHIVE_ROWS, .columns = columns, .column_count = 2};
	File file = {bytes};
	ArchiveReader *reader = archive_reader_new(source, &file);
	ArchiveJudge judge;

	MUST(reader != NULL);
	if (!archive_reader_begin(reader))
	{
		archive_reader_free(reader);
		return;
	}
	archive_write_header(archive_header(reader), header);
	MUST(memcmp(header, bytes.data, ARCHIVE_HEADER_SIZE) == 0);
	if (archive_header(reader)->is_sealed)
	{
		manifest.key_name = "k";
		if (is_whole)
			MUST(archive_reader_unseal(reader, header) == TSEC_OK);
	}
	MUST(archive_judge_all(&judge, reader, &manifest) == (judge.fault == NULL));
	/* the manifest has a root that no tree has */
	MUST(judge.fault != NULL || judge.is_skimmed);
	archive_judge_free(&judge);
	archive_reader_free(reader);
}

static void
check_records(Bytes bytes)
{
	ArchiveTally tally;
	MerkleHash root;
	Bytes set;

	MUST(archive_tally_begin(&tally, ARCHIVE_LEAVES, 0));
	while (bytes.length > 0)
	{
		ArchiveRecord record;
		uint8_t again[ARCHIVE_GAP_SIZE];
		size_t size = archive_get_record(bytes, &record);

		if (size == 0 || size > bytes.length)
			break;
		if (record.kind == ARCHIVE_GAP)
			archive_put_gap(record.level, &record.node, again);
		else
			archive_put_head(record.kind, record.bytes.length, again);
		MUST(memcmp(again, bytes.data, record.kind == ARCHIVE_GAP ? ARCHIVE_GAP_SIZE : ARCHIVE_RECORD_HEAD) == 0);
		if (archive_tally_record(&tally, &record, NULL) != NULL)
			break;
		bytes = bytes_of(bytes.data + size, bytes.length - size);
	}
	if (archive_tally_end(&tally, &root, &set) == NULL)
	{
		LeafSetReader reader;

		MUST(leafset_open(set, &reader));
		MUST(reader.summary.leaves <= tally.edge.size && tally.rows <= reader.summary.leaves);
	}
	archive_tally_free(&tally);
}

static void
check_manifest(Bytes text)
{
	ArchiveManifest manifest;
	char name[ARCHIVE_FILE_NAME_SIZE];
	char *again = malloc(text.length + 1);

	if (archive_manifest_read(text, &manifest))
	{
		MUST(archive_manifest_write(&manifest, again, text.length) == text.length);
		MUST(memcmp(again, text.data, text.length) == 0);
		if (archive_name(&manifest, name))
		{
			MUST(strlen(name) + strlen(ARCHIVE_SUFFIX) < ARCHIVE_FILE_NAME_SIZE - 24);
			strcat(name, ARCHIVE_SUFFIX);
			MUST(archive_name_valid(name));
		}
		archive_manifest_free(&manifest);
	}
	free(again);
}

/* What is read behind the beginning of one: a whole one is longer than most inputs. */
static void
check_rest_of_manifest(Bytes rest)
{
	static const char begin[] =
		"{\n\"format\":\"twin_security archive\",\n\"version\":1,\n\"kind\":\"rows\",\n\"database\":\"d\",\n"
		"\"log\":null,\n\"schema\":\"s\",\n\"partition\":\"p\",\n\"relation\":\"s.p\",\n";
	size_t length = sizeof(begin) - 1 + rest.length;
	uint8_t *text = malloc(length);

	memcpy(text, begin, sizeof(begin) - 1);
	memcpy(text + sizeof(begin) - 1, rest.data, rest.length);
	check_manifest(bytes_of(text, length));
	free(text);
}

/* Lines of keys: one that is found is written as it stands there. */
static void
check_keys(Bytes lines)
{
	uint8_t key[AEAD_KEY_SIZE];
	char text[ARCHIVE_KEY_TEXT];
	const uint8_t *identity = lines.data;
	size_t at = 0;

	if (lines.length < ARCHIVE_IDENTITY_SIZE)
		return;
	lines = bytes_of(lines.data + ARCHIVE_IDENTITY_SIZE, lines.length - ARCHIVE_IDENTITY_SIZE);
	if (archive_key_find(lines, identity, key) != ARCHIVE_KEY_FOUND)
		return;
	archive_key_write(identity, key, text);
	while (memcmp(lines.data + at, text, sizeof(text)) != 0)
		MUST(++at + sizeof(text) <= lines.length);
}

/* Names of files and times, which have one spelling each. */
static void
check_texts(Bytes bytes)
{
	char *text = fuzz_memory(bytes.length + 1);
	char manifest[ARCHIVE_FILE_NAME_SIZE];
	char written[LEAF_TIME_SIZE];
	int64_t time;

	memcpy(text, bytes.data, bytes.length);
	text[bytes.length] = '\0';
	if (archive_name_valid(text))
	{
		archive_manifest_name(text, manifest);
		MUST(strchr(text, '/') == NULL && text[0] != '.' && strlen(manifest) < ARCHIVE_FILE_NAME_SIZE - 1);
		MUST(strncmp(manifest, text, strlen(text) - strlen(ARCHIVE_SUFFIX)) == 0);
	}
	if (archive_time(text, &time))
	{
		leaf_time(time, written);
		MUST(strcmp(written, text) == 0);
	}
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	Bytes bytes = bytes_of(exact, size);

	check_file(bytes, true);
	check_keys(bytes);
	check_texts(bytes);
	check_file(bytes, false);
	check_records(bytes);
	check_manifest(bytes);
	check_rest_of_manifest(bytes);
	free(exact);
	return 0;
}
