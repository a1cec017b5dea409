/*
 * body_test.c
 *		Bodies: what is JSON and what is not, keys, CSV, forms.
 */
#include "unit.h"

#include "gateway/parse/body.h"
#include "gateway/parse/json_scan.h"

#include <jansson.h>
#include <time.h>

static const MediaChoice as_json = {.media = MEDIA_JSON, .name = "application/json"};
static const MediaChoice as_csv = {.media = MEDIA_CSV, .name = "text/csv"};
static const MediaChoice as_form = {.media = MEDIA_FORM, .name = "application/x-www-form-urlencoded"};

typedef struct Good
{
	const char *body;
	BodyKind kind;
	const char *keys; /* with commas */
	const char *json; /* NULL: as sent */
} Good;

typedef struct Bad
{
	const char *body;
	const char *message;
} Bad;

/* Reads bytes from memory of their size, which is kept until the arena goes. */
static bool
read_bytes(Arena *arena, MediaChoice type, const char *data, size_t length, Body *body, Problem *problem)
{
	char *exact = unit_memory(length);

	memcpy(exact, data, length);
	arena_on_free(arena, free, exact);
	return body_read(arena, type, exact, length, body, problem);
}

static const char *
write_keys(Arena *arena, const Body *body)
{
	Text text;

	text_begin(&text, arena);
	for (int i = 0; i < body->key_count; i++)
		text_format(&text, "%s%s", i > 0 ? "," : "", body->keys[i]);
	return text.data;
}

static void
check_good(MediaChoice type, const Good *rows, size_t count)
{
	for (size_t i = 0; i < count; i++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem = {.message = ""};
		const char *wanted = rows[i].json != NULL ? rows[i].json : rows[i].body;

		if (CHECK(read_bytes(arena, type, rows[i].body, strlen(rows[i].body), &body, &problem), "%s: %s",
				  rows[i].body, problem.message))
		{
			CHECK(body.kind == rows[i].kind, "%s: %d", rows[i].body, body.kind);
			CHECK(strcmp(write_keys(arena, &body), rows[i].keys) == 0, "%s: %s", rows[i].body,
				  write_keys(arena, &body));
			CHECK(body.json_length == strlen(wanted) && memcmp(body.json, wanted, body.json_length) == 0, "%s: %.*s",
				  rows[i].body, (int) body.json_length, body.json);
			CHECK(body.type.media == type.media);
		}
		arena_free(arena);
	}
}

static void
check_bad(MediaChoice type, const Bad *rows, size_t count, const char *code)
{
	for (size_t i = 0; i < count; i++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem = {.message = ""};

		if (CHECK(!read_bytes(arena, type, rows[i].body, strlen(rows[i].body), &body, &problem), "%s", rows[i].body))
			CHECK(problem.status == 400 && strcmp(problem.code, code) == 0 &&
					  strcmp(problem.message, rows[i].message) == 0,
				  "%s: %s %s", rows[i].body, problem.code, problem.message);
		arena_free(arena);
	}
}

#define GOOD(type, rows) check_good(type, rows, sizeof(rows) / sizeof((rows)[0]))
#define BAD(type, rows, code) check_bad(type, rows, sizeof(rows) / sizeof((rows)[0]), code)

static void
json_good(void)
{
	static const Good rows[] = {
		{"{}", BODY_OBJECT, "", NULL},
		{" { } \r\n", BODY_OBJECT, "", NULL},
		{"{\"b\":1,\"a\":[1,2,{\"c\":null}]}", BODY_OBJECT, "a,b", NULL},
		{"{\"a\":1,\"a\":2}", BODY_OBJECT, "a", NULL},
		{"{\"\":1}", BODY_OBJECT, "", NULL},
		{"{\"a\\u0062\\n\\\"\\\\\\/\\b\\f\\r\\t\":1}", BODY_OBJECT, "ab\n\"\\/\b\f\r\t", NULL},
		{"{\"\\u00e4\\u20AC\\uD83D\\uDE00\":1}", BODY_OBJECT, "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", NULL},
		{"{\"\xd9\x87\xd9\x88\":1}", BODY_OBJECT, "\xd9\x87\xd9\x88", NULL},
		{"[]", BODY_ARRAY, "", NULL},
		{"[ ]", BODY_ARRAY, "", NULL},
		{"[{}]", BODY_ARRAY, "", NULL},
		{"[{}, {}]", BODY_ARRAY, "", NULL},
		{"[{\"k1\":21, \"k2\":\"hello world\"} , {\"k1\":22, \"k2\":\"bye\"}]", BODY_ARRAY, "k1,k2", NULL},
		{"1", BODY_SCALAR, "", NULL},
		{" -0.5e+10 ", BODY_SCALAR, "", NULL},
		{"0", BODY_SCALAR, "", NULL},
		{"-0", BODY_SCALAR, "", NULL},
		{"1E-5", BODY_SCALAR, "", NULL},
		{"123456789012345678901234567890.123456789", BODY_SCALAR, "", NULL},
		{"\"text\"", BODY_SCALAR, "", NULL},
		{"\"\"", BODY_SCALAR, "", NULL},
		{"true", BODY_SCALAR, "", NULL},
		{"false", BODY_SCALAR, "", NULL},
		{"null", BODY_SCALAR, "", NULL},
		{"\"\x7f\xf4\x8f\xbf\xbf\"", BODY_SCALAR, "", NULL},
	};

	GOOD(as_json, rows);
}

static void
json_bad(void)
{
	static const char *const rows[] = {
		"}{ x = 2",
		" ",
		"\n",
		"{",
		"}",
		"[",
		"]",
		"{]",
		"[}",
		"{\"a\"}",
		"{\"a\":}",
		"{\"a\":1,}",
		"{,}",
		"{a:1}",
		"{'a':1}",
		"{1:1}",
		"{\"a\" 1}",
		"{\"a\":1 \"b\":2}",
		"[1,]",
		"[,1]",
		"[{},]",
		"[{} {}]",
		"{}{}",
		"{} x",
		"[]]",
		"01",
		"-",
		"+1",
		".5",
		"5.",
		"1e",
		"1e+",
		"0x1",
		"1_000",
		"--1",
		"NaN",
		"Infinity",
		"-Infinity",
		"tru",
		"TRUE",
		"nul",
		"nulll",
		"truefalse",
		"\"",
		"\"a",
		"'a'",
		"\"\t\"",
		"\"\n\"",
		"\"\x01\"",
		"\"\\",
		"\"\\a\"",
		"\"\\x41\"",
		"\"\\u\"",
		"\"\\u12\"",
		"\"\\u123g\"",
		"\"\\ud800\"",
		"\"\\ud800\\n\"",
		"\"\\ud800\\u0041\"",
		"\"\\udc00\"",
		"\"\\ud83d\\ud83d\"",
		"\"\\ud800",
		"// x\n1",
		"/* */ 1",
		"1 // x",
		"\xef\xbb\xbf{}",
		"\xff",
		"\"\xff\"",
		"\"\xc3\"",
		"\"\xed\xa0\x80\"",
		"\"\xc0\x80\"",
		"{\"\xff\":1}",
		"\f1",
		"\v1",
		"\xc2\xa0"
		"1",
		"1;",
		"[1 2]",
	};
	static const Bad others[] = {
		{"[1]", "All object keys must match"},
		{"[{\"id\": 100}, 123, \"xxxx\", {\"id\": 111}]", "All object keys must match"},
		{"[[]]", "All object keys must match"},
		{"[null, {}]", "All object keys must match"},
	};
	static const Bad nuls[] = {
		{"\"\\u0000\"", "unsupported Unicode escape sequence"},
		{"{\"a\":[\"b\\u0000\"]}", "unsupported Unicode escape sequence"},
		{"{\"a\\u0000b\":1}", "unsupported Unicode escape sequence"},
		{"[{\"a\":1},{\"\\u0000\":1}]", "unsupported Unicode escape sequence"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Bad row = {rows[i], "Empty or invalid json"};

		check_bad(as_json, &row, 1, "PGRST102");
	}
	BAD(as_json, others, "PGRST102");
	BAD(as_json, nuls, "22P05");
}

static void
json_keys(void)
{
	static const struct
	{
		const char *body;
		bool keys_differ;
		bool is_empty;
	} rows[] = {
		{"[]", false, true},
		{"[{}]", false, false},
		{"[{},{}]", false, false},
		{"[{\"a\":1,\"b\":2},{\"b\":1,\"a\":2}]", false, false},
		{"[{\"a\":1,\"b\":2},{\"b\":1,\"a\":2},{\"a\":1,\"a\":1,\"b\":1}]", false, false},
		{"[{\"a\":1,\"a\":2},{\"a\":1}]", false, false},
		{"[{\"a\":1,\"\\u0062\":2},{\"\\u0061\":1,\"b\":2}]", false, false},
		{"[{\"id\":100,\"body\":\"x\"},{\"id\":111,\"body\":\"x\",\"owner\":\"me\"}]", true, false},
		{"[{\"a\":1,\"b\":2},{\"a\":1}]", true, false},
		{"[{\"a\":1,\"b\":2},{\"a\":1,\"a\":1}]", true, false},
		{"[{\"a\":1},{\"b\":1}]", true, false},
		{"[{},{\"a\":1}]", true, false},
		{"[{\"a\":1},{}]", true, false},
		{"[{\"a\":1},{\"a\":1},{\"ab\":1}]", true, false},
		{"[{\"ab\":1},{\"a\":1}]", true, false},
		{"[{\"a\":1},{\"A\":1}]", true, false},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem;

		CHECK(read_bytes(arena, as_json, rows[i].body, strlen(rows[i].body), &body, &problem) &&
				  body.keys_differ == rows[i].keys_differ && body.is_empty_array == rows[i].is_empty,
			  "%s", rows[i].body);
		arena_free(arena);
	}
}

static void
json_bounds(void)
{
	static const char *const opens[] = {"[{\"a\":", "{\"a\":"};
	static const char *const closes[] = {"}]", "}"};

	for (int i = 0; i < 8; i++)
	{
		int deep = JSON_DEPTH_MAX + i % 2;
		int kind = i / 2 % 2;
		Arena *arena = arena_new();
		Body body;
		Problem problem;
		Text text;

		text_begin(&text, arena);
		text_put(&text, opens[kind]);
		for (int j = kind == 0 ? 2 : 1; j < deep; j++)
			text_put(&text, i < 4 ? "[" : "{\"\":");
		text_put(&text, "1");
		for (int j = kind == 0 ? 2 : 1; j < deep; j++)
			text_put(&text, i < 4 ? "]" : "}");
		text_put(&text, closes[kind]);
		CHECK(read_bytes(arena, as_json, text.data, text.length, &body, &problem) == (i % 2 == 0), "%s", text.data);
		arena_free(arena);
	}
	for (int more = 0; more < 2; more++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem;
		Text text;

		text_begin(&text, arena);
		for (int j = 0; j < BODY_KEYS_MAX + more; j++)
			text_format(&text, "%s\"c%d\":%d", j > 0 ? "," : "{", j, j);
		text_put(&text, "}");
		CHECK(read_bytes(arena, as_json, text.data, text.length, &body, &problem) == (more == 0));
		CHECK(more == 1 || body.key_count == BODY_KEYS_MAX);
		arena_free(arena);
	}
}

static void
csv_good(void)
{
	static const Good rows[] = {
		{"a,b\n1,hi\n2,bye\n", BODY_ARRAY, "a,b", "[{\"a\":\"1\",\"b\":\"hi\"},{\"a\":\"2\",\"b\":\"bye\"}]"},
		{"a,b\r\n1,hi\r\n2,bye", BODY_ARRAY, "a,b", "[{\"a\":\"1\",\"b\":\"hi\"},{\"a\":\"2\",\"b\":\"bye\"}]"},
		{"a\r1\r2\r", BODY_ARRAY, "a", "[{\"a\":\"1\"},{\"a\":\"2\"}]"},
		{"a,b\nNULL,foo\n", BODY_ARRAY, "a,b", "[{\"a\":null,\"b\":\"foo\"}]"},
		{"a,b\n\"NULL\",null\n", BODY_ARRAY, "a,b", "[{\"a\":\"NULL\",\"b\":\"null\"}]"},
		{"a,b\n,\"\"\n", BODY_ARRAY, "a,b", "[{\"a\":\"\",\"b\":\"\"}]"},
		{"a\n\"x,\"\"y\"\"\nz\"\n", BODY_ARRAY, "a", "[{\"a\":\"x,\\\"y\\\"\\u000az\"}]"},
		{"a\n\"\"\"\"\n", BODY_ARRAY, "a", "[{\"a\":\"\\\"\"}]"},
		{"a\n\"\"\"\"\"\"\n", BODY_ARRAY, "a", "[{\"a\":\"\\\"\\\"\"}]"},
		{"\"a b\",\"c\"\"d\"\n1,2", BODY_ARRAY, "a b,c\"d", "[{\"a b\":\"1\",\"c\\\"d\":\"2\"}]"},
		{"a,b", BODY_ARRAY, "a,b", "[]"},
		{"a,b\n", BODY_ARRAY, "a,b", "[]"},
		{"a\n\n1\n\r\n2\n\n", BODY_ARRAY, "a", "[{\"a\":\"1\"},{\"a\":\"2\"}]"},
		{"\n\na\n1", BODY_ARRAY, "a", "[{\"a\":\"1\"}]"},
		{"a\n\"\"\n", BODY_ARRAY, "a", "[{\"a\":\"\"}]"},
		{"a,b\n 1 ,\t2\n", BODY_ARRAY, "a,b", "[{\"a\":\" 1 \",\"b\":\"\\u00092\"}]"},
		{"\xef\xbb\xbf"
		 "a\n1",
		 BODY_ARRAY, "a", "[{\"a\":\"1\"}]"},
		{"\xc3\xa4\n\xe2\x82\xac", BODY_ARRAY, "\xc3\xa4", "[{\"\xc3\xa4\":\"\xe2\x82\xac\"}]"},
		{"a,a\n1,2", BODY_ARRAY, "a", "[{\"a\":\"1\",\"a\":\"2\"}]"},
		{"a,b\n1,", BODY_ARRAY, "a,b", "[{\"a\":\"1\",\"b\":\"\"}]"},
		{",\n1,2", BODY_ARRAY, "", "[{\"\":\"1\",\"\":\"2\"}]"},
		{"b,a,c\n1,2,3\n4,5,6", BODY_ARRAY, "a,b,c",
		 "[{\"b\":\"1\",\"a\":\"2\",\"c\":\"3\"},{\"b\":\"4\",\"a\":\"5\",\"c\":\"6\"}]"},
	};

	GOOD(as_csv, rows);
}

static void
csv_bad(void)
{
	static const Bad rows[] = {
		{"a,b\n1", "All lines must have same number of fields"},
		{"a,b\n1,2,3", "All lines must have same number of fields"},
		{"a,b\n1,2\n3\n", "All lines must have same number of fields"},
		{"a\n1,\n", "All lines must have same number of fields"},
		{"a,b\n\"x\n", "parse error (the text is no CSV)"},
		{"a,b\n\"x\"y,2\n", "parse error (the text is no CSV)"},
		{"a,b\nx\"y,2\n", "parse error (the text is no CSV)"},
		{"\"a", "parse error (the text is no CSV)"},
		{"a\"", "parse error (the text is no CSV)"},
		{"\n", "parse error (the text is no CSV)"},
		{"\r\n\r\n", "parse error (the text is no CSV)"},
		{"\xef\xbb\xbf", "parse error (the text is no CSV)"},
		{"a\n\xff", "parse error (the text is no UTF-8)"},
	};
	Arena *arena = arena_new();
	Body body;
	Problem problem;

	BAD(as_csv, rows, "PGRST102");
	CHECK(!read_bytes(arena, as_csv, "a\n\0", 3, &body, &problem));
	arena_free(arena);
}

static void
csv_bounds(void)
{
	Arena *arena = arena_new();
	Body body;
	Problem problem;
	Text text;

	for (int more = 0; more < 2; more++)
	{
		text_begin(&text, arena);
		for (int j = 0; j < BODY_KEYS_MAX + more; j++)
			text_format(&text, "%sc%d", j > 0 ? "," : "", j);
		CHECK(read_bytes(arena, as_csv, text.data, text.length, &body, &problem) == (more == 0));
	}
	/* a long name and many rows: what it would become is bounded, not only what was sent */
	text_begin(&text, arena);
	for (int j = 0; j < 100000; j++)
		text_char(&text, 'n');
	text_char(&text, '\n');
	for (int j = 0; j < 100000; j++)
		text_put(&text, "1\n");
	CHECK(!read_bytes(arena, as_csv, text.data, text.length, &body, &problem) &&
		  strcmp(problem.message, "the CSV becomes too large") == 0);
	arena_free(arena);
}

static void
forms(void)
{
	static const Good rows[] = {
		{"integer=7&double=2.71828&varchar=forms+are+fun&boolean=false&money=$3.99", BODY_OBJECT,
		 "boolean,double,integer,money,varchar",
		 "{\"integer\":\"7\",\"double\":\"2.71828\",\"varchar\":\"forms are fun\",\"boolean\":\"false\","
		 "\"money\":\"$3.99\"}"},
		{"a=1&a=2&b=3&a=4", BODY_OBJECT, "a,b", "{\"b\":\"3\",\"a\":\"4\"}"},
		{"a", BODY_OBJECT, "a", "{\"a\":\"\"}"},
		{"a=", BODY_OBJECT, "a", "{\"a\":\"\"}"},
		{"&&a=1;b=2&", BODY_OBJECT, "a,b", "{\"a\":\"1\",\"b\":\"2\"}"},
		{"a%20b=%22%0A%C3%A4", BODY_OBJECT, "a b", "{\"a b\":\"\\\"\\u000a\xc3\xa4\"}"},
		{"a=b=c", BODY_OBJECT, "a", "{\"a\":\"b=c\"}"},
		{"&", BODY_OBJECT, "", "{}"},
		{"a=NULL", BODY_OBJECT, "a", "{\"a\":\"NULL\"}"},
	};
	static const Bad bad[] = {
		{"a=%", "the form cannot be decoded"},      {"a=%zz", "the form cannot be decoded"},
		{"a=%00", "the form cannot be decoded"},    {"%ff=1", "the form cannot be decoded"},
		{"a=%C0%80", "the form cannot be decoded"}, {"a=\xff", "the form is no UTF-8"},
	};
	Arena *arena = arena_new();
	Body body;
	Problem problem;
	Text text;

	GOOD(as_form, rows);
	BAD(as_form, bad, "PGRST102");
	if (CHECK(read_bytes(arena, as_form, "v=1&w=x&v=2", 11, &body, &problem)))
		CHECK(strcmp(body.fields->name, "v") == 0 && strcmp(body.fields->value, "1") == 0 &&
			  strcmp(body.fields->next->name, "w") == 0 && strcmp(body.fields->next->next->value, "2") == 0 &&
			  body.fields->next->next->next == NULL);
	for (int more = 0; more < 2; more++)
	{
		text_begin(&text, arena);
		for (int j = 0; j < BODY_KEYS_MAX + more; j++)
			text_format(&text, "c%d=1&", j);
		CHECK(read_bytes(arena, as_form, text.data, text.length, &body, &problem) == (more == 0));
	}
	arena_free(arena);
}

static void
other_types(void)
{
	static const MediaChoice text = {.media = MEDIA_TEXT, .name = "text/plain"};
	static const MediaChoice xml = {.media = MEDIA_XML, .name = "text/xml"};
	static const MediaChoice octets = {.media = MEDIA_OCTETS, .name = "application/octet-stream"};
	static const MediaChoice other = {.media = MEDIA_OTHER, .name = "image/png"};
	static const MediaChoice object = {.media = MEDIA_OBJECT, .name = "application/vnd.pgrst.object+json"};
	static const MediaChoice *const all[] = {&as_json, &as_csv, &as_form, &text, &xml, &octets};
	Arena *arena = arena_new();
	Body body;
	Problem problem;

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		CHECK(read_bytes(arena, *all[i], "", 0, &body, &problem) && body.kind == BODY_NONE && body.json == NULL &&
			  body.raw == NULL);
	CHECK(read_bytes(arena, text, "a\xc3\xa4", 3, &body, &problem) && body.kind == BODY_RAW && body.raw_length == 3);
	CHECK(read_bytes(arena, xml, "<a/>", 4, &body, &problem) && body.kind == BODY_RAW &&
		  memcmp(body.raw, "<a/>", 4) == 0);
	CHECK(read_bytes(arena, octets, "\0\xff", 2, &body, &problem) && body.kind == BODY_RAW && body.raw_length == 2);
	CHECK(!read_bytes(arena, text, "a\0", 2, &body, &problem) && strcmp(problem.code, "22021") == 0);
	CHECK(!read_bytes(arena, xml, "\xff", 1, &body, &problem) && strcmp(problem.code, "22021") == 0);
	CHECK(!read_bytes(arena, other, "a", 1, &body, &problem) && strcmp(problem.code, "PGRST102") == 0 &&
		  strcmp(problem.message, "Content-Type not acceptable: image/png") == 0);
	CHECK(!read_bytes(arena, object, "{}", 2, &body, &problem) && problem.status == 400);
	CHECK(!read_bytes(arena, other, "", 0, &body, &problem));
	arena_free(arena);
}

/* Bodies of a megabyte cost a moment. */
static void
linear_time(void)
{
	static const struct
	{
		const MediaChoice *type;
		const char *start;
		const char *each;
	} rows[] = {
		{&as_json, "", "["},
		{&as_json, "[", "{},"},
		{&as_json, "[{\"a\":1}", ",{\"a\":1}"},
		{&as_json, "{", "\"a\":1,"},
		{&as_json, "\"", "\\u0041"},
		{&as_json, "", "\""},
		{&as_json, "[{}", ",{\"a\\u0041\":1}"},
		{&as_json, "[{\"a\":1},{", "\"a\":1,"},
		{&as_json, "", "1"},
		{&as_json, "[{\"a\":1},{\"", "\\n"},
		{&as_csv, "a\n", "\"\""},
		{&as_csv, "a\n", "\n"},
		{&as_csv, "a\n\"", "\"\""},
		{&as_csv, "", ","},
		{&as_csv, "a\n", "1\n"},
		{&as_csv, "a\n", "\"a\"\n"},
		{&as_csv, "", "\n"},
		{&as_form, "", "&"},
		{&as_form, "", "a=1&"},
		{&as_form, "", "%41"},
		{&as_form, "a=", "+"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem;
		Text text;
		clock_t began;

		text_begin(&text, arena);
		text_put(&text, rows[i].start);
		while (text.length < 1 << 20)
			text_put(&text, rows[i].each);
		began = clock();
		(void) body_read(arena, *rows[i].type, text.data, text.length, &body, &problem);
		began = clock() - began;
		CHECK(began < 2 * CLOCKS_PER_SEC, "%s%s...: %ld ms", rows[i].start, rows[i].each,
			  (long) (began * 1000 / CLOCKS_PER_SEC));
		arena_free(arena);
	}
}

/* What jansson reads, this reads, and the other way round, over texts made of JSON's own pieces. */
static void
second_opinion(void)
{
	static const char *const pieces[] = {"{",     "}",           "[",  "]",         ",",    ":",
										 "\"a\"", "\"\\u00e9\"", "1",  "-0.5e-3",   "true", "null",
										 " ",     "01",          "\"", "{\"a\":1}", "[1]",  "\\"};
	uint8_t dice[12];
	int agreed[2] = {0, 0};

	for (uint32_t i = 0; i < 200000; i++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem;
		Text text;
		json_error_t error;
		json_t *opinion;
		bool ours;

		unit_fill(dice, sizeof(dice), i);
		text_begin(&text, arena);
		for (int j = 0; j <= dice[0] % 8; j++)
			text_put(&text, pieces[dice[j + 1] % (sizeof(pieces) / sizeof(pieces[0]))]);
		opinion = json_loadb(text.data, text.length, JSON_DECODE_ANY, &error);
		ours = body_read(arena, as_json, text.data, text.length, &body, &problem) ||
			   strcmp(problem.message, "All object keys must match") == 0;
		CHECK(ours == (opinion != NULL), "%s", text.data);
		agreed[ours]++;
		json_decref(opinion);
		arena_free(arena);
	}
	CHECK(agreed[0] > 1000 && agreed[1] > 1000, "%d %d", agreed[0], agreed[1]);
}

int
main(void)
{
	static const UnitCase cases[] = {
		{"JSON", json_good},
		{"what is no JSON", json_bad},
		{"keys", json_keys},
		{"bounds of JSON", json_bounds},
		{"CSV", csv_good},
		{"what is no CSV", csv_bad},
		{"bounds of CSV", csv_bounds},
		{"forms", forms},
		{"other types", other_types},
		{"linear time", linear_time},
		{"a second opinion on JSON", second_opinion},
	};

	return unit_run(cases, sizeof(cases) / sizeof(cases[0]));
}
