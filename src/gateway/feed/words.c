/*
 * words.c
 *		What is said on a WebSocket.
 */
#include "gateway/feed/words.h"

#include "common/strictjson.h"

#include <string.h>

#define DEPTH 2
#define VALUES (WORDS_TOPICS_MAX + 8)

static bool
fail(const char **why, const char *reason)
{
	*why = reason;
	return false;
}

static bool
read_topics(Arena *arena, const json_t *list, Words *words, const char **why)
{
	size_t count = json_is_array(list) ? json_array_size(list) : 0;

	if (count == 0 || count > WORDS_TOPICS_MAX)
		return fail(why, "\"topics\" is a list of 1 to 100 names");
	words->topics = arena_alloc(arena, count * sizeof(char *));
	for (size_t i = 0; i < count; i++)
	{
		const json_t *topic = json_array_get(list, i);

		if (!json_is_string(topic) || json_string_length(topic) == 0 ||
			json_string_length(topic) > WORDS_TOPIC_LENGTH_MAX)
			return fail(why, "a topic is a text of 1 to 200 bytes");
		words->topics[words->topic_count++] = arena_string(arena, json_string_value(topic));
	}
	return true;
}

static bool
read_object(Arena *arena, const json_t *object, Words *words, const char **why)
{
	const char *type = strictjson_text(object, "type");
	const json_t *ref = json_object_get(object, "ref");

	if (ref != NULL && (!json_is_string(ref) || json_string_length(ref) > WORDS_REF_LENGTH_MAX))
		return fail(why, "\"ref\" is a text of at most 100 bytes");
	if (ref != NULL)
		words->ref = arena_string(arena, json_string_value(ref));
	if (type != NULL && strcmp(type, "subscribe") == 0)
		words->kind = WORDS_SUBSCRIBE;
	else if (type != NULL && strcmp(type, "unsubscribe") == 0)
		words->kind = WORDS_UNSUBSCRIBE;
	else
		return fail(why, "\"type\" is subscribe or unsubscribe");
	return read_topics(arena, json_object_get(object, "topics"), words, why);
}

bool
words_read(Arena *arena, const char *text, size_t length, Words *words, const char **why)
{
	json_t *object = strictjson_object(text, length, DEPTH, VALUES);
	bool good;

	*words = (Words){0};
	if (object == NULL)
		return fail(why, "a message is one JSON object");
	good = read_object(arena, object, words, why);
	json_decref(object);
	return good;
}

static void
add_ref(Text *text, const char *ref)
{
	if (ref != NULL)
	{
		text_put(text, ",\"ref\":");
		text_json(text, ref);
	}
	text_char(text, '}');
}

const char *
words_done(Arena *arena, const char *type, const Words *words)
{
	Text text;

	text_begin(&text, arena);
	text_format(&text, "{\"type\":\"%s\",\"topics\":[", type);
	for (int i = 0; i < words->topic_count; i++)
	{
		if (i > 0)
			text_char(&text, ',');
		text_json(&text, words->topics[i]);
	}
	text_char(&text, ']');
	add_ref(&text, words->ref);
	return text.data;
}

const char *
words_refused(Arena *arena, const char *code, const char *message, const char *topic, const char *ref)
{
	Text text;

	text_begin(&text, arena);
	text_put(&text, "{\"type\":\"refused\",\"code\":");
	text_json(&text, code);
	text_put(&text, ",\"message\":");
	text_json(&text, message);
	if (topic != NULL)
	{
		text_put(&text, ",\"topic\":");
		text_json(&text, topic);
	}
	add_ref(&text, ref);
	return text.data;
}

const char *
words_quoted(Arena *arena, const char *text)
{
	Text quoted;

	text_begin(&quoted, arena);
	text_json(&quoted, text);
	return quoted.data;
}

const char *
words_array(Arena *arena, const char *const *topics, int count)
{
	Text text;

	text_begin(&text, arena);
	text_char(&text, '{');
	for (int i = 0; i < count; i++)
	{
		text_put(&text, i > 0 ? ",\"" : "\"");
		for (const char *c = topics[i]; *c != '\0'; c++)
		{
			if (*c == '"' || *c == '\\')
				text_char(&text, '\\');
			text_char(&text, *c);
		}
		text_char(&text, '"');
	}
	text_char(&text, '}');
	return text.data;
}
