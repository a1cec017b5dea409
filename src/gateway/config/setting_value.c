/*
 * setting_value.c
 *		Values of settings: from what was written into their fields, and back.
 *
 * A value that is out of range or not of its kind is refused, never trimmed.
 */
#include "gateway/config/setting.h"

#include <ctype.h>
#include <string.h>

typedef struct Unit
{
	const char *name;
	int64_t factor;
} Unit;

static const Unit durations[] = {{"ms", 1}, {"s", 1000}, {"min", 60000}, {"h", 3600000}, {"d", 86400000}, {NULL, 0}};
static const Unit sizes[] = {{"kB", 1024}, {"MB", 1048576}, {"GB", 1073741824}, {NULL, 0}};

static void *
field_of(const Setting *setting, Config *config)
{
	return (char *) config + setting->offset;
}

static const void *
value_of(const Setting *setting, const Config *config)
{
	return (const char *) config + setting->offset;
}

static bool
refuse(const char **why, const char *reason)
{
	*why = reason;
	return false;
}

/* Digits and perhaps a unit; without one the number is multiplied by bare. */
static bool
read_number(const char *value, const Unit *units, int64_t bare, int64_t *number)
{
	int64_t read = 0;
	const char *rest = value;

	if (!isdigit((unsigned char) *rest))
		return false;
	for (; isdigit((unsigned char) *rest); rest++)
	{
		if (__builtin_mul_overflow(read, 10, &read) || __builtin_add_overflow(read, *rest - '0', &read))
			return false;
	}
	if (*rest == '\0')
		return !__builtin_mul_overflow(read, bare, number);
	while (*rest == ' ')
		rest++;
	for (; units != NULL && units->name != NULL; units++)
	{
		if (strcmp(rest, units->name) == 0)
			return !__builtin_mul_overflow(read, units->factor, number);
	}
	return false;
}

static bool
read_octal(const char *value, int64_t *number)
{
	*number = 0;
	for (const char *digit = value; *digit != '\0'; digit++)
	{
		if (*digit < '0' || *digit > '7' || digit - value > 4)
			return false;
		*number = *number * 8 + (*digit - '0');
	}
	return *value != '\0';
}

/* A number in the words of the file: with the largest unit that leaves it whole. */
static const char *
written(Arena *arena, const Setting *setting, int64_t number)
{
	bool is_duration = setting->kind == SETTING_DURATION;
	const Unit *units = is_duration ? durations : sizes;
	const Unit *best = NULL;

	if (setting->kind == SETTING_MODE)
		return arena_format(arena, "%o", (unsigned) number);
	if (!is_duration && setting->kind != SETTING_SIZE && setting->kind != SETTING_LARGE_SIZE)
		return arena_format(arena, "%lld", (long long) number);
	for (; number != 0 && units->name != NULL; units++)
	{
		if (number % units->factor == 0)
			best = units;
	}
	return best == NULL ? arena_format(arena, "%lld", (long long) number)
						: arena_format(arena, "%lld%s", (long long) (number / best->factor), best->name);
}

static bool
put_number(Arena *arena, const Setting *setting, const char *value, Config *config, const char **why)
{
	int64_t number;
	bool is_number;

	if (setting->kind == SETTING_MODE)
		is_number = read_octal(value, &number);
	else if (setting->kind == SETTING_DURATION)
		is_number = read_number(value, durations, 1000, &number);
	else if (setting->kind == SETTING_SIZE || setting->kind == SETTING_LARGE_SIZE)
		is_number = read_number(value, sizes, 1, &number);
	else
		is_number = read_number(value, NULL, 1, &number);
	if (!is_number && setting->kind == SETTING_MODE)
		return refuse(why, "must be a number in octal, as 660");
	if (!is_number && setting->kind == SETTING_DURATION)
		return refuse(why, "must be whole seconds, or a whole number of ms, s, min, h or d");
	if (!is_number && (setting->kind == SETTING_SIZE || setting->kind == SETTING_LARGE_SIZE))
		return refuse(why, "must be a whole number of bytes, kB, MB or GB");
	if (!is_number)
		return refuse(why, "must be a whole number");
	if (number < setting->least || number > setting->most)
		return refuse(why, arena_format(arena, "must be from %s to %s", written(arena, setting, setting->least),
										written(arena, setting, setting->most)));
	if (setting->kind == SETTING_COUNT || setting->kind == SETTING_LARGE_SIZE)
		*(int64_t *) field_of(setting, config) = number;
	else
		*(int *) field_of(setting, config) = (int) number;
	return true;
}

static bool
put_boolean(const Setting *setting, const char *value, Config *config, const char **why)
{
	static const char *const words[] = {"false", "off", "no", "0", "true", "on", "yes", "1"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		if (strcasecmp(value, words[i]) == 0)
		{
			*(bool *) field_of(setting, config) = i >= 4;
			return true;
		}
	}
	return refuse(why, "must be true or false");
}

/* The words a setting takes, for a complaint. */
static const char *
words_of(Arena *arena, const Setting *setting)
{
	Text text;

	text_begin(&text, arena);
	text_put(&text, "must be one of: ");
	for (int i = 0; setting->words[i] != NULL; i++)
		text_format(&text, "%s%s", i > 0 ? ", " : "", setting->words[i]);
	return text.data;
}

static bool
put_word(Arena *arena, const Setting *setting, const char *value, Config *config, const char **why)
{
	for (int i = 0; setting->words[i] != NULL; i++)
	{
		if (strcmp(value, setting->words[i]) != 0)
			continue;
		if (setting->kind == SETTING_WORD)
			*(const char **) field_of(setting, config) = setting->words[i];
		else
			*(int *) field_of(setting, config) = i;
		return true;
	}
	return refuse(why, words_of(arena, setting));
}

/*
 * An origin as browsers serialise it (RFC 6454, 6.2): scheme, host and a port that is not the scheme's own, in lower
 * case.  NULL and why for anything else; a wildcard and "null" are origins of nobody in particular.
 */
static const char *
read_origin(Arena *arena, const char *item, const char **why)
{
	char *origin = arena_string(arena, item);
	bool is_secure = strncasecmp(origin, "https://", 8) == 0;
	char *host = origin + (is_secure ? 8 : 7);
	char *colon;
	size_t span;
	int64_t port;

	if (strchr(item, '*') != NULL)
	{
		*why = "every origin must be named: a wildcard would let any page call with the user's cookies";
		return NULL;
	}
	*why = arena_format(arena, "not an origin as https://app.example.com or http://localhost:8080: %.200s", item);
	if (!is_secure && strncasecmp(origin, "http://", 7) != 0)
		return NULL;
	for (char *letter = origin; *letter != '\0'; letter++)
		*letter = (char) tolower((unsigned char) *letter);
	span = host[0] == '[' ? strspn(host + 1, "0123456789abcdef:.") + 1
						  : strspn(host, "abcdefghijklmnopqrstuvwxyz0123456789-._");
	if (span == 0 || (host[0] == '[' && (span == 1 || host[span++] != ']')))
		return NULL;
	colon = host + span;
	if (*colon == '\0')
		return origin;
	if (*colon != ':' || !read_number(colon + 1, NULL, 1, &port) || port < 1 || port > 65535)
		return NULL;
	if (port == (is_secure ? 443 : 80))
		*colon = '\0';
	else
		(void) snprintf(colon + 1, strlen(colon + 1) + 1, "%d", (int) port);
	return origin;
}

/* Splits at commas; blanks around an item are not part of it, and no item is empty. */
static bool
put_list(Arena *arena, const Setting *setting, const char *value, Config *config, const char **why)
{
	const char **items = arena_alloc(arena, (SETTING_LIST_MAX + 1) * sizeof(char *));
	int count = 0;

	for (const char *next = value; *next != '\0';)
	{
		size_t length = strcspn(next, ",");
		const char *end = next + length;
		const char *after = *end == ',' ? end + 1 : end;
		const char *item;

		if (*end == ',' && *after == '\0')
			return refuse(why, "the list ends with a comma");
		while (*next == ' ' || *next == '\t')
			next++;
		while (end > next && (end[-1] == ' ' || end[-1] == '\t'))
			end--;
		if (end <= next)
			return refuse(why, "the list has an empty item");
		if (count == SETTING_LIST_MAX)
			return refuse(why, "the list has too many items");
		item = arena_copy(arena, next, (size_t) (end - next));
		if (setting->kind == SETTING_ORIGINS)
			item = read_origin(arena, item, why);
		if (item == NULL)
			return false;
		items[count++] = item;
		next = after;
	}
	*(const char ***) field_of(setting, config) = items;
	return true;
}

bool
setting_read(Arena *arena, const Setting *setting, const char *value, Config *config, const char **why)
{
	if (strlen(value) > SETTING_VALUE_MAX)
		return refuse(why, "the value is too long");
	for (const char *letter = value; *letter != '\0'; letter++)
	{
		if ((unsigned char) *letter < 0x20 || *letter == 0x7f)
			return refuse(why, "the value holds a control character");
	}
	switch (setting->kind)
	{
		case SETTING_TEXT:
			*(const char **) field_of(setting, config) = value[0] == '\0' ? NULL : arena_string(arena, value);
			return true;
		case SETTING_LIST:
		case SETTING_ORIGINS:
			return put_list(arena, setting, value, config, why);
		case SETTING_BOOLEAN:
			return put_boolean(setting, value, config, why);
		case SETTING_WORD:
		case SETTING_CHOICE:
			return put_word(arena, setting, value, config, why);
		case SETTING_NUMBER:
		case SETTING_COUNT:
		case SETTING_DURATION:
		case SETTING_SIZE:
		case SETTING_LARGE_SIZE:
		case SETTING_MODE:
			break;
	}
	return put_number(arena, setting, value, config, why);
}

void
setting_write_text(const char *text, FILE *to)
{
	fputc('"', to);
	for (; *text != '\0'; text++)
	{
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		fputc(*text, to);
	}
	fputc('"', to);
}

static void
write_list(const char *const *items, FILE *to)
{
	fputc('"', to);
	for (int i = 0; items != NULL && items[i] != NULL; i++)
	{
		fputs(i > 0 ? "," : "", to);
		for (const char *letter = items[i]; *letter != '\0'; letter++)
		{
			if (*letter == '"' || *letter == '\\')
				fputc('\\', to);
			fputc(*letter, to);
		}
	}
	fputc('"', to);
}

void
setting_write(const Setting *setting, const Config *config, FILE *to)
{
	const void *field = value_of(setting, config);
	Arena *arena = arena_new();
	int64_t number = 0;

	switch (setting->kind)
	{
		case SETTING_TEXT:
		case SETTING_WORD:
		{
			const char *text = *(const char *const *) field;

			setting_write_text(text == NULL ? "" : setting->is_secret ? "***" : text, to);
			break;
		}
		case SETTING_LIST:
		case SETTING_ORIGINS:
			write_list(*(const char *const *const *) field, to);
			break;
		case SETTING_BOOLEAN:
			fputs(*(const bool *) field ? "true" : "false", to);
			break;
		case SETTING_CHOICE:
			setting_write_text(setting->words[*(const int *) field], to);
			break;
		case SETTING_COUNT:
		case SETTING_LARGE_SIZE:
			number = *(const int64_t *) field;
			break;
		case SETTING_NUMBER:
		case SETTING_DURATION:
		case SETTING_SIZE:
		case SETTING_MODE:
			number = *(const int *) field;
			break;
	}
	switch (setting->kind)
	{
		case SETTING_NUMBER:
		case SETTING_COUNT:
			fprintf(to, "%lld", (long long) number);
			break;
		case SETTING_DURATION:
			/* as PostgREST has it wherever it can */
			if (number % 1000 == 0)
				fprintf(to, "%lld", (long long) number / 1000);
			else
				fprintf(to, "\"%lldms\"", (long long) number);
			break;
		case SETTING_SIZE:
		case SETTING_LARGE_SIZE:
		case SETTING_MODE:
			setting_write_text(written(arena, setting, number), to);
			break;
		default:
			break;
	}
	arena_free(arena);
}
