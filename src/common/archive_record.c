/*
 * archive_record.c
 *		Records of archives.
 */
#include "archive_record.h"

#include <string.h>

#define NONE UINT32_MAX

void
archive_put_head(ArchiveRecordKind kind, size_t length, uint8_t to[ARCHIVE_RECORD_HEAD])
{
	to[0] = (uint8_t) kind;
	bytes_put_u32(to + 1, (uint32_t) length);
}

void
archive_put_gap(int level, const MerkleHash *node, uint8_t to[ARCHIVE_GAP_SIZE])
{
	to[0] = ARCHIVE_GAP;
	to[1] = (uint8_t) level;
	memcpy(to + 2, node->bytes, DIGEST_SIZE);
}

size_t
archive_get_record(Bytes at_hand, ArchiveRecord *record)
{
	size_t length;

	if (at_hand.length == 0)
		return 1;
	if (at_hand.data[0] < ARCHIVE_LEAF || at_hand.data[0] > ARCHIVE_ROW)
		return 0;
	record->kind = (ArchiveRecordKind) at_hand.data[0];
	if (record->kind == ARCHIVE_GAP)
	{
		if (at_hand.length < ARCHIVE_GAP_SIZE)
			return ARCHIVE_GAP_SIZE;
		record->level = at_hand.data[1];
		memcpy(record->node.bytes, at_hand.data + 2, DIGEST_SIZE);
		return record->level < MERKLE_LEVELS_MAX ? ARCHIVE_GAP_SIZE : 0;
	}
	if (at_hand.length < ARCHIVE_RECORD_HEAD)
		return ARCHIVE_RECORD_HEAD;
	length = bytes_get_u32(at_hand.data + 1);
	if (length > ARCHIVE_RECORD_MAX)
		return 0;
	if (at_hand.length - ARCHIVE_RECORD_HEAD >= length)
		record->bytes = bytes_of(at_hand.data + ARCHIVE_RECORD_HEAD, length);
	return ARCHIVE_RECORD_HEAD + length;
}

bool
archive_get_column(Bytes *row, Bytes *value)
{
	uint32_t length;

	if (row->length < 4)
		return false;
	length = bytes_get_u32(row->data);
	*row = bytes_of(row->data + 4, row->length - 4);
	*value = bytes_of(NULL, 0);
	if (length == NONE)
		return true;
	if (length > row->length)
		return false;
	*value = bytes_of(row->data, length);
	*row = bytes_of(row->data + length, row->length - length);
	return true;
}
