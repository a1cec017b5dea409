/*
 * user_name_test.c
 *		What may be the name of an account.
 */
#include "unit.h"

#include "common/user_name.h"

/* Judges a name in memory of exactly its size. */
static bool
accepts(const char *name, size_t length)
{
	uint8_t *copy = unit_memory(length);
	bool answer;

	if (length > 0)
		memcpy(copy, name, length);
	answer = user_name_acceptable(bytes_of(copy, length));
	free(copy);
	return answer;
}

static bool
accepts_text(const char *name)
{
	return accepts(name, strlen(name));
}

/* Writes a character as UTF-8 without asking whether it is one. */
static size_t
put(uint32_t c, char *to)
{
	if (c < 0x80)
	{
		to[0] = (char) c;
		return 1;
	}
	if (c < 0x800)
	{
		to[0] = (char) (0xc0 | c >> 6);
		to[1] = (char) (0x80 | (c & 0x3f));
		return 2;
	}
	if (c < 0x10000)
	{
		to[0] = (char) (0xe0 | c >> 12);
		to[1] = (char) (0x80 | (c >> 6 & 0x3f));
		to[2] = (char) (0x80 | (c & 0x3f));
		return 3;
	}
	to[0] = (char) (0xf0 | c >> 18);
	to[1] = (char) (0x80 | (c >> 12 & 0x3f));
	to[2] = (char) (0x80 | (c >> 6 & 0x3f));
	to[3] = (char) (0x80 | (c & 0x3f));
	return 4;
}

static bool
accepts_character(uint32_t c)
{
	char name[8] = "a";
	size_t length = 1 + put(c, name + 1);

	name[length++] = 'b';
	return accepts(name, length);
}

static void
test_names(void)
{
	static const char *const good[] = {"a",
									   "Anna",
									   "anna@example.org",
									   "J\xc3\xbcrgen M\xc3\xbcller",
									   "\xd0\x90\xd0\xbd\xd0\xbd\xd0\xb0",
									   "\xe5\xbc\xa0\xe4\xbc\x9f",
									   "o'neil; DROP TABLE users; --",
									   "a  b",
									   "\xf0\x9f\x98\x80"};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(accepts_text(good[i]), "%s", good[i]);
}

static void
test_blanks(void)
{
	CHECK(!accepts_text(""));
	CHECK(!accepts_text(" "));
	CHECK(!accepts_text(" anna"));
	CHECK(!accepts_text("anna "));
	CHECK(accepts_text("an na"));
	CHECK(!accepts("an\0na", 5));
	CHECK(!accepts_text("an\tna"));
	CHECK(!accepts_text("anna\n"));
}

/* The same characters in another number: names of tenants. */
static void
test_visible(void)
{
	static const char *const bad[] = {"",
									  " a",
									  "a ",
									  "a\xe2\x80\x8b",
									  "\xef\xbb\xbf"
									  "a",
									  "a\xe2\x80\xaez",
									  "a\xe2\x81\xa6z",
									  "a\xff"};
	char name[300];

	memset(name, 'x', sizeof(name));
	CHECK(user_name_visible(bytes_of(name, 300), 300));
	CHECK(!user_name_visible(bytes_of(name, 300), 299));
	CHECK(user_name_visible(bytes_of("a b", 3), 3));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!user_name_visible(bytes_of(bad[i], strlen(bad[i])), 300), "%zu", i);
}

static void
test_length(void)
{
	char name[2 * USER_NAME_BYTES_MAX];

	memset(name, 'x', sizeof(name));
	CHECK(accepts(name, 64));
	CHECK(!accepts(name, 65));
	for (size_t i = 0; i < 65; i++)
		put(0x1f600, name + 4 * i);
	CHECK(accepts(name, 256));
	CHECK(!accepts(name, 260));
}

/* RFC 3629: overlong forms, surrogates, what is beyond U+10FFFF, and what is cut. */
static void
test_utf8(void)
{
	static const char *const bad[] = {"a\x80",
									  "a\xc0\x80",
									  "a\xc1\xbf",
									  "a\xe0\x80\x80",
									  "a\xe0\x9f\xbf",
									  "a\xf0\x80\x80\x80",
									  "a\xf0\x8f\xbf\xbf",
									  "a\xed\xa0\x80",
									  "a\xed\xbf\xbf",
									  "a\xf4\x90\x80\x80",
									  "a\xf5\x80\x80\x80",
									  "a\xff",
									  "a\xfe",
									  "a\xc3",
									  "a\xe2\x82",
									  "a\xf0\x9f\x98",
									  "a\xc3(",
									  "a\xe2(\xa1",
									  "\xf8\x88\x80\x80\x80"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!accepts_text(bad[i]), "number %zu", i);
}

static void
test_unseen(void)
{
	static const uint32_t unseen[] = {
		0x01,   0x1f,   0x7f,   0x85,   0xa0,   0xad,   0x34f,   0x61c,   0x1160,  0x180e,  0x200b,  0x200c,  0x200d,
		0x200e, 0x200f, 0x2028, 0x2029, 0x202a, 0x202e, 0x2060,  0x2066,  0x2069,  0x3000,  0x3164,  0xe000,  0xf8ff,
		0xfe0f, 0xfeff, 0xffa0, 0xfffb, 0xfffe, 0xffff, 0x1d173, 0x1fffe, 0xe0001, 0xe007f, 0xf0000, 0x10ffff};
	static const uint32_t seen[] = {0x21,   0xa1,   0xac,   0xae,   0x350,  0x61b,  0x200a - 0x3ff,
									0x2010, 0x2027, 0x2030, 0x2070, 0x3001, 0x3163, 0xf900,
									0xfdf0, 0xfdcf, 0xfefe, 0xfffc, 0xfffd, 0x10000};

	for (size_t i = 0; i < sizeof(unseen) / sizeof(unseen[0]); i++)
		CHECK(!accepts_character(unseen[i]), "U+%04X", (unsigned) unseen[i]);
	for (size_t i = 0; i < sizeof(seen) / sizeof(seen[0]); i++)
		CHECK(accepts_character(seen[i]), "U+%04X", (unsigned) seen[i]);
}

/* As counted from the categories of Unicode 15; also that the table is sorted, or some would not be found. */
static void
test_all(void)
{
	size_t refused = 0;

	for (uint32_t c = 1; c <= 0x10ffff; c++)
		refused += !accepts_character(c);
	CHECK(refused == 143870, "%zu", refused);
}

static const UnitCase cases[] = {
	{"names that people have", test_names},
	{"blanks and controls", test_blanks},
	{"names of tenants", test_visible},
	{"64 characters", test_length},
	{"strict UTF-8", test_utf8},
	{"what nobody sees is refused", test_unseen},
	{"all of Unicode", test_all},
};

UNIT_MAIN(cases)
