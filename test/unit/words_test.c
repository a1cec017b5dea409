/*
 * words_test.c
 *		What clients may say on a WebSocket, and what they may not.
 */
#include "unit.h"

#include "gateway/feed/words.h"

static const struct
{
	const char *text;
	const char *why; /* NULL when it is good */
} messages[] = {
	{"{\"type\":\"subscribe\",\"topics\":[\"a\"]}", NULL},
	{"{\"type\":\"unsubscribe\",\"topics\":[\"a\",\"b\"],\"ref\":\"1\"}", NULL},
	{"", "a message is one JSON object"},
	{"[]", "a message is one JSON object"},
	{"{\"type\":\"subscribe\",\"type\":\"subscribe\",\"topics\":[\"a\"]}", "a message is one JSON object"},
	{"{\"type\":\"subscribe\",\"topics\":[[[[\"a\"]]]]}", "a message is one JSON object"},
	{"{\"topics\":[\"a\"]}", "\"type\" is subscribe or unsubscribe"},
	{"{\"type\":1,\"topics\":[\"a\"]}", "\"type\" is subscribe or unsubscribe"},
	{"{\"type\":\"publish\",\"topics\":[\"a\"]}", "\"type\" is subscribe or unsubscribe"},
	{"{\"type\":\"subscribe\"}", "\"topics\" is a list of 1 to 100 names"},
	{"{\"type\":\"subscribe\",\"topics\":[]}", "\"topics\" is a list of 1 to 100 names"},
	{"{\"type\":\"subscribe\",\"topics\":\"a\"}", "\"topics\" is a list of 1 to 100 names"},
	{"{\"type\":\"subscribe\",\"topics\":[1]}", "a topic is a text of 1 to 200 bytes"},
	{"{\"type\":\"subscribe\",\"topics\":[\"\"]}", "a topic is a text of 1 to 200 bytes"},
	{"{\"type\":\"subscribe\",\"topics\":[\"a\"],\"ref\":1}", "\"ref\" is a text of at most 100 bytes"},
};

static void
messages_are_read_or_refused(void)
{
	for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
	{
		Arena *arena = arena_new();
		const char *why = NULL;
		Words words;
		bool good = words_read(arena, messages[i].text, strlen(messages[i].text), &words, &why);

		if (messages[i].why == NULL)
			CHECK(good, "%s", messages[i].text);
		else
			CHECK(!good && why != NULL && strcmp(why, messages[i].why) == 0, "%s", messages[i].text);
		arena_free(arena);
	}
}

static void
answers_are_json(void)
{
	Arena *arena = arena_new();
	const char *names[] = {"a", "b\"\\"};
	Words words = {.topics = names, .topic_count = 2, .ref = "x\"y"};

	CHECK(strcmp(words_done(arena, "subscribed", &words),
				 "{\"type\":\"subscribed\",\"topics\":[\"a\",\"b\\\"\\\\\"],\"ref\":\"x\\\"y\"}") == 0);
	CHECK(strcmp(words_refused(arena, "42501", "no", NULL, NULL),
				 "{\"type\":\"refused\",\"code\":\"42501\",\"message\":\"no\"}") == 0);
	CHECK(strcmp(words_array(arena, names, 2), "{\"a\",\"b\\\"\\\\\"}") == 0);
	arena_free(arena);
}

static const UnitCase cases[] = {
	{"messages of clients", messages_are_read_or_refused},
	{"answers", answers_are_json},
};

UNIT_MAIN(cases)
