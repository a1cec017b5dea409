/*
 * headers_test.c
 *		Prefer, Accept, Content-Type, Range and Cookie.
 */
#include "unit.h"

#include "gateway/parse/headers.h"

#include <time.h>

typedef struct PreferRow
{
	const char *values[3];
	const char *read; /* the enumerations in their order, then timezone, max-affected, what is unknown */
} PreferRow;

static const char *
write_preferences(Arena *arena, const Preferences *read)
{
	Text text;

	text_begin(&text, arena);
	text_format(&text, "%d%d%d%d%d%d", read->count, read->answer, read->resolution, read->missing, read->handling,
				read->transaction);
	if (read->timezone != NULL)
		text_format(&text, " %s", read->timezone);
	if (read->has_max_affected)
		text_format(&text, " %lld", (long long) read->max_affected);
	for (int i = 0; i < read->unknown_count; i++)
		text_format(&text, " ?%s", read->unknown[i]);
	return text.data;
}

static void
preferences(void)
{
	static const PreferRow rows[] = {
		{{NULL}, "000000"},
		{{""}, "000000"},
		{{"count=exact"}, "100000"},
		{{"count=planned"}, "200000"},
		{{"count=estimated"}, "300000"},
		{{"return=minimal"}, "010000"},
		{{"return=headers-only"}, "020000"},
		{{"return=representation"}, "030000"},
		{{"resolution=merge-duplicates"}, "001000"},
		{{"resolution=ignore-duplicates"}, "002000"},
		{{"missing=default"}, "000100"},
		{{"missing=null"}, "000200"},
		{{"handling=lenient"}, "000010"},
		{{"handling=strict"}, "000020"},
		{{"tx=commit"}, "000001"},
		{{"tx=rollback"}, "000002"},
		{{"resolution=ignore-duplicates, count=exact, timezone=America/Los_Angeles, max-affected=100"},
		 "102000 America/Los_Angeles 100"},
		{{"count=exact,    tx=commit   ,return=representation , missing=default, handling=strict"}, "130121"},
		{{"count=exact,return=minimal", "count=planned, return=representation"}, "110000"},
		{{"tx=commit, tx=rollback"}, "000001"},
		{{"resolution=ignore-duplicates", "resolution=merge-duplicates", "invalid"}, "002000 ?invalid"},
		{{"handling=lenient, anything, count=none"}, "000010 ?anything ?count=none"},
		{{"handling=lenient,handling=strict,x"}, "000010 ?x"},
		{{"Count=exact"}, "000000 ?Count=exact"},
		{{"count = exact"}, "000000 ?count = exact"},
		{{"count=exact;x"}, "000000 ?count=exact;x"},
		{{"return=\"minimal\""}, "000000 ?return=\"minimal\""},
		{{"params=single-object"}, "000000 ?params=single-object"},
		{{",, ,\t"}, "000000"},
		{{"timezone="}, "000000 ?timezone="},
		{{"timezone=UTC,timezone=Europe/Berlin"}, "000000 UTC"},
		{{"max-affected=0"}, "000000 0"},
		{{"max-affected=-5"}, "000000 -5"},
		{{"max-affected=abc,max-affected=5"}, "000000"},
		{{"max-affected="}, "000000"},
		{{"max-affected=99999999999999999999"}, "000000"},
		{{"max-affected=922337203685477580"}, "000000 922337203685477580"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		Preferences read;
		Problem problem;
		int count = 0;

		while (count < 3 && rows[i].values[count] != NULL)
			count++;
		if (CHECK(prefer_read(arena, rows[i].values, count, &read, &problem), "row %zu", i))
			CHECK(strcmp(write_preferences(arena, &read), rows[i].read) == 0, "%s: %s", rows[i].values[0],
				  write_preferences(arena, &read));
		arena_free(arena);
	}
}

static void
strict_preferences(void)
{
	static const PreferRow rows[] = {
		{{"handling=strict, anything"}, "Invalid preferences: anything"},
		{{"handling=strict", "something, else"}, "Invalid preferences: something, else"},
		{{"return=representation, x, handling=strict", "y"}, "Invalid preferences: x, y"},
		{{"handling=strict,handling=lenient,x"}, "Invalid preferences: x"},
		{{"handling=strict,count=none"}, "Invalid preferences: count=none"},
	};
	Arena *arena = arena_new();
	Preferences read;
	Problem problem;
	Text text;
	const char *many;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		CHECK(!prefer_read(arena, rows[i].values, rows[i].values[1] != NULL ? 2 : 1, &read, &problem) &&
				  problem.status == 400 && strcmp(problem.code, "PGRST122") == 0 &&
				  strcmp(problem.message, "Invalid preferences given with handling=strict") == 0 &&
				  strcmp(problem.details, rows[i].read) == 0,
			  "%s: %s", rows[i].values[0], problem.details);
	}
	text_begin(&text, arena);
	for (int i = 0; i < 5000; i++)
		text_put(&text, "x,");
	many = text.data;
	CHECK(prefer_read(arena, &many, 1, &read, &problem) && read.unknown_count == 64);
	arena_free(arena);
}

typedef struct AcceptRow
{
	const char *value;
	const char *read; /* kinds and names */
} AcceptRow;

static const char *
write_choices(Arena *arena, const MediaChoice *choices, int count)
{
	Text text;

	text_begin(&text, arena);
	for (int i = 0; i < count; i++)
		text_format(&text, "%s%d %s", i > 0 ? "; " : "", choices[i].media, choices[i].name);
	return text.data;
}

static void
accepts(void)
{
	static const AcceptRow rows[] = {
		{NULL, "0 */*"},
		{"", "0 */*"},
		{" , ,", "0 */*"},
		{"*/*", "0 */*"},
		{"application/json", "1 application/json"},
		{"Application/JSON; charset=utf-8", "1 application/json"},
		{"text/csv", "2 text/csv"},
		{"text/csv; version=1", "2 text/csv"},
		{"text/csv, */*", "2 text/csv; 0 */*"},
		{"*/*, text/csv", "2 text/csv; 0 */*"},
		{"text/unknowntype, */*", "13 text/unknowntype; 0 */*"},
		{"text/csv, application/json", "2 text/csv; 1 application/json"},
		{"text/csv;q=0.5, application/json", "1 application/json; 2 text/csv"},
		{"text/csv ; q=0.5, application/json ; q=0.8, text/plain;q=0.65",
		 "1 application/json; 8 text/plain; 2 text/csv"},
		{"text/csv;q=0, application/json;q=0.001", "1 application/json; 2 text/csv"},
		{"text/csv;q=2, application/json;q=x", "2 text/csv; 1 application/json"},
		{"text/csv;q=1.5, application/json;q=1", "2 text/csv; 1 application/json"},
		{"text/plain; q=0.5, text/html;charset=utf-8, text/*;q=0.8;ext=blah, text/x-dvi; q=0.8, text/x-c",
		 "13 text/html;charset=utf-8; 13 text/x-c; 13 text/x-dvi; 13 text/*; 8 text/plain"},
		{"application/vnd.pgrst.object+json", "3 application/vnd.pgrst.object+json"},
		{"application/vnd.pgrst.object", "3 application/vnd.pgrst.object+json"},
		{"ApplicatIon/vnd.PgRsT.object+json", "3 application/vnd.pgrst.object+json"},
		{"application/vnd.pgrst.object+json;nulls=stripped", "4 application/vnd.pgrst.object+json;nulls=stripped"},
		{"application/vnd.pgrst.object+json; NULLS=\"stripped\"",
		 "4 application/vnd.pgrst.object+json;nulls=stripped"},
		{"application/vnd.pgrst.object+json;nulls=no", "3 application/vnd.pgrst.object+json"},
		{"application/vnd.pgrst.array+json;nulls=stripped", "5 application/vnd.pgrst.array+json;nulls=stripped"},
		{"application/vnd.pgrst.array;nulls=stripped", "5 application/vnd.pgrst.array+json;nulls=stripped"},
		{"application/vnd.pgrst.array+json", "1 application/json"},
		{"application/openapi+json", "6 application/openapi+json"},
		{"application/geo+json", "7 application/geo+json"},
		{"text/plain", "8 text/plain"},
		{"text/xml", "9 text/xml"},
		{"application/octet-stream", "10 application/octet-stream"},
		{"application/vnd.twkb", "13 application/vnd.twkb"},
		{"nonsense", "13 nonsense"},
		{";", "13 ;"},
		{"application/vnd.pgrst.plan", "12 application/vnd.pgrst.plan+text; for=\"application/json\""},
		{"application/vnd.pgrst.plan+json;for=\"text/csv\"", "12 application/vnd.pgrst.plan+json; for=\"text/csv\""},
		{"application/vnd.pgrst.plan+text; for=\"application/vnd.pgrst.object\"; options=analyze|wal|x|verbose",
		 "12 application/vnd.pgrst.plan+text; for=\"application/vnd.pgrst.object+json\"; "
		 "options=analyze|verbose|wal"},
		{"application/vnd.pgrst.plan;for=\"application/vnd.pgrst.plan\"",
		 "12 application/vnd.pgrst.plan+text; for=\"application/vnd.pgrst.plan\""},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		int count;
		MediaChoice *choices = accept_read(arena, rows[i].value, &count);

		CHECK(strcmp(write_choices(arena, choices, count), rows[i].read) == 0, "%s: %s", rows[i].value,
			  write_choices(arena, choices, count));
		arena_free(arena);
	}
}

static void
plans_and_many(void)
{
	Arena *arena = arena_new();
	int count;
	MediaChoice *choices = accept_read(
		arena, "application/vnd.pgrst.plan+json; for=\"text/csv\"; options=analyze|settings|buffers", &count);
	Text text;

	CHECK(count == 1 && choices->plan_is_json && choices->plan_of == MEDIA_CSV &&
		  choices->plan_options == (PLAN_ANALYZE | PLAN_SETTINGS | PLAN_BUFFERS));
	choices = accept_read(arena, "application/vnd.pgrst.plan;for=\"application/vnd.pgrst.plan\"", &count);
	CHECK(!choices->plan_is_json && choices->plan_of == MEDIA_OTHER);
	text_begin(&text, arena);
	for (int i = 0; i < 100; i++)
		text_format(&text, "a/%d;q=0.%d,", i, i);
	choices = accept_read(arena, text.data, &count);
	CHECK(count == 32 && choices[0].media == MEDIA_OTHER);
	arena_free(arena);
}

static void
content_types(void)
{
	static const AcceptRow rows[] = {
		{NULL, "1 application/json"},
		{"application/json", "1 application/json"},
		{" application/json ; charset=utf-8", "1 application/json"},
		{"APPLICATION/JSON", "1 application/json"},
		{"text/csv; charset=utf-8", "2 text/csv"},
		{"application/x-www-form-urlencoded", "11 application/x-www-form-urlencoded"},
		{"application/octet-stream", "10 application/octet-stream"},
		{"application/vnd.pgrst.array+json", "1 application/json"},
		{"application/unknown; a=b", "13 application/unknown; a=b"},
		{"multipart/form-data; boundary=x", "13 multipart/form-data; boundary=x"},
		{"", "13 "},
		{"application/json, text/csv", "13 application/json, text/csv"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		MediaChoice choice = content_type_read(arena, rows[i].value);

		CHECK(strcmp(write_choices(arena, &choice, 1), rows[i].read) == 0, "%s: %s", rows[i].value,
			  write_choices(arena, &choice, 1));
		arena_free(arena);
	}
	CHECK(strcmp(media_name(MEDIA_JSON), "application/json; charset=utf-8") == 0);
	CHECK(strcmp(media_name(MEDIA_CSV), "text/csv; charset=utf-8") == 0);
	CHECK(strcmp(media_name(MEDIA_OBJECT), "application/vnd.pgrst.object+json; charset=utf-8") == 0);
	CHECK(strcmp(media_name(MEDIA_OBJECT_STRIP), "application/vnd.pgrst.object+json;nulls=stripped; charset=utf-8") ==
		  0);
	CHECK(strcmp(media_name(MEDIA_ARRAY_STRIP), "application/vnd.pgrst.array+json;nulls=stripped; charset=utf-8") ==
		  0);
	CHECK(strcmp(media_name(MEDIA_OPENAPI), "application/openapi+json; charset=utf-8") == 0);
	CHECK(strcmp(media_name(MEDIA_OCTETS), "application/octet-stream") == 0);
	CHECK(media_name(MEDIA_ANY) == NULL && media_name(MEDIA_OTHER) == NULL && media_name(MEDIA_PLAN) == NULL);
}

static void
ranges(void)
{
	static const struct
	{
		const char *value;
		bool given;
		int64_t first;
		int64_t last; /* -1: none */
	} rows[] = {
		{NULL, false, 0, 0},
		{"", false, 0, 0},
		{"0-9", true, 0, 9},
		{"0-0", true, 0, 0},
		{"10-", true, 10, -1},
		{"items=0-24", true, 0, 24},
		{"items=5-", true, 5, -1},
		{"bytes=0-9", false, 0, 0},
		{"-5", false, 0, 0},
		{"5", false, 0, 0},
		{"0-9,20-29", false, 0, 0},
		{" 0-9", false, 0, 0},
		{"0-9 ", false, 0, 0},
		{"0--9", false, 0, 0},
		{"a-b", false, 0, 0},
		{"1.5-2", false, 0, 0},
		{"99999999999999999999-", true, INT64_MAX, -1},
		{"0-99999999999999999999", true, 0, INT64_MAX},
		{"9223372036854775807-9223372036854775807", true, INT64_MAX, INT64_MAX},
	};
	RowRange range;
	Problem problem;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		CHECK(range_read(rows[i].value, &range, &problem) && range.given == rows[i].given &&
				  (!range.given || (range.first == rows[i].first && range.has_last == (rows[i].last >= 0) &&
									(!range.has_last || range.last == rows[i].last))),
			  "%s", rows[i].value);
	}
	CHECK(!range_read("1-0", &range, &problem) && problem.status == 416 && strcmp(problem.code, "PGRST103") == 0 &&
		  strcmp(problem.message, "Requested range not satisfiable") == 0 &&
		  strstr(problem.details, "lower boundary") != NULL && !range.given);
}

static const char *
write_cookies(Arena *arena, const Cookie *cookie)
{
	Text text;

	text_begin(&text, arena);
	for (; cookie != NULL; cookie = cookie->next)
		text_format(&text, "<%s>=<%s>", cookie->name, cookie->value);
	return text.data;
}

static void
cookies(void)
{
	static const AcceptRow rows[] = {
		{NULL, ""},
		{"", ""},
		{"a=b", "<a>=<b>"},
		{"a=b; c=d;e=f", "<a>=<b><c>=<d><e>=<f>"},
		{"a=b; a=c", "<a>=<b><a>=<c>"},
		{" a=b ;\tc=d\t", "<a>=<b><c>=<d>"},
		{"a=", "<a>=<>"},
		{"a=b=c==", "<a>=<b=c==>"},
		{"a=\"b c\"", "<a>=<\"b c\">"},
		{"__Host-session=eyJ.a-b_c", "<__Host-session>=<eyJ.a-b_c>"},
		{"a", ""},
		{"=b; c=d", "<c>=<d>"},
		{"a b=c; d=e", "<d>=<e>"},
		{"a =c; d=e", "<d>=<e>"},
		{"a[]=c; d=e", "<d>=<e>"},
		{"a=b\x01; d=e", "<d>=<e>"},
		{"a=b\xff; d=e", "<d>=<e>"},
		{"a=\xc3\xa4", "<a>=<\xc3\xa4>"},
		{";;; ; a=b;;", "<a>=<b>"},
		{"a=b,c=d", "<a>=<b,c=d>"},
	};
	Arena *arena = arena_new();
	Text text;
	int count = 0;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		const char *read = write_cookies(arena, cookies_read(arena, rows[i].value));

		CHECK(strcmp(read, rows[i].read) == 0, "%s: %s", rows[i].value, read);
	}
	text_begin(&text, arena);
	for (int i = 0; i < 500; i++)
		text_format(&text, "a%d=b;", i);
	for (Cookie *cookie = cookies_read(arena, text.data); cookie != NULL; cookie = cookie->next)
		count++;
	CHECK(count == 100);
	arena_free(arena);
}

/* Headers of 64 kB cost a moment. */
static void
linear_time(void)
{
	static const char *const pieces[] = {";",
										 "=",
										 ",",
										 "a=b;",
										 "a;",
										 "x,",
										 " ",
										 ";q=",
										 ";for=",
										 "a/b;q=0.1,",
										 "max-affected=1,",
										 "application/vnd.pgrst.plan;for=",
										 "\"",
										 "|"};

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++)
	{
		Arena *arena = arena_new();
		Preferences read;
		Problem problem;
		int count;
		Text text;
		const char *value;
		clock_t began = clock();

		text_begin(&text, arena);
		while (text.length < 65536)
			text_put(&text, pieces[i]);
		value = text.data;
		(void) prefer_read(arena, &value, 1, &read, &problem);
		(void) accept_read(arena, value, &count);
		(void) content_type_read(arena, value);
		(void) content_type_read(arena, arena_format(arena, "application/vnd.pgrst.plan;%s", value));
		(void) cookies_read(arena, value);
		began = clock() - began;
		CHECK(began < CLOCKS_PER_SEC / 2, "%s...: %ld ms", pieces[i], (long) (began * 1000 / CLOCKS_PER_SEC));
		arena_free(arena);
	}
}

int
main(void)
{
	static const UnitCase cases[] = {
		{"Prefer", preferences},
		{"Prefer: handling=strict", strict_preferences},
		{"Accept", accepts},
		{"plans, and too many types", plans_and_many},
		{"Content-Type", content_types},
		{"Range", ranges},
		{"Cookie", cookies},
		{"linear time", linear_time},
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
