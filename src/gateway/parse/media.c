/*
 * media.c
 *		Media types of bodies and answers.
 *
 * Accept is put in order as PostgREST's HTTP library does it: by quality, then
 * by how much a type says (parameters more, stars less), then as written.
 */
#include "gateway/parse/headers.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ACCEPTS_MAX 32
#define ONE 1000 /* a quality of 1 (RFC 9110, 12.4.2: at most three digits) */

typedef struct MediaRow
{
	const char *name; /* what a client calls it */
	Media media;
	const char *answer; /* what an answer's header says; NULL: never an answer */
} MediaRow;

/* The first row of a kind is the one answers carry. */
static const MediaRow rows[] = {
	{"*/*", MEDIA_ANY, NULL},
	{"application/json", MEDIA_JSON, "application/json; charset=utf-8"},
	{"text/csv", MEDIA_CSV, "text/csv; charset=utf-8"},
	{"application/vnd.pgrst.object+json", MEDIA_OBJECT, "application/vnd.pgrst.object+json; charset=utf-8"},
	{"application/vnd.pgrst.object", MEDIA_OBJECT, NULL},
	{"application/vnd.pgrst.array+json", MEDIA_JSON, NULL},
	{"application/vnd.pgrst.array", MEDIA_JSON, NULL},
	{"application/openapi+json", MEDIA_OPENAPI, "application/openapi+json; charset=utf-8"},
	{"application/geo+json", MEDIA_GEOJSON, "application/geo+json; charset=utf-8"},
	{"text/plain", MEDIA_TEXT, "text/plain; charset=utf-8"},
	{"text/xml", MEDIA_XML, "text/xml; charset=utf-8"},
	{"application/octet-stream", MEDIA_OCTETS, "application/octet-stream"},
	{"application/x-www-form-urlencoded", MEDIA_FORM, "application/x-www-form-urlencoded; charset=utf-8"},
	{"application/vnd.pgrst.plan", MEDIA_PLAN, NULL},
	{"application/vnd.pgrst.plan+text", MEDIA_PLAN, NULL},
	{"application/vnd.pgrst.plan+json", MEDIA_PLAN, NULL},
};

static const char object_strip[] = "application/vnd.pgrst.object+json;nulls=stripped";
static const char array_strip[] = "application/vnd.pgrst.array+json;nulls=stripped";

/* Words of options=, as bits. */
static const struct
{
	const char *word;
	unsigned option;
} plan_options[] = {{"analyze", PLAN_ANALYZE},
					{"verbose", PLAN_VERBOSE},
					{"settings", PLAN_SETTINGS},
					{"buffers", PLAN_BUFFERS},
					{"wal", PLAN_WAL}};

/* Takes blanks and one kind of quote away from both ends. */
static char *
strip(char *s, const char *around)
{
	size_t length;

	s += strspn(s, around);
	length = strlen(s);
	while (length > 0 && strchr(around, s[length - 1]) != NULL)
		length--;
	s[length] = '\0';
	return s;
}

/* The value of a parameter, without quotes; NULL when there is none. */
static const char *
parameter(Arena *arena, const char *parameters, const char *name)
{
	size_t length = strlen(name);
	const char *found = NULL;

	while (*parameters != '\0')
	{
		size_t whole = strcspn(parameters, ";");
		size_t start = strspn(parameters, " \t");

		if (start + length < whole && strncasecmp(parameters + start, name, length) == 0 &&
			parameters[start + length] == '=')
			found = strip(arena_copy(arena, parameters + start + length + 1, whole - start - length - 1), " \t\"");
		parameters += whole + (parameters[whole] == ';');
	}
	return found;
}

static MediaChoice read_type(Arena *arena, const char *type, bool in_plan);

/* Reads what a plan is asked for. */
static void
read_plan(Arena *arena, const char *name, const char *parameters, MediaChoice *choice)
{
	const char *of = parameter(arena, parameters, "for");
	const char *options = parameter(arena, parameters, "options");
	Text text;

	choice->plan_is_json = strcmp(name, "application/vnd.pgrst.plan+json") == 0;
	choice->plan_of = of != NULL ? read_type(arena, of, true).media : MEDIA_JSON;
	text_begin(&text, arena);
	text_format(&text, "application/vnd.pgrst.plan+%s; for=\"%s\"", choice->plan_is_json ? "json" : "text",
				of != NULL ? read_type(arena, of, true).name : "application/json");
	while (options != NULL && *options != '\0')
	{
		size_t length = strcspn(options, "|");

		for (size_t i = 0; i < sizeof(plan_options) / sizeof(plan_options[0]); i++)
		{
			if (strlen(plan_options[i].word) == length && strncmp(plan_options[i].word, options, length) == 0)
				choice->plan_options |= plan_options[i].option;
		}
		options += length + (options[length] == '|');
	}
	for (size_t i = 0, written = 0; i < sizeof(plan_options) / sizeof(plan_options[0]); i++)
	{
		if (choice->plan_options & plan_options[i].option)
			text_format(&text, "%s%s", written++ > 0 ? "|" : "; options=", plan_options[i].word);
	}
	choice->name = text.data;
}

/* Reads one type with its parameters. */
static MediaChoice
read_type(Arena *arena, const char *type, bool in_plan)
{
	size_t length = strcspn(type, ";");
	const char *parameters = type[length] == ';' ? type + length + 1 : "";
	const char *name = strip(arena_copy(arena, type, length), " \t");
	const char *nulls = parameter(arena, parameters, "nulls");
	bool is_stripped = nulls != NULL && strcmp(nulls, "stripped") == 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		MediaChoice choice = {.media = rows[i].media, .name = rows[i].name};

		if (strcasecmp(name, rows[i].name) != 0)
			continue;
		if (choice.media == MEDIA_OBJECT)
			choice = is_stripped ? (MediaChoice){.media = MEDIA_OBJECT_STRIP, .name = object_strip}
								 : (MediaChoice){.media = MEDIA_OBJECT, .name = "application/vnd.pgrst.object+json"};
		else if (strncmp(rows[i].name, "application/vnd.pgrst.array", 27) == 0)
			choice = is_stripped ? (MediaChoice){.media = MEDIA_ARRAY_STRIP, .name = array_strip}
								 : (MediaChoice){.media = MEDIA_JSON, .name = "application/json"};
		else if (choice.media == MEDIA_PLAN)
		{
			if (in_plan)
				return (MediaChoice){.media = MEDIA_OTHER, .name = rows[i].name};
			read_plan(arena, rows[i].name, parameters, &choice);
		}
		return choice;
	}
	return (MediaChoice){.media = MEDIA_OTHER, .name = strip(arena_string(arena, type), " \t")};
}

MediaChoice
content_type_read(Arena *arena, const char *value)
{
	if (value == NULL)
		return (MediaChoice){.media = MEDIA_JSON, .name = "application/json"};
	return read_type(arena, value, false);
}

/* Thousandths; what is no number is 1, as a client that misspells wants the type all the same. */
static int
quality(const char *s)
{
	int value = 0;
	int unit = ONE;

	if (*s < '0' || *s > '9')
		return ONE;
	for (; *s >= '0' && *s <= '9'; s++)
		value = value > ONE ? value : value * 10 + (*s - '0');
	value = value > 1 ? ONE : value * ONE;
	if (*s++ != '.')
		return value;
	for (; *s >= '0' && *s <= '9' && unit > 1; s++)
	{
		unit /= 10;
		value += (*s - '0') * unit;
	}
	return value > ONE ? ONE : value;
}

static int
occurrences(const char *s, char byte)
{
	int count = 0;

	for (; *s != '\0'; s++)
		count += *s == byte;
	return count;
}

MediaChoice *
accept_read(Arena *arena, const char *value, int *count)
{
	MediaChoice *choices = arena_alloc(arena, ACCEPTS_MAX * sizeof(MediaChoice));
	int64_t weights[ACCEPTS_MAX];

	*count = 0;
	while (value != NULL && *value != '\0' && *count < ACCEPTS_MAX)
	{
		size_t whole = strcspn(value, ",");
		char *type = arena_alloc(arena, whole + 1);
		char *q;
		int64_t weight = ONE;
		size_t length = 0;
		int place;

		for (size_t i = 0; i < whole; i++)
		{
			if (value[i] != ' ' && value[i] != '\t')
				type[length++] = value[i];
		}
		value += whole + (value[whole] == ',');
		if (length == 0)
			continue;
		if ((q = strstr(type, ";q=")) != NULL)
		{
			weight = quality(q + 3);
			*q = '\0';
		}
		weight = weight * 1000000 + occurrences(type, ';') - occurrences(type, '*');
		for (place = *count; place > 0 && weights[place - 1] < weight; place--)
		{
			weights[place] = weights[place - 1];
			choices[place] = choices[place - 1];
		}
		weights[place] = weight;
		choices[place] = read_type(arena, type, false);
		(*count)++;
	}
	if (*count == 0)
		choices[(*count)++] = (MediaChoice){.media = MEDIA_ANY, .name = "*/*"};
	return choices;
}

const char *
media_name(Media media)
{
	if (media == MEDIA_OBJECT_STRIP)
		return "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8";
	if (media == MEDIA_ARRAY_STRIP)
		return "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8";
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		if (rows[i].media == media && rows[i].answer != NULL)
			return rows[i].answer;
	}
	return NULL;
}
