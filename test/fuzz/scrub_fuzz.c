/*
 * scrub_fuzz.c
 *		What an application raises, on its way to a log: nothing of it is a token
 *		any more, all else stands where it stood, and what was clean stays the same.
 */
#include "fuzz.h"

#include "gateway/tool/scrub.h"

#include <stdbool.h>

#define INSTEAD "[token]"

#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.="

/* No header of a token that names its algorithm is shorter. */
static bool
is_token(const char *at)
{
	return strncmp(at, "eyJ", 3) == 0 && strspn(at, LETTERS) >= 16;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	Arena *arena = arena_new();
	char *text = arena_copy(arena, (const char *) data, size);
	const char *scrubbed = scrub_tokens(arena, text);
	const char *from = text;

	for (const char *at = scrubbed; *at != '\0'; at++)
		MUST(!is_token(at));
	MUST(strcmp(scrub_tokens(arena, scrubbed), scrubbed) == 0);
	if (strstr(text, "eyJ") == NULL)
		MUST(strcmp(scrubbed, text) == 0);
	/* what stands between replacements stands in the text, in that order */
	for (const char *at = scrubbed; *at != '\0';)
	{
		const char *end = strstr(at, INSTEAD);
		size_t length = end != NULL ? (size_t) (end - at) : strlen(at);
		char *piece = arena_copy(arena, at, length);

		from = strstr(from, piece);
		MUST(from != NULL);
		from += length;
		at += length + (end != NULL ? strlen(INSTEAD) : 0);
	}
	MUST(scrub_tokens(arena, NULL) == NULL);
	arena_free(arena);
	return 0;
}
