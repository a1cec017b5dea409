/*
 * segment.c
 *		Writing and reading of segment.h's form.
 */
#include "segment.h"

#include <string.h>

#define MAGIC "TWINLEAF"
#define MAGIC_SIZE 8
#define VERSION 1
#define NO_LEAF 0xffffffffu

_Static_assert(SEGMENT_LEAVES_MAX % MERKLE_TILE_WIDTH == 0, "segments end where tiles do");

void
segment_write_header(const SegmentHeader *header, uint8_t to[SEGMENT_HEADER_SIZE])
{
	memcpy(to, MAGIC, MAGIC_SIZE);
	bytes_put_u16(to + 8, VERSION);
	bytes_put_u16(to + 10, 0);
	bytes_put_u32(to + 12, header->count);
	bytes_put_u64(to + 16, header->first);
}

bool
segment_read_header(const uint8_t from[SEGMENT_HEADER_SIZE], SegmentHeader *header)
{
	if (memcmp(from, MAGIC, MAGIC_SIZE) != 0 || /* public: a mark */
		bytes_get_u16(from + 8) != VERSION || bytes_get_u16(from + 10) != 0)
		return false;
	header->count = bytes_get_u32(from + 12);
	header->first = bytes_get_u64(from + 16);
	return header->count > 0 && header->count <= SEGMENT_LEAVES_MAX &&
		   header->first <= (uint64_t) MERKLE_SIZE_MAX - header->count;
}

void
segment_write_record(const SegmentRecord *record, uint8_t to[SEGMENT_RECORD_SIZE])
{
	bytes_put_u32(to, record->leaf.data != NULL ? (uint32_t) record->leaf.length : NO_LEAF);
	memcpy(to + 4, record->hash.bytes, DIGEST_SIZE);
}

size_t
segment_read_record(Bytes at_hand, SegmentRecord *record)
{
	uint32_t length;

	if (at_hand.length < SEGMENT_RECORD_SIZE)
		return SEGMENT_RECORD_SIZE;
	length = bytes_get_u32(at_hand.data);
	memcpy(record->hash.bytes, at_hand.data + 4, DIGEST_SIZE);
	record->leaf = bytes_of(NULL, 0);
	if (length == NO_LEAF)
		return SEGMENT_RECORD_SIZE;
	if (length > SEGMENT_LEAF_MAX)
		return 0;
	if (length <= at_hand.length - SEGMENT_RECORD_SIZE)
		record->leaf = bytes_of(at_hand.data + SEGMENT_RECORD_SIZE, length);
	return SEGMENT_RECORD_SIZE + (size_t) length;
}
