/*
 * envelope_fuzz.c
 *		envelope_parse: the parts of a parsed value lie inside it, in order and
 *		without a gap, and writing the header again gives the same bytes.
 */
#include "fuzz.h"

#include "common/envelope.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *value = fuzz_copy(data, size);
	uint8_t header[ENVELOPE_HEADER_MAX];
	Envelope got;
	Status status = envelope_parse(bytes_of(value, size), &got);

	if (status == TSEC_OK)
	{
		const uint8_t *end = value + size;
		size_t nonce_size = got.algorithm == AEAD_XAES_256_GCM ? 24 : 12;

		MUST(got.algorithm == value[0] && (value[0] == 1 || value[0] == 2));
		MUST(got.flags <= (ENVELOPE_HAS_BLIND_TAG | ENVELOPE_IS_PROBE) && got.flags != ENVELOPE_IS_PROBE);
		MUST(got.header.data == value);
		MUST(got.header.length == envelope_header_size(got.algorithm, got.flags) && got.header.length <= size);
		MUST(got.cipher.data == value + got.header.length);
		MUST((got.blind_tag != NULL) == ((got.flags & ENVELOPE_HAS_BLIND_TAG) != 0));
		MUST(got.blind_tag == NULL || got.blind_tag == value + ENVELOPE_FIXED_SIZE);
		if (got.flags & ENVELOPE_IS_PROBE)
		{
			MUST(got.algorithm == AEAD_AES_256_GCM);
			MUST(got.nonce == NULL && got.tag == NULL && got.cipher.length == 0);
			MUST(got.cipher.data == end);
		}
		else
		{
			MUST(got.nonce + nonce_size == got.cipher.data);
			MUST(got.nonce == (got.blind_tag ? got.blind_tag + BLIND_TAG_SIZE : value + ENVELOPE_FIXED_SIZE));
			MUST(got.tag == got.cipher.data + got.cipher.length);
			MUST(got.tag + AEAD_TAG_SIZE == end);
		}
		MUST(envelope_size(got.algorithm, got.flags, got.cipher.length) == size);
		MUST(envelope_write_header(header, got.algorithm, got.flags, got.key_id, got.blind_tag, got.nonce) ==
			 got.header.length);
		MUST(memcmp(header, value, got.header.length) == 0);
	}
	else if (status == TSEC_UNKNOWN_ALGORITHM)
		MUST(size >= ENVELOPE_FIXED_SIZE && value[0] != 1 && value[0] != 2);
	else if (status == TSEC_UNKNOWN_FLAG)
		MUST(size >= ENVELOPE_FIXED_SIZE && (value[0] == 1 || value[0] == 2) && value[1] > 1);
	else
	{
		MUST(status == TSEC_VALUE_TRUNCATED);
		MUST(size < ENVELOPE_OVERHEAD_MAX || value[1] & ENVELOPE_IS_PROBE);
	}
	free(value);
	return 0;
}
