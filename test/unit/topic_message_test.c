/*
 * topic_message_test.c
 *		Names of topics, the patterns that cover them, how deep JSON is, and
 *		messages as they lie in shared memory.
 */
#include "unit.h"

#include "common/topic_message.h"

static Bytes
text(const char *string)
{
	return bytes_of(string, strlen(string));
}

static void
names(void)
{
	static const char *const good[] = {"a", "units.1", "A-b_c:9.x.Y", "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16"};
	static const char *const bad[] = {
		"",         ".",   "a.",      ".a",   "a..b",
		"a b",      "a/b", "units.*", "*",    "a*",
		"\xc3\xa4", "a'b", "a\nb",    "a\"b", "1.2.3.4.5.6.7.8.9.10.11.12.13.14.15.16.17"};
	static const char *const patterns[] = {"a.*", "units.1.*"};
	static const char *const no_patterns[] = {"*", ".*", "a.*.b", "a.**", "a*", "*.a", "a..*", "a.*.*"};
	char longest[TOPIC_NAME_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(topic_name_valid(text(good[i])) && topic_pattern_valid(text(good[i])), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!topic_name_valid(text(bad[i])), "%s", bad[i]);
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++)
		CHECK(topic_pattern_valid(text(patterns[i])) && !topic_name_valid(text(patterns[i])), "%s", patterns[i]);
	for (size_t i = 0; i < sizeof(no_patterns) / sizeof(no_patterns[0]); i++)
		CHECK(!topic_pattern_valid(text(no_patterns[i])), "%s", no_patterns[i]);
	memset(longest, 'a', sizeof(longest));
	CHECK(topic_name_valid(bytes_of(longest, TOPIC_NAME_MAX)) &&
		  !topic_name_valid(bytes_of(longest, TOPIC_NAME_MAX + 1)));
	CHECK(!topic_name_valid(bytes_of("a\0b", 3)));
	memcpy(longest + TOPIC_NAME_MAX - 2, ".*", 2);
	CHECK(topic_pattern_valid(bytes_of(longest, TOPIC_NAME_MAX)));
	memcpy(longest + TOPIC_NAME_MAX - 1, ".*", 2);
	CHECK(!topic_pattern_valid(bytes_of(longest, TOPIC_NAME_MAX + 1)));
}

static void
wider(void)
{
	static const char *const steps[][2] = {
		{"a.b.c", "a.b.*"}, {"a.b.*", "a.*"}, {"a.*", ""}, {"a", ""}, {"aa.b", "aa.*"}};
	char name[TOPIC_NAME_MAX + 1];

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
	{
		size_t length = topic_wider(text(steps[i][0]), name);

		CHECK(length == strlen(steps[i][1]) && (length == 0 || strcmp(name, steps[i][1]) == 0), "%s", steps[i][0]);
	}
	/* in place, and the longest */
	memset(name, 'a', sizeof(name));
	name[TOPIC_NAME_MAX] = '\0';
	name[TOPIC_NAME_MAX - 2] = '.';
	CHECK(topic_wider(text(name), name) == TOPIC_NAME_MAX && topic_pattern_valid(text(name)));
	CHECK(topic_wider(text(name), name) == 0);
}

static void
depth(void)
{
	CHECK(topic_json_depth(text("1")) == 0);
	CHECK(topic_json_depth(text("\"[[[{\"")) == 0, "in a string");
	CHECK(topic_json_depth(text("[\"\\\"[[[\", {}]")) == 2, "behind an escaped quote");
	CHECK(topic_json_depth(text("[\"\\\\\", [[]]]")) == 3, "behind an escaped backslash");
	CHECK(topic_json_depth(text("[[], [], {\"a\": [1]}]")) == 3);
	CHECK(topic_json_depth(text("]]]][")) == 1);
	CHECK(topic_json_depth(text("\"\\")) == 0);
}

static void
messages(void)
{
	static const TopicMessage samples[] = {
		{.published_at = 7, .topic = {(const uint8_t *) "units.1", 7}, .payload = {(const uint8_t *) "{}", 2}},
		{.published_at = -7,
		 .has_tenant = true,
		 .tenant = -1,
		 .topic = {(const uint8_t *) "a", 1},
		 .payload = {(const uint8_t *) "1", 1}},
		{.has_tenant = true,
		 .is_bound = true,
		 .is_change = true,
		 .topic = {(const uint8_t *) "a", 1},
		 .payload = {(const uint8_t *) "1", 1}},
		{.is_of_all = true, .topic = {(const uint8_t *) "a", 1}, .payload = {(const uint8_t *) "1", 1}},
	};

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++)
	{
		const TopicMessage *sample = &samples[i];
		size_t length = topic_message_size(sample);
		uint8_t *encoded = malloc(length);
		TopicMessage again;

		topic_message_encode(sample, encoded);
		CHECK(topic_message_decode(bytes_of(encoded, length), &again), "%zu", i);
		CHECK(again.published_at == sample->published_at && again.has_tenant == sample->has_tenant &&
				  again.is_bound == sample->is_bound && again.is_change == sample->is_change &&
				  again.is_of_all == sample->is_of_all && again.tenant == sample->tenant,
			  "%zu", i);
		CHECK(again.topic.length == sample->topic.length &&
			  memcmp(again.topic.data, sample->topic.data, again.topic.length) == 0);
		CHECK(again.payload.length == sample->payload.length);
		topic_message_stamp(encoded, 99);
		CHECK(topic_message_decode(bytes_of(encoded, length), &again) && again.published_at == 99);
		for (size_t cut = 0; cut < length; cut++)
		{
			uint8_t *exact = malloc(cut + 1);

			memcpy(exact, encoded, cut);
			CHECK(!topic_message_decode(bytes_of(exact, cut), &again), "cut at %zu", cut);
			free(exact);
		}
		encoded[17] |= 16;
		CHECK(!topic_message_decode(bytes_of(encoded, length), &again), "an unknown flag");
		encoded[17] = 1 | 8;
		CHECK(!topic_message_decode(bytes_of(encoded, length), &again), "of one tenant and of all");
		encoded[17] = 0;
		encoded[15] = 1;
		CHECK(!topic_message_decode(bytes_of(encoded, length), &again), "a tenant of a message without");
		free(encoded);
	}
	{
		size_t length = TOPIC_MESSAGE_HEAD + 1 + TOPIC_PAYLOAD_MAX + 1;
		uint8_t *encoded = calloc(1, length);
		TopicMessage again;

		encoded[19] = 1;
		encoded[TOPIC_MESSAGE_HEAD] = 'a';
		bytes_put_u32(encoded + 20, TOPIC_PAYLOAD_MAX + 1);
		CHECK(!topic_message_decode(bytes_of(encoded, length), &again), "a payload that is too long");
		bytes_put_u32(encoded + 20, TOPIC_PAYLOAD_MAX);
		CHECK(topic_message_decode(bytes_of(encoded, length - 1), &again));
		CHECK(!topic_message_decode(bytes_of(encoded, length), &again), "bytes behind it");
		encoded[TOPIC_MESSAGE_HEAD] = '*';
		CHECK(!topic_message_decode(bytes_of(encoded, length - 1), &again), "no name");
		bytes_put_u32(encoded + 20, UINT32_MAX);
		CHECK(!topic_message_decode(bytes_of(encoded, length), &again));
		free(encoded);
	}
}

static const UnitCase cases[] = {
	{"names and patterns", names},
	{"the patterns that cover a name", wider},
	{"how deep JSON is", depth},
	{"messages", messages},
};

UNIT_MAIN(cases)
