/*
 * body_fuzz.c
 *		Bodies of every type: what is accepted as JSON is JSON for jansson too, what
 *		is made of CSV and forms is JSON with those keys, and keys are sorted.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "gateway/parse/body.h"

#include <jansson.h>

/* Whether jansson agrees; it refuses numbers beyond a double, which the database keeps. */
static void
check_json(const char *json, size_t length)
{
	json_error_t error;
	json_t *read = json_loadb(json, length, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);

	MUST(read != NULL || strstr(error.text, "real number overflow") != NULL);
	json_decref(read);
}

static void
check_body(const Body *body)
{
	MUST((body->kind == BODY_NONE || body->kind == BODY_RAW) == (body->json == NULL));
	if (body->json != NULL)
		check_json(body->json, body->json_length);
	MUST(body->key_count >= 0 && body->key_count <= BODY_KEYS_MAX);
	for (int i = 1; i < body->key_count; i++)
		MUST(strcmp(body->keys[i - 1], body->keys[i]) < 0);
	MUST(!body->keys_differ || body->kind == BODY_ARRAY);
	MUST(!body->is_empty_array || body->kind == BODY_ARRAY);
}

/* What jansson refuses is refused here. */
static void
check_refusal(const char *data, size_t size, const Problem *problem)
{
	json_error_t error;
	json_t *read;

	/* a NUL is the end to jansson */
	if (strcmp(problem->message, "Empty or invalid json") != 0 || (size > 0 && memchr(data, 0, size) != NULL))
		return;
	read = json_loadb(data, size, JSON_DECODE_ANY, &error);
	MUST(read == NULL || json_is_object(read) || json_is_array(read)); /* only depth differs: 64 here */
	json_decref(read);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const MediaChoice types[] = {
		{.media = MEDIA_JSON, .name = "application/json"},
		{.media = MEDIA_CSV, .name = "text/csv"},
		{.media = MEDIA_FORM, .name = "application/x-www-form-urlencoded"},
		{.media = MEDIA_TEXT, .name = "text/plain"},
		{.media = MEDIA_OCTETS, .name = "application/octet-stream"},
		{.media = MEDIA_OTHER, .name = "x/y"},
	};
	char *input = fuzz_copy(data, size);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
	{
		Arena *arena = arena_new();
		Body body;
		Problem problem = {0};

		if (body_read(arena, types[i], input, size, &body, &problem))
			check_body(&body);
		else
		{
			MUST(problem.status == 400 && problem.code != NULL && problem.message != NULL);
			if (i == 0)
				check_refusal(input, size, &problem);
		}
		arena_free(arena);
	}
	free(input);
	return 0;
}
