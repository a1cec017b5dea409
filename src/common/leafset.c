/*
 * leafset.c
 *		Sets of leaves written and read.
 */
#include "leafset.h"

/* Bytes of the largest number below LEAFSET_LEAF_MAX. */
#define VARINT_MAX 9

static size_t
put_varint(uint8_t *to, uint64_t value)
{
	size_t length = 0;

	for (; value >= 0x80; value >>= 7)
		to[length++] = (uint8_t) (value | 0x80);
	to[length++] = (uint8_t) value;
	return length;
}

/* Takes one off the front; false for one that is cut off, too large or longer than it need be. */
static bool
take_varint(Bytes *from, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < from->length && i < VARINT_MAX; i++)
	{
		uint8_t byte = from->data[i];

		*value |= (uint64_t) (byte & 0x7f) << (7 * i);
		if ((byte & 0x80) != 0)
			continue;
		from->data += i + 1;
		from->length -= i + 1;
		return (byte != 0 || i == 0) && *value <= LEAFSET_LEAF_MAX;
	}
	return false;
}

/* ---- writing ---- */

void
leafset_begin(LeafSetWriter *writer, LeafSetPut put, void *argument)
{
	*writer = (LeafSetWriter){.put = put, .argument = argument};
}

static void
put_run(LeafSetWriter *writer)
{
	uint8_t bytes[2 * VARINT_MAX];
	size_t length;

	if (writer->run == writer->end)
		return;
	length = put_varint(bytes, writer->run - writer->written);
	length += put_varint(bytes + length, writer->end - writer->run);
	writer->put(writer->argument, bytes, length);
	writer->written = writer->end;
}

bool
leafset_add(LeafSetWriter *writer, uint64_t first, uint64_t leaves)
{
	if (leaves == 0)
		return true;
	if (first < writer->end || first >= LEAFSET_LEAF_MAX || leaves > LEAFSET_LEAF_MAX - first)
		return false;
	if (writer->summary.leaves == 0)
	{
		writer->summary.first = first;
		writer->written = writer->run = writer->end = first;
	}
	if (first > writer->end)
	{
		put_run(writer);
		writer->run = first;
	}
	writer->end = first + leaves;
	writer->summary.last = writer->end - 1;
	writer->summary.leaves += leaves;
	return true;
}

void
leafset_end(LeafSetWriter *writer, uint8_t header[LEAFSET_HEADER_SIZE])
{
	put_run(writer);
	writer->run = writer->end;
	header[0] = LEAFSET_VERSION;
	bytes_put_u64(header + 1, writer->summary.first);
	bytes_put_u64(header + 9, writer->summary.last);
	bytes_put_u64(header + 17, writer->summary.leaves);
}

/* ---- reading ---- */

bool
leafset_next(LeafSetReader *reader, uint64_t *first, uint64_t *leaves)
{
	uint64_t gap;

	if (!take_varint(&reader->runs, &gap) || !take_varint(&reader->runs, leaves))
		return false;
	*first = reader->end + gap;
	reader->end = *first + *leaves;
	return true;
}

bool
leafset_open(Bytes bytes, LeafSetReader *reader)
{
	LeafSetSummary *summary = &reader->summary;
	Bytes runs;
	uint64_t end;
	uint64_t leaves = 0;

	if (bytes.length < LEAFSET_HEADER_SIZE || bytes.data[0] != LEAFSET_VERSION)
		return false;
	summary->first = bytes_get_u64(bytes.data + 1);
	summary->last = bytes_get_u64(bytes.data + 9);
	summary->leaves = bytes_get_u64(bytes.data + 17);
	if (summary->first > LEAFSET_LEAF_MAX)
		return false;
	reader->runs = runs = bytes_of(bytes.data + LEAFSET_HEADER_SIZE, bytes.length - LEAFSET_HEADER_SIZE);
	reader->end = end = summary->first;
	while (runs.length > 0)
	{
		uint64_t gap;
		uint64_t run;

		/* the first run begins where the header says, the others not where the one before ends */
		if (!take_varint(&runs, &gap) || !take_varint(&runs, &run) || (gap == 0) != (leaves == 0) || run == 0 ||
			gap > LEAFSET_LEAF_MAX - end || run > LEAFSET_LEAF_MAX - end - gap)
			return false;
		end += gap + run;
		leaves += run;
	}
	if (leaves == 0)
		return summary->first == 0 && summary->last == 0 && summary->leaves == 0;
	return summary->last == end - 1 && summary->leaves == leaves;
}
