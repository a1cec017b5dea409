/*
 * json_fuzz.c
 *		JSON of strangers: the scan and jansson agree on what is JSON, and the strict
 *		reading is the same object in an arena as outside of one, within its bounds.
 */
#include "fuzz.h"

#include "common/jsonscan.h"
#include "common/strictjson.h"

#define DEPTH 4
#define VALUES 20

/* How deep a value of jansson nests, and how many values are in it. */
static unsigned
measure(json_t *value, unsigned *values)
{
	unsigned deepest = 0;
	const char *name;
	json_t *member;
	size_t i;

	(*values)++;
	json_object_foreach(value, name, member)
	{
		unsigned depth = measure(member, values);

		deepest = depth > deepest ? depth : deepest;
	}
	json_array_foreach(value, i, member)
	{
		unsigned depth = measure(member, values);

		deepest = depth > deepest ? depth : deepest;
	}
	return json_is_object(value) || json_is_array(value) ? deepest + 1 : 0;
}

static void
check_strict(const char *text, size_t length)
{
	static JsonArena *arena;
	json_t *object = strictjson_object(text, length, DEPTH, VALUES);
	json_t *same;
	unsigned values = 0;

	if (arena == NULL)
		arena = strictjson_arena_new();
	MUST(arena != NULL);
	same = strictjson_object_in(arena, text, length, DEPTH, VALUES);
	MUST((object == NULL) == (same == NULL));
	if (object == NULL)
		return;
	MUST(json_is_object(object) && json_equal(object, same));
	MUST(measure(object, &values) <= DEPTH && values <= VALUES);
	MUST(jsonscan_valid(bytes_of(text, length)));
	json_decref(object);
}

static void
check_scan(const char *text, size_t length)
{
	json_error_t error;
	json_t *value = json_loadb(text, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL | JSON_ALLOW_NUL, &error);
	bool is_valid = jsonscan_valid(bytes_of(text, length));

	/* RFC 8259 lets numbers be of any size, and escapes be half of a pair */
	if (is_valid)
		MUST(value != NULL || json_error_code(&error) == json_error_numeric_overflow ||
			 strstr(error.text, "invalid Unicode") != NULL);
	else /* jansson overlooks a NUL behind a number */
		MUST(value == NULL || length >= JSONSCAN_DEPTH_MAX || memchr(text, 0, length) != NULL);
	json_decref(value);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *exact = fuzz_copy(data, size);
	size_t at = 0;

	check_scan(exact, size);
	check_strict(exact, size);
	while (at < size)
	{
		size_t step = jsonscan_character((const uint8_t *) exact + at, size - at);

		MUST(step <= 4 && at + step <= size);
		at += step > 0 ? step : 1;
	}
	free(exact);
	return 0;
}
