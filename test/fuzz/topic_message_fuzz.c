/*
 * topic_message_fuzz.c
 *		Messages as they come out of shared memory, and names of topics.
 *
 * What is decoded lies inside of the bytes and encodes to the same bytes; what
 * is wider than a name is a valid pattern, shorter at every second step.
 */
#include "fuzz.h"

#include "common/topic_message.h"

static void
check_name(const uint8_t *data, size_t size)
{
	char wide[TOPIC_NAME_MAX + 1];
	size_t length;
	int steps = 0;

	MUST(!topic_name_valid(bytes_of(data, size)) || topic_pattern_valid(bytes_of(data, size)));
	if (!topic_pattern_valid(bytes_of(data, size)))
		return;
	length = topic_wider(bytes_of(data, size), wide);
	while (length > 0)
	{
		MUST(length <= TOPIC_NAME_MAX && wide[length] == '\0' && strlen(wide) == length);
		MUST(topic_pattern_valid(bytes_of(wide, length)) && !topic_name_valid(bytes_of(wide, length)));
		MUST(memcmp(wide, data, length - 1) == 0);
		MUST(++steps < TOPIC_PARTS_MAX + 1);
		length = topic_wider(bytes_of(wide, length), wide);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *exact = fuzz_copy(data, size);
	TopicMessage message;

	if (topic_message_decode(bytes_of(exact, size), &message))
	{
		uint8_t *again = fuzz_memory(topic_message_size(&message));

		MUST(topic_message_size(&message) == size);
		MUST(message.topic.data >= exact && message.payload.data + message.payload.length == exact + size);
		topic_message_encode(&message, again);
		MUST(memcmp(again, exact, size) == 0);
		check_name(message.topic.data, message.topic.length);
		free(again);
	}
	check_name(exact, size);
	MUST(topic_json_depth(bytes_of(exact, size)) <= size);
	free(exact);
	return 0;
}
