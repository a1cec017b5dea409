/*
 * dropped.c
 *		Writing and reading what an export says of dropped partitions.
 */
#include "dropped.h"

#include <string.h>

static const uint8_t header[DROPPED_HEADER_SIZE] = {'T', 'W', 'I', 'N', 'G', 'O', 'N', 'E', 0, 1, 0, 0};

void
dropped_write_header(uint8_t to[DROPPED_HEADER_SIZE])
{
	memcpy(to, header, DROPPED_HEADER_SIZE);
}

void
dropped_write_record(const DroppedRecord *record, uint8_t to[DROPPED_RECORD_SIZE])
{
	bytes_put_u64(to, record->event_leaf);
	bytes_put_u32(to + 8, (uint32_t) record->event.length);
	bytes_put_u64(to + 12, record->set.length);
	bytes_put_u32(to + 20, (uint32_t) record->path.length);
	bytes_put_u32(to + 24, (uint32_t) record->note.length);
}

/* Takes so many bytes off the front. */
static bool
take(Bytes *from, uint64_t length, Bytes *taken)
{
	if (length > from->length)
		return false;
	*taken = bytes_of(from->data, (size_t) length);
	*from = bytes_of(from->data + length, from->length - (size_t) length);
	return true;
}

bool
dropped_read_header(Bytes *from)
{
	Bytes taken;

	return take(from, DROPPED_HEADER_SIZE, &taken) &&
		   memcmp(taken.data, header, DROPPED_HEADER_SIZE) == 0; /* public: words of the form */
}

bool
dropped_read_record(Bytes *from, DroppedRecord *record)
{
	Bytes begin;
	uint32_t event;
	uint32_t path;
	uint32_t note;

	if (!take(from, DROPPED_RECORD_SIZE, &begin))
		return false;
	record->event_leaf = bytes_get_u64(begin.data);
	event = bytes_get_u32(begin.data + 8);
	path = bytes_get_u32(begin.data + 20);
	note = bytes_get_u32(begin.data + 24);
	return event <= DROPPED_EVENT_MAX && path % DIGEST_SIZE == 0 && path / DIGEST_SIZE <= MERKLE_PROOF_MAX &&
		   note < NOTE_SIZE_MAX && take(from, event, &record->event) &&
		   take(from, bytes_get_u64(begin.data + 12), &record->set) && take(from, path, &record->path) &&
		   take(from, note, &record->note);
}
