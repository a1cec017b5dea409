/*
 * spool_fuzz.c
 *		Files of events that somebody brings.
 *
 * What is read lies inside of the bytes, piece behind piece; without the key
 * nothing opens, so the header's MAC and the first entry's are made here where a
 * bit of the input asks for it.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "common/spool.h"

/* Puts the MACs of a header and of an entry behind it into bytes that a stranger made. */
static void
authenticate(HmacKey *key, uint8_t *bytes, size_t size)
{
	SpoolHeader header;
	SpoolChain chain;
	uint8_t again[SPOOL_HEADER_SIZE];
	uint8_t *entry = bytes + SPOOL_HEADER_SIZE;
	size_t length;

	if (size < SPOOL_HEADER_SIZE || !spool_peek(bytes_of(bytes, size), &header))
		return;
	MUST(spool_begin(&chain, key, &header, again) == TSEC_OK);
	memcpy(bytes, again, SPOOL_HEADER_SIZE);
	if (size < SPOOL_HEADER_SIZE + SPOOL_END_SIZE)
		return;
	length = bytes_get_u32(entry);
	if (length <= SPOOL_RECORD_MAX && size - SPOOL_HEADER_SIZE >= SPOOL_END_SIZE + length)
	{
		uint8_t made[SPOOL_ENTRY_MAX];
		size_t written;

		if (length == 0)
			MUST(spool_end(&chain, entry) == TSEC_OK);
		else
		{
			MUST(spool_add(&chain, bytes_of(entry + 4, length), made, &written) == TSEC_OK);
			memcpy(entry, made, written);
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static HmacKey *key = NULL;
	uint8_t *exact = fuzz_copy(data, size);
	Bytes rest = bytes_of(exact, size);
	Bytes record;
	SpoolHeader header;
	SpoolChain chain;
	SpoolAnswer answer;

	if (key == NULL)
		MUST(hmac_new(bytes_of("key", 3), &key) == TSEC_OK);
	if (size > 0 && exact[size - 1] % 2 == 0)
		authenticate(key, exact, size);
	if (spool_open(&chain, key, &rest, &header))
	{
		const uint8_t *at = rest.data;
		uint64_t number = header.after;

		MUST(at == exact + SPOOL_HEADER_SIZE);
		while ((answer = spool_read(&chain, &rest, &record)) == SPOOL_RECORD)
		{
			MUST(record.data == at + 4 && record.length > 0 && record.length <= SPOOL_RECORD_MAX);
			at += 4 + record.length + DIGEST_SIZE;
			MUST(rest.data == at && rest.length == (size_t) (exact + size - at) && chain.number == ++number);
		}
		MUST(answer != SPOOL_END || at + SPOOL_END_SIZE == exact + size);
	}
	free(exact);
	return 0;
}
