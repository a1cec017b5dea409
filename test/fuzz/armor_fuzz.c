/*
 * armor_fuzz.c
 *		armor_read, from both sides.
 *
 * As text: what is read is written back as the same text, holds a value that
 * parses, and fits the stated bound.  As bytes: their armor is read back to
 * the same bytes exactly when envelope_parse takes them.
 */
#include "fuzz.h"

#include "common/envelope.h"

/* Reads armor into memory of exactly the stated bound. */
static Status
read_armor(const char *text, size_t length, uint8_t **value, size_t *value_length)
{
	*value_length = 0;
	*value = fuzz_memory(armor_value_bound(length));
	return armor_read(text, length, *value, value_length);
}

static void
check_text(const char *text, size_t length)
{
	Envelope envelope;
	uint8_t *value;
	size_t value_length;
	Status status = read_armor(text, length, &value, &value_length);

	if (status == TSEC_OK)
	{
		char *again = fuzz_memory(armor_size(value_length));

		MUST(armor_looks_like(text, length));
		MUST(value_length <= armor_value_bound(length));
		MUST(envelope_parse(bytes_of(value, value_length), &envelope) == TSEC_OK);
		MUST(armor_size(value_length) == length);
		armor_write(bytes_of(value, value_length), again);
		MUST(memcmp(again, text, length) == 0);
		free(again);
	}
	else if (armor_looks_like(text, length))
		MUST(status == TSEC_ARMOR_INVALID || status == TSEC_UNKNOWN_ALGORITHM || status == TSEC_UNKNOWN_FLAG);
	else
		MUST(status == TSEC_ARMOR_INVALID);
	free(value);
}

static void
check_bytes(const uint8_t *bytes, size_t count)
{
	Envelope envelope;
	Status parsed = envelope_parse(bytes_of(bytes, count), &envelope);
	size_t length = armor_size(count);
	char *text = fuzz_memory(length);
	uint8_t *value;
	size_t value_length;
	Status status;

	armor_write(bytes_of(bytes, count), text);
	status = read_armor(text, length, &value, &value_length);
	MUST(status == (parsed == TSEC_VALUE_TRUNCATED ? TSEC_ARMOR_INVALID : parsed));
	if (status == TSEC_OK)
		MUST(value_length == count && memcmp(value, bytes, count) == 0);
	free(value);
	free(text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *input = fuzz_copy(data, size);

	check_text((const char *) input, size);
	check_bytes(input, size);
	free(input);
	return 0;
}
