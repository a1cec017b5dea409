/*
 * filled_test.c
 *		What was filled into messages is found again, and only in those.
 */
#include "unit.h"

#include "common/filled.h"

typedef struct Row
{
	const char *format;
	const char *text;
	const char *found; /* NULL: none */
} Row;

static const Row rows[] = {
	{"permission denied for table %s", "permission denied for table units", "units"},
	{"permission denied for table %s", "permission denied for table ", ""},
	{"permission denied for table %s", "keine Berechtigung fuer Tabelle units", NULL},
	{"permission denied for table %s", "permission denied", NULL},
	{"permission denied for table %s", "", NULL},
	{"permission denied to set parameter \"%s\"", "permission denied to set parameter \"a\"", "a"},
	{"permission denied to set parameter \"%s\"", "permission denied to set parameter \"a", NULL},
	{"permission denied to set parameter \"%s\"", "permission denied to set parameter \"\"\"", "\""},
	{"new row violates row-level security policy \"%s\" for table \"%s\"",
	 "new row violates row-level security policy \"p\" for table \"t\"", "t"},
	{"new row violates row-level security policy \"%s\" for table \"%s\"",
	 "new row violates row-level security policy \"p\" for table \"x\" for table \"t\"", "t"},
	{"new row violates row-level security policy \"%s\" for table \"%s\"",
	 "new row violates row-level security policy \"p\"", NULL},
	{"%s is not %s or %s", "a is not b or c", "c"},
	{"words %s%s", "words ab", NULL},
	{"%s", "anything", NULL},
	{"\"%s\"", "\"anything\"", NULL},
	{"must be superuser", "must be superuser", NULL},
	{"code %d of %s", "code 1 of a", NULL},
	{"100%% of %s", "100% of a", NULL},
	{"ends in %", "ends in %", NULL},
	{"%", "%", NULL},
	{"", "", NULL},
};

static void
finds(void)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Bytes found = bytes_of(NULL, 0);
		bool is_found = filled_last(rows[i].format, rows[i].text, &found);

		if (rows[i].found == NULL)
			CHECK(!is_found, "%s: %s", rows[i].format, rows[i].text);
		else
			CHECK(is_found && found.length == strlen(rows[i].found) &&
					  memcmp(found.data, rows[i].found, found.length) == 0,
				  "%s: %s", rows[i].format, rows[i].text);
	}
}

static void
knows_words(void)
{
	CHECK(filled_has_words("permission denied"));
	CHECK(filled_has_words("%s x"));
	CHECK(!filled_has_words("%s"));
	CHECK(!filled_has_words("\"%s\": %s"));
	CHECK(!filled_has_words("%"));
	CHECK(!filled_has_words(""));
}

int
main(void)
{
	static const UnitCase cases[] = {{"what was filled in is found", finds}, {"formats without words", knows_words}};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
