/*
 * arena_test.c
 *		Memory of a request, and texts that grow in it.
 */
#include "unit.h"

#include "gateway/tool/arena.h"

static int released[3];
static int release_count;

static void
release(void *argument)
{
	released[release_count++] = *(int *) argument;
}

static void
memory(void)
{
	Arena *arena = arena_new();
	char *kept[2000];

	for (size_t i = 0; i < 2000; i++)
	{
		kept[i] = arena_alloc(arena, i);
		CHECK((uintptr_t) kept[i] % 16 == 0);
		CHECK(unit_is_filled((uint8_t *) kept[i], i, 0), "%zu", i);
		memset(kept[i], (int) (i & 0xff), i);
	}
	for (size_t i = 0; i < 2000; i++)
		CHECK(unit_is_filled((uint8_t *) kept[i], i, (uint8_t) i), "%zu", i);
	CHECK(unit_is_filled(arena_alloc(arena, 5 << 20), 5 << 20, 0));
	CHECK(arena_alloc(arena, 0) != NULL);
	arena_free(arena);
	arena_free(NULL);
}

static void
copies(void)
{
	Arena *arena = arena_new();
	char *copy = arena_copy(arena, "a\0b", 3);

	CHECK(memcmp(copy, "a\0b", 4) == 0);
	CHECK(strcmp(arena_copy(arena, NULL, 0), "") == 0);
	CHECK(strcmp(arena_string(arena, "abc"), "abc") == 0);
	CHECK(strcmp(arena_format(arena, "%s-%d-%s", "x", 7, ""), "x-7-") == 0);
	CHECK(strlen(arena_format(arena, "%*d", 100000, 7)) == 100000);
	arena_free(arena);
}

static void
releases(void)
{
	Arena *arena = arena_new();
	int numbers[] = {1, 2, 3};

	for (int i = 0; i < 3; i++)
		arena_on_free(arena, release, &numbers[i]);
	CHECK(release_count == 0);
	arena_free(arena);
	CHECK(release_count == 3 && released[0] == 3 && released[1] == 2 && released[2] == 1);
}

static void
texts(void)
{
	Arena *arena = arena_new();
	Text text;
	Text other;

	text_begin(&text, arena);
	text_begin(&other, arena);
	CHECK(text.length == 0 && strcmp(text.data, "") == 0);
	for (int i = 0; i < 5000; i++)
	{
		text_char(&text, (char) ('a' + i % 26));
		text_format(&other, "%d,", i);
		CHECK(text.length == (size_t) i + 1 && text.data[text.length] == '\0' && text.length < text.size);
	}
	for (int i = 0; i < 5000; i++)
		CHECK(text.data[i] == (char) ('a' + i % 26), "%d", i);
	CHECK(strncmp(other.data, "0,1,2,", 6) == 0 && other.length == strlen(other.data));
	text_add(&text, NULL, 0);
	text_add(&text, "a\0b", 3);
	CHECK(text.length == 5003 && memcmp(text.data + 5000, "a\0b", 4) == 0);
	/* exactly as much as there is room for, and one more */
	for (size_t more = 254; more < 259; more++)
	{
		char *filler = arena_alloc(arena, more + 1);

		memset(filler, 'x', more);
		text_begin(&text, arena);
		text_format(&text, "%s", filler);
		CHECK(text.length == more && strcmp(text.data, filler) == 0);
		text_put(&text, "");
		text_put(&text, filler);
		CHECK(text.length == 2 * more && text.data[2 * more] == '\0');
	}
	arena_free(arena);
}

static void
json(void)
{
	static const char *const rows[][2] = {
		{"", "\"\""},
		{"abc", "\"abc\""},
		{"a\"b\\c/d", "\"a\\\"b\\\\c/d\""},
		{"\n\t\x01\x1f\x7f", "\"\\u000a\\u0009\\u0001\\u001f\x7f\""},
		{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\""},
		{"a\xff"
		 "b",
		 "\"a\xef\xbf\xbd"
		 "b\""},
		{"\xc3", "\"\xef\xbf\xbd\""},
		{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""},
		{"\xf5\x80\x80\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
	};
	Arena *arena = arena_new();
	Text text;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		text_begin(&text, arena);
		text_json(&text, rows[i][0]);
		CHECK(strcmp(text.data, rows[i][1]) == 0, "%zu: %s", i, text.data);
	}
	text_begin(&text, arena);
	text_json_bytes(&text, "a\0b\xc3", 4);
	CHECK(strcmp(text.data, "\"a\\u0000b\xef\xbf\xbd\"") == 0);
	arena_free(arena);
}

static void
utf8(void)
{
	static const char *const good[] = {"",
									   "a",
									   "\x7f",
									   "\xc2\x80",
									   "\xdf\xbf",
									   "\xe0\xa0\x80",
									   "\xed\x9f\xbf",
									   "\xee\x80\x80",
									   "\xef\xbf\xbf",
									   "\xf0\x90\x80\x80",
									   "\xf4\x8f\xbf\xbf",
									   "a\xc3\xa4z"};
	static const char *const bad[] = {"\x80",
									  "\xbf",
									  "\xc0\x80",
									  "\xc1\xbf",
									  "\xc2",
									  "\xc2\x41",
									  "\xe0\x9f\xbf",
									  "\xed\xa0\x80",
									  "\xe2\x82",
									  "\xe2\x41\x80",
									  "\xe2\x82\x41",
									  "\xf0\x8f\xbf\xbf",
									  "\xf4\x90\x80\x80",
									  "\xf5\x80\x80\x80",
									  "\xf0\x9f\x98",
									  "\xff",
									  "a\xfe"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(text_is_utf8(good[i], strlen(good[i])), "%zu", i);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		size_t length = strlen(bad[i]);
		char *exact = unit_memory(length);

		memcpy(exact, bad[i], length);
		CHECK(!text_is_utf8(exact, length), "%zu", i);
		free(exact);
	}
	CHECK(!text_is_utf8("a\0b", 3));
}

int
main(void)
{
	static const UnitCase cases[] = {
		{"memory", memory}, {"copies", copies},     {"what is done at the end", releases},
		{"texts", texts},   {"JSON strings", json}, {"UTF-8", utf8},
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
