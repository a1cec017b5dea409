/*
 * spool_test.c
 *		Files of events that wait for a log: what is written is read, and nothing
 *		that was changed, moved, cut off or put in.
 */
#include "unit.h"

#include "common/spool.h"

#define RECORDS 3
#define FILE_MAX 1024

static HmacKey *
key_of(const char *word)
{
	HmacKey *key = NULL;

	if (hmac_new(bytes_of(word, strlen(word)), &key) != TSEC_OK)
		abort();
	return key;
}

/* A file with some records, "record 0" and so on; its length. */
static size_t
write_file(HmacKey *key, uint64_t after, uint8_t to[FILE_MAX])
{
	SpoolHeader header = {
		.cluster = 0x0102030405060708, .database = 5, .stream = {9}, .after = after, .server = "two"};
	SpoolChain chain;
	size_t at = SPOOL_HEADER_SIZE;

	CHECK(spool_begin(&chain, key, &header, to) == TSEC_OK);
	for (int i = 0; i < RECORDS; i++)
	{
		uint8_t entry[SPOOL_ENTRY_MAX];
		char record[] = "record 0";
		size_t length;

		record[7] = (char) ('0' + i);
		CHECK(spool_add(&chain, bytes_of(record, strlen(record)), entry, &length) == TSEC_OK);
		memcpy(to + at, entry, length);
		at += length;
	}
	CHECK(chain.number == after + RECORDS);
	CHECK(spool_end(&chain, to + at) == TSEC_OK);
	return at + SPOOL_END_SIZE;
}

/* How many records are read, and with what it ended; -1 where it does not even begin. */
static int
read_file(HmacKey *key, const uint8_t *bytes, size_t length, SpoolAnswer *answer)
{
	uint8_t *exact = unit_memory(length);
	Bytes rest = bytes_of(exact, length);
	Bytes record;
	SpoolHeader header;
	SpoolChain chain;
	int count = 0;

	memcpy(exact, bytes, length);
	if (!spool_open(&chain, key, &rest, &header))
		count = -1;
	else
		while ((*answer = spool_read(&chain, &rest, &record)) == SPOOL_RECORD)
		{
			CHECK(record.length == 8 && record.data[7] == '0' + count);
			count++;
		}
	free(exact);
	return count;
}

static void
written(void)
{
	HmacKey *key = key_of("key");
	uint8_t bytes[FILE_MAX];
	size_t length = write_file(key, 7, bytes);
	Bytes rest = bytes_of(bytes, length);
	SpoolHeader header;
	SpoolChain chain;
	SpoolAnswer answer;

	CHECK(unit_is_hex(
		bytes, 44, "545753504f4f4c31 0102030405060708 00000005 09000000000000000000000000000000 0000000000000007"));
	CHECK(spool_open(&chain, key, &rest, &header));
	CHECK(header.cluster == 0x0102030405060708 && header.database == 5 && header.stream[0] == 9 &&
		  header.after == 7 && strcmp(header.server, "two") == 0);
	CHECK(read_file(key, bytes, length, &answer) == RECORDS && answer == SPOOL_END);
	hmac_free(key);
}

static void
changed(void)
{
	HmacKey *key = key_of("key");
	HmacKey *other = key_of("yek");
	uint8_t bytes[FILE_MAX];
	size_t length = write_file(key, 0, bytes);
	size_t entry = 4 + 8 + DIGEST_SIZE;
	uint8_t *first = bytes + SPOOL_HEADER_SIZE;
	SpoolAnswer answer;

	CHECK(read_file(other, bytes, length, &answer) == -1);
	for (size_t at = 0; at < length; at++)
	{
		int count;

		bytes[at] ^= 0x10;
		count = read_file(key, bytes, length, &answer);
		CHECK(count == (at < SPOOL_HEADER_SIZE ? -1 : (int) ((at - SPOOL_HEADER_SIZE) / entry)) &&
				  (count < 0 || answer == SPOOL_CHANGED || answer == SPOOL_CUT),
			  "byte %zu", at);
		bytes[at] ^= 0x10;
	}
	memmove(first, first + entry, length - SPOOL_HEADER_SIZE - entry);
	CHECK(read_file(key, bytes, length - entry, &answer) == 0 && answer == SPOOL_CHANGED, "one left out");
	length = write_file(key, 0, bytes);
	bytes[length] = 0;
	CHECK(read_file(key, bytes, length + 1, &answer) == RECORDS && answer == SPOOL_CHANGED,
		  "something behind the end");
	hmac_free(other);
	hmac_free(key);
}

static void
cut_off(void)
{
	HmacKey *key = key_of("key");
	uint8_t bytes[FILE_MAX];
	size_t length = write_file(key, 0, bytes);
	SpoolAnswer answer;

	for (size_t cut = 0; cut < length; cut++)
	{
		int whole = cut < SPOOL_HEADER_SIZE ? -1 : (int) ((cut - SPOOL_HEADER_SIZE) / (4 + 8 + DIGEST_SIZE));

		CHECK(read_file(key, bytes, cut, &answer) == whole && (whole < 0 || answer == SPOOL_CUT), "%zu bytes", cut);
	}
	hmac_free(key);
}

static void
bounds(void)
{
	HmacKey *key = key_of("key");
	SpoolHeader header = {.server = ""};
	SpoolChain chain;
	uint8_t begin[SPOOL_HEADER_SIZE];
	uint8_t *entry = unit_memory(SPOOL_ENTRY_MAX);
	uint8_t *record = unit_memory(SPOOL_RECORD_MAX);
	size_t length;
	Bytes rest;
	Bytes read;

	memset(record, 'x', SPOOL_RECORD_MAX);
	memset(header.server, 'n', SPOOL_SERVER_SIZE); /* one too many: it is cut */
	CHECK(spool_begin(&chain, key, &header, begin) == TSEC_OK &&
		  spool_peek(bytes_of(begin, sizeof(begin)), &header) && strlen(header.server) == SPOOL_SERVER_SIZE - 1);
	CHECK(spool_add(&chain, bytes_of(record, 0), entry, &length) != TSEC_OK && length == 0);
	CHECK(spool_add(&chain, bytes_of(record, SPOOL_RECORD_MAX + 1), entry, &length) != TSEC_OK);
	CHECK(spool_add(&chain, bytes_of(record, SPOOL_RECORD_MAX), entry, &length) == TSEC_OK &&
		  length == SPOOL_ENTRY_MAX);
	rest = bytes_of(begin, sizeof(begin));
	CHECK(spool_open(&chain, key, &rest, &header));
	rest = bytes_of(entry, length);
	CHECK(spool_read(&chain, &rest, &read) == SPOOL_RECORD && read.length == SPOOL_RECORD_MAX);
	bytes_put_u32(entry, SPOOL_RECORD_MAX + 1);
	rest = bytes_of(entry, length);
	CHECK(spool_read(&chain, &rest, &read) == SPOOL_CHANGED);
	free(entry);
	free(record);
	hmac_free(key);
}

static const UnitCase cases[] = {
	{"what is written is read", written},
	{"what was changed is none", changed},
	{"what is cut off ends there", cut_off},
	{"records have bounds", bounds},
};

UNIT_MAIN(cases)
