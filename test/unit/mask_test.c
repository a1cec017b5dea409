/*
 * mask_test.c
 *		The masks: what each pattern shows of what fits it, and that everything
 *		else is masked fully.
 */
#include "unit.h"

#include "common/mask.h"

/* A pattern, a text and what is shown of it. */
typedef struct Row
{
	const char *pattern;
	const char *text;
	const char *masked;
} Row;

#define ROWS(rows) (sizeof(rows) / sizeof((rows)[0]))

/* Masks text in memory of exactly its size. */
static void
check_mask(const char *word, const char *text, size_t length, const char *wanted)
{
	MaskPattern pattern;
	char *copy = unit_memory(length);
	char *masked = unit_memory(MASK_TEXT_MAX);
	size_t size;

	if (CHECK(mask_parse(word, strlen(word), &pattern), "%s", word))
	{
		memcpy(copy, text, length);
		size = mask_text(&pattern, bytes_of(copy, length), masked);
		CHECK(strlen(masked) == size && strcmp(masked, wanted) == 0, "%s of %.*s: %s, not %s", word, (int) length,
			  text, masked, wanted);
	}
	free(copy);
	free(masked);
}

static void
check_rows(const Row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
		check_mask(rows[i].pattern, rows[i].text, strlen(rows[i].text), rows[i].masked);
}

static void
patterns_are_read(void)
{
	static const char *const good[] = {"default",
									   "full",
									   "email",
									   "card",
									   "phone",
									   "name",
									   "ip",
									   "number",
									   "number(2)",
									   "number(5000)",
									   "date",
									   "date(year)",
									   "date(month)",
									   "partial(0,1)",
									   "partial(16,16)",
									   "partial(2,4)",
									   "number(1000000000000000)"};
	static const char *const bad[] = {"",
									  " full",
									  "full ",
									  "Full",
									  "fully",
									  "full()",
									  "full(1)",
									  "email(1)",
									  "number()",
									  "number(0)",
									  "number(1)",
									  "number(-5)",
									  "number(+5)",
									  "number(05)",
									  "number(1.5)",
									  "number(5000",
									  "number(5000))",
									  "number(1000000000000001)",
									  "number(99999999999999999999999)",
									  "date()",
									  "date(day)",
									  "date(years)",
									  "partial",
									  "partial()",
									  "partial(2)",
									  "partial(,)",
									  "partial(2,)",
									  "partial(0,0)",
									  "partial(2, 4)",
									  "partial(17,0)",
									  "partial(0,17)",
									  "partial(2,4,6)",
									  "hash",
									  "mask=full"};
	MaskPattern pattern;

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(mask_parse(good[i], strlen(good[i]), &pattern), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(!mask_parse(bad[i], strlen(bad[i]), &pattern), "%s", bad[i]);
	CHECK(!mask_parse("full\0", 5, &pattern));
	CHECK(mask_parse("partial(3,12)", 13, &pattern) && pattern.first == 3 && pattern.last == 12);
	CHECK(mask_parse("number(5000)", 12, &pattern) && pattern.width == 5000);
	CHECK(mask_parse("date(month)", 11, &pattern) && pattern.month);
	CHECK(mask_parse("date(year)", 10, &pattern) && !pattern.month);
}

static void
emails(void)
{
	static const Row rows[] = {
		{"email", "john@example.com", "j***@example.com"},
		{"email", "jo@example.com", "j***@example.com"},
		{"email", "john.doe+tag@mail.example.co.uk", "j***@mail.example.co.uk"},
		{"email",
		 "\xc3\xbc"
		 "ber@example.com",
		 "\xc3\xbc***@example.com"},
		{"email",
		 "john@\xc3\xbc"
		 "ber.de",
		 "j***@\xc3\xbc"
		 "ber.de"},
		{"email", "j@example.com", "***"},
		{"email", "\xc3\xbc@example.com", "***"},
		{"email", "@example.com", "***"},
		{"email", "john@", "***"},
		{"email", "john", "***"},
		{"email", "john@example", "***"},
		{"email", "john@example.", "***"},
		{"email", "john@.com", "***"},
		{"email", "john@exa mple.com", "***"},
		{"email", "john@-example.com", "***"},
		{"email", "john@example-.com", "***"},
		{"email", "john@example.com-", "***"},
		{"email", "john@10.1.2.3", "***"},
		{"email", "john@[10.1.2.3]", "***"},
		{"email", "john@jane@example.com", "***"},
		{"email", "\"john doe\"@example.com", "***"},
		{"email", "john doe@example.com", "***"},
		{"email", "John <john@example.com>", "***"},
		{"email", " john@example.com", "***"},
		{"email", "john@example.com\n", "***"},
		{"email", "\xff\xff@example.com", "***"},
		{"email", "john@\xff.com", "***"},
		{"email", "my password is secret", "***"},
		{"email", "", "***"},
	};

	check_rows(rows, ROWS(rows));
	check_mask("email", "jo\0hn@example.com", 17, "***");
	check_mask("email", "john@example.com\0", 17, "***");
}

static void
cards(void)
{
	static const Row rows[] = {
		{"card", "4111111111111111", "************1111"},
		{"card", "4111 1111 1111 1111", "**** **** **** 1111"},
		{"card", "4111-1111-1111-1112", "****-****-****-1112"},
		{"card", "3782 822463 10005", "**** ****** *0005"},
		{"card", "4222222222222", "*********2222"},
		{"card", "411111111111", "***"},
		{"card", "1234", "***"},
		{"card", "41111111111111111111", "***"},
		{"card", "4111  1111 1111 1111", "***"},
		{"card", "4111 1111 1111 1111 ", "***"},
		{"card", " 4111 1111 1111 1111", "***"},
		{"card", "4111 1111 1111 1111 exp 12/27", "***"},
		{"card", "4111.1111.1111.1111", "***"},
		{"card", "", "***"},
	};

	check_rows(rows, ROWS(rows));
}

static void
phones(void)
{
	static const Row rows[] = {
		{"phone", "+49 170 1234567", "+49 *** 67"},
		{"phone", "+1 (555) 123-4567", "+1 *** 67"},
		{"phone", "+354 123 4567", "+354 *** 67"},
		{"phone", "+7 495 123-45-67", "+7 *** 67"},
		{"phone", "(555) 123-4567", "*** 67"},
		{"phone", "030/1234567", "*** 67"},
		{"phone", "0049 30 1234567", "*** 67"},
		{"phone", "5551234", "*** 34"},
		{"phone", "555123", "***"},
		{"phone", "+354 12345", "***"},
		{"phone", "+0 170 1234567", "***"},
		{"phone", "+", "***"},
		{"phone", "++49 170 1234567", "***"},
		{"phone", "+49 170 1234567 ext 5", "***"},
		{"phone", "1234567890123456", "***"},
		{"phone", "-5551234", "***"},
		{"phone", "5551234)", "***"},
		{"phone", "1 2 3 4 5 6 7 8", "*** 78"},
		{"phone", "1 2 3 4 5 6 7 8 9", "***"},
		{"phone", "", "***"},
	};

	check_rows(rows, ROWS(rows));
	check_mask("phone", "555\0001234", 8, "***");
}

static void
names(void)
{
	static const Row rows[] = {
		{"name", "John Doe", "J. D."},
		{"name", "John Fitzgerald Kennedy", "J. K."},
		{"name", "John F. Kennedy", "J. K."},
		{"name", "Ann", "A."},
		{"name", "\xc3\x96zil M\xc3\xbcller", "\xc3\x96. M."},
		{"name", "Conan O'Brien", "C. O."},
		{"name", "Anne-Marie Doe", "A. D."},
		{"name", "  John   Doe  ", "J. D."},
		{"name", "J", "***"},
		{"name", "J.", "***"},
		{"name", "J Doe", "***"},
		{"name", "John D", "***"},
		{"name", "\xe6\x9d\x8e\xe9\x9b\xb7", "***"},
		{"name", "John \xe6\x9d\x8e", "***"},
		{"name", "John Doe 3rd", "***"},
		{"name", "4111 1111", "***"},
		{"name", "john@example.com", "***"},
		{"name", "John\tDoe", "***"},
		{"name", "\xc3", "***"},
		{"name", "", "***"},
		{"name", "   ", "***"},
	};

	check_rows(rows, ROWS(rows));
}

static void
addresses(void)
{
	static const Row rows[] = {
		{"ip", "203.0.113.77", "203.0.113.***"},
		{"ip", "2001:db8:1:2::5", "2001:db8:1:***"},
		{"ip", "::1", "0:0:0:***"},
		{"ip", "::ffff:203.0.113.77", "0:0:0:***"},
		{"ip", "203.0.113", "***"},
		{"ip", "203.0.113.256", "***"},
		{"ip", "203.0.113.77/24", "***"},
		{"ip", "fe80::1%eth0", "***"},
		{"ip", "203.0.113.77 ", "***"},
		{"ip", "", "***"},
	};

	check_rows(rows, ROWS(rows));
	check_mask("ip", "203.0.113.77\0", 13, "***");
}

static void
dates(void)
{
	static const Row rows[] = {
		{"date", "1985-05-17", "1985"},
		{"date(year)", "1985-05-17 10:00:00+00", "1985"},
		{"date(month)", "1985-05-17T10:00:00.5Z", "1985-05"},
		{"date(month)", "1985-13-17", "***"},
		{"date(month)", "1985-00-17", "***"},
		{"date", "1985-05-32", "***"},
		{"date", "1985-05", "***"},
		{"date", "17.05.1985", "***"},
		{"date", "1985-05-17x", "***"},
		{"date", "1985-05-17 born in Oslo", "***"},
		{"date", "1985-05-171", "***"},
		{"date", "198a-05-17", "***"},
	};

	check_rows(rows, ROWS(rows));
}

static void
both_ends(void)
{
	static const Row rows[] = {
		{"partial(2,4)", "ABCDEFGHIJKL", "AB***IJKL"},
		{"partial(2,4)", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "AB***WXYZ"},
		{"partial(2,4)", "ABCDEFGHIJK", "***"},
		{"partial(2,4)", "123", "***"},
		{"partial(2,4)", "", "***"},
		{"partial(0,1)", "ab", "***b"},
		{"partial(1,0)", "ab", "a***"},
		{"partial(1,0)", "a", "***"},
		{"partial(1,1)", "\xc3\xbcx\xe6\x9d\x8e\xf0\x9f\x98\x80", "\xc3\xbc***\xf0\x9f\x98\x80"},
		{"partial(1,1)", "\xc3\xbcx\xe6\x9d\x8e", "***"},
		{"partial(1,1)", "abc\xc3", "***"},
		{"partial(1,1)", "abc\xed\xa0\x80", "***"},
		{"partial(1,1)", "abc\xc0\x80", "***"},
		{"partial(1,1)", "abc\xf4\x90\x80\x80", "***"},
	};

	check_rows(rows, ROWS(rows));
	check_mask("partial(1,1)", "ab\0cd", 5, "***");
}

static void
forms_are_recognised(void)
{
	static const Row rows[] = {
		{"default", "john@example.com", "j***@example.com"},
		{"default", "4111 1111 1111 1111", "**** **** **** 1111"},
		{"default", "4111111111111112", "***"}, /* does not pass Luhn's check */
		{"default", "378282246310005", "***********0005"},
		{"default", "203.0.113.77", "203.0.113.***"},
		{"default", "2001:db8::1", "2001:db8:0:***"},
		{"default", "+49 170 1234567", "+49 *** 67"},
		{"default", "030 12345678", "*** 78"},
		{"default", "(555) 123-4567", "*** 67"},
		{"default", "1-555-123-4567", "*** 67"},
		{"default", "555-123-4567", "*** 67"},
		{"default", "123-45-6789", "***"}, /* a social security number */
		{"default", "2024-05-17", "***"},
		{"default", "12345678", "***"},
		{"default", "5551234567", "***"},
		{"default", "05.12.1980", "***"},
		{"default", "John Doe", "***"},
		{"default", "DE89 3704 0044 0532 0130 00", "***"},
		{"default", "0", "***"},
		{"default", "", "***"},
		{"full", "john@example.com", "***"},
		{"full", "", "***"},
	};

	check_rows(rows, ROWS(rows));
}

static void
numbers(void)
{
	static const Row rows[] = {
		{"number", "43210", "40000-49999"},
		{"number", "99", "90-99"},
		{"number", "10", "10-19"},
		{"number", "9", "0-9"},
		{"number", "0", "0-9"},
		{"number", "-0", "0-9"},
		{"number", "-0.00", "0-9"},
		{"number", "-0.5", "-9-0"},
		{"number", "0.037", "0-9"},
		{"number", "-7", "-9-0"},
		{"number", "-43210.55", "-49999--40000"},
		{"number", "+00043210", "40000-49999"},
		{"number", "-9223372036854775808", "-9999999999999999999--9000000000000000000"},
		{"number(5000)", "43210", "40000-44999"},
		{"number(5000)", "4999.99", "0-4999"},
		{"number(5000)", "5000", "5000-9999"},
		{"number(5000)", "-43", "-4999-0"},
		{"number(7)", "99999999999999999999", "99999999999999999998-100000000000000000004"},
		{"number(2)", "3", "2-3"},
		{"number(1000000000000000)", "12345678901234567", "12000000000000000-12999999999999999"},
		{"number", "99999999999999999999999999999999999999",
		 "90000000000000000000000000000000000000-99999999999999999999999999999999999999"},
		{"number", "100000000000000000000000000000000000000", "***"},
		{"number(7)", "99999999999999999999999999999999999999", "***"},
		{"number", "", "***"},
		{"number", "-", "***"},
		{"number", ".5", "***"},
		{"number", "5.", "***"},
		{"number", "1e5", "***"},
		{"number", "0x10", "***"},
		{"number", "12 345", "***"},
		{"number", "1,5", "***"},
		{"number", "--5", "***"},
		{"number", "NaN", "***"},
	};

	check_rows(rows, ROWS(rows));
}

/* Each number lies in its range, and all numbers of one range have that same range. */
static void
ranges_do_not_overlap(void)
{
	static const uint64_t widths[] = {0, 2, 3, 10, 97, 5000};

	for (size_t w = 0; w < sizeof(widths) / sizeof(widths[0]); w++)
	{
		long before = -20001;
		long begin = 0;

		for (long number = -20000; number <= 20000; number++)
		{
			char text[32];
			MaskRange range;
			long low;
			long high;
			int length = snprintf(text, sizeof(text), "%ld", number);

			if (!CHECK(mask_range(bytes_of(text, (size_t) length), widths[w], &range), "%s", text))
				continue;
			low = strtol(range.low, NULL, 10);
			high = strtol(range.high, NULL, 10);
			CHECK(low <= number && number <= high && low < high, "%s: %s to %s", text, range.low, range.high);
			/* zero belongs to the numbers above it; the range below shows its end there */
			if (before != -20001 && low != begin)
				CHECK(low == before + 1 || number == 0, "%s begins at %s, the range before ends at %ld", text,
					  range.low, before);
			begin = low;
			before = high;
		}
	}
}

static void
json(void)
{
	static const char *const rows[][2] = {
		{"{\"a\": 1, \"b\": [true, null, \"x\"]}", "{\"a\": \"***\", \"b\": [\"***\", null, \"***\"]}"},
		{"{\"a\\\"b\": \"c\\\"d: \\\\\"}", "{\"a\\\"b\": \"***\"}"},
		{"\"secret\"", "\"***\""},
		{"12.5e3", "\"***\""},
		{"null", "null"},
		{"nullx", "\"***\""},
		{"[]", "[]"},
		{"{}", "{}"},
		{"[1,2]", "[\"***\",\"***\"]"},
		{"[\"a\" , \"b\"]", "[\"***\" , \"***\"]"},
		{"{\"k\" : {\"l\":-1}}", "{\"k\" : {\"l\":\"***\"}}"},
	};
	static const char *const bad[] = {"", "\"", "\"abc", "\"abc\\", "\"abc\\\""};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		size_t length = strlen(rows[i][0]);
		char *copy = unit_memory(length);
		size_t size;
		char *masked;

		memcpy(copy, rows[i][0], length);
		size = mask_json(bytes_of(copy, length), NULL);
		masked = unit_memory(size);
		if (CHECK(size == strlen(rows[i][1]), "%s", rows[i][0]))
		{
			CHECK(mask_json(bytes_of(copy, length), masked) == size);
			CHECK(memcmp(masked, rows[i][1], size) == 0, "%s: %.*s", rows[i][0], (int) size, masked);
		}
		free(copy);
		free(masked);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		CHECK(mask_json(bytes_of(bad[i], strlen(bad[i])), NULL) == 0, "%s", bad[i]);
}

/* What is hidden is never as long as it was: values of all lengths give masks of one. */
static void
masks_do_not_tell_lengths(void)
{
	static const char *const words[] = {"email", "name", "partial(2,2)", "full", "default"};
	char text[200];
	char masked[MASK_TEXT_MAX];
	MaskPattern pattern;

	for (size_t w = 0; w < sizeof(words) / sizeof(words[0]); w++)
	{
		size_t first = 0;

		CHECK(mask_parse(words[w], strlen(words[w]), &pattern));
		for (size_t length = 8; length < 60; length++)
		{
			size_t size;
			bool mail = words[w][0] == 'e';

			memset(text, 'x', length);
			if (mail)
				memcpy(text + length, "@example.com", 12);
			size = mask_text(&pattern, bytes_of(text, length + (mail ? 12 : 0)), masked);
			first = first ? first : size;
			CHECK(size == first, "%s: %zu characters give %s", words[w], length, masked);
		}
	}
}

static const UnitCase cases[] = {
	{"patterns", patterns_are_read},
	{"e-mail addresses", emails},
	{"card numbers", cards},
	{"phone numbers", phones},
	{"names", names},
	{"network addresses", addresses},
	{"dates", dates},
	{"both ends", both_ends},
	{"text without a pattern is recognised by its form", forms_are_recognised},
	{"numbers", numbers},
	{"ranges of numbers do not overlap", ranges_do_not_overlap},
	{"JSON", json},
	{"masks do not tell lengths", masks_do_not_tell_lengths},
};

UNIT_MAIN(cases)
