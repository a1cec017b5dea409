/*
 * segment_test.c
 *		Files of leaves and the manifest over them: what is written is read, in any
 *		pieces, and nothing else is; notes that stand one after another.
 */
#include "unit.h"

#include "common/manifest.h"
#include "common/note.h"

static void
headers(void)
{
	SegmentHeader header = {65536 * 3, 5};
	SegmentHeader again;
	uint8_t bytes[SEGMENT_HEADER_SIZE];

	segment_write_header(&header, bytes);
	CHECK(unit_is_hex(bytes, sizeof(bytes), "5457494e4c454146 0001 0000 00000005 0000000000030000"));
	CHECK(segment_read_header(bytes, &again) && again.first == header.first && again.count == 5);
	for (size_t at = 0; at < 12; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			bytes[at] ^= (uint8_t) (1 << bit);
			CHECK(!segment_read_header(bytes, &again), "byte %zu bit %d", at, bit);
			bytes[at] ^= (uint8_t) (1 << bit);
		}
	header.count = 0;
	segment_write_header(&header, bytes);
	CHECK(!segment_read_header(bytes, &again));
	header.count = SEGMENT_LEAVES_MAX + 1;
	segment_write_header(&header, bytes);
	CHECK(!segment_read_header(bytes, &again));
	header = (SegmentHeader){(uint64_t) MERKLE_SIZE_MAX - 1, 2};
	segment_write_header(&header, bytes);
	CHECK(!segment_read_header(bytes, &again), "more leaves than a tree can have");
}

static void
records(void)
{
	static const uint8_t leaf[5] = {1, 2, 3, 4, 5};
	uint8_t bytes[SEGMENT_RECORD_SIZE + 5];
	SegmentRecord record = {.leaf = {leaf, 5}};
	SegmentRecord again;

	memset(record.hash.bytes, 7, DIGEST_SIZE);
	segment_write_record(&record, bytes);
	memcpy(bytes + SEGMENT_RECORD_SIZE, leaf, 5);
	for (size_t length = 0; length <= sizeof(bytes); length++)
	{
		uint8_t *exact = unit_memory(length);
		size_t wanted;

		memcpy(exact, bytes, length);
		wanted = segment_read_record(bytes_of(exact, length), &again);
		CHECK(wanted == (length < SEGMENT_RECORD_SIZE ? SEGMENT_RECORD_SIZE : sizeof(bytes)), "%zu", length);
		if (length == sizeof(bytes))
			CHECK(again.leaf.length == 5 && again.leaf.data == exact + SEGMENT_RECORD_SIZE &&
				  unit_is_filled(again.hash.bytes, DIGEST_SIZE, 7));
		free(exact);
	}
	record.leaf = bytes_of(NULL, 0);
	segment_write_record(&record, bytes);
	CHECK(segment_read_record(bytes_of(bytes, sizeof(bytes)), &again) == SEGMENT_RECORD_SIZE &&
		  again.leaf.data == NULL);
	record.leaf = bytes_of(leaf, 0);
	segment_write_record(&record, bytes);
	CHECK(segment_read_record(bytes_of(bytes, sizeof(bytes)), &again) == SEGMENT_RECORD_SIZE &&
		  again.leaf.data != NULL && again.leaf.length == 0);
	bytes_put_u32(bytes, (uint32_t) SEGMENT_LEAF_MAX + 1);
	CHECK(segment_read_record(bytes_of(bytes, sizeof(bytes)), &again) == 0);
	bytes_put_u32(bytes, 0xfffffffeu);
	CHECK(segment_read_record(bytes_of(bytes, sizeof(bytes)), &again) == 0);
}

/* A whole manifest, with zero-filled digests. */
static size_t
write_manifest(const ManifestHead *head, char *to)
{
	size_t length = manifest_write_head(head, to);
	uint64_t count = manifest_files(head);

	for (uint64_t i = 0; i < count; i++)
	{
		ManifestFile file = {.bytes = i * 1000};
		SegmentHeader segment;

		file.sha256[31] = (uint8_t) i;
		manifest_file_name(head, i, file.name, &segment);
		length += manifest_write_file(&file, i + 1 == count, to + length);
	}
	strcpy(to + length, MANIFEST_TAIL);
	return length + strlen(MANIFEST_TAIL);
}

static bool
read_manifest(Bytes text, ManifestHead *head)
{
	uint64_t count;

	if (!manifest_read_head(&text, head))
		return false;
	count = manifest_files(head);
	for (uint64_t i = 0; i < count; i++)
	{
		ManifestFile file;

		if (!manifest_read_file(&text, head, i, &file))
			return false;
	}
	return manifest_read_tail(&text);
}

static void
manifests(void)
{
	static const uint64_t firsts[] = {0, 1, 65535, 65536, 131077};
	static const uint64_t counts[] = {0, 1, 65535, 65536, 65537, 200000};
	char text[8192];

	for (size_t f = 0; f < 5; f++)
		for (size_t c = 0; c < 6; c++)
		{
			ManifestHead head = {.first_leaf = firsts[f], .leaves = counts[c]};
			ManifestHead again;
			uint64_t next = head.first_leaf;

			head.left.size = head.first_leaf;
			for (int level = 0; level < MERKLE_LEVELS_MAX; level++)
				if ((head.first_leaf >> level & 1) != 0)
					memset(head.left.nodes[level].bytes, level + 1, DIGEST_SIZE);
			CHECK(read_manifest(bytes_of(text, write_manifest(&head, text)), &again), "%s", text);
			CHECK(memcmp(&head, &again, sizeof(head)) == 0);
			for (uint64_t i = 0; i < manifest_segments(&head); i++)
			{
				char name[MANIFEST_NAME_SIZE];
				SegmentHeader segment;

				manifest_file_name(&head, i, name, &segment);
				CHECK(segment.first == next && segment.count > 0 && segment.count <= SEGMENT_LEAVES_MAX);
				CHECK(strlen(name) == 30 && strtoull(name + 7, NULL, 10) == next, "%s", name);
				next += segment.count;
			}
			CHECK(next == head.first_leaf + head.leaves);
		}
}

/* Whatever byte is changed, left out or added: refused, or another manifest. */
static void
altered(void)
{
	ManifestHead head = {.first_leaf = 5, .leaves = 100};
	ManifestHead again;
	char text[8192];
	size_t length = write_manifest(&head, text);

	for (size_t at = 0; at < length; at++)
	{
		char *exact = unit_memory(length);

		CHECK(!read_manifest(bytes_of(text, at), &again), "cut at %zu", at);
		for (int bit = 0; bit < 8; bit++)
		{
			memcpy(exact, text, length);
			exact[at] ^= (char) (1 << bit);
			/* numbers, hashes and digests may be others; nothing of the form */
			if (read_manifest(bytes_of(exact, length), &again))
				CHECK((text[at] >= '0' && text[at] <= '9') || (text[at] >= 'a' && text[at] <= 'f') ||
						  (text[at] >= 'A' && text[at] <= 'Z'),
					  "byte %zu: %c", at, text[at]);
			else
				CHECK(true);
		}
		free(exact);
	}
	text[length] = '\n';
	CHECK(!read_manifest(bytes_of(text, length + 1), &again));
}

static void
notes(void)
{
	static const char one[] = "a\n1\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n\n\xe2\x80\x94 a AAAAAAAA\n";
	char text[1024];
	Bytes rest;
	Bytes note;

	for (int blanks = 0; blanks < 3; blanks++)
		for (int count = 0; count < 4; count++)
		{
			size_t length = 0;
			int taken = 0;

			for (int i = 0; i < count; i++)
				length += (size_t) snprintf(text + length, sizeof(text) - length, "%s%.*s", one, blanks, "\n\n\n");
			rest = bytes_of(text, length);
			while (note_take(&rest, &note))
			{
				CHECK(note.length == strlen(one) && memcmp(note.data, one, note.length) == 0);
				taken++;
			}
			CHECK(taken == count && rest.length == 0, "%d of %d", taken, count);
		}
	for (size_t cut = 1; cut < strlen(one); cut++)
	{
		char *exact = unit_memory(cut);
		Checkpoint checkpoint;

		memcpy(exact, one, cut);
		rest = bytes_of(exact, cut);
		CHECK(!note_take(&rest, &note) || rest.length > 0 || !note_read(note, &checkpoint), "cut at %zu", cut);
		free(exact);
	}
}

static const UnitCase cases[] = {
	{"headers of segments", headers}, {"records, in any pieces", records}, {"manifests of every shape", manifests},
	{"altered manifests", altered},   {"notes one after another", notes},
};

UNIT_MAIN(cases)
