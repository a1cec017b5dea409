/*
 * dropped_fuzz.c
 *		What an export of strangers says of dropped partitions.
 *
 * What is read lies inside of the bytes, piece behind piece, and is written again
 * as it was.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/dropped.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	Bytes rest = bytes_of(exact, size);
	const uint8_t *at;
	uint8_t again[DROPPED_RECORD_SIZE];
	DroppedRecord record;

	if (!dropped_read_header(&rest))
	{
		free(exact);
		return 0;
	}
	dropped_write_header(again);
	MUST(memcmp(again, exact, DROPPED_HEADER_SIZE) == 0);
	at = rest.data;
	while (dropped_read_record(&rest, &record))
	{
		const Bytes pieces[] = {record.event, record.set, record.path, record.note};

		dropped_write_record(&record, again);
		MUST(memcmp(again, at, DROPPED_RECORD_SIZE) == 0);
		at += DROPPED_RECORD_SIZE;
		for (int i = 0; i < 4; i++)
		{
			MUST(pieces[i].data == at);
			at += pieces[i].length;
		}
		MUST(rest.data == at && rest.length == (size_t) (exact + size - at));
		MUST(record.path.length <= MERKLE_PROOF_MAX * DIGEST_SIZE && record.note.length < NOTE_SIZE_MAX);
	}
	free(exact);
	return 0;
}
