/*
 * topic_message.c
 *		Names of topics and messages: see topic_message.h.
 *
 * Layout of a message, numbers big-endian: time (8), tenant (8), flags (2),
 * length of the topic (2), length of the payload (4), topic, payload.
 */
#include "topic_message.h"

#include <string.h>

#define FLAG_TENANT 1
#define FLAG_BOUND 2
#define FLAG_CHANGE 4
#define FLAG_OF_ALL 8
#define FLAGS_ALL 15

static bool
is_name_byte(uint8_t c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
		   c == ':';
}

bool
topic_name_valid(Bytes name)
{
	size_t part = 0;
	int parts = 1;

	if (name.length == 0 || name.length > TOPIC_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.length; i++)
	{
		if (name.data[i] == '.')
		{
			if (part == 0 || ++parts > TOPIC_PARTS_MAX)
				return false;
			part = 0;
		}
		else if (is_name_byte(name.data[i]))
			part++;
		else
			return false;
	}
	return part > 0;
}

/* Whether bytes end in ".*". */
static bool
is_pattern(Bytes name)
{
	return name.length > 2 && name.data[name.length - 1] == '*' && name.data[name.length - 2] == '.';
}

bool
topic_pattern_valid(Bytes pattern)
{
	if (!is_pattern(pattern))
		return topic_name_valid(pattern);
	return pattern.length <= TOPIC_NAME_MAX && topic_name_valid(bytes_of(pattern.data, pattern.length - 2));
}

size_t
topic_wider(Bytes name, char *buffer)
{
	size_t end = is_pattern(name) ? name.length - 2 : name.length;

	while (end > 0 && name.data[end - 1] != '.')
		end--;
	if (end == 0 || end + 1 > TOPIC_NAME_MAX)
		return 0;
	memmove(buffer, name.data, end);
	buffer[end] = '*';
	buffer[end + 1] = '\0';
	return end + 1;
}

size_t
topic_json_depth(Bytes json)
{
	size_t depth = 0;
	size_t deepest = 0;
	bool in_string = false;

	for (size_t i = 0; i < json.length; i++)
	{
		uint8_t c = json.data[i];

		if (in_string)
		{
			if (c == '\\')
				i++;
			else if (c == '"')
				in_string = false;
		}
		else if (c == '"')
			in_string = true;
		else if (c == '[' || c == '{')
		{
			if (++depth > deepest)
				deepest = depth;
		}
		else if ((c == ']' || c == '}') && depth > 0)
			depth--;
	}
	return deepest;
}

size_t
topic_message_size(const TopicMessage *message)
{
	return TOPIC_MESSAGE_HEAD + message->topic.length + message->payload.length;
}

void
topic_message_stamp(uint8_t *encoded, int64_t published_at)
{
	bytes_put_u64(encoded, (uint64_t) published_at);
}

void
topic_message_encode(const TopicMessage *message, uint8_t *to)
{
	uint16_t flags = 0;

	if (message->has_tenant)
		flags |= FLAG_TENANT;
	if (message->is_bound)
		flags |= FLAG_BOUND;
	if (message->is_change)
		flags |= FLAG_CHANGE;
	if (message->is_of_all)
		flags |= FLAG_OF_ALL;
	topic_message_stamp(to, message->published_at);
	bytes_put_u64(to + 8, message->has_tenant ? (uint64_t) message->tenant : 0);
	bytes_put_u16(to + 16, flags);
	bytes_put_u16(to + 18, (uint16_t) message->topic.length);
	bytes_put_u32(to + 20, (uint32_t) message->payload.length);
	memcpy(to + TOPIC_MESSAGE_HEAD, message->topic.data, message->topic.length);
	memcpy(to + TOPIC_MESSAGE_HEAD + message->topic.length, message->payload.data, message->payload.length);
}

bool
topic_message_decode(Bytes encoded, TopicMessage *message)
{
	uint16_t flags;

	if (encoded.length < TOPIC_MESSAGE_HEAD)
		return false;
	flags = bytes_get_u16(encoded.data + 16);
	message->published_at = (int64_t) bytes_get_u64(encoded.data);
	message->tenant = (int64_t) bytes_get_u64(encoded.data + 8);
	message->has_tenant = (flags & FLAG_TENANT) != 0;
	message->is_bound = (flags & FLAG_BOUND) != 0;
	message->is_change = (flags & FLAG_CHANGE) != 0;
	message->is_of_all = (flags & FLAG_OF_ALL) != 0;
	message->topic = bytes_of(encoded.data + TOPIC_MESSAGE_HEAD, bytes_get_u16(encoded.data + 18));
	message->payload =
		bytes_of(encoded.data + TOPIC_MESSAGE_HEAD + message->topic.length, bytes_get_u32(encoded.data + 20));
	if ((flags & ~FLAGS_ALL) != 0 || (!message->has_tenant && message->tenant != 0) ||
		(message->has_tenant && message->is_of_all))
		return false;
	if (message->topic.length > TOPIC_NAME_MAX || message->payload.length == 0 ||
		message->payload.length > TOPIC_PAYLOAD_MAX || topic_message_size(message) != encoded.length)
		return false;
	return topic_name_valid(message->topic);
}
