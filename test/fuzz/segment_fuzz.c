/*
 * segment_fuzz.c
 *		Segments and manifests of strangers.
 *
 * What is read lies inside of the bytes and is written again as it was: there is
 * one spelling of everything.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/manifest.h"
#include "common/note.h"

static void
check_segment(Bytes bytes)
{
	SegmentHeader header;
	uint8_t again[SEGMENT_RECORD_SIZE];

	if (bytes.length >= SEGMENT_HEADER_SIZE && segment_read_header(bytes.data, &header))
	{
		MUST(header.count > 0 && header.first + header.count <= MERKLE_SIZE_MAX);
		segment_write_header(&header, again);
		MUST(memcmp(again, bytes.data, SEGMENT_HEADER_SIZE) == 0);
	}
	for (;;)
	{
		SegmentRecord record;
		size_t size = segment_read_record(bytes, &record);

		if (size == 0 || size > bytes.length)
			return;
		MUST(size >= SEGMENT_RECORD_SIZE);
		MUST(record.leaf.data == NULL || record.leaf.data + record.leaf.length == bytes.data + size);
		segment_write_record(&record, again);
		MUST(memcmp(again, bytes.data, SEGMENT_RECORD_SIZE) == 0);
		bytes = bytes_of(bytes.data + size, bytes.length - size);
	}
}

static void
check_manifest(Bytes text)
{
	const uint8_t *begin = text.data;
	ManifestHead head;
	ManifestFile file;
	char again[MANIFEST_HEAD_MAX];
	uint64_t count;

	if (!manifest_read_head(&text, &head))
		return;
	MUST(manifest_write_head(&head, again) == (size_t) (text.data - begin) &&
		 memcmp(again, begin, (size_t) (text.data - begin)) == 0);
	count = manifest_files(&head);
	for (uint64_t i = 0; i < count; i++)
	{
		begin = text.data;
		if (!manifest_read_file(&text, &head, i, &file))
			return;
		MUST(manifest_write_file(&file, i + 1 == count, again) == (size_t) (text.data - begin) &&
			 memcmp(again, begin, (size_t) (text.data - begin)) == 0);
	}
	(void) manifest_read_tail(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	Bytes rest = bytes_of(exact, size);
	Bytes note;

	check_segment(rest);
	check_manifest(rest);
	while (note_take(&rest, &note))
		MUST(note.length > 0 && note.data >= exact && note.data + note.length <= exact + size);
	MUST(rest.data + rest.length == exact + size);
	free(exact);
	return 0;
}
