/*
 * dropped_test.c
 *		What an export says of dropped partitions: what is written is read, and
 *		nothing that is cut off or too long is.
 */
#include "unit.h"

#include "common/dropped.h"

/* Two records behind a header; their length. */
static size_t
write_two(uint8_t *to)
{
	static const uint8_t hash[DIGEST_SIZE] = {1, 2, 3};
	DroppedRecord record = {.event_leaf = 77,
							.event = bytes_of("event", 5),
							.set = bytes_of("a set", 5),
							.path = {NULL, 0},
							.note = {NULL, 0}};
	uint8_t *at = to + DROPPED_HEADER_SIZE;

	dropped_write_header(to);
	for (int i = 0; i < 2; i++)
	{
		dropped_write_record(&record, at);
		at += DROPPED_RECORD_SIZE;
		memcpy(at, "eventa set", 10);
		at += 10;
		if (i == 0)
		{
			record.path = bytes_of(hash, sizeof(hash));
			record.note = bytes_of("note", 4);
			continue;
		}
		memcpy(at, hash, sizeof(hash));
		memcpy(at + sizeof(hash), "note", 4);
		at += sizeof(hash) + 4;
	}
	return (size_t) (at - to);
}

static bool
is_text(Bytes bytes, const char *text)
{
	return bytes.length == strlen(text) && memcmp(bytes.data, text, bytes.length) == 0;
}

static void
records(void)
{
	uint8_t bytes[256];
	size_t length = write_two(bytes);
	Bytes rest = bytes_of(bytes, length);
	DroppedRecord record;

	CHECK(unit_is_hex(bytes, 24, "5457494e474f4e45 0001 0000 000000000000004d 00000005"));
	CHECK(dropped_read_header(&rest));
	CHECK(dropped_read_record(&rest, &record) && record.event_leaf == 77 && is_text(record.event, "event") &&
		  is_text(record.set, "a set") && record.path.length == 0 && record.note.length == 0);
	CHECK(dropped_read_record(&rest, &record) && is_text(record.event, "event") && is_text(record.set, "a set") &&
		  record.path.length == DIGEST_SIZE && is_text(record.note, "note"));
	CHECK(rest.length == 0 && !dropped_read_record(&rest, &record));
}

static void
cut_off(void)
{
	uint8_t bytes[256];
	size_t length = write_two(bytes);

	for (size_t cut = 0; cut < length; cut++)
	{
		uint8_t *exact = unit_memory(cut);
		Bytes rest = bytes_of(exact, cut);
		DroppedRecord record;
		int whole = 0;

		memcpy(exact, bytes, cut);
		if (dropped_read_header(&rest))
			while (dropped_read_record(&rest, &record))
				whole++;
		CHECK(whole == (cut >= DROPPED_HEADER_SIZE + DROPPED_RECORD_SIZE + 10), "%zu bytes", cut);
		free(exact);
	}
}

static void
bounds(void)
{
	static const struct
	{
		size_t at;
		uint32_t length;
	} cases[] = {
		{DROPPED_HEADER_SIZE + 8, DROPPED_EVENT_MAX + 1},
		{DROPPED_HEADER_SIZE + 12, UINT32_MAX},
		{DROPPED_HEADER_SIZE + 20, DIGEST_SIZE - 1},
		{DROPPED_HEADER_SIZE + 24, NOTE_SIZE_MAX},
		{DROPPED_HEADER_SIZE + 20, (MERKLE_PROOF_MAX + 1) * DIGEST_SIZE},
	};
	static uint8_t bytes[200000];

	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
	{
		Bytes rest = bytes_of(bytes, sizeof(bytes));
		DroppedRecord record;

		(void) write_two(bytes);
		bytes_put_u32(bytes + cases[i].at, cases[i].length);
		CHECK(dropped_read_header(&rest) && !dropped_read_record(&rest, &record), "case %zu", i);
	}
	for (size_t at = 0; at < DROPPED_HEADER_SIZE; at++)
	{
		Bytes rest = bytes_of(bytes, sizeof(bytes));

		(void) write_two(bytes);
		bytes[at] ^= 1;
		CHECK(!dropped_read_header(&rest), "byte %zu", at);
	}
}

static const UnitCase cases[] = {
	{"what is written is read", records},
	{"what is cut off is none", cut_off},
	{"pieces have bounds", bounds},
};

UNIT_MAIN(cases)
