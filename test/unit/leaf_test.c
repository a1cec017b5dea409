/*
 * leaf_test.c
 *		Leaves of the log's tree: one encoding for each event and one event for
 *		each encoding, fixed for ever; and JSON that is JSON whatever the bytes are.
 */
#include "unit.h"

#include "common/change.h"
#include "common/jsonscan.h"
#include "common/leaf.h"

#define TEXT_MAX 300

/* A leaf with every member set; texts of the stated length. */
static void
fill_leaf(Leaf *leaf, uint8_t memory[LEAF_TEXTS * TEXT_MAX], size_t length)
{
	*leaf = (Leaf){LEAF_FLAGS_ALL, INT64_MAX, -1, INT64_MIN, 7, -8, UINT64_MAX, UINT32_MAX, {{NULL, 0}}};
	for (int i = 0; i < LEAF_TEXTS; i++, memory += length)
	{
		unit_fill(memory, length, (uint32_t) i + 1);
		leaf->text[i] = bytes_of(memory, length);
	}
}

static bool
same(const Leaf *a, const Leaf *b)
{
	for (int i = 0; i < LEAF_TEXTS; i++)
		if ((a->text[i].data == NULL) != (b->text[i].data == NULL) || a->text[i].length != b->text[i].length ||
			(a->text[i].length > 0 && memcmp(a->text[i].data, b->text[i].data, a->text[i].length) != 0))
			return false;
	return a->flags == b->flags && a->event_id == b->event_id && a->event_time == b->event_time &&
		   a->recorded_at == b->recorded_at && a->user_id == b->user_id && a->tenant_id == b->tenant_id &&
		   a->xid == b->xid && a->pid == b->pid;
}

static void
round_trips(void)
{
	static const size_t lengths[] = {0, 1, 2, 255, 256, TEXT_MAX};
	uint8_t memory[LEAF_TEXTS * TEXT_MAX];
	Leaf leaf;
	Leaf again;

	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++)
		for (int absent = 0; absent <= LEAF_TEXTS; absent++)
		{
			uint8_t *bytes;
			size_t size;

			fill_leaf(&leaf, memory, lengths[i]);
			if (absent < LEAF_TEXTS)
				leaf.text[absent] = bytes_of(NULL, 0);
			size = leaf_size(&leaf);
			bytes = unit_memory(size);
			leaf_encode(&leaf, bytes);
			CHECK(leaf_decode(bytes_of(bytes, size), &again) && same(&leaf, &again), "length %zu absent %d",
				  lengths[i], absent);
			free(bytes);
		}
}

/* The form is hashed and signed: these bytes may never change. */
static void
fixed_form(void)
{
	static const char wanted[] = "01 0019 00000000000003e8 0002000000000000 0002000000000001"
								 "0000000000000000 0000000000000000 000000000000002a 0000000c"
								 "00000005 6175646974 00000000 ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff"
								 "ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff ffffffff 00000002 7b7d"
								 "ffffffff ffffffff";
	Leaf leaf = {.flags = LEAF_APPLICATION_MADE | LEAF_HAS_XID | LEAF_HAS_PID,
				 .event_id = 1000,
				 .event_time = 0x0002000000000000,
				 .recorded_at = 0x0002000000000001,
				 .xid = 42,
				 .pid = 12};
	uint8_t bytes[200];

	leaf.text[LEAF_CLASS] = bytes_of("audit", 5);
	leaf.text[LEAF_TYPE] = bytes_of("", 0);
	leaf.text[LEAF_DETAILS] = bytes_of("{}", 2);
	CHECK(leaf_size(&leaf) == 55 + 18 * 4 + 7);
	leaf_encode(&leaf, bytes);
	CHECK(unit_is_hex(bytes, leaf_size(&leaf), wanted));
}

/* Every shorter, longer and altered leaf is refused, or is another one. */
static void
damage(void)
{
	uint8_t memory[LEAF_TEXTS * TEXT_MAX];
	Leaf leaf;
	Leaf other;
	size_t size;
	uint8_t *bytes;

	fill_leaf(&leaf, memory, 3);
	leaf.flags &= (uint16_t) ~LEAF_HAS_PID;
	leaf.pid = 0;
	size = leaf_size(&leaf);
	bytes = unit_memory(size + 1);
	leaf_encode(&leaf, bytes);
	for (size_t cut = 0; cut < size; cut++)
	{
		uint8_t *exact = unit_memory(cut);

		memcpy(exact, bytes, cut);
		CHECK(!leaf_decode(bytes_of(exact, cut), &other), "cut at %zu", cut);
		free(exact);
	}
	bytes[size] = 0;
	CHECK(!leaf_decode(bytes_of(bytes, size + 1), &other), "one byte more");
	for (size_t at = 0; at < size; at++)
		for (int bit = 0; bit < 8; bit++)
		{
			uint8_t *exact = unit_memory(size);

			memcpy(exact, bytes, size);
			exact[at] ^= (uint8_t) (1 << bit);
			if (leaf_decode(bytes_of(exact, size), &other))
			{
				uint8_t *again = unit_memory(leaf_size(&other));

				CHECK(!same(&leaf, &other) && leaf_size(&other) == size, "byte %zu bit %d", at, bit);
				leaf_encode(&other, again);
				CHECK(memcmp(again, exact, size) == 0, "byte %zu bit %d has two encodings", at, bit);
				free(again);
			}
			else
				CHECK(true);
			free(exact);
		}
	free(bytes);
}

static void
times(void)
{
	static const struct
	{
		int64_t time;
		const char *text;
	} known[] = {
		{0, "2000-01-01T00:00:00.000000Z"},
		{-1, "1999-12-31T23:59:59.999999Z"},
		{INT64_C(86400000000) * 59, "2000-02-29T00:00:00.000000Z"},
		{INT64_C(86400000000) * 60, "2000-03-01T00:00:00.000000Z"},
		{INT64_C(848593080123456), "2026-11-21T16:18:00.123456Z"},
		{INT64_C(-946684800000000), "1970-01-01T00:00:00.000000Z"},
		{INT64_C(-63113904000000000), "0000-01-01T00:00:00.000000Z"},
		{INT64_MAX, "infinity"},
		{INT64_MIN, "-infinity"},
		{INT64_MAX - 1, "294277-01-09T04:00:54.775806Z"},
	};
	char text[LEAF_TIME_SIZE];

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
	{
		leaf_time(known[i].time, text);
		CHECK(strcmp(text, known[i].text) == 0, "%s, not %s", text, known[i].text);
	}
	leaf_time(INT64_MIN + 1, text);
	CHECK(strlen(text) < LEAF_TIME_SIZE);
}

static void
json(void)
{
	static const char *const details[] = {"{\"a\": [1, 2.50]}", "no json", "{\"a\": 1", "", "\xff", "[\"\\u0000\"]"};
	static const char wanted[] =
		"{\"event_id\":5,\"event_time\":\"2000-01-01T00:00:00.000000Z\",\"recorded_at\":\"2000-01-01T00:00:00."
		"000001Z\","
		"\"class\":\"audit\",\"resource\":\"a\\\"\\\\\\u000a\xc3\xa4\xef\xbf\xbd\",\"details\":{\"a\": 1},"
		"\"row\":\"AAE=\",\"tenant_id\":-3,\"application_made\":false}";
	uint8_t memory[LEAF_TEXTS * TEXT_MAX];
	char to[4096];
	Leaf leaf = {.flags = LEAF_HAS_TENANT_ID, .event_id = 5, .recorded_at = 1, .tenant_id = -3};

	leaf.text[LEAF_CLASS] = bytes_of("audit", 5);
	leaf.text[LEAF_RESOURCE] = bytes_of("a\"\\\n\xc3\xa4\xc3", 7);
	leaf.text[LEAF_DETAILS] = bytes_of("{\"a\": 1}", 8);
	leaf.text[LEAF_ROW] = bytes_of("\x00\x01", 2);
	CHECK(leaf_json(&leaf, to, sizeof(to)) == strlen(wanted) && memcmp(to, wanted, strlen(wanted)) == 0, "%.*s",
		  (int) leaf_json(&leaf, to, sizeof(to)), to);
	for (size_t room = 0; room < strlen(wanted) + 2; room++)
	{
		char *exact = unit_memory(room);

		CHECK(leaf_json(&leaf, exact, room) == strlen(wanted), "room %zu", room);
		free(exact);
	}
	for (size_t i = 0; i < sizeof(details) / sizeof(details[0]); i++)
		for (size_t length = 0; length <= 120; length += 40)
		{
			size_t size;
			char *exact;

			fill_leaf(&leaf, memory, length);
			leaf.text[LEAF_DETAILS] = bytes_of(details[i], strlen(details[i]));
			size = leaf_json(&leaf, to, 0);
			exact = unit_memory(size);
			CHECK(leaf_json(&leaf, exact, size) == size);
			CHECK(jsonscan_valid(bytes_of(exact, size)), "details %zu: %.*s", i, (int) size, exact);
			CHECK(memchr(exact, '\n', size) == NULL, "one line");
			free(exact);
		}
}

/* A changed row of every form and mark, as its bytes say. */
static void
changed_rows(void)
{
	static const uint8_t columns[] = "\x00\x09"
									 "\x01\x01\x01n\x04text"
									 "\x02\x00\x01m\x07numeric"
									 "\x03\x00\x01j\x05jsonb"
									 "\x04\x00\x01"
									 "b\x05"
									 "bytea"
									 "\x05\x00\x01t\x04"
									 "bool"
									 "\x06\x00\x01i\x04int4"
									 "\x07\x00\x01"
									 "f\x06"
									 "float8"
									 "\x08\x00\x01"
									 "d\x04"
									 "date"
									 "\x0b\x00\x01u\x04uuid";
	static const uint8_t row[] = "\x03"
								 "\x02\xc3\xa4"
								 "\x04"
								 "1.50"
								 "\x03[1]"
								 "\x02\x00\xff"
								 "\x01\x01"
								 "\x04\xff\xff\xff\xfe"
								 "\x08\x3f\xb9\x99\x99\x99\x99\x99\x9a"
								 "\x04\x00\x00\x00\x3b"
								 "\x10"
								 "0123456789abcdef"
								 "\xf5\x03NaN\xff\xf4\xf5\xf5\x08\x7f\xf0\x00\x00\x00\x00\x00\x00"
								 "\x04\x7f\xff\xff\xff"
								 "\xf3";
	static const char wanted[] =
		"\"old\":{\"n\":\"\xc3\xa4\",\"m\":1.50,\"j\":[1],\"b\":\"\\\\x00ff\",\"t\":true,\"i\":-2,\"f\":0.1,"
		"\"d\":\"2000-02-29\",\"u\":\"30313233-3435-3637-3839-616263646566\"},"
		"\"new\":{\"n\":\"\xc3\xa4\",\"m\":\"NaN\",\"j\":null,\"b\":\"[redacted]\",\"t\":true,\"i\":-2,"
		"\"f\":\"Infinity\",\"d\":\"infinity\",\"u\":{\"digest\":null}},";
	char to[4096];
	Leaf leaf = {.event_id = 5};
	size_t length;

	leaf.text[LEAF_COLUMNS] = bytes_of(columns, sizeof(columns) - 1);
	leaf.text[LEAF_ROW] = bytes_of(row, sizeof(row) - 1);
	length = leaf_json(&leaf, to, sizeof(to) - 1);
	to[length] = '\0';
	CHECK(strstr(to, wanted) != NULL, "%s", to);
	CHECK(jsonscan_valid(bytes_of(to, length)));
	/* one that is none is shown as it is */
	for (size_t cut = 0; cut < sizeof(row) - 1; cut++)
	{
		leaf.text[LEAF_ROW] = bytes_of(row, cut);
		length = leaf_json(&leaf, to, sizeof(to) - 1);
		to[length] = '\0';
		CHECK(jsonscan_valid(bytes_of(to, length)) && strstr(to, "\"row\":\"") != NULL, "cut at %zu", cut);
	}
}

static void
scanning(void)
{
	static const char *const good[] = {"0",
									   "-0",
									   "1.5e+10",
									   "1E5",
									   "\"\"",
									   "null",
									   " true ",
									   "[]",
									   "{}",
									   "[[],{}]",
									   "{\"a\":[1,{\"b\":null}],\"c\":\"\\ud800\\n\"}",
									   "[1 , 2]",
									   "{ \"a\" : { } }",
									   "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"",
									   "12345678901234567890123456789"};
	static const char *const bad[] = {"",
									  " ",
									  "01",
									  "-",
									  "1.",
									  ".5",
									  "1e",
									  "+1",
									  "nul",
									  "nulll",
									  "\"",
									  "\"\\x\"",
									  "\"\\u12g4\"",
									  "\"\n\"",
									  "[",
									  "]",
									  "[1,]",
									  "[,1]",
									  "{,}",
									  "{\"a\"}",
									  "{\"a\":}",
									  "{a:1}",
									  "{\"a\":1,}",
									  "[1}",
									  "{\"a\":1]",
									  "1 2",
									  "[1 2]",
									  "{\"a\" 1}",
									  "\"\xc3\"",
									  "\"\xed\xa0\x80\"",
									  "\"\xf4\x90\x80\x80\"",
									  "\"\xc0\x80\"",
									  "[]]",
									  "\"\\",
									  "\"\\u00",
									  "[1],",
									  "{1:2}",
									  "tru",
									  "\xef\xbb\xbf[]"};
	char deep[2 * JSONSCAN_DEPTH_MAX + 2];

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		CHECK(jsonscan_valid(bytes_of(good[i], strlen(good[i]))), "%s", good[i]);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
	{
		char *exact = unit_memory(strlen(bad[i]));

		memcpy(exact, bad[i], strlen(bad[i]));
		CHECK(!jsonscan_valid(bytes_of(exact, strlen(bad[i]))), "%s", bad[i]);
		free(exact);
	}
	CHECK(!jsonscan_valid(bytes_of("\"\0\"", 3)) && !jsonscan_valid(bytes_of("\"\\\0\"", 4)));
	memset(deep, '[', JSONSCAN_DEPTH_MAX);
	memset(deep + JSONSCAN_DEPTH_MAX, ']', JSONSCAN_DEPTH_MAX);
	CHECK(jsonscan_valid(bytes_of(deep, 2 * JSONSCAN_DEPTH_MAX)));
	memset(deep, '[', JSONSCAN_DEPTH_MAX + 1);
	memset(deep + JSONSCAN_DEPTH_MAX + 1, ']', JSONSCAN_DEPTH_MAX + 1);
	CHECK(!jsonscan_valid(bytes_of(deep, 2 * JSONSCAN_DEPTH_MAX + 2)));
}

static const UnitCase cases[] = {
	{"leaves come out as they went in", round_trips},
	{"the form is fixed", fixed_form},
	{"damaged leaves are refused, or are others", damage},
	{"times", times},
	{"JSON for people", json},
	{"changed rows in it", changed_rows},
	{"what is JSON", scanning},
};

UNIT_MAIN(cases)
