/*
 * prefer.c
 *		Prefer, as PostgREST reads it: words that are known whole, the first of
 *		each kind counts, and what is not known is remembered as it was written.
 */
#include "gateway/parse/headers.h"

#include <stddef.h>
#include <string.h>

/* Preferences that were not understood are remembered up to here; more are as unknown as these. */
#define UNKNOWN_MAX 64

typedef struct PreferWord
{
	const char *word;
	size_t member; /* of Preferences, an enumeration; 0 in it is "not said" */
	int value;
} PreferWord;

static const PreferWord words[] = {
	{"count=exact", offsetof(Preferences, count), COUNT_EXACT},
	{"count=planned", offsetof(Preferences, count), COUNT_PLANNED},
	{"count=estimated", offsetof(Preferences, count), COUNT_ESTIMATED},
	{"return=minimal", offsetof(Preferences, answer), RETURN_MINIMAL},
	{"return=headers-only", offsetof(Preferences, answer), RETURN_HEADERS_ONLY},
	{"return=representation", offsetof(Preferences, answer), RETURN_REPRESENTATION},
	{"resolution=merge-duplicates", offsetof(Preferences, resolution), RESOLUTION_MERGE},
	{"resolution=ignore-duplicates", offsetof(Preferences, resolution), RESOLUTION_IGNORE},
	{"missing=default", offsetof(Preferences, missing), MISSING_DEFAULT},
	{"missing=null", offsetof(Preferences, missing), MISSING_NULL},
	{"handling=lenient", offsetof(Preferences, handling), HANDLING_LENIENT},
	{"handling=strict", offsetof(Preferences, handling), HANDLING_STRICT},
	{"tx=commit", offsetof(Preferences, transaction), TX_COMMIT},
	{"tx=rollback", offsetof(Preferences, transaction), TX_ROLLBACK},
};

_Static_assert(sizeof(PreferCount) == sizeof(int) && sizeof(PreferTransaction) == sizeof(int),
			   "the table writes enumerations as int");

/* What stands behind a prefix; NULL when a preference does not begin so. */
static const char *
behind(const char *preference, const char *prefix)
{
	size_t length = strlen(prefix);

	return strncmp(preference, prefix, length) == 0 ? preference + length : NULL;
}

/* Reads a whole number; false when there is none or it is too large. */
static bool
whole_number(const char *s, int64_t *number)
{
	bool negative = *s == '-';
	int64_t value = 0;

	if (negative)
		s++;
	if (*s == '\0')
		return false;
	for (; *s != '\0'; s++)
	{
		if (*s < '0' || *s > '9' || value > (INT64_MAX - 9) / 10)
			return false;
		value = value * 10 + (*s - '0');
	}
	*number = negative ? -value : value;
	return true;
}

/* Understands one preference, or not; of max-affected only the first counts, even when it is no number. */
static bool
understand(const char *preference, Preferences *preferences, bool *has_max_affected)
{
	const char *value;

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
	{
		int *member = (int *) ((char *) preferences + words[i].member);

		if (strcmp(preference, words[i].word) != 0)
			continue;
		if (*member == 0)
			*member = words[i].value;
		return true;
	}
	if ((value = behind(preference, "timezone=")) != NULL)
	{
		if (preferences->timezone == NULL)
			preferences->timezone = value;
		return *value != '\0';
	}
	if ((value = behind(preference, "max-affected=")) == NULL)
		return false;
	if (!*has_max_affected)
		preferences->has_max_affected = whole_number(value, &preferences->max_affected);
	*has_max_affected = true;
	return true;
}

/* The problem of strict handling. */
static bool
refuse(Arena *arena, const Preferences *preferences, Problem *problem)
{
	Text text;

	text_begin(&text, arena);
	text_put(&text, "Invalid preferences: ");
	for (int i = 0; i < preferences->unknown_count; i++)
		text_format(&text, "%s%s", i > 0 ? ", " : "", preferences->unknown[i]);
	return problem_set(problem, 400, "PGRST122", "Invalid preferences given with handling=strict", text.data, NULL);
}

bool
prefer_read(Arena *arena, const char *const *values, int count, Preferences *preferences, Problem *problem)
{
	bool has_max_affected = false;

	*preferences = (Preferences){.unknown = arena_alloc(arena, UNKNOWN_MAX * sizeof(char *))};
	for (int i = 0; i < count; i++)
	{
		const char *s = values[i];

		while (*s != '\0')
		{
			size_t whole = strcspn(s, ",");
			size_t start = strspn(s, " \t");
			size_t end = whole;

			while (end > start && (s[end - 1] == ' ' || s[end - 1] == '\t'))
				end--;
			if (end > start)
			{
				const char *preference = arena_copy(arena, s + start, end - start);

				if (!understand(preference, preferences, &has_max_affected) &&
					preferences->unknown_count < UNKNOWN_MAX)
					preferences->unknown[preferences->unknown_count++] = preference;
			}
			s += whole + (s[whole] == ',');
		}
	}
	if (preferences->timezone != NULL && *preferences->timezone == '\0')
		preferences->timezone = NULL;
	if (preferences->handling == HANDLING_STRICT && preferences->unknown_count > 0)
		return refuse(arena, preferences, problem);
	return true;
}
