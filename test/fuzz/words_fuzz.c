/*
 * words_fuzz.c
 *		Messages of WebSocket clients: what is read keeps its bounds, what is
 *		answered is one JSON object that holds the client's own words and no others,
 *		and the array for the database is read by its rules as the same topics.
 */
#include "fuzz.h"

#include "gateway/feed/words.h"

#include <jansson.h>

static json_t *
object_of(const char *text)
{
	json_error_t error;
	json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &error);

	MUST(json_is_object(object));
	return object;
}

static void
must_be(const json_t *value, const char *text)
{
	MUST(json_is_string(value) && strcmp(json_string_value(value), text) == 0);
}

/* Takes an array's next element apart as array_in() does: quotes around it, a backslash before what follows it. */
static const char *
check_element(const char *at, const char *topic)
{
	MUST(*at == '"');
	for (at++; *at != '"'; at++, topic++)
	{
		if (*at == '\\')
			at++;
		MUST(*at != '\0' && *at == *topic);
	}
	MUST(*topic == '\0');
	return at + 1;
}

static void
check_words(Arena *arena, const Words *words, size_t size)
{
	json_t *done = object_of(words_done(arena, "subscribe", words));
	const json_t *list = json_object_get(done, "topics");
	const char *array = words_array(arena, words->topics, words->topic_count);

	MUST(words->topic_count >= 1 && words->topic_count <= WORDS_TOPICS_MAX);
	MUST(words->kind == WORDS_SUBSCRIBE || words->kind == WORDS_UNSUBSCRIBE);
	MUST(words->ref == NULL || strlen(words->ref) <= WORDS_REF_LENGTH_MAX);
	MUST(json_array_size(list) == (size_t) words->topic_count);
	MUST(*array == '{');
	for (int i = 0; i < words->topic_count; i++)
	{
		const char *topic = words->topics[i];
		json_t *refused = object_of(words_refused(arena, "42501", "no", topic, words->ref));

		MUST(topic[0] != '\0' && strlen(topic) <= WORDS_TOPIC_LENGTH_MAX && strlen(topic) < size);
		must_be(json_array_get(list, (size_t) i), topic);
		must_be(json_object_get(refused, "topic"), topic);
		MUST(json_object_size(refused) == (words->ref != NULL ? 5 : 4));
		MUST(i == 0 ? true : *array == ',');
		array = check_element(array + 1, topic);
		json_decref(refused);
	}
	MUST(strcmp(array, "}") == 0);
	if (words->ref != NULL)
		must_be(json_object_get(done, "ref"), words->ref);
	json_decref(done);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena *arena = arena_new();
	char *exact = fuzz_copy(data, size);
	const char *why = NULL;
	Words words;

	if (words_read(arena, exact, size, &words, &why))
		check_words(arena, &words, size);
	else
		MUST(why != NULL);
	free(exact);
	arena_free(arena);
	return 0;
}
