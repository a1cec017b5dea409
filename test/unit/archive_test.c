/*
 * archive_test.c
 *		Archives: what is written is read, from the log's tree and of rows, sealed or
 *		not; and no byte of file or manifest can be another.
 */
#include "unit.h"

#include "common/archive_key.h"
#include "common/archive_tally.h"
#include "common/leaf.h"

#define LEAVES_MAX 3000

/* A file in memory. */
typedef struct File
{
	uint8_t *bytes;
	size_t length;
	size_t at; /* of reading */
} File;

static void
sink(void *argument, Bytes bytes)
{
	File *file = argument;

	file->bytes = realloc(file->bytes, file->length + bytes.length);
	memcpy(file->bytes + file->length, bytes.data, bytes.length);
	file->length += bytes.length;
}

static size_t
source(void *argument, uint8_t *to, size_t wanted)
{
	File *file = argument;
	size_t some = file->length - file->at < wanted ? file->length - file->at : wanted;

	memcpy(to, file->bytes + file->at, some);
	file->at += some;
	return some;
}

/* ---- a log, and an archive of some of its leaves ---- */

static MerkleHash nodes[MERKLE_LEVELS_MAX][LEAVES_MAX];
static uint8_t file_key[AEAD_KEY_SIZE] = {7};
static const ArchiveColumn columns[] = {{"id", "integer"}, {"na\"me", "text"}};

typedef struct Archive
{
	File file;
	ArchiveManifest manifest;
	char note[NOTE_SIZE_MAX];
	char key[NOTE_KEY_SIZE_MAX];
	char *text; /* of the manifest */
	size_t text_length;
} Archive;

static void
keep_node(void *argument, int level, uint64_t index, const MerkleHash *node)
{
	(void) argument;
	nodes[level][index] = *node;
}

static Bytes
leaf_bytes(uint64_t index, char text[32])
{
	(void) snprintf(text, 32, "leaf %d", (int) index);
	return bytes_of(text, strlen(text));
}

static void
put(ArchiveTally *tally, ArchiveWriter *writer, const ArchiveRecord *record)
{
	uint8_t head[ARCHIVE_GAP_SIZE];

	CHECK(archive_tally_record(tally, record, NULL) == NULL);
	if (record->kind == ARCHIVE_GAP)
	{
		archive_put_gap(record->level, &record->node, head);
		CHECK(archive_write(writer, head, ARCHIVE_GAP_SIZE) == TSEC_OK);
		return;
	}
	archive_put_head(record->kind, record->bytes.length, head);
	CHECK(archive_write(writer, head, ARCHIVE_RECORD_HEAD) == TSEC_OK);
	CHECK(archive_write(writer, record->bytes.data, record->bytes.length) == TSEC_OK);
}

/* Gaps of the tree of size up to a leaf. */
static void
put_gaps(ArchiveTally *tally, ArchiveWriter *writer, uint64_t to)
{
	while (tally->edge.size < to)
	{
		ArchiveRecord record = {.kind = ARCHIVE_GAP};
		uint64_t at = tally->edge.size;

		while ((at & (((uint64_t) 2 << record.level) - 1)) == 0 && at + ((uint64_t) 2 << record.level) <= to)
			record.level++;
		record.node = nodes[record.level][at >> record.level];
		put(tally, writer, &record);
	}
}

static void
seal_manifest(Archive *archive)
{
	char *room = malloc(ARCHIVE_MANIFEST_MAX);

	archive->manifest.bytes = archive->file.length;
	CHECK(digest_sha256(bytes_of(archive->file.bytes, archive->file.length), archive->manifest.sha256) == TSEC_OK);
	archive->text_length = archive_manifest_write(&archive->manifest, room, ARCHIVE_MANIFEST_MAX);
	archive->text = unit_memory(archive->text_length);
	memcpy(archive->text, room, archive->text_length);
	free(room);
}

/* Archives every step-th leaf from first to last of a log of size leaves. */
static void
make_leaves(Archive *archive, uint64_t size, uint64_t first, uint64_t last, uint64_t step, bool is_sealed)
{
	static const uint8_t seed[NOTE_SEED_SIZE] = {1};
	uint8_t public_key[NOTE_PUBLIC_SIZE];
	Checkpoint checkpoint = {.origin = "twin/test", .size = size};
	ArchiveHeader header = {ARCHIVE_LEAVES, is_sealed, {0}};
	MerkleEdge edge = {0};
	ArchiveWriter *writer;
	ArchiveTally tally;
	MerkleHash root;
	Bytes set;
	char text[32];
	int level;

	memset(archive, 0, sizeof(*archive));
	for (uint64_t i = 0; i < size; i++)
	{
		CHECK(merkle_leaf(leaf_bytes(i, text), &root) == TSEC_OK);
		CHECK(merkle_append(&edge, &root, keep_node, NULL) == TSEC_OK);
	}
	CHECK(merkle_root(&edge, &checkpoint.root) == TSEC_OK);
	CHECK(note_public_key(seed, public_key) == TSEC_OK);
	CHECK(note_sign(&checkpoint, seed, archive->note) == TSEC_OK);
	CHECK(note_write_key(checkpoint.origin, public_key, archive->key) == TSEC_OK);
	memset(header.identity, is_sealed ? 9 : 0, sizeof(header.identity));
	CHECK(archive_writer_new(&header, file_key, sink, &archive->file, &writer) == TSEC_OK);
	CHECK(archive_tally_begin(&tally, ARCHIVE_LEAVES, 0));
	archive->manifest = (ArchiveManifest){.kind = ARCHIVE_LEAVES,
										  .database = "plant",
										  .log = "twin/test",
										  .schema = "twin_internal",
										  .partition = "events_audit_2016_01",
										  .relation = "twin_internal.events_audit",
										  .from = "2016-01-01T00:00:00.000000Z",
										  .to = "2016-02-01T00:00:00.000000Z",
										  .number = 1,
										  .checkpoint = archive->note,
										  .public_key = archive->key};
	if (is_sealed)
	{
		archive->manifest.key_name = "archive";
		archive->manifest.wrapped_length = 60;
	}
	if (step > 0)
	{
		last = first + (last - first) / step * step;
		archive->manifest.first_leaf = first;
		archive->manifest.last_leaf = last;
		archive_subtree(first, last, size, &archive->manifest.subtree_first, &level,
						&archive->manifest.subtree_leaves);
		archive_tally_expect(&tally, archive->manifest.subtree_first, level);
		for (uint64_t i = first; i <= last; i += step)
		{
			put_gaps(&tally, writer, i);
			put(&tally, writer,
				&(ArchiveRecord){.kind = i % 2 == 0 || i == first ? ARCHIVE_LEAF : ARCHIVE_MORE,
								 .bytes = leaf_bytes(i, text)});
		}
	}
	put_gaps(&tally, writer, size);
	CHECK(archive_tally_end(&tally, &root, &set) == NULL);
	CHECK(memcmp(&root, &checkpoint.root, sizeof(root)) == 0);
	CHECK(digest_sha256(set, archive->manifest.leaf_set_sha256) == TSEC_OK);
	archive->manifest.rows = tally.rows;
	archive->manifest.leaves = tally.set.summary.leaves;
	archive->manifest.subtree_root = tally.subtree_root;
	CHECK(step == 0 || tally.has_subtree);
	CHECK(archive_writer_end(writer) == TSEC_OK);
	archive_writer_free(writer);
	archive_tally_free(&tally);
	seal_manifest(archive);
}

static size_t
put_column(uint8_t *to, const char *value)
{
	bytes_put_u32(to, value == NULL ? UINT32_MAX : (uint32_t) strlen(value));
	if (value == NULL)
		return 4;
	memcpy(to + 4, value, strlen(value));
	return 4 + strlen(value);
}

/* Archives rows, of which every third has no name. */
static void
make_rows(Archive *archive, uint64_t rows, const char *name)
{
	ArchiveHeader header = {ARCHIVE_ROWS, false, {0}};
	ArchiveWriter *writer;
	ArchiveTally tally;
	Bytes set;
	uint8_t *row = malloc(64 + strlen(name));

	memset(archive, 0, sizeof(*archive));
	CHECK(archive_writer_new(&header, NULL, sink, &archive->file, &writer) == TSEC_OK);
	CHECK(archive_tally_begin(&tally, ARCHIVE_ROWS, 2));
	archive->manifest = (ArchiveManifest){.kind = ARCHIVE_ROWS,
										  .database = "plant",
										  .schema = "public",
										  .partition = "readings",
										  .relation = "public.readings",
										  .time_column = "at",
										  .to = "2016-02-01T00:00:00.500000Z",
										  .number = 2,
										  .columns = columns,
										  .column_count = 2};
	for (uint64_t i = 0; i < rows; i++)
	{
		char number[24];
		size_t length;

		(void) snprintf(number, sizeof(number), "%d", (int) i);
		length = put_column(row, number);
		length += put_column(row + length, i % 3 == 0 ? NULL : name);
		put(&tally, writer, &(ArchiveRecord){.kind = ARCHIVE_ROW, .bytes = bytes_of(row, length)});
	}
	CHECK(archive_tally_end(&tally, &archive->manifest.root, &set) == NULL);
	CHECK(archive_writer_end(writer) == TSEC_OK);
	archive->manifest.rows = tally.rows;
	archive_writer_free(writer);
	archive_tally_free(&tally);
	seal_manifest(archive);
	free(row);
}

static void
free_archive(Archive *archive)
{
	free(archive->file.bytes);
	free(archive->text);
}

/* ---- reading ---- */

typedef struct Verdict
{
	const char *fault;
	uint64_t chunk;
	uint64_t rows;
	uint64_t size;
	bool is_skimmed;
} Verdict;

typedef void (*Visitor)(void *argument, const ArchiveTally *tally, const ArchiveRecord *record);

static Verdict
judge_with(Archive *archive, const ArchiveManifest *manifest, bool with_key, Visitor visitor, void *argument)
{
	Verdict verdict = {.fault = "not begun"};
	ArchiveReader *reader = archive_reader_new(source, &archive->file);
	ArchiveJudge judge;

	archive->file.at = 0;
	if (!archive_reader_begin(reader))
		verdict.fault = archive_fault(reader, &verdict.chunk);
	else
	{
		ArchiveRecord record;

		if (with_key)
			CHECK(archive_reader_unseal(reader, file_key) == TSEC_OK);
		if (archive_judge_begin(&judge, reader, manifest))
		{
			while (archive_judge_next(&judge, &record))
				if (visitor != NULL)
					visitor(argument, &judge.tally, &record);
			(void) archive_judge_end(&judge);
		}
		verdict = (Verdict){judge.fault, judge.chunk, judge.tally.rows, judge.checkpoint.size, judge.is_skimmed};
		archive_judge_free(&judge);
	}
	archive_reader_free(reader);
	return verdict;
}

static Verdict
judge(Archive *archive)
{
	return judge_with(archive, &archive->manifest, true, NULL, NULL);
}

static void
see(void *argument, const ArchiveTally *tally, const ArchiveRecord *record)
{
	uint64_t *sum = argument;
	char text[32];
	Bytes expected;

	if (record->kind == ARCHIVE_GAP)
		return;
	expected = leaf_bytes(tally->edge.size - 1, text);
	CHECK(record->bytes.length == expected.length && memcmp(record->bytes.data, expected.data, expected.length) == 0);
	*sum += tally->edge.size - 1;
}

static void
leaves_of_trees(void)
{
	static const uint64_t sizes[] = {1, 2, 3, 7, 8, 255, 256, 257, 1000, 2999};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		for (uint64_t step = 0; step < 4; step++)
		{
			Archive archive;
			uint64_t sum = 0;
			Verdict verdict;

			make_leaves(&archive, sizes[i], sizes[i] / 3, sizes[i] - 1, step, step % 2 == 1);
			verdict = judge_with(&archive, &archive.manifest, true, see, &sum);
			CHECK(verdict.fault == NULL, "%s, size %d step %d", verdict.fault, (int) sizes[i], (int) step);
			CHECK(verdict.size == sizes[i] && verdict.rows == archive.manifest.rows);
			CHECK(archive.manifest.subtree_first + archive.manifest.subtree_leaves <= sizes[i]);
			free_archive(&archive);
		}
}

static void
rows_of_tables(void)
{
	static const uint64_t counts[] = {0, 1, 2, 5000};
	char *long_name = malloc(ARCHIVE_CHUNK * 3);

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
	{
		Archive archive;

		make_rows(&archive, counts[i], "pump");
		CHECK(judge(&archive).fault == NULL && judge(&archive).rows == counts[i]);
		free_archive(&archive);
	}
	/* a row that is longer than some chunks */
	unit_fill((uint8_t *) long_name, ARCHIVE_CHUNK * 3, 1);
	for (size_t i = 0; i < ARCHIVE_CHUNK * 3; i++)
		long_name[i] = (char) ('a' + (long_name[i] & 15));
	long_name[ARCHIVE_CHUNK * 3 - 1] = '\0';
	for (size_t cut = 0; cut < 40; cut += 3)
	{
		Archive archive;

		long_name[ARCHIVE_CHUNK - cut] = '\0';
		make_rows(&archive, 2, long_name);
		CHECK(judge(&archive).fault == NULL, "cut %zu", cut);
		free_archive(&archive);
	}
	free(long_name);
}

/* Every byte of a file. */
static void
damage(void)
{
	for (int sealed = 0; sealed < 2; sealed++)
	{
		Archive archive;

		make_leaves(&archive, 40, 3, 30, 3, sealed == 1);
		for (size_t at = 0; at < archive.file.length; at++)
		{
			archive.file.bytes[at] ^= (uint8_t) (1 << at % 8);
			CHECK(judge(&archive).fault != NULL, "byte %zu", at);
			archive.file.bytes[at] ^= (uint8_t) (1 << at % 8);
		}
		for (size_t length = 0; length < archive.file.length; length++)
		{
			size_t whole = archive.file.length;

			archive.file.length = length;
			CHECK(judge(&archive).fault != NULL, "cut at %zu", length);
			archive.file.length = whole;
		}
		sink(&archive.file, bytes_of("x", 1));
		CHECK(judge(&archive).fault != NULL && judge(&archive).chunk == 1);
		free_archive(&archive);
	}
}

/* Chunks left out, doubled, moved, and of another file under the same key. */
static void
moved_chunks(void)
{
	Archive archive;
	Archive other;
	ArchiveHeader header = {ARCHIVE_ROWS, true, {1}};
	size_t begins[8];
	int count = 0;
	uint8_t *noise = unit_memory(ARCHIVE_CHUNK);

	memset(&archive, 0, sizeof(archive));
	memset(&other, 0, sizeof(other));
	for (int i = 0; i < 2; i++)
	{
		File *file = i == 0 ? &archive.file : &other.file;
		ArchiveWriter *writer;

		header.identity[0] = (uint8_t) i;
		CHECK(archive_writer_new(&header, file_key, sink, file, &writer) == TSEC_OK);
		for (int chunk = 0; chunk < 3; chunk++)
		{
			uint8_t head[ARCHIVE_RECORD_HEAD];

			unit_fill(noise, ARCHIVE_CHUNK, (uint32_t) chunk);
			bytes_put_u32(noise, ARCHIVE_CHUNK - ARCHIVE_RECORD_HEAD - 4);
			archive_put_head(ARCHIVE_ROW, ARCHIVE_CHUNK - ARCHIVE_RECORD_HEAD, head);
			CHECK(archive_write(writer, head, sizeof(head)) == TSEC_OK);
			CHECK(archive_write(writer, noise, ARCHIVE_CHUNK - ARCHIVE_RECORD_HEAD) == TSEC_OK);
		}
		CHECK(archive_writer_end(writer) == TSEC_OK);
		archive_writer_free(writer);
	}
	archive.manifest = (ArchiveManifest){.kind = ARCHIVE_ROWS, .key_name = "k", .rows = 3, .column_count = 1};
	for (size_t at = ARCHIVE_HEADER_SIZE; at < archive.file.length;
		 at += ARCHIVE_CHUNK_HEAD + bytes_get_u32(archive.file.bytes + at + 4))
		begins[count++] = at;
	begins[count] = archive.file.length;
	CHECK(count == 3);
	/* it is read to its end: only the root is not what this manifest says */
	CHECK(strstr(judge(&archive).fault, "rows are not those") != NULL, "%s", judge(&archive).fault);
	for (int first = 0; first < 3; first++)
		for (int second = 0; second < 3; second++)
			for (int third = -1; third < 3; third++)
			{
				Archive made = {.manifest = archive.manifest};
				int order[] = {first, second, third};

				if (first == 0 && second == 1 && third == 2)
					continue;
				sink(&made.file, bytes_of(archive.file.bytes, ARCHIVE_HEADER_SIZE));
				for (int i = 0; i < 3; i++)
					if (order[i] >= 0)
						sink(&made.file, bytes_of(archive.file.bytes + begins[order[i]],
												  begins[order[i] + 1] - begins[order[i]]));
				CHECK(judge(&made).chunk > 0, "%d %d %d", first, second, third);
				free(made.file.bytes);
			}
	/* noise does not compress: chunks lie at the same places in both */
	CHECK(archive.file.length == other.file.length);
	memcpy(archive.file.bytes + begins[1], other.file.bytes + begins[1], begins[2] - begins[1]);
	CHECK(judge(&archive).chunk == 2);
	free(noise);
	free_archive(&archive);
	free_archive(&other);
}

/* Lengths that no chunk has; frames that expand to more than is said, or are two. */
static void
bombs(void)
{
	static const char *const chunks[] = {
		"80100001 00000010", "00000010 00000010", "80000000 00000000", "80000010 7fffffff", "ffffffff ffffffff",
		/* two frames of nothing; a frame that says it is 2^60 bytes; one that is shorter than it says */
		"80000000 00000012 28b52ffd2000010000 28b52ffd2000010000",
		"80000010 00000011 28b52ffde000000000000000100100 0061", "80000002 0000000a 28b52ffd200209000061"};

	for (size_t i = 0; i < sizeof(chunks) / sizeof(chunks[0]); i++)
	{
		Archive archive = {.manifest = {.kind = ARCHIVE_ROWS, .column_count = 1}};
		ArchiveHeader header = {ARCHIVE_ROWS, false, {0}};
		uint8_t head[ARCHIVE_HEADER_SIZE];
		size_t length;
		uint8_t *chunk = unit_hex(chunks[i], &length);

		archive_write_header(&header, head);
		sink(&archive.file, bytes_of(head, sizeof(head)));
		sink(&archive.file, bytes_of(chunk, length));
		CHECK(judge(&archive).chunk == 1, "%s", chunks[i]);
		free(chunk);
		free_archive(&archive);
	}
}

/* Without the key the form is seen, and what is wrong with it; and that is said. */
static void
without_the_key(void)
{
	Archive archive;
	Verdict verdict;

	make_leaves(&archive, 100, 10, 90, 2, true);
	verdict = judge_with(&archive, &archive.manifest, false, NULL, NULL);
	CHECK(verdict.fault == NULL && verdict.is_skimmed && verdict.rows == 0);
	archive.file.length--;
	verdict = judge_with(&archive, &archive.manifest, false, NULL, NULL);
	CHECK(verdict.fault != NULL);
	archive.file.length++;
	memset(file_key, 8, sizeof(file_key));
	CHECK(judge(&archive).chunk == 1);
	memset(file_key, 0, sizeof(file_key));
	file_key[0] = 7;
	CHECK(judge(&archive).fault == NULL);
	free_archive(&archive);
}

/* Every byte of a manifest: it is read no more, or what it says is found out, or it says nothing that is proven. */
static void
manifests(void)
{
	for (int kind = 0; kind < 2; kind++)
	{
		Archive archive;
		ArchiveManifest read;
		char again[4096];

		if (kind == 0)
			make_leaves(&archive, 40, 3, 30, 3, true);
		else
			make_rows(&archive, 9, "pump");
		CHECK(archive_manifest_read(bytes_of(archive.text, archive.text_length), &read));
		CHECK(archive_manifest_write(&read, again, sizeof(again)) == archive.text_length);
		CHECK(judge_with(&archive, &read, true, NULL, NULL).fault == NULL);
		archive_manifest_free(&read);
		for (size_t at = 0; at < archive.text_length; at++)
		{
			archive.text[at] ^= 1;
			if (archive_manifest_read(bytes_of(archive.text, archive.text_length), &read))
			{
				size_t length = archive_manifest_write(&read, again, sizeof(again));

				CHECK(length == archive.text_length && memcmp(again, archive.text, length) == 0);
				archive_manifest_free(&read);
			}
			archive.text[at] ^= 1;
			CHECK(!archive_manifest_read(bytes_of(archive.text, at), &read), "cut at %zu", at);
		}
		free_archive(&archive);
	}
}

/* What a manifest says of the leaves is compared, each number of it. */
static void
edited_manifests(void)
{
	Archive archive;
	ArchiveManifest edited;

	make_leaves(&archive, 40, 3, 30, 3, false);
#define EDITED(change)                                                                       \
	do                                                                                       \
	{                                                                                        \
		edited = archive.manifest;                                                           \
		change;                                                                              \
		CHECK(judge_with(&archive, &edited, true, NULL, NULL).fault != NULL, "%s", #change); \
	} while (0)
	EDITED(edited.rows++);
	EDITED(edited.leaves--);
	EDITED(edited.first_leaf--);
	EDITED(edited.last_leaf++);
	EDITED(edited.leaf_set_sha256[31] ^= 1);
	EDITED(edited.subtree_first += 32);
	EDITED(edited.subtree_leaves--);
	EDITED(edited.subtree_root.bytes[0] ^= 1);
	EDITED(edited.kind = ARCHIVE_ROWS);
	EDITED(edited.key_name = "k");
	EDITED(edited.public_key = "twin/test+00000000+AAAA");
	EDITED(edited.checkpoint = "twin/test\n40\n");
	free_archive(&archive);
	make_rows(&archive, 9, "pump");
	EDITED(edited.rows++);
	EDITED(edited.root.bytes[0] ^= 1);
	EDITED(edited.column_count = 1);
	EDITED(edited.column_count = 3);
	free_archive(&archive);
}

static void
names(void)
{
	ArchiveManifest manifest = {.schema = "twin_internal",
								.partition = "events_audit_2016_01",
								.from = "2016-01-01T00:00:00.000000Z",
								.to = "2016-02-01T00:00:00.000000Z",
								.number = 1};
	char long_name[ARCHIVE_NAME_SIZE];
	char name[ARCHIVE_FILE_NAME_SIZE];
	char other[ARCHIVE_FILE_NAME_SIZE];

	CHECK(archive_name(&manifest, name) &&
			  strcmp(name, "twin_internal.events_audit_2016_01.20160101T000000Z-20160201T000000Z") == 0,
		  "%s", name);
	manifest.schema = "../etc";
	manifest.partition = "a b\xc3\xa9%";
	manifest.from = NULL;
	manifest.to = "2016-02-01T00:00:00.500000Z";
	manifest.number = 12;
	CHECK(archive_name(&manifest, name) &&
			  strcmp(name, "%2E%2E%2Fetc.a%20b%C3%A9%25.beginning-20160201T000000.500000Z.12") == 0,
		  "%s", name);
	memset(long_name, '/', sizeof(long_name));
	long_name[sizeof(long_name) - 1] = '\0';
	manifest.schema = manifest.partition = long_name;
	manifest.from = manifest.to = "-292277-12-31T23:59:59.999999Z";
	manifest.number = ARCHIVE_NUMBER_MAX;
	CHECK(archive_name(&manifest, name));
	strcat(name, ARCHIVE_SUFFIX);
	CHECK(archive_name_valid(name) && strlen(name) < 232, "%zu %s", strlen(name), name);
	archive_manifest_name(name, other);
	CHECK(strlen(other) < 240 && strstr(other, ".999.manifest.json") != NULL, "%s", other);
	long_name[sizeof(long_name) - 2] = 'x';
	CHECK(archive_name(&manifest, other));
	strcat(other, ARCHIVE_SUFFIX);
	CHECK(strcmp(name, other) != 0, "what differs where it is cut has another name");
	manifest.schema = "";
	CHECK(!archive_name(&manifest, name));
	CHECK(!archive_name_valid("a/b.tsarc") && !archive_name_valid("../b.tsarc") && !archive_name_valid(".a.tsarc") &&
		  !archive_name_valid(".tsarc") && !archive_name_valid("a.tsarc ") && !archive_name_valid("a.tsar") &&
		  !archive_name_valid("") && !archive_name_valid("-a.tsarc") && archive_name_valid("a.b.1-2.tsarc"));
}

/* What leaf_time() writes is read; nothing else is. */
static void
times(void)
{
	static const char *const none[] = {"",
									   "2016-01-01",
									   "2016-01-01T00:00:00Z",
									   "2016-1-01T00:00:00.000000Z",
									   "2016-02-30T00:00:00.000000Z",
									   "2016-13-01T00:00:00.000000Z",
									   "2016-00-01T00:00:00.000000Z",
									   "2016-01-01T24:00:00.000000Z",
									   "2016-01-01T00:00:00.000000Zx",
									   "2016-01-01T00:00:00.000000ZZ",
									   "+2016-01-01T00:00:00.000000Z",
									   "-044-01-01T00:00:00.000000Z",
									   "999999-01-01T00:00:00.000000Z",
									   "Infinity",
									   "--------------------------"};
	char text[LEAF_TIME_SIZE];
	int64_t time;

	for (int64_t at = INT64_C(-63113904000000000); at < INT64_C(9223371331200000000 / 4);
		 at += INT64_C(7654321987654321))
	{
		leaf_time(at, text);
		CHECK(archive_time(text, &time) == (text[0] != '-') && (text[0] == '-' || time == at), "%s", text);
	}
	leaf_time(INT64_MAX, text);
	CHECK(archive_time(text, &time) && time == INT64_MAX);
	leaf_time(INT64_MIN, text);
	CHECK(archive_time(text, &time) && time == INT64_MIN);
	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		CHECK(!archive_time(none[i], &time), "%s", none[i]);
}

/* Keys as text: found by the archive's identity among others, and nothing else is taken for one. */
static void
keys_as_text(void)
{
	static const uint8_t one[ARCHIVE_IDENTITY_SIZE] = {1}, other[ARCHIVE_IDENTITY_SIZE] = {2};
	uint8_t key[AEAD_KEY_SIZE];
	char lines[2][ARCHIVE_KEY_TEXT + 1] = {"", ""};
	char text[1000];

	archive_key_write(one, file_key, lines[0]);
	archive_key_write(other, (const uint8_t[AEAD_KEY_SIZE]){9}, lines[1]);
	snprintf(text, sizeof(text), "\n# all of them\r\n%s \r\n\n%s", lines[1], lines[0]);
	CHECK(archive_key_find(bytes_of(text, strlen(text)), one, key) == ARCHIVE_KEY_FOUND);
	CHECK(memcmp(key, file_key, AEAD_KEY_SIZE) == 0);
	CHECK(archive_key_find(bytes_of(text, strlen(text)), other, key) == ARCHIVE_KEY_FOUND && key[0] == 9);
	CHECK(archive_key_find(bytes_of(lines[1], ARCHIVE_KEY_TEXT), one, key) == ARCHIVE_KEY_NONE);
	CHECK(archive_key_find(bytes_of("", 0), one, key) == ARCHIVE_KEY_BAD, "nothing");
	CHECK(archive_key_find(bytes_of("# none\n\n", 8), one, key) == ARCHIVE_KEY_BAD, "comments alone");
	for (size_t length = 1; length < ARCHIVE_KEY_TEXT; length++)
		CHECK(archive_key_find(bytes_of(lines[0], length), one, key) == ARCHIVE_KEY_BAD, "cut to %zu", length);
	snprintf(text, sizeof(text), "%sA", lines[0]);
	CHECK(archive_key_find(bytes_of(text, strlen(text)), one, key) == ARCHIVE_KEY_BAD, "longer");
	snprintf(text, sizeof(text), " %s", lines[0]);
	CHECK(archive_key_find(bytes_of(text, strlen(text)), one, key) == ARCHIVE_KEY_BAD, "behind a blank");
	memcpy(text, lines[0], ARCHIVE_KEY_TEXT);
	text[40] = '-';
	CHECK(archive_key_find(bytes_of(text, ARCHIVE_KEY_TEXT), one, key) == ARCHIVE_KEY_BAD, "another alphabet");
}

static const UnitCase cases[] = {
	{"leaves of trees of many sizes are read and proven", leaves_of_trees},
	{"rows of tables are read", rows_of_tables},
	{"every byte and every cut of a file is found", damage},
	{"chunks left out, doubled, moved or of another file are found", moved_chunks},
	{"lengths and frames that lie", bombs},
	{"an encrypted archive without its key", without_the_key},
	{"manifests are read as they are written and in no other way", manifests},
	{"what a manifest says is compared", edited_manifests},
	{"names of files", names},
	{"times", times},
	{"keys as text", keys_as_text},
};

UNIT_MAIN(cases)
