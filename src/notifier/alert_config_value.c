/*
 * alert_config_value.c
 *		The values of a channel's keys: each as its row in the table says, or a
 *		complaint by its place.
 */
#include "notifier/alert_config_key.h"

#include "common/jsonscan.h"

#include <stdlib.h>
#include <string.h>

#define PLACEHOLDER "env_"
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_"
#define DIGITS "0123456789"

static bool
is_plain(const char *text)
{
	for (const char *at = text; *at != '\0'; at++)
		if ((unsigned char) *at < ' ' || *at == 0x7f)
			return false;
	for (size_t i = 0, length = strlen(text); i < length;)
	{
		size_t size = jsonscan_character((const uint8_t *) text + i, length - i);

		if (size == 0)
			return false;
		i += size;
	}
	return true;
}

/* The variable that a text stands for; NULL when it is a text of its own. */
static const char *
placeholder(const char *text)
{
	const char *name = text + strlen(PLACEHOLDER);

	if (strncmp(text, PLACEHOLDER, strlen(PLACEHOLDER)) != 0 || strspn(name, LETTERS) == 0 ||
		strspn(name, LETTERS DIGITS) != strlen(name))
		return NULL;
	return name;
}

/*
 * The text that a value stands for: NULL when it is none, which was complained
 * of, or when the variable is absent, which the channel notes.
 */
static const char *
text_of(Reading *reading, Channel *channel, const char *key, const json_t *value, unsigned flags)
{
	const char *text = json_string_value(value);
	const char *variable;

	if (text == NULL)
	{
		alert_config_complain(reading, channel->name, key, "must be a text");
		return NULL;
	}
	variable = placeholder(text);
	if (variable != NULL)
	{
		text = reading->lookup(reading->argument, variable);
		if (text == NULL && channel->absent == NULL)
			channel->absent = alert_config_copy(variable);
		if (text == NULL)
			return NULL;
	}
	else if (flags & KEY_SECRET)
		reading->holds_secret = true;
	if (text[0] == '\0' || strlen(text) > CONFIG_TEXT_MAX || !is_plain(text))
	{
		alert_config_complain(reading, channel->name, key,
							  "%s must be UTF-8 of 1 to %d bytes without control characters",
							  variable == NULL ? "it" : variable, CONFIG_TEXT_MAX);
		return NULL;
	}
	return text;
}

static void
read_number(Reading *reading, Channel *channel, const Key *key, const json_t *value)
{
	json_int_t number = json_integer_value(value);
	bool good = json_is_integer(value);

	/* a variable holds a number as text */
	if (json_is_string(value) && placeholder(json_string_value(value)) != NULL)
	{
		const char *text = text_of(reading, channel, key->name, value, 0);

		if (text == NULL)
			return;
		good = strlen(text) <= 9 && strspn(text, DIGITS) == strlen(text);
		number = good ? atoi(text) : 0;
	}
	if (!good || number < key->least || number > key->most)
		alert_config_complain(reading, channel->name, key->name, "must be a whole number from %d to %d", key->least,
							  key->most);
	else
		*(int *) alert_config_field(channel, key) = (int) number;
}

static void
read_word(Reading *reading, Channel *channel, const Key *key, const json_t *value)
{
	const char *text = text_of(reading, channel, key->name, value, 0);

	if (text == NULL)
		return;
	for (int i = 0; key->words[i] != NULL; i++)
	{
		if (strcmp(text, key->words[i]) == 0) /* public: words of the configuration */
		{
			*(int *) alert_config_field(channel, key) = i;
			return;
		}
	}
	alert_config_complain(reading, channel->name, key->name, "must be one of:");
	/* on the line of the complaint, unless there were too many */
	for (int i = 0; reading->complained <= CONFIG_COMPLAINTS_MAX && key->words[i] != NULL; i++)
		fprintf(reading->complaints, "\t%s\n", key->words[i]);
}

static void
append(TextList *list, char *text)
{
	list->texts[list->count++] = text;
}

static void
read_texts(Reading *reading, Channel *channel, const Key *key, const json_t *value)
{
	TextList *list = alert_config_field(channel, key);
	size_t count = json_array_size(value);

	if (!json_is_array(value) || count < 1 || count > CONFIG_TEXTS_MAX)
	{
		alert_config_complain(reading, channel->name, key->name, "must be an array of 1 to %d texts",
							  CONFIG_TEXTS_MAX);
		return;
	}
	list->texts = alert_config_take(count * sizeof(char *));
	for (size_t i = 0; i < count; i++)
	{
		const char *text = text_of(reading, channel, key->name, json_array_get(value, i), key->flags);

		if (text != NULL)
			append(list, alert_config_copy(text));
	}
}

/* {"Name": "value"}, kept as lines */
static void
read_headers(Reading *reading, Channel *channel, const Key *key, json_t *value)
{
	TextList *list = alert_config_field(channel, key);
	const char *name;
	json_t *member;

	if (!json_is_object(value) || json_object_size(value) > CONFIG_TEXTS_MAX)
	{
		alert_config_complain(reading, channel->name, key->name, "must be an object of at most %d texts",
							  CONFIG_TEXTS_MAX);
		return;
	}
	list->texts = alert_config_take((json_object_size(value) + 1) * sizeof(char *));
	json_object_foreach(value, name, member)
	{
		const char *text = text_of(reading, channel, key->name, member, key->flags);
		size_t size;
		char *line;

		if (text == NULL)
			continue;
		size = strlen(name) + strlen(text) + 3;
		line = alert_config_take(size);
		(void) snprintf(line, size, "%s: %s", name, text);
		append(list, line);
	}
}

void
alert_config_read_key(Reading *reading, Channel *channel, const Key *key, json_t *value)
{
	const char *text;

	switch (key->type)
	{
		case KEY_TEXT:
			text = text_of(reading, channel, key->name, value, key->flags);
			if (text != NULL)
				*(char **) alert_config_field(channel, key) = alert_config_copy(text);
			break;
		case KEY_NUMBER:
			read_number(reading, channel, key, value);
			break;
		case KEY_WORD:
			read_word(reading, channel, key, value);
			break;
		case KEY_FLAG:
			if (!json_is_boolean(value))
				alert_config_complain(reading, channel->name, key->name, "must be true or false");
			*(bool *) alert_config_field(channel, key) = json_is_true(value);
			break;
		case KEY_TEXTS:
			read_texts(reading, channel, key, value);
			break;
		case KEY_HEADERS:
			read_headers(reading, channel, key, value);
			break;
	}
}
