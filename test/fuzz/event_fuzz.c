/*
 * event_fuzz.c
 *		Security events as they come out of shared memory, and the JSON made of
 *		whatever texts they hold.
 *
 * What is decoded lies inside of the bytes, encodes to the same bytes and is of the kind that is read alone; a
 * quoted text and cut details are of valid JSON strings and of bounded length.
 */
#define FUZZ_LENGTH_MAX 8192
#include "fuzz.h"

#include "common/event_record.h"
#include "common/mask.h"

static void
check_json(const uint8_t *data, size_t size)
{
	size_t room = size / 2 + 2;
	char *to = fuzz_memory(room);
	char *cut = fuzz_memory(EVENT_DETAILS_MAX);
	size_t taken;
	size_t length = event_json_quote(bytes_of(data, size), to, room, &taken);

	MUST(length >= 2 && length <= room && taken <= size);
	MUST(to[0] == '"' && to[length - 1] == '"');
	for (size_t i = 1; i < length - 1; i++)
	{
		MUST((uint8_t) to[i] >= 0x20 && to[i] != '"' && to[i] != 0x7f);
		if (to[i] != '\\')
			continue;
		MUST(to[i + 1] == '"' || to[i + 1] == '\\' || (to[i + 1] == 'u' && i + 6 < length));
		i += to[i + 1] == 'u' ? 5 : 1;
		MUST(i < length - 1);
	}
	length = event_json_cut(bytes_of(data, size), cut);
	MUST(length <= EVENT_DETAILS_MAX && cut[length - 1] == '}');
	MUST(mask_json(bytes_of(cut, length), NULL) > 0);
	free(to);
	free(cut);
}

/* Details that are added to until they are full: an object at every step, or unchanged. */
static void
check_object(const uint8_t *data, size_t size)
{
	size_t room = 1 + size % 70;
	char *object = fuzz_memory(room);
	char *text = fuzz_memory(size + 1);

	memcpy(text, data, size);
	text[size] = '\0';
	object[0] = '\0';
	for (size_t i = 0; i < 4; i++)
	{
		char before[80];
		const char *value = text + (strlen(text) > i ? i : 0);

		strcpy(before, object);
		if (!event_json_add(object, room, i % 2 == 0 ? "a" : text, value))
			MUST(strcmp(object, before) == 0);
		else
			MUST(strlen(object) < room && mask_json(bytes_of(object, strlen(object)), NULL) > 0);
	}
	free(text);
	free(object);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	EventRecord record;
	EventKind kind;
	bool has_kind = event_record_kind(bytes_of(exact, size), &kind);

	if (has_kind)
		MUST(kind.type.length > 0 && kind.type.data >= exact && kind.type.data + kind.type.length <= exact + size);
	if (event_record_decode(bytes_of(exact, size), &record))
	{
		uint8_t *again = fuzz_memory(EVENT_RECORD_MAX);

		for (int i = 0; i < EVENT_TEXTS; i++)
			MUST(record.text[i].data == NULL || (record.text[i].data >= exact && record.text[i].length <= size &&
												 record.text[i].data + record.text[i].length <= exact + size));
		MUST(has_kind && kind.class_number == record.class_number && kind.outcome == record.outcome &&
			 kind.type.data == record.text[EVENT_TYPE].data && kind.type.length == record.text[EVENT_TYPE].length);
		MUST(event_record_encode(&record, again) == size && memcmp(again, exact, size) == 0);
		free(again);
	}
	check_json(exact, size);
	check_object(exact, size);
	free(exact);
	return 0;
}
