/*
 * openapi_fuzz.c
 *		Descriptions of a schema: what a document is made of is JSON and names its
 *		version.
 */
#define FUZZ_LENGTH_MAX 4096
#include "fuzz.h"

#include "gateway/answer/openapi.h"

#include <jansson.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena *arena = arena_new();
	char *copy = fuzz_copy(data, size);
	OpenapiPlace place = {.host = "!4", .port = 3000, .version = "1", .security_active = size % 2 == 0};
	size_t length = 0;
	const char *text = openapi_document(arena, copy, size, &place, &length);

	if (text != NULL)
	{
		json_t *document = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);

		MUST(json_is_object(document) && json_is_string(json_object_get(document, "swagger")));
		MUST(json_is_object(json_object_get(json_object_get(document, "paths"), "/")));
		json_decref(document);
	}
	free(copy);
	arena_free(arena);
	return 0;
}
