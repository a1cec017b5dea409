/*
 * alert_config.c
 *		Reads alert_config.json into channels, by the table of keys.
 */
#include "notifier/alert_config_key.h"

#include "common/secret.h"
#include "common/strictjson.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH_MAX 4 /* the file, channels, a channel, its list */
#define VALUES_MAX 4000
#define NAME_MAX_LENGTH 63
#define DIGITS "0123456789"

/* ---- memory ---- */

void *
alert_config_take(size_t size)
{
	void *memory = calloc(1, size);

	if (memory == NULL)
		abort(); /* out of memory */
	return memory;
}

char *
alert_config_copy(const char *text)
{
	char *made = strdup(text);

	if (made == NULL)
		abort(); /* out of memory */
	return made;
}

static void
wipe(char *text)
{
	if (text != NULL)
		secret_wipe(text, strlen(text));
	free(text);
}

static void
wipe_list(TextList *list)
{
	for (size_t i = 0; i < list->count; i++)
		wipe(list->texts[i]);
	free(list->texts);
}

void *
alert_config_field(const Channel *channel, const Key *key)
{
	return (char *) channel + key->offset;
}

void
alert_config_free(Config *config)
{
	if (config == NULL)
		return;
	for (size_t i = 0; i < config->count; i++)
	{
		Channel *channel = &config->channels[i];

		for (size_t k = 0; k < alert_config_key_count; k++)
		{
			if (alert_config_keys[k].type == KEY_TEXT)
				wipe(*(char **) alert_config_field(channel, &alert_config_keys[k]));
			else if (alert_config_keys[k].type == KEY_TEXTS || alert_config_keys[k].type == KEY_HEADERS)
				wipe_list(alert_config_field(channel, &alert_config_keys[k]));
		}
		free(channel->name);
		free(channel->absent);
	}
	free(config->channels);
	free(config->notifier);
	free(config);
}

/* ---- complaints ---- */

/* A name of the file, as far as it is fit to be shown. */
static void
put_name(FILE *to, const char *name)
{
	size_t length = strnlen(name, NAME_MAX_LENGTH);

	for (size_t i = 0; i < length; i++)
		fputc(name[i] > ' ' && name[i] < 0x7f ? name[i] : '?', to);
}

void
alert_config_complain(Reading *reading, const char *channel, const char *key, const char *format, ...)
{
	va_list arguments;

	if (++reading->complained > CONFIG_COMPLAINTS_MAX)
		return;
	if (channel != NULL)
	{
		fputs("channels.", reading->complaints);
		put_name(reading->complaints, channel);
	}
	if (channel != NULL && key != NULL)
		fputc('.', reading->complaints);
	if (key != NULL)
		put_name(reading->complaints, key);
	if (channel != NULL || key != NULL)
		fputs(": ", reading->complaints);
	va_start(arguments, format);
	vfprintf(reading->complaints, format, arguments);
	va_end(arguments);
	fputc('\n', reading->complaints);
}

/* What a parser found, in words of ours: its own would show what stands there. */
static void
complain_of_syntax(Reading *reading, const json_error_t *error)
{
	const char *what;

	switch (json_error_code(error))
	{
		case json_error_duplicate_key:
			what = "a name stands there twice";
			break;
		case json_error_premature_end_of_input:
			what = "the file ends too early";
			break;
		case json_error_end_of_input_expected:
			what = "something follows the end";
			break;
		case json_error_invalid_utf8:
			what = "not UTF-8";
			break;
		case json_error_null_character:
		case json_error_null_byte_in_key:
			what = "a NUL character";
			break;
		case json_error_numeric_overflow:
			what = "a number is too large";
			break;
		default:
			what = "not JSON";
	}
	alert_config_complain(reading, NULL, NULL, "line %d, column %d: %s", error->line, error->column, what);
}

/* ---- channels ---- */

static const Key *
find_key(const char *name)
{
	for (size_t k = 0; k < alert_config_key_count; k++)
		if (strcmp(name, alert_config_keys[k].name) == 0) /* public: words of the configuration */
			return &alert_config_keys[k];
	return NULL;
}

static bool
is_name(const char *name)
{
	return name[0] >= 'a' && name[0] <= 'z' && strlen(name) <= NAME_MAX_LENGTH &&
		   strspn(name, "abcdefghijklmnopqrstuvwxyz_" DIGITS) == strlen(name);
}

/* What holds where nothing is said. */
static void
set_standards(Channel *channel)
{
	channel->is_enabled = true;
	for (size_t k = 0; k < alert_config_key_count; k++)
	{
		const Key *key = &alert_config_keys[k];

		if ((key->type == KEY_NUMBER || key->type == KEY_WORD) && (key->kinds & (1u << channel->kind)) != 0)
			*(int *) alert_config_field(channel, key) = key->standard;
	}
}

static void
read_channel(Reading *reading, Channel *channel, json_t *from)
{
	const char *kind = json_string_value(json_object_get(from, "type"));
	const char *name;
	json_t *value;

	channel->kind = -1;
	for (int i = 0; kind != NULL && alert_config_kinds[i] != NULL; i++)
		if (strcmp(kind, alert_config_kinds[i]) == 0) /* public: words of the configuration */
			channel->kind = i;
	if (!json_is_object(from) || channel->kind < 0)
	{
		alert_config_complain(reading, channel->name, "type", "must be smtp, webhook or syslog");
		return;
	}
	set_standards(channel);
	json_object_foreach(from, name, value)
	{
		const Key *key = find_key(name);

		if (strcmp(name, "type") == 0) /* public: words of the configuration */
			continue;
		if (key == NULL || (key->kinds & (1u << channel->kind)) == 0)
			alert_config_complain(reading, channel->name, name, "unknown for type %s",
								  alert_config_kinds[channel->kind]);
		else
			alert_config_read_key(reading, channel, key, value);
	}
	for (size_t k = 0; k < alert_config_key_count; k++)
	{
		const Key *key = &alert_config_keys[k];

		if ((key->flags & KEY_REQUIRED) && (key->kinds & (1u << channel->kind)) != 0 &&
			json_object_get(from, key->name) == NULL)
			alert_config_complain(reading, channel->name, key->name, "is missing");
	}
	/* what is absent cannot be judged */
	if (reading->complained == 0 && channel->absent == NULL)
		alert_config_check(reading, channel);
}

static void
read_channels(Reading *reading, Config *config, json_t *from)
{
	const char *name;
	json_t *member;

	if (!json_is_object(from) || json_object_size(from) < 1 || json_object_size(from) > CONFIG_CHANNELS_MAX)
	{
		alert_config_complain(reading, NULL, "channels", "must be an object of 1 to %d channels",
							  CONFIG_CHANNELS_MAX);
		return;
	}
	config->channels = alert_config_take(json_object_size(from) * sizeof(Channel));
	json_object_foreach(from, name, member)
	{
		Channel *channel = &config->channels[config->count++];

		channel->name = alert_config_copy(name);
		if (!is_name(name))
			alert_config_complain(
				reading, name, NULL,
				"a name is made of small letters, digits and _, begins with a letter, and has at most %d",
				NAME_MAX_LENGTH);
		else
			read_channel(reading, channel, member);
	}
}

static void
read_root(Reading *reading, Config *config, json_t *root)
{
	const char *name;
	json_t *value;

	json_object_foreach(root, name, value)
	{
		/* public: words of the configuration */
		if (strcmp(name, "channels") == 0)
			read_channels(reading, config, value);
		else if (strcmp(name, "notifier") == 0) /* public: likewise */
		{
			if (!json_is_string(value) || !is_name(json_string_value(value)))
				alert_config_complain(reading, NULL, name, "must be a name of small letters, digits and _");
			else
			{
				free(config->notifier);
				config->notifier = alert_config_copy(json_string_value(value));
			}
		}
		else if (strcmp(name, "poll_interval") == 0) /* public: likewise */
		{
			if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > 3600)
				alert_config_complain(reading, NULL, name, "must be a whole number from 1 to 3600");
			else
				config->poll_interval = (int) json_integer_value(value);
		}
		else
			alert_config_complain(reading, NULL, name, "unknown");
	}
	if (json_object_get(root, "channels") == NULL)
		alert_config_complain(reading, NULL, "channels", "is missing");
}

Config *
alert_config_read(const char *text, size_t length, ConfigLookup lookup, void *argument, FILE *complaints)
{
	Reading reading = {.lookup = lookup, .argument = argument, .complaints = complaints};
	Config *config = alert_config_take(sizeof(Config));
	json_t *root = NULL;
	json_error_t error;

	config->notifier = alert_config_copy("twin_notifier");
	config->poll_interval = 30;
	if (length > CONFIG_SIZE_MAX || !strictjson_fits(text, length, DEPTH_MAX, VALUES_MAX))
		alert_config_complain(&reading, NULL, NULL, "not JSON, or larger or deeper than a configuration is");
	else if ((root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error)) == NULL)
		complain_of_syntax(&reading, &error);
	else if (!json_is_object(root))
		alert_config_complain(&reading, NULL, NULL, "must be an object");
	else
		read_root(&reading, config, root);
	json_decref(root);
	config->holds_secret = reading.holds_secret;
	if (reading.complained == 0)
		return config;
	alert_config_free(config);
	return NULL;
}
