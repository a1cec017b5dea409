/*
 * url_fuzz.c
 *		Paths and percent-encoding: what was decoded is UTF-8, and encoded again it
 *		decodes to the same.
 */
#include "fuzz.h"

#include "gateway/parse/url.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *input = fuzz_copy(data, size);
	Arena *arena = arena_new();
	UrlPath path;
	Problem problem = {0};

	for (int is_form = 0; is_form < 2; is_form++)
	{
		const char *decoded = url_decode(arena, input, size, is_form == 1);
		const char *again;
		Text text;

		if (decoded == NULL)
			continue;
		MUST(text_is_utf8(decoded, strlen(decoded)) && strlen(decoded) <= size);
		text_begin(&text, arena);
		url_encode(&text, decoded);
		again = url_decode(arena, text.data, text.length, is_form == 1);
		MUST(again != NULL && strcmp(again, decoded) == 0);
	}
	if (url_path_read(arena, input, size, &path, &problem))
	{
		MUST((path.kind == URL_ROOT) == (path.name == NULL));
		MUST(path.name == NULL || (path.name[0] != '\0' && text_is_utf8(path.name, strlen(path.name))));
	}
	else
		MUST((problem.status == 404 && strcmp(problem.code, "PGRST125") == 0) ||
			 (problem.status == 400 && strcmp(problem.code, "PGRST100") == 0));
	arena_free(arena);
	free(input);
	return 0;
}
